//! Goal: what editors are told (`docs/config.schema.json`) is what the proxy takes. Method: every
//! configuration that we show or start is checked against the schema; and where a schema can tell,
//! it says of a mistake what the reader says. That both know the same keys is tested beside them.

use crate::support::schema::{assert_valid, schema_faults};

#[test]
fn what_we_show_is_a_configuration() {
    let mut shown = 0;
    let reference = lbproxy::config::reference_markdown();
    for (page, text) in [("README.md", include_str!("../../README.md")), ("reference", &reference)]
    {
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert_valid(page, block);
            lbproxy::config::parse(page, block, &|_| None).unwrap();
            shown += 1;
        }
    }
    assert!(shown >= 2, "{shown}");
}

/// A file with every section, and some values as text or by variables.
const FULL: &str = r#"
proxy:
  workers: "2"
  listeners:
    - name: public
      address: "::"
      port: ${PORT:-8080}
      http2: false
      trusted_proxies: [10.0.0.0/8, 192.0.2.7]
      timeouts: {head: 5s, keep_alive: 1m, tls_handshake: 500ms, idle: 2m}
      limits: {head_bytes: 16KiB, uri_bytes: 4KiB, headers: 50, connections: 1000, streams: 10}
  services:
    - name: shop
      domains: [shop.example.com, "*.shop.example.com"]
      hosts:
        - {address: 10.0.0.1, port: 9090, weight: 2}
        - 10.0.0.2:9090
      balance: least_request
      timeouts: {connect: 1s, first_byte: 10s, idle: 10s}
      retry: {attempts: 3}
      limits: {body_bytes: 10MiB}
      pool: {idle_max: 8, idle_timeout: 10s}
      outlier: {failures: 3, eject: 1s, eject_max: 1m, max_ejected: 0.25}
      http: {path: reject}
    - {name: 1.10, domain: "*", hosts: ["[::1]:80"]}
admin: {listen: "0.0.0.0:9901", token: x}
telemetry:
  instance: one
  namespace: test_1
  journal: {path: /var/lib/lbproxy, size: 64MiB, sync: 100ms, when_full: reject}
  elasticsearch:
    urls: [https://a:9200, "http://b:9200"]
    api_key: k
    tls: {ca_file: /ca.pem, verify: "false"}
    compression: gzip
    batch: {bytes: 1MiB, documents: 500, wait: 200ms, in_flight: 4}
    timeout: 5s
    proxy: http://p:3128
"#;

#[test]
fn reader_and_schema_agree_where_a_schema_can_tell() {
    let reads = |text: &str| lbproxy::config::parse("f", text, &|_| None).map(drop);
    assert_valid("everything", FULL);
    reads(FULL).unwrap();
    for (name, from, to) in [
        ("unknown key", "workers:", "wrokers:"),
        ("unknown key deep inside", "idle_max:", "idle_most:"),
        ("number too small", "attempts: 3", "attempts: 0"),
        ("number too large", "in_flight: 4", "in_flight: 5"),
        ("port too large", "port: ${PORT:-8080}", "port: 65536"),
        ("no number", "headers: 50", "headers: many"),
        ("span without unit", "sync: 100ms", "sync: 100"),
        ("decimal size", "size: 64MiB", "size: 64MB"),
        ("unknown word", "balance: least_request", "balance: random"),
        ("no flag", "http2: false", "http2: maybe"),
        ("list for a mapping", "retry: {attempts: 3}", "retry: [3]"),
        ("mapping for a list", "urls: [https://a:9200, \"http://b:9200\"]", "urls: {a: b}"),
        ("value for a mapping", "http: {path: reject}", "http: reject"),
        ("nothing", "instance: one", "instance:"),
        ("empty list", "[shop.example.com, \"*.shop.example.com\"]", "[]"),
        ("required key missing", "- name: shop\n      domains", "- domains"),
        ("two that exclude each other", "      retry:", "      domain: x\n      retry:"),
        ("token twice", "token: x", "token: x, token_file: /dev/null"),
        ("none of two", "domain: \"*\", ", ""),
    ] {
        let text = FULL.replacen(from, to, 1);
        assert_ne!(text, FULL, "{name}");
        assert!(reads(&text).is_err(), "{name}: the reader takes it");
        assert!(!schema_faults(&text).is_empty(), "{name}: the schema takes it");
    }
}
