//! Two readings, and the time between them, become samples. Pure: no clock, no file.
//!
//! Totals are passed on as they are; shares and rates are of the time between the readings. What was
//! not read, or cannot be told from one reading, is absent. Not here: reading (`reading`).

use std::collections::HashMap;
use std::time::Duration;

use super::cgroup::Cgroup;
use super::procfs::{Cpu, HostCpu, HostMemory, Switches, Thread};
use crate::base::clock::millis;
use crate::metrics::Ledger;
use crate::proxy::EndpointTotals;
use crate::record::{Bytes, Count, Flag, Micros, ProcessRecord, Ratio, Text, TimestampMs};

/// Everything read at one instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Since the start of the process.
    pub(super) at: Duration,
    pub(super) pid: u64,
    pub(super) page_bytes: u64,
    pub(super) cpu: Option<Cpu>,
    pub(super) threads: Vec<Thread>,
    /// Its share of resident memory, in bytes.
    pub(super) pss_bytes: Option<u64>,
    /// Journal segments that are mapped, in bytes.
    pub(super) journal_mapped_bytes: Option<u64>,
    pub(super) descriptors: Option<u64>,
    pub(super) descriptors_max: Option<u64>,
    pub(super) heap: Option<Heap>,
    pub(super) host_cpu: Option<HostCpu>,
    pub(super) host_memory: Option<HostMemory>,
    /// The file system of the journal.
    pub(super) filesystem: Option<FileSystem>,
    pub(super) cgroup: Cgroup,
    /// Cells of each worker.
    pub(super) workers: Vec<Work>,
    /// Cells of each endpoint, all workers together.
    pub(super) endpoints: Vec<EndpointTotals>,
    pub(super) records: Records,
}

/// A file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileSystem {
    pub(super) total: u64,
    /// What is left for this user.
    pub(super) available: u64,
}

/// The allocator's account, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heap {
    pub(super) allocated: u64,
    pub(super) resident: u64,
    /// Address space without memory behind it.
    pub(super) retained: u64,
}

/// Cells of one worker, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Downstream connections open.
    pub(super) connections: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) in_flight: u64,
    /// Exchanges ended.
    pub(super) requests: u64,
    /// Exchanges that wait for a permit.
    pub(super) queued: u64,
    /// Exchanges that ever were.
    pub(super) queue_waits: u64,
    /// TLS handshakes that succeeded.
    pub(super) handshakes: u64,
    /// Those that failed.
    pub(super) handshakes_failed: u64,
    /// Bytes from downstreams.
    pub(super) received: u64,
    /// Bytes to downstreams.
    pub(super) sent: u64,
    /// Timers fired.
    pub(super) ticks: u64,
    /// How late, together.
    pub(super) delay_us: u64,
    /// How late at most since the reading before.
    pub(super) delay_peak_us: u64,
}

impl Work {
    /// Both together.
    fn with(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            accepted: self.accepted + other.accepted,
            refused: self.refused + other.refused,
            in_flight: self.in_flight + other.in_flight,
            requests: self.requests + other.requests,
            queued: self.queued + other.queued,
            queue_waits: self.queue_waits + other.queue_waits,
            handshakes: self.handshakes + other.handshakes,
            handshakes_failed: self.handshakes_failed + other.handshakes_failed,
            received: self.received + other.received,
            sent: self.sent + other.sent,
            ticks: self.ticks + other.ticks,
            delay_us: self.delay_us + other.delay_us,
            delay_peak_us: self.delay_peak_us.max(other.delay_peak_us),
        }
    }
}

/// What became of records, and where they wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) ledger: Ledger,
    /// Bytes of the journal that readers need.
    pub(super) used_bytes: u64,
    /// Most bytes.
    pub(super) capacity_bytes: u64,
    /// Shipping, if there is any.
    pub(super) shipping: Option<Shipping>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shipping {
    /// Age of the oldest record that waits.
    pub(super) oldest_pending_seconds: u64,
    /// Whether the server takes records.
    pub(super) is_connected: bool,
}

