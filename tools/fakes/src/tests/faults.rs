//! With a script: each fault, and what is left behind.

use super::*;
use script::Reply as Told;

#[test]
fn steps_are_taken_in_order_and_then_the_default() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step::refuse(429));
    mock.push(Step::refuse(503));
    mock.set_default(Step::refuse(500));
    assert_eq!(mock.steps_left(), 2);
    let got: Vec<_> = (0..4).map(|_| bulk(&mock, &["a"]).0).collect();
    assert_eq!((got, mock.steps_left()), (vec![429, 503, 500, 500], 0));
    let statuses: Vec<_> = mock.bulk_requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [Some(429), Some(503), Some(500), Some(500)]);
    mock.set_default(Step::default());
    assert_eq!((bulk(&mock, &["a"]).0, ids(&mock)), (200, vec!["a".into()]));
}

#[test]
fn refusals_store_nothing_and_speak_as_the_product_does() {
    for (product, status, kind) in [
        (Product::Elasticsearch, 401, "security_exception"),
        (Product::Elasticsearch, 403, "cluster_block_exception"),
        (Product::Elasticsearch, 429, "es_rejected_execution_exception"),
        (Product::OpenSearch, 429, "rejected_execution_exception"),
        (Product::Elasticsearch, 500, "status_exception"),
        (Product::Elasticsearch, 503, "master_not_discovered_exception"),
        (Product::OpenSearch, 503, "cluster_manager_not_discovered_exception"),
    ] {
        let mock = mock(product);
        mock.push(Step::refuse(status));
        let (got, answer) = bulk(&mock, &["a"]);
        assert_eq!((got, &answer["error"]["type"]), (status, &kind.into()));
        assert_eq!(answer["error"]["root_cause"][0]["type"], kind, "errors are never filtered");
        assert_eq!((mock.count(STREAM), mock.tasks()), (0, 0));
    }
    let mock = mock(Product::OpenSearch);
    mock.push(Step::refuse(413));
    let reply = call(&mock, &format!("POST /{STREAM}/_bulk"), create(&["a"]));
    assert_eq!((reply.status, reply.body.len()), (413, 0));
}

/// Goal: what the caller hears is one thing, what is stored another.
#[test]
fn answers_can_be_lost_cut_or_wrong_and_what_is_stored_is_stored() {
    let status = Told::Status { status: 504, body: Some("gateway".to_owned()) };
    for (name, step, want, stored) in [
        ("lost before", Step::lost_before_storing(), None, 0),
        ("lost after", Step::lost_after_storing(), None, 2),
        ("gateway", Step::reply(status), Some((504, "gateway")), 2),
        ("garbage", Step::reply(Told::Garbage("<html>".to_owned())), Some((200, "<html>")), 2),
    ] {
        let mock = mock(Product::Elasticsearch);
        mock.push(step);
        let mut stream =
            send(mock.address(), &format!("POST /{STREAM}/_bulk"), create(&["a", "b"]).as_bytes());
        let got = read(&mut stream);
        let got = got.as_ref().map(|reply| (reply.status, str::from_utf8(&reply.body).unwrap()));
        assert_eq!((got, mock.count(STREAM)), (want, stored), "{name}");
        assert_eq!(mock.bulk_requests()[0].status, want.map(|(status, _)| status), "{name}");
    }
}

#[test]
fn half_an_answer_is_half_of_the_true_one() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step::reply(Told::Half));
    let target = format!("POST /{STREAM}/_bulk{FILTERS}");
    let reply = call(&mock, &target, create(&["a", "b"]));
    let whole = "{\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}";
    assert_eq!(str::from_utf8(&reply.body).unwrap(), &whole[..whole.len() / 2]);
    assert!(reply.head.contains(&format!("content-length: {}\r\n", whole.len())));
    assert_eq!(mock.count(STREAM), 2);
}

