//! Prometheus: recording and alert rules on `/metrics` of lbproxy, one file.
//!
//! ```text
//! lbproxy_slo_valid_total, lbproxy_slo_bad_total ─► increase over each window, all instances added up
//!     ─► objective:lbproxy_slo_burn:ratio1h … ─► lbp-NAME-1h: both windows, least counts
//!                                             └► holds while ALERTS says it fires and it is not clean
//! ```
//! An alert that fires is held by its own series `ALERTS`, which is how the end of lbproxy's own state machine
//! is said in PromQL: not before the short window is below 0.8 of the factor for twelve minutes, not while
//! nobody knows, not during maintenance. Needs Prometheus 2.42 (`keep_firing_for`).

use std::time::Duration;

use super::prometheus_terms::{annotations, group_label, labels, maintenance};
use super::yaml::quoted;
use super::{
    AbsenceRule, BurnRule, Compiled, Feature, Header, OutputFile, Site, Subject, Support, Tool,
    number,
};
use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::slo::{CLEAN, CLEAN_SHARE, EVALUATE_EVERY, PENDING_EVALUATIONS, Silence};

pub(super) static TOOL: Tool =
    Tool { name: "prometheus", title: "Prometheus", loading: LOADING, support, compile };

const LOADING: &str = "\
One file, `lbproxy-slo.rules.yml`. Name it in `rule_files` of `prometheus.yml` and reload; Prometheus has to scrape \
`/metrics` of every lbproxy, at least every 30 s. Needs Prometheus 2.42 or newer. Check it first:

```sh
lbproxy slo compile --to prometheus --out /etc/prometheus/rules
promtool check rules /etc/prometheus/rules/lbproxy-slo.rules.yml
curl -X POST http://localhost:9090/-/reload
```

Let Alertmanager group by `[objective, severity]`: rows of one severity are then one message. Labels: `objective`, \
`severity` (`page`, `ticket`), `service`, `owner`, `slo_endpoint` and the like of groups, as in lbproxy's own alerts; \
and `notify`.";

/// Rows with a longer window are looked at once a minute.
const FAST_MAX: Duration = Duration::from_hours(6);
const SLOW_EVERY: Duration = Duration::from_mins(1);

const fn support(feature: Feature) -> Support {
    match feature {
        Feature::Windows => Support::Whole("windows are exact, not in whole minutes"),
        Feature::LeastEvents => Support::Whole("`and` clauses"),
        Feature::Groups => Support::Whole("labels; the groups are lbproxy's"),
        Feature::Instances => Support::Whole("counters are added up over all that are scraped"),
        Feature::NoData => Support::Partly {
            why: "silence is told, and not which of the three kinds it is",
            instead: "look at `up` and `lbproxy_ship_oldest_pending_seconds`",
        },
        Feature::KeptFiring => Support::Whole("held by `ALERTS`"),
        Feature::OneAlert => Support::Partly {
            why: "each row is an alert of its own",
            instead: "let Alertmanager group by `[objective, severity]`",
        },
        Feature::Patience => Support::Partly {
            why: "what fires again soon after its end need not be clean for longer each time",
            instead: "a longer `repeat_interval` in Alertmanager, or lbproxy's own alerts",
        },
        Feature::Resolve => Support::Whole("by Alertmanager"),
        Feature::Maintenance => Support::Whole("terms of `time()`"),
        Feature::Calendar => {
            Support::Whole("the budget itself is `lbproxy_slo_budget_left_ratio`, of each instance")
        }
        Feature::Routes => Support::Partly {
            why: "routes are Alertmanager's; the names are the label `notify`, with `,` between",
            instead: "match it there: `notify=~\"(.*,)?NAME(,.*)?\"`",
        },
        Feature::Links => {
            Support::Whole("label `owner`, annotations `runbook_url` and `dashboard_url`")
        }
    }
}

