//! Goal: `lbproxy setup` puts the boards into Kibana and OpenSearch Dashboards, once, and says of each
//! that it could not put why and what to do. Method: the real program against a mock that plays store
//! and dashboards; lines of the output, requests and what is there afterwards, row by row. What the
//! mock does other than real servers stands at the head of `tools/fakes/src/dashboards.rs`.

use std::path::Path;
use std::process::Command;

use lbproxy_fakes::{Credentials, Options, Outage, Product, Running};
use serde_json::{Value, json};

use crate::support::*;

/// A board, and the view and the search that it needs.
const BOARD: &str = "dashboard/lbproxy-overview";
const VIEW: &str = "index-pattern/metrics-lbproxy.rollup-*";
const ELASTIC: Product = Product::Elasticsearch;
const OPEN: Product = Product::OpenSearch;

/// A store with its dashboards, which asks for a password.
fn server(product: Product) -> Running {
    server_of(product, if product == OPEN { "2.19.4" } else { "8.19.2" })
}

/// The same with dashboards of this version.
pub(crate) fn server_of(product: Product, version: &str) -> Running {
    let credentials = Credentials::Basic { user: "admin".into(), password: "Sesame-5601".into() };
    let options = Options { credentials: Some(credentials), ..Options::local(product) };
    let server = lbproxy_fakes::start(options).unwrap();
    server.set_dashboards(version);
    server
}

/// How many objects a product's boards are.
fn count(product: Product) -> usize {
    let folder = if product == OPEN { "opensearch" } else { "kibana" };
    let root = env!("CARGO_MANIFEST_DIR");
    let lines = std::fs::read_to_string(format!("{root}/dashboards/{folder}/lbproxy.ndjson"));
    lines.unwrap().lines().count()
}

/// Runs `lbproxy setup` for the boards at `place`, of the documents on `store`; code and words.
fn setup(store: &Running, place: &str, arguments: &[&str]) -> (i32, String) {
    setup_with(store, place, "slo: {files: []}\n", &[], arguments)
}

/// The same with this section of objectives, whose file `slo.yaml` has these documents.
fn setup_with(
    store: &Running,
    place: &str,
    slo: &str,
    objectives: &[String],
    arguments: &[&str],
) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("slo.yaml"), objectives.join("---\n")).unwrap();
    let file = dir.path().join("proxy.yaml");
    let text = format!(
        "proxy:\n{}\n{slo}telemetry:\n  elasticsearch: {{urls: [\"{}\"], username: admin, password: \
         Sesame-5601{place}}}\n",
        one_service(&[nobody()], ""),
        store.url()
    );
    schema::assert_valid("the test's configuration", &text);
    std::fs::write(&file, text).unwrap();
    run(&file, arguments)
}

/// Runs `lbproxy setup` with a configuration; code and words.
pub(crate) fn run(file: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    let output = command.args(["setup", "--config"]).arg(file).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let said = text(output.stdout) + &text(output.stderr);
    (output.status.code().unwrap(), said)
}

/// The same for the dashboards beside the store, and nothing but the boards.
fn boards(server: &Running, arguments: &[&str]) -> (i32, String) {
    let url = server.url();
    let all = [&["--only", "dashboards", "--dashboards-url", &url], arguments].concat();
    setup(server, "", &all)
}

