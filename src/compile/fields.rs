//! Names of what lbproxy writes of objectives, for rules that read documents: one a minute of each series, in
//! `metrics-lbproxy.slo-NAMESPACE`. Held against the table of records by a test.
//!
//! Counts of a minute add up to those of its events, over parts, instances and time. Burn rates are of one
//! instance, at the moment the document was written; absent where the window had no event.

use super::Site;
use crate::record::Dataset;
use crate::slo::Dimension;

/// When: the start of the minute.
pub const TIME: &str = "@timestamp";
/// Name of the objective.
pub const NAME: &str = "lbproxy.slo.name";
/// Events of the minute that count.
pub const VALID: &str = "lbproxy.slo.valid";
/// Good ones of them.
pub const GOOD: &str = "lbproxy.slo.good";
/// Bad ones of them.
pub const BAD: &str = "lbproxy.slo.bad";
/// Share of the period's budget that is left.
pub const BUDGET_LEFT: &str = "lbproxy.slo.budget_left";
/// Stem of the burn rates' fields.
pub const BURN_RATE: &str = "lbproxy.slo.burn_rate";
/// Names of the rows of windows that burn, least counts included and outside maintenance: several.
pub const BURNING: &str = "lbproxy.slo.burning";
/// `inactive`, `pending` or `firing`.
pub const STATE: &str = "lbproxy.slo.state";

/// In documents of heartbeats alone: `up` or `down`.
pub const HEARTBEAT: &str = "monitor.status";

/// The data stream, of one namespace.
pub fn stream(site: &Site) -> String {
    Dataset::Slo.data_stream(&site.namespace)
}

/// The field of a dimension.
pub const fn dimension(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Service => "lbproxy.service",
        Dimension::Route => "lbproxy.route",
        Dimension::Endpoint => "lbproxy.endpoint",
    }
}

/// The data stream of heartbeats.
pub fn heartbeats(site: &Site) -> String {
    Dataset::Health.data_stream(&site.namespace)
}
