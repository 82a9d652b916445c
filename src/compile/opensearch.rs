//! OpenSearch: a monitor for each objective, with a trigger for each row of windows, and one for silence.
//!
//! Monitors are of bucket level also where there is one series for all: those of query level tell nobody that
//! an alert is over. Windows are added up from events, over all instances, and compared as lbproxy does it.
//! Shapes are those of the plugin's own reader (`common-utils`, `alerting/model`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::alert_object::{AlertApi, AlertObject, compiled, key};
use super::kibana_query::decimal;
use super::{AbsenceRule, BurnRule, Compiled, Feature, Site, Subject, Support, Tool, fields, told};
use crate::slo::Severity;

pub(super) static TOOL: Tool = Tool {
    name: "opensearch",
    title: "OpenSearch (alerting monitors)",
    loading: LOADING,
    support,
    compile,
};

const LOADING: &str = "\
Monitors over `metrics-lbproxy.slo-*`: of bucket level, with a trigger for each window, and one of query level for \
silence. `lbproxy setup` installs, changes and removes them where the plugin `opensearch-alerting` is \
([set-up](setup.md#alerts)). By hand; the first line tries one:

```sh
jq .body rules/lbp-availability.json | curl -X POST 'http://localhost:9200/_plugins/_alerting/monitors/_execute?dryrun=true' \
-H 'Content-Type: application/json' -d @-
jq .body rules/lbp-availability.json | curl -X POST http://localhost:9200/_plugins/_alerting/monitors \
-H 'Content-Type: application/json' -d @-
```

`--channel ROUTE=ID`: ids of channels of the plugin `notifications`.";

/// The aggregation whose buckets are the groups.
const GROUPS: &str = "groups";
/// Groups that are read at a time; the plugin reads page after page.
const PAGE: u64 = 100;
/// Minutes after which silence is told again.
const REPEAT_MINUTES: u64 = 60;

fn support(feature: Feature) -> Support {
    match feature {
        Feature::Windows => Support::Whole("sums of events, a minute or two after lbproxy"),
        Feature::LeastEvents | Feature::Instances => Support::Whole(""),
        Feature::Groups => Support::Whole("an alert of each group; `_other` is one"),
        Feature::NoData => Support::Partly {
            why: "a monitor of query level: it tells each hour while silence lasts, and no end",
            instead: "close it by hand, or let lbproxy notify (docs/slo.md)",
        },
        Feature::KeptFiring => Support::Absent {
            why: "an alert whose windows have no event is over, also when records stop",
            instead: "watch records by the monitor of `no_data` and by shipping-completeness",
        },
        Feature::OneAlert => Support::Partly {
            why: "each row of windows is a trigger with alerts of its own",
            instead: "take the alerts of one monitor together",
        },
        Feature::Patience => Support::Absent {
            why: "it fires at the first look, and ends at the first that is clean",
            instead: "the short window alone keeps an alert from coming and going",
        },
        Feature::Resolve => Support::Whole("actions run for NEW and COMPLETED"),
        Feature::Maintenance => Support::Partly {
            why: "events of that time are in no document; silence is told all the same",
            instead: "disable the monitor of `no_data` meanwhile",
        },
        Feature::Calendar => Support::Partly {
            why: "alerts are of burn rates; the budget of the month or week is not shown",
            instead: "see it on lbproxy's page and board of objectives",
        },
        Feature::Routes => Support::Whole("ids of channels"),
        Feature::Links => Support::Partly {
            why: "they stand in messages alone",
            instead: "name a channel, so that there are messages",
        },
    }
}

/// Of each objective: the monitor of its windows, the one of silence.
pub fn monitors(subjects: &[Subject], site: &Site) -> Vec<AlertObject> {
    let of = |subject: &Subject| {
        let burn = (!subject.rules.is_empty()).then(|| burn_monitor(subject, site));
        let silence = subject.absence.as_ref().map(|absence| silence(subject, absence, site));
        burn.into_iter().chain(silence)
    };
    subjects.iter().flat_map(of).collect()
}

fn compile(subjects: &[Subject], site: &Site) -> Compiled {
    compiled(&TOOL, subjects, site, monitors, |_| None)
}

/// A monitor that looks each minute.
fn monitor(id: &str, kind: &str, input: &Value, triggers: &[Value], site: &Site) -> AlertObject {
    let body = json!({
        "type": "monitor",
        "name": key(AlertApi::Monitor, id, site),
        "monitor_type": kind,
        "enabled": true,
        "schedule": { "period": { "interval": 1, "unit": "MINUTES" } },
        "inputs": [{ "search": input }],
        "triggers": triggers,
    });
    AlertObject::new(AlertApi::Monitor, id, body, site)
}

/// Documents of the last minutes; the start of a minute stands for all of it.
fn since(minutes: u64) -> Value {
    let start = format!("{{{{period_end}}}}||-{minutes}m");
    json!({ "range": { fields::TIME: { "gt": start, "format": "epoch_millis" } } })
}

/// The name of what is added up over so many minutes.
fn over(minutes: u64) -> String {
    format!("m{minutes}")
}