#[test]
fn the_number_of_items_can_be_wrong() {
    for (count, want) in [(0, 0), (1, 1), (2, 2), (5, 5)] {
        let mock = mock(Product::Elasticsearch);
        mock.push(Step::reply(Told::ItemCount(count)));
        let (_, answer) = call_json(&mock, &format!("POST /{STREAM}/_bulk"), &Value::Null);
        assert_eq!(answer["status"], 400, "an empty request takes no step");
        let answer = call(&mock, &format!("POST /{STREAM}/_bulk"), create(&["a", "b"])).json();
        assert_eq!((answer["items"].as_array().unwrap().len(), mock.count(STREAM)), (want, 2));
    }
}

#[test]
fn a_server_can_forget_what_it_acknowledges() {
    let mock = mock(Product::Elasticsearch);
    bulk(&mock, &["a"]);
    mock.push(Step { storing: Storing::Never, ..Step::default() });
    assert_eq!(statuses(&bulk(&mock, &["a", "b"])), [409, 201]);
    assert_eq!(ids(&mock), ["a"]);
}

#[test]
fn items_fail_by_place_by_text_and_each_in_its_own_way() {
    let other = ItemOutcome::Error { status: 418, kind: "teapot".into(), reason: "hot".into() };
    for (outcome, status, elastic, open) in [
        (
            ItemOutcome::Rejected,
            429,
            "es_rejected_execution_exception",
            "rejected_execution_exception",
        ),
        (ItemOutcome::WriteBlocked, 403, "cluster_block_exception", "cluster_block_exception"),
        (ItemOutcome::FloodStage, 429, "cluster_block_exception", "cluster_block_exception"),
        (ItemOutcome::Malformed, 400, "document_parsing_exception", "mapper_parsing_exception"),
        (ItemOutcome::Missing, 404, "index_not_found_exception", "index_not_found_exception"),
        (other, 418, "teapot", "teapot"),
    ] {
        for (product, kind) in
            [(Product::ElasticsearchReduced, elastic), (Product::OpenSearch, open)]
        {
            let mock = mock(product);
            mock.push(Step::item(Which::Ordinal(1), outcome.clone()));
            let answer = bulk(&mock, &["a", "b", "c"]);
            assert_eq!(statuses(&answer), [201, status, 201]);
            let failed = &answer.1["items"][1]["create"]["error"];
            assert_eq!((&failed["type"], failed["reason"].is_string()), (&kind.into(), true));
            assert_eq!(answer.1["errors"], true);
            assert_eq!(ids(&mock), ["a", "c"]);
        }
    }
    for (which, want) in [
        (Which::All, [429, 429, 429]),
        (Which::EveryNth(2), [429, 201, 429]),
        (Which::EveryNth(0), [201, 201, 201]),
        (Which::Containing("\"n\":\"c\"".to_owned()), [201, 201, 429]),
    ] {
        let mock = mock(Product::Elasticsearch);
        mock.push(Step::item(which.clone(), ItemOutcome::Rejected));
        assert_eq!(statuses(&bulk(&mock, &["a", "b", "c"])), want, "{which:?}");
    }
    let mock = mock(Product::Elasticsearch);
    let first = Step::item(Which::Ordinal(0), ItemOutcome::Missing);
    mock.push(first.and_item(Which::All, ItemOutcome::Malformed));
    assert_eq!(statuses(&bulk(&mock, &["a", "b"])), [404, 400], "the first that fits decides");
}

#[test]
fn the_failure_store_is_beside_the_stream() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step::item(Which::Ordinal(0), ItemOutcome::FailureStored));
    let answer = bulk(&mock, &["a", "b"]);
    let want = json!({ "errors": false, "items": [
        { "create": { "status": 201, "failure_store": "used" } }, { "create": { "status": 201 } },
    ] });
    assert_eq!(answer, (200, want));
    assert_eq!(ids(&mock), ["b"]);
    let parked = mock.failure_store(STREAM);
    let document =
        json!({ "id": "a", "index": STREAM, "source": parked[0].source["document"]["source"] });
    assert_eq!((parked.len(), &parked[0].source["document"]), (1, &document));
    assert_eq!(document["source"]["n"], "a");
    assert!(parked[0].index.starts_with(&format!(".fs-{STREAM}-")), "{}", parked[0].index);
}

