//! Goal: each answer of a server leads to what `docs/shipping.md` promises: nothing lost, nothing
//! twice, neighbours unharmed. Method: the real program against a mock that stores by id and plays
//! scripts; the end is judged by what the mock has stored and by the program's own account.

use std::collections::HashMap;
use std::time::Duration;

use lbproxy::elk::templates;
use lbproxy::record::Dataset;
use lbproxy_fakes::{
    Credentials, ItemOutcome, Options, Outage, Product, Reply, Running, Step, Which,
};

use crate::support::*;

/// Requests of one case.
const REQUESTS: usize = 40;
/// The stream that they go to.
const STREAM: &str = "logs-lbproxy.access-default";

/// How the documents of a case end, as the program counts them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Account {
    acknowledged: u64,
    duplicate: u64,
    failure_store: u64,
    dead_letter: u64,
    pending: u64,
}

/// What is expected of a case.
#[derive(Debug, Default, Clone, Copy)]
struct Want {
    /// Whether some records are found stored when they are sent again.
    finds: bool,
    /// Documents in the failure store.
    parked: u64,
    /// Dead letters.
    dead: u64,
}

/// A mock of a product.
fn server(product: Product) -> Running {
    lbproxy_fakes::start(Options::local(product)).unwrap()
}

/// A proxy that ships to these URLs. `more` are further keys below `telemetry.elasticsearch`.
fn shipping(urls: &[String], more: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::ok();
    let rest = settings(urls, more);
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
    (upstream, proxy)
}

/// `telemetry.elasticsearch` with a short wait, so that a case is quick.
fn settings(urls: &[String], more: &str) -> String {
    format!("  elasticsearch: {{urls: {urls:?}, batch: {{wait: 50ms}}{more}}}\n")
}

/// Waits until the server has all templates: it is ready for records.
fn has_templates(server: &Running) {
    wait_for("templates", || {
        Dataset::ALL
            .iter()
            .all(|dataset| server.template(templates::template_name(*dataset)).is_some())
            .then_some(())
    });
}

