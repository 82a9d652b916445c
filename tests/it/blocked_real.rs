//! Goal: a stream of a real server that takes nothing keeps its records in the journal, says why once, and
//! gets each of them once it takes them again. Method: the real OpenSearch and Elasticsearch, put into each
//! state by their own API; the rows are what `ship::answer` has been told of them.

use std::sync::Arc;

use lbproxy::elk::Product;
use serde_json::{Value, json};

use crate::server::{RealServer, on_both};
use crate::support::*;
use crate::traffic::access;

/// Requests while the stream takes nothing.
const REQUESTS: usize = 50;

/// A state of a server.
struct State {
    name: &'static str,
    /// Brings it about, and ends it; given are the server and the stream's newest index.
    begin: fn(&RealServer, &str),
    end: fn(&RealServer, &str),
    /// Whether there is a stream already.
    has_stream: bool,
    /// What stands in the one line of the log.
    want: [&'static str; 2],
}

/// Sets something of the cluster, or of an index.
fn set(server: &RealServer, index: &str, key: &str, value: &Value) {
    let (path, body) = match index {
        "" => ("/_cluster/settings".to_owned(), json!({ "transient": { key: value } })),
        index => (format!("/{index}/_settings"), json!({ key: value })),
    };
    server.must("PUT", &path, Some(&body));
}

/// Those of the stream's newest index: each has a stream of its own.
fn of_an_index(product: Product) -> Vec<State> {
    let mut states = vec![
        State {
            name: "missing_pipeline",
            begin: |server, index| set(server, index, "index.default_pipeline", &json!("nope")),
            end: |server, index| set(server, index, "index.default_pipeline", &json!("_none")),
            has_stream: true,
            want: ["pipeline with id [nope] does not exist", "create that ingest pipeline"],
        },
        State {
            name: "write_block",
            begin: |server, index| set(server, index, "index.blocks.write", &json!(true)),
            end: |server, index| set(server, index, "index.blocks.write", &Value::Null),
            has_stream: true,
            want: ["FORBIDDEN/8/index write", "take the block that the reason names off"],
        },
        State {
            name: "read_only_index",
            begin: |server, index| set(server, index, "index.blocks.read_only", &json!(true)),
            end: |server, index| set(server, index, "index.blocks.read_only", &Value::Null),
            has_stream: true,
            want: ["FORBIDDEN/5/index read-only", "take the block that the reason names off"],
        },
    ];
    // OpenSearch closes no index that a stream writes to.
    if product == Product::Elasticsearch {
        states.push(State {
            name: "closed_index",
            begin: |server, index| drop(server.must("POST", &format!("/{index}/_close"), None)),
            end: |server, index| drop(server.must("POST", &format!("/{index}/_open"), None)),
            has_stream: true,
            want: ["index_closed_exception", "open the index"],
        });
    }
    states
}

/// Those of the whole server, and the block that a server takes off when it looks at its disk: last, when it
/// has looked for the last time.
fn of_the_server(product: Product) -> Vec<State> {
    let mut states = vec![
        State {
            name: "limit_of_shards",
            begin: |server, _| set(server, "", "cluster.max_shards_per_node", &json!(1)),
            end: |server, _| set(server, "", "cluster.max_shards_per_node", &Value::Null),
            has_stream: false,
            want: ["shards open", "raise cluster.max_shards_per_node"],
        },
        State {
            name: "read_only_cluster",
            begin: |server, _| set(server, "", "cluster.blocks.read_only", &json!(true)),
            end: |server, _| set(server, "", "cluster.blocks.read_only", &Value::Null),
            has_stream: true,
            want: ["FORBIDDEN/6/cluster read-only", "take the block that the reason names off"],
        },
        State {
            name: "no_auto_create",
            begin: |server, _| set(server, "", "action.auto_create_index", &json!("-logs-*,+*")),
            end: |server, _| set(server, "", "action.auto_create_index", &Value::Null),
            has_stream: false,
            want: ["index_not_found_exception", "action.auto_create_index"],
        },
        State {
            name: "flood_stage",
            begin: |server, index| {
                set(server, index, "index.blocks.read_only_allow_delete", &json!(true));
            },
            end: |server, index| {
                set(server, index, "index.blocks.read_only_allow_delete", &Value::Null);
            },
            has_stream: true,
            want: ["TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage", "free disk space"],
        },
    ];
    // Elasticsearch lets a stream's template stand above that setting.
    if product == Product::Elasticsearch {
        states.retain(|state| state.name != "no_auto_create");
    }
    states
}

/// Sends requests, one after the other.
fn send(proxy: &Proxy, count: usize) {
    for n in 0..count {
        let request = format!("GET /n/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(proxy.send(request).status, 200);
    }
}

/// The one line that says that records wait.
fn told(name: &str, proxy: &Proxy) -> String {
    const WAITS: &str = "records wait in the journal";
    // The gauge is there a moment before the line.
    let log = wait_for(&format!("{name}: {WAITS}"), || {
        Some(proxy.log()).filter(|log| log.contains(WAITS))
    });
    let mut lines = log.lines().filter(|line| line.contains(WAITS));
    let line = lines.next().unwrap();
    assert_eq!(lines.next(), None, "{name}: told twice\n{log}");
    line.to_owned()
}

fn check(server: &RealServer, state: &State) {
    let State { name, begin, end, has_stream, want } = state;
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let stream = access(name);
    let before = usize::from(*has_stream);
    let mut index = String::new();
    if *has_stream {
        let proxy = Proxy::start_in(Arc::clone(&dir), &service, &server.telemetry(name));
        send(&proxy, 1);
        proxy.settled();
        let found = server.get(&format!("/_resolve/index/{stream}"));
        let indices = found["data_streams"][0]["backing_indices"].as_array();
        let newest = indices.and_then(|all| all.last()?.as_str());
        newest.unwrap_or(&stream).clone_into(&mut index);
        proxy.terminate();
    }
    begin(server, &index);
    let proxy = Proxy::start_in(dir, &service, &server.telemetry(name));
    send(&proxy, REQUESTS);
    proxy.await_figure("lbproxy_ship_blocked", |blocked| blocked == 1);
    let tries = proxy.figures()["lbproxy_ship_batches_total"];
    proxy.await_figure("lbproxy_ship_batches_total", |now| now >= tries + 2);
    let figures = proxy.figures();
    for (figure, want) in [("connected", 0), ("dead_letter_total", 0), ("pending", REQUESTS as u64)]
    {
        assert_eq!(figures[&format!("lbproxy_ship_{figure}")], want, "{name}: {figure}");
    }
    let line = told(name, &proxy);
    for want in want {
        assert!(line.contains(want), "{name}: {want:?} is not in {line}");
    }
    end(server, &index);
    proxy.settled();
    told(name, &proxy);
    assert_eq!(server.stored(&stream, &["url.path"]).len(), before + REQUESTS, "{name}");
}

/// Before there is any template of ours: records wait instead of making a plain index.
fn check_without_template(server: &RealServer) {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let telemetry = server.telemetry("bare").replace("batch:", "setup: off, batch:");
    let proxy = Proxy::start(&service, &telemetry);
    send(&proxy, REQUESTS);
    proxy.await_figure("lbproxy_ship_blocked", |blocked| blocked == 1);
    let line = told("bare", &proxy);
    assert!(line.contains("has no index template") && line.contains("lbproxy setup"), "{line}");
    let found = server.call("GET", &format!("/_resolve/index/{}*", access("bare")), None);
    let found: Value = serde_json::from_slice(&found.body).unwrap();
    for kind in ["indices", "data_streams"] {
        assert_eq!(found[kind], json!([]), "{kind} were made");
    }
    // Somebody puts one of their own.
    let template = json!({
        "index_patterns": ["*-lbproxy.*-bare"], "priority": 300, "data_stream": {},
        "template": {"settings": {"index.number_of_replicas": 0}},
    });
    server.must("PUT", "/_index_template/theirs", Some(&template));
    proxy.settled();
    assert!(proxy.log().contains("that somebody else chose"), "{}", proxy.log());
    assert_eq!(server.stored(&access("bare"), &["url.path"]).len(), REQUESTS);
}

#[test]
fn a_stream_of_a_real_server_that_takes_nothing_is_waited_for() {
    on_both(|product| {
        let mut server = RealServer::alone(product);
        server.start();
        let server = &server;
        set(server, "", "cluster.info.update.interval", &json!("1h"));
        check_without_template(server);
        std::thread::scope(|scope| {
            for state in of_an_index(product) {
                let thread = std::thread::Builder::new().name(state.name.to_owned());
                thread.spawn_scoped(scope, move || check(server, &state)).unwrap();
            }
        });
        for state in of_the_server(product) {
            check(server, &state);
        }
    });
}
