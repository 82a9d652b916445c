//! Kibana without a paid licence: `.es-query` rules in ES|QL over the documents of objectives.
//!
//! One rule for each row of windows: both windows are added up from events, over all instances, and compared as
//! lbproxy does it, with the same numbers in the same order of operations. Not here: what all rules have in
//! common (`kibana_rule`).

use serde_json::{Value, json};

use super::alert_object::{AlertObject, compiled};
use super::kibana_rule::{Draft, rule};
use super::{BurnRule, Compiled, Feature, Site, Subject, Support, Tool, fields, told};
use crate::slo::Dimension;

pub(super) static TOOL: Tool = Tool {
    name: "kibana-query",
    title: "Kibana, any licence (Elasticsearch query rules)",
    loading: LOADING,
    support,
    compile,
};

const LOADING: &str = "\
Rules in ES|QL over `metrics-lbproxy.slo-*`. `lbproxy setup` installs, changes and removes them \
([set-up](setup.md#alerts)). By hand:

```sh
lbproxy slo compile --to kibana-query --out rules
jq .body rules/lbp-availability-1h.json | curl -X POST http://localhost:5601$(jq -r .request \
rules/lbp-availability-1h.json | cut -d' ' -f2) -H 'kbn-xsrf: true' -H 'Content-Type: application/json' -d @-
```

To change one, `PUT` the body without `consumer`, `rule_type_id` and `enabled`. Kibana 8.14 or newer, with \
`xpack.encryptedSavedObjects.encryptionKey`; objectives with `group_by` need 8.19, 9.1 or newer, which make an alert \
of each row. A rule runs with the rights of whoever put it.";

/// The type of these rules, and the group of their actions.
const RULE_TYPE: &str = ".es-query";
/// See [`RULE_TYPE`].
const GROUP: &str = "query matched";
/// The application that shows them.
const CONSUMER: &str = "stackAlerts";

pub(super) const DELIVERY_WHY: &str =
    "Kibana's free licence delivers to an index and to Kibana's own log alone";
pub(super) const DELIVERY_INSTEAD: &str =
    "let lbproxy notify (docs/slo.md); these rules are a second pair of eyes";

fn support(feature: Feature) -> Support {
    match feature {
        Feature::Windows => Support::Whole("sums of events, a minute or two after lbproxy"),
        Feature::LeastEvents | Feature::Instances => Support::Whole(""),
        Feature::Groups => Support::Whole("an alert of each group; `_other` is one"),
        Feature::NoData => Support::Whole("says whether heartbeats come"),
        Feature::OneAlert => Support::Partly {
            why: "each row of windows is a rule with alerts of its own",
            instead: "take the alerts of one objective together by the tag `objective:NAME`",
        },
        Feature::Resolve | Feature::Routes => {
            Support::Partly { why: DELIVERY_WHY, instead: DELIVERY_INSTEAD }
        }
        shared => of_both(shared),
    }
}

/// What every rule of Kibana does of what objectives ask for.
pub(super) fn of_both(feature: Feature) -> Support {
    match feature {
        Feature::KeptFiring => Support::Absent {
            why: "a rule that finds nothing recovers, also when records stop",
            instead: "watch records by the rule of `no_data` and by shipping-completeness",
        },
        Feature::Patience => Support::Partly {
            why: "it fires at the second look, and ends at the first that is clean",
            instead: "set flapping detection in Kibana's rule settings",
        },
        Feature::Maintenance => Support::Partly {
            why: "events of that time are in no document; silence is told all the same",
            instead: "add a maintenance window in Kibana for the rule of `no_data`",
        },
        Feature::Calendar => Support::Partly {
            why: "alerts are of burn rates; the budget of the month or week is not shown",
            instead: "see it on lbproxy's page and board of objectives",
        },
        Feature::Links => Support::Partly {
            why: "they stand in messages, and the owner among the tags",
            instead: "name a channel, so that there are messages",
        },
        _ => Support::Whole(""),
    }
}

/// Of each objective: a rule for each row of windows, one for silence.
pub fn rules(subjects: &[Subject], site: &Site) -> Vec<AlertObject> {
    let of = |subject: &Subject| {
        let rules = subject.rules.iter().map(|row| burn_rule(subject, row, site));
        let mut all: Vec<_> = rules.collect();
        all.extend(silence(subject, site));
        all
    };
    subjects.iter().flat_map(of).collect()
}

fn compile(subjects: &[Subject], site: &Site) -> Compiled {
    compiled(&TOOL, subjects, site, rules, |_| None)
}

