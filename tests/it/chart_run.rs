//! Goal: what the charts render works: mock, set-up Job, proxy, watcher and the Job of `helm test`, before a real
//! OpenSearch and Elasticsearch; and a pod that is moved ships what its volume has. Method: render → run, as
//! `chart_pod` says.
//!
//! Those builds lack users and roles by API, retention and dashboards (CONTRIBUTING.md), so the Secret names users
//! that are there, and the set-up Job ends with what `setup_real` knows of them; the Job of a bundled server, which
//! makes users and boards, runs before the mock. The images of Elasticsearch, Kibana
//! and OpenSearch cannot be had here: their pods are rendered and validated, and not run.

use std::path::Path;

use lbproxy::elk::Product;
use lbproxy::elk::access::{self, Rights};
use lbproxy::elk::server::Features;
use lbproxy::record::Dataset;

use crate::chart::{helms, render};
use crate::chart_pod::{Pod, Release, get};
use crate::server::{PASSWORD, RealServer, USER, USERS_PASSWORD, on_both};
use crate::support::*;

/// Two mock upstreams as the chart has them.
pub(crate) fn mocks(helm: &Path) -> [Pod; 2] {
    let values =
        ["--values", "helm/examples/lbserverdown-demo.yaml", "--set", "args={--delay=1ms}"];
    let release = Release::new(&render(helm, "lbserverdown", &values).unwrap(), &[]);
    ["one", "two"].map(|pod| release.start("Deployment", "r-lbserverdown", pod))
}

/// Values that lead to these upstreams and this server, beside those of the example for a server without users.
pub(crate) fn values(server: &RealServer, mocks: &[Pod; 2], namespace: &str) -> Vec<String> {
    let hosts = mocks.each_ref().map(|mock| format!("\"{}\"", mock.port("http"))).join(",");
    let service = format!(
        "config.proxy.services=[{{\"name\":\"web\",\"domain\":\"*\",\"hosts\":[{hosts}]}}]"
    );
    let place = format!(
        "stack.external.urls={{http://{}}},config.telemetry.namespace={namespace}",
        server.address
    );
    let users = match server.product {
        Product::OpenSearch => "stack.external.auth=none".to_owned(),
        Product::Elasticsearch => format!(
            "stack.product=elasticsearch,stack.external.auth=password,\
             stack.external.username={USER},stack.external.watchUsername=elastic"
        ),
    };
    let rest = "secrets.existingSecret=s,config.telemetry.elasticsearch.batch.wait=200ms";
    let example = "helm/examples/opensearch-external.yaml";
    let set = ["--set", &place, "--set", &users, "--set", rest, "--set-json", &service];
    [&["--values", example], &set[..]].concat().into_iter().map(str::to_owned).collect()
}

/// What the Secret has: of users that are on the server already.
pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("shipping-password", USERS_PASSWORD),
    ("server-password", PASSWORD),
    ("watch-password", PASSWORD),
];

/// A release before a server of its own, and its mocks.
fn release(helm: &Path, server: &RealServer, namespace: &str) -> (Release, [Pod; 2]) {
    let mocks = mocks(helm);
    let values = values(server, &mocks, namespace);
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    (Release::new(&render(helm, "lbproxy", &values).unwrap(), &SECRETS), mocks)
}

