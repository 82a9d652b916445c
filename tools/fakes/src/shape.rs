//! What Kibana and OpenSearch take as a rule, an SLO or a monitor: bodies checked as their own readers check
//! them, and more strictly where those skip what they do not know.
//!
//! Written from the sources, as no such server can be had here: Kibana's `alerting/common/routes/rule/apis`,
//! `response-ops/rule_params/{es_query,slo_burn_rate}`, `kbn-slo-schema` and the SLO plugin's `validate_slo`;
//! OpenSearch's `common-utils`, `commons/alerting/model` with `BucketSelectorExtAggregationBuilder`. Not here:
//! whether a query of a rule can be run.

use serde_json::Value;

/// A mistake, and where it is.
type Checked = Result<(), String>;

/// Groups that actions of a kind of rule can be for.
const GROUPS: [(&str, &[&str]); 2] = [
    (".es-query", &["query matched", "recovered"]),
    (
        "slo.rules.burnRate",
        &[
            "slo.burnRate.alert",
            "slo.burnRate.high",
            "slo.burnRate.medium",
            "slo.burnRate.low",
            "recovered",
        ],
    ),
];

/// Checks the body of `POST /api/alerting/rule/ID`.
///
/// # Errors
/// The first mistake.
pub fn check_rule(body: &Value) -> Checked {
    let optional =
        ["enabled", "tags", "actions", "notify_when", "throttle", "alert_delay", "flapping"];
    keys("", body, &["name", "rule_type_id", "consumer", "schedule", "params"], &optional)?;
    let kind = text("rule_type_id", &body["rule_type_id"])?;
    text("consumer", &body["consumer"])?;
    check_shared(kind, body)
}

/// Checks the body of `PUT /api/alerting/rule/ID`, of a rule of this kind.
///
/// # Errors
/// The first mistake.
pub fn check_rule_update(kind: &str, body: &Value) -> Checked {
    let optional =
        ["tags", "actions", "notify_when", "throttle", "alert_delay", "flapping", "artifacts"];
    keys("", body, &["name", "schedule", "params"], &optional)?;
    check_shared(kind, body)
}

/// What both have.
fn check_shared(kind: &str, body: &Value) -> Checked {
    text("name", &body["name"])?;
    keys("schedule", &body["schedule"], &["interval"], &[])?;
    duration("schedule.interval", &body["schedule"]["interval"])?;
    texts("tags", &body["tags"])?;
    if !body["alert_delay"].is_null() {
        keys("alert_delay", &body["alert_delay"], &["active"], &[])?;
        number("alert_delay.active", &body["alert_delay"]["active"], 1.0)?;
    }
    let groups = GROUPS.iter().find(|(known, _)| *known == kind);
    let (_, groups) = groups.ok_or(format!("rule_type_id: [{kind}] is not registered"))?;
    for action in list("actions", &body["actions"])? {
        check_action(groups, action)?;
    }
    match kind {
        ".es-query" => check_query(&body["params"]),
        _ => check_burn_rate(&body["params"]),
    }
}

fn check_action(groups: &[&str], action: &Value) -> Checked {
    let optional = ["uuid", "alerts_filter", "use_alert_data_for_template", "connector_type_id"];
    keys("actions", action, &["id", "group", "params", "frequency"], &optional)?;
    text("actions.id", &action["id"])?;
    one_of("actions.group", &action["group"], groups)?;
    object("actions.params", &action["params"])?;
    let frequency = &action["frequency"];
    keys("actions.frequency", frequency, &["summary", "notify_when", "throttle"], &[])?;
    flag("actions.frequency.summary", &frequency["summary"])?;
    let when = ["onActionGroupChange", "onActiveAlert", "onThrottleInterval"];
    one_of("actions.frequency.notify_when", &frequency["notify_when"], &when)
}

