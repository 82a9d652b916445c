//! Goal: `lbproxy check` finds what `lbproxy run` would stumble over, wherever the configuration comes
//! from, and touches nothing. Method: both programs on the same file, named rows.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::tls::fixture;
use crate::support::*;

/// Exit code and everything that was said by a command that gets `stdin`.
fn program(arguments: &[&str], config: &Path, stdin: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// A configuration with these keys of the listener, of `telemetry.journal`, and below `telemetry`.
fn configuration(listener: &str, journal: &str, telemetry: &str) -> String {
    format!(
        "proxy:\n  listen: {{address: 127.0.0.1, port: 0{listener}}}\n  services:\n    \
         - {{name: web, domain: \"*\", hosts: [\"127.0.0.1:1\", \"[0:0::0001]:1\"]}}\n\
         admin: {{listen: \"127.0.0.1:0\"}}\ntelemetry:\n  journal: {{path: {journal}}}\n{telemetry}"
    )
}

#[test]
fn check_finds_what_run_would() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let journal = dir.path().join("journal").display().to_string();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let path = |name: &str| fixture(name).display().to_string();
    let [cert, key, other_key] = ["cert.pem", "key.pem", "signed-key.pem"].map(path);
    let empty = empty.display().to_string();
    let tls = |cert: &str, key: &str| format!(", tls: {{cert_file: {cert}, key_file: {key}}}");
    let ship =
        |keys: &str| format!("  elasticsearch: {{urls: [\"https://127.0.0.1:9\"], {keys}}}\n");
    let otlp =
        |keys: &str| format!("  otlp: {{endpoint: \"https://127.0.0.1:9\", tls: {{{keys}}}}}\n");
    for (name, listener, journal, telemetry, wants) in [
        (
            "swapped",
            tls(&key, &cert),
            &journal,
            String::new(),
            &["proxy.yaml:2:58: proxy.listen.tls.cert_file", "swapped?", "2 mistakes"][..],
        ),
        (
            "the key of another",
            tls(&cert, &other_key),
            &journal,
            String::new(),
            &["proxy.listen.tls.key_file", "does not belong"],
        ),
        ("an empty key", tls(&cert, &empty), &journal, String::new(), &["key_file", "is empty"]),
        (
            "an authority that is a key",
            String::new(),
            &journal,
            ship(&format!("tls: {{ca_file: {key}}}")),
            &["telemetry.elasticsearch.tls.ca_file", "no certificate"],
        ),
        (
            "a client's key of another",
            String::new(),
            &journal,
            ship(&format!("tls: {{cert_file: {cert}, key_file: {other_key}}}")),
            &["telemetry.elasticsearch.tls.key_file", "does not belong"],
        ),
        (
            "a client's certificate without a key",
            String::new(),
            &journal,
            ship(&format!("tls: {{cert_file: {cert}}}")),
            &["telemetry.elasticsearch.tls.cert_file", "no private key"],
        ),
        (
            "a client's key without a certificate",
            String::new(),
            &journal,
            ship(&format!("tls: {{key_file: {key}}}")),
            &["telemetry.elasticsearch.tls.cert_file: is missing"],
        ),
        (
            "an empty secret",
            String::new(),
            &journal,
            ship(&format!("api_key_file: {empty}")),
            &["api_key_file", "is empty"],
        ),
        (
            "a collector's authority that is a folder",
            String::new(),
            &journal,
            otlp("ca_file: /"),
            &["telemetry.otlp.tls.ca_file", "is not a regular file"],
        ),
        (
            "a collector's key of another",
            String::new(),
            &journal,
            otlp(&format!("cert_file: {cert}, key_file: {other_key}")),
            &["telemetry.otlp.tls.key_file", "does not belong"],
        ),
        (
            "a journal below a file",
            String::new(),
            &format!("{empty}/journal"),
            String::new(),
            &["proxy.yaml:7:19: telemetry.journal.path", "is not a folder"],
        ),
    ] {
        std::fs::write(&file, configuration(&listener, journal, &telemetry)).unwrap();
        let (code, said) = program(&["check"], &file, "");
        assert_eq!(code, Some(2), "{name}: {said}");
        for want in wants {
            assert!(said.contains(want), "{name}: {want:?} is not in {said}");
        }
        let (code, said) = program(&["run"], &file, "");
        assert!(matches!(code, Some(1 | 2)), "{name}: run ends with {code:?}: {said}");
    }
    assert!(!Path::new(&journal).exists(), "nothing was made");
}

#[test]
fn a_configuration_may_come_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal").display().to_string();
    let good = configuration("", &journal, "");
    let [stdin, dash] = ["/dev/stdin", "-"].map(Path::new);
    let long = format!("{good}{}", "# long\n".repeat(1_200_000));
    for (name, config, text, code, want) in [
        ("-", dash, &*good, 0, "\nok\n"),
        ("/dev/stdin", stdin, &good, 0, "\nok\n"),
        ("a mistake", dash, &good.replace("web", "web, x: 1"), 2, "<stdin>:4:"),
        ("nothing", stdin, "", 2, "<stdin>: holds 0 YAML documents"),
        ("without an end", dash, &long, 2, "<stdin>: is larger than 8 MiB"),
        ("a folder", dir.path(), "", 2, "is a directory; name the YAML file itself"),
    ] {
        let (is, said) = program(&["check"], config, text);
        assert_eq!(is, Some(code), "{name}: {said}");
        assert!(said.contains(want), "{name}: {said}");
    }
    let pipe = dir.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::fs::write(&pipe, &good).unwrap());
        let (code, said) = program(&["check"], &pipe, "");
        assert_eq!(code, Some(0), "a pipe with a name: {said}");
    });
}

#[test]
fn an_endpoint_has_one_name_everywhere() {
    let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream =
        Upstream::on(listener, |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec());
    let want = format!("[::1]:{port}");
    for written in [
        format!("\"[::1]:{port}\""),
        format!("{{address: \"::1\", port: {port}}}"),
        format!("{{address: \"[0:0:0::0001]\", port: {port}}}"),
    ] {
        let service = format!(
            "  listen: {{address: 127.0.0.1, port: 0}}\n  services:\n    \
             - {{name: web, domain: \"*\", hosts: [{written}]}}"
        );
        let proxy = Proxy::start(&service, "  heartbeat: {every: 1s}\n");
        assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200, "{written}");
        let documents = wait_for("the record", || {
            let all = proxy.documents();
            all.iter().any(|document| document["lbproxy.endpoint"].is_string()).then_some(all)
        });
        let mut named =
            documents.iter().filter_map(|document| document["lbproxy.endpoint"].as_str());
        assert!(named.all(|name| name == want), "records: {written}");
        let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
        let label = format!("endpoint=\"{want}\"");
        let labels: Vec<_> = page.lines().filter(|line| line.contains("endpoint=")).collect();
        assert!(!labels.is_empty(), "{written}");
        for line in labels {
            assert!(line.contains(&label), "metrics: {written}: {line}");
        }
        let (_, said) = program(&["check"], &proxy.dir.path().join("proxy.yaml"), "");
        assert!(said.contains(&format!("service  web: * -> {want}\n")), "check: {said}");
        let monitors = page.lines().filter(|line| line.starts_with("lbproxy_monitor_up"));
        assert!(monitors.count() > 0, "{page}");
    }
    drop(upstream);
}
