//! Goal: start, stop, crash and observe. Method: the real program, its exit and its journal.

use std::collections::HashSet;
use std::io::{BufReader, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audit::no_gaps;
use crate::support::*;

#[test]
fn many_requests_leave_one_record_each_without_a_gap() {
    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    std::thread::scope(|scope| {
        for client in 0..8 {
            let address = proxy.address;
            scope.spawn(move || {
                let stream = connect(address);
                let mut writer = stream.try_clone().unwrap();
                let mut reader = BufReader::new(stream);
                for n in 0..250 {
                    write!(writer, "GET /{client}/{n} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                    assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
                }
            });
        }
    });
    let documents = proxy.documents();
    let paths: HashSet<_> = documents.iter().map(|d| d["url.path"].as_str().unwrap()).collect();
    assert_eq!((documents.len(), paths.len()), (2_000, 2_000));
    no_gaps(documents.iter());
    let reused = documents.iter().filter(|d| d["lbproxy.upstream.reused"] == true).count();
    assert!(reused > 1_900, "{reused} of 2000 rode a pooled connection");
    for document in &documents {
        let opened = document["lbproxy.upstream.reused"] == false;
        assert_eq!(document["lbproxy.upstream.connect_us"].is_u64(), opened, "{document:#}");
    }
    // Lanes count for themselves; the page follows within a tick of the journal.
    wait_for("the counter on /metrics", || {
        let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
        page.contains("\nlbproxy_journal_appended_total 2000\n").then_some(())
    });
    assert!(proxy.terminate().contains("created 2000 = journaled 2000 + dropped_full 0 (holds)"));
}

#[test]
fn every_response_that_a_client_saw_whole_survives_kill_9() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start(&service, "");
    let stop = AtomicBool::new(false);
    let address = proxy.address;
    let (seen, dir) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let stop = &stop;
                scope.spawn(move || {
                    let stream = connect(address);
                    let mut writer = stream.try_clone().unwrap();
                    let mut reader = BufReader::new(stream);
                    let mut whole = Vec::new();
                    for n in 0.. {
                        let path = format!("/{client}/{n}");
                        let sent = write!(writer, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
                        let answer = sent.ok().and_then(|()| read_response(&mut reader, false));
                        if answer.is_none_or(|answer| answer.body != b"hi") {
                            break;
                        }
                        whole.push(path);
                        if whole.len() >= 100 {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    whole
                })
            })
            .collect();
        wait_for("some traffic", || stop.load(Ordering::Relaxed).then_some(()));
        let dir = proxy.kill();
        let seen: Vec<String> =
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (seen, dir)
    });
    let again = Proxy::start_in(dir, &service, "");
    assert_eq!(again.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    let documents = again.documents();
    let paths: Vec<_> = documents.iter().map(|d| d["url.path"].as_str().unwrap()).collect();
    let unique: HashSet<_> = paths.iter().copied().collect();
    assert_eq!(paths.len(), unique.len(), "nothing twice");
    for path in seen.iter().map(String::as_str).chain(["/after"]) {
        assert!(unique.contains(path), "{path} was answered whole and is lost");
    }
    no_gaps(documents.iter());
}

#[test]
fn a_connection_without_a_request_leaves_a_record_of_its_own() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let response = proxy.send("NONSENSE\r\n\r\n");
    assert_eq!(response.status, 400);
    drop(connect(proxy.address));
    let documents = wait_for("both records", || {
        Some(proxy.documents()).filter(|documents| documents.len() == 2)
    });
    let mut reasons: Vec<_> =
        documents.iter().map(|d| d["lbproxy.termination.reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["bad_request", "closed_without_request"]);
}

#[test]
fn drains_on_the_admins_word_and_says_so_in_readiness() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/none", 404)] {
        assert_eq!(proxy.admin("GET", path).status, status, "{path}");
    }
    let idle = connect(proxy.address); // keeps nothing alive: it carries no exchange
    assert_eq!(proxy.admin("POST", "/api/v1/drain").status, 202);
    drop(idle);
    assert!(proxy.terminate().contains("(holds)"));
}

#[test]
fn a_port_in_use_and_a_bad_file_are_one_clear_line_each() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let run = |text: String| {
        std::fs::write(&file, text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["run", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let text = |port: &str| {
        format!(
            "proxy:\n  listen: {{address: 127.0.0.1, port: {port}}}\n  services:\n    \
             - {{name: web, domain: \"*\", hosts: [\"127.0.0.1:1\"]}}\n\
             admin: {{listen: \"127.0.0.1:0\"}}\ntelemetry: {{journal: {{path: \"{}\"}}}}\n",
            dir.path().join("journal").display()
        )
    };
    let (code, message) = run(text(&port.to_string()));
    assert_eq!(code, Some(1));
    assert!(
        message.contains(&format!("127.0.0.1:{port}")) && message.contains("port 0"),
        "{message}"
    );
    let (code, message) = run(text("x"));
    assert_eq!(code, Some(2));
    assert!(message.contains("proxy.yaml:2:"), "{message}");
}