/// Parameters of an Elasticsearch query rule in ES|QL.
fn check_query(params: &Value) -> Checked {
    let required = [
        "searchType",
        "esqlQuery",
        "timeField",
        "timeWindowSize",
        "timeWindowUnit",
        "threshold",
        "thresholdComparator",
        "size",
    ];
    let optional = [
        "aggType",
        "groupBy",
        "termField",
        "termSize",
        "excludeHitsFromPreviousRun",
        "sourceFields",
    ];
    keys("params", params, &required, &optional)?;
    one_of("params.searchType", &params["searchType"], &["esqlQuery"])?;
    keys("params.esqlQuery", &params["esqlQuery"], &["esql"], &[])?;
    text("params.esqlQuery.esql", &params["esqlQuery"]["esql"])?;
    text("params.timeField", &params["timeField"])?;
    number("params.timeWindowSize", &params["timeWindowSize"], 1.0)?;
    one_of("params.timeWindowUnit", &params["timeWindowUnit"], &["s", "m", "h", "d"])?;
    one_of("params.thresholdComparator", &params["thresholdComparator"], &[">"])?;
    if params["threshold"] != serde_json::json!([0]) {
        return Err("params.threshold: is required to be 0".to_owned());
    }
    number("params.size", &params["size"], 0.0)?;
    one_of("params.groupBy", &params["groupBy"], &["all", "row", "top"])?;
    one_of("params.aggType", &params["aggType"], &["count", "avg", "min", "max", "sum"])?;
    flag("params.excludeHitsFromPreviousRun", &params["excludeHitsFromPreviousRun"])
}

/// Parameters of a burn-rate rule.
fn check_burn_rate(params: &Value) -> Checked {
    keys("params", params, &["sloId", "windows"], &["dependencies"])?;
    text("params.sloId", &params["sloId"])?;
    for window in list("params.windows", &params["windows"])? {
        let required = ["id", "burnRateThreshold", "longWindow", "shortWindow", "actionGroup"];
        keys("params.windows", window, &required, &["maxBurnRateThreshold"])?;
        text("params.windows.id", &window["id"])?;
        number("params.windows.burnRateThreshold", &window["burnRateThreshold"], 0.0)?;
        let most = window["maxBurnRateThreshold"].as_f64();
        if most.is_some_and(|most| most < window["burnRateThreshold"].as_f64().unwrap_or(0.0)) {
            return Err("params.windows: the threshold is above its most".to_owned());
        }
        let groups = GROUPS[1].1.split_last().map_or(&[][..], |(_, groups)| groups);
        one_of("params.windows.actionGroup", &window["actionGroup"], groups)?;
        for name in ["longWindow", "shortWindow"] {
            keys(name, &window[name], &["value", "unit"], &[])?;
            number(name, &window[name]["value"], 1.0)?;
            one_of(name, &window[name]["unit"], &["m", "h", "d", "w", "M"])?;
        }
    }
    Ok(())
}

/// Checks the body of `POST /api/observability/slos`.
///
/// # Errors
/// The first mistake.
pub fn check_slo(body: &Value) -> Checked {
    let id = text("id", &body["id"])?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !(8..=48).contains(&id.len()) || !id.chars().all(is_plain) {
        return Err(format!("id: Invalid slo id, must be between 8 and 48 characters: {id}"));
    }
    let mut rest = body.clone();
    rest.as_object_mut().map(|fields| fields.remove("id"));
    check_slo_update(&rest)
}

/// Checks the body of `PUT /api/observability/slos/ID`.
///
/// # Errors
/// The first mistake.
pub fn check_slo_update(body: &Value) -> Checked {
    let required =
        ["name", "description", "indicator", "timeWindow", "budgetingMethod", "objective"];
    keys("", body, &required, &["settings", "groupBy", "tags", "artifacts"])?;
    text("name", &body["name"])?;
    text("description", &body["description"])?;
    let indicator = &body["indicator"];
    keys("indicator", indicator, &["type", "params"], &[])?;
    one_of("indicator.type", &indicator["type"], &["sli.metric.custom"])?;
    let params = &indicator["params"];
    keys(
        "indicator.params",
        params,
        &["index", "good", "total", "timestampField"],
        &["filter", "dataViewId"],
    )?;
    text("indicator.params.index", &params["index"])?;
    text("indicator.params.timestampField", &params["timestampField"])?;
    for part in ["good", "total"] {
        keys(part, &params[part], &["metrics", "equation"], &[])?;
        let equation = text(part, &params[part]["equation"])?;
        for metric in list(part, &params[part]["metrics"])? {
            keys(part, metric, &["name", "aggregation", "field"], &["filter"])?;
            one_of(part, &metric["aggregation"], &["sum"])?;
            text(part, &metric["field"])?;
            if !equation.contains(text(part, &metric["name"])?) {
                return Err(format!("{part}: the equation lacks a metric"));
            }
        }
    }
    one_of("budgetingMethod", &body["budgetingMethod"], &["occurrences"])?;
    keys("timeWindow", &body["timeWindow"], &["duration", "type"], &[])?;
    let durations: &[&str] = match body["timeWindow"]["type"].as_str() {
        Some("rolling") => &["7d", "30d", "90d"],
        Some("calendarAligned") => &["1w", "1M"],
        _ => return Err("timeWindow.type: rolling or calendarAligned".to_owned()),
    };
    one_of("timeWindow.duration", &body["timeWindow"]["duration"], durations)?;
    keys("objective", &body["objective"], &["target"], &["timesliceTarget", "timesliceWindow"])?;
    let target = body["objective"]["target"].as_f64().unwrap_or(0.0);
    if target <= 0.0 || target >= 1.0 {
        return Err("Invalid objective.target".to_owned());
    }
    let settings = ["syncDelay", "frequency", "preventInitialBackfill", "syncField"];
    keys("settings", &body["settings"], &[], &settings)?;
    duration("settings.syncDelay", &body["settings"]["syncDelay"])?;
    texts("tags", &body["tags"])
}

