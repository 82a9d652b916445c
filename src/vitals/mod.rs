//! Heartbeat and samples of the process: what lbproxy tells of itself, as records and as metrics.
//!
//! ```text
//! heartbeat ─ every beat ─► probe each listener, look at each endpoint ─┐
//!           ─ an endpoint changed ─► look again                        ├─► control lane, /metrics
//! sampler   ─ every so often ─► reading ─► sample (pure) ──────────────┘
//! ```
//! Both sleep in between; a beat costs a connection to each listener, 0.6 ms of CPU (1.2 ms with TLS), a
//! sample some reads of `/proc` for each thread, 1.5 ms: `bench/vitals`, `docs/vitals.md`. What is not known
//! is absent. Not here: the data plane's cells (`proxy`), where records go (`control`).

mod cgroup;
mod heartbeat;
mod monitor;
mod probe;
mod procfs;
mod reading;
mod sample;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

pub use procfs::Usage;

use self::heartbeat::{Heartbeat, Target};
use self::monitor::{Monitor, Subject, Url};
use self::probe::Prober;
use self::reading::Sources;
use self::sample::{Between, Reading, Records};
use crate::base::clock::wall_ms;
use crate::config;
use crate::control::Control;
use crate::journal;
use crate::metrics::{Exposition, MonitorMetrics, ProcessMetrics, ShipMetrics, ThreadMetrics};
use crate::proxy::Figures;
use crate::record::{Bytes, Count, Micros, ProcessRecord, Ratio, Stream, TimestampMs};

/// Longest wait for one listener.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What vitals need; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Name of this process in documents.
    pub instance: String,
    /// Listeners, as configured.
    pub listeners: Vec<config::Listener>,
    /// Where they listen, in the same order.
    pub addresses: Vec<SocketAddr>,
    /// The token that the data plane knows probes by.
    pub probe_token: String,
    /// Time between two beats; `None` for no heartbeat.
    pub heartbeat_every: Option<Duration>,
    /// Time between two samples; `None` for none.
    pub process_every: Option<Duration>,
    /// Start of the process.
    pub start: Instant,
    /// Folder of the journal.
    pub journal_folder: PathBuf,
    /// The data plane.
    pub figures: Arc<Figures>,
    /// Where records go.
    pub control: Arc<Control>,
    /// The journal.
    pub journal: journal::Figures,
    /// Shipping, if it is configured: name of its reader in the journal, cells.
    pub ship: Option<(&'static str, Arc<ShipMetrics>)>,
}

/// Cells of both, for reading.
#[derive(Debug, Default)]
pub struct Metrics {
    process: Option<ProcessMetrics>,
    /// Of each worker.
    threads: Vec<ThreadMetrics>,
    /// Of each listener and endpoint of now, by id.
    monitors: Arc<Monitors>,
}

/// Cells of what is checked, by id; endpoints come and go.
type Monitors = Mutex<Vec<(String, Arc<MonitorMetrics>)>>;

impl Metrics {
    /// Of the process, once it has been sampled.
    pub fn process(&self) -> Option<&ProcessMetrics> {
        self.process.as_ref().filter(|cells| cells.samples_total.value() > 0)
    }

    /// Of each listener and endpoint that has been checked, with its id.
    pub fn monitors(&self) -> Vec<(String, Arc<MonitorMetrics>)> {
        let mut all = self.monitors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.retain(|(_, cells)| cells.checks_total.value() > 0);
        all
    }

    /// Adds them to a metrics page. What has not been sampled yet is left out.
    pub fn expose(&self, page: &mut Exposition) {
        for (id, cells) in self.monitors() {
            cells.expose(&[("monitor", &id)], page);
        }
        let Some(process) = self.process() else { return };
        process.expose(&[], page);
        for (id, cells) in self.threads.iter().enumerate() {
            cells.expose(&[("worker", &id.to_string())], page);
        }
    }
}

/// Running heartbeat and sampler.
#[derive(Debug)]
pub struct Running {
    tasks: Vec<JoinHandle<()>>,
    metrics: Arc<Metrics>,
}

impl Running {
    /// Their cells; stay readable after the end.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Ends both, to be called before listeners close: a probe cut short leaves no record.
    pub async fn stop(self) {
        for task in self.tasks {
            task.abort();
            // Ends with the abort, which is no news.
            let _ = task.await;
        }
    }
}

/// Starts what is configured, on the caller's runtime.
pub fn start(options: Options) -> Running {
    let mut metrics = Metrics::default();
    let monitors = Arc::clone(&metrics.monitors);
    let heartbeat = options.heartbeat_every.map(|every| heartbeat(&options, every, monitors));
    if options.process_every.is_some() {
        metrics.process = Some(ProcessMetrics::default());
        metrics.threads =
            options.figures.workers().iter().map(|_| ThreadMetrics::default()).collect();
    }
    let metrics = Arc::new(metrics);
    let mut tasks: Vec<_> = heartbeat.map(|beat| tokio::spawn(beat.run())).into_iter().collect();
    if let Some(every) = options.process_every {
        let Options { start, journal_folder, figures, control, journal, ship, .. } = options;
        let journal_folder = journal_folder.canonicalize().unwrap_or(journal_folder);
        let sources = Sources { start, journal_folder, figures, control, journal, ship };
        tasks.push(tokio::spawn(sample_all(sources, Arc::clone(&metrics), every)));
    }
    Running { tasks, metrics }
}

