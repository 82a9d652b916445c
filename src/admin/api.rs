//! The JSON behind the page, for programs too: `/api/v1/...`.
//!
//! | path | what |
//! |---|---|
//! | `about` | what does not change: version, instance, listeners, what is switched on |
//! | `overview?range=5m`, `services?range=5m` | figures of a span, see `summary` |
//! | `live` | event stream: the counters, once a second |
//! | `requests?filter=…&last=50` | event stream: requests as they end |
//! | `fields` | what filters can name, and what it means |
//! | `slo`, `slo/budget?objective=NAME` | where objectives stand; how a budget was spent, see `objectives` |
//! | `process`, `shipping` | the last quarter of an hour of the process; where every record is |
//! | `drain` (POST) | begins to drain |
//!
//! A span is computed once in [`KEPT_FOR`], however many pages ask. Mistakes are JSON too: what, where,
//! how to mend it. Not here: who may ask (`guard`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answers::{answer, mistake, off, parameter};
use super::before::{self, Before};
use super::events::{self, Seat};
use super::live::Live;
use super::seen::Seen;
use super::summary::{self, Span};
use super::{Discover, Sources, objectives, picture, tail};
use crate::base::clock::wall_ms;
use crate::query::{FIELD_NAMES, Field, Filter, FilterError, fields};

/// Spans that can be asked for.
const RANGES: [(&str, u64); 4] =
    [("5m", 5 * 60_000), ("15m", 15 * 60_000), ("1h", 60 * 60_000), ("6h", 6 * 60 * 60_000)];
/// How long an answer is used again.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// Most live pages at a time.
const STREAMS_MAX: usize = 64;
/// Most tails at a time: each has a thread.
const TAILS_MAX: usize = 8;
/// Most requests of the past that a tail begins with.
const LAST_MAX: usize = 500;
/// Events that wait for a slow reader of a tail.
const TAIL_FRAMES_MAX: usize = 8;

/// What there is below `/api/v1/`, for who asks for something else.
pub(super) const PATHS: &str = "/api/v1/ + about overview services live requests fields slo slo/budget process shipping, and drain (POST)";

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    sources: Arc<Sources>,
    live: Arc<Live>,
    /// Answers by page and span.
    kept: Mutex<Vec<Kept>>,
}

/// An answer that is used again.
#[derive(Debug)]
struct Kept {
    /// Page and span.
    key: (Page, u64),
    at: Instant,
    text: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Overview,
    Services,
}

/// The routes below `/api/v1`.
pub(super) fn routes(sources: Arc<Sources>, live: Arc<Live>) -> Router {
    let objectives = objectives::routes(Arc::clone(&sources));
    let shared = Arc::new(Shared { sources, live, kept: Mutex::default() });
    Router::new()
        .route("/about", get(about))
        .route("/overview", get(overview))
        .route("/services", get(services))
        .route("/live", get(live_stream))
        .route("/requests", get(requests))
        .route("/fields", get(field_list))
        .route("/process", get(process))
        .route("/shipping", get(shipping))
        .route("/drain", post(drain))
        .fallback(async || super::unknown(PATHS))
        .with_state(shared)
        .merge(objectives)
}

/// What does not change while the process runs.
async fn about(State(shared): State<Arc<Shared>>) -> Response {
    let sources = &shared.sources;
    let about = &sources.about;
    let listeners = about.listeners.iter();
    let listeners: Vec<Value> = listeners
        .map(|(name, address)| json!({ "name": name, "address": address.to_string() }))
        .collect();
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instance": about.instance,
        "config_hash": about.config_hash,
        "listeners": listeners,
        "workers": sources.proxy.workers().len(),
        "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "ranges": RANGES.map(|(name, ms)| json!({ "name": name, "seconds": ms / 1_000 })),
        "has_rollup": sources.rollup.is_some(),
        "has_shipping": sources.ship.is_some(),
        "discover": about.discover.as_ref().and_then(Discover::place),
        "pid": std::process::id(),
    }))
}

/// Figures of a span for the first page.
async fn overview(State(shared): State<Arc<Shared>>, query: RawQuery) -> Response {
    shared.span(Page::Overview, parameter(&query, "range").as_deref()).await
}

/// Figures of a span for each service and endpoint.
async fn services(State(shared): State<Arc<Shared>>, query: RawQuery) -> Response {
    shared.span(Page::Services, parameter(&query, "range").as_deref()).await
}

