//! The admin listener (axum on hyper): the live page and its API, health, readiness, metrics, drain.
//!
//! ```text
//! /             page    files, embedded               guard: Host, Origin
//! /api/v1/...   api     live · verdict · tail · summary guard, and the token
//! /metrics              Prometheus text               guard, and the token
//! /healthz /readyz                                    open
//! ```
//! Every request has to name its host rightly; connections are bounded (`listener`). Loopback by default; elsewhere everything with figures asks for the bearer token. Readiness says
//! whether the proxy accepts; it is never tied to Elasticsearch. Not here: traffic.

mod answers;
mod api;
mod before;
mod discover;
mod events;
mod guard;
mod host;
mod listener;
mod live;
mod objectives;
mod page;
mod picture;
mod seen;
mod summary;
mod tail;
mod verdict;
mod watcher;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use discover::Discover;
pub use picture::shipping_state;
pub use verdict::verdict;
pub use watcher::{WatchSources, serve_watch};

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::host::fuzzed::host;
}

use crate::config;
use crate::control::Control;
use crate::journal;
use crate::metrics::{
    AdminMetrics, Exposition, Ledger, OtlpMetrics, RollupMetrics, ShipMetrics, Shipped, SloMetrics,
};
use crate::notify;
use crate::proxy::Figures;
use crate::rollup;
use crate::slo;
use crate::vitals;

/// What the pages show.
#[derive(Debug)]
pub struct Sources {
    /// The data plane.
    pub proxy: Arc<Figures>,
    /// The journal.
    pub journal: journal::Figures,
    /// The lane of everything but exchanges.
    pub control: Arc<Control>,
    /// Rollups; `None` when they are off.
    pub rollup: Option<Rollup>,
    /// Objectives; `None` when there are none.
    pub slo: Option<Slo>,
    /// What figures are held against.
    pub targets: slo::ServiceTargets,
    /// Shipping; `None` when it is not configured.
    pub ship: Option<Shipping>,
    /// Heartbeat and samples.
    pub vitals: Arc<vitals::Metrics>,
    /// Traces; `None` when they are not exported.
    pub otlp: Option<Traces>,
    /// Notices of objectives; `None` when there is no channel.
    pub notify: Option<Arc<notify::Metrics>>,
    /// This listener.
    pub admin: Arc<AdminMetrics>,
    /// What does not change.
    pub about: About,
    /// Start of the process.
    pub start: Instant,
    /// Set to true to drain; read for readiness.
    pub drain: watch::Sender<bool>,
    /// Token to ask for.
    pub token: Option<config::Secret>,
}

impl Sources {
    /// What became of every record.
    pub fn ledger(&self) -> Ledger {
        let pending = |ship: &Shipping| self.journal.pending(ship.reader);
        let shipped = self.ship.as_ref().map(|ship| Shipped::read(&ship.metrics, || pending(ship)));
        let (workers, control) = (self.proxy.workers(), self.control.metrics());
        Ledger::read(shipped, self.journal.metrics(), workers, control)
    }
}

/// What does not change while the process runs.
#[derive(Debug)]
pub struct About {
    /// Name of the process in documents.
    pub instance: String,
    /// Hash of its configuration.
    pub config_hash: String,
    /// Names and addresses of its listeners.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where its records can be looked at; `None` when that is not configured.
    pub discover: Option<Discover>,
}

/// Rollups, as the pages show them.
#[derive(Debug)]
pub struct Rollup {
    /// Their cells.
    pub metrics: Arc<RollupMetrics>,
    /// The windows of the last hours.
    pub history: Arc<rollup::History>,
}

/// Objectives, as the pages show them.
#[derive(Debug)]
pub struct Slo {
    /// Those without a mistake in their files: what is evaluated.
    pub objectives: Vec<Arc<slo::Objective>>,
    /// Cells of their evaluation.
    pub metrics: Arc<SloMetrics>,
    /// Where each series stands.
    pub statuses: Arc<slo::Statuses>,
}

/// Shipping, as the pages show it.
#[derive(Debug)]
pub struct Shipping {
    /// Name of its reader in the journal.
    pub reader: &'static str,
    /// Its cells.
    pub metrics: Arc<ShipMetrics>,
}

