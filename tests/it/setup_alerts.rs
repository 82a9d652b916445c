//! Goal: `lbproxy setup` puts the rules of objectives into Kibana, or monitors into OpenSearch: once, anew when
//! an objective changes, away when it is gone; nothing of anybody else's is touched. Method: the real program
//! against a mock that keeps what it is given and checks bodies as the products' own readers do
//! (`tools/fakes/src/{alerting,shape}.rs`, written from their sources: no such server can be had here).

use lbproxy_fakes::{Options, Product, Running};
use serde_json::{Value, json};

use crate::setup_dashboards::{expect, run, server_of};
use crate::support::*;

const ELASTIC: Product = Product::Elasticsearch;
const OPEN: Product = Product::OpenSearch;
/// An objective with two windows, and silence.
const CHECKOUT: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout, displayName: Checkout}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
x-lbproxy:
  indicator: {availability: {valid: service = shop}}
  windows:
    - {budget: 2%, long: 1h, short: 5m, severity: page}
    - {budget: 10%, long: 24h, short: 2h, severity: ticket}
  no_data: {after: 10m, severity: ticket, firing: keep}
";

/// A store with its dashboards, and all that watches objectives.
fn server(product: Product, version: &str) -> Running {
    let server = server_of(product, version);
    if product == OPEN {
        server.set_alerting();
    }
    server
}