fn compile(subjects: &[Subject], _: &Site) -> Compiled {
    let groups: String = subjects.iter().map(groups).collect();
    let groups =
        if groups.is_empty() { "groups: []\n".to_owned() } else { format!("groups:\n{groups}") };
    let text = Header::new(&TOOL, subjects).yaml() + &groups;
    let path = "lbproxy-slo.rules.yml".to_owned();
    Compiled { files: vec![OutputFile { path, text }], losses: Vec::new() }
}

/// The rule groups of one objective: maintenance, short rows and silence, long rows.
fn groups(subject: &Subject) -> String {
    let terms = Terms::new(subject);
    let (fast, slow): (Vec<_>, Vec<_>) =
        subject.rules.iter().partition(|rule| rule.window.long <= FAST_MAX);
    let mut known = Vec::new();
    let mut rules = terms.maintenance_rule();
    rules += &terms.rules(&fast, &mut known);
    if let Some(absence) = &subject.absence {
        rules += &terms.absence_rule(absence);
    }
    let mut out = group(&subject.id, EVALUATE_EVERY, &rules);
    out += &group(&format!("{}/slow", subject.id), SLOW_EVERY, &terms.rules(&slow, &mut known));
    out
}

fn group(name: &str, every: Duration, rules: &str) -> String {
    if rules.is_empty() {
        return String::new();
    }
    format!("- name: {name}\n  interval: {}\n  rules:\n{rules}", write_duration(micros(every)))
}

/// Name of what is recorded of a window.
fn record(what: &str, window: &str) -> String {
    let operation = if what == "burn" { "ratio" } else { "increase" };
    format!("objective:lbproxy_slo_{what}:{operation}{window}")
}

/// Name of the series that is there during maintenance.
const MAINTENANCE: &str = "objective:lbproxy_slo_maintenance:active";

/// What rules of one objective have in common.
struct Terms<'s> {
    subject: &'s Subject,
    /// `{objective="NAME"}`
    only: String,
    /// `objective, slo_service`: labels that series are told apart by.
    by: String,
}

impl<'s> Terms<'s> {
    fn new(subject: &'s Subject) -> Self {
        let objective = &subject.objective;
        let groups = objective.group_by.iter().map(|dimension| group_label(*dimension));
        let by: Vec<_> = std::iter::once("objective".to_owned()).chain(groups).collect();
        Self { subject, only: format!("{{objective=\"{}\"}}", objective.name), by: by.join(", ") }
    }

    /// A recorded series of a window, as this objective has it.
    fn recorded(&self, what: &str, window: &str) -> String {
        record(what, window) + &self.only
    }

