//! Limits of the container: control groups, version 2 and version 1.
//!
//! What is not limited has no value. Inside a container the path that `/proc/self/cgroup` names may
//! not exist, since the container sees its own group as the root; then the root is read. Not here:
//! rates (`sample`).

use std::path::{Path, PathBuf};

use super::procfs::read;

/// What the container may use, and uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cgroup {
    /// CPU quota in ten-thousandths of a core.
    pub(super) cpu_limit: Option<u64>,
    /// CPU time in use, in microseconds.
    pub(super) cpu_us: Option<u64>,
    /// Times that it was throttled.
    pub(super) throttled_periods: Option<u64>,
    /// How long, in microseconds.
    pub(super) throttled_us: Option<u64>,
    /// Memory in use, in bytes.
    pub(super) memory_bytes: Option<u64>,
    /// Most memory, in bytes.
    pub(super) memory_limit_bytes: Option<u64>,
}

/// A memory limit from here on is none: version 1 writes the largest multiple of a page.
const NO_LIMIT_BYTES: u64 = 1 << 60;

impl Cgroup {
    /// Reads it below `root`, usually `/sys/fs/cgroup`. `own` is the text of `/proc/self/cgroup`.
    pub(super) fn read(root: &Path, own: &str) -> Self {
        if root.join("cgroup.controllers").exists() {
            Self::version_2(&folder(root, own, ""))
        } else {
            let cpu = folder(&root.join("cpu"), own, "cpu");
            let usage = folder(&root.join("cpuacct"), own, "cpuacct");
            let memory = folder(&root.join("memory"), own, "memory");
            Self::version_1(&cpu, &usage, &memory)
        }
    }

    /// One folder for all.
    fn version_2(folder: &Path) -> Self {
        let file = |name| read(folder.join(name)).unwrap_or_default();
        let stat = file("cpu.stat");
        Self {
            cpu_limit: quota(&file("cpu.max")),
            cpu_us: value(&stat, "usage_usec"),
            throttled_periods: value(&stat, "nr_throttled"),
            throttled_us: value(&stat, "throttled_usec"),
            memory_bytes: number(&file("memory.current")),
            memory_limit_bytes: limit(&file("memory.max")),
        }
    }

    /// A folder for each controller.
    fn version_1(cpu: &Path, usage: &Path, memory: &Path) -> Self {
        let file = |folder: &Path, name| read(folder.join(name)).unwrap_or_default();
        let stat = file(cpu, "cpu.stat");
        let (most, period) = (file(cpu, "cpu.cfs_quota_us"), file(cpu, "cpu.cfs_period_us"));
        Self {
            cpu_limit: quota(&format!("{} {}", most.trim(), period.trim())),
            cpu_us: number(&file(usage, "cpuacct.usage")).map(|ns| ns / 1_000),
            throttled_periods: value(&stat, "nr_throttled"),
            throttled_us: value(&stat, "throttled_time").map(|ns| ns / 1_000),
            memory_bytes: number(&file(memory, "memory.usage_in_bytes")),
            memory_limit_bytes: limit(&file(memory, "memory.limit_in_bytes")),
        }
    }
}

/// Folder of the own group of a controller, or the root of it. Version 2 has no controller's name.
fn folder(root: &Path, own: &str, controller: &str) -> PathBuf {
    let path = own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        names.split(',').any(|name| name == controller).then_some(path)
    });
    let inside = root.join(path.unwrap_or("/").trim_start_matches('/'));
    // `..` stands for a group outside of what the container sees.
    let is_there = inside.exists() && !path.is_some_and(|path| path.contains(".."));
    if is_there { inside } else { root.to_owned() }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn limit(text: &str) -> Option<u64> {
    number(text).filter(|&bytes| bytes < NO_LIMIT_BYTES)
}

/// `name value` of a list.
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

/// `quota period` in ten-thousandths of a core; `max` and -1 are no quota.
fn quota(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    (number(quota)? * 10_000).checked_div(number(period)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn version_2_of_a_container_with_limits() {
        let root = tree(&[
            ("cgroup.controllers", "cpu memory"),
            ("pod/a/cpu.max", "150000 100000\n"),
            ("pod/a/cpu.stat", "usage_usec 5000\nnr_throttled 3\nthrottled_usec 70\n"),
            ("pod/a/memory.current", "1000\n"),
            ("pod/a/memory.max", "4000\n"),
        ]);
        let want = Cgroup {
            cpu_limit: Some(15_000),
            cpu_us: Some(5_000),
            throttled_periods: Some(3),
            throttled_us: Some(70),
            memory_bytes: Some(1_000),
            memory_limit_bytes: Some(4_000),
        };
        assert_eq!(Cgroup::read(root.path(), "0::/pod/a\n"), want);
    }

    #[test]
    fn no_limit_is_no_value_and_a_group_out_of_sight_is_the_root() {
        let root = tree(&[
            ("cgroup.controllers", ""),
            ("cpu.max", "max 100000"),
            ("memory.current", "7"),
            ("memory.max", "max"),
        ]);
        for own in ["0::/elsewhere", "0::/../x", ""] {
            let found = Cgroup::read(root.path(), own);
            assert_eq!(found, Cgroup { memory_bytes: Some(7), ..Cgroup::default() }, "{own}");
        }
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let root = tree(&[
            ("cpu/x/cpu.cfs_quota_us", "50000\n"),
            ("cpu/x/cpu.cfs_period_us", "100000\n"),
            ("cpu/x/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 9000\n"),
            ("cpuacct/cpuacct.usage", "8000000\n"),
            ("memory/x/memory.usage_in_bytes", "5\n"),
            ("memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let own = "4:memory:/x\n3:cpu,cpuacct:/x\n";
        let want = Cgroup {
            cpu_limit: Some(5_000),
            cpu_us: Some(8_000),
            throttled_periods: Some(2),
            throttled_us: Some(9),
            memory_bytes: Some(5),
            memory_limit_bytes: None,
        };
        assert_eq!(Cgroup::read(root.path(), own), want);
        assert_eq!(quota("-1 100000"), None);
        assert_eq!(quota("5 0"), None);
    }
}