/// The headers of the bulk requests that `_tasks` lists.
fn listed(mock: &Running) -> Value {
    let target = "GET /_tasks?actions=*bulk*&detailed=true&filter_path=nodes.*.tasks.*.headers";
    call_json(mock, target, &Value::Null).1
}

#[test]
fn a_lost_request_stays_among_the_tasks_and_stores_when_released() {
    let mock = mock(Product::Elasticsearch);
    bulk(&mock, &["first"]);
    assert_eq!(listed(&mock), json!({}));
    mock.push(Step::lost_and_held());
    let head = format!("POST /{STREAM}/_bulk\nx-opaque-id: batch-7");
    let mut stream = send(mock.address(), &head, create(&["a"]).as_bytes());
    assert_eq!(read(&mut stream), None, "the caller hears the end at once");
    wait("held", || mock.held() == 1);
    let tasks = json!({ "mock-node-0:2": { "headers": { "X-Opaque-Id": "batch-7" } } });
    assert_eq!(listed(&mock), json!({ "nodes": { "mock-node-0": { "tasks": tasks } } }));
    let others = call_json(&mock, "GET /_tasks?actions=*search*", &Value::Null).1;
    assert_eq!(others, json!({ "nodes": {} }));
    assert_eq!((ids(&mock), mock.in_flight()), (vec!["first".into()], 0));

    // It has settled its index already: a rollover comes too late for it.
    mock.rollover(STREAM);
    assert_eq!(mock.release(), 1);
    wait("stored", || mock.tasks() == 0);
    let stored = &mock.documents(STREAM)[1];
    assert_eq!((&stored.id, &stored.index), (&"a".to_owned(), &mock.backing_indices(STREAM)[0]));
    assert_eq!((listed(&mock), mock.release()), (json!({}), 0));
}

#[test]
fn a_held_request_answers_the_truth_when_its_caller_has_waited() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step { storing: Storing::Held, ..Step::default() });
    let mut stream =
        send(mock.address(), &format!("POST /{STREAM}/_bulk"), create(&["a"]).as_bytes());
    wait("held", || mock.held() == 1);
    assert_eq!((mock.count(STREAM), mock.in_flight()), (0, 1));
    mock.release();
    assert_eq!(read(&mut stream).unwrap().json()["items"][0]["create"]["status"], 201);
    assert_eq!(mock.count(STREAM), 1);
}

#[test]
fn a_caller_that_leaves_does_not_stop_its_request() {
    let mock = mock(Product::Elasticsearch);
    for (name, step) in [
        ("slow", Step::default().after(Duration::from_millis(20))),
        ("silent", Step::reply(Told::Silence)),
    ] {
        mock.push(step);
        let before = mock.count(STREAM);
        let stream =
            send(mock.address(), &format!("POST /{STREAM}/_bulk"), create(&[name]).as_bytes());
        wait("in flight", || mock.steps_left() == 0);
        drop(stream);
        wait("stored", || mock.count(STREAM) == before + 1);
        wait("left", || mock.in_flight() == 0);
    }
}