    /// Recording and alert rules of some rows; windows that are recorded already are in `known`.
    fn rules(&self, rows: &[&'s BurnRule], known: &mut Vec<&'s str>) -> String {
        let mut out = String::new();
        for window in rows.iter().flat_map(|rule| [rule.long.as_str(), rule.short.as_str()]) {
            if !known.contains(&window) {
                known.push(window);
                out += &self.recording_rules(window);
            }
        }
        for rule in rows {
            out += &self.burn_rule(rule);
        }
        out
    }

    /// Groups have the labels here that lbproxy's own notices have for them: `service` is the objective's.
    fn recording_rules(&self, window: &str) -> String {
        let Self { subject, only, by } = self;
        // The label tells the rules of objectives apart: promtool refuses two that could be one.
        let name = quoted(&subject.objective.name);
        let rule = |what, expr: String| {
            let record = record(what, window);
            format!("  - record: {record}\n    expr: {expr}\n    labels: {{objective: {name}}}\n")
        };
        let sum = |what| {
            let mut inner = format!("increase(lbproxy_slo_{what}_total{only}[{window}])");
            for dimension in &subject.objective.group_by {
                let (to, from) = (group_label(*dimension), dimension.as_str());
                inner = format!("label_replace({inner}, \"{to}\", \"$1\", \"{from}\", \"(.*)\")");
            }
            format!("sum by ({by}) ({inner})")
        };
        let (bad, valid) = (self.recorded("bad", window), self.recorded("valid", window));
        let burn =
            format!("{bad} / ({valid} > 0) / {}", number(subject.objective.target.allowed()));
        rule("valid", sum("valid")) + &rule("bad", sum("bad")) + &rule("burn", burn)
    }

    /// The rule of one row of windows.
    fn burn_rule(&self, rule: &BurnRule) -> String {
        let Self { subject, by, .. } = self;
        let (objective, factor) = (&subject.objective, number(rule.factor));
        let burn = |window| self.recorded("burn", window);
        let (valid, bad) = (self.recorded("valid", &rule.long), self.recorded("bad", &rule.long));
        let active = format!(
            "{long} >= {factor}\nand {short} >= {factor}\nand {valid} >= {total}\nand {bad} >= {least}",
            long = burn(&rule.long),
            short = burn(&rule.short),
            total = objective.min_total,
            least = objective.min_bad,
        );
        let firing = format!("ALERTS{{alertname=\"{}\", alertstate=\"firing\"}}", rule.id);
        let ends = self.ends(rule);
        let (active, ends) = match self.maintenance() {
            Some(now) => (
                format!("({active})\nunless on (objective) {now}"),
                format!("({ends})\n  unless on (objective) {now}"),
            ),
            None => (active, ends),
        };
        let expr = format!("({active})\nor\nmax by ({by}) ({firing})\nunless ({ends})");
        let severity = rule.window.severity;
        self.alert(&rule.id, &expr, severity.as_str(), &subject.burns(rule))
    }

    /// When an alert that fires is clean.
    fn ends(&self, rule: &BurnRule) -> String {
        let (burn, valid) =
            (self.recorded("burn", &rule.short), self.recorded("valid", &rule.short));
        let clean = format!("{burn} < {}", number(CLEAN_SHARE * rule.factor));
        let objective = &self.subject.objective;
        match objective.no_data.firing {
            Silence::Resolve => format!("{clean} or {valid} == 0"),
            // A group that is silent while others are not is clean.
            Silence::Keep if !objective.group_by.is_empty() => {
                format!(
                    "{clean} or {valid} == 0 and on (objective) sum by (objective) ({valid}) > 0"
                )
            }
            Silence::Keep => clean,
        }
    }

    /// The rule of silence.
    fn absence_rule(&self, rule: &AbsenceRule) -> String {
        let total = format!("lbproxy_slo_valid_total{}", self.only);
        let after = write_duration(micros(rule.after));
        let mut expr = format!(
            "sum by (objective) (increase({total}[{after}])) == 0\nor absent_over_time({total}[{after}])"
        );
        if let Some(now) = self.maintenance() {
            // Silence counts from the end of a maintenance.
            expr = format!("({expr})\nunless on (objective) max_over_time({now}[{after}])");
        }
        self.alert(&rule.id, &expr, rule.severity.as_str(), &self.subject.is_silent(rule))
    }

    /// The series that is there during maintenance, if there is any.
    fn maintenance(&self) -> Option<String> {
        let is_any = !self.subject.objective.maintenance.is_empty();
        is_any.then(|| format!("{MAINTENANCE}{}", self.only))
    }

    fn maintenance_rule(&self) -> String {
        let objective = &self.subject.objective;
        if objective.maintenance.is_empty() {
            return String::new();
        }
        let (expr, name) = (maintenance(&objective.maintenance), quoted(&objective.name));
        format!("  - record: {MAINTENANCE}\n    expr: {expr}\n    labels: {{objective: {name}}}\n")
    }

    fn alert(&self, id: &str, expr: &str, severity: &str, summary: &str) -> String {
        let expr = expr.replace('\n', "\n      ");
        let wait = EVALUATE_EVERY * (PENDING_EVALUATIONS - 1);
        // The first clean look begins it.
        let keep = CLEAN.saturating_sub(EVALUATE_EVERY);
        let span = |span| write_duration(micros(span));
        format!(
            "  - alert: {id}\n    expr: |-\n      {expr}\n    for: {}\n    keep_firing_for: {}\n    labels:\n{}    \
             annotations:\n{}",
            span(wait),
            span(keep),
            labels(&self.subject.objective, severity),
            annotations(&self.subject.objective, summary),
        )
    }
}
