//! A thread that works beside the traffic: it gives way to the workers, and its end can be waited for.
//!
//! Not here: what it does, and how it is told to stop; both are its owner's.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Priority of the thread: traffic first.
const NICE: i32 = 10;

/// Lets traffic go before the calling thread.
pub fn give_way() {
    // Without the right to be nicer it works all the same.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// A running thread.
#[derive(Debug)]
pub struct Background {
    /// Says that it has ended; closed when it ended by a panic.
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Background {
    /// Starts `work` on a thread of its own that gives way.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            give_way();
            work();
            let _ = end.send(());
        })?;
        Ok(Self { ended, thread })
    }

    /// Ends its sleep (`std::thread::park_timeout`), now or the next.
    pub fn unpark(&self) {
        self.thread.thread().unpark();
    }

    /// Waits for its end at most until `deadline`; says whether it ended in time and without a panic.
    /// Blocks.
    pub fn join_within(self, deadline: Duration) -> bool {
        // Another error means that the thread has ended already.
        self.ended.recv_timeout(deadline) != Err(mpsc::RecvTimeoutError::Timeout)
            && self.thread.join().is_ok()
    }
}
