//! Objectives, their series and their alerts as JSON.
//!
//! Not here: who asks (`objectives`), when an alert fires (`slo`).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::Slo;
use crate::base::clock::micros;
use crate::slo::{
    AlertState, AlertStatus, BURN_SPANS, BurnStatus, Dimension, ENDED_MAX, Evaluated, Level,
    Notice, Objective, Period, SeriesStatus, Severity, Trigger,
};

/// `slo`: everything but budgets over time.
pub(super) fn document(slo: &Slo, now_ms: u64) -> Value {
    let last = slo.statuses.last();
    json!({
        "now_ms": now_ms,
        "evaluated_ms": Some(last.at_ms).filter(|at_ms| *at_ms > 0),
        "objectives": slo.objectives.iter().map(|own| objective(own)).collect::<Value>(),
        "series": last.series.iter().map(series).collect::<Value>(),
        "alerts": alerts(&last),
        "ended_max": ENDED_MAX,
    })
}

/// What every page is told each second: how many series are not well, and the one that is worst.
pub(in crate::admin) fn worst(slo: &Slo) -> Value {
    let last = slo.statuses.last();
    let firing = |wanted: Level| last.series.iter().filter(|own| own.level() == wanted).count();
    let worst = last.series.iter().max_by(|one, other| {
        let left = |own: &SeriesStatus| own.budget.left;
        one.level().cmp(&other.level()).then(left(other).total_cmp(&left(one)))
    });
    json!({
        "evaluated_ms": Some(last.at_ms).filter(|at_ms| *at_ms > 0),
        "objectives": slo.objectives.len(),
        "series": last.series.len(),
        "hurt": firing(Level::Hurt),
        "warn": firing(Level::Warn),
        "worst": worst.map(series),
    })
}

/// An objective as its file has it.
fn objective(own: &Objective) -> Value {
    let (period, offset_minutes) = match own.period {
        Period::Rolling(_) => ("rolling", None),
        Period::Month { offset_minutes } => ("month", Some(offset_minutes)),
        Period::Week { offset_minutes } => ("week", Some(offset_minutes)),
    };
    let dimensions = own.group_by.iter().map(|dimension| dimension.as_str());
    json!({
        "name": own.name,
        "title": own.title,
        "description": own.description,
        "service": own.service,
        "owner": own.owner,
        "runbook": own.runbook,
        "dashboard": own.dashboard,
        "target_ppm": own.target.ppm(),
        "period": period,
        "period_s": own.period.length().as_secs(),
        "utc_offset_min": offset_minutes,
        "valid": own.indicator.valid.to_string(),
        "good": own.indicator.good.to_string(),
        "bound_us": own.indicator.bound.map(micros),
        "group_by": dimensions.collect::<Vec<_>>(),
        "min_total": own.min_total,
        "min_bad": own.min_bad,
        "no_data": own.no_data.after.map(|(after, severity)| {
            json!({ "after_s": after.as_secs(), "severity": severity.as_str() })
        }),
    })
}

/// The group of a series, by what it is grouped.
fn group(names: &[(Dimension, String)]) -> Value {
    let each = names.iter().map(|(dimension, name)| (dimension.as_str().to_owned(), json!(name)));
    each.collect::<Map<_, _>>().into()
}

/// Where a series stands.
fn series(own: &SeriesStatus) -> Value {
    let (state, alert) = own.worst();
    let allowed = own.objective.target.allowed();
    let rates = BURN_SPANS.iter().zip(own.rates);
    let burn: Map<_, _> =
        rates.map(|((_, name), rate)| ((*name).to_owned(), json!(rate))).collect();
    json!({
        "objective": own.objective.name,
        "title": own.objective.title,
        "group": group(&own.group),
        "level": own.level().as_str(),
        "state": state.as_str(),
        "alert": alert,
        "since_ms": since_ms(state),
        "good_5m": own.rates[0].map(|rate| 1.0 - rate * allowed),
        "valid": own.budget.count.valid,
        "bad": own.budget.count.bad,
        "budget_left": own.budget.left,
        "exhausted_ms": own.exhausted_ms,
        "burn": burn,
        "windows": own.burns.iter().map(window).collect::<Value>(),
    })
}

fn window(own: &BurnStatus) -> Value {
    json!({
        "severity": own.window.severity.as_str(),
        "long_s": own.window.long.as_secs(),
        "short_s": own.window.short.as_secs(),
        "factor": own.factor,
        "long": own.long,
        "short": own.short,
        "is_active": own.is_active,
    })
}

/// Since when an alert fires.
const fn since_ms(state: AlertState) -> Option<u64> {
    match state {
        AlertState::Firing { since_ms, .. } => Some(since_ms),
        AlertState::Inactive | AlertState::Pending { .. } => None,
    }
}

/// Alerts that fire, then those that are over: the newest first.
fn alerts(last: &Evaluated) -> Value {
    let mut firing: Vec<(u64, Value)> = Vec::new();
    let mut add = |objective: &Objective, names: &[_], alert: &str, state: AlertState| {
        let AlertState::Firing { since_ms, trigger, .. } = state else { return };
        let told = alert_of(objective, names, alert, (since_ms, None), trigger);
        firing.push((since_ms, told));
    };
    let mut silent: Option<&Arc<Objective>> = None;
    for own in &last.series {
        for severity in [Severity::Page, Severity::Ticket] {
            add(&own.objective, &own.group, severity.as_str(), own.alert(severity));
        }
        // Of the whole objective, whose series stand beside each other.
        if silent.is_none_or(|known| !Arc::ptr_eq(known, &own.objective)) {
            add(&own.objective, &[], NO_DATA, own.absent);
            silent = Some(&own.objective);
        }
    }
    firing.sort_by_key(|(since_ms, _)| std::cmp::Reverse(*since_ms));
    let firing = firing.into_iter().map(|(_, told)| told);
    firing.chain(last.ended.iter().rev().map(|notice| ended(notice))).collect()
}

/// The alert of no events.
const NO_DATA: &str = "no_data";

/// An alert that is over.
fn ended(notice: &Notice) -> Value {
    let alert = match notice.trigger {
        Trigger::Absent { .. } => NO_DATA,
        Trigger::Burn { .. } | Trigger::Test => notice.severity.as_str(),
    };
    let until_ms = match notice.status {
        AlertStatus::Firing => None,
        AlertStatus::Resolved { at_ms } => Some(at_ms),
    };
    let span = (notice.since_ms, until_ms);
    alert_of(&notice.objective, &notice.group, alert, span, notice.trigger)
}

fn alert_of(
    objective: &Objective,
    names: &[(Dimension, String)],
    alert: &str,
    (since_ms, until_ms): (u64, Option<u64>),
    trigger: Trigger,
) -> Value {
    json!({
        "objective": objective.name,
        "title": objective.title,
        "group": group(names),
        "alert": alert,
        "since_ms": since_ms,
        "until_ms": until_ms,
        "reason": reason(trigger),
    })
}

/// Why an alert fires, as it was last found.
fn reason(trigger: Trigger) -> Value {
    match trigger {
        Trigger::Burn { rate, factor, long, short, valid, bad } => json!({
            "burn": rate, "factor": factor, "long_s": long.as_secs(), "short_s": short.as_secs(),
            "valid": valid, "bad": bad,
        }),
        Trigger::Absent { what, lasted } => {
            json!({ "missing": what.as_str(), "lasted_s": lasted.as_secs() })
        }
        Trigger::Test => Value::Null,
    }
}