/// Checks the body of `POST /_plugins/_alerting/monitors`.
///
/// # Errors
/// The first mistake.
pub fn check_monitor(body: &Value) -> Checked {
    let required = ["type", "name", "monitor_type", "enabled", "schedule", "inputs", "triggers"];
    keys("", body, &required, &["ui_metadata"])?;
    one_of("type", &body["type"], &["monitor"])?;
    text("name", &body["name"])?;
    flag("enabled", &body["enabled"])?;
    keys("schedule", &body["schedule"], &["period"], &[])?;
    let period = &body["schedule"]["period"];
    keys("schedule.period", period, &["interval", "unit"], &[])?;
    number("schedule.period.interval", &period["interval"], 1.0)?;
    one_of("schedule.period.unit", &period["unit"], &["MINUTES", "HOURS", "DAYS"])?;
    let [input] = list("inputs", &body["inputs"])? else {
        return Err("Monitors can only have 1 search input.".to_owned());
    };
    keys("inputs", input, &["search"], &[])?;
    let search = &input["search"];
    keys("inputs.search", search, &["indices", "query"], &[])?;
    texts("inputs.search.indices", &search["indices"])?;
    keys("inputs.search.query", &search["query"], &["size", "query", "aggregations"], &[])?;
    let mut ids = Vec::new();
    for trigger in list("triggers", &body["triggers"])? {
        let id = match body["monitor_type"].as_str() {
            Some("bucket_level_monitor") => check_bucket_trigger(trigger, &search["query"])?,
            Some("query_level_monitor") => check_query_trigger(trigger)?,
            _ => return Err("monitor_type: unknown".to_owned()),
        };
        if ids.contains(&id) {
            return Err(format!("Duplicate trigger id: {id}"));
        }
        ids.push(id);
    }
    if ids.len() > 10 { Err("a monitor has 10 triggers at most".to_owned()) } else { Ok(()) }
}

/// What triggers have in common; the id.
fn check_trigger<'t>(at: &str, trigger: &'t Value) -> Result<&'t str, String> {
    keys(at, trigger, &["id", "name", "severity", "condition", "actions"], &[])?;
    text("triggers.name", &trigger["name"])?;
    one_of("triggers.severity", &trigger["severity"], &["1", "2", "3", "4", "5"])?;
    let script = &trigger["condition"]["script"];
    keys("triggers.condition.script", script, &["source", "lang"], &["params"])?;
    text("triggers.condition.script.source", &script["source"])?;
    one_of("triggers.condition.script.lang", &script["lang"], &["painless"])?;
    for action in list("triggers.actions", &trigger["actions"])? {
        check_monitor_action(at == "bucket_level_trigger", action)?;
    }
    text("triggers.id", &trigger["id"])
}

fn check_bucket_trigger<'t>(trigger: &'t Value, query: &Value) -> Result<&'t str, String> {
    keys("triggers", trigger, &["bucket_level_trigger"], &[])?;
    let trigger = &trigger["bucket_level_trigger"];
    let condition = &trigger["condition"];
    let required = ["buckets_path", "parent_bucket_path", "script"];
    keys("triggers.condition", condition, &required, &["gap_policy", "composite_agg_filter"])?;
    let parent = text("parent_bucket_path", &condition["parent_bucket_path"])?;
    let groups = &query["aggregations"][parent];
    object("parent_bucket_path: no such aggregation", groups)?;
    for (name, path) in condition["buckets_path"].as_object().into_iter().flatten() {
        let steps = text("buckets_path", path)?.split('>');
        let found = steps.fold(groups, |aggregation, step| &aggregation["aggregations"][step]);
        object(&format!("buckets_path.{name}: no aggregation"), found)?;
        let source = condition["script"]["source"].as_str().unwrap_or_default();
        if !source.contains(&format!("params.{name}")) {
            return Err(format!("buckets_path.{name}: the script does not ask for it"));
        }
    }
    check_trigger("bucket_level_trigger", trigger)
}

