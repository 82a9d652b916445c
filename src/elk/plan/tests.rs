//! Goal: each state that a server can be in leads to the right step. Method: an artefact, a body as
//! a server gives it back, and the step, row by row.

use serde_json::json;

use super::*;
use crate::config::{Keep, Retention};
use crate::elk::artefact::{Api, Settings, wanted};
use crate::elk::server::{Server, Version};
use crate::elk::{Product, access, templates};

/// Everything for a product, with a stream that is there already.
fn all(product: Product) -> Vec<Artefact> {
    let server = Server {
        product,
        version: Version::parse("99.0.0"),
        licence: None,
        user: None,
        plugins: Vec::new(),
        is_serverless: false,
    };
    let week = Keep::For(std::time::Duration::from_hours(7 * 24));
    let retention =
        Retention { records: week, health: week, process: week, rollup: week, slo: Keep::Off };
    let streams = ["logs-lbproxy.access-default".to_owned()];
    let (credentials, rights) = (&[access::Credentials::User], access::Rights::Lookup);
    wanted(
        &server,
        Settings { retention: &retention, credentials, rights, streams: &streams, custom: &[] },
    )
}

fn artefact(product: Product, api: Api, name: &str) -> Artefact {
    let mut all = all(product).into_iter();
    all.find(|artefact| artefact.api == api && artefact.name == name).unwrap()
}

/// A body as it was found.
fn present(body: Value) -> Found {
    Found::Present(Present { body, sequence: None })
}

/// Checks what is to be done about `wanted` when `found` is there.
fn check(name: &str, wanted: &Artefact, found: Value, mode: Mode, want: &str) -> Vec<Change> {
    let action = action(wanted, &present(found), mode, &[]);
    assert_eq!(action.as_str(), want, "{name}: {action:?}");
    match action {
        Action::Update(changes) | Action::Differs(changes) => changes,
        _ => Vec::new(),
    }
}

