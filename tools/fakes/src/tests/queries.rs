//! Queries, as shipping and audits ask them: of streams, and of what stands beside them.

use super::*;

#[test]
fn searches_ask_and_aggregate_as_audits_do() {
    let mock = mock(Product::Elasticsearch);
    let document = |worker: u32, seq: u32| json!({ "@timestamp": format!("2026-11-29T00:00:00.{seq:03}Z"), "a.worker": worker, "a.seq": seq });
    let lines = [(1, 1), (1, 2), (1, 4), (2, 1)].map(|(worker, seq)| {
        format!("{{\"create\":{{\"_id\":\"{worker}-{seq}\"}}}}\n{}\n", document(worker, seq))
    });
    call(&mock, &format!("POST /{STREAM}/_bulk?refresh=true"), lines.concat());
    let search = |body: Value| call_json(&mock, &format!("POST /{STREAM}/_search"), &body).1;
    let filter = |clauses: Value| json!({ "bool": { "filter": clauses } });
    let backing = &mock.backing_indices(STREAM)[0];
    for (name, clauses, want) in [
        ("everything", json!([]), vec!["1-1", "1-2", "1-4", "2-1"]),
        ("a value", json!([{ "term": { "a.worker": 2 } }]), vec!["2-1"]),
        ("values", json!([{ "terms": { "a.seq": [2, 4, 9] } }]), vec!["1-2", "1-4"]),
        ("a span", json!([{ "range": { "a.seq": { "gte": 2, "lte": 3 } } }]), vec!["1-2"]),
        (
            "a time",
            json!([{ "range": { "@timestamp": { "lt": 1_795_910_400_002_u64 } } }]),
            vec!["1-1", "2-1"],
        ),
        ("an index", json!([{ "term": { "_index": backing } }]), vec!["1-1", "1-2", "1-4", "2-1"]),
        (
            "both",
            json!([{ "ids": { "values": ["1-1", "1-2"] } }, { "term": { "a.seq": 2 } }]),
            vec!["1-2"],
        ),
        ("a field", json!([{ "exists": { "field": "b" } }]), vec![]),
    ] {
        let found = search(json!({ "query": filter(clauses) }));
        let hits = found["hits"]["hits"].as_array().unwrap().iter();
        assert_eq!(
            hits.map(|hit| hit["_id"].as_str().unwrap()).collect::<Vec<_>>(),
            want,
            "{name}"
        );
    }
    let page = search(json!({
        "query": filter(json!([])), "size": 2, "_source": ["a.w*"], "track_total_hits": false,
        "sort": [{ "a.seq": "asc" }, { "a.worker": "asc" }], "search_after": [1, 1],
    }));
    let hit = |id: &str, worker: u32, sort: [u32; 2]| {
        json!({
            "_index": backing, "_id": id, "_score": null, "sort": sort, "_source": { "a.worker": worker },
        })
    };
    let hits = json!({ "max_score": null, "hits": [hit("2-1", 2, [1, 2]), hit("1-2", 1, [2, 1])] });
    assert_eq!(page["hits"], hits);

    let figures = search(json!({ "query": filter(json!([])), "size": 0, "aggs": {
        "indices": { "terms": { "field": "_index", "size": 10 } },
        "lanes": {
            "composite": { "size": 1, "sources": [{ "worker": { "terms": { "field": "a.worker" } } }] },
            "aggs": { "last": { "max": { "field": "a.seq" } }, "sum": { "sum": { "field": "a.seq" } } },
        },
        "parts": { "range": { "field": "a.seq", "ranges": [{ "key": "0", "from": 2, "to": 5 }] } },
    } }));
    assert_eq!(
        figures["aggregations"],
        json!({
            "indices": { "buckets": [{ "key": backing, "doc_count": 4 }] },
            "lanes": { "after_key": { "worker": 1 }, "buckets": [{
                "key": { "worker": 1 }, "doc_count": 3, "last": { "value": 4.0 }, "sum": { "value": 7.0 },
            }] },
            "parts": { "buckets": [{ "key": "0", "doc_count": 2 }] },
        })
    );
    assert_eq!(
        search(json!({ "query": filter(json!([])), "aggs": { "a": { "avg": {} } } }))["status"],
        400
    );
}

#[test]
fn a_failure_store_is_searched_by_its_selector_alone() {
    let mock = mock(Product::Elasticsearch);
    mock.push(Step::item(Which::Containing("\"a\"".into()), ItemOutcome::FailureStored));
    bulk(&mock, &["a", "b"]);
    let failures = format!("{STREAM}::failures");
    let search = |name: &str| {
        let query = json!({
            "query": { "bool": { "filter": [{ "exists": { "field": "document.id" } }] } },
            "sort": [{ "document.id": "asc" }], "_source": ["document.source.n"],
        });
        let (status, found) = call_json(&mock, &format!("POST /{name}/_search"), &query);
        (status, found["hits"]["hits"].clone())
    };
    assert_eq!(search(&failures), (200, json!([])), "nothing before a refresh");
    call(&mock, &format!("POST /{STREAM}/_refresh"), "");
    assert_eq!(search(&failures), (200, json!([])), "that was the stream's");
    call(&mock, &format!("POST /{failures}/_refresh"), "");
    let (_, hits) = search(&failures);
    let source = json!({ "document": { "source": { "n": "a" } } });
    assert_eq!((&hits[0]["sort"], &hits[0]["_source"]), (&json!(["a"]), &source));
    assert_eq!(search(STREAM), (200, json!([])));
    assert_eq!(search("absent::failures").0, 404);
}
