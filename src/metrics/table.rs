//! The one table of metric names.
//!
//! A row reads `field: Kind "name" "constant labels" "help";` and becomes a public [`Cell64`] of the
//! struct; `"name" / 1_000_000` keeps the cell in millionths of what the page shows; `with` adds a part that is
//! no cell. Structs are per
//! writer: one [`WorkerMetrics`] a worker, one [`EndpointMetrics`] per worker and endpoint, and so on;
//! readers add up.

use super::{Cell64, Durations, Exposition, Family, Kind};

/// Declares a struct of cells and how to print it.
macro_rules! metrics {
    ($($(#[$doc:meta])* $struct:ident $(with $part:ident: $type:ident)? { $($field:ident: $kind:ident $name:literal $(/ $divisor:literal)? $labels:literal $help:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(align(64))] // one writer's cells never share a cache line with another's
        pub struct $struct {
            $(#[doc = $help] pub $field: Cell64,)*
            $(#[doc = concat!("See [`", stringify!($type), "`]; not among the rows.")] pub $part: $type,)?
        }

        impl $struct {
            /// The rows of the table.
            pub const FAMILIES: &'static [Family] = &[$(Family {
                name: $name,
                labels: $labels,
                help: $help,
                kind: Kind::$kind,
                divisor: divisor!($($divisor)?),
            }),*];

            /// Adds every cell to `page` under `labels`, but those that are not known.
            pub fn expose(&self, labels: &[(&str, &str)], page: &mut Exposition) {
                let cells = [$(&self.$field),*];
                for (family, cell) in Self::FAMILIES.iter().zip(cells) {
                    if let Some(value) = cell.known() {
                        page.sample(*family, labels, value);
                    }
                }
            }
        }
    )*};
}

/// What a cell's value is divided by on the page.
macro_rules! divisor {
    () => {
        1
    };
    ($divisor:literal) => {
        $divisor
    };
}