#[test]
fn a_rollover_can_come_between_storing_and_the_retry() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step::lost_after_storing().then_rollover());
    let head = format!("POST /{STREAM}/_bulk");
    assert_eq!(read(&mut send(mock.address(), &head, create(&["a"]).as_bytes())), None);
    let (_, resolved) = call_json(&mock, &format!("GET /_resolve/index/{STREAM}"), &Value::Null);
    let backing = resolved["data_streams"][0]["backing_indices"].as_array().unwrap().len();
    assert_eq!((backing, ids(&mock)), (2, vec!["a".to_owned()]));
    assert_eq!(statuses(&bulk(&mock, &["a"])), [201]);
    assert_eq!(mock.duplicates(STREAM), ["a"], "what the shipper must not let happen");
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_connection_lives_on() {
    let mock = mock(Product::Elasticsearch);
    let (small, large) = (create(&["a"]), create(&["b", "c", "d"]));
    mock.set_body_bytes_max(small.len());
    mock.push(Step::refuse(503));
    let head = format!("POST /{STREAM}/_bulk");
    let mut stream = send(mock.address(), &head, large.as_bytes());
    let reply = read(&mut stream).unwrap();
    assert_eq!((reply.status, reply.body.len(), mock.steps_left()), (413, 0, 1));
    write(&mut stream, &head, small.as_bytes());
    assert_eq!(read(&mut stream).unwrap().status, 503);
    write(&mut stream, &head, small.as_bytes());
    assert_eq!((read(&mut stream).unwrap().status, ids(&mock)), (200, vec!["a".to_owned()]));
}

#[test]
fn credentials_can_expire_and_be_mended() {
    let basic = Credentials::Basic { user: "elastic".to_owned(), password: "secret".to_owned() };
    let mock = mock(Product::Elasticsearch);
    mock.set_credentials(Some(basic));
    mock.push(Step::refuse(503));
    let with = |value: &str| {
        let head = format!("POST /{STREAM}/_bulk\nauthorization: {value}");
        call(&mock, &head, create(&["a"])).status
    };
    assert_eq!((with("Basic nonsense"), with("Bearer t"), mock.steps_left()), (401, 401, 1));
    let reply = call(&mock, "GET /_cluster/health", "");
    assert!(reply.head.contains("www-authenticate: basic"), "{}", reply.head);
    assert_eq!((with("Basic ZWxhc3RpYzpzZWNyZXQ="), mock.steps_left()), (503, 0));
    mock.set_credentials(Some(Credentials::ApiKey("k".to_owned())));
    assert_eq!((with("Basic ZWxhc3RpYzpzZWNyZXQ="), with("ApiKey k")), (401, 200));
    assert_eq!(mock.bulk_requests()[3].header("authorization"), Some("Basic ZWxhc3RpYzpzZWNyZXQ="));
}

#[test]
fn nodes_fail_one_by_one_and_share_what_is_stored() {
    let mock = start(Options { nodes: 2, ..Options::local(Product::Elasticsearch) }).unwrap();
    mock.put_template("logs", json!({ "index_patterns": ["logs-*"], "data_stream": {} }));
    let [first, second]: [SocketAddr; 2] = mock
        .urls()
        .iter()
        .map(|url| url["http://".len()..].parse().unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(mock.url(), format!("http://{first}"));
    let head = format!("POST /{STREAM}/_bulk");
    let bulk = |node| read(&mut send(node, &head, create(&["a"]).as_bytes()));
    mock.push(Step::lost_after_storing());
    assert_eq!(bulk(first), None);

    let mut kept = send(first, "GET /_cluster/health", b"");
    assert_eq!(read(&mut kept).unwrap().json()["number_of_nodes"], 2);
    mock.set_outage(0, Outage::Unreachable);
    assert_eq!(read(&mut kept), None, "open connections are closed");
    let mut fresh = TcpStream::connect(first).unwrap();
    fresh.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(read(&mut fresh), None, "new ones too");
    let answer = bulk(second).unwrap().json();
    assert_eq!(answer["items"][0]["create"]["status"], 409, "the other node knows it");
    mock.set_outage(0, Outage::Unavailable);
    assert_eq!(bulk(first).unwrap().status, 503);
    mock.set_outage(0, Outage::Silent);
    let mut silent = send(first, &head, create(&["b"]).as_bytes());
    wait("waiting", || mock.in_flight() == 1);
    mock.set_outage(0, Outage::None);
    assert_eq!(read(&mut silent), None, "closed when the outage ends");
    assert_eq!((bulk(first).unwrap().status, mock.count(STREAM)), (200, 1));
    let nodes: Vec<_> = mock.bulk_requests().iter().map(|seen| seen.node).collect();
    assert_eq!(nodes, [0, 1, 0, 0, 0]);
    mock.set_outage(7, Outage::Silent);
}

#[test]
fn callers_that_wait_at_the_same_time_are_counted() {
    let mock = mock(Product::Elasticsearch);
    mock.set_default(Step { storing: Storing::Held, ..Step::default() });
    let head = format!("POST /{STREAM}/_bulk");
    let streams: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|id| send(mock.address(), &head, create(&[id]).as_bytes()))
        .collect();
    wait("held", || mock.held() == 3);
    assert_eq!((mock.release(), mock.max_in_flight()), (3, 3));
    for mut stream in streams {
        assert_eq!(read(&mut stream).unwrap().status, 200);
    }
    mock.set_default(Step::default());
    bulk(&mock, &["d"]);
    wait("left", || mock.in_flight() == 0);
    assert_eq!((mock.max_in_flight(), mock.count(STREAM)), (3, 4));
}

