//! Stand-ins for what lives around the proxy, for tests, demos and measurements on loopback.
//!
//! They speak real protocols over real sockets, each on a thread of its own, and are bounded in
//! memory, count and time. Nothing of the proxy depends on them.

mod body;
pub mod story;
mod thread;
pub mod traffic;
pub mod upstream;

/// Runs the library's tasks on this thread.
#[derive(Debug, Clone, Copy)]
struct OnThread;

impl<F> hyper::rt::Executor<F> for OnThread
where
    F: Future + 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}
