//! Without a script: what the real servers say.

use super::*;

#[test]
fn each_product_shows_what_the_real_one_shows() {
    for (product, root, root_status, has_header) in [
        (Product::Elasticsearch, "number", 200, true),
        (Product::ElasticsearchReduced, "", 405, true),
        (Product::OpenSearch, "distribution", 200, false),
    ] {
        let mock = mock(product);
        let reply = call(&mock, "GET /", "");
        assert_eq!(reply.status, root_status, "{product:?}");
        assert_eq!(reply.json()["version"][root].is_string(), root_status == 200, "{product:?}");
        let is_open = product == Product::OpenSearch;
        assert_eq!(reply.json()["version"]["distribution"] == "opensearch", is_open);
        let (status, health) = call_json(&mock, "GET /_cluster/health", &Value::Null);
        assert_eq!((status, &health["status"]), (200, &"green".into()));
        let reply = call(&mock, "GET /_cluster/health\nx-opaque-id: q-7", "");
        assert_eq!(reply.head.contains("x-elastic-product: elasticsearch"), has_header);
        assert!(reply.head.contains("x-opaque-id: q-7\r\n"), "{}", reply.head);
        let reply = call(&mock, "GET /_nonsense/a/b", "");
        assert_eq!(reply.status, 400);
    }
}

#[test]
fn templates_are_kept_and_told() {
    let mock = start(Options::local(Product::Elasticsearch)).unwrap();
    let template = json!({ "index_patterns": ["a-*"], "data_stream": {}, "priority": 200 });
    assert_eq!(call(&mock, "GET /_index_template/t", "").status, 404);
    let put = call_json(&mock, "PUT /_index_template/t", &template);
    assert_eq!(put, (200, json!({ "acknowledged": true })));
    let got = call_json(&mock, "GET /_index_template/t", &Value::Null);
    let want = json!({ "index_templates": [{ "name": "t", "index_template": template }] });
    assert_eq!(got, (200, want));
    assert_eq!(mock.template("t"), Some(template));
    let mut stream = send(mock.address(), "HEAD /_index_template/t", b"");
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    for (name, body) in
        [("no pattern", "{}"), ("no JSON", "{"), ("no text", "{\"index_patterns\":[1]}")]
    {
        assert_eq!(call(&mock, "PUT /_index_template/u", body).status, 400, "{name}");
    }
    assert_eq!(mock.template("u"), None);
}

#[test]
fn the_first_create_makes_a_stream_where_a_template_fits_and_a_plain_index_elsewhere() {
    let day = store::today();
    for (product, backing) in [
        (Product::Elasticsearch, format!(".ds-{STREAM}-{day}-000001")),
        (Product::OpenSearch, format!(".ds-{STREAM}-000001")),
    ] {
        let mock = mock(product);
        let (status, answer) =
            call_json(&mock, &format!("GET /_resolve/index/{STREAM}"), &Value::Null);
        assert_eq!(status, if product == Product::OpenSearch { 200 } else { 404 }, "{answer}");

        let reply = call(&mock, &format!("POST /{STREAM}/_bulk"), create(&["a"]));
        let item = &reply.json()["items"][0]["create"];
        assert_eq!((&item["_index"], &item["_id"]), (&backing.as_str().into(), &"a".into()));
        assert_eq!((&item["status"], &item["result"]), (&201.into(), &"created".into()));
        let body = create(&["a"]).replace("\"_id\"", "\"_index\":\"other\",\"_id\"");
        let reply = call(&mock, "POST /_bulk", body);
        assert_eq!(reply.json()["items"][0]["create"]["_index"], "other");

        assert_eq!(mock.backing_indices(STREAM), std::slice::from_ref(&backing));
        assert_eq!(
            (mock.backing_indices("other"), mock.plain_indices()),
            (vec![], vec!["other".into()])
        );
        let resolved = call_json(&mock, &format!("GET /_resolve/index/{STREAM},o*"), &Value::Null);
        let want = json!({
            "indices": [{ "name": "other", "attributes": ["open"] }], "aliases": [],
            "data_streams": [{
                "name": STREAM, "backing_indices": [backing], "timestamp_field": "@timestamp",
            }],
        });
        assert_eq!(resolved, (200, want));
    }
}

#[test]
fn the_template_of_highest_priority_decides() {
    let mock = mock(Product::Elasticsearch);
    let plain = json!({ "index_patterns": ["logs-*"], "priority": 500 });
    mock.put_template("plain", plain);
    bulk(&mock, &["a"]);
    assert_eq!(mock.plain_indices(), [STREAM]);
}