#[test]
fn memory_is_bounded_and_what_did_not_fit_is_counted() {
    let options = Options {
        stored_bytes_max: 1_000,
        recorded_max: 2,
        keeps_sources: false,
        ..Options::local(Product::Elasticsearch)
    };
    let mock = start(options).unwrap();
    let mut stored = 0;
    while bulk(&mock, &[&format!("id-{stored}")]).0 == 200 {
        stored += 1;
        assert!(stored < 100, "no end");
    }
    assert!(stored > 1);
    assert_eq!((mock.count(STREAM), mock.refused_full()), (stored, 1));
    assert_eq!(mock.documents(STREAM)[0].source, Value::Null);
    assert_eq!((mock.requests().len(), mock.requests_total()), (2, stored as u64 + 1));
    assert_eq!(bulk(&mock, &["x"]).1["error"]["type"], "circuit_breaking_exception");

    let body = create(&["a"]);
    let options =
        Options { stored_bytes_max: body.len(), ..Options::local(Product::Elasticsearch) };
    let mock = start(options).unwrap();
    mock.push(Step::lost_and_held());
    let mut stream = send(mock.address(), &format!("POST /{STREAM}/_bulk"), body.as_bytes());
    assert_eq!(read(&mut stream), None);
    let full = bulk(&mock, &["b"]);
    assert_eq!((full.0, mock.refused_full()), (429, 1), "what is held counts");
    assert_eq!(full.1["error"]["type"], "es_rejected_execution_exception");

    let mock = start(Options::local(Product::Elasticsearch)).unwrap();
    let pair = |n| format!("{{\"create\":{{\"_index\":\"i-{n}\"}}}}\n{{}}\n");
    let many: Vec<_> = (0..store::NAMES_MAX + 2).map(pair).collect();
    let answer = call(&mock, "POST /_bulk", many.concat()).json();
    assert_eq!(mock.plain_indices().len(), store::NAMES_MAX);
    let last = &answer["items"][store::NAMES_MAX + 1]["create"];
    assert_eq!(
        (&last["status"], &last["error"]["type"]),
        (&400.into(), &"validation_exception".into())
    );
}

#[test]
fn stopping_ends_what_is_held_and_frees_the_port() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step { storing: Storing::Held, ..Step::default() });
    let mut stream =
        send(mock.address(), &format!("POST /{STREAM}/_bulk"), create(&["a"]).as_bytes());
    wait("held", || mock.held() == 1);
    let address = mock.address();
    mock.stop();
    assert_eq!(read(&mut stream), None);
    assert!(TcpStream::connect(address).is_err());
}