/// Sends the requests of a case over one connection.
fn send(proxy: &Proxy) {
    let stream = connect(proxy.address);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = std::io::BufReader::new(stream);
    for n in 0..REQUESTS {
        use std::io::Write as _;
        write!(writer, "GET /n/{n} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    }
}

/// A metric of the proxy; 0 when it is not there.
fn metric(proxy: &Proxy, name: &str) -> u64 {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Waits until every record is settled and the gauges say so, ends the proxy, and gives its account from
/// its last line.
fn settled(proxy: Proxy, count: usize) -> (Account, String) {
    wait_for("every record to be settled", || {
        let names = ["acknowledged", "duplicate", "failure_store", "dead_letter"];
        let sum: u64 =
            names.iter().map(|n| metric(&proxy, &format!("lbproxy_ship_{n}_total"))).sum();
        let states = ["connected", "unauthorized", "blocked", "dead_letters_full"]
            .map(|name| metric(&proxy, &format!("lbproxy_ship_{name}")));
        (sum >= count as u64 && states == [1, 0, 0, 0]).then_some(())
    });
    let log = proxy.terminate();
    let names = ["acknowledged", "duplicate", "failure_store", "dead_letter", "pending"];
    let [acknowledged, duplicate, failure_store, dead_letter, pending] = account(&log, names);
    (Account { acknowledged, duplicate, failure_store, dead_letter, pending }, log)
}

/// Every path of the case stands exactly once in the stream, but for those in `without`.
fn each_once(name: &str, server: &Running, without: usize) {
    let mut times = HashMap::<String, usize>::new();
    for document in server.documents(STREAM) {
        *times.entry(document.source["url.path"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(times.len(), REQUESTS - without, "{name}: lost");
    assert!(times.values().all(|&times| times == 1), "{name}: twice: {times:?}");
    assert_eq!(server.duplicates(STREAM), Vec::<String>::new(), "{name}");
    assert_eq!(server.plain_indices(), Vec::<String>::new(), "{name}: no stream, a plain index");
}

/// What a script leads to. The first batches meet it, and hold as many records as there happen to be.
fn check(name: &str, product: Product, steps: Vec<Step>, want: Want) {
    let server = server(product);
    // Whoever answers at all is waited for, however slow the machine.
    let is_silent = steps.iter().any(|step| step.reply == Reply::Silence);
    for step in steps {
        server.push(step);
    }
    let timeout = if is_silent { ", timeout: 2s" } else { ", timeout: 1m" };
    let (_upstream, proxy) = shipping(&[server.url()], timeout);
    send(&proxy);
    let dir = std::sync::Arc::clone(&proxy.dir);
    let (account, log) = settled(proxy, REQUESTS);
    let Account { acknowledged, duplicate, failure_store, dead_letter, pending } = account;
    assert_eq!((failure_store, dead_letter, pending), (want.parked, want.dead, 0), "{name}\n{log}");
    assert_eq!(duplicate > 0, want.finds, "{name}: {duplicate} found\n{log}");
    let total = acknowledged + duplicate + failure_store + dead_letter;
    assert_eq!(total, REQUESTS as u64, "{name}\n{log}");
    assert_eq!(server.steps_left(), 0, "{name}: the script was not played");
    each_once(name, &server, usize::try_from(want.dead + want.parked).unwrap());
    let letters = std::fs::read_to_string(dir.path().join("journal/dead-letters.ndjson"));
    let lines = letters.map_or(0, |text| text.lines().count());
    assert_eq!(lines as u64, want.dead, "{name}: dead letters");
}

/// The mock behind TLS, which another lbproxy speaks with a certificate that `ca.pem` has signed.
#[test]
fn over_tls_records_go_to_a_server_that_is_believed_and_to_no_other() {
    let file = |name| tls::fixture(name).display().to_string();
    let keys =
        format!("tls: {{cert_file: {}, key_file: {}}}", file("signed.pem"), file("signed-key.pem"));
    for (name, tls, is_believed) in [
        ("its authority is named", format!("{{ca_file: {}}}", file("ca.pem")), true),
        ("nobody asks who it is", "{verify: false}".to_owned(), true),
        ("the authorities of the system", "{}".to_owned(), false),
        ("another authority", format!("{{ca_file: {}}}", file("cert.pem")), false),
    ] {
        let server = server(Product::Elasticsearch);
        let service = one_service(&[server.address()], "");
        let front = Proxy::start(&service.replace("trusted_proxies: []", &keys), "");
        let url = format!("https://localhost:{}", front.address.port());
        let (_upstream, proxy) = shipping(&[url], &format!(", tls: {tls}"));
        send(&proxy);
        if is_believed {
            let (account, log) = settled(proxy, REQUESTS);
            assert_eq!(account.acknowledged, REQUESTS as u64, "{name}: {log}");
            each_once(name, &server, 0);
        } else {
            wait_for(name, || proxy.log().contains("certificate").then_some(()));
            assert_eq!(metric(&proxy, "lbproxy_ship_pending"), REQUESTS as u64, "{name}");
            assert_eq!(server.documents(STREAM).len(), 0, "{name}");
        }
    }
}

#[test]
fn each_answer_leads_to_its_outcome() {
    let well = Want::default();
    let finds = Want { finds: true, ..well };
    let item = |outcome| vec![Step::item(Which::Ordinal(0), outcome)];
    let status = |status| Step::reply(Reply::Status { status, body: None });
    let rows: Vec<(&str, Vec<Step>, Want)> = vec![
        ("nothing goes wrong", vec![], well),
        ("a queue is full for one", item(ItemOutcome::Rejected), well),
        ("all are rejected", vec![Step::item(Which::EveryNth(1), ItemOutcome::Rejected)], well),
        ("flood stage", vec![Step::item(Which::All, ItemOutcome::FloodStage)], well),
        ("write block", item(ItemOutcome::WriteBlocked), well),
        ("no such index", item(ItemOutcome::Missing), well),
        ("a mapping conflict", item(ItemOutcome::Malformed), Want { dead: 1, ..well }),
        ("the failure store", item(ItemOutcome::FailureStored), Want { parked: 1, ..well }),
        ("429", vec![Step::refuse(429), Step::refuse(429)], well),
        ("503", vec![Step::refuse(503)], well),
        ("413 whatever is sent", (0..8).map(|_| Step::refuse(413)).collect(), well),
        ("401", vec![Step::refuse(401)], well),
        ("403", vec![Step::refuse(403)], well),
        ("lost before storing", vec![Step::lost_before_storing()], well),
        ("lost after storing", vec![Step::lost_after_storing()], finds),
        ("lost, rolled over", vec![Step::lost_after_storing().then_rollover()], finds),
        ("half an answer", vec![Step::reply(Reply::Half).then_rollover()], finds),
        ("garbage", vec![Step::reply(Reply::Garbage("<html>".into()))], finds),
        ("answers for too few", vec![Step::reply(Reply::ItemCount(0))], finds),
        ("answers for too many", vec![Step::reply(Reply::ItemCount(99))], finds),
        ("500 after storing, rolled over", vec![status(500).then_rollover()], finds),
        ("no answer in time", vec![Step::reply(Reply::Silence).then_rollover()], finds),
        ("lost twice", vec![Step::lost_before_storing(), status(502).then_rollover()], finds),
    ];
    // A few at a time: each has a program, a server and an upstream of its own.
    let queue = std::sync::Mutex::new(rows.into_iter().enumerate());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((n, (name, steps, want))) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let products = [
                        Product::OpenSearch,
                        Product::Elasticsearch,
                        Product::ElasticsearchReduced,
                    ];
                    check(name, products[n % 3], steps, want);
                }
            });
        }
    });
}

fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("records wait in the journal")).collect()
}

/// A stream that takes no document keeps its records in the journal, told once with the words `want`,
/// until it does.
fn waits(name: &str, product: Product, outcome: ItemOutcome, want: &[&str]) {
    let server = server(product);
    server.set_default(Step::item(Which::All, outcome));
    let (_upstream, proxy) = shipping(&[server.url()], "");
    send(&proxy);
    wait_for(name, || (metric(&proxy, "lbproxy_ship_blocked") == 1).then_some(()));
    let tries = metric(&proxy, "lbproxy_ship_batches_total");
    wait_for("more tries", || {
        (metric(&proxy, "lbproxy_ship_batches_total") >= tries + 2).then_some(())
    });
    for (figure, want) in [
        ("lbproxy_ship_connected", 0),
        ("lbproxy_ship_dead_letter_total", 0),
        ("lbproxy_ship_pending", REQUESTS as u64),
    ] {
        assert_eq!(metric(&proxy, figure), want, "{name}: {figure}");
    }
    let log = proxy.log();
    let told = warnings(&log);
    assert_eq!(told.len(), 1, "{name}: one line for one change of state: {log}");
    for want in want {
        assert!(told[0].contains(want), "{name}: {want:?} is not in {}", told[0]);
    }
    assert!(!told[0].contains("grant the user"), "{name}: {}", told[0]);
    server.set_default(Step::default());
    let (account, log) = settled(proxy, REQUESTS);
    assert_eq!(account.acknowledged, REQUESTS as u64, "{name}: {account:?}\n{log}");
    each_once(name, &server, 0);
}

#[test]
fn a_stream_that_takes_no_document_is_waited_for() {
    let error = |status, kind: &str, reason: &str| ItemOutcome::Error {
        status,
        kind: kind.into(),
        reason: reason.into(),
    };
    let illegal = |reason| error(400, "illegal_argument_exception", reason);
    let rows = [
        ("flood stage", ItemOutcome::FloodStage, &["TOO_MANY_REQUESTS/12", "free disk space"][..]),
        ("write block", ItemOutcome::WriteBlocked, &["FORBIDDEN/8", "take the block"]),
        (
            "limit of shards",
            error(400, "validation_exception", "[1000]/[1000] maximum shards open;"),
            &["maximum shards open", "cluster.max_shards_per_node"],
        ),
        (
            "no such pipeline",
            illegal("pipeline with id [nope] does not exist"),
            &["[nope]", "create that ingest pipeline"],
        ),
        ("closed", error(400, "index_closed_exception", "closed"), &["closed", "open the index"]),
        (
            "alias without a write index",
            illegal("no write index is defined for alias [a]"),
            &["is_write_index"],
        ),
        ("no such index", ItemOutcome::Missing, &["action.auto_create_index"]),
        ("never heard of", error(400, "x", "/n/1"), &["400 x", "dead-letters.ndjson"]),
    ];
    std::thread::scope(|scope| {
        for (n, (name, outcome, want)) in rows.into_iter().enumerate() {
            let product = [Product::OpenSearch, Product::Elasticsearch][n % 2];
            scope.spawn(move || waits(name, product, outcome, want));
        }
    });
}

