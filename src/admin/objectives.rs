//! Objectives for pages and programs: where each series stands, its alerts, and how its budget was spent.
//!
//! Figures are those of the last evaluation, at most ten seconds old. How a budget was spent is made for whoever
//! asks, by the thread that evaluates. Not here: how figures look as JSON (`json`), when an alert fires (`slo`).

mod json;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::answers::{answer, mistake, off, parameter, refused};
use super::{Slo, Sources};
use crate::base::clock::wall_ms;
use crate::slo::{BudgetPoint, Dimension};
pub(super) use json::worst;

/// Longest wait for the thread that evaluates: it looks up each second, unless it has much to read.
const PAST_WITHIN: Duration = Duration::from_secs(5);

/// `slo` and what is below it.
pub(super) fn routes(sources: Arc<Sources>) -> Router {
    Router::new().route("/slo", get(all)).route("/slo/budget", get(budget)).with_state(sources)
}

/// What there is to say where there is no objective.
fn none() -> Response {
    let cure = "name files of objectives in slo.files, or leave that key out for the usual two";
    off("there is no objective", cure)
}

async fn all(State(sources): State<Arc<Sources>>) -> Response {
    let Some(slo) = &sources.slo else { return none() };
    answer(&json::document(slo, wall_ms()))
}

/// How the budget of a series was spent.
async fn budget(State(sources): State<Arc<Sources>>, query: RawQuery) -> Response {
    if sources.slo.is_none() {
        return none();
    }
    let Some(name) = parameter(&query, "objective") else {
        return mistake("`objective` is missing", "name one, as /api/v1/slo lists them");
    };
    let value = |(dimension, key)| Some((dimension, parameter(&query, key)?));
    let group: Vec<_> = Dimension::ALL.into_iter().filter_map(value).collect();
    let asked = tokio::task::spawn_blocking(move || {
        sources.slo.as_ref().map_or(Err(NoPast::Unknown), |slo| past(slo, &name, group))
    });
    match asked.await {
        Ok(Ok(past)) => answer(&past),
        Ok(Err(NoPast::Unknown)) => {
            let cure = "name its objective and its group, as /api/v1/slo lists them";
            refused(StatusCode::NOT_FOUND, "there is no such series", cure)
        }
        Ok(Err(NoPast::Busy)) => {
            let problem = "the evaluation has no time to answer";
            refused(StatusCode::SERVICE_UNAVAILABLE, problem, "ask again in some seconds")
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Why nobody can say how a budget was spent.
#[derive(Debug)]
enum NoPast {
    /// There is no such series.
    Unknown,
    /// Too many ask, or the thread that evaluates has too much to do.
    Busy,
}

/// How the budget of a series was spent; waits for the thread that evaluates.
fn past(slo: &Slo, name: &str, group: Vec<(Dimension, String)>) -> Result<Value, NoPast> {
    let answer = slo.statuses.ask(name, group).ok_or(NoPast::Busy)?;
    let points = answer.recv_timeout(PAST_WITHIN).map_err(|_| NoPast::Busy)?;
    let points = points.ok_or(NoPast::Unknown)?;
    let column = |of: fn(&BudgetPoint) -> Value| points.iter().map(of).collect::<Value>();
    Ok(json!({
        "time_ms": column(|point| point.time_ms.into()),
        "left": column(|point| point.left.into()),
    }))
}
