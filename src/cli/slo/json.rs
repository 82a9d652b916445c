//! What was found, for programs: times in milliseconds since 1970, shares from 0 to 1.

use serde_json::{Value, json};

use super::common::share_of;
use super::source::{Completeness, Found};
use super::words;
use crate::base::visible;
use crate::slo::{
    BURN_SPANS, Backtested, Dimension, EventCount, Firing, Spenders, Tested, TestedSeries, Trigger,
};

/// Spenders of each kind.
const SPENDERS: usize = 100;

/// A value as text, with what acts on a terminal as JSON's escapes.
pub(super) fn pretty(value: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(visible::json(&text).into_owned() + "\n")
}

/// Everything that was found.
pub(super) fn found(found: &Found) -> Value {
    let mut sets = found.results.iter();
    let objectives = |result: &Backtested| -> Value {
        result.objectives.iter().map(|tested| objective(tested, result.to_ms)).collect()
    };
    let first = sets.next();
    let count = |figure: fn(&Backtested) -> u64| first.map_or(0, figure);
    let mut object = json!({
        "from": count(|result| result.from_ms),
        "to": count(|result| result.to_ms),
        "source": found.whence,
        "records": count(|result| result.records),
        "unreadable": count(|result| result.unreadable),
        "ahead": count(|result| result.ahead),
        "late": count(|result| result.counts.late),
        "completeness": completeness(&found.completeness),
        "notes": found.told,
        "objectives": first.map_or_else(|| json!([]), objectives),
    });
    if let Some(second) = sets.next() {
        object["against"] = objectives(second);
    }
    object
}

fn completeness(of: &Completeness) -> Value {
    json!({
        "share": of.share(),
        "covered": of.covered(),
        "there": of.there,
        "missing": of.missing,
        "dropped": of.dropped,
        "down_seconds": of.down_ms / 1_000,
    })
}

fn objective(tested: &Tested, to_ms: u64) -> Value {
    let objective = &tested.objective;
    let windows = objective.windows.iter().map(|window| {
        json!({
            "severity": window.severity.as_str(),
            "long": words::span(window.long),
            "short": words::span(window.short),
            "factor": window.factor(objective.period),
        })
    });
    let count = tested.count();
    let mut object = json!({
        "name": objective.name,
        "title": objective.title,
        "target": f64::from(objective.target.ppm()) / 1e6,
        "period": words::period(objective.period),
        "valid_filter": objective.indicator.valid.to_string(),
        "good_filter": objective.indicator.good.to_string(),
        "windows": windows.collect::<Value>(),
        "budget": account(tested),
        "series": tested.series.iter().map(series).collect::<Value>(),
        "alerts": tested.firings.iter().map(|one| firing(one, tested, to_ms)).collect::<Value>(),
        "alerts_not_kept": tested.firings_lost,
        "spenders": spenders(tested),
    });
    add_count(&mut object, count);
    object
}

fn account(tested: &Tested) -> Value {
    let account = tested.account();
    json!({
        "events": account.events,
        "spent": account.spent,
        "left": account.left,
        "minutes": account.minutes,
        "minutes_left": account.minutes_left,
    })
}

fn add_count(object: &mut Value, count: EventCount) {
    object["valid"] = count.valid.into();
    object["bad"] = count.bad.into();
    object["bad_share"] = count.bad_share().into();
}

fn group(group: &[(Dimension, String)]) -> Value {
    let pairs = group
        .iter()
        .map(|(dimension, value)| (dimension.as_str().to_owned(), value.as_str().into()));
    Value::Object(pairs.collect())
}

fn series(series: &TestedSeries) -> Value {
    let mut object =
        json!({ "group": group(&series.group), "lowest_budget_left": series.points.lowest() });
    add_count(&mut object, series.count);
    if let Some(status) = &series.status {
        object["budget_left"] = status.budget.left.into();
        object["period_valid"] = status.budget.count.valid.into();
        object["period_bad"] = status.budget.count.bad.into();
        object["exhausted_at"] = status.exhausted_ms.into();
        let rates = BURN_SPANS.iter().zip(status.rates);
        object["burn_rate"] = Value::Object(
            rates.map(|((_, name), rate)| ((*name).to_owned(), rate.into())).collect(),
        );
    }
    object["point_minutes"] = series.points.width_minutes().into();
    let points = series.points.iter().map(|(at_ms, point)| {
        json!({
            "at": at_ms,
            "budget_left": point.budget_left,
            "burn_1h": point.burn_1h,
            "burn_6h": point.burn_6h,
        })
    });
    object["points"] = points.collect();
    object
}

fn firing(firing: &Firing, tested: &Tested, to_ms: u64) -> Value {
    json!({
        "severity": firing.severity.as_str(),
        "group": group(&firing.group),
        "since": firing.since_ms,
        "until": firing.until_ms,
        "seconds": firing.lasted_ms(0, to_ms) / 1_000,
        "trigger": trigger(&firing.trigger),
        "bad": firing.bad,
        "budget_share": share_of(firing, tested),
        "budget_left": firing.budget_left,
        "endpoint": firing.top.endpoint,
        "route": firing.top.route,
        "reason": firing.top.reason,
    })
}

fn trigger(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Burn { rate, factor, long, short, valid, bad } => json!({
            "burn_rate": rate, "factor": factor, "long": words::span(*long), "short": words::span(*short),
            "valid": valid, "bad": bad,
        }),
        Trigger::Absent { what, lasted } => {
            json!({ "absent": what.as_str(), "seconds": lasted.as_secs() })
        }
        Trigger::Test => Value::Null,
    }
}

fn spenders(tested: &Tested) -> Value {
    let kinds = Spenders::KINDS.into_iter().zip(tested.spenders.most(SPENDERS));
    let most = kinds.map(|(kind, most)| {
        let most = most.into_iter().map(|(value, bad)| json!({ "value": value, "bad": bad }));
        (kind.to_owned(), most.collect())
    });
    let mut object = Value::Object(most.collect());
    object["bad"] = tested.spenders.bad.into();
    object["beyond"] = tested.spenders.beyond.into();
    object
}
