//! What the system refuses us: descriptors, local ports, memory, permission.
//!
//! Such a failure is nobody's but ours: it has reasons of its own in records, counters of its own, and
//! says nothing of the endpoint that was called or of the client that calls. A shortage is told when it
//! begins, with the limit and how to raise it, and when it is over: when something has succeeded and
//! nothing has failed by it for [`QUIET`].
//!
//! Shared by all workers; atomics, written only while there is a shortage. Not here: what follows for
//! a request (`exchange`) or a listener (`listener`).

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::base::clock::millis;
use crate::metrics::{Cell64, ShortageMetrics, WorkerMetrics};
use crate::names::LookupFailure;
use crate::record::Reason;

/// Without a failure for so long a shortage may be over.
const QUIET: Duration = Duration::from_secs(3);
/// The local ports that the system gives out.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    Descriptors,
    LocalPorts,
    Memory,
    Permission,
}

impl Shortage {
    const ALL: [Self; 4] = [Self::Descriptors, Self::LocalPorts, Self::Memory, Self::Permission];

    /// What an error of accept(2) or socket(2) is a sign of; `None` when it is none of ours.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Descriptors),
            Errno::ADDRNOTAVAIL => Some(Self::LocalPorts),
            Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => Some(Self::Memory),
            Errno::ACCESS | Errno::PERM => Some(Self::Permission),
            _ => None,
        }
    }

    /// The same of connect(2), which also says "no address" where there is none to call an IPv6
    /// endpoint from: that is no lack of ports.
    pub(super) fn of_connect(error: &io::Error, to: SocketAddr) -> Option<Self> {
        Self::of(error).filter(|&kind| kind != Self::LocalPorts || has_source(to))
    }

    /// The same of a failed look-up, whose errors do not always tell: a socket is tried instead.
    pub(super) fn of_look_up(failure: &LookupFailure) -> Option<(Self, io::Error)> {
        let error = match failure {
            LookupFailure::NotFound => return None, // somebody answered
            LookupFailure::System(errno) => (*errno).into(),
            LookupFailure::Failed(_) => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err()?,
        };
        let kind = Self::of(&error).filter(|kind| matches!(kind, Self::Descriptors | Self::Memory));
        Some((kind?, error))
    }

    /// For people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::LocalPorts => "local ports",
            Self::Memory => "memory for sockets",
            Self::Permission => "permission to connect",
        }
    }

    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Descriptors => Reason::NoDescriptor,
            Self::LocalPorts => Reason::NoLocalPort,
            Self::Memory => Reason::NoMemory,
            Self::Permission => Reason::ConnectDenied,
        }
    }

    /// Where it is said while it lasts.
    const fn gauge(self, metrics: &ShortageMetrics) -> &Cell64 {
        match self {
            Self::Descriptors => &metrics.descriptors,
            Self::LocalPorts => &metrics.local_ports,
            Self::Memory => &metrics.memory,
            Self::Permission => &metrics.permission,
        }
    }

    /// Where it is counted.
    const fn cell(self, metrics: &WorkerMetrics) -> &Cell64 {
        match self {
            Self::Descriptors => &metrics.shortage_descriptors_total,
            Self::LocalPorts => &metrics.shortage_local_ports_total,
            Self::Memory => &metrics.shortage_memory_total,
            Self::Permission => &metrics.shortage_permission_total,
        }
    }

    /// The limit that was met, and its cure.
    fn cure(self, error: &io::Error) -> String {
        match self {
            Self::Descriptors if Errno::from_io_error(error) == Some(Errno::NFILE) => {
                "the whole system has no descriptor left; raise fs.file-max".to_owned()
            }
            Self::Descriptors => {
                let limit = getrlimit(Resource::Nofile).current;
                let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
                format!(
                    "the limit of open files is {limit}; raise it (ulimit -n, LimitNOFILE=), or \
                     lower limits.connections of the listeners and pool.idle_max of the services"
                )
            }
            Self::LocalPorts => {
                let range = std::fs::read_to_string(PORT_RANGE).unwrap_or_default();
                let range: Vec<&str> = range.split_whitespace().collect();
                format!(
                    "net.ipv4.ip_local_port_range is {}; widen it, raise pool.idle_max so that \
                     more connections are used again, or add endpoints",
                    range.join(" ")
                )
            }
            Self::Memory => "the system has no memory for sockets; look at the container's memory \
                             limit, net.ipv4.tcp_mem and fs.epoll.max_user_watches"
                .to_owned(),
            Self::Permission => "the system does not permit it; look at the firewall's rules for \
                                 what leaves this host, and at SELinux, AppArmor or seccomp"
                .to_owned(),
        }
    }
}

