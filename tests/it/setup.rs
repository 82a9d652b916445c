//! Goal: `lbproxy setup` puts in place what is missing, once; says what stands in the way and how to
//! mend it; takes away what is its own and nothing else. Method: the real program against the mock,
//! which keeps what it is given; lines of the output and requests made are compared, row by row. What
//! the mock does other than the real servers stands at the head of `tools/fakes/src/setup.rs`.

use std::io::{BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lbproxy::record::Dataset;
use lbproxy_fakes::{
    Credentials, ItemOutcome, Options, Product, Running, Seen, Step, Storing, Which,
};
use serde_json::{Value, json};

use crate::support::*;

/// A stream of the namespace that the tests use.
const STREAM: &str = "logs-lbproxy.access-default";
/// All that the mock can play.
const PRODUCTS: [Product; 3] =
    [Product::Elasticsearch, Product::ElasticsearchReduced, Product::OpenSearch];

/// A mock that asks for a password.
pub(crate) fn server(product: Product) -> Running {
    let credentials = Credentials::Basic { user: "admin".into(), password: "secret".into() };
    lbproxy_fakes::start(Options { credentials: Some(credentials), ..Options::local(product) })
        .unwrap()
}

/// What a run of the program said.
pub(crate) struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Checks its exit code and that these texts stand in what it said.
    pub(crate) fn expect(&self, name: &str, code: i32, texts: &[&str]) {
        let said = self.said();
        assert_eq!(self.code, code, "{name}:\n{said}");
        assert!(!said.contains("WARN"), "{name}:\n{said}");
        for text in texts {
            assert!(said.contains(text), "{name}: no {text:?} in\n{said}");
        }
    }
}

/// Runs `lbproxy setup` with these keys below `telemetry.elasticsearch`.
pub(crate) fn setup_with(server: &Running, keys: &str, arguments: &[&str]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    run(&configuration(server, keys, dir.path()), arguments)
}

/// A configuration with these keys below `telemetry.elasticsearch`, in a folder.
pub(crate) fn configuration(server: &Running, keys: &str, folder: &Path) -> PathBuf {
    let file = folder.join("proxy.yaml");
    let proxy = one_service(&[nobody()], "");
    let text = format!(
        "proxy:\n{proxy}\ntelemetry:\n  elasticsearch: {{urls: [\"{}\"], username: admin, password: \
         secret{keys}}}\n",
        server.url()
    );
    schema::assert_valid("the test's configuration", &text);
    std::fs::write(&file, text).unwrap();
    file
}

pub(crate) fn setup(server: &Running, arguments: &[&str]) -> Run {
    setup_with(server, "", arguments)
}

/// Runs `lbproxy setup` with a configuration.
fn run(file: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["setup", "--config"])
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Requests that could have changed something, from the one at this place on.
pub(crate) fn changes(server: &Running, from: usize) -> Vec<String> {
    let asks = ["_has_privileges", "_simulate_index"];
    let is_change =
        |seen: &&Seen| seen.method != "GET" && !asks.iter().any(|ask| seen.target.contains(ask));
    let all = server.requests();
    all[from..].iter().filter(is_change).map(|s| format!("{} {}", s.method, s.target)).collect()
}

/// What is to be there on a product, as paths.
fn everything(product: Product) -> Vec<String> {
    let mut all = vec!["/_component_template/lbproxy@settings".to_owned()];
    for dataset in Dataset::ALL {
        all.push(format!("/_index_template/{}", dataset.name()));
        all.push(match product {
            Product::OpenSearch => format!("/_plugins/_ism/policies/lbproxy.{}", dataset.as_str()),
            _ => format!("/_component_template/{}@retention", dataset.name()),
        });
    }
    all.extend(match product {
        Product::OpenSearch => [
            "/_plugins/_security/api/roles/lbproxy_shipping".to_owned(),
            "/_plugins/_security/api/internalusers/lbproxy".to_owned(),
            "/_plugins/_security/api/roles/lbproxy_watch".to_owned(),
        ],
        _ => [
            "/_security/role/lbproxy_shipping".to_owned(),
            "/_security/user/lbproxy".to_owned(),
            "/_security/role/lbproxy_watch".to_owned(),
        ],
    });
    all.sort();
    all
}

/// How many streams `setup` makes on a product: this build of Elasticsearch cannot.
fn streams(product: Product) -> usize {
    if product == Product::ElasticsearchReduced { 0 } else { Dataset::ALL.len() }
}

/// Exit code when all is in place that a product can have: without a lifecycle, documents stay for ever.
fn well(product: Product) -> i32 {
    i32::from(product == Product::ElasticsearchReduced)
}