/// An objective of all requests with this target.
fn objective(name: &str, target: &str, indicator: &str) -> String {
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: s\n  \
         timeWindow: [{{duration: 30d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  \
         objectives: [{{target: {target}}}]\nx-lbproxy:\n  indicator: {{{indicator}}}\n"
    )
}

/// Checks exit code and words.
pub(crate) fn expect(name: &str, (code, said): &(i32, String), want: i32, texts: &[&str]) {
    assert_eq!(*code, want, "{name}:\n{said}");
    assert!(!said.contains("Sesame-5601"), "{name}: a secret is shown:\n{said}");
    for text in texts {
        assert!(said.contains(text), "{name}: no {text:?} in\n{said}");
    }
}

/// Requests that changed the dashboards, from the one at this place on.
fn changes(server: &Running, from: usize) -> Vec<String> {
    let all = server.requests();
    let is_change = |target: &str| target.contains("_import") || target.contains("saved_objects/");
    let all = all[from..].iter().filter(|seen| seen.method != "GET" && is_change(&seen.target));
    let all = all.filter(|seen| !seen.target.ends_with("_bulk_get"));
    all.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

#[test]
fn boards_are_installed_once_and_go_when_they_are_to_go() {
    const IMPORT: &str = "POST /api/saved_objects/_import?overwrite=true";
    for product in [ELASTIC, OPEN] {
        let (name, server, count) = (&format!("{product:?}"), server(product), count(product));
        let title = if product == OPEN { "OpenSearch Dashboards 2.19.4" } else { "Kibana 8.19.2" };
        server.edit_saved_object("default", "dashboard/mine", |object| *object = json!({"a": 1}));

        let dry = boards(&server, &["--dry-run"]);
        expect(name, &dry, 0, &[title, &format!("dry run: {count} to make; nothing was changed")]);
        assert_eq!(changes(&server, 0), Vec::<String>::new(), "{name}");

        let first = boards(&server, &[]);
        expect(name, &first, 0, &[&format!("done: {count} put in place"), "space default"]);
        assert_eq!(changes(&server, 0), [IMPORT], "{name}");
        assert_eq!(server.saved_objects("default").len(), count + 1, "{name}");

        // As OpenSearch Dashboards writes a view when its fields are asked for anew.
        if product == OPEN {
            server.edit_saved_object("default", VIEW, |object| {
                object["attributes"]["fieldFormatMap"] = "{}".into();
                object["attributes"]["fields"] = "[]".into();
            });
        }
        let before = server.requests().len();
        let again = boards(&server, &[]);
        expect(name, &again, 0, &[&format!("nothing to do: {count} as they should be")]);
        assert_eq!(changes(&server, before), Vec::<String>::new(), "{name}");

        // One of an older lbproxy: only that is imported.
        let mark = "Old. [managed by lbproxy: 00000001]";
        server.edit_saved_object("default", BOARD, |object| {
            object["attributes"]["description"] = mark.into();
        });
        let whole = server.requests().iter().map(|seen| seen.body_bytes).max().unwrap();
        let changed = boards(&server, &[]);
        let line = "  ~ dashboard lbproxy-overview\n      checksum: 00000001 -> ";
        expect(name, &changed, 0, &[line, "done: 1 put in place"]);
        assert_eq!(changes(&server, before), [IMPORT], "{name}");
        let sent = server.requests();
        let sent = sent.iter().rfind(|seen| seen.target.contains("_import")).unwrap();
        assert!(sent.body_bytes < whole / 4, "{name}: {} of {whole} bytes", sent.body_bytes);

        let gone = boards(&server, &["--remove"]);
        expect(name, &gone, 0, &[&format!("done: {count} removed")]);
        let left: Vec<_> = server.saved_objects("default").into_keys().collect();
        assert_eq!(left, ["dashboard/mine"], "{name}");
        expect(name, &boards(&server, &["--remove"]), 0, &[&format!("{count} not there")]);
    }
}

/// Goal: boards are held against the configured objectives: lines, levels and words. Method: objectives of all
/// requests, then others, then none; what stands in the saved objects.
#[test]
fn boards_are_held_against_the_configured_objectives() {
    let half = [
        objective("a", "0.95", "availability: {}"),
        objective("b", "0.9", "latency: {bound: 750ms}"),
    ];
    for product in [ELASTIC, OPEN] {
        let (name, server) = (&format!("{product:?}"), server(product));
        let url = server.url();
        let put = |objectives: &[String]| {
            let arguments = ["--only", "dashboards", "--dashboards-url", &url];
            let slo = if objectives.is_empty() { "" } else { "slo: {files: [slo.yaml]}\n" };
            let said = setup_with(&server, "", slo, objectives, &arguments);
            let all = server.saved_objects("default").into_values();
            (said, all.map(|object| object.to_string()).collect::<String>())
        };
        let usual = ["objective 99.9 %", "objective 300 ms", "Below 99.9 %, go to Errors."];
        let configured = ["objective 95 %", "objective 750 ms", "Below 95 %, go to Errors."];
        let (said, first) = put(&[]);
        expect(name, &said, 0, &["put in place"]);
        for text in usual {
            assert!(first.contains(text), "{name}: {text}");
        }
        let (said, second) = put(&half);
        expect(name, &said, 0, &["put in place"]);
        for (old, new) in usual.iter().zip(configured) {
            assert!(second.contains(new) && !second.contains(old), "{name}: {new}, not {old}");
        }
        let (said, again) = put(&half);
        expect(name, &said, 0, &["nothing to do"]);
        assert_eq!(again, second, "{name}");
        let (_, last) = put(&[]);
        assert_eq!(last, first, "{name}: back to the usual ones");
        let (said, _) = put(&["kind: SLO\n".to_owned()]);
        expect(name, &said, 0, &["slo.yaml:1", "boards and rules are put without this objective"]);
    }
}

/// An object with a mark, as some lbproxy has put it.
fn put(server: &Running, kind: &str, id: &str, mark: &str) {
    server.edit_saved_object("default", &format!("{kind}/{id}"), |object| {
        *object = json!({"type": kind, "id": id, "attributes": {
            "title": id, "description": format!("Some. [managed by lbproxy: {mark}]"),
        }});
    });
}

#[test]
fn what_an_older_lbproxy_has_left_goes_and_what_a_newer_one_has_put_stays() {
    for product in [ELASTIC, OPEN] {
        let (name, server, count) = (&format!("{product:?}"), server(product), count(product));
        boards(&server, &[]);
        put(&server, "dashboard", "lbproxy-old", "00000001");
        put(&server, "search", "lbproxy-old-records", "00000001, revision 1");
        put(&server, "dashboard", "copy-of-mine", "00000001");
        put(&server, "dashboard", "lbproxy-future", "00000001, revision 4000000000");
        let dry = boards(&server, &["--dry-run"]);
        expect(name, &dry, 0, &["dry run: 2 to remove", "  - dashboard lbproxy-old\n"]);
        assert_eq!(server.saved_objects("default").len(), count + 4, "{name}");

        // Nothing that a board may still show goes while that board cannot be renewed.
        put(&server, "dashboard", "lbproxy-overview", "00000001");
        server.fail_import(BOARD, json!({"type": "unsupported_type"}));
        expect(name, &boards(&server, &[]), 1, &["1 failed, 2 not tried"]);
        assert_eq!(server.saved_objects("default").len(), count + 4, "{name}");
        server.fail_import(BOARD, Value::Null);

        expect(name, &boards(&server, &[]), 0, &["done: 1 put in place, 2 removed"]);
        let left = server.saved_objects("default");
        for (key, is_there) in [
            ("dashboard/lbproxy-old", false),
            ("search/lbproxy-old-records", false),
            ("dashboard/copy-of-mine", true),
            ("dashboard/lbproxy-future", true),
            (BOARD, true),
        ] {
            assert_eq!(left.contains_key(key), is_there, "{name}: {key}");
        }
    }
}

#[test]
fn a_board_of_a_newer_lbproxy_is_left_alone_with_all_that_is_missing_beside_it() {
    for product in [ELASTIC, OPEN] {
        let (name, server) = (&format!("{product:?}"), server(product));
        put(&server, "dashboard", "lbproxy-overview", "00000001, revision 4000000000");
        let before = server.saved_objects("default");
        let found = boards(&server, &[]);
        let texts =
            ["of a newer lbproxy, and left alone", "version 4000000000 of a newer lbproxy stays"];
        expect(name, &found, 1, &texts);
        assert_eq!(server.saved_objects("default"), before, "{name}");
        expect(name, &boards(&server, &["--remove"]), 0, &["done: 1 removed"]);
    }
}

#[test]
fn what_cannot_be_imported_is_told_and_the_others_are_there() {
    type Prepare = fn(&Running);
    let rows: [(&str, Prepare, &[&str], usize); 6] = [
        (
            "a version conflict",
            |server| server.fail_import(BOARD, json!({"type": "conflict"})),
            &[
                "  x dashboard lbproxy-overview: it was changed while this ran",
                "1 failed, 0 not tried",
            ],
            1,
        ),
        (
            "copies",
            |server| {
                let copies = json!([{"id": "a"}, {"id": "b"}]);
                let error = json!({"type": "ambiguous_conflict", "destinations": copies});
                server.fail_import(BOARD, error);
            },
            &["several objects here are copies of it: a, b; delete all but one"],
            1,
        ),
        (
            "a licence",
            |server| {
                let message = "current license is non-compliant for [dashboards]";
                let error = json!({"type": "unknown", "statusCode": 403, "message": message});
                server.fail_import(BOARD, error);
            },
            &["x dashboard lbproxy-overview: the licence does not allow it: current license is"],
            1,
        ),
        (
            "a type that is not known",
            |server| server.fail_import(BOARD, json!({"type": "unsupported_type"})),
            &["this server has no objects of this type; enable the plugin"],
            1,
        ),
        (
            "a view that fails, and what needs it",
            |server| {
                let error = json!({"type": "unknown", "statusCode": 500, "message": "Boom"});
                server.fail_import(VIEW, error);
            },
            &["metrics-lbproxy.rollup-*: Boom; see the server's log", "1 failed, 0 not tried"],
            1,
        ),
        (
            "an import that is refused as a whole",
            |server| server.forbid("POST", "/api/saved_objects/_import"),
            &["the server answers 403 Forbidden: Unable to access", "1 failed, "],
            usize::MAX,
        ),
    ];
    for product in [ELASTIC, OPEN] {
        for (row, prepare, texts, lost) in &rows {
            let (name, server) = (&format!("{product:?}, {row}"), server(product));
            prepare(&server);
            let found = boards(&server, &[]);
            expect(name, &found, 1, texts);
            expect(name, &found, 1, &["NOT COMPLETE: "]);
            let there = server.saved_objects("default").len();
            assert_eq!(there, count(product).saturating_sub(*lost), "{name}");
        }
    }
}

#[test]
fn a_view_that_is_missing_is_named_by_everything_that_needs_it() {
    for product in [ELASTIC, OPEN] {
        let (name, server) = (&format!("{product:?}"), server(product));
        let kind = if product == OPEN { "index pattern" } else { "data view" };
        server.fail_import(VIEW, json!({"type": "conflict"}));
        let needs = format!("it needs what is not here: {kind} metrics-lbproxy.rollup-*");
        let found = boards(&server, &[]);
        expect(name, &found, 1, &[&needs, "metrics-lbproxy.rollup-*: it was changed"]);
        let there = server.saved_objects("default");
        assert!(there.contains_key("search/lbproxy-access"), "{name}: what does not need it");
        assert!(!there.contains_key("search/lbproxy-rollup"), "{name}");
    }
}

#[test]
fn what_is_not_ours_stays() {
    for product in [ELASTIC, OPEN] {
        let (name, server) = (&format!("{product:?}"), server(product));
        let mine = json!({"type": "dashboard", "id": "lbproxy-overview",
                          "attributes": {"title": "Mine", "description": "Mine."}});
        server.edit_saved_object("default", BOARD, |object| *object = mine.clone());
        let found = boards(&server, &[]);
        let line =
            "dashboard lbproxy-overview: somebody else's, and stays as it is; rename or delete";
        expect(name, &found, 1, &[line, "  ! dashboard lbproxy-overview: somebody else's stays"]);
        boards(&server, &["--remove"]);
        let left = server.saved_objects("default");
        assert_eq!(left.into_iter().collect::<Vec<_>>(), [(BOARD.to_owned(), mine)], "{name}");
    }
}

#[test]
fn a_space_has_its_own_boards() {
    for product in [ELASTIC, OPEN] {
        let (name, server, count) = (&format!("{product:?}"), server(product), count(product));
        let done = boards(&server, &["--space", "operations"]);
        expect(name, &done, 0, &["space operations", &format!("done: {count} put in place")]);
        assert_eq!(server.saved_objects("operations").len(), count, "{name}");
        assert!(server.saved_objects("default").is_empty(), "{name}");
        let none = boards(&server, &["--space", "nowhere"]);
        expect(name, &none, 1, &["no saved objects in the space nowhere", "create that space"]);
        expect(name, &boards(&server, &["--space", "a/b"]), 2, &["--space a/b is not a name"]);
    }
}

#[test]
fn a_workspace_has_the_boards_and_finds_only_its_own() {
    let (server, count) = (server(OPEN), count(OPEN));
    server.set_workspaces(&["one", "two"]);
    let outside = boards(&server, &[]);
    let texts =
        ["nobody sees a board; name one of one (about one), two (about two) with telemetry."];
    expect("none is named", &outside, 1, &texts);
    let unknown = boards(&server, &["--workspace", "nowhere"]);
    let texts =
        ["shows no workspace nowhere: Saved object", "that is there, such as one (about one)"];
    expect("unknown", &unknown, 1, &texts);
    expect("no id", &boards(&server, &["--workspace", "a/b"]), 2, &["--workspace a/b is not"]);
    assert_eq!(changes(&server, 0).len(), 0, "but to list the workspaces");

    let done = boards(&server, &["--workspace", "one"]);
    expect("first", &done, 0, &["workspace one", &format!("done: {count} put in place")]);
    let import = "POST /w/one/api/saved_objects/_import?overwrite=true";
    assert_eq!(changes(&server, 0), [import]);
    let before = server.requests().len();
    let again = boards(&server, &["--workspace", "one"]);
    expect("again", &again, 0, &[&format!("nothing to do: {count} as they should be")]);
    assert_eq!(changes(&server, before), Vec::<String>::new());

    // Left by an older one in each; only its own is found.
    for (id, workspace) in [("lbproxy-old", "one"), ("lbproxy-older", "two")] {
        put(&server, "dashboard", id, "00000001");
        server.edit_saved_object("default", &format!("dashboard/{id}"), |object| {
            object["workspaces"] = json!([workspace]);
        });
    }
    let renewed = boards(&server, &["--workspace", "one"]);
    expect("left over", &renewed, 0, &["  - dashboard lbproxy-old\n", "done: 1 removed"]);
    for arguments in
        [&["--workspace", "two"][..], &["--remove", "--workspace", "two"], &["--remove"]]
    {
        let before = server.requests().len();
        let elsewhere = boards(&server, arguments);
        let texts = ["is in the workspace one, and can be there only once; name that one with"];
        expect("elsewhere", &elsewhere, 1, &texts);
        assert_eq!(changes(&server, before), Vec::<String>::new(), "{arguments:?}");
    }
    let gone = boards(&server, &["--remove", "--workspace", "one"]);
    expect("removal", &gone, 0, &[&format!("done: {count} removed")]);
    let left: Vec<_> = server.saved_objects("default").into_keys().collect();
    assert_eq!(left, ["dashboard/lbproxy-older"]);
}

#[test]
fn workspaces_that_cannot_be_listed_are_not_none() {
    let error = r#"{"statusCode": 500, "error": "Internal Server Error", "message": "no"}"#;
    let refused = r#"{"success": false, "error": "no such user"}"#;
    for (name, status, body, text) in [
        ("no right", 403, error, "ask an administrator"),
        ("broken", 500, error, "the boards stay as they are: http://"),
        ("a page to sign in", 200, "<html>", "which workspaces it has: the answer is no list"),
        ("refused", 200, refused, "which workspaces it has: no such user; name one with"),
    ] {
        let server = server(OPEN);
        server.script("POST", "/api/workspaces/_list", status, body);
        expect(name, &boards(&server, &[]), 1, &[text]);
        assert!(server.saved_objects("default").is_empty(), "{name}");
    }
}

#[test]
fn words_of_a_server_have_no_power_over_a_terminal() {
    let (server, words) = (server(OPEN), "\u{1b}[2Jevil\u{9b}\u{202e}\nfinding  all is well");
    let refused = json!({"success": false, "error": words}).to_string();
    server.script("GET", "/api/workspaces/one", 200, &refused);
    let found = boards(&server, &["--workspace", "one"]);
    let texts = [
        "shows no workspace one: \\x1b[2Jevil\\u{9b}\\u{202e}\\nfinding  all is well; name the id",
    ];
    expect("a finding", &found, 1, &texts);
    let found = boards(&server, &["--workspace", "one", "--json"]);
    expect("for programs", &found, 1, &["\\u001b[2Jevil\\u009b\\u202e\\nfinding"]);
    let read: serde_json::Value = serde_json::from_str(&found.1).unwrap();
    assert!(read["findings"][0]["problem"].as_str().unwrap().contains(words), "{read}");
    let message = json!({"type": "unknown", "message": words});
    let server = self::server(OPEN);
    server.fail_import(BOARD, message);
    let found = boards(&server, &[]);
    let texts = [
        "  x dashboard lbproxy-overview: \\x1b[2Jevil\\u{9b}\\u{202e}\\nfinding  all is well; see",
    ];
    expect("a failure", &found, 1, &texts);
    assert!(!found.1.contains('\u{1b}'), "{}", found.1);
}

#[test]
fn boards_of_before_the_workspaces_are_removed_before_one_gets_them() {
    let (server, count) = (server(OPEN), count(OPEN));
    let none = boards(&server, &["--workspace", "one"]);
    let texts = ["has no workspaces; leave out telemetry.elasticsearch.dashboards.workspace or"];
    expect("without workspaces", &none, 1, &texts);
    expect("before", &boards(&server, &[]), 0, &[&format!("done: {count} put in place")]);
    server.set_workspaces(&["one"]);
    let outside = boards(&server, &["--workspace", "one"]);
    let texts =
        ["is outside of all workspaces, and can be there only once; remove the boards there"];
    expect("outside", &outside, 1, &texts);
    expect("removal", &boards(&server, &["--remove"]), 0, &[&format!("done: {count} removed")]);
    let done = boards(&server, &["--workspace", "one"]);
    expect("after", &done, 0, &[&format!("done: {count} put in place")]);
    let kibana = self::server(ELASTIC);
    let other = boards(&kibana, &["--workspace", "one"]);
    expect("Kibana", &other, 1, &["Kibana has no workspaces, but one is named; leave out"]);
}

#[test]
fn boards_that_ask_a_data_source_are_told_and_can_be_removed() {
    let (server, count) = (server(OPEN), count(OPEN));
    boards(&server, &[]);
    server.edit_saved_object("default", VIEW, |object| {
        object["references"] = json!([{"id": "a", "type": "data-source", "name": "dataSource"}]);
    });
    let found = boards(&server, &[]);
    let texts =
        ["index pattern metrics-lbproxy.rollup-* asks a data source, which is not supported"];
    expect("another cluster", &found, 1, &texts);
    expect("removal", &boards(&server, &["--remove"]), 0, &[&format!("done: {count} removed")]);
}

#[test]
fn what_is_wrong_with_the_dashboards_is_told_and_the_rest_is_set_up() {
    type Prepare = fn(&Running);
    let serverless: &[&str] =
        &["shows programs no saved objects; import dashboards/kibana/lbproxy.ndjson there by hand"];
    let rows: [(&str, Product, Product, Prepare, &[&str]); 10] = [
        (
            "Serverless",
            ELASTIC,
            ELASTIC,
            |server| server.set_build_flavor("serverless"),
            serverless,
        ),
        (
            "Serverless that does not say so",
            ELASTIC,
            ELASTIC,
            |server| server.restrict_dashboards(),
            serverless,
        ),
        (
            "OpenSearch Dashboards for Elasticsearch",
            ELASTIC,
            OPEN,
            |_| (),
            &["is OpenSearch Dashboards, but the documents are on Elasticsearch", "of Kibana in"],
        ),
        (
            "Kibana for OpenSearch",
            OPEN,
            ELASTIC,
            |_| (),
            &["is Kibana, but the documents are on OpenSearch", "of OpenSearch Dashboards in"],
        ),
        (
            "an old Kibana",
            ELASTIC,
            ELASTIC,
            |server| server.set_dashboards("8.13.4"),
            &["Kibana 8.13.4 is too old for the boards; upgrade it to 8.14.0 or newer"],
        ),
        (
            "an old OpenSearch Dashboards",
            OPEN,
            OPEN,
            |server| server.set_dashboards("1.3.2"),
            &["OpenSearch Dashboards 1.3.2 is too old for the boards"],
        ),
        (
            "down",
            ELASTIC,
            ELASTIC,
            |server| server.set_outage(0, Outage::Unreachable),
            &["the boards stay as they are: http://"],
        ),
        (
            "not ready",
            OPEN,
            OPEN,
            |server| server.set_outage(0, Outage::Unavailable),
            &["the server answers 503", "wait until it is ready"],
        ),
        (
            "401",
            ELASTIC,
            ELASTIC,
            |server| server.set_credentials(Some(Credentials::ApiKey("other".into()))),
            &["the server answers 401", "correct the credentials of telemetry.elasticsearch.dash"],
        ),
        (
            "rights to see",
            ELASTIC,
            ELASTIC,
            |server| server.forbid("POST", "/api/saved_objects/_bulk_get"),
            &["answers 403 Forbidden: Unable to access saved objects; ask an administrator"],
        ),
    ];
    for (name, product, other, prepare, texts) in rows {
        let (store, dashboards) = (server(product), server(other));
        prepare(&dashboards);
        let place = format!(", dashboards: {{url: \"{}\"}}", dashboards.url());
        expect(name, &setup(&store, &place, &[]), 1, texts);
        assert!(!store.installed().is_empty(), "{name}: the store is set up");
        assert_eq!(changes(&dashboards, 0), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_place_is_named_and_has_credentials_of_its_own() {
    let (store, dashboards) = (server(ELASTIC), server(ELASTIC));
    let none = setup(&store, "", &[]);
    let how =
        "boards   not installed: set telemetry.elasticsearch.dashboards.url or --dashboards-url";
    expect("no place", &none, 0, &[how]);
    let only = setup(&store, "", &["--only", "dashboards"]);
    expect("nothing but boards", &only, 2, &["boards need Kibana or OpenSearch Dashboards: set"]);

    let plain = lbproxy_fakes::start(Options::local(ELASTIC)).unwrap();
    let place = ["--only", "dashboards", "--dashboards-url", &plain.url()];
    expect(
        "a store",
        &setup(&store, "", &place),
        1,
        &["is neither Kibana nor OpenSearch Dashboards"],
    );

    dashboards.set_credentials(Some(Credentials::ApiKey("a2V5".into())));
    let url = dashboards.url();
    let place = format!(", dashboards: {{url: \"{url}\", space: operations, api_key: a2V5}}");
    let done = setup(&store, &place, &["--json"]);
    let answer: Value = serde_json::from_str(&done.1).unwrap();
    assert_eq!(answer["well"], true, "{}", done.1);
    assert_eq!(answer["dashboards"]["space"], "operations");
    assert_eq!(dashboards.saved_objects("operations").len(), count(ELASTIC));
}
