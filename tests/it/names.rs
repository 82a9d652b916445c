//! Goal: every name is looked up by the servers that the configuration names, and what they say is told
//! apart from what the system refuses us. Method: the real program and a DNS server of the tests.

use std::io::{BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_resolver::proto::rr::RecordType;
use lbproxy_fakes::{Options, Product};

use crate::support::collector::{Receiver, Reply};
use crate::support::dns::{Dns, Says, addresses};
use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The block that has names looked up by `dns`.
pub(crate) fn resolver(dns: &Dns) -> String {
    format!("resolver: {{servers: [\"{}\"], timeout: 500ms}}\n", dns.address)
}

/// A server for which every name below `test` is loopback, but for some that are not there or broken.
fn server() -> Dns {
    Dns::start(|name, kind| match name {
        "none.test." => Says::NoSuchName,
        "broken.test." => Says::Fails,
        name if name.ends_with(".test.") => addresses(name, 1, &[LOOPBACK], kind),
        _ => Says::NoSuchName,
    })
}

/// One service of an endpoint that is a name.
fn service(host: &str, port: u16, keys: &str) -> String {
    let endpoint = SocketAddr::from(([127, 0, 0, 1], port));
    one_service(&[endpoint], keys).replace(&endpoint.to_string(), &format!("{host}:{port}"))
}

/// Goal: endpoints, Elasticsearch, OTLP over gRPC and over HTTP are found by one resolver. Method: names
/// that only the server of this test knows.
#[test]
fn endpoints_and_our_own_clients_ask_the_same_servers() {
    let upstream = Upstream::ok();
    for protocol in ["grpc", "http/protobuf"] {
        let dns = server();
        let elastic = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
        let receiver = Receiver::start(|_| Reply::Take);
        let ship = format!("http://elastic.test:{}", elastic.address().port());
        let otlp = format!(
            "  otlp: {{endpoint: \"http://collector.test:{}\", protocol: {protocol}, sample: 1}}\n",
            receiver.address.port()
        );
        let rest = ship_to(&ship, "names", "") + &otlp + &resolver(&dns);
        let proxy = Proxy::start(&service("web.test", upstream.address.port(), ""), &rest);
        assert_eq!(proxy.send(GET).status, 200, "{protocol}");
        proxy.await_figure("lbproxy_ship_acknowledged_total", |count| count > 0);
        if protocol == "grpc" {
            proxy.await_figure("lbproxy_otlp_spans_total", |count| count > 0);
        }
        let asked = |wanted: &str| dns.asked().iter().any(|(name, _)| name == wanted);
        wait_for("three names", || {
            ["web.test.", "elastic.test.", "collector.test."].into_iter().all(asked).then_some(())
        });
        let document = proxy.documents().remove(0);
        assert!(document["lbproxy.upstream.dns_us"].is_u64(), "{document:#}");
        proxy.await_figure("lbproxy_name_lookups_total", |count| count >= 3);
    }
}

/// Goal: what a name server says is the endpoint's failure, and what the system refuses us is ours.
/// Method: names that are not there or cannot be told; then the limit of descriptors is taken away.
#[test]
fn a_failed_look_up_is_told_from_a_shortage_of_our_own() {
    let dns = server();
    let upstream = Upstream::ok();
    for (host, is_short, status, reason) in [
        ("none.test", false, 502, "dns_failed"),
        ("broken.test", false, 502, "dns_failed"),
        ("web.test", false, 200, "complete"),
        ("other.test", true, 503, "no_descriptor"),
    ] {
        let keys = ", retry: {attempts: 1}, timeouts: {connect: 20s}, pool: {idle_max: 0}";
        let proxy = Proxy::start(&service(host, upstream.address.port(), keys), &resolver(&dns));
        let mut stream = connect(proxy.address);
        // The connection is there, and with the first answer the thread that looks names up.
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut get = || {
            stream.write_all(GET.as_bytes()).unwrap();
            read_response(&mut reader, false).unwrap().status
        };
        if is_short {
            assert_eq!(get(), 200, "{host}");
            wait_for("a connection that cannot be made", || {
                proxy.limit_descriptors(Some(0));
                let status = get();
                proxy.limit_descriptors(None);
                (status != 200).then(|| assert_eq!(status, 503))
            });
        } else {
            assert_eq!(get(), status, "{host}");
        }
        let documents = proxy.documents();
        assert_eq!(documents.last().unwrap()["lbproxy.termination.reason"], reason, "{host}");
        let failures = proxy.figures()["lbproxy_endpoint_failures_total"];
        assert_eq!(failures, u64::from(status == 502), "{host}");
    }
    let asked_for = |name: &str, kind| dns.asked().contains(&(name.to_owned(), kind));
    assert!(asked_for("web.test.", RecordType::A) && asked_for("web.test.", RecordType::AAAA));
}
