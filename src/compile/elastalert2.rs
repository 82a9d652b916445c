//! ElastAlert2: a rule for each row of windows, on the documents of objectives.
//!
//! ElastAlert2 cannot join two windows, so it is not asked to: a document names the rows that burn
//! (`lbproxy.slo.burning`), least counts and maintenance included, and a rule of type `any` waits for its row.
//! Silence is a `flatline` of minutes with events. Alerts go to Alertmanager's v2 where its address is known, again
//! each minute, so that they end when nothing comes any more.

use std::time::Duration;

use super::prometheus_terms::group_label;
use super::yaml::quoted;
use super::{
    AbsenceRule, BurnRule, Compiled, Feature, Header, OutputFile, Site, Subject, Support, Tool,
    fields,
};
use crate::slo::{CLEAN, Dimension, Severity};

pub(super) static TOOL: Tool =
    Tool { name: "elastalert2", title: "ElastAlert2", loading: LOADING, support, compile };

const LOADING: &str = "\
A file for each rule. Put them into `rules_folder` of ElastAlert2's `config.yaml`; it needs `es_host`, `es_port`, \
`run_every: {minutes: 1}` and `buffer_time: {minutes: 15}`. lbproxy has to ship its records to that Elasticsearch or \
OpenSearch.

```sh
lbproxy slo compile --to elastalert2 --alertmanager http://alertmanager:9093 --out /opt/elastalert/rules
elastalert-test-rule --config config.yaml --schema-only /opt/elastalert/rules/lbp-availability-1h.yaml
```

With `--alertmanager` alerts go there (its API v2), again each minute while they last. Without it each rule has \
`import: lbproxy-alert.inc`: write that file beside the rules, with `alert` and what it needs (`alert: [slack]`, \
`slack_webhook_url: …`); an alert is then told once an hour.";

/// A document is stored this long after the start of its minute at most, while nothing is stuck.
const LATE: Duration = Duration::from_mins(2);
/// How far back each run looks: documents that come later are not seen.
const LOOK_BACK: Duration = Duration::from_mins(15);
/// What says where alerts go, where Alertmanager is not known: beside the rules, and no rule by its name.
const IMPORT: &str = "lbproxy-alert.inc";
/// How often an alert is told that goes nowhere but to people.
const REMIND: Duration = Duration::from_hours(1);

const fn support(feature: Feature) -> Support {
    match feature {
        Feature::Windows => Support::Whole("lbproxy's own, each minute: `lbproxy.slo.burning`"),
        Feature::LeastEvents => Support::Whole("part of `lbproxy.slo.burning`"),
        Feature::Groups => Support::Whole("`query_key`"),
        Feature::Instances => Support::Partly {
            why: "each instance burns its own budget, as far as it sees events",
            instead: "compile for a tool that adds up",
        },
        Feature::NoData => Support::Partly {
            why: "silence is told two minutes later, and not which of the three kinds it is",
            instead: "a shorter `after`, or lbproxy's own alerts",
        },
        Feature::KeptFiring => Support::Absent {
            why: "an alert ends when no document says that it burns",
            instead: "write `no_data.after`: silence is then an alert of its own",
        },
        Feature::OneAlert => Support::Partly {
            why: "each row is an alert of its own",
            instead: "let Alertmanager group by `[objective, severity]`",
        },
        Feature::Patience => Support::Partly {
            why: "it fires at the first document, a minute or two late, and ends twelve minutes after the last one",
            instead: "lbproxy's own alerts",
        },
        Feature::Resolve => Support::Partly {
            why: "only Alertmanager ends an alert, when nothing came for twelve minutes",
            instead: "give `--alertmanager`",
        },
        Feature::Maintenance => Support::Partly {
            why: "burn rates know of it, silence does not",
            instead: "a silence in Alertmanager",
        },
        Feature::Calendar => Support::Whole("in the documents"),
        Feature::Routes => Support::Partly {
            why: "routes are Alertmanager's; the names are the label `notify`, with `,` between",
            instead: "match it there: `notify=~\"(.*,)?NAME(,.*)?\"`",
        },
        Feature::Links => {
            Support::Whole("label `owner`, annotations `runbook_url` and `dashboard_url`")
        }
    }
}

fn compile(subjects: &[Subject], site: &Site) -> Compiled {
    let files = subjects.iter().flat_map(|subject| {
        let burns = subject.rules.iter().map(|rule| burn_rule(subject, rule, site));
        let absence = subject.absence.iter().map(|rule| absence_rule(subject, rule, site));
        burns.chain(absence)
    });
    Compiled { files: files.collect(), losses: Vec::new() }
}

/// The rule of one row of windows.
fn burn_rule(subject: &Subject, rule: &BurnRule, site: &Site) -> OutputFile {
    let (name, row) = (quoted(&subject.objective.name), quoted(&rule.name));
    let groups = &subject.objective.group_by;
    let query_key =
        if groups.is_empty() { String::new() } else { format!("query_key: {}\n", list(groups)) };
    let how = format!(
        "type: any\n{query_key}buffer_time: {}\nfilter:\n- term: {{{}: {name}}}\n- term: {{{}: {row}}}\n",
        minutes(LOOK_BACK),
        fields::NAME,
        fields::BURNING
    );
    file(subject, &rule.id, &subject.burns(rule), rule.window.severity, &how, site)
}