#[test]
fn a_component_template_as_servers_give_it_back_is_unchanged() {
    let wanted = artefact(Product::Elasticsearch, Api::ComponentTemplate, templates::SETTINGS);
    let as_given_back = json!({
        "template": {
            "settings": {"index": {
                "codec": "best_compression", "number_of_shards": "1", "auto_expand_replicas": "0-1",
            }},
            "data_stream_options": {"failure_store": {"enabled": true}},
        },
        "version": 1, "_meta": wanted.body["_meta"],
    });
    let with = |pointer: &str, value: Value| {
        let mut body = as_given_back.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let more = with(
        "/template/settings/index",
        json!({
            "codec": "best_compression", "number_of_shards": "1", "auto_expand_replicas": "0-1",
            "refresh_interval": "1h",
        }),
    );
    let other = with("/template/settings/index/codec", json!("default"));
    let rows = [
        ("as it is", as_given_back.clone(), Mode::Setup, "unchanged", vec![]),
        ("as it is, at a start", as_given_back.clone(), Mode::Start, "unchanged", vec![]),
        (
            "another value",
            other.clone(),
            Mode::Setup,
            "update",
            vec!["template.settings.index.codec"],
        ),
        (
            "another value, at a start",
            other,
            Mode::Start,
            "differs",
            vec!["template.settings.index.codec"],
        ),
        (
            "one more value",
            more,
            Mode::Setup,
            "update",
            vec!["template.settings.index.refresh_interval"],
        ),
        ("older", with("/version", json!(0)), Mode::Start, "update", vec!["version"]),
        ("newer", with("/version", json!(7)), Mode::Setup, "newer", vec![]),
        ("somebody else's", with("/_meta", json!({})), Mode::Setup, "foreign", vec![]),
        (
            "somebody else's",
            with("/_meta", json!({"managed_by": "x"})),
            Mode::Remove,
            "foreign",
            vec![],
        ),
        ("to be removed", as_given_back.clone(), Mode::Remove, "remove", vec![]),
    ];
    for (name, found, mode, want, paths) in rows {
        let changes = check(name, &wanted, found, mode, want);
        let found: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(found, paths, "{name}");
    }
}

#[test]
fn what_is_not_there_or_cannot_be_seen_has_a_step_of_its_own() {
    let wanted = artefact(Product::OpenSearch, Api::Policy, "lbproxy.access");
    let streams = ["logs-lbproxy.access-x".to_owned()];
    let denied = Found::MayNotLook("no".to_owned());
    for (found, mode, want) in [
        (Found::Missing, Mode::Setup, "create"),
        (Found::Missing, Mode::Start, "create"),
        (Found::Missing, Mode::Remove, "absent"),
        (Found::NoApi, Mode::Setup, "not_supported"),
        (Found::NoApi, Mode::Remove, "not_supported"),
        (denied, Mode::Setup, "forbidden"),
        (present(wanted.body.clone()), Mode::Remove, "in_use"),
    ] {
        let action = action(&wanted, &found, mode, &streams);
        assert_eq!(action.as_str(), want, "{found:?} {mode:?}");
    }
}

#[test]
fn policies_roles_and_users_are_compared_with_what_servers_add() {
    let policy = artefact(Product::OpenSearch, Api::Policy, "lbproxy.access");
    let mut found = policy.body.clone();
    found["policy_id"] = "lbproxy.access".into();
    found["schema_version"] = 21.into();
    found["error_notification"] = Value::Null;
    found["ism_template"][0]["last_updated_time"] = 1.into();
    found["states"][0]["actions"][0]["retry"] = json!({"count": 3, "delay": "1m"});
    found["states"][0]["actions"][0]["rollover"]["copy_alias"] = false.into();
    check("policy", &policy, found.clone(), Mode::Setup, "unchanged");
    found["states"][0]["transitions"][0]["conditions"]["min_rollover_age"] = "400d".into();
    let changes = check("another span", &policy, found.clone(), Mode::Setup, "update");
    assert_eq!((changes.len(), changes[0].to.as_deref()), (1, Some("7d")), "{changes:?}");
    check("another span at a start", &policy, found.clone(), Mode::Start, "differs");
    found["description"] = "ours".into();
    check("a policy of others", &policy, found, Mode::Setup, "foreign");

    let role = artefact(Product::Elasticsearch, Api::Role, access::ROLE);
    let mut found = role.body.clone();
    found["run_as"] = json!([]);
    found["applications"] = json!([]);
    found["indices"][0]["allow_restricted_indices"] = false.into();
    check("role", &role, found.clone(), Mode::Setup, "unchanged");
    found["indices"][0]["privileges"] = json!(["all"]);
    check("a role that may more", &role, found, Mode::Setup, "update");

    let user = artefact(Product::Elasticsearch, Api::User, access::USER);
    let mut found = user.body.clone();
    found["enabled"] = true.into();
    check("user", &user, found.clone(), Mode::Setup, "unchanged");
    found["metadata"] = json!({});
    check("a user of others", &user, found, Mode::Setup, "foreign");
}

#[test]
fn a_stream_that_is_there_gets_its_retention_unless_another_policy_has_it() {
    let stream = "logs-lbproxy.access-default";
    let lifecycle = artefact(Product::Elasticsearch, Api::StreamLifecycle, stream);
    let attached = artefact(Product::OpenSearch, Api::PolicyOfStream, stream);
    let policy = |id: Value| {
        let key = "index.plugins.index_state_management.policy_id";
        let answer = json!({".ds-x-000001": {key: id}, "total_managed_indices": 1});
        Api::PolicyOfStream.present(stream, &answer).map_or(Found::Missing, Found::Present)
    };
    let set = |lifecycle| {
        let answer = json!({"data_streams": [{"name": stream, "lifecycle": lifecycle}]});
        Api::StreamLifecycle.present(stream, &answer).map_or(Found::Missing, Found::Present)
    };
    for (wanted, found, want) in [
        (&lifecycle, set(json!({"enabled": true, "data_retention": "7d"})), "unchanged"),
        (&lifecycle, set(json!({"enabled": true, "data_retention": "90d"})), "update"),
        (&lifecycle, set(json!({"enabled": true})), "update"),
        (&lifecycle, set(Value::Null), "create"),
        (&attached, policy(json!("lbproxy.access")), "unchanged"),
        (&attached, policy(Value::Null), "create"),
        (&attached, policy(json!("another")), "foreign"),
    ] {
        assert_eq!(action(wanted, &found, Mode::Setup, &[]).as_str(), want, "{found:?}");
    }
}

#[test]
fn a_template_of_the_smallest_types_is_as_good_where_it_was_put() {
    let template = artefact(Product::Elasticsearch, Api::IndexTemplate, "metrics-lbproxy.rollup");
    let instead = template.instead.clone().unwrap();
    assert_ne!(instead, template.body);
    check("smallest", &template, instead, Mode::Setup, "unchanged");
}
