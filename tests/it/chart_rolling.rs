//! Goal: an upgrade of three pods under load fails no request and loses no record. Method: three processes of the
//! rendered StatefulSet, replaced one by one as Kubernetes does it: a pod that ends is among the endpoints for a
//! while, waits as its preStop says, gets SIGTERM, and has its grace period; the next one takes requests once its
//! probes say so. Clients ask whoever is among the endpoints, over new connections and over kept ones.

use std::io::{BufReader, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lbproxy::elk::Product;
use lbproxy::record::Dataset;

use crate::chart::{helms, render};
use crate::chart_pod::{Pod, Release};
use crate::chart_run::{SECRETS, mocks, values};
use crate::server::RealServer;
use crate::support::*;

const PODS: usize = 3;
const CLIENTS: usize = 4;
/// How long everybody still asks a pod that is to end; below drain.waitSeconds.
const LAG: Duration = Duration::from_millis(500);
const NAMESPACE: &str = "rolling";

/// What clients ask, and what became of it.
#[derive(Default)]
struct Load {
    endpoints: Mutex<Vec<SocketAddr>>,
    is_over: AtomicBool,
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// Asks in turns until it is over: a connection for up to ten requests.
    fn client(&self, number: usize) {
        let mut turn = number;
        while !self.is_over.load(Ordering::Relaxed) {
            turn += 1;
            let address = {
                let endpoints = self.endpoints.lock().unwrap();
                endpoints[turn % endpoints.len()]
            };
            if let Err(problem) = self.connection(address, 1 + turn % 10) {
                self.failed.lock().unwrap().push(format!("{address}: {problem}"));
            }
        }
    }

    fn connection(&self, address: SocketAddr, requests: usize) -> Result<(), String> {
        let stream = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..requests {
            (&stream)
                .write_all(b"GET /rolling HTTP/1.1\r\nHost: a\r\n\r\n")
                .map_err(|error| error.to_string())?;
            let response = read_response(&mut reader, false).ok_or("no answer")?;
            if response.status != 200 {
                return Err(format!("{} {}", response.status, response.head));
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            if response.field("connection") == Some("close") {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Replaces a pod by one of the next revision.
fn replace(load: &Load, old: Pod, next: &Release, name: &str) -> Pod {
    let leaving = old.port("http");
    std::thread::scope(|scope| {
        let end = scope.spawn(|| old.terminate());
        std::thread::park_timeout(LAG);
        load.endpoints.lock().unwrap().retain(|address| *address != leaving);
        let log = end.join().unwrap();
        assert!(log.matches("(holds)").count() == 2, "{log}");
    });
    let pod = next.start("StatefulSet", "r-lbproxy", name);
    load.endpoints.lock().unwrap().push(pod.port("http"));
    pod
}

#[test]
fn a_rolling_upgrade_fails_no_request_and_loses_no_record() {
    let Some(helm) = helms().pop() else { return };
    let server = RealServer::shared(Product::OpenSearch);
    let mocks = mocks(&helm);
    let values = values(server, &mocks, NAMESPACE);
    let rendered = |workers: &str| {
        let mut all: Vec<_> = values.iter().map(String::as_str).collect();
        let set = format!("replicas=3,drain.waitSeconds=1,config.proxy.workers={workers}");
        all.extend(["--set", &set]);
        render(&helm, "lbproxy", &all).unwrap()
    };
    let first = Release::new(&rendered("1"), &SECRETS);
    let names: Vec<_> = (0..PODS).map(|at| format!("r-lbproxy-{at}")).collect();
    let mut pods: Vec<_> =
        names.iter().map(|name| first.start("StatefulSet", "r-lbproxy", name)).collect();
    let load = Arc::new(Load::default());
    load.endpoints.lock().unwrap().extend(pods.iter().map(|pod| pod.port("http")));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let load = Arc::clone(&load);
            std::thread::spawn(move || load.client(number))
        })
        .collect();

    let next = first.upgraded(&rendered("2"));
    let is_answered = |more: usize| {
        let want = load.answered.load(Ordering::Relaxed) + more;
        wait_for("answers", || (load.answered.load(Ordering::Relaxed) >= want).then_some(()));
    };
    for (at, name) in names.iter().enumerate().rev() {
        is_answered(100);
        let old = pods.remove(at);
        let pod = replace(&load, old, &next, name);
        pods.insert(at, pod);
    }
    is_answered(100);
    load.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    for pod in pods {
        pod.terminate();
    }

    assert_eq!(*load.failed.lock().unwrap(), Vec::<String>::new());
    let answered = load.answered.load(Ordering::Relaxed);
    let stored = server.stored(&Dataset::Access.data_stream(NAMESPACE), &["url.path"]);
    assert_eq!(stored.len(), answered);
}
