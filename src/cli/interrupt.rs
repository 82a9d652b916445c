//! Ctrl-C, SIGTERM and the like as something to wait for, so that a command ends by its own hand.
//!
//! The second signal ends the process at once, as if nothing was watched. Not here: which signals
//! (`signals`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::signals::{Hangup, Signals};

/// Whether a signal has come, and who waits for it.
#[derive(Debug, Default)]
struct Shared {
    has_come: Mutex<bool>,
    changed: Condvar,
}

/// Waits for a signal that ends the program. The first is noticed, the second ends the process.
#[derive(Debug, Clone)]
pub(super) struct Interrupt {
    /// With the thread that listens.
    shared: Arc<Shared>,
}

impl Interrupt {
    /// Watches from now on.
    pub(super) fn install() -> std::io::Result<Self> {
        let interrupt = Self { shared: Arc::default() };
        let shared = Arc::clone(&interrupt.shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::install(Hangup::Ends)?
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(signals.end());
            *shared.has_come.lock().unwrap_or_else(PoisonError::into_inner) = true;
            shared.changed.notify_all();
            runtime.block_on(signals.end());
            // The handlers are ours now, so that only this signal still ends the process.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
        })?;
        Ok(interrupt)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shared.has_come.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a signal comes.
    pub(super) fn wait(&self) {
        let mut has_come = self.lock();
        while !*has_come {
            has_come = self.shared.changed.wait(has_come).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until `deadline` or a signal; says whether a signal has come.
    pub(super) fn wait_until(&self, deadline: Instant) -> bool {
        let mut has_come = self.lock();
        while !*has_come {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(has_come, left);
            has_come = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *has_come
    }

    /// Waits for `span` or a signal; says whether a signal has come.
    pub(super) fn wait_for(&self, span: Duration) -> bool {
        self.wait_until(Instant::now() + span)
    }
}
