//! Ways from a value to where more of it is told: drill-downs, and links made of a field.
//!
//! `x-pack/plugins/dashboard_enhanced/public/services/drilldowns/abstract_dashboard_drilldown` (free; its trigger
//! is a filter, its target a reference), `x-pack/plugins/drilldowns/url_drilldown` (not free),
//! `src/plugins/field_formats/common/converters/url.ts` (what is relative stands below `/app`).

use serde_json::Value;

use super::Findings;

/// Checks the events of a panel; `reference` is what a reference of the dashboard leads to.
pub(super) fn panel(
    panel: &Value,
    reference: impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    let id = panel["panelIndex"].as_str().unwrap_or_default();
    let events = &panel["embeddableConfig"]["enhancements"]["dynamicActions"]["events"];
    for event in events.as_array().into_iter().flatten() {
        let (action, own) = (&event["action"], event["eventId"].as_str().unwrap_or_default());
        let kind = action["factoryId"].as_str().unwrap_or_default();
        findings.require(
            kind == "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
            format!("the drill-down {kind} is not in every licence"),
            "lead to a board",
        );
        findings.require(
            reference(&format!("{id}:drilldown:{kind}:{own}:dashboardId")).as_deref()
                == Some("dashboard"),
            format!("the drill-down {own} leads nowhere"),
            "add its reference",
        );
        findings.require(
            event["triggers"] == serde_json::json!(["FILTER_TRIGGER"]),
            format!("the drill-down {own} is never offered"),
            "let a filter trigger it",
        );
        let keeps = |key: &str| action["config"][key] == true;
        findings.require(
            keeps("useCurrentFilters") && keeps("useCurrentDateRange"),
            format!("the drill-down {own} loses what was chosen"),
            "take range and filters along",
        );
        findings.require(
            !action["name"].as_str().unwrap_or_default().is_empty(),
            "a drill-down without name",
            "say where it leads",
        );
    }
}

/// The address that a link of a view leads to, below a base path.
fn address(template: &str, base: &str) -> String {
    let rest = template.replace("{{value}}", "4bf92f35");
    let mut parts: Vec<&str> = Vec::new();
    let whole = if rest.starts_with(if base.is_empty() { "/" } else { base }) {
        rest
    } else {
        let between = if rest.starts_with('/') { "" } else { "/" };
        format!("{base}/app{between}{rest}")
    };
    // As a browser reads it.
    for part in whole.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

/// Checks that links made of fields lead to an application, in every space.
pub(super) fn links(attributes: &Value, findings: &mut Findings) {
    for (path, format) in attributes["fieldFormatMap"].as_object().into_iter().flatten() {
        let Some(template) = format["params"]["urlTemplate"].as_str() else { continue };
        for base in ["", "/s/ops", "/kibana"] {
            let found = address(template, base);
            let below = found.strip_prefix(base).unwrap_or_default();
            findings.require(
                below == "/app/apm/link-to/trace/4bf92f35",
                format!("`{path}` leads to `{found}` below `{base}`"),
                "begin with `../app/`",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_as_kibana_and_a_browser_make_them() {
        for (template, base, want) in [
            ("../app/apm/{{value}}", "", "/app/apm/4bf92f35"),
            ("../app/apm/{{value}}", "/s/ops", "/s/ops/app/apm/4bf92f35"),
            ("/app/apm/{{value}}", "", "/app/apm/4bf92f35"),
            ("/app/apm/{{value}}", "/s/ops", "/s/ops/app/app/apm/4bf92f35"),
            ("app/apm", "/s/ops", "/s/ops/app/app/apm"),
        ] {
            assert_eq!(address(template, base), want, "{template} below {base}");
        }
    }
}
