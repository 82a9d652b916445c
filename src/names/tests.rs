//! Goal: what is found is what the servers say, and why nothing is found is told apart. Method: a real
//! server on loopback, whose answers are rows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;

use super::desk::{NameAsked, NameQuestion};
use super::*;

#[path = "../../tests/it/support/dns.rs"]
#[expect(dead_code, reason = "the tests of the program use the rest")]
mod dns;

use dns::{Dns, Says, addresses, alias, srv};

/// Looks names up by these servers.
struct Asker {
    queue: mpsc::Sender<NameAsked>,
    metrics: Arc<NamesMetrics>,
}

impl Asker {
    fn new(servers: &[SocketAddr], search: &[&str], ndots: usize) -> Self {
        let search = search.iter().map(|&domain| domain.to_owned()).collect();
        let timeout = Duration::from_millis(300);
        let metrics = Arc::new(NamesMetrics::default());
        let config = Resolver { servers: servers.to_vec(), search, ndots, timeout };
        let queue = start(LiveResolver::new(config), Arc::clone(&metrics)).unwrap();
        Self { queue, metrics }
    }

    /// Asks without waiting for the answer.
    fn ask(
        &self,
        name: &str,
        kind: NameKind,
    ) -> oneshot::Receiver<Result<Arc<Addresses>, LookupFailure>> {
        let (reply, answer) = oneshot::channel();
        let question = NameQuestion { name: name.to_owned(), kind };
        self.queue.try_send(NameAsked { question, reply }).unwrap();
        answer
    }

    fn find(&self, name: &str, kind: NameKind) -> Result<Arc<Addresses>, LookupFailure> {
        self.ask(name, kind).blocking_recv().unwrap()
    }

    /// What is found, as text; or what is said instead.
    fn check(&self, name: &str, kind: NameKind) -> Vec<String> {
        match self.find(name, kind) {
            Ok(found) => found.addresses.iter().map(text).collect(),
            Err(LookupFailure::NotFound) => vec!["not found".to_owned()],
            Err(LookupFailure::System(errno)) => vec![errno.to_string()],
            Err(LookupFailure::Failed(_)) => vec!["failed".to_owned()],
        }
    }
}

