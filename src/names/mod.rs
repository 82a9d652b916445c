//! Names looked up, for everything that connects: endpoints of services, HTTP clients, OTLP, mail.
//!
//! ```text
//! look_up ─► bounded queue ─► thread `names`: one look-up for all who ask the same ─► hickory ─► servers
//! ```
//! hickory and not the system's `getaddrinfo`: a statically linked glibc has none, it blocks a thread for
//! each name, and it tells no TTL. /etc/hosts and /etc/resolv.conf count as they do there, and are read
//! again when they change. Answers are kept as long as their TTL says, from [`TTL_MIN`] to [`TTL_MAX`].
//!
//! Invariants: whoever asks blocks nothing and waits `LIMIT` at most; at most `desk::NAMES_MAX` names are
//! looked up at once, for `desk::WAITING_MAX` waiting each. The thread begins with the first name:
//! a process that has none has no thread. Not here: what follows from an address (`proxy`, `web`).

mod desk;
mod source;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

use crate::config::Resolver;
use crate::metrics::NamesMetrics;
use desk::{NameAsked, NameQuestion};
use source::LiveResolver;

/// An answer is kept this long at least, whatever its TTL says.
pub const TTL_MIN: Duration = Duration::from_secs(1);
/// And no longer than this.
pub const TTL_MAX: Duration = Duration::from_mins(1);
/// That a name does not exist is kept no longer than this.
const TTL_NONE_MAX: Duration = Duration::from_secs(10);
/// Longest look-up, with every search domain and every repetition.
const LIMIT: Duration = Duration::from_secs(15);
/// Most questions that the thread has not yet seen.
const QUEUE_MAX: usize = 1024;

/// What is asked of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// Addresses to connect to, those of IPv4 first.
    Connect,
    /// Addresses that each are somebody of their own: those of IPv4, or else those of IPv6, since a host
    /// with both would be two.
    Each,
    /// Hosts, ports and weights (SRV, RFC 2782), as addresses: those of the first priority that has any.
    Services,
}

/// An address that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Port and weight, of [`NameKind::Services`] alone.
    pub service: Option<(u16, u16)>,
}

/// What a name stands for; one address at least.
#[derive(Debug)]
pub struct Addresses {
    /// Each once, in the order of the answer.
    pub addresses: Vec<Address>,
    /// When to ask again: TTL within its bounds.
    pub until: Instant,
}

/// Why nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// A server says that there is no such name, or that it has no address.
    #[error("there is no such name, or it has no address")]
    NotFound,
    /// The system refused this process something.
    #[error("the system refuses it: {0}")]
    System(Errno),
    /// No answer, or none of use.
    #[error("{0}")]
    Failed(Arc<str>),
}

impl LookupFailure {
    fn because(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string().into())
    }
}

/// How names are looked up; set once, before the first.
static CONFIG: OnceLock<Resolver> = OnceLock::new();
/// The way to the thread.
static QUEUE: OnceLock<mpsc::Sender<NameAsked>> = OnceLock::new();
/// Held while the thread is made.
static STARTING: Mutex<()> = Mutex::new(());

/// Says how names are looked up in this process. Counts before the first look-up, and once.
pub fn configure(resolver: &Resolver) {
    let _ = CONFIG.set(resolver.clone());
}

/// What became of look-ups.
pub fn metrics() -> &'static Arc<NamesMetrics> {
    static METRICS: OnceLock<Arc<NamesMetrics>> = OnceLock::new();
    METRICS.get_or_init(Arc::default)
}

/// Looks a name up; an IP address stands for itself.
///
/// # Errors
/// When there is no such name, or nobody can tell.
pub async fn look_up(name: &str, kind: NameKind) -> Result<Arc<Addresses>, LookupFailure> {
    if let Ok(ip) = name.parse() {
        let addresses = vec![Address { ip, service: None }];
        return Ok(Arc::new(Addresses { addresses, until: Instant::now() + TTL_MAX }));
    }
    let (reply, answer) = oneshot::channel();
    let question = NameQuestion { name: name.to_ascii_lowercase(), kind };
    if queue()?.try_send(NameAsked { question, reply }).is_err() {
        metrics().refused_total.add(1);
        return Err(LookupFailure::because("too many names are looked up"));
    }
    answer.await.unwrap_or_else(|_| Err(LookupFailure::because("the look-up was given up")))
}

/// The way to the thread, which begins here.
fn queue() -> Result<&'static mpsc::Sender<NameAsked>, LookupFailure> {
    if let Some(queue) = QUEUE.get() {
        return Ok(queue);
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(queue) = QUEUE.get() {
        return Ok(queue);
    }
    let source = LiveResolver::new(CONFIG.get().cloned().unwrap_or_default());
    let queue = start(source, Arc::clone(metrics()))?;
    Ok(QUEUE.get_or_init(|| queue))
}

/// A thread that looks up.
fn start(
    source: LiveResolver,
    metrics: Arc<NamesMetrics>,
) -> Result<mpsc::Sender<NameAsked>, LookupFailure> {
    let failure = |error: std::io::Error| match Errno::from_io_error(&error) {
        Some(errno) => LookupFailure::System(errno),
        None => LookupFailure::because(error),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failure)?;
    let (queue, asked) = mpsc::channel(QUEUE_MAX);
    std::thread::Builder::new()
        .name("names".to_owned())
        .spawn(move || runtime.block_on(desk::serve(source, asked, &metrics)))
        .map_err(failure)?;
    Ok(queue)
}
