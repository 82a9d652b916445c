//! The thread of a mock: one runtime, which ends with its owner.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

/// A running thread; when dropped it is told to stop, and waited for.
#[derive(Debug)]
pub(super) struct Thread {
    name: &'static str,
    /// Tells it to stop when dropped.
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Runs `serve`, which ends when its argument does, and what it has spawned on its thread.
    pub(super) fn start<F: Future<Output = ()>>(
        name: &'static str,
        serve: impl FnOnce(oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(serve(stopped)),
                Err(error) => tracing::error!(%error, "{name} has no runtime; not serving"),
            }
        })?;
        Ok(Self { name, stop: Some(stop), handle: Some(handle) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("{} ended with a panic", self.name);
        }
    }
}