/// Stores a document in a stream.
fn store(server: &Running, stream: &str) {
    let body = "{\"create\":{}}\n{\"@timestamp\":\"2026-11-30T00:00:00.000Z\"}\n";
    let mut connection = connect(server.address());
    write!(
        connection,
        "POST /{stream}/_bulk HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let response = read_response(&mut BufReader::new(connection), false).unwrap();
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
}

fn installed(server: &Running) -> Vec<String> {
    let mut all = server.installed();
    all.sort();
    all
}

#[test]
fn what_is_missing_is_installed_once_and_goes_when_it_is_to_go() {
    for product in PRODUCTS {
        let name = &format!("{product:?}");
        let server = server(product);
        server.put_template("others", json!({"index_patterns": ["logs-*"], "priority": 100}));
        let count = everything(product).len() + streams(product);
        let left = Dataset::ALL.len() - streams(product);
        let code = well(product);

        let dry = setup(&server, &["--dry-run"]);
        dry.expect(name, code, &[&format!("dry run: {count} to make; nothing was changed")]);
        assert_eq!(changes(&server, 0), Vec::<String>::new(), "{name}");

        let first = setup(&server, &[]);
        let done = format!("done: {count} put in place, {left} left as they were");
        first.expect(name, code, &["as user admin", "username: lbproxy", "password: ", &done]);
        let mut want = everything(product);
        want.push("/_index_template/others".to_owned());
        want.sort();
        assert_eq!(installed(&server), want, "{name}");
        let stream = "data stream logs-lbproxy.access-default";
        let line = match left {
            0 => format!("  + {stream}\n"),
            _ => format!("  ! {left} of data stream: this server has no such things (--json"),
        };
        first.expect(name, code, &[&line]);
        let lacking =
            "has no data stream lifecycle: nothing deletes documents, they stay for ever; use";
        assert_eq!(first.out.contains(lacking), left > 0, "{name}: {}", first.out);
        for dataset in Dataset::ALL {
            let indices = server.backing_indices(&dataset.data_stream("default"));
            assert_eq!(indices.len(), usize::from(left == 0), "{name} {dataset:?}");
        }

        let before = server.requests().len();
        let second = setup(&server, &[]);
        let rest = if left == 0 { String::new() } else { format!(", {left} left, as said above") };
        // Each stream has its retention beside it now.
        let all = count + streams(product);
        second.expect(name, code, &[&format!("nothing to do: {all} as they should be{rest}\n")]);
        assert!(!second.out.contains("password"), "{name}: a secret is told once");
        assert_eq!(changes(&server, before), Vec::<String>::new(), "{name}");

        setup(&server, &["--remove"]).expect(name, 0, &[&format!("done: {count} removed")]);
        assert_eq!(installed(&server), ["/_index_template/others"], "{name}");
        assert!(server.backing_indices(STREAM).is_empty(), "{name}");
        setup(&server, &["--remove"]).expect(name, 0, &["nothing to do: ", " not there"]);
    }
}

/// What is left to be seen on the server.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Nothing,
    Part,
    All,
}

