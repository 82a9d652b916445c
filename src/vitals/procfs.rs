//! What Linux tells of this process and its host, as text from `/proc`: parsers, and thin readers.
//!
//! Parsers are pure; a file or line that is missing is a value that is not known, never an error.
//! Not here: what is made of it (`sample`), limits of containers (`cgroup`).

use std::path::Path;

/// Time of a thread, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    /// In user and kernel mode, in milliseconds.
    pub(super) ms: u64,
    pub(super) threads: u64,
    /// Virtual memory in bytes.
    pub(super) virtual_bytes: u64,
    /// Resident memory in pages.
    pub(super) resident_pages: u64,
}

/// What this process uses, for whoever samples it on its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since its start, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// Now, from one small file; zeros where it cannot be read.
    pub fn now() -> Self {
        let page_bytes = rustix::param::page_size() as u64;
        let of = |cpu: Cpu| Self {
            cpu_ms: cpu.ms,
            resident_bytes: cpu.resident_pages.saturating_mul(page_bytes),
        };
        process(rustix::param::clock_ticks_per_second()).map_or_else(Self::default, of)
    }
}

/// CPU of the host in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostCpu {
    /// Not idle.
    pub(super) busy: u64,
    pub(super) total: u64,
    pub(super) cores: u64,
}

/// Memory of the host in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostMemory {
    pub(super) total: u64,
    /// What a new program could have.
    pub(super) available: u64,
}

/// Times that a thread gave way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Switches {
    /// It waited.
    pub(super) voluntary: u64,
    /// It was set aside.
    pub(super) involuntary: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) name: String,
    /// Its time.
    pub(super) cpu_ms: Option<u64>,
    pub(super) switches: Option<Switches>,
}

/// `/proc/PID/stat`; the name in brackets may hold anything.
pub(super) fn stat(text: &str, ticks_per_second: u64) -> Option<Cpu> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Cpu {
        ms: (number(11)? + number(12)?).checked_mul(1_000)?.checked_div(ticks_per_second)?,
        threads: number(17)?,
        virtual_bytes: number(20)?,
        resident_pages: number(21)?,
    })
}

/// The first lines of `/proc/stat`.
pub(super) fn host_cpu(text: &str) -> Option<HostCpu> {
    let mut times = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    // user nice system idle iowait irq softirq steal; guests count in user already.
    let mut next = || times.next()?.parse::<u64>().ok();
    let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
    let waiting = next().unwrap_or(0);
    let rest: u64 = std::iter::from_fn(next).take(3).sum();
    let busy = user + nice + system + rest;
    let is_core = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let cores = text.lines().filter(is_core).count() as u64;
    Some(HostCpu { busy, total: busy + idle + waiting, cores })
}

/// A line `Name:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// `/proc/meminfo`.
pub(super) fn host_memory(text: &str) -> Option<HostMemory> {
    let (total, available) = (kilobytes(text, "MemTotal")?, kilobytes(text, "MemAvailable")?);
    Some(HostMemory { total, available })
}

/// `/proc/PID/smaps_rollup`.
pub(super) fn pss(text: &str) -> Option<u64> {
    kilobytes(text, "Pss")
}

/// `/proc/PID/task/TID/status`.
pub(super) fn switches(text: &str) -> Option<Switches> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    Some(Switches {
        voluntary: number("voluntary_ctxt_switches:")?,
        involuntary: number("nonvoluntary_ctxt_switches:")?,
    })
}

/// Bytes of `/proc/PID/maps` that are mapped from files below `folder`.
pub(super) fn mapped_bytes(text: &str, folder: &Path) -> u64 {
    let size = |line: &str| {
        let path = line.get(line.find('/')?..)?;
        if !Path::new(path).starts_with(folder) {
            return None;
        }
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        address(to)?.checked_sub(address(from)?)
    };
    text.lines().filter_map(size).sum()
}

/// A file of `/proc`, if it can be read.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// This process as a whole.
pub(super) fn process(ticks_per_second: u64) -> Option<Cpu> {
    stat(&read("/proc/self/stat")?, ticks_per_second)
}

/// Every thread of this process.
pub(super) fn threads(ticks_per_second: u64) -> Vec<Thread> {
    let folders = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    folders
        .filter_map(|folder| {
            let folder = folder.ok()?.path();
            Some(Thread {
                name: read(folder.join("comm"))?.trim_end().to_owned(),
                cpu_ms: read(folder.join("stat"))
                    .and_then(|text| stat(&text, ticks_per_second))
                    .map(|cpu| cpu.ms),
                switches: read(folder.join("status")).and_then(|text| switches(&text)),
            })
        })
        .collect()
}

/// File descriptors open now, without the one that looks.
pub(super) fn descriptors() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "7 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 9 18 19 4096 3 20";
        let want = Cpu { ms: 2_000, threads: 9, virtual_bytes: 4_096, resident_pages: 3 };
        assert_eq!(stat(text, 100), Some(want));
        for cut in ["", "7 (a", "7 (a) S 1 2", &text.replace("150", "x")] {
            assert_eq!(stat(cut, 100), None, "{cut}");
        }
        assert_eq!(stat(text, 0), None);
    }

    #[test]
    fn the_host_is_read() {
        let text = "cpu  100 20 30 400 50 1 2 3 99 9\ncpu0 1 2\ncpu1 1 2\nintr 5\n";
        assert_eq!(host_cpu(text), Some(HostCpu { busy: 156, total: 606, cores: 2 }));
        assert_eq!(host_cpu("cpu  1 2 3 4\n"), Some(HostCpu { busy: 6, total: 10, cores: 0 }));
        assert_eq!(host_cpu("cpu  1 x"), None);
        let text = "MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:   400 kB\n";
        let want = HostMemory { total: 1_024_000, available: 409_600 };
        assert_eq!(host_memory(text), Some(want));
        assert_eq!(host_memory("MemTotal: 5 MB\n"), None);
        assert_eq!(pss("5-6 [rollup]\nPss:   3 kB\nPss_Dirty: 9 kB\n"), Some(3_072));
        let text = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(switches(text), Some(Switches { voluntary: 7, involuntary: 2 }));
    }

    #[test]
    fn only_mappings_of_the_folder_count() {
        let text = "1000-3000 rw-s 0 8:1 5   /data/journal/a.seg\n\
                    3000-4000 rw-s 0 8:1 5   /data/journal/b b (deleted)\n\
                    4000-9000 r--p 0 8:1 5   /data/journal2/c\n\
                    9000-a000 rw-p 0 0:0 0\n";
        assert_eq!(mapped_bytes(text, Path::new("/data/journal")), 0x3000);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        assert!(Usage::now().resident_bytes > 0);
        assert!(threads(100).iter().any(|thread| thread.cpu_ms.is_some()));
        assert!(descriptors().is_some_and(|count| count >= 3));
    }
}
