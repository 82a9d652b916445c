//! The signals of a program that runs long: which end it, and which it only says something about.
//!
//! INT, TERM and QUIT end it in order. USR1 and USR2 never do. HUP means "read the configuration again"
//! to a service, and "the terminal is gone" to a program that belongs to one ([`Hangup`]). XFSZ says that
//! a file has reached the limit of the process, and so does the write that fails. From
//! [`Signals::install`] on none of them does what the system would do. Not here: what ending in order
//! is.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use anyhow::Context as _;
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is said of a SIGHUP that ends nothing.
const NO_RELOAD: &str = "SIGHUP: a running lbproxy does not read its configuration again yet; \
                         restart it for that (SIGTERM lets open requests end first)";
/// What is said of the others.
const NOTHING_TO_REOPEN: &str = "SIGUSR1, SIGUSR2: nothing to do; there is no log file to reopen: \
                                 records are in the journal, the log goes to standard error";

/// What a SIGHUP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// A word that there is no reload.
    Told,
    /// The end, unless whoever started the program had it ignored, as `nohup` does.
    Ends,
}

/// The signals that have come and those to wait for.
#[derive(Debug)]
pub(super) struct Signals {
    ends: Vec<Signal>,
    /// Ends too, but only once: a terminal that goes away may send several.
    hangup: Option<Signal>,
    told: Vec<(Signal, &'static str)>,
}

impl Signals {
    /// Watches from now on; to be called in a runtime, and remembered through the next.
    pub(super) fn install(hangup: Hangup) -> io::Result<Self> {
        outlive_file_limit()?;
        let has_no_hangup = is_hangup_ignored();
        let mut told = vec![
            (signal(SignalKind::user_defined1())?, NOTHING_TO_REOPEN),
            (signal(SignalKind::user_defined2())?, NOTHING_TO_REOPEN),
        ];
        let hangup = match hangup {
            Hangup::Ends if has_no_hangup => None,
            Hangup::Ends => Some(signal(SignalKind::hangup())?),
            Hangup::Told => {
                told.push((signal(SignalKind::hangup())?, NO_RELOAD));
                None
            }
        };
        let ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        let ends = ends.into_iter().map(signal).collect::<io::Result<_>>()?;
        Ok(Self { ends, hangup, told })
    }

    /// Waits for a signal that ends the program, and says something about the others.
    pub(super) async fn end(&mut self) {
        poll_fn(|context| {
            for (signal, text) in &mut self.told {
                while signal.poll_recv(context).is_ready() {
                    tracing::warn!("{text}");
                }
            }
            self.poll_end(context)
        })
        .await;
    }

    /// The same while there is no log yet; what there is to say is said by [`Signals::end`].
    pub(super) async fn end_before_log(&mut self) {
        poll_fn(|context| self.poll_end(context)).await;
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.hangup.as_mut().is_some_and(|signal| signal.poll_recv(context).is_ready()) {
            self.hangup = None;
            return Poll::Ready(());
        }
        let has_come = |signal: &mut Signal| signal.poll_recv(context).is_ready();
        if self.ends.iter_mut().any(has_come) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Does `work`, unless a signal ends the program before: the system does nothing with a signal that the first
/// process of a container does not listen to.
///
/// # Errors
/// Those of `work`; a signal.
pub(super) async fn unless_ended<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut signals = Signals::install(Hangup::Ends).context("cannot watch for signals")?;
    tokio::select! {
        done = work => done,
        () = signals.end() => Err(anyhow::anyhow!("ended by a signal; run it again")),
    }
}

/// Keeps SIGXFSZ from ending the process: the write fails with EFBIG, and whoever wrote says so. To be
/// called in a runtime; the handler stays when nobody listens any more.
pub(super) fn outlive_file_limit() -> io::Result<()> {
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// Whether this process was started with SIGHUP ignored.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
