//! Goal: `lbproxy health` and `lbproxy probe` say whether a proxy works, and why not. Method: the real program
//! beside a proxy, a mock and a store of the test's own; exit codes and words, row by row.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lbproxy_fakes::{Options, Product};

use crate::support::*;

/// Runs the program; its exit code, and everything it said.
fn lbproxy(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn health_is_that_of_who_answers() {
    // A token guards the figures, and health is open.
    let admin = "admin: {listen: \"127.0.0.1:0\", token: sesame}\n";
    let proxy = Proxy::start(&one_service(&[nobody()], ""), admin);
    let upstream = Upstream::start(|head, _| {
        let (status, more) = if head.starts_with("GET /moved") {
            ("302 Found", "Location: http://other/\r\n")
        } else if head.starts_with("GET /bad") {
            ("503 Bad", "")
        } else {
            ("200 OK", "")
        };
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: 8\r\n\r\nw\x1b[31m\nx").into_bytes()
    });
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let of = |address: std::net::SocketAddr, path: &str| format!("http://{address}{path}");
    for (name, url, code, want) in [
        ("ready", of(proxy.admin, "/readyz"), 0, "ready\n"),
        ("alive", of(proxy.admin, "/healthz"), 0, "ok\n"),
        ("guarded", of(proxy.admin, "/metrics"), 1, "/metrics: 401: send the token"),
        ("a mock", of(upstream.address, "/"), 0, "w\\x1b[31m\n"),
        ("not well", of(upstream.address, "/bad"), 1, "/bad: 503: w\\x1b[31m\n"),
        ("elsewhere", of(upstream.address, "/moved"), 1, "302 redirects to other, and no redirect"),
        ("nobody", of(nobody(), "/"), 1, "start what is to answer there"),
        ("silent", of(silent.local_addr().unwrap(), "/"), 1, "no answer within 500 ms"),
        ("no URL", "localhost".to_owned(), 2, "such as http://127.0.0.1:9200"),
        ("a secret", "http://u:hunter2@h/".to_owned(), 2, "the URL holds credentials"),
    ] {
        let (got, text) = lbproxy(&["health", "--within", "500ms", &url]);
        assert!(got == code && text.contains(want), "{name}: {got}: {text}");
        assert!(!text.contains("hunter2"), "{name}: {text}");
    }
}

/// A configuration with this namespace and, where there is one, a store, for who asks it.
fn asking(folder: &std::path::Path, namespace: &str, store: Option<&str>) -> String {
    let telemetry = match store {
        Some(url) => ship_to(url, namespace, ""),
        None => format!("  namespace: {namespace}\n"),
    };
    let file = folder.join(format!("asking-{namespace}-{}.yaml", store.is_some()));
    let text = format!("proxy:\n{}\ntelemetry:\n{telemetry}", one_service(&[nobody()], ""));
    schema::assert_valid("the test's configuration", &text);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_probe_finds_the_document_of_its_own_request_or_says_where_it_ends() {
    let upstream = Upstream::start(|head, _| {
        let status = if head.starts_with("GET /bad") { "500 Bad" } else { "404 None" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    for product in [Product::Elasticsearch, Product::OpenSearch] {
        let store = lbproxy_fakes::start(Options::local(product)).unwrap();
        let url = store.url();
        let proxy =
            Proxy::start(&one_service(&[upstream.address], ""), &ship_to(&url, "probe", ""));
        let folder = proxy.dir.path();
        let well = asking(folder, "probe", Some(&url));
        let elsewhere = asking(folder, "elsewhere", Some(&url));
        let nowhere = asking(folder, "probe", None);
        // Requests of others are not taken for it.
        for _ in 0..3 {
            proxy.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        for (name, path, config, within, code, parts) in [
            ("found", "/own", &well, "20s", 0, &["answer    404 from http://", "document  "][..]),
            ("a bad answer", "/bad", &well, "20s", 1, &["answer    500 ", "document  ", "is 500;"]),
            ("not there", "/own", &elsewhere, "1s", 1, &["answer    404 ", "has no document of"]),
            ("not shipped", "/own", &nowhere, "1s", 0, &["telemetry.elasticsearch is not set"]),
        ] {
            let through = format!("http://{}{path}", proxy.address);
            let arguments =
                ["probe", "--config", config, "--through", &through, "--within", within];
            let (got, text) = lbproxy(&arguments);
            assert_eq!(got, code, "{product:?} {name}: {text}");
            assert!(parts.iter().all(|part| text.contains(part)), "{product:?} {name}: {text}");
            if let Some((_, document)) = text.split_once("document  ")
                && config == &well
            {
                let id = document.split(' ').next().unwrap();
                let stored = store.documents("logs-lbproxy.access-probe");
                let stored = stored.iter().find(|stored| stored.id == id).unwrap();
                let source = stored.source.to_string();
                assert!(source.contains(path), "{product:?} {name}: {source}");
            }
        }
    }
}

#[test]
fn a_probe_ends_at_once_where_waiting_does_not_help() {
    let proxy = Proxy::start(&one_service(&[Upstream::ok().address], ""), "");
    let store = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    store.script("POST", "/logs-lbproxy.access-probe/_search", 403, "{}");
    let well = format!("http://{}/", proxy.address);
    let config = asking(proxy.dir.path(), "probe", Some(&store.url()));
    for (name, through, want) in [
        ("no rights", well, "those of `lbproxy setup` may"),
        ("no proxy", format!("http://{}/", nobody()), "start the proxy, or name the address"),
    ] {
        let begin = Instant::now();
        let arguments = ["probe", "--config", &config, "--through", &through, "--within", "1m"];
        let (code, text) = lbproxy(&arguments);
        assert!(code == 1 && text.contains(want), "{name}: {code}: {text}");
        assert!(begin.elapsed() < Duration::from_secs(50), "{name}");
    }
}
