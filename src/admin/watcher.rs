//! The listener of `lbproxy slo watch`: health, readiness, metrics; no page.
//!
//! Ready is who watches, or sees that another does. Not here: what is watched (`watch`).

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{guard, listener, unknown};
use crate::config::Secret;
use crate::metrics::{AdminMetrics, Exposition};
use crate::vitals;
use crate::watch::WatchShown;

/// What the pages show.
#[derive(Debug)]
pub struct WatchSources {
    /// Whether it watches, and its figures.
    pub shown: Arc<WatchShown>,
    /// Figures of this listener alone.
    pub admin: Arc<AdminMetrics>,
    /// Token to ask for.
    pub token: Option<Secret>,
    /// Start of the process.
    pub start: Instant,
}

/// Serves until the task is dropped.
pub async fn serve_watch(listener: TcpListener, sources: Arc<WatchSources>) {
    let with = || Arc::clone(&sources);
    let token: guard::Token = Arc::new(sources.token.clone());
    let data = Router::new()
        .route("/metrics", get(metrics))
        .with_state(with())
        .layer(middleware::from_fn_with_state(token, guard::data));
    let open = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(with());
    let count = async |State(sources): State<Arc<WatchSources>>, request: Request, next: Next| {
        sources.admin.requests_total.add(1);
        next.run(request).await
    };
    let router = open
        .merge(data)
        .fallback(async || unknown("/metrics /healthz /readyz"))
        .layer(middleware::from_fn(guard::request))
        .layer(middleware::from_fn_with_state(with(), count));
    listener::serve(listener, router, Arc::clone(&sources.admin)).await;
}

async fn ready(State(sources): State<Arc<WatchSources>>) -> Response {
    if sources.shown.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "cannot watch; the log says why\n").into_response()
    }
}

async fn metrics(State(sources): State<Arc<WatchSources>>) -> impl axum::response::IntoResponse {
    let mut page = Exposition::default();
    let admin = &sources.admin;
    admin.uptime_seconds.set(sources.start.elapsed().as_secs());
    admin.resident_bytes.set(vitals::Usage::now().resident_bytes);
    admin.expose(&[], &mut page);
    crate::names::metrics().expose(&[], &mut page);
    sources.shown.expose(&mut page);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.finish())
}
