//! Goal: nothing that happens to the journal's files while the program runs takes its space away, or goes
//! unsaid. Method: the real program; its descriptors are taken for a while, its folder is removed, bits are
//! flipped. Not here: full and read-only disks (`disk`).

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use lbproxy_fakes::{ItemOutcome, Options, Outage, Product, Running, Step, Which};

use crate::support::*;

/// Sends so many requests whose records are some 5 kB each.
pub(crate) fn send(stream: &TcpStream, count: usize) {
    let path = "p".repeat(3000);
    (0..count).for_each(|_| get(stream, &path));
}

fn get(mut stream: &TcpStream, path: &str) {
    let agent = "a".repeat(1500);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(read_response(&mut BufReader::new(stream), false).unwrap().status, 200);
}

/// A server that takes nothing, and a proxy with a small journal whose shipping waits for it with one
/// record in hand.
fn waiting() -> (Running, Upstream, Proxy, TcpStream) {
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    server.set_outage(0, Outage::Unavailable);
    let upstream = Upstream::ok();
    let batch = "batch: {wait: 50ms, in_flight: 1}";
    let target = format!("  elasticsearch: {{urls: [\"{}\"], {batch}}}\n", server.url());
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start_with(dir, &service, &target, "10s", ", size: 12MiB");
    let stream = connect(proxy.address);
    get(&stream, "first");
    proxy.await_figure("lbproxy_ship_oldest_pending_seconds", |age| age > 0);
    (server, upstream, proxy, stream)
}

/// Flips a bit of the journal's record that holds `text`.
fn flip(journal: &Path, text: &str) {
    for entry in std::fs::read_dir(journal).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("segment-") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(text.len()).position(|bytes| bytes == text.as_bytes());
        if let Some(at) = found {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            return file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        }
    }
    panic!("no record holds {text}");
}

/// The middle one of those that wait, and the newest, behind which nothing comes.
#[test]
fn records_that_are_damaged_while_they_wait_are_a_term_of_the_account() {
    let (server, _upstream, proxy, stream) = waiting();
    (0..10).for_each(|n| get(&stream, &format!("hit-{n}")));
    for text in ["hit-3", "hit-9"] {
        flip(&proxy.dir.path().join("journal"), text);
    }
    server.set_outage(0, Outage::None);
    let figures = proxy.settled();
    for (name, want) in [
        ("ship_damaged_total", 2),
        ("journal_damaged_records_total", 2),
        ("ship_acknowledged_total", 9),
        ("ship_pending", 0),
    ] {
        assert_eq!(figures[&format!("lbproxy_{name}")], want, "{name}");
    }
    let page = proxy.admin("GET", "/api/v1/shipping").body;
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["trust"]["shipping"]["damaged"], 2, "{page}");
    drop(stream);
    let log = proxy.terminate();
    assert!(log.contains("+ damaged 2 + pending 0 (holds)"), "{log}");
}

/// Removes the folder, into which a segment may just be put.
fn remove_journal(proxy: &Proxy) {
    let gone = proxy.dir.path().join("gone");
    std::fs::rename(proxy.dir.path().join("journal"), &gone).unwrap();
    wait_for("the folder to be removed", || std::fs::remove_dir_all(&gone).ok());
}

