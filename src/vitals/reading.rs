//! Taking one reading: clocks, `/proc`, the allocator, and the cells of data plane and shipping.
//!
//! Some twenty small reads, on the thread of the control plane. Not here: parsing (`procfs`,
//! `cgroup`), arithmetic (`sample`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::cgroup::Cgroup;
use super::procfs;
use super::sample::{FileSystem, Heap, Reading, Records, Shipping, Work};
use crate::control::Control;
use crate::journal;
use crate::metrics::{Ledger, ShipMetrics, Shipped, WorkerMetrics};
use crate::proxy::Figures;

/// Where control groups are.
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

#[derive(Debug)]
pub(super) struct Sources {
    pub(super) start: Instant,
    /// Folder of the journal, as `/proc/self/maps` names it.
    pub(super) journal_folder: PathBuf,
    pub(super) figures: Arc<Figures>,
    pub(super) control: Arc<Control>,
    pub(super) journal: journal::Figures,
    /// Shipping: name of its reader, cells.
    pub(super) ship: Option<(&'static str, Arc<ShipMetrics>)>,
}

impl Sources {
    pub(super) fn read(&self) -> Reading {
        let file = |name: &str| procfs::read(Path::new("/proc").join(name));
        let ticks = rustix::param::clock_ticks_per_second();
        Reading {
            at: self.start.elapsed(),
            pid: u64::from(std::process::id()),
            page_bytes: rustix::param::page_size() as u64,
            cpu: procfs::process(ticks),
            threads: procfs::threads(ticks),
            pss_bytes: file("self/smaps_rollup").and_then(|text| procfs::pss(&text)),
            journal_mapped_bytes: file("self/maps")
                .map(|text| procfs::mapped_bytes(&text, &self.journal_folder)),
            descriptors: procfs::descriptors(),
            descriptors_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            filesystem: filesystem(&self.journal_folder),
            heap: heap(),
            host_cpu: file("stat").and_then(|text| procfs::host_cpu(&text)),
            host_memory: file("meminfo").and_then(|text| procfs::host_memory(&text)),
            cgroup: Cgroup::read(Path::new(CGROUP_ROOT), &file("self/cgroup").unwrap_or_default()),
            workers: self.works(),
            endpoints: self.figures.endpoint_totals(),
            records: self.records(),
        }
    }

    /// Workers in order, each with what its services count.
    fn works(&self) -> Vec<Work> {
        let mut works: Vec<_> = self.figures.workers().iter().map(|cells| work(cells)).collect();
        for (worker, _, cells) in self.figures.service_cells() {
            if let Some(work) = works.get_mut(usize::from(*worker)) {
                work.queued += cells.queue_waiting.value();
                work.queue_waits += cells.queue_waits_total.value();
            }
        }
        works
    }

    /// What became of records, and where they wait.
    fn records(&self) -> Records {
        let pending = |reader: &str| self.journal.pending(reader);
        let shipped = self.ship.as_ref().map(|(name, ship)| Shipped::read(ship, || pending(name)));
        let (workers, control) = (self.figures.workers(), self.control.metrics());
        let journal = self.journal.metrics();
        Records {
            ledger: Ledger::read(shipped, journal, workers, control),
            used_bytes: journal.used_bytes.value(),
            capacity_bytes: journal.capacity_bytes.value(),
            shipping: self.ship.as_ref().map(|(_, ship)| Shipping {
                oldest_pending_seconds: ship.oldest_pending_seconds.value(),
                is_connected: ship.connected.value() == 1,
            }),
        }
    }
}

/// The cells of a worker, without those of its services. Takes the peak: it begins anew.
fn work(cells: &WorkerMetrics) -> Work {
    Work {
        connections: cells.connections.value(),
        accepted: cells.connections_total.value(),
        refused: cells.connections_refused_total.value(),
        in_flight: cells.requests_in_flight.value(),
        requests: cells.requests_total.value(),
        handshakes: cells.tls_handshakes_total.value(),
        handshakes_failed: cells.tls_handshake_failures_total.value(),
        received: cells.downstream_received_bytes_total.value(),
        sent: cells.downstream_sent_bytes_total.value(),
        ticks: cells.loop_ticks_total.value(),
        delay_us: cells.loop_delay_us_total.value(),
        delay_peak_us: cells.loop_delay_peak_us.take(),
        ..Work::default()
    }
}

/// The file system that `folder` is on.
fn filesystem(folder: &Path) -> Option<FileSystem> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(FileSystem {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        available: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

#[cfg(feature = "jemalloc")]
fn heap() -> Option<Heap> {
    use tikv_jemalloc_ctl::{epoch, stats};
    epoch::advance().ok()?; // its figures are as old as the last call of this
    Some(Heap {
        allocated: stats::allocated::read().ok()? as u64,
        resident: stats::resident::read().ok()? as u64,
        retained: stats::retained::read().ok()? as u64,
    })
}

/// The system's allocator keeps no account.
#[cfg(not(feature = "jemalloc"))]
fn heap() -> Option<Heap> {
    None
}
