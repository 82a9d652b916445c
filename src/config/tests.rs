//! Goal: every mistake is found at its place, with a cure. Method: small files, named rows.

use super::*;

/// The smallest complete file.
const SMALLEST: &str = "\
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services:
    - name: shop
      domain: shop.example.com
      hosts:
        - {address: 10.0.0.1, port: 9090}
";

fn read(text: &str) -> Result<Config, Report> {
    parse("f.yaml", text, &|name| (name == "SET").then(|| "value".to_owned()))
}

/// The findings as text, one per line.
fn findings(text: &str) -> String {
    read(text).map_or_else(|report| report.to_string(), |_| "none".to_owned())
}

#[test]
fn the_first_block_alone_is_a_complete_file() {
    let config = read(SMALLEST).unwrap();
    assert_eq!(config.proxy.services[0].domains, [Domain::Exact("shop.example.com".into())]);
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9901");
    assert!(config.telemetry.elasticsearch.is_none());
    assert_eq!(config.hash.len(), 8);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn each_mistake_names_place_key_and_cure() {
    let with = |from: &str, to: &str| SMALLEST.replace(from, to);
    let otlp = |keys: &str| format!("{SMALLEST}telemetry: {{otlp: {{{keys}}}}}\n");
    let elasticsearch =
        |keys: &str| format!("{SMALLEST}telemetry: {{elasticsearch: {{{keys}}}}}\n");
    for (name, text, wants) in [
        (
            "unknown key",
            with("    - name", "    - nmae: x\n      name"),
            &["f.yaml:4:7: proxy.services[0].nmae", "did you mean `name`?"][..],
        ),
        ("no port", with(", port: 0", ""), &["f.yaml:2:11: proxy.listen.port: is missing"]),
        (
            "port too large",
            with("port: 9090", "port: 99999"),
            &["hosts[0].port: `99999` is not a port", "1 to 65535"],
        ),
        (
            "weight 0",
            with("9090}", "9090, weight: 0}"),
            &["weight: `0` is not a whole number from 1"],
        ),
        (
            "domain with port",
            with("shop.example.com", "\"shop.example.com:80\""),
            &["domain", "without scheme and port"],
        ),
        (
            "address is a URL",
            with("10.0.0.1", "\"http://10.0.0.1\""),
            &["IP address or a host name"],
        ),
        (
            "unset variable",
            with("10.0.0.1", "\"${NOT_SET}\""),
            &["variable NOT_SET is not set", "${NOT_SET:-default}"],
        ),
        (
            "an address that ends nobody knows where",
            with("{address: 10.0.0.1, port: 9090}", "\"2001:db8::1:80\""),
            &["hosts[0]: `2001:db8::1:80` is not an endpoint"],
        ),
        (
            "a bracket too many",
            with("{address: 10.0.0.1, port: 9090}", "\"[[::1]:80\""),
            &["hosts[0]: `[[::1]:80` is not an endpoint"],
        ),
        (
            "two listeners at one address",
            with(
                "listen: {address: 127.0.0.1, port: 0}",
                "listeners: [{port: 80}, {port: 81}, {address: 0.0.0.0, port: 80}]",
            ),
            &["listeners[2].port: is also that of proxy.listeners[0].port"],
        ),
        (
            "a listener at every address and one at a single one",
            with(
                "listen: {address: 127.0.0.1, port: 0}",
                "listeners: [{port: 80}, {address: 127.0.0.1, port: 80}]",
            ),
            &["f.yaml:2:54: proxy.listeners[1].port: 127.0.0.1:80 is also that of \
               proxy.listeners[0].port, which is 0.0.0.0:80; give each listener a port"],
        ),
        (
            "the admin at a listener's address",
            with("port: 0", "port: 80") + "admin: {listen: \"127.0.0.1:80\"}\n",
            &[
                "admin.listen: 127.0.0.1:80 is also the address of a listener: default has 127.0.0.1:80",
            ],
        ),
        (
            "the admin where a listener has every address",
            with("address: 127.0.0.1, port: 0", "port: 80") + "admin: {listen: \"127.0.0.1:80\"}\n",
            &[
                "8:17: admin.listen: 127.0.0.1:80 is also the address of a listener: default has 0.0.0.0:80",
            ],
        ),
        (
            "a listener where the admin is by default",
            with("address: 127.0.0.1, port: 0", "port: 9901"),
            &["admin.listen: 127.0.0.1:9901 is also the address of a listener"],
        ),
        (
            "a listener where the admin is by default, with a token",
            with("address: 127.0.0.1, port: 0", "port: 9901")
                + "admin: {token_file: /proc/version}\n",
            &["8:8: admin.listen: 127.0.0.1:9901 is also the address of a listener"],
        ),
        ("no services", "proxy: {listen: {port: 1}}".to_owned(), &["proxy.services: is missing"]),
        (
            "no listeners",
            "proxy: {listeners: [], services: []}".to_owned(),
            &["proxy.listeners: is empty", "proxy.services: is empty"],
        ),
        (
            "no domains",
            with("domain: shop.example.com", "domains: []"),
            &["f.yaml:5:16: proxy.services[0].domains: is empty"],
        ),
        ("empty file", String::new(), &["0 YAML documents"]),
        ("no YAML", "proxy: [".to_owned(), &["is not YAML"]),
        (
            "key twice",
            with("  listen", "  workers: 1\n  workers: 2\n  listen"),
            &["f.yaml:3:3: proxy.workers: stands twice, on lines 2 and 3; keep one of the two"],
        ),
        (
            "keys twice, in lists too",
            with("port: 9090}", "port: 9090, port: 9091}") + "proxy: 1\n",
            &[
                "7:43: proxy.services[0].hosts[0].port: stands twice, on lines 7 and 7",
                "8:1: proxy: stands twice, on lines 1 and 8",
            ],
        ),
        (
            "zero timeout",
            format!("{SMALLEST}      timeouts: {{connect: 0s}}\n"),
            &["timeouts.connect: `0s`", "500ms"],
        ),
        (
            "size without unit",
            format!("{SMALLEST}telemetry: {{journal: {{size: 100}}}}\n"),
            &["journal.size: `100`", "64KiB"],
        ),
        (
            "journal too small",
            format!("{SMALLEST}telemetry: {{journal: {{size: 1MiB}}}}\n"),
            &["journal.size: `1MiB`"],
        ),
        (
            "a line for nothing",
            SMALLEST.replace("domain:", "limits: {queue: 5, queue_timeout: 2s}\n      domain:"),
            &["limits.queue: does nothing without `in_flight`", "limits.queue_timeout: does"],
        ),
        (
            "no place at all",
            SMALLEST.replace("domain:", "limits: {in_flight: 0}\n      domain:"),
            &["limits.in_flight: `0` is not a whole number from 1"],
        ),
        (
            "admin for all",
            format!("{SMALLEST}admin: {{listen: \"0.0.0.0:1\"}}\n"),
            &["admin.listen", "token_file"],
        ),
        (
            "namespace",
            format!("{SMALLEST}telemetry: {{namespace: A-b}}\n"),
            &["telemetry.namespace"],
        ),
        (
            "heartbeat too often",
            format!("{SMALLEST}telemetry: {{heartbeat: {{every: 1ms}}}}\n"),
            &["telemetry.heartbeat.every", "`off`"],
        ),
        (
            "a window that does not divide a day",
            format!("{SMALLEST}telemetry: {{rollup: {{every: 7s}}}}\n"),
            &["telemetry.rollup.every", "divides a day"],
        ),
        (
            "credentials in URL",
            elasticsearch("urls: [\"http://u:hidden@h:1\"]"),
            &["telemetry.elasticsearch.urls[0]", "holds credentials", "password_file"],
        ),
        (
            "query in URL",
            elasticsearch("urls: [\"http://h:1\", \"http://h:1/es/?key=hidden\"]"),
            &["telemetry.elasticsearch.urls[1]", "has a query", "leave it out"],
        ),
        (
            "fragment in URL",
            elasticsearch("urls: [\"http://h:1/#hidden\"]"),
            &["has a fragment", "leave it out"],
        ),
        (
            "a secret in what is no URL",
            elasticsearch("urls: [\"//u:hidden@h:1\"]"),
            &["is not a URL; write http://host:9200"],
        ),
        (
            "no URL",
            elasticsearch("urls: [\"//h:1\"]"),
            &["`//h:1` is not a URL; write http://host:9200"],
        ),
        (
            "query in the URL of boards",
            elasticsearch("urls: [\"http://h:1\"], dashboards: {url: \"http://h/?k=hidden\"}"),
            &["telemetry.elasticsearch.dashboards.url", "has a query"],
        ),
        (
            "query in the URL of a proxy",
            elasticsearch("urls: [\"http://h:1\"], proxy: \"http://u:p@h/?k=hidden\""),
            &["telemetry.elasticsearch.proxy", "has a query"],
        ),
        (
            "query in the URL of a collector",
            otlp("endpoint: \"http://h:1/?key=hidden\""),
            &["telemetry.otlp.endpoint", "has a query"],
        ),
        (
            "credentials in the URL of a collector",
            otlp("endpoint: \"http://u:hidden@h:1\""),
            &["telemetry.otlp.endpoint", "holds credentials", "`headers`"],
        ),
        (
            "a collector without scheme",
            otlp("endpoint: localhost:4317"),
            &["telemetry.otlp.endpoint", "http://host:4317"],
        ),
        ("no collector", otlp("sample: 1"), &["telemetry.otlp.endpoint: is missing"]),
        (
            "a share in per cent",
            otlp("endpoint: http://h:1, sample: 10"),
            &["telemetry.otlp.sample: `10` is not a share from 0 to 1"],
        ),
        (
            "a share of endpoints in per cent",
            SMALLEST.replace("hosts:", "outlier: {max_ejected: 50}\n      hosts:"),
            &["max_ejected: `50` is not a share from 0 to 1"],
        ),
        (
            "another protocol",
            otlp("endpoint: http://h:1, protocol: http/json"),
            &["telemetry.otlp.protocol", "http/protobuf"],
        ),
        (
            "a field of the protocol's own",
            otlp("endpoint: http://h:1, headers: [{name: TE, value: x}]"),
            &["telemetry.otlp.headers[0].name: `TE`"],
        ),
        (
            "a field without value",
            otlp("endpoint: http://h:1, headers: [{name: a}]"),
            &["headers[0].value_file: is missing"],
        ),
        (
            "a field over two lines",
            otlp("endpoint: http://h:1, headers: [{name: a, value: \"b\\nc\"}]"),
            &["headers[0].value: holds a line end or a character that no HTTP header"],
        ),
        (
            "half a certificate",
            otlp("endpoint: https://h:1, tls: {cert_file: c.pem}"),
            &["telemetry.otlp.tls.key_file: is missing"],
        ),
    ] {
        let found = findings(&text);
        for want in wants {
            assert!(found.contains(want), "{name}: {want:?} is not in\n{found}");
        }
    }
}

/// Goal: no file ends the process, whoever reads it. Method: named rows; but for flow, which the
/// parser bounds at 255, each would overflow the stack of a test as a tree.
#[test]
fn what_nests_too_deep_is_refused_where_it_does() {
    let maps = |count: usize| (0..count).map(|depth| " ".repeat(depth) + "a:\n").collect();
    let within: Vec<_> = (1..400)
        .map(|n| format!("a{n}: &a{n} {}*a{}{}\n", "[".repeat(20), n - 1, "]".repeat(20)))
        .collect();
    let within = within.concat();
    for (name, text, want) in [
        ("block lists", "- ".repeat(30_000) + "x\n", "f.yaml:1:129: "),
        ("block mappings", maps(3_000), "f.yaml:65:65: "),
        ("explicit keys", "? ".repeat(30_000), "f.yaml:1:129: "),
        ("flow", format!("x: {}{}", "[".repeat(100), "]".repeat(100)), "f.yaml:1:67: "),
        ("anchors within anchors", format!("a0: &a0 [x]\n{within}"), "f.yaml:5:29: "),
        ("as deep as it may", "- ".repeat(64) + "x\n", "f.yaml:1:1: "),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, &text).unwrap();
        let whole = findings(&text);
        let journal = journal_path(file.path()).unwrap_err().to_string();
        assert!(whole.starts_with(want), "{name}: {whole}");
        let is_deep = |found: &str| found.contains("more than 64 lists and mappings");
        let want = name != "as deep as it may";
        assert_eq!((is_deep(&whole), is_deep(&journal)), (want, want), "{name}: {whole}{journal}");
    }
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_lines() {
    let text = SMALLEST.replace("port: 0", "port: x").replace("9090", "0") + "extra: 1\n";
    let found = findings(&text);
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert!(lines[0].starts_with("f.yaml:2:") && lines[1].starts_with("f.yaml:7:"), "{found}");
}

/// Goal: an endpoint is named in one way, however it is written. Method: named rows.
#[test]
fn an_endpoint_has_one_name() {
    for (written, want) in [
        ("10.0.0.1:9090", "10.0.0.1:9090"),
        ("shop.internal:80", "shop.internal:80"),
        ("[::1]:80", "[::1]:80"),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
        ("[2001:DB8:0:0:1:0:0:1]:443", "[2001:db8::1:0:0:1]:443"),
        ("[::FFFF:10.0.0.1]:80", "[::ffff:10.0.0.1]:80"),
    ] {
        let (address, port) = written.rsplit_once(':').unwrap();
        let bare = address.trim_matches(['[', ']']);
        for text in [
            format!("\"{written}\""),
            format!("{{address: \"{address}\", port: {port}}}"),
            format!("{{address: \"{bare}\", port: {port}}}"),
        ] {
            let config = read(&SMALLEST.replace("{address: 10.0.0.1, port: 9090}", &text)).unwrap();
            let endpoint = &config.proxy.services[0].hosts[0];
            assert_eq!(endpoint.to_string(), want, "{text}");
            let is_address = endpoint.address.parse::<std::net::IpAddr>().is_ok();
            assert_eq!(is_address, written != "shop.internal:80", "{text} is looked up");
        }
    }
}

#[test]
fn variables_are_replaced_and_can_be_escaped() {
    let text = format!("{SMALLEST}telemetry: {{instance: \"a-${{SET}}-${{NO:-b}}-$${{SET}}\"}}\n");
    assert_eq!(read(&text).unwrap().telemetry.instance, "a-value-b-${SET}");
    let text = format!("{SMALLEST}telemetry: {{instance: 1.10}}\n");
    assert_eq!(read(&text).unwrap().telemetry.instance, "1.10", "as it was written");
}

#[test]
fn heartbeat_and_samples_can_be_slower_or_off() {
    for (written, want) in
        [("10s", Some(10)), ("1m", Some(60)), ("0", None), ("off", None), ("\"off\"", None)]
    {
        let keys = format!("heartbeat: {{every: {written}}}, process: {{every: {written}}}");
        let telemetry = read(&format!("{SMALLEST}telemetry: {{{keys}}}\n")).unwrap().telemetry;
        let want = want.map(std::time::Duration::from_secs);
        assert_eq!((telemetry.heartbeat_every, telemetry.process_every), (want, want), "{written}");
    }
    let telemetry = read(SMALLEST).unwrap().telemetry;
    assert!(telemetry.heartbeat_every.is_some() && telemetry.process_every.is_some());
}

#[test]
fn secrets_show_nowhere() {
    let auth = "username: u, password: hunter2";
    let text =
        format!("{SMALLEST}telemetry: {{elasticsearch: {{urls: [\"http://h:1\"], {auth}}}}}\n");
    let config = read(&text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.hash, read(&text.replace("hunter2", "other")).unwrap().hash);
    let wrong = text.replace("username: u, ", "api_key: k, ");
    assert!(!findings(&wrong).contains("hunter2"));
}

/// Goal: what nobody could send is told before the first 401, and shown nowhere. Method: rows, each in
/// place and in a file.
#[test]
fn a_secret_that_nobody_could_send_is_refused_unseen() {
    type Block<'b> = (&'b str, &'b dyn Fn(&str) -> String);
    let admin = |value: &str| format!("admin: {{listen: \"0.0.0.0:1\", {value}}}\n");
    let server = |value: &str| {
        let keys = format!("urls: [\"https://h:1\"], {value}");
        format!("telemetry: {{elasticsearch: {{{keys}}}}}\n")
    };
    let otlp = |value: &str| {
        let headers = format!("[{{name: a, {value}}}]");
        format!("telemetry: {{otlp: {{endpoint: \"https://h:1\", headers: {headers}}}}}\n")
    };
    let fields: [Block<'_>; 4] =
        [("token", &admin), ("api_key", &server), ("bearer", &server), ("value", &otlp)];
    let password = |value: &str| server(&format!("username: u, {value}"));
    let basic: [Block<'_>; 1] = [("password", &password)];
    let file = tempfile::NamedTempFile::new().unwrap();
    for (name, secret, blocks, want) in [
        ("empty", "", &[fields.as_slice(), &basic].concat()[..], Some("is empty")),
        ("a line end", "hunter\n2", &fields, Some("holds a line end")),
        ("a line end", "hunter\n2", &basic, Some("holds a line end")),
        ("spaces", " hunter2 ", &fields, Some("begins or ends with a space")),
        ("beyond ASCII", "hunteré", &fields, Some("no HTTP header can carry")),
        ("plain", "hunter 2", &fields, None),
        ("a password of all letters", " hunteré:2", &basic, None),
    ] {
        std::fs::write(&file, format!("{secret}\r\n")).unwrap();
        for (key, block) in blocks {
            let inline = format!("{key}: \"{}\"", secret.replace('\n', "\\n"));
            let in_file = format!("{key}_file: \"{}\"", file.path().display());
            for value in [inline, in_file] {
                let found = findings(&(SMALLEST.to_owned() + &block(&value)));
                assert!(!found.contains("hunter"), "{name}: {found}");
                match want {
                    Some(want) => {
                        assert!(
                            found.contains(key) && found.contains(want),
                            "{name}: {value}: {found}"
                        );
                        assert_eq!(found.lines().count(), 1, "{name}: {value}: {found}");
                    }
                    None => assert_eq!(found, "none", "{name}: {value}"),
                }
            }
        }
    }
    for unusable in [
        "username: u, password_file: /nowhere",
        "username: u, password_file: ",
        "username: u, password: ",
        "username: u, password: x, password_file: /nowhere",
        "username: , password: x",
        "api_key_file: /nowhere",
    ] {
        let found = findings(&(SMALLEST.to_owned() + &server(unusable)));
        assert_eq!(found.lines().count(), 1, "what is there is not missing: {unusable}: {found}");
    }
    let user = findings(&(SMALLEST.to_owned() + &server("username: 'u:hunter2', password: x")));
    assert!(user.contains("elasticsearch.username: holds a colon") && !user.contains("hunter"));
}

#[test]
fn nothing_makes_it_panic() {
    for seed in 0..3_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bytes = SMALLEST.as_bytes().to_vec();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..4) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b"{}[]:-&*!|>%@`\"'\n\t "[rng.usize(..19)]),
                _ => {
                    bytes.remove(at);
                    bytes.push(b'\n');
                }
            }
        }
        let _ = read(&String::from_utf8_lossy(&bytes));
    }
}