/// Whether this host has an address to call `to` from. Over IPv4 there always is one, or another error.
fn has_source(to: SocketAddr) -> bool {
    to.is_ipv4()
        || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|any| any.connect(to)).is_ok()
}

/// How the shortages of a process stand, by kind in the order of [`Shortage::ALL`].
#[derive(Debug)]
struct State {
    /// Times count from here.
    start: Instant,
    kinds: [Standing; 4],
    metrics: ShortageMetrics,
}

/// How one shortage stands.
#[derive(Debug, Default)]
struct Standing {
    /// When it began, in milliseconds, 1 or more; 0 while there is none.
    since_ms: AtomicU64,
    /// The last failure, in milliseconds as `since_ms`.
    last_ms: AtomicU64,
    /// Failures since it began.
    failures: AtomicU64,
    /// Something that needs what was short has succeeded since the last failure.
    is_eased: AtomicBool,
}

/// The shortages of the process, as one worker sees and counts them. Workers share clones for which
/// [`Shortages::of_worker`] gave the cells.
#[derive(Debug, Clone)]
pub(super) struct Shortages {
    state: Arc<State>,
    metrics: Arc<WorkerMetrics>,
}

impl Shortages {
    pub(super) fn new(start: Instant) -> Self {
        let (kinds, metrics) = Default::default();
        let state = State { start, kinds, metrics };
        Self { state: Arc::new(state), metrics: Arc::default() }
    }

    /// The same, counted in the cells of a worker.
    pub(super) fn of_worker(&self, metrics: &Arc<WorkerMetrics>) -> Self {
        Self { state: Arc::clone(&self.state), metrics: Arc::clone(metrics) }
    }

    fn standing(&self, kind: Shortage) -> &Standing {
        let [descriptors, local_ports, memory, permission] = &self.state.kinds;
        match kind {
            Shortage::Descriptors => descriptors,
            Shortage::LocalPorts => local_ports,
            Shortage::Memory => memory,
            Shortage::Permission => permission,
        }
    }

    /// Those that last now.
    pub(super) fn now(&self) -> impl Iterator<Item = Shortage> {
        Shortage::ALL.into_iter().filter(|&kind| self.lasts(kind))
    }

    fn lasts(&self, kind: Shortage) -> bool {
        self.standing(kind).since_ms.load(Ordering::Relaxed) != 0
    }

    /// The gauges, as they are now.
    pub(super) fn metrics_now(&self) -> &ShortageMetrics {
        let metrics = &self.state.metrics;
        for kind in Shortage::ALL {
            kind.gauge(metrics).set(u64::from(self.lasts(kind)));
        }
        metrics
    }

    fn now_ms(&self) -> u64 {
        millis(self.state.start.elapsed()) + 1
    }

    /// Something failed for `kind`: counts it, and tells when that is new.
    pub(super) fn failed(&self, kind: Shortage, error: &io::Error, doing: fmt::Arguments<'_>) {
        kind.cell(&self.metrics).add_owned(1);
        let (standing, now_ms) = (self.standing(kind), self.now_ms());
        standing.is_eased.store(false, Ordering::Relaxed);
        standing.last_ms.store(now_ms, Ordering::Relaxed);
        standing.failures.fetch_add(1, Ordering::Relaxed);
        let order = Ordering::Relaxed;
        if standing.since_ms.compare_exchange(0, now_ms, order, order).is_ok() {
            tracing::warn!(
                shortage = kind.reason().as_str(),
                doing = %doing,
                %error,
                cure = kind.cure(error),
                "the system refuses connections to this process; no endpoint is blamed for it"
            );
        }
    }

    /// A connection was accepted: descriptors and memory are there.
    pub(super) fn accepted(&self) {
        self.ease(Shortage::Descriptors);
        self.ease(Shortage::Memory);
    }

    /// A connection was opened: everything is there.
    pub(super) fn connected(&self) {
        for kind in Shortage::ALL {
            self.ease(kind);
        }
    }

    fn ease(&self, kind: Shortage) {
        let standing = self.standing(kind);
        if standing.since_ms.load(Ordering::Relaxed) != 0 {
            standing.is_eased.store(true, Ordering::Relaxed);
        }
    }

