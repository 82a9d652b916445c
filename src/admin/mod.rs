//! The admin listener (axum): health, readiness, metrics, drain.
//!
//! Loopback by default; elsewhere every path but health and readiness asks for the bearer token.
//! Readiness says whether the proxy accepts; it is never tied to Elasticsearch. Not here: traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config;
use crate::control::Control;
use crate::journal;
use crate::metrics::{AdminMetrics, Exposition, OtlpMetrics, RollupMetrics, ShipMetrics};
use crate::proxy::Figures;
use crate::rollup;
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
    /// Shipping; `None` when it is not configured.
    pub ship: Option<Shipping>,
    /// Heartbeat and samples.
    pub vitals: Arc<vitals::Metrics>,
    /// Traces; `None` when they are not exported.
    pub otlp: Option<Traces>,
    /// This listener.
    pub admin: AdminMetrics,
    /// Start of the process.
    pub start: Instant,
    /// Set to true to drain; read for readiness.
    pub drain: watch::Sender<bool>,
    /// Token to ask for.
    pub token: Option<config::Secret>,
}

/// Rollups, as the pages show them.
#[derive(Debug)]
pub struct Rollup {
    /// Their cells.
    pub metrics: Arc<RollupMetrics>,
    /// The windows of the last hours.
    pub history: Arc<rollup::History>,
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
    /// What the system says.
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
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(listener: TcpListener, sources: Arc<Sources>) -> std::io::Result<()> {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/drain", post(drain))
        .layer(middleware::from_fn_with_state(Arc::clone(&sources), authorize));
    let open = Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready));
    let router =
        open.merge(guarded).with_state(Arc::clone(&sources)).layer(middleware::from_fn_with_state(
            sources,
            async |State(sources): State<Arc<Sources>>, request: Request, next: Next| {
                sources.admin.requests_total.add(1);
                next.run(request).await
            },
        ));
    axum::serve(listener, router).await
}

/// Asks for the token, if there is one.
async fn authorize(State(sources): State<Arc<Sources>>, request: Request, next: Next) -> Response {
    let Some(token) = &sources.token else { return next.run(request).await };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (token.reveal(), given) {
        (Ok(want), Some(given)) if is_same(want.as_bytes(), given.as_bytes()) => {
            next.run(request).await
        }
        (Ok(_), _) => {
            let fields = [(header::WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, fields, "send the token of admin.token\n").into_response()
        }
        (Err(_), _) => {
            (StatusCode::SERVICE_UNAVAILABLE, "admin.token_file cannot be read\n").into_response()
        }
    }
}

/// Compares in a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

/// Whether new connections are welcome.
async fn ready(State(sources): State<Arc<Sources>>) -> Response {
    if *sources.drain.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

/// Begins to drain; the process ends when that is done.
async fn drain(State(sources): State<Arc<Sources>>) -> (StatusCode, &'static str) {
    sources.drain.send_replace(true);
    (
        StatusCode::ACCEPTED,
        "draining: no new connections; the process ends when exchanges have ended\n",
    )
}

/// Prometheus text.
async fn metrics(State(sources): State<Arc<Sources>>) -> impl axum::response::IntoResponse {
    let mut page = Exposition::default();
    let admin = &sources.admin;
    admin.uptime_seconds.set(sources.start.elapsed().as_secs());
    admin.resident_bytes.set(resident_bytes());
    admin.draining.set(u64::from(*sources.drain.borrow()));
    admin.expose(&[], &mut page);
    sources.proxy.expose(&mut page);
    sources.vitals.expose(&mut page);
    sources.journal.metrics().expose(&[], &mut page);
    sources.control.metrics().expose(&[], &mut page);
    if let Some(rollup) = &sources.rollup {
        rollup.metrics.expose(&[], &mut page);
    }
    if let Some(ship) = &sources.ship {
        ship.metrics.pending.set(sources.journal.pending(ship.reader));
        ship.metrics.expose(&[], &mut page);
    }
    if let Some(otlp) = &sources.otlp {
        otlp.metrics.pending.set(sources.journal.pending(otlp.reader));
        otlp.metrics.expose(&[], &mut page);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.finish())
}

/// Resident memory of this process, in bytes; 0 when /proc does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// How long an answer may take to reach its reader while the process ends.
pub const LAST_ANSWERS: Duration = Duration::from_millis(200);