fn check_query_trigger(trigger: &Value) -> Result<&str, String> {
    keys("triggers", trigger, &["query_level_trigger"], &[])?;
    let trigger = &trigger["query_level_trigger"];
    keys("triggers.condition", &trigger["condition"], &["script"], &[])?;
    check_trigger("query_level_trigger", trigger)
}

fn check_monitor_action(is_bucket: bool, action: &Value) -> Checked {
    let required = ["name", "destination_id", "message_template", "throttle_enabled"];
    let optional = ["id", "subject_template", "throttle", "action_execution_policy"];
    keys("actions", action, &required, &optional)?;
    text("actions.name", &action["name"])?;
    text("actions.destination_id", &action["destination_id"])?;
    for template in ["message_template", "subject_template"] {
        keys(template, &action[template], &["source", "lang"], &[])?;
        one_of(template, &action[template]["lang"], &["mustache"])?;
    }
    if action["throttle_enabled"] == true {
        keys("throttle", &action["throttle"], &["value", "unit"], &[])?;
        number("throttle.value", &action["throttle"]["value"], 1.0)?;
        one_of("throttle.unit", &action["throttle"]["unit"], &["MINUTES"])?;
    }
    let policy = &action["action_execution_policy"];
    if is_bucket && !policy.is_null() {
        let alert = &policy["action_execution_scope"]["per_alert"];
        keys("per_alert", alert, &["actionable_alerts"], &[])?;
        for category in list("actionable_alerts", &alert["actionable_alerts"])? {
            one_of("actionable_alerts", category, &["DEDUPED", "NEW", "COMPLETED"])?;
        }
    } else if !policy.is_null() {
        return Err("action_execution_policy: not of a monitor of query level".to_owned());
    }
    Ok(())
}

/// That an object has these keys and no others.
fn keys(at: &str, value: &Value, required: &[&str], optional: &[&str]) -> Checked {
    let fields = object(at, value)?;
    if let Some(missing) = required.iter().find(|key| !fields.contains_key(**key)) {
        return Err(format!("{at}.{missing}: expected value, but got [undefined]"));
    }
    let is_known =
        |key: &&String| required.contains(&key.as_str()) || optional.contains(&key.as_str());
    match fields.keys().find(|key| !is_known(key)) {
        Some(unknown) => Err(format!("{at}.{unknown}: definition for this key is missing")),
        None => Ok(()),
    }
}

fn object<'v>(at: &str, value: &'v Value) -> Result<&'v serde_json::Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{at}: expected an object, but got {value}"))
}

fn text<'v>(at: &str, value: &'v Value) -> Result<&'v str, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("{at}: expected a text, but got {value}"))
}

fn list<'v>(at: &str, value: &'v Value) -> Result<&'v [Value], String> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| format!("{at}: expected a list, but got {value}"))
}

fn texts(at: &str, value: &Value) -> Checked {
    list(at, value)?.iter().try_for_each(|one| text(at, one).map(|_| ()))
}

fn flag(at: &str, value: &Value) -> Checked {
    if value.is_boolean() { Ok(()) } else { Err(format!("{at}: expected true or false")) }
}

fn number(at: &str, value: &Value, least: f64) -> Checked {
    let is_fine = value.as_f64().is_some_and(|number| number >= least);
    if is_fine {
        Ok(())
    } else {
        Err(format!("{at}: expected a number from {least} on, but got {value}"))
    }
}

fn one_of(at: &str, value: &Value, known: &[&str]) -> Checked {
    let is_known = value.as_str().is_some_and(|text| known.contains(&text));
    if is_known { Ok(()) } else { Err(format!("{at}: expected one of {known:?}, but got {value}")) }
}

/// A number and a unit.
fn duration(at: &str, value: &Value) -> Checked {
    let text = text(at, value)?;
    let is_fine = text.strip_suffix(['s', 'm', 'h', 'd']).is_some_and(|n| n.parse::<u32>().is_ok());
    if is_fine { Ok(()) } else { Err(format!("{at}: string is not a valid duration: {text}")) }
}
