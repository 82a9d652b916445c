//! Kibana with a Platinum licence: an SLO for each objective, and its burn-rate rule.
//!
//! An SLO counts the events of lbproxy's own documents (`sli.metric.custom`), not requests by KQL: what counts,
//! groups and maintenance are then lbproxy's to the last event, and a transform reads a document a minute
//! instead of one a request. Shapes are those of Kibana's schemas (`kbn-slo-schema`, `rule_params`).

use std::time::Duration;

use serde_json::{Value, json};

use super::alert_object::{AlertApi, AlertObject, compiled, key};
use super::kibana_query::{of_both, silence};
use super::kibana_rule::{Draft, rule};
use super::{Compiled, Feature, Loss, Site, Subject, Support, Tool, fields, told};
use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::slo::{Period, Severity};

pub(super) static TOOL: Tool = Tool {
    name: "kibana-slo",
    title: "Kibana, Platinum licence (SLOs and burn-rate rules)",
    loading: LOADING,
    support,
    compile,
};

const LOADING: &str = "\
An SLO (`sli.metric.custom` over `metrics-lbproxy.slo-*`) and a burn-rate rule for each objective. `lbproxy setup` \
installs, changes and removes them where the licence is Platinum, Enterprise or a trial ([set-up](setup.md#alerts)). \
By hand, each file as for query rules above, to the path that stands as its `request`, SLOs first. Kibana 8.14 or newer, nodes with the \
roles `transform` and `ingest`, and `xpack.encryptedSavedObjects.encryptionKey`.";

/// How long documents may take to arrive: one stands for a minute and is written after it.
const SYNC_DELAY: &str = "3m";
/// Rolling periods that Kibana takes, in days.
const ROLLING_DAYS: [u64; 3] = [7, 30, 90];
/// The type of these rules, and the application that shows them.
const RULE_TYPE: &str = "slo.rules.burnRate";
/// See [`RULE_TYPE`].
const CONSUMER: &str = "slo";
/// Groups of their actions: critical, high, medium, low.
const GROUPS: [&str; 4] =
    ["slo.burnRate.alert", "slo.burnRate.high", "slo.burnRate.medium", "slo.burnRate.low"];

fn support(feature: Feature) -> Support {
    match feature {
        Feature::Windows => Support::Whole("three to five minutes after lbproxy"),
        Feature::LeastEvents => Support::Absent {
            why: "a burn-rate rule knows no least number of events",
            instead: "where traffic is thin, write longer windows or use kibana-query",
        },
        Feature::Groups => Support::Whole("an instance of each group; `_other` is one"),
        Feature::Instances | Feature::Resolve => Support::Whole(""),
        Feature::NoData => Support::Whole("by an Elasticsearch query rule"),
        Feature::OneAlert => {
            Support::Whole("pages and tickets too: the first row that burns counts")
        }
        Feature::Calendar => Support::Whole("UTC"),
        Feature::Routes => Support::Whole("ids of connectors"),
        shared => of_both(shared),
    }
}

/// Of each objective: the SLO, its burn-rate rule, a rule for silence; in the order in which they are made.
pub fn objects(subjects: &[Subject], site: &Site) -> Vec<AlertObject> {
    let of = |subject: &Subject| {
        let mut all = vec![slo(subject, site)];
        all.extend((!subject.rules.is_empty()).then(|| burn_rule(subject, site)));
        all.extend(silence(subject, site));
        all
    };
    subjects.iter().flat_map(of).collect()
}

fn compile(subjects: &[Subject], site: &Site) -> Compiled {
    compiled(&TOOL, subjects, site, objects, period_loss)
}