#[test]
fn what_stands_in_the_way_is_told_with_its_cure() {
    type Prepare = fn(&Running);
    let foreign_tie: Prepare = |server| {
        let tie = json!({"index_patterns": ["logs-lbproxy.*"], "priority": 250, "data_stream": {}});
        server.put_template("theirs", tie);
    };
    let (elastic, open) = (Product::Elasticsearch, Product::OpenSearch);
    let held: &str =
        "! data stream logs-lbproxy.access-default: cannot stand beside somebody else's";
    let no_streams: Prepare = |server| server.forbid("PUT", "/_data_stream");
    let refused: &[&str] = &[
        "x data stream logs-lbproxy.access-default: the server answers 403 security_exception",
        "x data stream logs-lbproxy.connection-default: not tried after the failure above",
        "NOT COMPLETE: ",
    ];
    let alias: Prepare = |server| server.create_alias(STREAM);
    let is_alias: &[&str] = &[
        "logs-lbproxy.access-default is an alias, not a data stream; remove the alias",
        held,
        "+ data stream logs-lbproxy.health-default",
    ];
    let closed: Prepare = |server| server.create_index_that_is("closed", STREAM);
    let is_closed: &[&str] = &[
        "is a plain closed index, not a data stream; open it (POST /logs-lbproxy.access-default/_open)",
        held,
    ];
    let rows: [(&str, Product, Prepare, &[&str], Left); 20] = [
        (
            "a closed index with the stream's name, Elasticsearch",
            elastic,
            closed,
            is_closed,
            Left::All,
        ),
        ("a closed index with the stream's name, OpenSearch", open, closed, is_closed, Left::All),
        (
            "a hidden index with the stream's name",
            open,
            |server| server.create_index_that_is("hidden", STREAM),
            &["is a plain index, not a data stream", "_reindex", held],
            Left::All,
        ),
        (
            "Serverless, whose version is none",
            elastic,
            |server| {
                server.set_version("8.11.0");
                server.set_build_flavor("serverless");
            },
            &["this is Elasticsearch Serverless, which refuses", "use Elastic Cloud Hosted"],
            Left::Nothing,
        ),
        ("a right to make streams, Elasticsearch", elastic, no_streams, refused, Left::All),
        ("a right to make streams, OpenSearch", open, no_streams, refused, Left::All),
        ("an alias with the stream's name, Elasticsearch", elastic, alias, is_alias, Left::All),
        ("an alias with the stream's name, OpenSearch", open, alias, is_alias, Left::All),
        (
            "an old Elasticsearch",
            elastic,
            |server| server.set_version("8.13.2"),
            &[
                "Elasticsearch 8.13.2 is too old; upgrade it to 8.14.0 or newer",
                "nothing was changed",
            ],
            Left::Nothing,
        ),
        (
            "an old OpenSearch",
            open,
            |server| server.set_version("1.3.20"),
            &["OpenSearch 1.3.20 is too old; upgrade it to 2.0.0", "nothing was changed"],
            Left::Nothing,
        ),
        (
            "a read-only Elasticsearch",
            elastic,
            |server| server.set_read_only(true),
            &["cluster.blocks.read_only is set", "PUT /_cluster/settings", "nothing was changed"],
            Left::Nothing,
        ),
        (
            "a read-only OpenSearch",
            open,
            |server| server.set_read_only(true),
            &["cluster.blocks.read_only is set", "nothing was changed"],
            Left::Nothing,
        ),
        (
            "rights that can be asked for beforehand",
            elastic,
            |server| server.forbid("PUT", "/_index_template"),
            &[
                "user admin lacks the privileges manage_index_templates",
                "ask an administrator",
                "nothing was changed",
            ],
            Left::Nothing,
        ),
        (
            "rights that lack when they are needed",
            open,
            |server| server.forbid("PUT", "/_index_template"),
            &[
                "x index template logs-lbproxy.access: the server answers 403 security_exception",
                "x index template logs-lbproxy.health: not tried after the failure above",
                "NOT COMPLETE: 7 of",
            ],
            Left::Part,
        ),
        (
            "rights to see",
            open,
            |server| server.forbid("GET", "/_plugins/_ism"),
            &["may not see ISM policy lbproxy.access and 5 more", "--only", "nothing was changed"],
            Left::Nothing,
        ),
        (
            "a template of others that wins",
            elastic,
            |server| {
                let wins = json!({"index_patterns": ["logs-*"], "priority": 500, "template": {}});
                server.put_template("theirs", wins);
            },
            &[
                "index template theirs has the pattern logs-* and a higher priority",
                "give theirs a priority below 250",
                "a new logs-lbproxy.access-default would have",
                held,
                "+ data stream metrics-lbproxy.rollup-default",
            ],
            Left::All,
        ),
        (
            "a template of others that ties",
            open,
            foreign_tie,
            &[
                "the same priority as ours",
                "! index template logs-lbproxy.access: cannot stand beside",
                held,
            ],
            Left::Part,
        ),
        (
            "a template of others with our name",
            open,
            |server| server.put_template("logs-lbproxy.access", json!({"index_patterns": ["x"]})),
            &["index template logs-lbproxy.access is somebody else's", "rename or remove it", held],
            Left::All,
        ),
        (
            "a plain index with the stream's name",
            elastic,
            |server| server.create_index(STREAM),
            &["is a plain index, not a data stream", "_reindex", held],
            Left::All,
        ),
        (
            "a user of others with our name",
            elastic,
            |server| {
                assert!(server.installed().is_empty());
                server.keep("/_security/user/lbproxy", json!({"roles": ["admin"], "metadata": {}}));
            },
            &["user lbproxy is somebody else's"],
            Left::All,
        ),
    ];
    for (name, product, prepare, texts, left) in rows {
        let server = server(product);
        prepare(&server);
        let before = installed(&server);
        setup(&server, &["--dry-run"]);
        assert_eq!(installed(&server), before, "{name}");
        setup(&server, &[]).expect(name, 1, texts);
        let all = everything(product);
        let there = installed(&server);
        let count = all.iter().filter(|path| there.contains(path)).count();
        let found = match count {
            _ if there == before => Left::Nothing,
            _ if count == all.len() => Left::All,
            _ => Left::Part,
        };
        assert!(found == left, "{name}: {there:#?}");
        let has_streams = Dataset::ALL
            .iter()
            .any(|dataset| !server.backing_indices(&dataset.data_stream("default")).is_empty());
        let may_make = left == Left::All && !texts.contains(&refused[0]);
        assert!(has_streams == may_make || left == Left::Part, "{name}");
    }
}

#[test]
fn what_an_older_lbproxy_left_is_replaced_and_streams_roll_over_to_it() {
    for product in PRODUCTS {
        let server = server(product);
        let older = json!({
            "index_patterns": ["logs-lbproxy.access-*"], "priority": 250, "data_stream": {},
            "template": {"mappings": {"properties": {"old": {"type": "long"}}}},
            "version": 1059, "_meta": {"managed_by": "lbproxy"},
        });
        server.put_template("logs-lbproxy.access", older);
        server.create_index(STREAM);
        let run = setup(&server, &[]);
        let texts =
            ["~ index template logs-lbproxy.access\n", "version: 1059 -> ", "template.mappings."];
        run.expect(&format!("{product:?}"), well(product), &texts);
        assert_eq!(server.backing_indices(STREAM).len(), 2, "{product:?}");
        let run = setup(&server, &[]);
        run.expect(&format!("{product:?}"), well(product), &["nothing to do"]);
        assert_eq!(server.backing_indices(STREAM).len(), 2, "{product:?}");
    }
}

#[test]
fn a_stream_with_another_mapping_than_its_template_is_told_until_it_rolls_over() {
    for product in PRODUCTS {
        let name = &format!("{product:?}");
        let server = server(product);
        let earlier = json!({
            "index_patterns": ["logs-lbproxy.access-*"], "data_stream": {},
            "template": {"mappings": {"dynamic": true}},
        });
        server.put_template("earlier", earlier);
        server.create_index(STREAM);
        let told = [
            "the index that logs-lbproxy.access-default writes to has dynamic: true instead of \
             false",
            "POST /logs-lbproxy.access-default/_rollover",
        ];
        setup(&server, &[]).expect(name, 1, &told);
        setup(&server, &[]).expect(name, 1, &told);
        server.rollover(STREAM).unwrap();
        setup(&server, &[]).expect(name, well(product), &["nothing to do"]);
    }
}

