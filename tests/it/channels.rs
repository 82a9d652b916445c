//! Goal: a channel in trouble is told in words that help, and no secret stands in them. Method: the real
//! `lbproxy slo test-alert`, with all of its log, against servers that misbehave.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls;

use crate::notify::{configuration, mail_channel, mail_server, test_alert};
use crate::support::tls::fixture;
use crate::support::*;

/// A server of HTTPS with a certificate of the tests' authority, which takes everything.
fn encrypted() -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(fixture("signed.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("signed-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let server = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(server, stream));
            let Some(head) = read_head(&mut stream) else { continue };
            read_body(&mut stream, &head, &mut Vec::new(), false);
            let _ =
                stream.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn trouble_on_the_way_is_named() {
    let (strict, https) = (mail_server(true), encrypted());
    let pagerduty = |url: &str, more: &str| {
        format!("c: {{type: pagerduty, url: \"{url}\", routing_key: hunter22, timeout: 5s{more}}}")
    };
    let secure = format!("https://localhost:{}/v2/enqueue", https.port());
    let other = format!("https://127.0.0.2:{}/v2/enqueue", https.port());
    let ca = format!(", ca_file: \"{}\"", fixture("ca.pem").display());
    let mail = format!("c: {{{}}}", mail_channel(strict.1, "hunter22", "one@example.com"));
    let usual = mail.split(", ca_file").next().unwrap().to_owned() + ", timeout: 5s}";
    for (name, channels, code, wants) in [
        (
            "a name that nobody has",
            pagerduty("http://nobody.invalid/", ""),
            1,
            &["nobody.invalid: ", "dns error"][..],
        ),
        ("a certificate of nobody", pagerduty(&secure, ""), 1, &["certificate", "UnknownIssuer"]),
        ("of an authority that is told", pagerduty(&secure, &ca), 0, &["taken: HTTP 202"]),
        ("of another name", pagerduty(&other, &ca), 1, &["NOT taken"]),
        ("mail, a certificate of nobody", usual, 1, &["certificate", "UnknownIssuer"]),
        (
            "a proxy that is away",
            pagerduty(
                "http://oncall.example/",
                &format!(", proxy: \"http://u:hunter22@{}\"", nobody()),
            ),
            1,
            &["refused"],
        ),
    ] {
        let (got, said) = test_alert(&channels, "c");
        assert_eq!(got, Some(code), "{name}: {said}");
        assert!(wants.iter().all(|want| said.contains(want)), "{name}: {said}");
        assert!(!said.contains("hunter22"), "{name}: {said}");
    }
}

/// Every kind of channel over HTTP, with a secret in each place where one can stand.
fn channels(address: SocketAddr) -> [(&'static str, String); 6] {
    let url = format!("http://{address}");
    [
        ("pagerduty", format!("url: \"{url}/v2\", routing_key: hunter22hunter22")),
        ("jsm", format!("url: \"{url}\", api_key: hunter22hunter22")),
        ("slack", format!("url: \"{url}/services/T1/B1/hunter22hunter22\"")),
        (
            "webhook",
            format!(
                "url: \"{url}/a?key=hunter22hunter22&b=1\", sign: hunter22hunter22, \
                 username: me, password: hunter22"
            ),
        ),
        ("webhook", format!("url: \"{url}/hook\", bearer: hunter22hunter22")),
        ("alertmanager", format!("urls: [\"{url}\"], username: me, password: hunter22")),
    ]
}

/// Goal: a server that repeats what it was sent gives no secret away. Method: it answers each request with
/// the request, as a redirect too.
#[test]
fn no_secret_comes_back_in_words_or_in_the_log() {
    for (name, status) in [("refused", "400 No"), ("later", "500 No"), ("moved", "302 Found")] {
        let echo = Upstream::start(move |head: &str, body: &[u8]| {
            let text = [head.as_bytes(), body].concat();
            let target = head.split(' ').nth(1).unwrap_or("/");
            let fields = format!("Location: http://elsewhere.example{target}\r\n");
            let length = text.len();
            let start = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n");
            [start.as_bytes(), &text].concat()
        });
        for (kind, keys) in channels(echo.address) {
            let (code, said) = test_alert(&format!("c: {{type: {kind}, {keys}}}"), "c");
            assert_eq!(code, Some(1), "{kind} {name}: {said}");
            assert!(said.contains("HTTP"), "{kind} {name}: {said}");
            // What is signed or packed stands for the secret, too.
            for secret in ["hunter22", "bWU6aHVudGVyMjI"] {
                assert!(!said.contains(secret), "{kind} {name}: {said}");
            }
        }
    }
}

/// Goal: what an operator copies into a ticket holds no secret. Method: all that the program says of its
/// configuration.
#[test]
fn neither_check_nor_its_mistakes_show_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let all = channels(SocketAddr::from(([127, 0, 0, 1], 1)));
    let all =
        all.iter().enumerate().map(|(at, (kind, keys))| format!("c{at}: {{type: {kind}, {keys}}}"));
    let all = all.collect::<Vec<_>>().join(", ");
    let wrong = all.replace("type: pagerduty", "type: pagerdut").replace("/services", " /services");
    for (name, channels, code) in [("right", &all, 0), ("wrong", &wrong, 2)] {
        let text = configuration(channels) + &format!("    rate_cap: {}\n", 20);
        let journal = format!("telemetry: {{journal: {{path: \"{}\"}}, ", dir.path().display());
        std::fs::write(&file, text.replace("telemetry: {", &journal)).unwrap();
        for action in [&["check", "--config"][..], &["slo", "check", "--config"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
                .args(action)
                .arg(&file)
                .env("RUST_LOG", "trace")
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(output.status.code(), Some(code), "{name} {action:?}: {said}");
            assert!(!said.contains("hunter22"), "{name} {action:?}: {said}");
        }
    }
}