#[test]
fn an_id_is_stored_once_per_index_and_again_after_a_rollover() {
    let mock = mock(Product::Elasticsearch);
    assert_eq!(statuses(&bulk(&mock, &["a", "b"])), [201, 201]);
    let again = bulk(&mock, &["b", "c", "c"]);
    assert_eq!(statuses(&again), [409, 201, 409]);
    let error = &again.1["items"][0]["create"]["error"];
    assert_eq!(error["type"], "version_conflict_engine_exception");
    let reason = "[b]: version conflict, document already exists (current version [1])";
    assert_eq!(error["reason"], reason);
    assert_eq!(again.1["errors"], true);
    assert!(mock.duplicates(STREAM).is_empty());

    let (status, rolled) = call_json(&mock, &format!("POST /{STREAM}/_rollover"), &Value::Null);
    let backing = mock.backing_indices(STREAM);
    assert_eq!((status, &rolled["rolled_over"]), (200, &true.into()));
    assert_eq!(
        (&rolled["old_index"], &rolled["new_index"]),
        (&backing[0].clone().into(), &backing[1].clone().into())
    );
    assert_eq!(statuses(&bulk(&mock, &["b"])), [201], "the hole of the real servers");
    assert_eq!(mock.duplicates(STREAM), ["b"]);
    assert_eq!(
        (ids(&mock), mock.count(STREAM)),
        (vec!["a".into(), "b".into(), "c".into(), "b".into()], 4)
    );
    let b = &mock.documents(STREAM)[1];
    assert_eq!((&b.index, b.times, &b.source["n"]), (&backing[0], 2, &"b".into()));
}

#[test]
fn an_absent_stream_cannot_roll_over_refresh_or_be_searched() {
    for (product, rollover) in [(Product::Elasticsearch, 404), (Product::OpenSearch, 400)] {
        let mock = mock(product);
        assert_eq!(call(&mock, "POST /absent/_rollover", "").status, rollover);
        assert_eq!(mock.rollover("absent"), None);
        let query = json!({ "query": { "ids": { "values": ["a"] } } });
        for (target, body) in
            [("_refresh", Value::Null), ("_search", query), ("_count", Value::Null)]
        {
            let (status, answer) = call_json(&mock, &format!("POST /absent/{target}"), &body);
            assert_eq!(
                (status, &answer["error"]["type"]),
                (404, &"index_not_found_exception".into())
            );
        }
    }
}

#[test]
fn searches_find_what_was_refreshed_in_every_backing_index() {
    let mock = mock(Product::OpenSearch);
    bulk(&mock, &["a", "b"]);
    mock.rollover(STREAM);
    bulk(&mock, &["a"]);
    let search = |query: Value| call_json(&mock, &format!("POST /{STREAM}/_search"), &query);
    let query = |size: u64| json!({ "query": { "ids": { "values": ["b", "a", "x"] } }, "size": size, "_source": false });
    assert_eq!(search(query(100)).1["hits"]["hits"], json!([]), "nothing before a refresh");
    let (_, refreshed) = call_json(&mock, &format!("POST /{STREAM}/_refresh"), &Value::Null);
    assert_eq!(refreshed["_shards"]["successful"], 2);
    bulk(&mock, &["x"]);

    let indices = mock.backing_indices(STREAM);
    let hit =
        |index: usize, id: &str| json!({ "_index": indices[index], "_id": id, "_score": 1.0 });
    let (status, found) = search(query(100));
    assert_eq!((status, &found["timed_out"]), (200, &false.into()));
    assert_eq!(found["hits"]["hits"], json!([hit(0, "a"), hit(0, "b"), hit(1, "a")]));
    assert_eq!(found["hits"]["total"], json!({ "value": 3, "relation": "eq" }));
    assert_eq!(search(query(1)).1["hits"]["hits"], json!([hit(0, "a")]));
    assert_eq!(search(query(10_001)).0, 400);
    assert_eq!(search(json!({ "query": { "match_all": {} } })).0, 400);
    let count = |name: &str| {
        call_json(&mock, &format!("POST /{name}/_count?filter_path=count"), &Value::Null).1
    };
    assert_eq!(count(STREAM), json!({ "count": 3 }));
    assert_eq!(count(&indices[1]), json!({ "count": 1 }));
    call(&mock, &format!("POST /{STREAM}/_bulk?refresh=true"), create(&["y"]));
    assert_eq!((count(STREAM), mock.count(STREAM)), (json!({ "count": 5 }), 5));
}