    /// Tells of shortages that are over. To be called now and then.
    pub(super) fn settle(&self) {
        let now_ms = self.now_ms();
        for kind in Shortage::ALL {
            let standing = self.standing(kind);
            let since_ms = standing.since_ms.load(Ordering::Relaxed);
            let quiet_ms = now_ms.saturating_sub(standing.last_ms.load(Ordering::Relaxed));
            let is_over = since_ms != 0
                && standing.is_eased.load(Ordering::Relaxed)
                && quiet_ms >= millis(QUIET);
            let order = Ordering::Relaxed;
            if is_over && standing.since_ms.compare_exchange(since_ms, 0, order, order).is_ok() {
                tracing::info!(
                    shortage = kind.reason().as_str(),
                    failures = standing.failures.swap(0, Ordering::Relaxed),
                    seconds = (now_ms - since_ms - quiet_ms) / 1_000,
                    "the system gives this process connections again"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no fault of ours is taken for an endpoint's, and none of an endpoint's for ours. Method:
    /// what socket(2), connect(2) and accept(2) may say.
    #[test]
    fn what_the_system_refuses_us_is_told_from_what_an_endpoint_does() {
        for (errno, want) in [
            (Errno::MFILE, Some(Reason::NoDescriptor)),
            (Errno::NFILE, Some(Reason::NoDescriptor)),
            (Errno::ADDRNOTAVAIL, Some(Reason::NoLocalPort)),
            (Errno::NOMEM, Some(Reason::NoMemory)),
            (Errno::NOBUFS, Some(Reason::NoMemory)),
            (Errno::NOSPC, Some(Reason::NoMemory)), // of epoll_ctl(2)
            (Errno::ACCESS, Some(Reason::ConnectDenied)),
            (Errno::PERM, Some(Reason::ConnectDenied)),
            (Errno::CONNREFUSED, None),
            (Errno::CONNRESET, None),
            (Errno::TIMEDOUT, None),
            (Errno::HOSTUNREACH, None),
            (Errno::NETUNREACH, None),
        ] {
            let error = io::Error::from(errno);
            let to = SocketAddr::from(([127, 0, 0, 1], 80));
            let reason = Shortage::of_connect(&error, to).map(Shortage::reason);
            assert_eq!(reason, want, "{error}");
            assert_eq!(Shortage::of(&error).map(Shortage::reason), want, "{error}");
        }
        assert_eq!(Shortage::of(&io::Error::other("not from the system")), None);
    }

    #[test]
    fn a_name_that_is_not_found_is_no_shortage_of_ours() {
        for (failure, want) in [
            (LookupFailure::NotFound, None),
            (LookupFailure::Failed("no answer in time".into()), None),
            (LookupFailure::System(Errno::CONNREFUSED), None),
            (LookupFailure::System(Errno::ACCESS), None), // of a name server, which no endpoint is
            (LookupFailure::System(Errno::MFILE), Some(Shortage::Descriptors)),
            (LookupFailure::System(Errno::NOBUFS), Some(Shortage::Memory)),
        ] {
            let kind = Shortage::of_look_up(&failure).map(|(kind, _)| kind);
            assert_eq!(kind, want, "{failure}");
        }
    }

    /// 2001:db8::/32 is for documentation: nobody is there, but whoever has IPv6 has an address to
    /// call from, and whoever has none gets another error or the same for both.
    #[test]
    fn an_endpoint_that_no_address_of_ours_can_call_is_no_lack_of_ports() {
        let nowhere = SocketAddr::from(([0xfe80, 0, 0, 0, 0, 0, 0, 1], 80)); // without its interface
        let error = Errno::ADDRNOTAVAIL.into();
        assert_eq!(Shortage::of_connect(&error, nowhere), None);
    }

    #[test]
    fn a_shortage_is_over_when_something_succeeds_and_not_before() {
        let metrics = Arc::new(WorkerMetrics::default());
        let long_ago = Instant::now().checked_sub(QUIET * 2).unwrap();
        let shortages = Shortages::new(long_ago).of_worker(&metrics);
        let standing = shortages.standing(Shortage::Descriptors);
        let is_short = || {
            shortages.settle();
            standing.since_ms.load(Ordering::Relaxed) != 0
        };
        assert!(!is_short());
        for _ in 0..3 {
            shortages.failed(Shortage::Descriptors, &Errno::MFILE.into(), format_args!("a test"));
        }
        assert!(is_short());
        shortages.accepted();
        assert!(is_short(), "a moment ago something failed");
        standing.last_ms.store(1, Ordering::Relaxed);
        assert!(!is_short());
        assert_eq!(metrics.shortage_descriptors_total.value(), 3);
        shortages.failed(Shortage::Descriptors, &Errno::MFILE.into(), format_args!("a test"));
        standing.last_ms.store(1, Ordering::Relaxed);
        assert!(is_short(), "nothing has succeeded since");
    }
}