/// Files that were full and synced are closed: nobody can bring them back.
#[test]
fn what_is_lost_with_a_removed_folder_is_a_term_of_the_account() {
    let (server, _upstream, proxy, stream) = waiting();
    let open = || proxy.open_files("/segment-");
    let before = open();
    send(&stream, 1000);
    assert!(proxy.figures()["lbproxy_journal_used_bytes"] >= 4 << 20, "several are full");
    wait_for("full segments to be closed", || (open() <= before + 1).then_some(()));
    remove_journal(&proxy);
    proxy.await_figure("lbproxy_journal_folders_removed_total", |count| count == 1);
    send(&stream, 10);
    server.set_outage(0, Outage::None);
    let figures = proxy.settled();
    let lost = figures["lbproxy_ship_damaged_total"];
    assert!(lost > 0 && lost < 1000, "{lost}: the open ones are read");
    assert_eq!(figures["lbproxy_journal_damaged_records_total"], lost);
    assert_eq!(figures["lbproxy_records_created_total"], 1011);
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
    remove_journal(&proxy);
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

/// However much later the next record finds no space: its page may be gone by then.
#[test]
fn a_file_of_gaps_that_is_cut_or_removed_is_made_whole_and_what_was_dropped_is_told() {
    let (_server, upstream, proxy, stream) = waiting();
    let path = proxy.dir.path().join("journal/gaps");
    let mut sent = 1;
    let mut drop_some = || {
        let dropped = || proxy.figures()["lbproxy_journal_dropped_full_total"];
        let before = dropped();
        wait_for("records without space", || {
            send(&stream, 100);
            sent += 100;
            (dropped() > before).then_some(())
        });
    };
    drop_some();
    let length = std::fs::metadata(&path).unwrap().len();
    for harm in [|path: &Path| std::fs::write(path, []), |path: &Path| std::fs::remove_file(path)] {
        harm(&path).unwrap();
        wait_for("the file to be whole", || {
            (std::fs::metadata(&path).ok()?.len() == length).then_some(())
        });
        drop_some();
    }
    let log = proxy.log();
    for harm in ["was cut", "was removed"] {
        assert_eq!(log.matches(&format!("`gaps` {harm} while it was open")).count(), 1, "{log}");
    }
    let dir = proxy.kill();
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let (service, target) = (one_service(&[upstream.address], ""), ship_to(&server.url(), "a", ""));
    let again = Proxy::start_with(dir, &service, &target, "10s", ", size: 12MiB");
    wait_for("each request to be stored or told of", || {
        assert_eq!(
            again.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status,
            200
        );
        sent += 1;
        again.settled();
        let gaps = server.documents("logs-lbproxy.health-a");
        let of_access = gaps.iter().filter(|gap| gap.source["lbproxy.gap.stream"] == 1);
        let told: u64 = of_access.filter_map(|gap| gap.source["lbproxy.gap.count"].as_u64()).sum();
        let stored = server.documents("logs-lbproxy.access-a").len() as u64;
        assert!(stored + told <= sent, "{stored} stored, {told} told of");
        (stored + told == sent).then_some(())
    });
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whatever the umask of whoever starts it; a stricter one only takes more.
#[test]
fn records_are_for_owner_and_group_alone_and_what_is_there_keeps_its_mode() {
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    server.set_default(Step::item(Which::All, ItemOutcome::Malformed));
    let upstream = Upstream::ok();
    let rollup = "  rollup: {every: 1m}\n";
    let target = ship_to(&server.url(), "a", "") + rollup;
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start(&service, &target);
    get(&connect(proxy.address), "first");
    proxy.await_figure("lbproxy_ship_dead_letter_total", |count| count >= 1);
    let dir = Arc::clone(&proxy.dir);
    let journal = dir.path().join("journal");
    proxy.terminate();
    assert_eq!(mode(&journal), 0o750);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&journal).unwrap() {
        let path = entry.unwrap().path();
        let want = if path.is_dir() { 0o750 } else { 0o640 };
        assert_eq!(mode(&path), want, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    for part in ["segment-", "gaps", "identity", "lock", "dead-letters.ndjson", "rollup"] {
        assert!(names.iter().any(|name| name.starts_with(part)), "no {part} in {names:?}");
    }
    let letters = journal.join("dead-letters.ndjson");
    std::fs::set_permissions(&letters, std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = Proxy::start_in(dir, &service, &target);
    get(&connect(again.address), "second");
    again.await_figure("lbproxy_ship_dead_letter_total", |count| count >= 1);
    assert_eq!(mode(&letters), 0o644);
}
