//! The record of what one objective saw in one minute, and where it stands: the table.
//!
//! Sums over the records of a time are those of its events, to the last one, over all instances. Burn rates
//! are of fixed windows, whatever the objective's own are, so that one board and one rule fit all; a window
//! without events has none.

use super::schema::record;
use super::value::{Count, Ratio, Text, TextList, TimestampMs};

record! {
    /// A minute of one series of an objective.
    SloRecord {
        /// Start of the minute. An event belongs to the minute of its own `@timestamp`.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// 0; for events that were read after their minute had been written, a number that is never
        /// used again. All parts of a minute add up to it.
        1 slo_part: Count => "lbproxy.slo.part", "";
        /// Name of the objective.
        2 slo_name: Text<'a, 64> => "lbproxy.slo.name", "";
        /// Service, if the objective is grouped by it; `_other` for groups beyond the limit, `-` for
        /// events without one.
        3 service: Text<'a, 255> => "lbproxy.service", "";
        /// Route, likewise.
        4 route: Text<'a, 255> => "lbproxy.route", "http.route";
        /// Endpoint, likewise.
        5 endpoint: Text<'a, 255> => "lbproxy.endpoint", "";
        /// Events of the minute that count.
        6 slo_valid: Count => "lbproxy.slo.valid", "";
        /// Of these, good ones.
        7 slo_good: Count => "lbproxy.slo.good", "";
        /// Of these, bad ones.
        8 slo_bad: Count => "lbproxy.slo.bad", "";
        /// Target in parts per million.
        9 slo_target: Count => "lbproxy.slo.target_ppm", "";
        /// Over which time the target holds, in seconds; a month is 30 days.
        10 slo_period: Count => "lbproxy.slo.period_seconds", "";
        /// Events of the period so far that count.
        11 slo_period_valid: Count => "lbproxy.slo.period.valid", "";
        /// Of these, bad ones.
        12 slo_period_bad: Count => "lbproxy.slo.period.bad", "";
        /// Share of the period's budget that is left; 0 when it is overspent.
        13 slo_budget_left: Ratio => "lbproxy.slo.budget_left", "";
        /// Share of it that is spent; above 1 when it is overspent.
        14 slo_budget_spent: Ratio => "lbproxy.slo.budget_spent", "";
        /// Burn rate over the last 5 minutes: 1 spends the budget within the period.
        15 slo_burn_5m: Ratio => "lbproxy.slo.burn_rate.5m", "";
        /// The same over 30 minutes.
        16 slo_burn_30m: Ratio => "lbproxy.slo.burn_rate.30m", "";
        /// The same over an hour.
        17 slo_burn_1h: Ratio => "lbproxy.slo.burn_rate.1h", "";
        /// The same over 2 hours.
        18 slo_burn_2h: Ratio => "lbproxy.slo.burn_rate.2h", "";
        /// The same over 6 hours.
        19 slo_burn_6h: Ratio => "lbproxy.slo.burn_rate.6h", "";
        /// The same over a day.
        20 slo_burn_1d: Ratio => "lbproxy.slo.burn_rate.1d", "";
        /// The same over 3 days.
        21 slo_burn_3d: Ratio => "lbproxy.slo.burn_rate.3d", "";
        /// `inactive`, `pending` or `firing`: the worst of its alerts.
        22 slo_state: Text<'a, 16> => "lbproxy.slo.state", "";
        /// `page`, `ticket` or `no_data`: which alert that is; absent when all are inactive.
        23 slo_alert: Text<'a, 16> => "lbproxy.slo.alert", "";
        /// When nothing of the budget is left at the pace of the last hour; absent when that is not
        /// within the period.
        24 slo_exhausted_at: TimestampMs => "lbproxy.slo.exhausted_at", "";
        /// Rows of windows that burn fast enough to fire, by their long window (`1h`; `1h-5m` where two have
        /// the same), with `min_total` and `min_bad`; none during maintenance. For rules of other tools.
        25 slo_burning: TextList<'a> => "lbproxy.slo.burning", "";
    }
}

impl SloRecord<'_> {
    /// A number made of all that tells this record from the others that start at its time: the same
    /// whenever and by whatever version it is written.
    pub fn fingerprint(&self) -> u64 {
        let texts = [
            self.slo_name.map(|text| text.0),
            self.service.map(|text| text.0),
            self.route.map(|text| text.0),
            self.endpoint.map(|text| text.0),
        ];
        super::id::fingerprint(&[self.slo_part.map_or(0, |part| part.0)], &texts)
    }
}