/// Two readings, the earlier first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between<'a> {
    pub(super) before: &'a Reading,
    pub(super) now: &'a Reading,
    /// Wall time of the later.
    pub(super) timestamp: TimestampMs,
}

impl<'a> Between<'a> {
    /// Milliseconds between the readings.
    fn period_ms(&self) -> u64 {
        millis(self.now.at.saturating_sub(self.before.at))
    }

    /// A sample without values.
    fn blank<'r>(&self, metricset: &'static [u8]) -> ProcessRecord<'r> {
        ProcessRecord {
            timestamp: Some(self.timestamp),
            metricset: Some(Text(metricset)),
            period_ms: Some(Count(self.period_ms())),
            ..ProcessRecord::default()
        }
    }

    /// By how much a total rose per second.
    fn rate(&self, before: u64, now: u64) -> Option<Bytes> {
        let rise = now.saturating_sub(before).saturating_mul(1_000);
        rise.checked_div(self.period_ms()).map(Bytes)
    }

    /// Milliseconds of CPU as a share of the time between.
    fn cpu(&self, before_ms: u64, now_ms: u64) -> Option<Ratio> {
        Ratio::of(now_ms.saturating_sub(before_ms), self.period_ms())
    }

    /// The sample of the process.
    pub(super) fn process(&self) -> ProcessRecord<'static> {
        let Self { before, now, .. } = *self;
        let mut record = self.blank(b"process");
        record.pid = Some(Count(now.pid));
        record.uptime_seconds = Some(Count(now.at.as_secs()));
        self.host(&mut record);
        self.memory(&mut record);
        self.container(&mut record);
        let all =
            |reading: &Reading| reading.workers.iter().copied().fold(Work::default(), Work::with);
        self.work(&mut record, all(before), all(now));
        let all = |reading: &Reading| {
            let mut sum = EndpointTotals::default();
            reading.endpoints.iter().for_each(|endpoint| sum.add(endpoint));
            sum
        };
        let (pools_before, pools) = (all(before), all(now));
        self.pool(&mut record, &pools_before, &pools);
        let sums = now.threads.iter().filter_map(|thread| thread.switches);
        let sum = sums.fold(Switches::default(), |sum, one| Switches {
            voluntary: sum.voluntary + one.voluntary,
            involuntary: sum.involuntary + one.involuntary,
        });
        switches(&mut record, Some(sum).filter(|_| !now.threads.is_empty()));
        records(&mut record, &before.records, &now.records);
        record
    }

    /// The sample of a worker, if there is one with this number.
    pub(super) fn worker(&self, id: usize) -> Option<ProcessRecord<'static>> {
        let work = *self.now.workers.get(id)?;
        let work_before = self.before.workers.get(id).copied().unwrap_or_default();
        let name = format!("worker-{id}");
        let thread_of = |reading: &'a Reading| reading.threads.iter().find(|one| one.name == name);
        let mut record = self.blank(b"worker");
        record.sample_worker = Some(Count(id as u64));
        self.work(&mut record, work_before, work);
        if let Some(thread) = thread_of(self.now) {
            record.cpu_ms = thread.cpu_ms.map(Count);
            let both = thread_of(self.before).and_then(|earlier| earlier.cpu_ms).zip(thread.cpu_ms);
            record.cpu = both.and_then(|(before, now)| self.cpu(before, now));
            switches(&mut record, thread.switches);
        }
        Some(record)
    }

    /// The samples of the endpoints.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = ProcessRecord<'a>> {
        let between = *self;
        let before = self.before.endpoints.iter().map(|pool| (pool.id, pool));
        let before: HashMap<u64, &EndpointTotals> = before.collect();
        self.now.endpoints.iter().map(move |pool| {
            let mut record = between.blank(b"endpoint");
            record.service = Some(Text(pool.service.as_bytes()));
            record.endpoint = Some(Text(pool.endpoint.as_bytes()));
            record.in_flight = Some(Count(pool.in_flight));
            record.requests = Some(Count(pool.attempts));
            let blank = EndpointTotals::default();
            let before = before.get(&pool.id).copied().unwrap_or(&blank);
            let rise = pool.attempts.saturating_sub(before.attempts).saturating_mul(1_000);
            record.requests_rate = Ratio::of(rise, between.period_ms());
            between.pool(&mut record, before, pool);
            record
        })
    }

    /// CPU of process and host.
    fn host(&self, record: &mut ProcessRecord<'_>) {
        let Self { before, now, .. } = *self;
        record.cpu_ms = now.cpu.map(|cpu| Count(cpu.ms));
        record.threads = now.cpu.map(|cpu| Count(cpu.threads));
        let both = before.cpu.zip(now.cpu);
        record.cpu = both.and_then(|(before, now)| self.cpu(before.ms, now.ms));
        record.cores = now.host_cpu.map(|host| Count(host.cores));
        record.cpu_norm = record
            .cpu
            .zip(record.cores)
            .and_then(|(Ratio(cpu), Count(cores))| cpu.checked_div(cores).map(Ratio));
        record.host_cpu = before.host_cpu.zip(now.host_cpu).and_then(|(before, now)| {
            let rise = |part: fn(&HostCpu) -> u64| part(&now).saturating_sub(part(&before));
            Ratio::of(rise(|cpu| cpu.busy), rise(|cpu| cpu.total))
        });
    }

    /// Memory, disk and descriptors.
    fn memory(&self, record: &mut ProcessRecord<'_>) {
        let now = self.now;
        let rss = now.cpu.map(|cpu| cpu.resident_pages.saturating_mul(now.page_bytes));
        record.rss_bytes = rss.map(Bytes);
        record.virtual_bytes = now.cpu.map(|cpu| Bytes(cpu.virtual_bytes));
        record.pss_bytes = now.pss_bytes.map(Bytes);
        record.journal_mapped_bytes = now.journal_mapped_bytes.map(Bytes);
        record.filesystem_bytes = now.filesystem.map(|system| Bytes(system.total));
        record.filesystem_available_bytes = now.filesystem.map(|system| Bytes(system.available));
        record.heap_bytes = now.heap.map(|heap| Bytes(heap.allocated));
        record.heap_resident_bytes = now.heap.map(|heap| Bytes(heap.resident));
        record.heap_retained_bytes = now.heap.map(|heap| Bytes(heap.retained));
        record.descriptors = now.descriptors.map(Count);
        record.descriptors_max = now.descriptors_max.map(Count);
        let Some(HostMemory { total, available }) = now.host_memory else { return };
        let used = total.saturating_sub(available);
        record.rss = rss.and_then(|rss| Ratio::of(rss, total));
        record.host_memory_bytes = Some(Bytes(total));
        record.host_used_bytes = Some(Bytes(used));
        record.host_used = Ratio::of(used, total);
    }

    fn container(&self, record: &mut ProcessRecord<'_>) {
        let (before, now) = (self.before.cgroup, self.now.cgroup);
        record.cgroup_cpu_limit = now.cpu_limit.map(Ratio);
        record.throttled_periods = now.throttled_periods.map(Count);
        record.throttled_us = now.throttled_us.map(Micros);
        record.cgroup_memory_bytes = now.memory_bytes.map(Bytes);
        record.cgroup_memory_limit_bytes = now.memory_limit_bytes.map(Bytes);
        let memory = now.memory_bytes.zip(now.memory_limit_bytes);
        record.cgroup_memory = memory.and_then(|(part, whole)| Ratio::of(part, whole));
        let used = before.cpu_us.zip(now.cpu_us).map(|(a, b)| b.saturating_sub(a));
        record.cgroup_cpu = used.zip(now.cpu_limit).and_then(|(used_us, limit)| {
            let allowed_us = self.period_ms().saturating_mul(limit) / 10; // ms × 1/10000 core
            Ratio::of(used_us, allowed_us)
        });
    }

    /// Traffic on the downstream side.
    fn work(&self, record: &mut ProcessRecord<'_>, before: Work, now: Work) {
        record.connections = Some(Count(now.connections));
        record.connections_accepted = Some(Count(now.accepted));
        record.connections_refused = Some(Count(now.refused));
        record.in_flight = Some(Count(now.in_flight));
        record.requests = Some(Count(now.requests));
        let rise = now.requests.saturating_sub(before.requests).saturating_mul(1_000);
        record.requests_rate = Ratio::of(rise, self.period_ms());
        record.queued = Some(Count(now.queued));
        record.queue_waits = Some(Count(now.queue_waits));
        record.handshakes = Some(Count(now.handshakes));
        record.handshakes_failed = Some(Count(now.handshakes_failed));
        record.downstream_received_bytes = Some(Bytes(now.received));
        record.downstream_received_rate = self.rate(before.received, now.received);
        record.downstream_sent_bytes = Some(Bytes(now.sent));
        record.downstream_sent_rate = self.rate(before.sent, now.sent);
        let ticks = now.ticks.saturating_sub(before.ticks);
        let delay_us = now.delay_us.saturating_sub(before.delay_us);
        record.loop_delay_mean_us = delay_us.checked_div(ticks).map(Micros);
        record.loop_delay_max_us = (ticks > 0).then_some(Micros(now.delay_peak_us));
    }

    fn pool(&self, record: &mut ProcessRecord<'_>, before: &EndpointTotals, now: &EndpointTotals) {
        record.pool_active = Some(Count(now.active));
        record.pool_idle = Some(Count(now.idle));
        record.pool_opened = Some(Count(now.opened));
        record.pool_closed = Some(Count(now.opened.saturating_sub(now.active + now.idle)));
        record.pool_reused = Some(Count(now.reused));
        let reused = now.reused.saturating_sub(before.reused);
        let opened = now.opened.saturating_sub(before.opened);
        record.pool_reuse = Ratio::of(reused, reused + opened);
        record.failures = Some(Count(now.failures));
        record.upstream_received_bytes = Some(Bytes(now.received));
        record.upstream_received_rate = self.rate(before.received, now.received);
        record.upstream_sent_bytes = Some(Bytes(now.sent));
        record.upstream_sent_rate = self.rate(before.sent, now.sent);
    }
}

