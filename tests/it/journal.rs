//! Goal: nothing that happens to the journal's files while the program runs takes its space away, or goes
//! unsaid. Method: the real program; its descriptors are taken for a while, its folder is removed.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use crate::support::*;

/// Sends so many requests whose records are some 5 kB each.
fn send(stream: &TcpStream, count: usize) {
    let (path, agent) = ("p".repeat(3000), "a".repeat(1500));
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n");
    let mut writer = stream;
    for _ in 0..count {
        writer.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    }
}

#[test]
fn a_moment_without_descriptors_costs_the_journal_none_of_its_size() {
    let upstream = Upstream::ok();
    let nobody = format!("http://{}", nobody());
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &ship_to(&nobody, "a", ""));
    let stream = connect(proxy.address);
    send(&stream, 1);
    let before = proxy.figures();
    proxy.limit_descriptors(Some(3));
    send(&stream, 1000);
    proxy.limit_descriptors(None);
    proxy.await_figure("lbproxy_journal_prepare_errors_total", |errors| errors > 0);
    for figure in ["lbproxy_journal_capacity_bytes", "lbproxy_journal_segments"] {
        proxy.await_figure(figure, |value| value == before[figure]);
    }
    wait_for("space for records", || {
        let dropped = || proxy.figures()["lbproxy_journal_dropped_full_total"];
        let lost = dropped();
        send(&stream, 400);
        (dropped() == lost).then_some(())
    });
    drop(stream);
    let log = proxy.terminate();
    assert_eq!(log.matches("journal segment cannot be prepared").count(), 1, "{log}");
    assert!(log.contains("LimitNOFILE"), "{log}");
    assert!(log.contains("journal segments can be prepared again"), "{log}");
}

#[test]
fn a_removed_folder_is_said_made_anew_and_its_records_are_counted_at_the_end() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let target = ship_to(&format!("http://{}", nobody()), "a", "");
    let proxy = Proxy::start(&service, &target);
    let get = |proxy: &Proxy| proxy.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(get(&proxy).status, 200);
    // Moved first: the program may make a segment in it while it is emptied, and then once more.
    let gone = proxy.dir.path().join("gone");
    std::fs::rename(proxy.dir.path().join("journal"), &gone).unwrap();
    wait_for("the folder to be removed", || std::fs::remove_dir_all(&gone).ok());
    proxy.await_figure("lbproxy_journal_segments_removed_total", |count| count > 0);
    assert_eq!(proxy.admin("GET", "/readyz").status, 200, "users are served all the same");
    for _ in 0..10 {
        assert_eq!(get(&proxy).status, 200);
    }
    let dir = std::sync::Arc::clone(&proxy.dir);
    let log = proxy.terminate();
    assert!(log.contains("the journal folder was removed or emptied"), "{log}");
    assert!(log.contains("the next start cannot find them"), "{log}");
    let again = Proxy::start_in(dir, &service, &target);
    let found = again.figures()["lbproxy_journal_recovered_total"];
    assert_eq!(found, 10, "what followed");
}