fn text(address: &Address) -> String {
    match address.service {
        None => address.ip.to_string(),
        Some((port, weight)) => format!("{}:{port} {weight}", address.ip),
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn what_is_found_is_what_the_server_says() {
    let dns = Dns::start(|name, kind| match name {
        "both.test." => addresses(name, 5, &ips(&["2001:db8::1", "10.0.0.1", "10.0.0.2"]), kind),
        "twice.test." => addresses(name, 5, &ips(&["10.0.0.1", "10.0.0.1"]), kind),
        "many.test." => {
            let all: Vec<IpAddr> =
                (0..1_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes())).collect();
            addresses(name, 5, &all, kind)
        }
        "alias.test." => {
            let Says::Records(mut records, _) = addresses("six.test", 5, &ips(&["10.0.0.9"]), kind)
            else {
                return Says::Records(vec![alias(name, 5, "six.test")], Vec::new());
            };
            records.insert(0, alias(name, 5, "six.test"));
            Says::Records(records, Vec::new())
        }
        "circle.test." => Says::Records(vec![alias(name, 5, "circle.test")], Vec::new()),
        "empty.test." => Says::Nothing,
        "broken.test." => Says::Fails,
        "silent.test." => Says::Silent,
        "garbage.test." => Says::Garbage(vec![0xff; 40]),
        "slow4.test." if kind == RecordType::A => Says::Silent,
        "six.test." | "slow4.test." => addresses(name, 5, &ips(&["2001:db8::1"]), kind),
        _ => Says::NoSuchName,
    });
    let asker = Asker::new(&[dns.address], &[], 1);
    let many: Vec<String> = (0..1_000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (name, kind, want) in [
        ("both.test", NameKind::Connect, &["10.0.0.1", "10.0.0.2", "2001:db8::1"][..]),
        ("both.test", NameKind::Each, &["10.0.0.1", "10.0.0.2"]),
        ("six.test", NameKind::Each, &["2001:db8::1"]),
        ("twice.test", NameKind::Each, &["10.0.0.1"]),
        ("many.test", NameKind::Each, &many),
        ("alias.test", NameKind::Each, &["10.0.0.9"]),
        ("circle.test", NameKind::Each, &["not found"]),
        ("empty.test", NameKind::Connect, &["not found"]),
        ("none.test", NameKind::Connect, &["not found"]),
        ("none.test", NameKind::Services, &["not found"]),
        ("broken.test", NameKind::Connect, &["failed"]),
        ("silent.test", NameKind::Connect, &["failed"]),
        ("garbage.test", NameKind::Each, &["failed"]),
        // Nobody knows that it has none of IPv4: its addresses are not suddenly others.
        ("slow4.test", NameKind::Each, &["failed"]),
        ("localhost", NameKind::Connect, &["127.0.0.1", "::1"]),
        ("no..name", NameKind::Connect, &["failed"]),
    ] {
        let found = asker.check(name, kind);
        let own_hosts = name == "localhost" && found == ["127.0.0.1"]; // its IPv6 is not everywhere
        assert!(found == want || own_hosts, "{name} {kind:?}: {found:?}");
    }
    let counts = [&asker.metrics.found_total, &asker.metrics.not_found_total];
    assert_eq!(counts.map(crate::metrics::Cell64::value), [7, 4]);
    assert_eq!(asker.metrics.failed_total.value(), 5);
}

#[test]
fn hosts_of_a_service_are_those_of_the_first_priority_that_has_an_address() {
    let dns = Dns::start(|name, kind| {
        let hosts = |hosts: &[(u16, u16, u16, &str)]| {
            Says::Records(hosts.iter().map(|host| srv(name, 5, *host)).collect(), Vec::new())
        };
        match name {
            "a.test." => addresses(name, 5, &ips(&["10.0.0.1"]), kind),
            "b.test." => addresses(name, 5, &ips(&["10.0.0.2", "10.0.0.3"]), kind),
            "broken.test." => Says::Fails,
            "_two._tcp.test." => hosts(&[(0, 60, 80, "a.test"), (0, 40, 81, "b.test")]),
            "_first._tcp.test." => hosts(&[(20, 1, 80, "b.test"), (10, 7, 80, "a.test")]),
            "_gone._tcp.test." => hosts(&[(1, 1, 80, "none.test"), (2, 0, 80, "a.test")]),
            "_same._tcp.test." => {
                hosts(&[(1, 5, 80, "a.test"), (1, 9, 80, "a.test"), (1, 9, 81, "a.test")])
            }
            "_part._tcp.test." => hosts(&[(1, 1, 80, "a.test"), (1, 1, 80, "broken.test")]),
            // RFC 2782: decidedly not there.
            "_not._tcp.test." => hosts(&[(0, 0, 0, ".")]),
            "_zero._tcp.test." => hosts(&[(0, 0, 0, "a.test")]),
            "_beside._tcp.test." => Says::Records(
                vec![srv(name, 5, (0, 3, 80, "unknown.test"))],
                vec![dns::address("unknown.test", 5, ips(&["10.0.0.8"])[0])],
            ),
            _ => Says::NoSuchName,
        }
    });
    let asker = Asker::new(&[dns.address], &[], 1);
    for (name, want) in [
        ("_two._tcp.test", &["10.0.0.1:80 60", "10.0.0.2:81 40", "10.0.0.3:81 40"][..]),
        ("_first._tcp.test", &["10.0.0.1:80 7"]),
        ("_gone._tcp.test", &["10.0.0.1:80 0"]),
        ("_same._tcp.test", &["10.0.0.1:80 5", "10.0.0.1:81 9"]),
        ("_part._tcp.test", &["failed"]),
        ("_not._tcp.test", &["not found"]),
        ("_zero._tcp.test", &["not found"]),
        ("_beside._tcp.test", &["10.0.0.8:80 3"]),
        ("_none._tcp.test", &["not found"]),
    ] {
        assert_eq!(asker.check(name, NameKind::Services), want, "{name}");
    }
}

/// As pods have it: five dots make a name that is tried as it is.
#[test]
fn search_domains_are_tried_in_their_order_and_a_dot_at_the_end_keeps_them_away() {
    let search = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
    for (name, want, questions) in [
        ("web", "10.0.0.1", &["web.shop.svc.cluster.local."][..]),
        (
            "pay.bank.svc.cluster.local",
            "10.0.0.2",
            &[
                "pay.bank.svc.cluster.local.shop.svc.cluster.local.",
                "pay.bank.svc.cluster.local.svc.cluster.local.",
                "pay.bank.svc.cluster.local.cluster.local.",
                "pay.bank.svc.cluster.local.",
            ],
        ),
        ("pay.bank.svc.cluster.local.", "10.0.0.2", &["pay.bank.svc.cluster.local."]),
    ] {
        let dns = Dns::start(|name, kind| match name {
            "web.shop.svc.cluster.local." => addresses(name, 5, &ips(&["10.0.0.1"]), kind),
            "pay.bank.svc.cluster.local." => addresses(name, 5, &ips(&["10.0.0.2"]), kind),
            _ => Says::NoSuchName,
        });
        let asker = Asker::new(&[dns.address], &search, 5);
        assert_eq!(asker.check(name, NameKind::Each), [want], "{name}");
        let got: Vec<String> = dns.asked().into_iter().map(|(name, _)| name).collect();
        assert_eq!(got, questions, "{name}");
    }
}

#[test]
fn an_answer_is_kept_for_its_time_to_live_within_bounds() {
    let dns = Dns::start(|name, kind| match name {
        "zero.test." => addresses(name, 0, &ips(&["10.0.0.1"]), kind),
        "short.test." => addresses(name, 7, &ips(&["10.0.0.1"]), kind),
        "day.test." => addresses(name, 86_400, &ips(&["10.0.0.1"]), kind),
        _ => Says::NoSuchName,
    });
    let asker = Asker::new(&[dns.address], &[], 1);
    for (name, seconds) in [("zero.test", 1), ("short.test", 7), ("day.test", 60)] {
        let begin = Instant::now();
        let found = asker.find(name, NameKind::Each).unwrap();
        let left = found.until.saturating_duration_since(begin);
        let slack = Duration::from_secs(1); // of a slow machine
        let want = Duration::from_secs(seconds);
        assert!(want <= left + slack / 2 && left <= want + slack, "{name}: {left:?}");
        asker.find(name, NameKind::Each).unwrap();
    }
    let times = |name: &str| dns.asked().iter().filter(|(other, _)| other == name).count();
    assert_eq!((times("short.test."), times("day.test.")), (1, 1), "the second time it was known");
}

#[test]
fn all_who_ask_the_same_at_once_have_one_look_up() {
    let dns = Dns::start(|name, kind| addresses(name, 60, &ips(&["10.0.0.1"]), kind));
    let asker = Asker::new(&[dns.address], &[], 1);
    let answers: Vec<_> = (0..500).map(|_| asker.ask("web.test", NameKind::Each)).collect();
    for answer in answers {
        assert_eq!(answer.blocking_recv().unwrap().unwrap().addresses.len(), 1);
    }
    assert_eq!(dns.asked().len(), 1);
    assert_eq!(asker.metrics.refused_total.value(), 0);
    assert_eq!(asker.metrics.under_way.value(), 0);
}

#[test]
fn another_server_answers_for_one_that_is_silent_or_gone() {
    let good = Dns::start(|name, kind| addresses(name, 60, &ips(&["10.0.0.1"]), kind));
    let silent = Dns::start(|_, _| Says::Silent);
    let gone = SocketAddr::from(([127, 0, 0, 1], 9)); // discard: nobody has it
    for (name, first) in [("silent", silent.address), ("gone", gone)] {
        let asker = Asker::new(&[first, good.address], &[], 1);
        assert_eq!(asker.check("web.test", NameKind::Connect), ["10.0.0.1"], "{name}");
    }
    let asker = Asker::new(&[gone], &[], 1);
    assert_ne!(asker.check("web.test", NameKind::Connect), ["not found"], "nobody said so");
}
