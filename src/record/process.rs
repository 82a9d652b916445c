//! The record of one sample of this process, of one worker or of one endpoint: the table.
//!
//! `metricset.name` says which; the values of one worker or endpoint are a record of their own with
//! its name as a dimension. Totals count from the start of the process; shares are 0 to 1, as ECS and
//! Metricbeat have them. Names are Metricbeat's where it has one.

use super::schema::record;
use super::value::{Bytes, Count, Flag, Micros, Ratio, Text, TimestampMs};

record! {
    /// A sample of the process, a worker or an endpoint.
    ProcessRecord {
        /// Wall time of the sample.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// Of what: `process`, `worker` or `endpoint`.
        1 metricset: Text<'a, 16> => "metricset.name", "";
        /// Time since the sample before, in milliseconds: what shares and rates are taken over.
        2 period_ms: Count => "metricset.period", "";
        /// Worker of a `worker` sample.
        3 sample_worker: Count => "lbproxy.sample.worker", "";
        /// Service of an `endpoint` sample.
        4 service: Text<'a, 255> => "lbproxy.service", "";
        /// Endpoint of an `endpoint` sample.
        5 endpoint: Text<'a, 255> => "lbproxy.endpoint", "";
        /// Process id.
        6 pid: Count => "process.pid", "process.pid";
        /// Seconds since start.
        7 uptime_seconds: Count => "process.uptime", "process.uptime";
        /// CPU time of process or worker per time: 1 is one whole core.
        8 cpu: Ratio => "system.process.cpu.total.pct", "process.cpu.utilization";
        /// The same, shared out over all cores of the host: 1 is the whole host.
        9 cpu_norm: Ratio => "system.process.cpu.total.norm.pct", "";
        /// CPU time of process or worker since start, in milliseconds.
        10 cpu_ms: Count => "system.process.cpu.total.ms", "";
        /// CPU of the whole host in use: 1 is every core.
        11 host_cpu: Ratio => "system.cpu.total.norm.pct", "system.cpu.utilization";
        /// Cores of the host.
        12 cores: Count => "system.cpu.cores", "system.cpu.logical.count";
        /// Resident memory.
        13 rss_bytes: Bytes => "system.process.memory.rss.bytes", "process.memory.usage";
        /// Resident memory as a share of the host's.
        14 rss: Ratio => "system.process.memory.rss.pct", "";
        /// Virtual memory.
        15 virtual_bytes: Bytes => "system.process.memory.size", "process.memory.virtual";
        /// Resident memory, pages shared with other processes counted in part.
        16 pss_bytes: Bytes => "lbproxy.memory.pss.bytes", "";
        /// Heap in use, as the allocator counts it.
        17 heap_bytes: Bytes => "lbproxy.memory.heap.allocated.bytes", "";
        /// Heap that is resident, in use or not.
        18 heap_resident_bytes: Bytes => "lbproxy.memory.heap.resident.bytes", "";
        /// Address space that the allocator keeps without memory behind it.
        19 heap_retained_bytes: Bytes => "lbproxy.memory.heap.retained.bytes", "";
        /// Journal segments mapped now: counted in resident memory as far as they are touched.
        20 journal_mapped_bytes: Bytes => "lbproxy.memory.journal_mapped.bytes", "";
        /// Memory of the host.
        21 host_memory_bytes: Bytes => "system.memory.total", "system.memory.limit";
        /// Memory of the host that is not available.
        22 host_used_bytes: Bytes => "system.memory.actual.used.bytes", "system.memory.usage";
        /// The same as a share.
        23 host_used: Ratio => "system.memory.actual.used.pct", "system.memory.utilization";
        /// File descriptors open.
        24 descriptors: Count => "system.process.fd.open", "process.unix.file_descriptor.count";
        /// Most that may be open.
        25 descriptors_max: Count => "system.process.fd.limit.soft", "";
        /// Threads of the process.
        26 threads: Count => "system.process.num_threads", "process.thread.count";
        /// Times that a thread waited for something, process or worker.
        27 switches_voluntary: Count => "lbproxy.context_switches.voluntary", "process.context_switches";
        /// Times that a thread was set aside by the system, process or worker.
        28 switches_involuntary: Count => "lbproxy.context_switches.involuntary", "";
        /// CPU quota of the container, in cores.
        29 cgroup_cpu_limit: Ratio => "lbproxy.cgroup.cpu.limit_cores", "";
        /// CPU of the container's quota in use.
        30 cgroup_cpu: Ratio => "lbproxy.cgroup.cpu.pct", "";
        /// Times that the container was throttled.
        31 throttled_periods: Count => "system.process.cgroup.cpu.stats.throttled.periods", "";
        /// How long it was throttled.
        32 throttled_us: Micros => "system.process.cgroup.cpu.stats.throttled.us", "";
        /// Memory of the container in use, page cache included.
        33 cgroup_memory_bytes: Bytes => "system.process.cgroup.memory.mem.usage.bytes", "";
        /// Most memory of the container.
        34 cgroup_memory_limit_bytes: Bytes => "system.process.cgroup.memory.mem.limit.bytes", "";
        /// Memory of the container as a share of its limit.
        35 cgroup_memory: Ratio => "lbproxy.cgroup.memory.pct", "";
        /// Bytes read from downstream sockets, those of TLS included.
        36 downstream_received_bytes: Bytes => "lbproxy.downstream.received.bytes", "";
        /// The same per second.
        37 downstream_received_rate: Bytes => "lbproxy.downstream.received.bytes_per_second", "";
        /// Bytes written to downstream sockets, those of TLS included.
        38 downstream_sent_bytes: Bytes => "lbproxy.downstream.sent.bytes", "";
        /// The same per second.
        39 downstream_sent_rate: Bytes => "lbproxy.downstream.sent.bytes_per_second", "";
        /// Bytes read from endpoints.
        40 upstream_received_bytes: Bytes => "lbproxy.upstream.received.bytes", "";
        /// The same per second.
        41 upstream_received_rate: Bytes => "lbproxy.upstream.received.bytes_per_second", "";
        /// Bytes written to endpoints.
        42 upstream_sent_bytes: Bytes => "lbproxy.upstream.sent.bytes", "";
        /// The same per second.
        43 upstream_sent_rate: Bytes => "lbproxy.upstream.sent.bytes_per_second", "";
        /// Downstream connections open.
        44 connections: Count => "lbproxy.connections.open", "";
        /// Downstream connections accepted, those of probes included.
        45 connections_accepted: Count => "lbproxy.connections.accepted", "";
        /// Downstream connections closed at once: the limit was reached.
        46 connections_refused: Count => "lbproxy.connections.refused", "";
        /// Exchanges (endpoint: attempts) under way.
        47 in_flight: Count => "lbproxy.requests.in_flight", "http.server.active_requests";
        /// Exchanges ended (endpoint: attempts made), probes left out.
        48 requests: Count => "lbproxy.requests.count", "";
        /// The same per second.
        49 requests_rate: Ratio => "lbproxy.requests.per_second", "";
        /// TLS handshakes with downstreams that succeeded.
        50 handshakes: Count => "lbproxy.tls.handshakes", "";
        /// TLS handshakes with downstreams that failed.
        51 handshakes_failed: Count => "lbproxy.tls.handshakes_failed", "";
        /// Upstream connections that carry an exchange.
        52 pool_active: Count => "lbproxy.pool.active", "";
        /// Upstream connections that wait in the pool.
        53 pool_idle: Count => "lbproxy.pool.idle", "";
        /// Upstream connections opened.
        54 pool_opened: Count => "lbproxy.pool.opened", "";
        /// Upstream connections closed.
        55 pool_closed: Count => "lbproxy.pool.closed", "";
        /// Attempts that rode a pooled connection.
        56 pool_reused: Count => "lbproxy.pool.reused", "";
        /// Of the attempts since the last sample that got a connection, those that rode a pooled one;
        /// absent when there were none.
        57 pool_reuse: Ratio => "lbproxy.pool.reuse.pct", "";
        /// Attempts that failed.
        58 failures: Count => "lbproxy.endpoint_failures", "";
        /// Mean time that a worker came late to a timer since the last sample: its event loop was
        /// busy. Only while timers run, which is while there is traffic.
        59 loop_delay_mean_us: Micros => "lbproxy.loop_delay.mean_us", "";
        /// Longest such time since the last sample.
        60 loop_delay_max_us: Micros => "lbproxy.loop_delay.max_us", "";
        /// Records made: `created = journaled + dropped_full`.
        61 created: Count => "lbproxy.records.created", "";
        /// Records appended to the journal.
        62 journaled: Count => "lbproxy.records.journaled", "";
        /// Records that found no space.
        63 dropped_full: Count => "lbproxy.records.dropped_full", "";
        /// Records of earlier runs found unshipped: `journaled + recovered = acknowledged + duplicate +
        /// failure_store + dead_letter + damaged + pending`.
        64 recovered: Count => "lbproxy.records.recovered", "";
        /// Records stored.
        65 acknowledged: Count => "lbproxy.records.acknowledged", "";
        /// Records that were already stored.
        66 duplicate: Count => "lbproxy.records.duplicate", "";
        /// Records in the server's failure store.
        67 failure_store: Count => "lbproxy.records.failure_store", "";
        /// Records refused for good.
        68 dead_letter: Count => "lbproxy.records.dead_letter", "";
        /// Records not yet settled.
        69 pending: Count => "lbproxy.records.pending", "";
        /// Age of the oldest record not yet settled.
        70 oldest_pending_seconds: Count => "lbproxy.ship.oldest_pending_seconds", "";
        /// Whether Elasticsearch or OpenSearch takes records.
        71 is_connected: Flag => "lbproxy.ship.connected", "";
        /// Bytes of segments that a reader still needs.
        72 journal_used_bytes: Bytes => "lbproxy.journal.used.bytes", "";
        /// Most bytes of the journal.
        73 journal_capacity_bytes: Bytes => "lbproxy.journal.capacity.bytes", "";
        /// Size of the file system that the journal is on.
        74 filesystem_bytes: Bytes => "system.filesystem.total", "system.filesystem.limit";
        /// What is left there for this user.
        75 filesystem_available_bytes: Bytes => "system.filesystem.available", "";
        /// Exchanges that wait for a permit of their service (`limits.in_flight`).
        76 queued: Count => "lbproxy.requests.queued", "";
        /// Exchanges that had to wait for one.
        77 queue_waits: Count => "lbproxy.requests.queue_waits", "";
        /// Records that could not be sent: damaged in the journal, or gone with a file of it.
        78 damaged: Count => "lbproxy.records.damaged", "";
        /// Records refused for good since the sample before: added up, those of any span and of all starts.
        79 dead_letter_new: Count => "lbproxy.records.dead_letter_new", "";
    }
}