metrics! {
    /// Written by one worker.
    WorkerMetrics {
        connections: Gauge "lbproxy_connections" "" "Downstream connections open now.";
        connections_parked: Gauge "lbproxy_connections_parked" "" "Downstream connections that are idle and hold no buffers; part of lbproxy_connections.";
        connections_total: Counter "lbproxy_connections_total" "" "Downstream connections accepted.";
        connections_refused_total: Counter "lbproxy_connections_refused_total" "" "Connections closed at once: the limit was reached.";
        accept_errors_total: Counter "lbproxy_accept_errors_total" "" "Failures of accept(2), such as no file descriptor left.";
        shortage_descriptors_total: Counter "lbproxy_shortages_total" "kind=\"descriptors\"" "Connections not accepted or not opened because the system refused us something, by what.";
        shortage_local_ports_total: Counter "lbproxy_shortages_total" "kind=\"local_ports\"" "Connections not accepted or not opened because the system refused us something, by what.";
        shortage_memory_total: Counter "lbproxy_shortages_total" "kind=\"memory\"" "Connections not accepted or not opened because the system refused us something, by what.";
        shortage_permission_total: Counter "lbproxy_shortages_total" "kind=\"permission\"" "Connections not accepted or not opened because the system refused us something, by what.";
        requests_in_flight: Gauge "lbproxy_requests_in_flight" "" "Exchanges under way now.";
        requests_total: Counter "lbproxy_requests_total" "" "Exchanges ended.";
        probes_total: Counter "lbproxy_probes_total" "" "Requests of the heartbeat, answered here; not among the exchanges.";
        tls_handshakes_total: Counter "lbproxy_tls_handshakes_total" "" "TLS handshakes with downstreams that succeeded.";
        tls_handshake_failures_total: Counter "lbproxy_tls_handshake_failures_total" "" "TLS handshakes with downstreams that failed.";
        loop_ticks_total: Counter "lbproxy_loop_ticks_total" "" "Timers of the event loop that fired; they run while there is traffic.";
        loop_delay_us_total: Counter "lbproxy_loop_delay_seconds_total" / 1_000_000 "" "Time that those timers fired late: the event loop was busy.";
        loop_delay_peak_us: Gauge "lbproxy_loop_delay_peak_seconds" / 1_000_000 "" "Longest such time since the last sample of the process.";
        downstream_received_bytes_total: Counter "lbproxy_downstream_received_bytes_total" "" "Bytes read from downstream sockets, those of TLS included.";
        downstream_sent_bytes_total: Counter "lbproxy_downstream_sent_bytes_total" "" "Bytes written to downstream sockets, those of TLS included.";
        records_created_total: Counter "lbproxy_records_created_total" "" "Records made, journaled or dropped.";
    }
    /// Shortages of the process, as its log tells when they begin and when they are over.
    ShortageMetrics {
        descriptors: Gauge "lbproxy_shortage_now" "kind=\"descriptors\"" "1 while the system refuses us something that connections need, by what.";
        local_ports: Gauge "lbproxy_shortage_now" "kind=\"local_ports\"" "1 while the system refuses us something that connections need, by what.";
        memory: Gauge "lbproxy_shortage_now" "kind=\"memory\"" "1 while the system refuses us something that connections need, by what.";
        permission: Gauge "lbproxy_shortage_now" "kind=\"permission\"" "1 while the system refuses us something that connections need, by what.";
    }
    /// Names looked up, for endpoints and for clients of our own.
    NamesMetrics {
        found_total: Counter "lbproxy_name_lookups_total" "result=\"found\"" "Names looked up, by result, what was kept included; one look-up for all who ask at the same time.";
        not_found_total: Counter "lbproxy_name_lookups_total" "result=\"not_found\"" "Names looked up, by result, what was kept included; one look-up for all who ask at the same time.";
        failed_total: Counter "lbproxy_name_lookups_total" "result=\"failed\"" "Names looked up, by result, what was kept included; one look-up for all who ask at the same time.";
        refused_total: Counter "lbproxy_name_lookups_refused_total" "" "Questions that were not asked: too many at once.";
        under_way: Gauge "lbproxy_name_lookups_under_way" "" "Names that are looked up now.";
    }
    /// Written by one worker for one service.
    ServiceMetrics with durations: Durations {
        status_1xx: Counter "lbproxy_responses_total" "class=\"1xx\"" "Responses by class of status.";
        status_2xx: Counter "lbproxy_responses_total" "class=\"2xx\"" "Responses by class of status.";
        status_3xx: Counter "lbproxy_responses_total" "class=\"3xx\"" "Responses by class of status.";
        status_4xx: Counter "lbproxy_responses_total" "class=\"4xx\"" "Responses by class of status.";
        status_5xx: Counter "lbproxy_responses_total" "class=\"5xx\"" "Responses by class of status.";
        aborted: Counter "lbproxy_responses_total" "class=\"none\"" "Responses by class of status.";
        retries_total: Counter "lbproxy_retries_total" "" "Attempts after the first of an exchange.";
        no_endpoint_total: Counter "lbproxy_no_endpoint_total" "" "Exchanges answered 503: no endpoint could be chosen.";
        queue_places_taken: Gauge "lbproxy_queue_places_taken" "" "Exchanges under way now of a service that limits them.";
        queue_waiting: Gauge "lbproxy_queue_waiting" "" "Exchanges that wait now for a permit (`limits.in_flight`).";
        queue_waits_total: Counter "lbproxy_queue_waits_total" "" "Exchanges that had to wait for one.";
        queue_wait_us_total: Counter "lbproxy_queue_wait_seconds_total" / 1_000_000 "" "Time that they waited, those that gave up included.";
    }
    /// Written by one worker for one endpoint.
    EndpointMetrics {
        in_flight: Gauge "lbproxy_endpoint_requests_in_flight" "" "Attempts under way now.";
        attempts_total: Counter "lbproxy_endpoint_attempts_total" "" "Attempts made.";
        answers_total: Counter "lbproxy_endpoint_answers_total" "" "Attempts that got a response head.";
        answers_whole_total: Counter "lbproxy_endpoint_answers_whole_total" "" "Attempts whose answer came whole.";
        failures_total: Counter "lbproxy_endpoint_failures_total" "" "Attempts that failed to connect, timed out or were cut, in the body of an answer too.";
        connections_active: Gauge "lbproxy_pool_connections_active" "" "Upstream connections that carry an exchange now.";
        connections_idle: Gauge "lbproxy_pool_connections_idle" "" "Upstream connections waiting in the pool.";
        connections_opened_total: Counter "lbproxy_pool_connections_opened_total" "" "Upstream connections opened.";
        connections_reused_total: Counter "lbproxy_pool_connections_reused_total" "" "Attempts that rode a pooled connection.";
        received_bytes_total: Counter "lbproxy_upstream_received_bytes_total" "" "Bytes read from sockets to the endpoint.";
        sent_bytes_total: Counter "lbproxy_upstream_sent_bytes_total" "" "Bytes written to sockets to the endpoint.";
    }
    /// Written by whoever ejects an endpoint or lets it back.
    OutlierMetrics {
        ejected: Gauge "lbproxy_endpoint_ejected" "" "1 while the endpoint is out of rotation.";
        kept: Gauge "lbproxy_endpoint_kept_in_rotation" "" "1 while the endpoint fails and stays in rotation, since as many of its service are ejected as may be (`outlier.max_ejected`).";
        ejections_connect_total: Counter "lbproxy_endpoint_ejections_total" "cause=\"connect\"" "Times that the endpoint was ejected: no connection in a row, time-outs and no answer, or a far larger share of failures than its neighbours have.";
        ejections_silence_total: Counter "lbproxy_endpoint_ejections_total" "cause=\"silence\"" "Times that the endpoint was ejected: no connection in a row, time-outs and no answer, or a far larger share of failures than its neighbours have.";
        ejections_share_total: Counter "lbproxy_endpoint_ejections_total" "cause=\"share\"" "Times that the endpoint was ejected: no connection in a row, time-outs and no answer, or a far larger share of failures than its neighbours have.";
        probes_total: Counter "lbproxy_endpoint_probes_total" "" "Connects of our own to the endpoint while it was ejected for want of a connection.";
    }
    /// A service whose endpoints are found by name.
    DiscoveryMetrics {
        endpoints: Gauge "lbproxy_discovery_endpoints" "" "Endpoints found by name now.";
        changes_total: Counter "lbproxy_discovery_changes_total" "" "Times that other endpoints were found.";
        failures_total: Counter "lbproxy_discovery_failures_total" "" "Look-ups that failed; the endpoints of before stay.";
        empty_total: Counter "lbproxy_discovery_empty_total" "" "Answers without an address; the endpoints of before stay for 30 s.";
        refused_total: Counter "lbproxy_discovery_refused_total" "" "Addresses found and not used: more than 1000 endpoints of a service.";
        stale: Gauge "lbproxy_discovery_stale" "" "1 while the last look-up of a name failed or found no address.";
    }
    /// Records of everything but exchanges, in the control lane.
    ControlMetrics {
        records_created_total: Counter "lbproxy_records_created_total" "" "Records made, journaled or dropped.";
    }
    /// What the last sample of the process found; only with `telemetry.process`.
    ProcessMetrics {
        cpu_ms_total: Counter "lbproxy_process_cpu_seconds_total" / 1_000 "" "CPU time of the process.";
        cpu_ratio: Gauge "lbproxy_process_cpu_ratio" / 10_000 "" "CPU time per time since the last sample; 1 is one core.";
        host_cpu_ratio: Gauge "lbproxy_host_cpu_ratio" / 10_000 "" "CPU of the host in use; 1 is every core.";
        virtual_bytes: Gauge "lbproxy_process_virtual_bytes" "" "Virtual memory of the process.";
        resident_ratio: Gauge "lbproxy_process_resident_ratio" / 10_000 "" "Resident memory as a share of the host's.";
        pss_bytes: Gauge "lbproxy_process_pss_bytes" "" "Resident memory, pages shared with other processes counted in part.";
        heap_allocated_bytes: Gauge "lbproxy_heap_allocated_bytes" "" "Heap in use.";
        heap_resident_bytes: Gauge "lbproxy_heap_resident_bytes" "" "Heap that is resident, in use or not.";
        heap_retained_bytes: Gauge "lbproxy_heap_retained_bytes" "" "Address space that the allocator keeps without memory behind it.";
        filesystem_bytes: Gauge "lbproxy_journal_filesystem_bytes" "" "Size of the file system that the journal is on.";
        filesystem_available_bytes: Gauge "lbproxy_journal_filesystem_available_bytes" "" "What is left there for this user.";
        journal_mapped_bytes: Gauge "lbproxy_journal_mapped_bytes" "" "Journal segments mapped now.";
        host_memory_bytes: Gauge "lbproxy_host_memory_bytes" "" "Memory of the host.";
        host_memory_used_bytes: Gauge "lbproxy_host_memory_used_bytes" "" "Memory of the host that is not available.";
        descriptors: Gauge "lbproxy_process_open_descriptors" "" "File descriptors open.";
        descriptors_max: Gauge "lbproxy_process_max_descriptors" "" "Most file descriptors that may be open.";
        threads: Gauge "lbproxy_process_threads" "" "Threads of the process.";
        switches_voluntary_total: Counter "lbproxy_context_switches_total" "kind=\"voluntary\"" "Times that a thread waited or was set aside.";
        switches_involuntary_total: Counter "lbproxy_context_switches_total" "kind=\"involuntary\"" "Times that a thread waited or was set aside.";
        cgroup_cpu_limit: Gauge "lbproxy_cgroup_cpu_limit_cores" / 10_000 "" "CPU quota of the container, in cores.";
        cgroup_cpu_ratio: Gauge "lbproxy_cgroup_cpu_ratio" / 10_000 "" "CPU of the container's quota in use.";
        cgroup_throttled_periods_total: Counter "lbproxy_cgroup_throttled_periods_total" "" "Times that the container was throttled.";
        cgroup_throttled_us_total: Counter "lbproxy_cgroup_throttled_seconds_total" / 1_000_000 "" "How long the container was throttled.";
        cgroup_memory_bytes: Gauge "lbproxy_cgroup_memory_bytes" "" "Memory of the container in use, page cache included.";
        cgroup_memory_limit_bytes: Gauge "lbproxy_cgroup_memory_limit_bytes" "" "Most memory of the container.";
        cgroup_memory_ratio: Gauge "lbproxy_cgroup_memory_ratio" / 10_000 "" "Memory of the container as a share of its limit.";
        downstream_received_rate: Gauge "lbproxy_downstream_received_bytes_per_second" "" "Bytes read from downstreams per second, over the last sample.";
        downstream_sent_rate: Gauge "lbproxy_downstream_sent_bytes_per_second" "" "Bytes written to downstreams per second, over the last sample.";
        upstream_received_rate: Gauge "lbproxy_upstream_received_bytes_per_second" "" "Bytes read from endpoints per second, over the last sample.";
        upstream_sent_rate: Gauge "lbproxy_upstream_sent_bytes_per_second" "" "Bytes written to endpoints per second, over the last sample.";
        requests_rate: Gauge "lbproxy_requests_per_second" / 10_000 "" "Exchanges ended per second, over the last sample.";
        pool_reuse_ratio: Gauge "lbproxy_pool_reuse_ratio" / 10_000 "" "Of the attempts of the last sample that got a connection, those that rode a pooled one.";
        samples_total: Counter "lbproxy_process_samples_total" "" "Samples taken.";
    }
    /// What the last sample found of one worker; only with `telemetry.process`.
    ThreadMetrics {
        cpu_ms_total: Counter "lbproxy_worker_cpu_seconds_total" / 1_000 "" "CPU time of the worker.";
        cpu_ratio: Gauge "lbproxy_worker_cpu_ratio" / 10_000 "" "CPU time of the worker per time since the last sample.";
        loop_delay_mean_us: Gauge "lbproxy_loop_delay_mean_seconds" / 1_000_000 "" "Mean time that timers fired late, over the last sample.";
        loop_delay_max_us: Gauge "lbproxy_loop_delay_max_seconds" / 1_000_000 "" "Longest time that a timer fired late, over the last sample.";
    }
    /// The last check of one listener or endpoint; only with `telemetry.heartbeat`.
    MonitorMetrics {
        up: Gauge "lbproxy_monitor_up" "" "1 while the last check found it up.";
        checks_total: Counter "lbproxy_monitor_checks_total" "" "Checks made.";
        failures_total: Counter "lbproxy_monitor_failures_total" "" "Checks that found it down.";
        changes_total: Counter "lbproxy_monitor_changes_total" "" "Changes of state.";
        duration_us: Gauge "lbproxy_monitor_duration_seconds" / 1_000_000 "" "Time that the last check took.";
    }
    /// The journal: left side of both equations.
    JournalMetrics {
        appended_total: Counter "lbproxy_journal_appended_total" "" "Records appended since start.";
        recovered_total: Counter "lbproxy_journal_recovered_total" "" "Records of earlier runs, found unshipped at start.";
        dropped_full_total: Counter "lbproxy_journal_dropped_full_total" "" "Records not journaled: no space was left.";
        damaged_records_total: Counter "lbproxy_journal_damaged_records_total" "" "Records lost to damage on disk, by their numbers.";
        damaged_segments_total: Counter "lbproxy_journal_damaged_segments_total" "" "Segments kept aside because of damage.";
        late_preparations_total: Counter "lbproxy_journal_late_preparations_total" "" "Times a worker had to wait for a prepared segment and found none.";
        prepare_errors_total: Counter "lbproxy_journal_prepare_errors_total" "" "Times a segment file could not be opened, reserved or mapped; it is tried again.";
        sync_errors_total: Counter "lbproxy_journal_sync_errors_total" "" "Failures of fdatasync(2).";
        folder_fault: Gauge "lbproxy_journal_folder_fault" "" "1 while the journal folder is moved, removed, replaced, taken by another process or cannot be written, or its file gaps cannot be used.";
        folders_removed_total: Counter "lbproxy_journal_folders_removed_total" "" "Times the folder was removed under the running process and made anew.";
        segments_removed_total: Counter "lbproxy_journal_segments_removed_total" "" "Segment files removed or cut by somebody else while they were written.";
        segments: Gauge "lbproxy_journal_segments" "" "Segment files on disk.";
        used_bytes: Gauge "lbproxy_journal_used_bytes" "" "Bytes of segments that a reader still needs.";
        capacity_bytes: Gauge "lbproxy_journal_capacity_bytes" "" "Bytes of segment files that can be used now: lower than `journal.size` while some cannot be opened or mapped.";
    }
    /// Shipping: right side of the second equation.
    ShipMetrics {
        acknowledged_total: Counter "lbproxy_ship_acknowledged_total" "" "Records stored, as their own answers say.";
        duplicate_total: Counter "lbproxy_ship_duplicate_total" "" "Records that were already stored (409).";
        failure_store_total: Counter "lbproxy_ship_failure_store_total" "" "Records that the server put into its failure store.";
        dead_letter_total: Counter "lbproxy_ship_dead_letter_total" "" "Records refused for good and written to the dead-letter file.";
        damaged_total: Counter "lbproxy_ship_damaged_total" "" "Records that could not be sent: damaged in the journal, or gone with a file of it, after they were journaled or recovered.";
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
        blocked: Gauge "lbproxy_ship_blocked" "" "1 while the server answers and takes no records: a block, a limit, a missing template or pipeline, a right; the log says which.";
        dead_letters_full: Gauge "lbproxy_ship_dead_letters_full" "" "1 while records wait because the file of dead letters is full or cannot be written.";
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
    /// Evaluation of objectives.
    SloMetrics {
        records_total: Counter "lbproxy_slo_records_total" "" "Records looked at.";
        events_total: Counter "lbproxy_slo_events_total" "" "Times that a record counted for an objective.";
        other_total: Counter "lbproxy_slo_other_total" "" "Of these, events counted under _other: too many groups.";
        late_total: Counter "lbproxy_slo_late_total" "" "Events older than the period of their objective: not counted.";
        ahead_total: Counter "lbproxy_slo_ahead_total" "" "Events of a time to come, by our clock: counted as of now.";
        maintenance_total: Counter "lbproxy_slo_maintenance_total" "" "Events of a time of maintenance: not counted.";
        unreadable_total: Counter "lbproxy_slo_unreadable_total" "" "Records of a newer version, or damaged: not counted.";
        clock_jumps_total: Counter "lbproxy_slo_clock_jumps_total" "" "Times that the clock jumped by a minute or more; what was counted moved along.";
        evaluations_total: Counter "lbproxy_slo_evaluations_total" "" "Evaluations of all objectives.";
        evaluation_us_total: Counter "lbproxy_slo_evaluation_seconds_total" / 1_000_000 "" "Time that they took.";
        notices_total: Counter "lbproxy_slo_notices_total" "" "Notices made: an alert fires or ends.";
        notices_lost_total: Counter "lbproxy_slo_notices_lost_total" "" "Notices given up: the outbox could not be written for too long.";
        notices_pending: Gauge "lbproxy_slo_notices_pending" "" "Notices that the outbox does not have yet.";
        rows_total: Counter "lbproxy_slo_rows_total" "" "Records of objectives written to the journal.";
        rows_lost_total: Counter "lbproxy_slo_rows_lost_total" "" "Records of objectives given up: the journal was full for too long.";
        rows_pending: Gauge "lbproxy_slo_rows_pending" "" "Records of objectives that wait for space in the journal.";
        objectives_unread: Gauge "lbproxy_slo_objectives_unread" "" "Objectives that no file has which can be read: they go on as they were last read.";
        series: Gauge "lbproxy_slo_series" "" "Series of all objectives, one a group.";
        state_errors_total: Counter "lbproxy_slo_state_errors_total" "" "Times the state could not be written: a crash would cost what it does not have.";
        restarts_total: Counter "lbproxy_slo_restarts_total" "" "Times the evaluation was started again after a fault.";
    }
    /// What `lbproxy slo watch` sees and does.
    WatchMetrics {
        up: Gauge "lbproxy_watch_up" "" "1 while it watches, or sees that another does; 0 when the last look failed.";
        holder: Gauge "lbproxy_watch_holder" "" "1 while it holds the lease and may notify.";
        turns_total: Counter "lbproxy_watch_turns_total" "" "Looks at the lease; of the holder, also at records.";
        failures_total: Counter "lbproxy_watch_failures_total" "" "Of these, those that failed: the server is away, refuses, or lacks something.";
        taken_total: Counter "lbproxy_watch_lease_total" "change=\"taken\"" "Changes of the lease.";
        lost_total: Counter "lbproxy_watch_lease_total" "change=\"lost\"" "Changes of the lease.";
        conflicts_total: Counter "lbproxy_watch_conflicts_total" "" "Writes of the lease that were refused: another came before.";
        fenced_total: Counter "lbproxy_watch_fenced_total" "" "Times that nobody was told anything, since the lease was about to end.";
        state_errors_total: Counter "lbproxy_watch_state_errors_total" "" "States of alerts that could not be read: these begin anew.";
        buckets_total: Counter "lbproxy_watch_buckets_total" "" "Sums read, one a series and minute, or a longer time.";
        series: Gauge "lbproxy_watch_series" "" "Series that were read.";
        late_total: Counter "lbproxy_watch_late_total" "" "Events whose records came more than 15 minutes late; counted.";
        shrunk_total: Counter "lbproxy_watch_shrunk_total" "" "Sums of which the server had less than before: documents were deleted; what was counted stays.";
        folded_total: Counter "lbproxy_watch_folded_total" "" "Sums read of a group beyond the 1000 of an objective: counted under _other.";
        cut_total: Counter "lbproxy_watch_cut_total" "" "Readings with more than a million sums; the rest is not evaluated.";
        signs_failures_total: Counter "lbproxy_watch_signs_failures_total" "" "Times that heartbeats and samples could not be read.";
        newest_age_seconds: Gauge "lbproxy_watch_newest_age_seconds" "" "Age of the newest minute that has a record, by our clock.";
        instances: Gauge "lbproxy_watch_instances" "" "Instances with a heartbeat in the last 15 minutes.";
        instances_silent: Gauge "lbproxy_watch_instances_silent" "" "Of these, those whose last heartbeat is three intervals older than the newest.";
    }
    /// One series of an objective, at the last evaluation.
    SloSeriesMetrics {
        valid_total: Counter "lbproxy_slo_valid_total" "" "Events that count, of this start: what was journaled before is not in it. For rules of `lbproxy slo compile`.";
        bad_total: Counter "lbproxy_slo_bad_total" "" "Of these, bad ones.";
        valid: Gauge "lbproxy_slo_period_events" "quality=\"valid\"" "Events of the period so far, by what they are.";
        bad: Gauge "lbproxy_slo_period_events" "quality=\"bad\"" "Events of the period so far, by what they are.";
        budget_left: Gauge "lbproxy_slo_budget_left_ratio" / 10_000 "" "Share of the period's budget that is left; 0 when it is overspent.";
        budget_spent: Gauge "lbproxy_slo_budget_spent_ratio" / 10_000 "" "Share of it that is spent; above 1 when it is overspent.";
        burn_5m: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"5m\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_30m: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"30m\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_1h: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"1h\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_2h: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"2h\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_6h: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"6h\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_1d: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"1d\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        burn_3d: Gauge "lbproxy_slo_burn_ratio" / 10_000 "window=\"3d\"" "Burn rate over a window: 1 spends the budget within the period. Left out without events.";
        firing_page: Gauge "lbproxy_slo_firing" "alert=\"page\"" "1 while the alert fires.";
        firing_ticket: Gauge "lbproxy_slo_firing" "alert=\"ticket\"" "1 while the alert fires.";
        firing_no_data: Gauge "lbproxy_slo_firing" "alert=\"no_data\"" "1 while the alert fires.";
    }
    /// Spans and log records by OTLP.
    OtlpMetrics {
        spans_exported_total: Counter "lbproxy_otlp_spans_total" "result=\"exported\"" "Spans by what became of them.";
        spans_rejected_total: Counter "lbproxy_otlp_spans_total" "result=\"rejected\"" "Spans by what became of them.";
        spans_refused_total: Counter "lbproxy_otlp_spans_total" "result=\"refused\"" "Spans by what became of them.";
        spans_skipped_total: Counter "lbproxy_otlp_spans_total" "result=\"skipped\"" "Spans by what became of them.";
        logs_exported_total: Counter "lbproxy_otlp_logs_total" "result=\"exported\"" "Log records by what became of them.";
        logs_rejected_total: Counter "lbproxy_otlp_logs_total" "result=\"rejected\"" "Log records by what became of them.";
        logs_refused_total: Counter "lbproxy_otlp_logs_total" "result=\"refused\"" "Log records by what became of them.";
        logs_skipped_total: Counter "lbproxy_otlp_logs_total" "result=\"skipped\"" "Log records by what became of them.";
        unreadable_total: Counter "lbproxy_otlp_unreadable_total" "" "Records of a newer version, or damaged: not exported.";
        control_dropped_total: Counter "lbproxy_otlp_control_spans_dropped_total" "" "Spans of the control plane that found their queue full.";
        requests_total: Counter "lbproxy_otlp_requests_total" "" "Export requests sent.";
        retries_total: Counter "lbproxy_otlp_retries_total" "" "Of these, repetitions after no answer or one that asked for it.";
        pending: Gauge "lbproxy_otlp_pending" "" "Records journaled and not yet looked at, or looked at and not yet taken by the collector.";
        held_bytes: Gauge "lbproxy_otlp_held_bytes" "" "Bytes of the journal that wait for the collector.";
        held_bytes_max: Gauge "lbproxy_otlp_held_bytes_max" "" "Most bytes that may wait; beyond, the oldest spans are skipped.";
        connected: Gauge "lbproxy_otlp_connected" "" "1 while the collector takes spans.";
        restarts_total: Counter "lbproxy_otlp_restarts_total" "" "Times the exporter was started again after a fault.";
    }
    /// Notices of service level objectives.
    NotifyMetrics {
        alerts: Gauge "lbproxy_notify_alerts" "" "Alerts that fire, or were over less than five minutes ago.";
        bytes: Gauge "lbproxy_notify_outbox_bytes" "" "Size of the outbox's file.";
        refused_total: Counter "lbproxy_notify_refused_total" "" "Notices that found no room: too many alerts, or too many that wait for a channel.";
        unrouted_total: Counter "lbproxy_notify_unrouted_total" "" "Alerts that no route takes at any time: nobody is told.";
        damaged_total: Counter "lbproxy_notify_outbox_damaged_total" "" "Lines of the outbox that were damaged when it was read.";
        write_failures_total: Counter "lbproxy_notify_outbox_write_failures_total" "" "Times that the outbox could not be written; alerts are told all the same.";
        restarts_total: Counter "lbproxy_notify_restarts_total" "" "Times that deliveries were started again after a fault of their own.";
    }
    /// Deliveries to one channel of `slo.notify`.
    ChannelMetrics {
        sent_total: Counter "lbproxy_notify_notices_total" "result=\"sent\"" "Notices by what became of them at the channel.";
        summed_total: Counter "lbproxy_notify_notices_total" "result=\"summed\"" "Notices by what became of them at the channel.";
        refused_total: Counter "lbproxy_notify_notices_total" "result=\"refused\"" "Notices by what became of them at the channel.";
        expired_total: Counter "lbproxy_notify_notices_total" "result=\"expired\"" "Notices by what became of them at the channel.";
        failures_total: Counter "lbproxy_notify_failures_total" "" "Deliveries that failed; they are tried again.";
        repeats_total: Counter "lbproxy_notify_repeats_total" "" "Deliveries of what the channel knows already, while it fires and for five minutes after.";
        waiting: Gauge "lbproxy_notify_waiting" "" "Notices that wait for the channel.";
        oldest_seconds: Gauge "lbproxy_notify_oldest_seconds" "" "How long the oldest of them has waited; 0 when none waits.";
        up: Gauge "lbproxy_notify_channel_up" "" "1 when the last delivery was taken, 0 when it was not; unknown before the first.";
    }
    /// The admin listener.
    AdminMetrics {
        requests_total: Counter "lbproxy_admin_requests_total" "" "Requests to the admin address.";
        connections: Gauge "lbproxy_admin_connections" "" "Connections to the admin address open now.";
        connections_refused_total: Counter "lbproxy_admin_connections_refused_total" "" "Connections to the admin address closed because too many were open: of those without a request the oldest, or else the new one.";
        streams: Gauge "lbproxy_admin_streams" "" "Live pages that listen now.";
        streams_refused_total: Counter "lbproxy_admin_streams_refused_total" "" "Live pages and tails refused: too many were open.";
        tails: Gauge "lbproxy_admin_tails" "" "Tails of requests that are shown now.";
        tail_skipped_total: Counter "lbproxy_admin_tail_skipped_total" "" "Requests that tails left out: too many for eyes, or a slow reader.";
        uptime_seconds: Gauge "lbproxy_uptime_seconds" "" "Seconds since start.";
        resident_bytes: Gauge "lbproxy_process_resident_bytes" "" "Resident memory of the process.";
        draining: Gauge "lbproxy_draining" "" "1 while draining.";
    }
}