fn slo(subject: &Subject, site: &Site) -> AlertObject {
    let objective = &subject.objective;
    let sum = |field: &str| {
        let metric = json!({ "name": "A", "aggregation": "sum", "field": field });
        json!({ "metrics": [metric], "equation": "A" })
    };
    let by: Vec<_> = objective.group_by.iter().map(|&one| fields::dimension(one)).collect();
    let group_by = match by.as_slice() {
        [] => json!("*"),
        [only] => json!(only),
        several => json!(several),
    };
    let description = match objective.description.as_str() {
        "" => format!("{} % of events are good.", objective.target),
        text => text.to_owned(),
    };
    let body = json!({
        "id": key(AlertApi::Slo, &subject.id, site),
        "name": objective.title,
        "description": description,
        "indicator": { "type": "sli.metric.custom", "params": {
            "index": fields::stream(site),
            "timestampField": fields::TIME,
            "filter": format!("{}: \"{}\"", fields::NAME, objective.name),
            "good": sum(fields::GOOD),
            "total": sum(fields::VALID),
        }},
        "timeWindow": time_window(objective.period),
        "budgetingMethod": "occurrences",
        "objective": { "target": f64::from(objective.target.ppm()) / 1e6 },
        "settings": { "syncDelay": SYNC_DELAY, "frequency": "1m", "preventInitialBackfill": false },
        "groupBy": group_by,
        "tags": told::tags(subject, None),
    });
    AlertObject::new(AlertApi::Slo, &subject.id, body, site)
}

/// The period as Kibana has it; of a rolling one that it does not take, the nearest that it does.
fn time_window(period: Period) -> Value {
    match period {
        Period::Rolling(length) => {
            json!({ "duration": format!("{}d", nearest_days(length)), "type": "rolling" })
        }
        Period::Month { .. } => json!({ "duration": "1M", "type": "calendarAligned" }),
        Period::Week { .. } => json!({ "duration": "1w", "type": "calendarAligned" }),
    }
}

/// The rolling period, in days, that is nearest.
fn nearest_days(length: Duration) -> u64 {
    let distance = |days: &u64| Duration::from_hours(days * 24).abs_diff(length);
    ROLLING_DAYS.into_iter().min_by_key(distance).unwrap_or(30)
}

/// What is lost of the period.
fn period_loss(subject: &Subject) -> Option<Loss> {
    let objective = &subject.objective;
    let (why, instead) = match objective.period {
        Period::Rolling(length) => {
            let days = nearest_days(length);
            let is_same = Duration::from_hours(days * 24) == length;
            if is_same {
                return None;
            }
            let own = write_duration(micros(length));
            (
                format!(
                    "the budget is that of {days} days, not {own}: Kibana takes 7, 30 and 90 days"
                ),
                "burn rates and alerts are the objective's own; write one of these periods for the rest",
            )
        }
        Period::Month { offset_minutes: 0 } | Period::Week { offset_minutes: 0 } => return None,
        Period::Month { .. } | Period::Week { .. } => (
            "the month or week begins at midnight UTC".to_owned(),
            "see the budget on lbproxy's page and board of objectives",
        ),
    };
    let what = "the period".to_owned();
    Some(Loss { objective: objective.name.clone(), what, why, instead: instead.to_owned() })
}

/// The burn-rate rule: all rows of windows.
fn burn_rule(subject: &Subject, site: &Site) -> AlertObject {
    let objective = &subject.objective;
    let (mut windows, mut groups) = (Vec::new(), Vec::new());
    for row in &subject.rules {
        let (first, next) = match row.window.severity {
            Severity::Page => (GROUPS[0], GROUPS[1]),
            Severity::Ticket => (GROUPS[2], GROUPS[3]),
        };
        let group = if groups.contains(&first) { next } else { first };
        if !groups.contains(&group) {
            groups.push(group);
        }
        let [long, short] = told::minutes(row).map(span);
        windows.push(json!({
            "id": row.id,
            "burnRateThreshold": row.factor,
            // With every event bad it burns no faster.
            "maxBurnRateThreshold": 1.0 / objective.target.allowed(),
            "longWindow": long,
            "shortWindow": short,
            "actionGroup": group,
        }));
    }
    let draft = Draft {
        id: &format!("{}_burn-rate", subject.id),
        name: format!("{}: the error budget burns too fast", objective.title),
        rule_type: RULE_TYPE,
        consumer: CONSUMER,
        params: json!({
            "sloId": key(AlertApi::Slo, &subject.id, site), "windows": windows, "dependencies": [],
        }),
        severity: None,
        groups: &groups,
        looks: 2,
        found: "{{context.reason}}",
    };
    rule(&draft, subject, site)
}

/// A span in hours where it is whole ones, which is what Kibana's form shows, else in minutes.
fn span(minutes: u64) -> Value {
    if minutes.is_multiple_of(60) {
        json!({ "value": minutes / 60, "unit": "h" })
    } else {
        json!({ "value": minutes, "unit": "m" })
    }
}