#[test]
fn another_retention_reaches_streams_that_are_there() {
    let (long, path) = (", retention: {records: 14d}", "/_data_stream/logs-lbproxy.access-default");
    let server = self::server(Product::Elasticsearch);
    setup(&server, &[]).expect("first", 0, &[]);
    server.create_index(STREAM);
    let run = setup_with(&server, long, &[]);
    let line = "template.lifecycle.data_retention: 7d -> 14d";
    run.expect("Elasticsearch", 0, &[line, "~ component template logs-lbproxy.access@retention"]);
    // The stream has what its template says until it gets its own; here it followed by itself.
    setup_with(&server, long, &[]).expect("again", 0, &["nothing to do"]);
    server.keep(&format!("{path}/_lifecycle"), json!({"enabled": true, "data_retention": "1d"}));
    let run = setup_with(&server, long, &[]);
    run.expect("by hand", 0, &["~ lifecycle of stream", "data_retention: 1d -> 14d"]);
    let kept = server.kept(&format!("{path}/_lifecycle")).unwrap();
    assert_eq!(kept["data_retention"], "14d");

    let server = self::server(Product::OpenSearch);
    setup(&server, &[]).expect("first", 0, &[]);
    server.keep(&format!("/_plugins/_ism/managed/{STREAM}"), Value::Null);
    setup(&server, &[]).expect(
        "attached",
        0,
        &["+ ISM policy of stream logs-lbproxy.access-default"],
    );
    let before = server.requests().len();
    let run = setup_with(&server, long, &[]);
    run.expect(
        "OpenSearch",
        0,
        &["conditions.min_rollover_age: 7d -> 14d", "done: 2 put in place"],
    );
    let made = changes(&server, before);
    assert!(
        made[0].starts_with("PUT /_plugins/_ism/policies/lbproxy.access?if_seq_no="),
        "{made:?}"
    );
    assert_eq!(made[1], "POST /_plugins/_ism/change_policy/logs-lbproxy.access-*");
    setup_with(&server, long, &[]).expect("again", 0, &["nothing to do"]);
}

#[test]
fn retention_that_is_off_or_endless_is_not_installed_or_deletes_nothing() {
    let keys = ", retention: {records: off, health: forever}";
    for (product, off, forever) in [
        (
            Product::Elasticsearch,
            "/_component_template/logs-lbproxy.access@retention",
            "/_component_template/logs-lbproxy.health@retention",
        ),
        (
            Product::OpenSearch,
            "/_plugins/_ism/policies/lbproxy.access",
            "/_plugins/_ism/policies/lbproxy.health",
        ),
    ] {
        let server = server(product);
        setup_with(&server, keys, &[]).expect("setup", 0, &[]);
        assert_eq!(server.kept(off), None, "{product:?}");
        let kept = server.kept(forever).unwrap().to_string();
        assert!(!kept.contains("data_retention") && !kept.contains("delete"), "{kept}");
        setup(&server, &[]).expect("on again", 0, &["done: "]);
        setup_with(&server, keys, &["--remove"]).expect("remove", 0, &["done: "]);
        assert_eq!(server.installed(), Vec::<String>::new(), "{product:?}: off now, on before");
    }
}