#[test]
fn what_the_charts_render_runs() {
    let Some(helm) = helms().pop() else { return };
    on_both(|product| {
        let role = access::privileges(Rights::Lookup, Features::newest(product));
        let mut server = RealServer::alone_with_user(product, &role);
        server.start();
        let (mut release, _mocks) = release(&helm, &server, "chart");

        let (code, text) = release.job("r-lbproxy-setup");
        assert!(
            code == Some(1) && text.contains(" put in place, "),
            "{product:?} {code:?}: {text}"
        );
        let (code, text) = release.job("r-lbproxy-setup");
        assert!(
            code == Some(1) && text.contains("nothing to do: "),
            "{product:?} {code:?}: {text}"
        );

        let proxy = release.start("StatefulSet", "r-lbproxy", "r-lbproxy-0");
        assert_eq!(get(proxy.port("http"), "/"), Some(200), "{product:?}");
        release.service("r-lbproxy.n.svc:8080", proxy.port("http"));
        let (code, text) = release.job("r-lbproxy-test");
        assert!(code == Some(0) && text.contains("document "), "{product:?} {code:?}: {text}");

        let watcher = release.start("Deployment", "r-lbproxy-watcher", "watcher");
        assert!(watcher.probe("livenessProbe"), "{product:?}");
        if product == Product::OpenSearch {
            // The set-up could make its streams, so there is something to read.
            wait_for("the watcher", || {
                (get(watcher.port("admin"), "/readyz") == Some(200)).then_some(())
            });
        }
        watcher.terminate();
        let log = proxy.terminate();
        assert_eq!(log.matches("(holds)").count(), 2, "{product:?} {log}");
        let stored = server.stored(&Dataset::Access.data_stream("chart"), &["url.path"]);
        assert_eq!(stored.len(), 2, "{product:?}: a request of this test, and one of helm's");
    });
}

#[test]
fn the_bundled_servers_job_makes_users_and_boards_once() {
    use lbproxy_fakes::{Credentials, Options, Product};
    let Some(helm) = helms().pop() else { return };
    for (product, name, user, version) in [
        (Product::Elasticsearch, "elasticsearch", "elastic", "8.19.2"),
        (Product::OpenSearch, "opensearch", "admin", "2.19.4"),
    ] {
        let credentials = Credentials::Basic { user: user.into(), password: PASSWORD.into() };
        let options = Options { credentials: Some(credentials), ..Options::local(product) };
        let server = lbproxy_fakes::start(options).unwrap();
        server.set_dashboards(version);
        let set = format!("secrets.existingSecret=s,stack.tls.enabled=false,stack.product={name}");
        // OpenSearch has a certificate between nodes all the same.
        let set = set + ",stack.tls.existingSecret=t";
        let rendered = render(&helm, "lbproxy", &["--set", &set]).unwrap();
        let mut release = Release::new(&rendered, &SECRETS);
        for service in ["server.n.svc:9200", "dashboards.n.svc:5601"] {
            release.service(&format!("r-lbproxy-{service}"), server.address());
        }
        let (code, text) = release.job("r-lbproxy-setup");
        for word in ["+ user lbproxy\n", "+ user lbproxy_watch\n", "+ dashboard"] {
            assert!(code == Some(0) && text.contains(word), "{name} {word}: {code:?} {text}");
        }
        let (code, text) = release.job("r-lbproxy-setup");
        assert!(code == Some(0) && text.contains("nothing to do: "), "{name}: {code:?} {text}");
    }
}

#[test]
fn a_pod_that_comes_back_ships_what_its_volume_has() {
    let Some(helm) = helms().pop() else { return };
    let mut server = RealServer::alone(Product::OpenSearch);
    server.start();
    let (release, _mocks) = release(&helm, &server, "volume");
    server.stop();
    let pod = release.start("StatefulSet", "r-lbproxy", "r-lbproxy-0");
    for _ in 0..50 {
        assert_eq!(get(pod.port("http"), "/"), Some(200), "without a server");
    }
    drop(pod); // its node has gone
    server.start();
    let pod = release.start("StatefulSet", "r-lbproxy", "r-lbproxy-0");
    let stream = Dataset::Access.data_stream("volume");
    wait_within(SHIPPED, "what was not shipped", || {
        let has = server.call("HEAD", &format!("/{stream}"), None).status == 200;
        (has && server.stored(&stream, &["url.path"]).len() >= 50).then_some(())
    });
    pod.terminate();
    assert_eq!(server.stored(&stream, &["url.path"]).len(), 50);
}