/// The heartbeat of these listeners and endpoints.
fn heartbeat(options: &Options, every: Duration, monitors: Arc<Monitors>) -> Heartbeat {
    let instance = options.instance.as_str();
    let listeners = options.listeners.iter().zip(&options.addresses).map(|(listener, address)| {
        let is_tls = listener.tls.is_some();
        let address = heartbeat::reachable(*address);
        let url = Url::new(if is_tls { "https" } else { "http" }, &address.to_string());
        let subject = Subject::Listener(listener.name.clone());
        Target { address, is_tls, monitor: Monitor::new(instance, subject, url) }
    });
    Heartbeat {
        every,
        prober: Prober::new(options.probe_token.clone(), PROBE_TIMEOUT.min(every)),
        listeners: listeners.collect(),
        endpoints: Vec::new(),
        monitors,
        instance: options.instance.clone(),
        figures: Arc::clone(&options.figures),
        control: Arc::clone(&options.control),
    }
}

/// Samples until dropped. The first comes after one span: it takes two readings to tell a rate.
async fn sample_all(sources: Sources, metrics: Arc<Metrics>, every: Duration) {
    // What became of records before the first reading counts in the first sample.
    let mut before = Reading { records: Records::default(), ..sources.read() };
    let mut next = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        let now = sources.read();
        publish(&before, &now, &sources.control, &metrics);
        before = now;
    }
}

/// Writes the records of one sample, and sets the cells to the same values.
fn publish(before: &Reading, now: &Reading, control: &Control, metrics: &Metrics) {
    let timestamp = TimestampMs(wall_ms());
    let between = Between { before, now, timestamp };
    let write = |record: &ProcessRecord<'_>| {
        control.append(Stream::Process, |out| record.encode(out));
    };
    let process = between.process();
    write(&process);
    if let Some(cells) = &metrics.process {
        set_process(cells, &process);
    }
    for (id, cells) in metrics.threads.iter().enumerate() {
        let Some(worker) = between.worker(id) else { continue };
        write(&worker);
        cells.cpu_ms_total.set_known(worker.cpu_ms.map(|Count(n)| n));
        cells.cpu_ratio.set_known(worker.cpu.map(|Ratio(n)| n));
        cells.loop_delay_mean_us.set_known(worker.loop_delay_mean_us.map(|Micros(n)| n));
        cells.loop_delay_max_us.set_known(worker.loop_delay_max_us.map(|Micros(n)| n));
    }
    between.endpoints().for_each(|endpoint| write(&endpoint));
}

/// Sets the cells of the process to what its record says.
fn set_process(cells: &ProcessMetrics, record: &ProcessRecord<'_>) {
    let counts = [
        (&cells.cpu_ms_total, record.cpu_ms),
        (&cells.descriptors, record.descriptors),
        (&cells.descriptors_max, record.descriptors_max),
        (&cells.threads, record.threads),
        (&cells.switches_voluntary_total, record.switches_voluntary),
        (&cells.switches_involuntary_total, record.switches_involuntary),
        (&cells.cgroup_throttled_periods_total, record.throttled_periods),
    ];
    for (cell, value) in counts {
        cell.set_known(value.map(|Count(n)| n));
    }
    let ratios = [
        (&cells.cpu_ratio, record.cpu),
        (&cells.host_cpu_ratio, record.host_cpu),
        (&cells.resident_ratio, record.rss),
        (&cells.cgroup_cpu_limit, record.cgroup_cpu_limit),
        (&cells.cgroup_cpu_ratio, record.cgroup_cpu),
        (&cells.cgroup_memory_ratio, record.cgroup_memory),
        (&cells.requests_rate, record.requests_rate),
        (&cells.pool_reuse_ratio, record.pool_reuse),
    ];
    for (cell, value) in ratios {
        cell.set_known(value.map(|Ratio(n)| n));
    }
    let bytes = [
        (&cells.virtual_bytes, record.virtual_bytes),
        (&cells.pss_bytes, record.pss_bytes),
        (&cells.heap_allocated_bytes, record.heap_bytes),
        (&cells.heap_resident_bytes, record.heap_resident_bytes),
        (&cells.heap_retained_bytes, record.heap_retained_bytes),
        (&cells.filesystem_bytes, record.filesystem_bytes),
        (&cells.filesystem_available_bytes, record.filesystem_available_bytes),
        (&cells.journal_mapped_bytes, record.journal_mapped_bytes),
        (&cells.host_memory_bytes, record.host_memory_bytes),
        (&cells.host_memory_used_bytes, record.host_used_bytes),
        (&cells.cgroup_memory_bytes, record.cgroup_memory_bytes),
        (&cells.cgroup_memory_limit_bytes, record.cgroup_memory_limit_bytes),
        (&cells.downstream_received_rate, record.downstream_received_rate),
        (&cells.downstream_sent_rate, record.downstream_sent_rate),
        (&cells.upstream_received_rate, record.upstream_received_rate),
        (&cells.upstream_sent_rate, record.upstream_sent_rate),
    ];
    for (cell, value) in bytes {
        cell.set_known(value.map(|Bytes(n)| n));
    }
    cells.cgroup_throttled_us_total.set_known(record.throttled_us.map(|Micros(n)| n));
    cells.samples_total.add(1);
}
