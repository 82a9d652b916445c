//! The record of what one service, route and endpoint did in one window of time: the table.
//!
//! Sums over the rollups of a window are those of its access records, to the last one. Rollups of
//! several workers stand added up; those of several instances are told apart by `lbproxy.instance`.

use super::schema::record;
use super::summary::{ClassCounts, MethodCounts, OutcomeCounts, ReasonCounts, StatusCounts, Times};
use super::value::{Bytes, Count, Micros, Text, TimestampMs};

record! {
    /// Requests of one window, by service, route and endpoint.
    RollupRecord {
        /// Start of the window, a multiple of its length. A request belongs to the window of its own
        /// `@timestamp`.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// Length of the window.
        1 rollup_window_us: Micros => "lbproxy.rollup.window_us", "";
        /// 0; for requests that were read after their window had been written, a number that is never
        /// used again. All parts of a window add up to it.
        2 rollup_part: Count => "lbproxy.rollup.part", "";
        /// Service; `_other` for those beyond the limit.
        3 service: Text<'a, 255> => "lbproxy.service", "";
        /// Route; `_other` for those beyond the limit.
        4 route: Text<'a, 255> => "lbproxy.route", "http.route";
        /// Endpoint of the last attempt; `_other` for those beyond the limit. Failed attempts count for the
        /// endpoint that failed.
        5 endpoint: Text<'a, 255> => "lbproxy.endpoint", "";
        /// Requests that ended in the window.
        6 rollup_requests: Count => "lbproxy.rollup.requests", "";
        /// Of these, by outcome: good ones are `success`, valid ones `success` and `failure`.
        7 rollup_outcomes: OutcomeCounts<'a> => "lbproxy.rollup.outcome", "";
        /// By class of status.
        8 rollup_classes: ClassCounts<'a> => "lbproxy.rollup.class", "";
        /// By status; unusual ones are not mapped.
        9 rollup_statuses: StatusCounts<'a> => "lbproxy.rollup.status", "";
        /// By method.
        10 rollup_methods: MethodCounts<'a> => "lbproxy.rollup.method", "";
        /// By reason for the end.
        11 rollup_reasons: ReasonCounts<'a> => "lbproxy.rollup.reason", "";
        /// Sum over request bodies.
        12 rollup_request_body_bytes: Bytes => "lbproxy.rollup.request_body_bytes", "";
        /// Sum over requests, as far as their bytes are known.
        13 rollup_request_bytes: Bytes => "lbproxy.rollup.request_bytes", "";
        /// Sum over response bodies.
        14 rollup_response_body_bytes: Bytes => "lbproxy.rollup.response_body_bytes", "";
        /// Sum over responses.
        15 rollup_response_bytes: Bytes => "lbproxy.rollup.response_bytes", "";
        /// Attempts made for these requests.
        16 rollup_attempts: Count => "lbproxy.rollup.attempts", "";
        /// Of these, attempts after the first of a request.
        17 rollup_retries: Count => "lbproxy.rollup.retries", "";
        /// Upstream connections opened for these requests.
        18 rollup_connections_opened: Count => "lbproxy.rollup.connections_opened", "";
        /// Distribution of the duration; percentiles within 0.4 %, the histogram within 0.8 %.
        19 rollup_duration: Times<'a> => "lbproxy.rollup.duration_us", "";
        /// Distribution of the time from the request handed over to the response head.
        20 rollup_first_byte: Times<'a> => "lbproxy.rollup.first_byte_us", "";
        /// Distribution of the time to connect, where a connection was opened.
        21 rollup_connect: Times<'a> => "lbproxy.rollup.connect_us", "";
        /// Attempts at this endpoint that it failed (no connection, no answer in time, a broken one), of all
        /// requests that ended in the window, also of those that another endpoint served then.
        22 rollup_failed_attempts: Count => "lbproxy.rollup.failed_attempts", "";
    }
}

impl RollupRecord<'_> {
    /// A number made of all that tells this rollup from the others that start at its time: the same
    /// whenever and by whatever version it is written.
    pub fn fingerprint(&self) -> u64 {
        let numbers = [
            self.rollup_window_us.map_or(0, |span| span.0),
            self.rollup_part.map_or(0, |part| part.0),
        ];
        let texts = [
            self.service.map(|text| text.0),
            self.route.map(|text| text.0),
            self.endpoint.map(|text| text.0),
        ];
        super::id::fingerprint(&numbers, &texts)
    }
}