/// Runs `lbproxy setup --only alerts` with these files of objectives; code and words.
fn setup(server: &Running, keys: &str, objectives: &[&str], arguments: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let names = objectives.iter().enumerate().map(|(number, text)| {
        let name = format!("{number}.yaml");
        std::fs::write(dir.path().join(&name), text).unwrap();
        name
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let text = format!(
        "proxy:\n{}\nslo: {{files: [{names}]}}\ntelemetry:\n  elasticsearch: {{urls: [\"{}\"], username: \
         admin, password: Sesame-5601}}\n{keys}",
        one_service(&[nobody()], ""),
        server.url()
    );
    let file = dir.path().join("proxy.yaml");
    std::fs::write(&file, text).unwrap();
    run(&file, &[&["--only", "alerts", "--dashboards-url", &server.url()], arguments].concat())
}

/// What is there by the ids that people know.
fn ids(server: &Running) -> Vec<String> {
    let id = |body: &Value| {
        let of_monitor = body["ui_metadata"]["lbproxy"]["id"].as_str();
        let tags = body["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let of_rule = tags.clone().find_map(|tag| tag.strip_prefix("lbproxy-id:"));
        of_monitor.or(of_rule).unwrap_or("somebody's").to_owned()
    };
    let mut ids: Vec<_> = server.alert_objects().values().map(id).collect();
    ids.sort();
    ids
}

/// Requests that changed something there, from the one at this place on.
fn changes(server: &Running, from: usize) -> usize {
    let is_change = |target: &str| ["alerting", "slos"].iter().any(|part| target.contains(part));
    let all = server.requests();
    all[from..].iter().filter(|seen| seen.method != "GET" && is_change(&seen.target)).count()
}

const RULES: &[&str] = &["lbp-checkout-1d", "lbp-checkout-1h", "lbp-checkout-no-data"];
const SLOS: &[&str] = &["lbp-checkout", "lbp-checkout-no-data", "lbp-checkout_burn-rate"];
const MONITORS: &[&str] = &["lbp-checkout", "lbp-checkout-no-data"];

#[test]
fn rules_are_installed_once_follow_their_objective_and_go_with_it() {
    for (name, product, licence, want, what) in [
        ("Basic", ELASTIC, "basic", RULES, "Elasticsearch query rules of Kibana at"),
        ("Platinum", ELASTIC, "platinum", SLOS, "SLOs and burn-rate rules of Kibana at"),
        ("a trial", ELASTIC, "trial", SLOS, "SLOs and burn-rate rules of Kibana at"),
        ("OpenSearch", OPEN, "", MONITORS, "monitors of OpenSearch at"),
    ] {
        let server = server(product, if product == OPEN { "2.19.4" } else { "8.19.2" });
        server.set_licence(licence);
        let count = want.len();
        let dry = setup(&server, "", &[CHECKOUT], &["--dry-run"]);
        expect(name, &dry, 0, &[what, &format!("dry run: {count} to make; nothing was changed")]);
        assert_eq!((changes(&server, 0), ids(&server)), (0, Vec::new()), "{name}");

        let first = setup(&server, "", &[CHECKOUT], &[]);
        expect(name, &first, 0, &[&format!("done: {count} put in place")]);
        assert_eq!(ids(&server), want, "{name}");
        let paths: Vec<_> = server.alert_objects().into_keys().collect();

        let before = server.requests().len();
        let again = setup(&server, "", &[CHECKOUT], &[]);
        expect(name, &again, 0, &[&format!("nothing to do: {count} as they should be")]);
        assert_eq!(changes(&server, before), 0, "{name}");

        let title = CHECKOUT.replace("displayName: Checkout", "displayName: Basket");
        let changed = setup(&server, "", &[&title], &[]);
        let line = if product == OPEN { "checksum: " } else { "name: Checkout" };
        expect(name, &changed, 0, &["  ~ ", line, &format!("done: {count} put in place")]);
        assert_eq!(
            server.alert_objects().into_keys().collect::<Vec<_>>(),
            paths,
            "{name}: ids stay"
        );

        let other = title.replace("name: checkout", "name: basket");
        let gone = setup(&server, "", &[&other], &[]);
        expect(name, &gone, 0, &[&format!("done: {count} put in place, {count} removed")]);
        let want: Vec<_> = want.iter().map(|id| id.replace("checkout", "basket")).collect();
        assert_eq!(ids(&server), want, "{name}");

        let removed = setup(&server, "", &[&other], &["--remove"]);
        expect(name, &removed, 0, &[&format!("done: {count} removed")]);
        assert_eq!(ids(&server), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn another_licence_brings_the_other_rules() {
    let server = server(ELASTIC, "9.1.0");
    setup(&server, "", &[CHECKOUT], &[]);
    server.set_licence("trial");
    // The rule of silence is the same.
    expect(
        "to SLOs",
        &setup(&server, "", &[CHECKOUT], &[]),
        0,
        &["done: 2 put in place, 2 removed"],
    );
    assert_eq!(ids(&server), SLOS);
}

#[test]
fn what_is_somebody_elses_stays() {
    for (product, want) in [(ELASTIC, RULES), (OPEN, MONITORS)] {
        let name = &format!("{product:?}");
        let server = server(product, if product == OPEN { "2.19.4" } else { "8.19.2" });
        setup(&server, "", &[CHECKOUT], &[]);
        let staging = "  namespace: staging\n";
        setup(&server, staging, &[CHECKOUT], &[]);
        assert_eq!(server.alert_objects().len(), 2 * want.len(), "{name}: one for each namespace");
        let own = |path: &str| {
            let body = &server.alert_objects()[path];
            let text = body.to_string();
            text.contains("lbproxy-namespace:default") || text.contains("\"namespace\":\"default\"")
        };
        let path = server.alert_objects().into_keys().find(|path| own(path)).unwrap();
        server.edit_alert_object(&path, |body| {
            body["tags"] = json!(["mine"]);
            body["ui_metadata"] = Value::Null;
        });
        let kept = server.alert_objects()[&path].clone();
        let found = setup(&server, "", &[CHECKOUT], &[]);
        expect(name, &found, 1, &["somebody else's, and stays as it is", "somebody else's stays"]);
        assert_eq!(server.alert_objects()[&path], kept, "{name}");

        let gone = setup(&server, "", &[CHECKOUT], &["--remove"]);
        expect(name, &gone, 0, &[&format!("done: {} removed", want.len() - 1)]);
        assert_eq!(server.alert_objects().len(), want.len() + 1, "{name}");
    }
}

#[test]
fn what_stands_in_the_way_is_told_and_changes_nothing() {
    type Prepare = fn(&Running);
    let nothing: Prepare = |_| ();
    let grouped = CHECKOUT.replace("  windows:", "  group_by: [service]\n  windows:");
    let broken = CHECKOUT.replace("budget: 2%", "budget: 200%");
    let denied: Prepare = |server| server.script("GET", "/api/alerting", 401, "{}");
    let unready: Prepare = |server| server.script("POST", "/api/alerting", 500, "{}");
    for (name, version, objectives, prepare, code, texts, left) in [
        (
            "a Kibana without rows",
            "8.18.4",
            &grouped,
            nothing,
            1,
            &["Kibana 8.18.4 makes no alert for each group", "done: 1 put in place"][..],
            1,
        ),
        ("a Kibana with rows", "9.1.0", &grouped, nothing, 0, &["done: 3 put in place"], 3),
        (
            "a file with mistakes",
            "9.1.0",
            &broken,
            nothing,
            1,
            &["the alert rules stay as they are: 1 mistakes in objectives", "lbproxy slo check"],
            0,
        ),
        (
            "credentials",
            "9.1.0",
            &CHECKOUT.to_owned(),
            denied,
            1,
            &["the alert rules stay as they are", "correct the credentials"],
            0,
        ),
        (
            "a change that fails",
            "9.1.0",
            &CHECKOUT.to_owned(),
            unready,
            1,
            &["x alert rule lbp-checkout-1h: the server answers 500", "1 failed, 2 not tried"],
            0,
        ),
        ("an old Kibana", "8.13.0", &CHECKOUT.to_owned(), nothing, 1, &["too old", "8.14"], 0),
    ] {
        let server = server(ELASTIC, version);
        prepare(&server);
        expect(name, &setup(&server, "", &[objectives], &[]), code, texts);
        assert_eq!(server.alert_objects().len(), left, "{name}");
    }
    let plain = server(OPEN, "2.19.4");
    let bare = lbproxy_fakes::start(Options::local(OPEN)).unwrap();
    expect("OpenSearch", &setup(&plain, "", &[CHECKOUT], &["--channel", "a=b"]), 0, &["done: 2"]);
    let none = setup(&bare, "", &[CHECKOUT], &[]);
    expect("no plugin", &none, 0, &["alerts   not installed:", "install opensearch-alerting"]);
    let none = setup(&bare, "", &[], &[]);
    expect("no objectives", &none, 0, &["nothing to do"]);
}

#[test]
fn without_kibana_elasticsearch_has_no_rules_and_it_is_said() {
    let server = server(ELASTIC, "8.19.2");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let text = format!(
        "proxy:\n{}\ntelemetry:\n  elasticsearch: {{urls: [\"{}\"], username: admin, password: \
         Sesame-5601}}\n",
        one_service(&[nobody()], ""),
        server.url()
    );
    std::fs::write(&file, text).unwrap();
    let said = run(&file, &["--only", "alerts"]);
    expect("no URL", &said, 0, &["alerts   not installed: Kibana alone has rules: set telemetry"]);
    let said = run(&file, &["--only", "alerts", "--channel", "nobody"]);
    expect("no channel", &said, 2, &["write ROUTE=ID"]);
}