#[test]
fn bodies_and_parameters_are_as_strict_as_the_real_ones() {
    let good = create(&["a"]);
    let no_newline = good.trim_end();
    for (product, name, head, body, want) in [
        (Product::Elasticsearch, "good", "", good.as_str(), 200),
        (Product::Elasticsearch, "as JSON", "\ncontent-type: application/json", &good, 200),
        (Product::Elasticsearch, "no newline", "", no_newline, 400),
        (Product::Elasticsearch, "nothing", "", "\n", 400),
        (Product::Elasticsearch, "no document", "", "{\"create\":{\"_id\":\"a\"}}\n", 400),
        (Product::Elasticsearch, "no action", "", "{\"creat\":{\"_id\":\"a\"}}\n{}\n", 400),
        (Product::Elasticsearch, "unknown word", "", "{\"create\":{\"id\":\"a\"}}\n{}\n", 400),
        (Product::Elasticsearch, "text", "\ncontent-type: text/plain", &good, 406),
        (
            Product::Elasticsearch,
            "two formats",
            "\ncontent-type: application/json\ncontent-type: application/x-ndjson",
            &good,
            400,
        ),
        (Product::Elasticsearch, "unknown parameter", "?nonsense=1", &good, 400),
        (Product::Elasticsearch, "its own parameter", "?require_data_stream=true", &good, 200),
        (Product::OpenSearch, "another's parameter", "?require_data_stream=true", &good, 400),
        (
            Product::Elasticsearch,
            "its own format",
            "\ncontent-type: application/vnd.elasticsearch+x-ndjson; compatible-with=8\
             \naccept: application/vnd.elasticsearch+json; compatible-with=8",
            &good,
            200,
        ),
        (
            Product::Elasticsearch,
            "a newer format",
            "\ncontent-type: application/vnd.elasticsearch+x-ndjson; compatible-with=9\
             \naccept: application/vnd.elasticsearch+json; compatible-with=9",
            &good,
            400,
        ),
        (
            Product::OpenSearch,
            "another's format",
            "\ncontent-type: application/vnd.elasticsearch+x-ndjson; compatible-with=8",
            &good,
            406,
        ),
    ] {
        let mock = mock(product);
        let reply = call(&mock, &format!("POST /{STREAM}/_bulk{head}"), body);
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, want, "{name}: {text}");
        assert_eq!(mock.count(STREAM), usize::from(want == 200), "{name}");
    }
    let mock = mock(Product::Elasticsearch);
    assert_eq!(call(&mock, "POST /_bulk", &good).status, 400, "no index anywhere");
}

#[test]
fn documents_that_cannot_be_stored_fail_alone() {
    let stamp = "{\"@timestamp\":\"2026-11-24T00:00:00Z\"}";
    for (product, parsing) in [
        (Product::Elasticsearch, "document_parsing_exception"),
        (Product::OpenSearch, "mapper_parsing_exception"),
    ] {
        let mock = mock(product);
        bulk(&mock, &["first"]);
        let backing = mock.backing_indices(STREAM)[0].clone();
        let body = format!(
            "{{\"create\":{{\"_id\":\"a\"}}}}\n{{\"n\":1}}\n\
             {{\"create\":{{\"_id\":\"b\"}}}}\n{{\"n\":\n\
             {{\"index\":{{\"_id\":\"c\"}}}}\n{stamp}\n\
             {{\"create\":{{\"_index\":\"{backing}\",\"_id\":\"d\"}}}}\n{stamp}\n\
             {{\"create\":{{\"_index\":\"Wrong\",\"_id\":\"e\"}}}}\n{stamp}\n\
             {{\"create\":{{}}}}\n{stamp}\n"
        );
        let answer = call(&mock, &format!("POST /{STREAM}/_bulk"), body).json();
        let item = |n: usize| answer["items"][n].as_object().unwrap().values().next().unwrap();
        let got: Vec<_> = (0..6)
            .map(|n| (item(n)["status"].as_u64().unwrap(), item(n)["error"]["type"].as_str()))
            .collect();
        assert_eq!(
            got,
            [
                (400, Some(parsing)),
                (400, Some(parsing)),
                (400, Some("illegal_argument_exception")),
                (400, Some("illegal_argument_exception")),
                (400, Some("invalid_index_name_exception")),
                (201, None),
            ]
        );
        assert!(!item(5)["_id"].as_str().unwrap().is_empty(), "an id was found for it");
        assert_eq!(mock.count(STREAM), 2);
    }
}

#[test]
fn a_stream_that_is_required_is_not_made_as_a_plain_index() {
    let mock = mock(Product::Elasticsearch);
    let answer = call(&mock, "POST /other/_bulk?require_data_stream=true", create(&["a"])).json();
    assert_eq!(answer["items"][0]["create"]["status"], 404);
    assert!(mock.plain_indices().is_empty());
}

#[test]
fn packed_bodies_are_unpacked_within_the_limit() {
    use flate2::{Compression, write::GzEncoder};
    let pack = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let mock = mock(Product::Elasticsearch);
    let head = format!("POST /{STREAM}/_bulk\ncontent-encoding: gzip");
    let packed = pack(&create(&["a"]));
    assert_eq!(call(&mock, &head, &packed).status, 200);
    assert_eq!(ids(&mock), ["a"]);
    let seen = &mock.bulk_requests()[0];
    assert_eq!((seen.body_bytes, seen.items), (packed.len(), Some(1)));
    assert_eq!(seen.header("content-encoding"), Some("gzip"));

    mock.set_body_bytes_max(1_000);
    let bomb = pack(&" ".repeat(100_000));
    assert!(bomb.len() < 1_000);
    assert_eq!(call(&mock, &head, &bomb).status, 413);
    assert_eq!(read(&mut send(mock.address(), &head, b"no gzip at all")), None, "closed");
}