/// Times that threads gave way.
fn switches(record: &mut ProcessRecord<'_>, switches: Option<Switches>) {
    record.switches_voluntary = switches.map(|switches| Count(switches.voluntary));
    record.switches_involuntary = switches.map(|switches| Count(switches.involuntary));
}

/// What became of records, and where they wait.
fn records(record: &mut ProcessRecord<'_>, before: &Records, now: &Records) {
    let Records { ledger, used_bytes, capacity_bytes, shipping } = *now;
    record.created = Some(Count(ledger.created));
    record.journaled = Some(Count(ledger.journaled));
    record.dropped_full = Some(Count(ledger.dropped_full));
    record.journal_used_bytes = Some(Bytes(used_bytes));
    record.journal_capacity_bytes = Some(Bytes(capacity_bytes));
    if let Some(shipped) = ledger.shipped {
        record.recovered = Some(Count(shipped.recovered));
        record.acknowledged = Some(Count(shipped.acknowledged));
        record.duplicate = Some(Count(shipped.duplicate));
        record.failure_store = Some(Count(shipped.failure_store));
        record.dead_letter = Some(Count(shipped.dead_letter));
        let earlier = before.ledger.shipped.map_or(0, |earlier| earlier.dead_letter);
        record.dead_letter_new = Some(Count(shipped.dead_letter.saturating_sub(earlier)));
        record.damaged = Some(Count(shipped.damaged));
        record.pending = Some(Count(shipped.pending));
    }
    if let Some(shipping) = shipping {
        record.oldest_pending_seconds = Some(Count(shipping.oldest_pending_seconds));
        record.is_connected = Some(Flag(shipping.is_connected));
    }
}

#[cfg(test)]
mod tests;