/// The rule of a row of windows.
fn burn_rule(subject: &Subject, row: &BurnRule, site: &Site) -> AlertObject {
    let [long, _] = told::minutes(row);
    let is_grouped = !subject.objective.group_by.is_empty();
    rule(
        &Draft {
            id: &row.id,
            name: subject.burns(row),
            rule_type: RULE_TYPE,
            consumer: CONSUMER,
            params: params(&burn_query(subject, row, site), long, is_grouped),
            severity: Some(row.window.severity),
            groups: &[GROUP],
            looks: 2,
            found: "{{context.message}}",
        },
        subject,
        site,
    )
}

/// The rule of silence, if there is to be one.
pub(super) fn silence(subject: &Subject, site: &Site) -> Option<AlertObject> {
    let absence = subject.absence.as_ref()?;
    let minutes = told::whole_minutes(absence.after);
    let draft = Draft {
        id: &absence.id,
        name: subject.is_silent(absence),
        rule_type: RULE_TYPE,
        consumer: CONSUMER,
        params: params(&silence_query(subject, minutes, site), minutes, false),
        severity: Some(absence.severity),
        groups: &[GROUP],
        looks: 1,
        found: "{{context.message}}",
    };
    Some(rule(&draft, subject, site))
}

/// Parameters of an ES|QL rule: it fires on each row that the query leaves.
fn params(query: &str, minutes: u64, is_grouped: bool) -> Value {
    json!({
        "searchType": "esqlQuery",
        "esqlQuery": { "esql": query },
        "timeField": fields::TIME,
        "timeWindowSize": minutes,
        "timeWindowUnit": "m",
        "threshold": [0],
        "thresholdComparator": ">",
        "size": 0,
        "aggType": "count",
        // Rows of groups are alerts of their own, named after what stands behind `BY`.
        "groupBy": if is_grouped { "row" } else { "all" },
        "excludeHitsFromPreviousRun": false,
    })
}

/// The query of a row of windows: one row for each group that burns at its factor, none otherwise.
///
/// The start of a minute stands for all of it, so a window of N minutes is the N last ones, of which the one
/// under way has no document yet.
pub(super) fn burn_query(subject: &Subject, row: &BurnRule, site: &Site) -> String {
    let (valid, bad, name, time) = (fields::VALID, fields::BAD, fields::NAME, fields::TIME);
    let [long, short] = told::minutes(row);
    let objective = &subject.objective;
    let (min_total, min_bad) = (objective.min_total.max(1), objective.min_bad);
    let (allowed, factor) = (objective.target.allowed(), row.factor);
    let by = |by: &Dimension| [", ", fields::dimension(*by)];
    let groups: String = objective.group_by.iter().flat_map(by).collect();
    format!(
        "FROM {stream}\n\
         | WHERE {name} == \"{objective}\" AND {time} > NOW() - {long} minutes\n\
         | EVAL in_short = CASE({time} > NOW() - {short} minutes, 1, 0)\n\
         | STATS valid = SUM({valid}), bad = SUM({bad}), short_valid = SUM({valid} * in_short), \
         short_bad = SUM({bad} * in_short) BY {name}{groups}\n\
         | WHERE valid >= {min_total} AND bad >= {min_bad} AND short_valid > 0\n\
         | EVAL burn_rate = TO_DOUBLE(bad) / TO_DOUBLE(valid) / {allowed}, \
         short_burn_rate = TO_DOUBLE(short_bad) / TO_DOUBLE(short_valid) / {allowed}\n\
         | WHERE burn_rate >= {factor} AND short_burn_rate >= {factor}\n\
         | KEEP {name}{groups}, valid, bad, short_valid, short_bad, burn_rate, short_burn_rate",
        stream = fields::stream(site),
        objective = objective.name,
        allowed = decimal(allowed),
        factor = decimal(factor),
    )
}

/// A number that ES|QL and Painless read as the same floating-point number.
pub(super) fn decimal(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// The query of silence: one row while no event counts, with what else is missing; none otherwise.
fn silence_query(subject: &Subject, minutes: u64, site: &Site) -> String {
    let (valid, name, time) = (fields::VALID, fields::NAME, fields::TIME);
    format!(
        "FROM {stream}, {heartbeats}\n\
         | WHERE {time} > NOW() - {minutes} minutes\n\
         | EVAL event = CASE({name} == \"{objective}\", {valid})\n\
         | STATS valid = SUM(event), heartbeats = COUNT({heartbeat})\n\
         | WHERE valid IS NULL OR valid == 0\n\
         | EVAL missing = CASE(heartbeats == 0, \"heartbeat\", \"traffic or records\")\n\
         | KEEP missing, heartbeats",
        stream = fields::stream(site),
        heartbeats = fields::heartbeats(site),
        heartbeat = fields::HEARTBEAT,
        objective = subject.objective.name,
    )
}