/// The monitor of an objective's windows.
fn burn_monitor(subject: &Subject, site: &Site) -> AlertObject {
    let objective = &subject.objective;
    let spans: BTreeSet<u64> = subject.rules.iter().flat_map(told::minutes).collect();
    let longest = spans.last().copied().unwrap_or(1);
    let sums = json!({
        "valid": { "sum": { "field": fields::VALID } },
        "bad": { "sum": { "field": fields::BAD } },
    });
    let windows: Map<String, Value> = spans
        .iter()
        .map(|&minutes| (over(minutes), json!({ "filter": since(minutes), "aggregations": sums })))
        .collect();
    let by = objective.group_by.iter().map(|&one| fields::dimension(one));
    let sources: Vec<_> = [fields::NAME]
        .into_iter()
        .chain(by)
        .map(|field| json!({ field: { "terms": { "field": field } } }))
        .collect();
    let input = json!({
        "indices": [fields::stream(site)],
        "query": {
            "size": 0,
            "query": { "bool": { "filter": [
                { "term": { fields::NAME: objective.name } }, since(longest),
            ]}},
            "aggregations": { GROUPS: {
                "composite": { "size": PAGE, "sources": sources },
                "aggregations": windows,
            }},
        },
    });
    let triggers: Vec<_> =
        subject.rules.iter().map(|row| burn_trigger(subject, row, site)).collect();
    monitor(&subject.id, "bucket_level_monitor", &input, &triggers, site)
}

/// The trigger of a row of windows.
fn burn_trigger(subject: &Subject, row: &BurnRule, site: &Site) -> Value {
    let [long, short] = told::minutes(row);
    let path = |minutes: u64, sum: &str| format!("{}>{sum}", over(minutes));
    let text = subject.burns(row);
    let message = format!(
        "{{{{#ctx.newAlerts}}}}FIRING: {text} ({{{{bucket_keys}}}}).{{{{/ctx.newAlerts}}}}\
         {{{{#ctx.completedAlerts}}}}RESOLVED: {text} ({{{{bucket_keys}}}}).{{{{/ctx.completedAlerts}}}}{}",
        told::links(subject, site)
    );
    let per_alert = json!({ "actionable_alerts": ["NEW", "COMPLETED"] });
    let scope = json!({ "action_execution_scope": { "per_alert": per_alert } });
    let extra = json!({ "throttle_enabled": false, "action_execution_policy": scope });
    json!({ "bucket_level_trigger": {
        "id": row.id,
        "name": text,
        "severity": severity(row.window.severity),
        "condition": {
            "buckets_path": {
                "long_valid": path(long, "valid"), "long_bad": path(long, "bad"),
                "short_valid": path(short, "valid"), "short_bad": path(short, "bad"),
            },
            "parent_bucket_path": GROUPS,
            "script": { "source": condition(subject, row), "lang": "painless" },
            "gap_policy": "skip",
        },
        "actions": actions(subject, site, &row.id, &text, &message, &extra),
    }})
}

/// When a row fires: as `slo::burn` has it, with the same numbers in the same order.
pub(super) fn condition(subject: &Subject, row: &BurnRule) -> String {
    let objective = &subject.objective;
    let (allowed, factor) = (decimal(objective.target.allowed()), decimal(row.factor));
    format!(
        "params.long_valid >= {} && params.long_bad >= {} && params.short_valid > 0 && \
         params.long_bad / params.long_valid / {allowed} >= {factor} && \
         params.short_bad / params.short_valid / {allowed} >= {factor}",
        objective.min_total.max(1),
        objective.min_bad
    )
}

/// As the plugin counts: 1 is the worst of 5.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "1",
        Severity::Ticket => "3",
    }
}

/// An action of each channel of the objective.
fn actions(
    subject: &Subject,
    site: &Site,
    id: &str,
    title: &str,
    message: &str,
    extra: &Value,
) -> Vec<Value> {
    let template = |text: &str| json!({ "source": text, "lang": "mustache" });
    let action = |(place, channel): (usize, &&str)| {
        let mut action = json!({
            "id": format!("{id}-{place}"),
            "name": format!("tell {channel}"),
            "destination_id": channel,
            "subject_template": template(title),
            "message_template": template(message),
        });
        if let (Some(action), Some(extra)) = (action.as_object_mut(), extra.as_object()) {
            action.extend(extra.clone());
        }
        action
    };
    told::channels(subject, site).0.iter().enumerate().map(action).collect()
}

/// The monitor of silence. Where there is no document there is no bucket, so it is one of query level.
fn silence(subject: &Subject, absence: &AbsenceRule, site: &Site) -> AlertObject {
    let minutes = told::whole_minutes(absence.after);
    let input = json!({
        "indices": [fields::stream(site), fields::heartbeats(site)],
        "query": {
            "size": 0,
            "query": { "bool": { "filter": [since(minutes)] } },
            "aggregations": {
                "objective": {
                    "filter": { "term": { fields::NAME: subject.objective.name } },
                    "aggregations": { "valid": { "sum": { "field": fields::VALID } } },
                },
                "heartbeats": { "filter": { "exists": { "field": fields::HEARTBEAT } } },
            },
        },
    });
    let text = subject.is_silent(absence);
    let message = format!(
        "{text}; heartbeats meanwhile: {{{{ctx.results.0.aggregations.heartbeats.doc_count}}}}.{}",
        told::links(subject, site)
    );
    let throttle = json!({ "value": REPEAT_MINUTES, "unit": "MINUTES" });
    let extra = json!({ "throttle_enabled": true, "throttle": throttle });
    let source = "ctx.results[0].aggregations.objective.valid.value == 0";
    let trigger = json!({ "query_level_trigger": {
        "id": absence.id,
        "name": text,
        "severity": severity(absence.severity),
        "condition": { "script": { "source": source, "lang": "painless" } },
        "actions": actions(subject, site, &absence.id, &text, &message, &extra),
    }});
    monitor(&absence.id, "query_level_monitor", &input, &[trigger], site)
}