#[test]
fn a_document_that_is_refused_beside_others_is_a_dead_letter_whatever_the_reason() {
    for (name, status, kind, reason) in [
        ("never heard of", 400, "x", "r"),
        (
            "a limit that others keep",
            400,
            "illegal_argument_exception",
            "Limit of total fields [3]",
        ),
        ("a pipeline that fails", 400, "script_exception", "runtime error"),
        ("gone", 404, "resource_not_found_exception", "r"),
    ] {
        let server = server(Product::OpenSearch);
        let outcome = ItemOutcome::Error { status, kind: kind.into(), reason: reason.into() };
        server.set_default(Step::item(Which::Containing("/n/7\"".into()), outcome));
        let (_upstream, proxy) = shipping(&[server.url()], "");
        send(&proxy);
        let (account, log) = settled(proxy, REQUESTS);
        let want = (REQUESTS as u64 - 1, 1);
        assert_eq!((account.acknowledged, account.dead_letter), want, "{name}: {log}");
        each_once(name, &server, 1);
    }
}

#[test]
fn a_request_that_still_runs_is_waited_for_before_anything_is_sent_again() {
    let server = server(Product::OpenSearch);
    server.push(Step::lost_and_held());
    let (_upstream, proxy) = shipping(&[server.url()], "");
    send(&proxy);
    wait_for("a held request", || (server.held() == 1).then_some(()));
    // The write index of the held request is settled: what is sent now would stand twice.
    let errors = metric(&proxy, "lbproxy_ship_batch_errors_total");
    wait_for("some more tries", || {
        (metric(&proxy, "lbproxy_ship_batch_errors_total") >= errors + 2).then_some(())
    });
    server.rollover(STREAM).unwrap();
    assert_eq!(server.release(), 1);
    settled(proxy, REQUESTS);
    each_once("held", &server, 0);
}

#[test]
fn kill_9_between_send_and_answer_with_a_rollover_leaves_nothing_twice() {
    let server = server(Product::OpenSearch);
    server.set_default(Step::reply(Reply::Silence));
    let (upstream, proxy) = shipping(&[server.url()], "");
    send(&proxy);
    wait_for("something stored without an answer", || (server.count(STREAM) > 0).then_some(()));
    let dir = proxy.kill();
    server.rollover(STREAM).unwrap();
    server.set_default(Step::default());
    let service = one_service(&[upstream.address], "");
    let again = Proxy::start_in(dir, &service, &settings(&[server.url()], ""));
    let (account, log) = settled(again, REQUESTS);
    assert!(account.duplicate > 0, "{account:?}\n{log}");
    each_once("killed", &server, 0);
}