impl Shared {
    /// A page with a span: the answer of a moment ago, or a new one.
    async fn span(self: Arc<Self>, page: Page, range: Option<&str>) -> Response {
        let range = range.unwrap_or(RANGES[0].0);
        let Some((_, length_ms)) = RANGES.into_iter().find(|(name, _)| *name == range) else {
            return mistake("this is no range", "write 5m, 15m, 1h or 6h");
        };
        if self.sources.rollup.is_none() {
            let problem = "rollups are off, so there are no figures of the past";
            return off(problem, "set telemetry.rollup.every to 1m");
        }
        let key = (page, length_ms);
        let known = self
            .kept()
            .iter()
            .find(|kept| kept.key == key)
            .and_then(|kept| (kept.at.elapsed() < KEPT_FOR).then(|| Arc::clone(&kept.text)));
        let text = match known {
            Some(text) => text,
            // Hours of many routes take some milliseconds, which no other answer should wait for.
            None => match tokio::task::spawn_blocking(move || self.compute(key)).await {
                Ok(text) => text,
                Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            },
        };
        let fields =
            [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (fields, text.to_string()).into_response()
    }

    /// Makes an answer and keeps it.
    fn compute(&self, key: (Page, u64)) -> Arc<str> {
        let span = Span { length_ms: key.1, now_ms: wall_ms() };
        let history = self.sources.rollup.as_ref().map(|rollup| &rollup.history);
        let past = history.map(|history| history.since(before::since_ms(span)));
        let age_ms = u64::try_from(self.sources.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let targets = &self.sources.targets;
        let value = past.map_or(Value::Null, |past| {
            let start_ms = span.now_ms.saturating_sub(age_ms);
            let before = Before::new(&past, span, start_ms);
            let seen = Seen::of(&past, start_ms);
            match key.0 {
                Page::Overview => summary::overview(&past, span, seen, before.as_ref(), targets),
                Page::Services => summary::services(&past, span, seen, before.as_ref(), targets),
            }
        });
        let text: Arc<str> = Arc::from(value.to_string());
        let mut kept = self.kept();
        kept.retain(|kept| kept.key != key);
        kept.push(Kept { key, at: Instant::now(), text: Arc::clone(&text) });
        text
    }

    /// Answers that are kept: one for each page and span at most.
    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, most: usize) -> Response {
        self.sources.admin.streams_refused_total.add(1);
        events::full(most)
    }
}

/// The counters, once a second.
async fn live_stream(State(shared): State<Arc<Shared>>) -> Response {
    let Some(seat) = Seat::take(&shared.sources, |cells| &cells.streams, STREAMS_MAX) else {
        return shared.refuse(STREAMS_MAX);
    };
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(Arc::clone(&shared.live).tell(Arc::clone(&shared.sources), out, seat));
    events::answer(frames)
}

async fn requests(State(shared): State<Arc<Shared>>, query: RawQuery) -> Response {
    let text = parameter(&query, "filter").unwrap_or_default();
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => return wrong_filter(&text, &error),
    };
    let Ok(last) = parameter(&query, "last").map_or(Ok(0), |last| last.parse::<usize>()) else {
        return mistake("`last` is no number", "write last=50");
    };
    let Some(seat) = Seat::take(&shared.sources, |cells| &cells.tails, TAILS_MAX) else {
        return shared.refuse(TAILS_MAX);
    };
    let (out, frames) = mpsc::channel(TAIL_FRAMES_MAX);
    // There is room: nothing else was sent yet.
    let _ = out.try_send(events::opening());
    let ask = tail::Ask { filter, last: last.min(LAST_MAX) };
    if tail::start(Arc::clone(&shared.sources), ask, out, seat).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no thread for a tail\n").into_response();
    }
    events::answer(frames)
}

/// A filter that is none: what, where, how to mend it. Places are in UTF-16 units, as pages count.
fn wrong_filter(text: &str, error: &FilterError) -> Response {
    let units = |bytes: usize| {
        let part = text.get(..bytes).unwrap_or(text);
        part.encode_utf16().count()
    };
    let (start, end) = (units(error.at), units(error.at + error.bytes));
    let body = json!({ "problem": error.problem, "cure": error.cure, "start": start, "end": end });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

async fn field_list() -> Response {
    let names = |field: &Field| -> Vec<&str> {
        let same = |name: &&str| Field::find(name).is_ok_and(|found| found.path == field.path);
        FIELD_NAMES.iter().copied().filter(same).collect()
    };
    let list: Vec<Value> = fields()
        .iter()
        .map(|field| {
            json!({
                "path": field.path,
                "short": field.short,
                "names": names(field),
                "kind": format!("{:?}", field.kind).to_lowercase(),
                "meaning": field.doc.trim(),
            })
        })
        .collect();
    answer(&json!({ "fields": list }))
}

/// The process: its last quarter of an hour, and every metric.
async fn process(State(shared): State<Arc<Shared>>) -> Response {
    let page = super::exposition(&shared.sources);
    let families: serde_json::Map<String, Value> = page
        .families()
        .map(|(family, lines)| {
            let samples: Vec<&str> = lines.lines().collect();
            let value =
                json!({ "kind": family.kind.as_str(), "help": family.help, "samples": samples });
            (family.name.to_owned(), value)
        })
        .collect();
    answer(&json!({ "series": shared.live.points(), "metrics": families }))
}

async fn shipping(State(shared): State<Arc<Shared>>) -> Response {
    answer(&json!({ "now_ms": wall_ms(), "trust": picture::trust(&shared.sources) }))
}

/// Begins to drain; the process ends when that is done.
async fn drain(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    shared.sources.drain.send_replace(true);
    (
        StatusCode::ACCEPTED,
        "draining: no new connections; the process ends when exchanges have ended\n",
    )
}
