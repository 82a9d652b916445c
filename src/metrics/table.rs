//! The one table of metric names.
//!
//! A row reads `field: Kind "name" "constant labels" "help";` and becomes a public [`Cell64`] of the
//! struct. Structs are per writer: one [`WorkerMetrics`] a worker, one [`EndpointMetrics`] per worker
//! and endpoint, and so on; readers add up.

use super::{Cell64, Exposition, Family, Kind};

/// Declares a struct of cells and how to print it.
macro_rules! metrics {
    ($($(#[$doc:meta])* $struct:ident { $($field:ident: $kind:ident $name:literal $labels:literal $help:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(align(64))] // one writer's cells never share a cache line with another's
        pub struct $struct { $(#[doc = $help] pub $field: Cell64,)* }

        impl $struct {
            /// Adds every cell to `page` under `labels`.
            pub fn expose(&self, labels: &[(&str, &str)], page: &mut Exposition) {
                $(page.sample(
                    Family { name: $name, labels: $labels, help: $help, kind: Kind::$kind },
                    labels,
                    self.$field.value(),
                );)*
            }
        }
    )*};
}

metrics! {
    /// Written by one worker.
    WorkerMetrics {
        connections: Gauge "lbproxy_connections" "" "Downstream connections open now.";
        connections_total: Counter "lbproxy_connections_total" "" "Downstream connections accepted.";
        connections_refused_total: Counter "lbproxy_connections_refused_total" "" "Connections closed at once: the limit was reached.";
        accept_errors_total: Counter "lbproxy_accept_errors_total" "" "Failures of accept(2), such as no file descriptor left.";
        requests_in_flight: Gauge "lbproxy_requests_in_flight" "" "Exchanges under way now.";
        requests_total: Counter "lbproxy_requests_total" "" "Exchanges ended.";
        downstream_received_bytes_total: Counter "lbproxy_downstream_received_bytes_total" "" "Bytes read from downstream sockets.";
        downstream_sent_bytes_total: Counter "lbproxy_downstream_sent_bytes_total" "" "Bytes written to downstream sockets.";
        records_created_total: Counter "lbproxy_records_created_total" "" "Records made, journaled or dropped.";
    }
    /// Written by one worker for one service.
    ServiceMetrics {
        status_1xx: Counter "lbproxy_responses_total" "class=\"1xx\"" "Responses by class of status.";
        status_2xx: Counter "lbproxy_responses_total" "class=\"2xx\"" "Responses by class of status.";
        status_3xx: Counter "lbproxy_responses_total" "class=\"3xx\"" "Responses by class of status.";
        status_4xx: Counter "lbproxy_responses_total" "class=\"4xx\"" "Responses by class of status.";
        status_5xx: Counter "lbproxy_responses_total" "class=\"5xx\"" "Responses by class of status.";
        aborted: Counter "lbproxy_responses_total" "class=\"none\"" "Responses by class of status.";
        retries_total: Counter "lbproxy_retries_total" "" "Attempts after the first of an exchange.";
        no_endpoint_total: Counter "lbproxy_no_endpoint_total" "" "Exchanges answered 503: every endpoint was set aside.";
    }
    /// Written by one worker for one endpoint.
    EndpointMetrics {
        in_flight: Gauge "lbproxy_endpoint_requests_in_flight" "" "Attempts under way now.";
        attempts_total: Counter "lbproxy_endpoint_attempts_total" "" "Attempts made.";
        failures_total: Counter "lbproxy_endpoint_failures_total" "" "Attempts that failed to connect, timed out or were cut.";
        connections_active: Gauge "lbproxy_pool_connections_active" "" "Upstream connections that carry an exchange now.";
        connections_idle: Gauge "lbproxy_pool_connections_idle" "" "Upstream connections waiting in the pool.";
        connections_opened_total: Counter "lbproxy_pool_connections_opened_total" "" "Upstream connections opened.";
        connections_reused_total: Counter "lbproxy_pool_connections_reused_total" "" "Attempts that rode a pooled connection.";
    }
    /// The journal: left side of both equations.
    JournalMetrics {
        appended_total: Counter "lbproxy_journal_appended_total" "" "Records appended since start.";
        recovered_total: Counter "lbproxy_journal_recovered_total" "" "Records of earlier runs, found unshipped at start.";
        dropped_full_total: Counter "lbproxy_journal_dropped_full_total" "" "Records not journaled: no space was left.";
        damaged_records_total: Counter "lbproxy_journal_damaged_records_total" "" "Records lost to damage on disk, by their numbers.";
        damaged_segments_total: Counter "lbproxy_journal_damaged_segments_total" "" "Segments kept aside because of damage.";
        late_preparations_total: Counter "lbproxy_journal_late_preparations_total" "" "Times a worker had to wait for a prepared segment and found none.";
        prepare_errors_total: Counter "lbproxy_journal_prepare_errors_total" "" "Segment files given up because they could not be reserved or mapped.";
        sync_errors_total: Counter "lbproxy_journal_sync_errors_total" "" "Failures of fdatasync(2).";
        segments: Gauge "lbproxy_journal_segments" "" "Segment files on disk.";
        used_bytes: Gauge "lbproxy_journal_used_bytes" "" "Bytes of segments that a reader still needs.";
        capacity_bytes: Gauge "lbproxy_journal_capacity_bytes" "" "Most bytes the journal may take.";
    }
    /// Shipping: right side of the second equation.
    ShipMetrics {
        acknowledged_total: Counter "lbproxy_ship_acknowledged_total" "" "Records stored, as their own answers say.";
        duplicate_total: Counter "lbproxy_ship_duplicate_total" "" "Records that were already stored (409).";
        failure_store_total: Counter "lbproxy_ship_failure_store_total" "" "Records that the server put into its failure store.";
        dead_letter_total: Counter "lbproxy_ship_dead_letter_total" "" "Records refused for good and written to the dead-letter file.";
        dead_letter_lost_total: Counter "lbproxy_ship_dead_letter_lost_total" "" "Dead letters that found the file full: counted, not kept.";
        recovered: Gauge "lbproxy_ship_recovered" "" "Records of earlier runs that waited at start.";
        pending: Gauge "lbproxy_ship_pending" "" "Records journaled and not yet settled.";
        oldest_pending_seconds: Gauge "lbproxy_ship_oldest_pending_seconds" "" "Age of the oldest record not yet settled.";
        batches_total: Counter "lbproxy_ship_batches_total" "" "Bulk requests sent.";
        batch_errors_total: Counter "lbproxy_ship_batch_errors_total" "" "Bulk requests without a usable answer.";
        retried_records_total: Counter "lbproxy_ship_retried_records_total" "" "Records sent again.";
        unverified_total: Counter "lbproxy_ship_unverified_total" "" "Records sent again without a look whether they were stored: the credentials may not read.";
        sent_bytes_total: Counter "lbproxy_ship_sent_bytes_total" "" "Bytes of bulk bodies sent, before compression.";
        batches_in_flight: Gauge "lbproxy_ship_batches_in_flight" "" "Bulk requests under way now.";
        batches_in_flight_max: Gauge "lbproxy_ship_batches_in_flight_max" "" "Most bulk requests allowed at once now.";
        restarts_total: Counter "lbproxy_ship_restarts_total" "" "Times the shipper was started again after a fault.";
        connected: Gauge "lbproxy_ship_connected" "" "1 while Elasticsearch or OpenSearch takes records.";
        unauthorized: Gauge "lbproxy_ship_unauthorized" "" "1 while the credentials are refused.";
    }
    /// Records of everything but exchanges, in the control lane.
    ControlMetrics {
        records_created_total: Counter "lbproxy_records_created_total" "" "Records made, journaled or dropped.";
    }
    /// Rollups. The sum of requests in all rows written is `records_total`, less what is open, pending
    /// or lost.
    RollupMetrics {
        records_total: Counter "lbproxy_rollup_records_total" "" "Access records added to a window.";
        late_total: Counter "lbproxy_rollup_late_total" "" "Of these, records read after their window was written: they are in a part of their own.";
        other_total: Counter "lbproxy_rollup_other_total" "" "Of these, records counted under _other: too many routes and endpoints.";
        unreadable_total: Counter "lbproxy_rollup_unreadable_total" "" "Records of a newer version, or damaged: in no window.";
        rows_total: Counter "lbproxy_rollup_rows_total" "" "Rollup records written to the journal.";
        rows_lost_total: Counter "lbproxy_rollup_rows_lost_total" "" "Rollup records given up: the journal was full for too long.";
        windows_open: Gauge "lbproxy_rollup_windows_open" "" "Windows that records are added to now.";
        rows_pending: Gauge "lbproxy_rollup_rows_pending" "" "Rollup records that wait for space in the journal.";
        state_errors_total: Counter "lbproxy_rollup_state_errors_total" "" "Times the state could not be written: a crash would cost the open windows.";
        restarts_total: Counter "lbproxy_rollup_restarts_total" "" "Times the reader was started again after a fault.";
    }
    /// The admin listener.
    AdminMetrics {
        requests_total: Counter "lbproxy_admin_requests_total" "" "Requests to the admin address.";
        streams: Gauge "lbproxy_admin_streams" "" "Live pages that listen now.";
        streams_refused_total: Counter "lbproxy_admin_streams_refused_total" "" "Live pages and tails refused: too many were open.";
        tails: Gauge "lbproxy_admin_tails" "" "Tails of requests that are shown now.";
        tail_skipped_total: Counter "lbproxy_admin_tail_skipped_total" "" "Requests that tails left out: too many for eyes, or a slow reader.";
        uptime_seconds: Gauge "lbproxy_uptime_seconds" "" "Seconds since start.";
        resident_bytes: Gauge "lbproxy_process_resident_bytes" "" "Resident memory of the process.";
        draining: Gauge "lbproxy_draining" "" "1 while draining.";
    }
}