#[test]
fn a_large_batch_is_halved_until_it_fits_and_a_document_larger_than_others_is_a_dead_letter() {
    let mut options = Options::local(Product::OpenSearch);
    // Templates are sent whole; they are there before the first record is.
    options.body_bytes_max = 64 * 1024;
    let server = lbproxy_fakes::start(options).unwrap();
    let (_upstream, proxy) = shipping(&[server.url()], "");
    has_templates(&server);
    server.set_body_bytes_max(8 * 1024);
    send(&proxy);
    wait_for("all stored", || (server.count(STREAM) == REQUESTS).then_some(()));
    each_once("halved", &server, 0);
    server.set_body_bytes_max(3 * 1024);
    let request =
        format!("GET /{}?{} HTTP/1.1\r\nHost: a\r\n\r\n", "p".repeat(2_000), "q".repeat(2_000));
    assert_eq!(proxy.send(request).status, 200);
    assert_eq!(proxy.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    let dir = std::sync::Arc::clone(&proxy.dir);
    let (account, log) = settled(proxy, REQUESTS + 2);
    assert_eq!((account.acknowledged, account.dead_letter), (REQUESTS as u64 + 1, 1), "{log}");
    assert!(log.matches("wants smaller requests").count() <= 1, "{log}");
    let letter = std::fs::read_to_string(dir.path().join("journal/dead-letters.ndjson")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!((&letter["status"], &letter["stream"]), (&413.into(), &STREAM.into()));
    assert!(letter["document"]["url.path"].as_str().unwrap().starts_with("/ppp"));
}

#[test]
fn another_node_takes_over_when_one_takes_nothing() {
    std::thread::scope(|scope| {
        for (name, outage) in
            [("it is gone", Outage::Unreachable), ("it has no master", Outage::Unavailable)]
        {
            scope.spawn(move || {
                let mut options = Options::local(Product::Elasticsearch);
                options.nodes = 2;
                let server = lbproxy_fakes::start(options).unwrap();
                let (_upstream, proxy) = shipping(&server.urls(), "");
                has_templates(&server);
                server.set_outage(0, outage);
                send(&proxy);
                let (_, log) = settled(proxy, REQUESTS);
                each_once(name, &server, 0);
                assert!(warnings(&log).len() <= 1, "{name}: {log}");
            });
        }
    });
}

#[test]
fn refused_credentials_are_told_once_and_cured_by_a_new_secret() {
    let mut options = Options::local(Product::Elasticsearch);
    let credentials =
        |password: &str| Credentials::Basic { user: "lbproxy".into(), password: password.into() };
    options.credentials = Some(credentials("right-secret"));
    let server = lbproxy_fakes::start(options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong-secret\n").unwrap();
    let more = format!(", username: lbproxy, password_file: {:?}", file.display().to_string());
    let (_upstream, proxy) = shipping(&[server.url()], &more);
    send(&proxy);
    wait_for("the gauge", || (metric(&proxy, "lbproxy_ship_unauthorized") == 1).then_some(()));
    assert_eq!(proxy.admin("GET", "/readyz").status, 200, "traffic does not depend on it");
    assert_eq!(server.count(STREAM), 0);
    std::fs::write(&file, "right-secret\n").unwrap();
    let (account, log) = settled(proxy, REQUESTS);
    assert_eq!((account.acknowledged, account.pending), (REQUESTS as u64, 0));
    each_once("credentials", &server, 0);
    assert_eq!(log.matches("records wait in the journal").count(), 1, "{log}");
    assert!(!log.contains("-secret"), "{log}");
}

#[test]
fn another_product_gets_nothing_and_records_wait() {
    let stranger = Upstream::ok();
    let (_upstream, proxy) = shipping(&[format!("http://{}", stranger.address)], "");
    send(&proxy);
    wait_for("the reason", || {
        (stranger.seen().len() > 1 && metric(&proxy, "lbproxy_ship_pending") == REQUESTS as u64)
            .then_some(())
    });
    let log = proxy.terminate();
    assert!(log.contains("neither Elasticsearch nor OpenSearch"), "{log}");
    assert!(log.contains(&format!("pending {REQUESTS} (holds)")), "{log}");
    assert!(stranger.seen().iter().all(|(head, _)| head.starts_with("GET ")), "no document sent");
}

#[test]
fn a_server_that_is_slow_to_answer_gets_no_more_than_it_was_promised() {
    let server = server(Product::Elasticsearch);
    server.set_default(Step::default().after(Duration::from_millis(300)));
    let (_upstream, proxy) = shipping(&[server.url()], ", compression: gzip");
    send(&proxy);
    settled(proxy, REQUESTS);
    each_once("slow", &server, 0);
    assert!(server.max_in_flight() <= 2, "{}", server.max_in_flight());
    let bulks = server.bulk_requests();
    assert!(bulks.iter().all(|request| request.header("content-encoding") == Some("gzip")));
    let ids: Vec<_> = bulks.iter().filter_map(|request| request.header("x-opaque-id")).collect();
    assert_eq!(ids.len(), bulks.len());
}