#[test]
fn a_secret_is_printed_once_or_lies_in_a_file_that_only_its_owner_reads() {
    let dir = tempfile::tempdir().unwrap();
    for (number, (product, arguments, key, length)) in [
        (Product::Elasticsearch, &[][..], "password", 36),
        (Product::OpenSearch, &[], "password", 36),
        (Product::Elasticsearch, &["--credentials", "api-key"], "api_key", 8),
    ]
    .into_iter()
    .enumerate()
    {
        let server = server(product);
        let file = dir.path().join(number.to_string());
        let path = file.to_str().unwrap();
        let arguments = [arguments, &["--credentials-file", path]].concat();
        let run = setup(&server, &arguments);
        run.expect(path, 0, &[&format!("{key}_file: {path}")]);
        let secret = std::fs::read_to_string(&file).unwrap();
        assert_eq!(secret.len(), length, "{secret}");
        assert!(!run.out.contains(&secret), "{}", run.out);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing new is made, so the file is not asked for.
        setup(&server, &arguments).expect(path, 0, &["nothing to do"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
        setup(&server, &["--remove", "--only", "access"]).expect(path, 0, &["removed"]);
        let before = installed(&server);
        setup(&server, &arguments).expect(path, 2, &["name a new file; nothing was changed"]);
        assert_eq!(installed(&server), before);
    }
}

/// The configuration names the file that `setup` is to make: only then the two fit without another edit.
#[test]
fn an_administrator_makes_the_file_that_the_configuration_names() {
    let dir = tempfile::tempdir().unwrap();
    let [admin, file, shipping] =
        ["admin", "proxy.yaml", "shipping"].map(|name| dir.path().join(name));
    std::fs::write(&admin, "secret\n").unwrap();
    for (product, key) in [
        (Product::Elasticsearch, "password_file"),
        (Product::OpenSearch, "password_file"),
        (Product::Elasticsearch, "api_key_file"),
    ] {
        let name = &format!("{product:?} {key}");
        let server = server(product);
        let (user, kind) = match key {
            "password_file" => ("username: lbproxy, ", "user"),
            _ => ("", "api-key"),
        };
        let proxy = one_service(&[nobody()], "");
        let text = format!(
            "proxy:\n{proxy}\ntelemetry:\n  elasticsearch: {{urls: [\"{}\"], {user}{key}: {}}}\n",
            server.url(),
            shipping.display()
        );
        std::fs::write(&file, text).unwrap();
        let path = shipping.to_str().unwrap();
        let by_itself = run(&file, &[]);
        by_itself.expect(name, 2, &[&format!("{key}: {path} cannot be read")]);
        let flags = ["--username", "admin", "--password-file", admin.to_str().unwrap()];
        let more = ["--credentials", kind, "--credentials-file", path];
        run(&file, &[flags, more].concat()).expect(name, 0, &[&format!("{key}: {path}")]);
        std::fs::remove_file(&shipping).unwrap();
    }
}

#[test]
fn shipping_gets_the_least_and_only_what_it_is_asked_for_is_installed() {
    let server = self::server(Product::Elasticsearch);
    setup(&server, &["--only", "access", "--write-only"]).expect("access", 0, &["done: 3 put"]);
    let role = server.kept("/_security/role/lbproxy_shipping").unwrap();
    assert_eq!(role["indices"][0]["privileges"], json!(["auto_configure", "create_doc"]));
    assert_eq!(role["cluster"], json!(["monitor"]));
    let watcher = server.kept("/_security/role/lbproxy_watch").unwrap();
    assert_eq!(watcher["indices"][0]["privileges"], json!(["read"]));
    assert_eq!(server.installed().len(), 3);
    let run = setup(&server, &["--only", "access"]);
    run.expect(
        "more rights",
        0,
        &["[auto_configure, create_doc] -> [auto_configure, create_doc, "],
    );
}

#[test]
fn documents_and_what_they_need_stay_unless_they_are_to_go_too() {
    for product in [Product::Elasticsearch, Product::OpenSearch] {
        let name = &format!("{product:?}");
        let server = server(product);
        setup(&server, &[]).expect(name, 0, &[]);
        store(&server, STREAM);
        let other = "logs-lbproxy.health-other";
        server.create_index(other);
        let dry = setup(&server, &["--remove", "--dry-run"]);
        let gone = "- data stream logs-lbproxy.health-default";
        dry.expect(name, 0, &[gone, "; nothing was changed"]);
        let run = setup(&server, &["--remove"]);
        let text = format!("index template logs-lbproxy.access: stays as long as {STREAM}");
        let of_other = format!("index template logs-lbproxy.health: stays as long as {other}");
        let texts = [&text, &of_other, "- index template logs-lbproxy.connection", gone];
        run.expect(name, 0, &texts);
        assert!(!run.out.contains(&format!("data stream {STREAM}")), "{name}: {}", run.out);
        assert_eq!(server.backing_indices(other).len(), 1, "{name}: of another namespace");
        let is_there = |path: &str| installed(&server).contains(&path.to_owned());
        assert!(is_there("/_index_template/logs-lbproxy.access"), "{name}");
        assert!(is_there("/_component_template/lbproxy@settings"), "{name}");
        assert!(!is_there("/_index_template/logs-lbproxy.connection"), "{name}");
        let run = setup(&server, &["--remove", "--data"]);
        run.expect(name, 0, &[&format!("- data stream {STREAM}"), &of_other]);
        assert_eq!(server.count(STREAM), 0);
        assert_eq!(server.backing_indices(other).len(), 1, "{name}: of another namespace");
        assert!(is_there("/_component_template/lbproxy@settings"), "{name}");
        // Closes the section that the keys stand in, and opens another.
        let keys = "}\n  namespace: other\n  process: {every: 10s";
        let run = setup_with(&server, keys, &["--remove"]);
        run.expect(name, 0, &[&format!("- data stream {other}")]);
        assert_eq!(installed(&server), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_stream_that_cannot_be_seen_to_be_empty_stays() {
    type Prepare = fn(&Running);
    let parked: Prepare = |server| {
        server.push(Step::item(Which::All, ItemOutcome::FailureStored));
        store(server, STREAM);
    };
    let unseen: Prepare = |server| server.forbid("GET", "/_cat/shards");
    let unrefreshed: Prepare = |server| {
        store(server, STREAM);
        let shards = r#"{"_shards": {"total": 1, "successful": 0, "failed": 1}}"#;
        server.script("POST", &format!("/{STREAM}/_refresh"), 200, shards);
    };
    let untold: Prepare = |server| {
        store(server, STREAM);
        server.script("POST", &format!("/{STREAM}/_refresh"), 200, "{}");
    };
    for (name, product, prepare) in [
        ("a document that was parked", Product::Elasticsearch, parked),
        ("no right to look", Product::Elasticsearch, unseen),
        ("no right to look", Product::OpenSearch, unseen),
        ("a shard that was not refreshed", Product::Elasticsearch, unrefreshed),
        ("a shard that was not refreshed", Product::OpenSearch, unrefreshed),
        ("a refresh of which nothing is told", Product::OpenSearch, untold),
    ] {
        let server = server(product);
        setup(&server, &[]).expect(name, 0, &[]);
        prepare(&server);
        let run = setup(&server, &["--remove"]);
        let text = format!("index template logs-lbproxy.access: stays as long as {STREAM}");
        run.expect(name, 0, &[&text]);
        assert_eq!(server.backing_indices(STREAM).len(), 1, "{product:?} {name}");
    }
}

#[test]
fn what_the_server_does_not_acknowledge_is_not_done() {
    let error = r#"{"error": {"type": "x", "reason": "boom"}, "status": 500}"#;
    let (policy, template) =
        ("/_plugins/_ism/policies/lbproxy.a", "/_index_template/logs-lbproxy.a");
    for (product, start, line) in [
        (
            Product::Elasticsearch,
            "/_data_stream/logs-lbproxy.a",
            "data stream logs-lbproxy.access-",
        ),
        (Product::OpenSearch, "/_data_stream/logs-lbproxy.a", "data stream logs-lbproxy.access-"),
        (Product::Elasticsearch, template, "index template logs-lbproxy.access"),
        (Product::OpenSearch, policy, "ISM policy lbproxy.access"),
    ] {
        for body in [r#"{"acknowledged": false}"#, error, "<html>", ""] {
            // Policies are not acknowledged, but told.
            if start == policy && body.contains("acknowledged") {
                continue;
            }
            let name = &format!("{product:?} {start} {body:?}");
            let server = server(product);
            server.script("PUT", start, 200, body);
            let run = setup(&server, &[]);
            let texts = [&format!("  x {line}"), "does not say that it is done", "NOT COMPLETE"];
            run.expect(name, 1, &texts);

            let server = self::server(product);
            setup(&server, &[]).expect(name, 0, &[]);
            server.script("DELETE", start, 200, body);
            setup(&server, &["--remove"]).expect(name, 1, &texts);
        }
    }
}

#[test]
fn nothing_is_removed_while_it_is_not_seen_which_streams_there_are() {
    let error = r#"{"error": {"type": "x", "reason": "no"}}"#;
    for product in PRODUCTS {
        for (status, body) in
            [(403, error), (500, error), (404, error), (200, "{}"), (200, "<html>")]
        {
            let name = &format!("{product:?} {status} {body}");
            let server = server(product);
            setup(&server, &[]).expect(name, well(product), &[]);
            let before = installed(&server);
            server.script("GET", "/_resolve/index", status, body);
            for arguments in [&["--remove"][..], &["--remove", "--only", "retention"]] {
                let texts = ["it cannot be seen which streams there are", "nothing was changed"];
                setup(&server, arguments).expect(name, 1, &texts);
            }
            assert_eq!(installed(&server), before, "{name}");
        }
    }
}

#[test]
fn no_document_is_lost_that_comes_while_its_stream_is_removed() {
    let path = &format!("/_data_stream/{STREAM}");
    let settings = &format!("/{STREAM}/_settings");
    let options = &format!("{path}/_options");
    let mine = json!({"failure_store": {"enabled": true, "lifecycle": {}}});
    for product in [Product::Elasticsearch, Product::OpenSearch] {
        for (name, (method, before), is_delete_refused, left) in [
            ("before the block", ("PUT", settings), false, 1),
            ("after the block", ("DELETE", path), false, 0),
            ("after the block, and the stream cannot be deleted", ("DELETE", path), true, 0),
        ] {
            let name = &format!("{product:?}, {name}");
            let server = server(product);
            setup(&server, &[]).expect(name, 0, &[]);
            if product == Product::Elasticsearch {
                server.keep(options, mine.clone());
            }
            server.come_before(method, before, STREAM);
            if is_delete_refused {
                server.forbid("DELETE", path);
            }
            let is_kept = left > 0 || is_delete_refused;
            let run = setup(&server, &["--remove"]);
            let why = if left > 0 { "a document has come since; it stays" } else { "403" };
            if is_kept {
                run.expect(name, 1, &[&format!("x data stream {STREAM}: "), why]);
            } else {
                run.expect(name, 0, &[&format!("- data stream {STREAM}")]);
            }
            assert_eq!(server.backing_indices(STREAM).len(), usize::from(is_kept), "{name}");
            assert_eq!(server.count(STREAM), left, "{name}");
            assert!(server.failure_store(STREAM).is_empty(), "{name}: shipping waits instead");
            assert!(!server.is_write_blocked(STREAM), "{name}: the block is off again");
            if product == Product::Elasticsearch && is_kept {
                assert_eq!(server.kept(options).as_ref(), Some(&mine), "{name}");
            }
        }
    }
    let server = self::server(Product::OpenSearch);
    setup(&server, &[]).expect("without blocks", 0, &[]);
    server.script("PUT", settings, 400, "{}");
    setup(&server, &["--remove"]).expect("without blocks", 0, &["removed"]);
    let server = self::server(Product::OpenSearch);
    setup(&server, &[]).expect("without the right to block", 0, &[]);
    server.forbid("PUT", settings);
    let run = setup(&server, &["--remove"]);
    run.expect("without the right to block", 1, &[&format!("x data stream {STREAM}: "), "403"]);
}

#[test]
fn only_what_is_recorded_has_a_stream() {
    let server = self::server(Product::Elasticsearch);
    // Closes the section that the keys stand in, and opens three more.
    let keys = "}\n  rollup: {every: off}\n  process: {every: off}\nslo: {files: []";
    setup_with(&server, keys, &[]).expect("off", 0, &["+ data stream logs-lbproxy.health-default"]);
    let there = Dataset::ALL.map(|dataset| dataset.data_stream("default"));
    let there: Vec<_> =
        there.iter().filter(|name| !server.backing_indices(name).is_empty()).collect();
    assert_eq!(
        there,
        [
            "logs-lbproxy.access-default",
            "logs-lbproxy.connection-default",
            "logs-lbproxy.health-default"
        ]
    );
    setup(&server, &["--only", "access,retention"]).expect("not asked for", 0, &["nothing to do"]);
    assert!(server.backing_indices("metrics-lbproxy.rollup-default").is_empty());
}

#[test]
fn mistakes_of_the_caller_end_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let proxy = one_service(&[nobody()], "");
    std::fs::write(&file, format!("proxy:\n{proxy}\n")).unwrap();
    let none = run(&file, &[]);
    none.expect("no server", 2, &["telemetry.elasticsearch is not set"]);
    run(&file, &["--data"]).expect("data without remove", 2, &["--remove"]);
    let server = server(Product::OpenSearch);
    setup(&server, &["--username", "x", "--password-file", "/nowhere"]).expect(
        "no file",
        2,
        &["/nowhere cannot be read"],
    );
    setup(&server, &["--url", "ftp://x"]).expect("no URL", 2, &["--url is not http://host:port"]);
    for kind in ["retention", "access", "dashboards", "access,retention"] {
        let run = setup(&server, &["--remove", "--data", "--only", kind]);
        run.expect(kind, 2, &["--data deletes streams", "add templates to --only"]);
    }
    assert_eq!(server.requests_total(), 0);
    let run = setup(&server, &["--credentials", "api-key"]);
    run.expect("a key", 1, &["OpenSearch has no API keys", "nothing was changed"]);
}

#[test]
fn a_server_that_cannot_be_looked_at_is_told_with_its_cure() {
    let server = server(Product::OpenSearch);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong").unwrap();
    let as_admin = ["--username", "admin", "--password-file", file.to_str().unwrap()];
    let nobody = format!("http://{}", nobody());
    let web = Upstream::ok();
    let web = format!("http://{}", web.address);
    let tls = server.url().replace("http://", "https://");
    let at = |url| ["--url", url];
    for (name, arguments, code, cure) in [
        ("no URL", &at("nonsense")[..], 2, "'--url <URL>': write scheme, host and port, such as"),
        (
            "nobody",
            &at(&nobody),
            1,
            "start the server, or correct telemetry.elasticsearch.urls or --url",
        ),
        ("no TLS", &at(&tls), 1, "this port does not speak TLS: write http://"),
        ("another", &at(&web), 1, "name the address of one in telemetry.elasticsearch.urls"),
        ("a wrong password", &as_admin, 1, "correct user, password or key of"),
    ] {
        let run = setup(&server, arguments);
        run.expect(name, code, &[cure]);
        assert_eq!(run.err.contains("nothing was changed"), code == 1, "{name}: {}", run.err);
    }
}

#[test]
fn programs_get_one_object_and_administrators_their_own_credentials() {
    let server = self::server(Product::Elasticsearch);
    server.set_credentials(Some(Credentials::Basic { user: "root".into(), password: "p".into() }));
    setup(&server, &[]).expect("refused", 1, &["401", "nothing was changed"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "p\n").unwrap();
    let admin = ["--username", "root", "--password-file", file.to_str().unwrap(), "--json"];
    let run = setup(&server, &admin);
    run.expect("admin", 0, &[]);
    let object: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(object["server"]["user"], "root");
    let (steps, product) = (object["steps"].as_array().unwrap(), Product::Elasticsearch);
    assert_eq!(steps.len(), everything(product).len() + streams(product));
    assert!(object["steps"].as_array().unwrap().iter().all(|step| step["result"] == "done"));
    assert_eq!((&object["well"], &object["username"]), (&json!(true), &json!("lbproxy")));
    assert_eq!(object["password"].as_str().unwrap().len(), 36);
}

/// Ships a request to a server; the log.
fn ship(server: &Running, keys: &str) -> String {
    let upstream = Upstream::ok();
    let rest = format!(
        "  elasticsearch: {{urls: [\"{}\"], username: admin, password: secret, batch: {{wait: 50ms}}{keys}}}\n",
        server.url()
    );
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
    assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= 1);
    proxy.terminate()
}

/// Everything that the product can have, put in place by an administrator.
fn by_admin(server: &Running) {
    let run = setup(server, &[]);
    assert!(run.out.contains("\ndone: "), "{}", run.out);
}

#[test]
fn shipping_installs_what_it_needs_when_it_may_and_goes_on_when_it_may_not() {
    type Prepare = fn(&Running);
    let installs = |server: &Running| {
        let made = changes(server, 0);
        made.iter().filter(|request| !request.contains("_bulk")).count()
    };
    for product in PRODUCTS {
        let all = everything(product).len() - 3; // no roles, no user
        let nothing: Prepare = |_| ();
        let by_admin: Prepare = by_admin;
        let least: Prepare = |server| {
            self::by_admin(server);
            for path in ["/_index_template", "/_component_template", "/_plugins/_ism"] {
                server.forbid("GET", path);
                server.forbid("PUT", path);
            }
        };
        for (name, prepare, keys, want) in [
            ("nothing is there", nothing, "", all),
            ("all is there", by_admin, "", 0),
            ("all is there, for longer", by_admin, ", retention: {records: 90d}", 0),
            ("the least rights", least, "", 0),
            ("off", by_admin, ", setup: off", 0),
        ] {
            let server = server(product);
            prepare(&server);
            let before = installs(&server);
            let log = ship(&server, keys);
            assert_eq!(server.count(STREAM), 1, "{product:?} {name}: {log}");
            assert!(server.plain_indices().is_empty(), "{product:?} {name}");
            // The small build refuses one template first for its types.
            let refused = usize::from(product == Product::ElasticsearchReduced && want > 0);
            assert_eq!(installs(&server) - before, want + refused, "{product:?} {name}: {log}");
            let differs = keys.contains("90d");
            assert_eq!(log.contains("differs from the configuration"), differs, "{name}: {log}");
        }
    }
}

#[test]
fn without_a_template_that_somebody_chose_records_wait_also_with_set_up_off() {
    let theirs = |more: Value| {
        let mut body = json!({"index_patterns": ["*-lbproxy.*-*"], "priority": 300});
        body.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        body
    };
    let stream = theirs(json!({"data_stream": {}}));
    let stock = theirs(json!({"data_stream": {}, "_meta": {"managed": true}}));
    for product in PRODUCTS {
        for (name, there, want) in [
            ("nothing", None, "has no index template"),
            ("the product's own", Some(&stock), "has no index template"),
            ("somebody's", Some(&stream), "that somebody else chose"),
        ] {
            let server = server(product);
            if let Some(there) = there {
                server.put_template("theirs", there.clone());
            }
            let upstream = Upstream::ok();
            let keys = "setup: off, username: admin, password: secret, batch: {wait: 50ms}";
            let rest = format!("  elasticsearch: {{urls: [\"{}\"], {keys}}}\n", server.url());
            let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
            let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            assert_eq!(proxy.send(request).status, 200);
            wait_for(name, || proxy.log().contains(want).then_some(()));
            let is_waiting = want.starts_with("has no");
            if is_waiting {
                proxy.await_figure("lbproxy_ship_blocked", |blocked| blocked == 1);
                assert!(proxy.log().contains("lbproxy setup --only templates"), "{name}");
                assert!(server.bulk_requests().is_empty(), "{product:?} {name}");
                server.put_template("theirs", stream.clone());
            }
            proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored == 1);
            assert_eq!(server.plain_indices(), Vec::<String>::new(), "{product:?} {name}");
            let told = proxy.log().matches("records wait in the journal").count();
            assert_eq!(told, usize::from(is_waiting), "{product:?} {name}");
        }
    }
}

#[test]
fn records_wait_when_a_template_is_missing_and_may_not_be_put() {
    let server = self::server(Product::OpenSearch);
    server.forbid("PUT", "/_index_template");
    let upstream = Upstream::ok();
    let rest = format!(
        "  elasticsearch: {{urls: [\"{}\"], username: admin, password: secret}}\n",
        server.url()
    );
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
    let text = "index template logs-lbproxy.access cannot be put: the server answers 403";
    wait_for("the reason in the log", || proxy.log().contains(text).then_some(()));
    assert!(server.bulk_requests().is_empty());
}

#[test]
fn a_template_that_is_taken_away_while_shipping_runs_is_put_again() {
    let missing =
        || Step { storing: Storing::Never, ..Step::item(Which::All, ItemOutcome::Missing) };
    for (name, dataset, keys) in [
        ("of a stream without a document yet", Dataset::Connection, ""),
        ("of a stream that is gone with it", Dataset::Access, ""),
        ("set-up is off", Dataset::Connection, ", setup: off"),
    ] {
        let server = self::server(Product::OpenSearch);
        by_admin(&server);
        let upstream = Upstream::ok();
        let keys = format!("username: admin, password: secret, batch: {{wait: 50ms}}{keys}");
        let rest = format!("  elasticsearch: {{urls: [\"{}\"], {keys}}}\n", server.url());
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(proxy.send(request).status, 200);
        wait_for(name, || (server.count(STREAM) == 1).then_some(()));

        let stream = &dataset.data_stream("default");
        server.delete(stream, dataset.name());
        if dataset == Dataset::Access {
            server.push(missing()); // as long as no index is made by itself
        }
        let bad = if dataset == Dataset::Access { request } else { "no request\r\n\r\n" };
        proxy.send(bad);
        let is_put = !keys.contains("off");
        if is_put {
            wait_for(name, || (server.count(stream) == 1).then_some(()));
        } else {
            proxy.await_figure("lbproxy_ship_blocked", |blocked| blocked == 1);
        }
        assert_eq!(server.template(dataset.name()).is_some(), is_put, "{name}");
        assert_eq!(server.plain_indices(), Vec::<String>::new(), "{name}");
        let log = proxy.log();
        let put = log.lines().filter(|line| line.contains("put in place"));
        assert_eq!(put.count(), usize::from(is_put), "{name}: {log}");
    }
}

#[test]
fn an_index_with_the_name_of_a_stream_is_told_when_shipping_meets_it() {
    let shut = ItemOutcome::Error {
        status: 400,
        kind: "index_closed_exception".to_owned(),
        reason: "closed".to_owned(),
    };
    for (attribute, step, want) in [
        ("hidden", Step::default(), "the server takes records"),
        ("closed", Step::item(Which::All, shut), "open the index (POST INDEX/_open)"),
    ] {
        let server = self::server(Product::Elasticsearch);
        server.create_index_that_is(attribute, STREAM);
        server.set_default(step);
        let upstream = Upstream::ok();
        let keys = "username: admin, password: secret, batch: {wait: 50ms}";
        let rest = format!("  elasticsearch: {{urls: [\"{}\"], {keys}}}\n", server.url());
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
        assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
        wait_for(attribute, || proxy.log().contains(want).then_some(()));
        let told = match attribute {
            "closed" => "a closed index of that name, no data stream",
            _ => "an index of that name, no data stream",
        };
        assert_eq!(proxy.log().matches(told).count(), 1, "{attribute}: {}", proxy.log());
    }
}