/// The rule of silence.
fn absence_rule(subject: &Subject, rule: &AbsenceRule, site: &Site) -> OutputFile {
    let how = format!(
        "type: flatline\nthreshold: 1\ntimeframe: {}\nuse_count_query: true\nquery_delay: {}\nfilter:\n- term: \
         {{{}: {}}}\n- range: {{{}: {{gt: 0}}}}\n",
        minutes(rule.after),
        minutes(LATE),
        fields::NAME,
        quoted(&subject.objective.name),
        fields::VALID
    );
    file(subject, &rule.id, &subject.is_silent(rule), rule.severity, &how, site)
}

fn minutes(span: Duration) -> String {
    format!("{{minutes: {}}}", span.as_secs() / 60)
}

/// A file of one rule.
fn file(
    subject: &Subject,
    id: &str,
    summary: &str,
    severity: Severity,
    how: &str,
    site: &Site,
) -> OutputFile {
    let head = Header::new(&TOOL, std::slice::from_ref(subject)).yaml();
    let (time, index) = (fields::TIME, fields::stream(site));
    let description = literal(&subject.objective.description);
    let words = words(subject, summary);
    let alert = match &site.alertmanager {
        Some(address) => alertmanager(subject, id, severity, address),
        None => format!("realert: {}\nimport: {IMPORT}\n", minutes(REMIND)),
    };
    let text = format!(
        "{head}name: {id}\ndescription: {description}\nindex: {index}\ntimestamp_field: \"{time}\"\n{how}\
         {words}{alert}"
    );
    OutputFile { path: format!("{id}.yaml"), text }
}

/// A text that ElastAlert2 takes as it stands: it replaces `$NAME` by the environment before it reads YAML.
fn literal(text: &str) -> String {
    quoted(text).replace('$', "\\u0024")
}

/// Subject and text: with the group that the document is of, where there are groups.
fn words(subject: &Subject, summary: &str) -> String {
    let groups = &subject.objective.group_by;
    if groups.is_empty() {
        let summary = literal(summary);
        return format!(
            "alert_subject: {summary}\nalert_text_type: alert_text_only\nalert_text: {summary}\n"
        );
    }
    let places = groups.iter().enumerate();
    let places = places.map(|(place, dimension)| format!("; {} {{{place}}}", dimension.as_str()));
    let form = summary.replace('{', "{{").replace('}', "}}");
    let form = form + &places.collect::<Vec<_>>().concat();
    let (form, fields) = (literal(&form), list(groups));
    format!(
        "alert_subject: {form}\nalert_subject_args: {fields}\nalert_text_type: alert_text_only\nalert_text: \
         {form}\nalert_text_args: {fields}\n"
    )
}

/// The fields of dimensions as a list of YAML.
fn list(dimensions: &[Dimension]) -> String {
    let names: Vec<_> = dimensions.iter().map(|one| fields::dimension(*one)).collect();
    format!("[{}]", names.join(", "))
}

/// Where alerts go: the API v2, which is not the default; again each minute, over when nothing comes any more.
fn alertmanager(subject: &Subject, id: &str, severity: Severity, address: &str) -> String {
    let objective = &subject.objective;
    let routes = objective.notify.join(",");
    let owner = objective.owner.as_deref().unwrap_or_default();
    let labels = [
        ("objective", objective.name.as_str()),
        ("severity", severity.as_str()),
        ("service", &objective.service),
        ("owner", owner),
        ("notify", &routes),
    ];
    // Labels are templates of Jinja, annotations are not.
    let labels = labels.map(|(name, text)| (name, text.replace('{', "{{ '{' }}")));
    let links = [
        ("runbook_url", objective.runbook.clone().unwrap_or_default()),
        ("dashboard_url", objective.dashboard.clone().unwrap_or_default()),
    ];
    let groups = objective.group_by.iter();
    let groups: Vec<_> =
        groups.map(|one| (group_label(*one), fields::dimension(*one).to_owned())).collect();
    let (address, resolve) = (literal(address), minutes(CLEAN));
    format!(
        "realert: {{minutes: 0}}\nalert: [alertmanager]\nalertmanager_hosts: [{address}]\n\
         alertmanager_api_version: v2\nalertmanager_alertname: {id}\nalertmanager_resolve_time: {resolve}\n\
         {}{}{}",
        mapping("alertmanager_labels", &labels),
        mapping("alertmanager_fields", &groups),
        mapping("alertmanager_annotations", &links),
    )
}

/// A mapping without what is empty; nothing when all of it is.
fn mapping(name: &str, pairs: &[(impl AsRef<str>, String)]) -> String {
    let known = pairs.iter().filter(|(_, text)| !text.is_empty());
    let lines = known.map(|(key, text)| format!("  {}: {}\n", key.as_ref(), literal(text)));
    let lines = lines.collect::<Vec<_>>().concat();
    if lines.is_empty() { lines } else { format!("{name}:\n{lines}") }
}
