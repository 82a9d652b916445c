//! What OpenSearch Dashboards keeps on the way from one board to the next: range, refresh, and what is chosen
//! from lists.
//!
//! `src/plugins/dashboard/public/application/utils/use/use_saved_dashboard_instance.ts`: a board that restores
//! its range does so each time it is opened, and a link says no range. `input_control_vis`,
//! `control/filter_manager/filter_manager.ts` (`findFilters`): a list knows its filter again by its own id.

use serde_json::Value;

use super::Findings;

/// What is chosen when a board is opened: range and refresh.
type Chosen = (String, Value);

/// What is chosen after a board has been opened by a link.
fn opened(dashboard: &Value, (range, refresh): Chosen) -> Chosen {
    if dashboard["timeRestore"] != true {
        return (range, refresh);
    }
    let range = match (dashboard["timeFrom"].as_str(), dashboard["timeTo"].as_str()) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        _ => range,
    };
    let restored = &dashboard["refreshInterval"];
    (range, if restored.is_null() { refresh } else { restored.clone() })
}

/// Checks that a board leaves range and refresh as they are.
pub(super) fn dashboard(attributes: &Value, findings: &mut Findings) {
    let chosen =
        ("now-3h to now".to_owned(), serde_json::json!({ "pause": false, "value": 5_000 }));
    findings.require(
        opened(attributes, chosen.clone()) == chosen,
        "a link to it resets range or refresh",
        "do not restore them",
    );
}

/// Checks how often a board of Kibana asks anew: a link takes no refresh along and what runs goes on, so that
/// one board is enough, and one that is led to does not start again what somebody has stopped
/// (`links/public/components/dashboard_link/dashboard_link_component.tsx`, `unified_search_manager.ts`).
pub(super) fn refresh(object: &Value, is_first: bool, findings: &mut Findings) {
    let refresh = &object["attributes"]["refreshInterval"];
    findings.require(
        refresh.is_object() == is_first,
        "the refresh is not that of the first board",
        "let the first board start it, and no other",
    );
    let every_ms = refresh["value"].as_u64().unwrap_or_default();
    let is_calm = refresh["pause"] == false && (30_000..=60_000).contains(&every_ms);
    findings.require(
        refresh.is_null() || is_calm && object["attributes"]["timeRestore"] == true,
        format!("it asks anew every {every_ms} ms, or never"),
        "let it be 30 to 60 s, of a board that restores its range",
    );
}

/// Checks that an object has the tag, by which everything of ours is found.
pub(super) fn tag(object: &Value, findings: &mut Findings) {
    let mut references = object["references"].as_array().into_iter().flatten();
    let has_tag = references.any(|own| own["type"] == "tag");
    findings.require(has_tag, "an object without a tag", "add the reference to it");
}

/// Checks that the list of a field has one id on all boards, and no other list that id: then what is chosen
/// on one board is seen and changed on the next.
pub(super) fn lists(objects: &[Value], findings: &mut Findings) {
    let mut known: Vec<(&str, &str)> = Vec::new();
    findings.panel.clear();
    for object in objects {
        object["id"].as_str().unwrap_or_default().clone_into(&mut findings.board);
        let controls = object["attributes"]["visState"]["params"]["controls"].as_array();
        for control in controls.into_iter().flatten() {
            let text = |key: &str| control[key].as_str().unwrap_or_default();
            let own = (text("id"), text("fieldName"));
            let is_other = |other: &(&str, &str)| (other.0 == own.0) != (other.1 == own.1);
            findings.require(
                !known.iter().any(is_other),
                format!("the list of `{}` is not known again by `{}`", own.1, own.0),
                "give the list of a field the same id on all boards",
            );
            known.push(own);
        }
    }
}