/// Traces, as the pages show them.
#[derive(Debug)]
pub struct Traces {
    /// Name of their reader in the journal.
    pub reader: &'static str,
    /// Their cells.
    pub metrics: Arc<OtlpMetrics>,
}

/// Why the admin listener cannot start.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} (admin.listen): {source}; stop what holds the port, or choose another"
)]
pub struct BindError {
    /// As configured.
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes the address.
///
/// # Errors
/// [`BindError`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, sources: Arc<Sources>) {
    let live = Arc::new(live::Live::new());
    let sampler = Arc::clone(&live).run(Arc::clone(&sources));
    let with = || Arc::clone(&sources);
    let token: guard::Token = Arc::new(sources.token.clone());
    let data = Router::new()
        .route("/metrics", get(metrics))
        .with_state(with())
        .nest("/api/v1", api::routes(with(), live))
        .route("/api/v1/", get(async || unknown(api::PATHS)))
        .layer(middleware::from_fn_with_state(Arc::clone(&token), guard::data));
    let shell = page::routes().layer(middleware::from_fn_with_state(token, guard::shell));
    let open = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(with());
    let count = async |State(sources): State<Arc<Sources>>, request: Request, next: Next| {
        sources.admin.requests_total.add(1);
        next.run(request).await
    };
    let router = open
        .merge(data)
        .merge(shell)
        .fallback(async || unknown(PATHS))
        .layer(middleware::from_fn(guard::request))
        .layer(middleware::from_fn_with_state(with(), count));
    tokio::select! {
        () = listener::serve(listener, router, Arc::clone(&sources.admin)) => (),
        () = sampler => (),
    }
}

/// What the listener has, beside the files of the page.
const PATHS: &str = "/ /api/v1/... /metrics /healthz /readyz";

/// The answer to a path that there is not.
fn unknown(paths: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("nothing is here; there is: {paths}\n")).into_response()
}

/// Whether new connections are welcome: not while the process ends or has not yet found endpoints, and not
/// when no service has one. A single service without an endpoint is told; it keeps nobody from the others.
async fn ready(State(sources): State<Arc<Sources>>) -> Response {
    let (empty, is_all) = sources.proxy.without_endpoint();
    let looking_up = sources.proxy.looking_up();
    let not_ready = if *sources.drain.borrow() {
        "draining".to_owned()
    } else if !looking_up.is_empty() {
        format!("endpoints are looked up: {}", looking_up.join(" "))
    } else if is_all {
        format!("no service has an endpoint: {}", empty.join(" "))
    } else if empty.is_empty() {
        return "ready\n".into_response();
    } else {
        return format!("ready; without an endpoint: {}\n", empty.join(" ")).into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, not_ready + "\n").into_response()
}

async fn metrics(State(sources): State<Arc<Sources>>) -> impl axum::response::IntoResponse {
    let page = exposition(&sources).finish();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

fn exposition(sources: &Sources) -> Exposition {
    let mut page = Exposition::default();
    let admin = &sources.admin;
    admin.uptime_seconds.set(sources.start.elapsed().as_secs());
    admin.resident_bytes.set(vitals::Usage::now().resident_bytes);
    admin.draining.set(u64::from(*sources.drain.borrow()));
    admin.expose(&[], &mut page);
    sources.proxy.expose(&mut page);
    crate::names::metrics().expose(&[], &mut page);
    sources.vitals.expose(&mut page);
    sources.journal.metrics().expose(&[], &mut page);
    sources.control.metrics().expose(&[], &mut page);
    if let Some(rollup) = &sources.rollup {
        rollup.metrics.expose(&[], &mut page);
    }
    if let Some(slo) = &sources.slo {
        slo.metrics.expose(&[], &mut page);
        slo::expose(&slo.statuses.last().series, &mut page);
    }
    if let Some(ship) = &sources.ship {
        ship.metrics.pending.set(sources.journal.pending(ship.reader));
        ship.metrics.expose(&[], &mut page);
    }
    if let Some(otlp) = &sources.otlp {
        otlp.metrics.pending.set(sources.journal.pending(otlp.reader));
        otlp.metrics.expose(&[], &mut page);
    }
    if let Some(notify) = &sources.notify {
        notify.expose(&mut page);
    }
    page
}

/// How long an answer may take to reach its reader while the process ends.
pub const LAST_ANSWERS: Duration = Duration::from_millis(200);
