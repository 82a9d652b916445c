//! How long documents are kept: a data stream lifecycle on Elasticsearch, a policy of index state
//! management (ISM) on OpenSearch. Both roll an index over by age and size, and delete it so long
//! after that.
//!
//! Background: Elasticsearch "data stream lifecycle", OpenSearch "index state management". Not here:
//! ILM, which an operator's own `NAME@custom` component may choose and which then wins.

use serde_json::{Value, json};

use super::{MANAGED_BY, templates};
use crate::base::clock::micros;
use crate::base::units;
use crate::config::{Keep, Retention};
use crate::record::Dataset;

/// Raised when what is installed changes in anything but the span.
const REVISION: usize = 1;

/// How long a dataset's documents are kept. By name, so that a new dataset is kept as long as
/// records unless it is named here.
pub fn of(retention: &Retention, dataset: Dataset) -> Keep {
    match dataset.as_str() {
        "health" | "heartbeat" => retention.health,
        "process" => retention.process,
        "rollup" => retention.rollup,
        "slo" => retention.slo,
        _ => retention.records,
    }
}

/// The same with everything installed: what is off now may have been installed before.
#[must_use]
pub fn everything(retention: &Retention) -> Retention {
    let on = |keep| if keep == Keep::Off { Keep::Forever } else { keep };
    let Retention { records, health, process, rollup, slo } = *retention;
    Retention {
        records: on(records),
        health: on(health),
        process: on(process),
        rollup: on(rollup),
        slo: on(slo),
    }
}

/// Name of the component template that holds a dataset's lifecycle.
pub fn component_name(dataset: Dataset) -> String {
    format!("{}@retention", dataset.name())
}

/// Name of a dataset's ISM policy.
pub fn policy_name(dataset: Dataset) -> String {
    format!("lbproxy.{}", dataset.as_str())
}

/// The body of `PUT _component_template/NAME@retention`; `None` when it is nobody's business here.
pub fn component(dataset: Dataset, keep: Keep) -> Option<Value> {
    let mut lifecycle = stream_lifecycle(keep)?;
    lifecycle["enabled"] = true.into();
    let description = format!("How long lbproxy {} records are kept", dataset.as_str());
    Some(json!({
        "_meta": templates::meta(&description),
        "template": { "lifecycle": lifecycle },
        "version": REVISION,
    }))
}

/// The body of `PUT _data_stream/NAME/_lifecycle`.
pub fn stream_lifecycle(keep: Keep) -> Option<Value> {
    match keep {
        Keep::For(_) => Some(json!({ "data_retention": span(keep) })),
        Keep::Forever => Some(json!({})),
        Keep::Off => None,
    }
}

/// A span as both products read it.
fn span(keep: Keep) -> Option<String> {
    let Keep::For(span) = keep else { return None };
    Some(units::write_duration(micros(span)))
}

/// The policy in the body of `PUT _plugins/_ism/policies/NAME`.
pub fn policy(dataset: Dataset, keep: Keep) -> Option<Value> {
    let mut transitions = json!([]);
    let mut states = Vec::new();
    match keep {
        Keep::Off => return None,
        Keep::Forever => (),
        Keep::For(_) => {
            let conditions = json!({ "min_rollover_age": span(keep) });
            transitions = json!([{ "state_name": "delete", "conditions": conditions }]);
            states.push(json!({
                "name": "delete", "actions": [{ "delete": {} }], "transitions": [],
            }));
        }
    }
    let rollover = json!({ "min_index_age": "1d", "min_primary_shard_size": "30gb" });
    let hot = json!({
        "name": "write", "actions": [{ "rollover": rollover }], "transitions": transitions,
    });
    states.insert(0, hot);
    let what = format!("how long {} records are kept (revision {REVISION})", dataset.as_str());
    Some(json!({
        "description": format!("managed by {MANAGED_BY}: {what}"),
        "default_state": "write",
        "states": states,
        "ism_template": [{
            "index_patterns": [format!("{}-*", dataset.name())],
            "priority": templates::PRIORITY,
        }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_way_of_keeping_is_said_as_the_products_want_it() {
        let week = Keep::For(Duration::from_hours(7 * 24));
        for (name, keep, lifecycle, states) in [
            ("a week", week, Some(json!({"enabled": true, "data_retention": "7d"})), Some(2)),
            ("forever", Keep::Forever, Some(json!({"enabled": true})), Some(1)),
            ("off", Keep::Off, None, None),
        ] {
            let component = component(Dataset::Access, keep);
            let found = component.map(|component| component["template"]["lifecycle"].clone());
            assert_eq!(found, lifecycle, "{name}");
            let policy = policy(Dataset::Access, keep);
            let found = policy.as_ref().map(|policy| policy["states"].as_array().unwrap().len());
            assert_eq!(found, states, "{name}");
            if let Some(policy) = policy {
                let text = policy.to_string();
                assert_eq!(text.contains("\"min_rollover_age\":\"7d\""), keep == week, "{text}");
                assert_eq!(policy["states"][0]["name"], policy["default_state"]);
            }
        }
    }
}
