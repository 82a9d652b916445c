//! HTTP/2 streams as tasks of a worker, with a limit on how long a response may wait to be read.
//!
//! On HTTP/1 a downstream that does not read stops the socket, and `io` sees it. On HTTP/2 its window
//! stops one stream while the socket goes on: hyper holds the frame it was given last and asks for
//! nothing more. So the body tells the stream's [`Stall`] when it hands a frame over and when it is
//! asked again, and the task, which [`OnWorker`] wraps, ends the stream when that takes too long.
//!
//! Invariant: costs two stores per frame; only the stream is cut, never its neighbours.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::connection::Connection;
use super::limit::{Deadline, Timer};

/// Whether the downstream takes what is sent on a stream.
#[derive(Debug)]
pub(super) struct Stall {
    /// Longest wait.
    idle: Duration,
    /// Armed while a frame waits to be taken.
    deadline: Deadline,
    /// The wait was too long.
    is_over: Cell<bool>,
}

impl Stall {
    /// A frame was handed over.
    pub(super) fn waits(&self) {
        self.deadline.set(self.idle);
    }

    pub(super) fn is_taken(&self) {
        self.deadline.clear();
    }

    /// Whether the wait was too long.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

/// Runs the streams of one connection on its worker.
#[derive(Debug, Clone)]
pub(super) struct OnWorker {
    pub(super) connection: Rc<Connection>,
    pub(super) timer: Rc<Timer>,
}

impl<F: Future + 'static> hyper::rt::Executor<F> for OnWorker
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        let connection = Rc::clone(&self.connection);
        let stall = Rc::new(Stall {
            idle: connection.listener.timeouts.idle,
            deadline: Deadline::new(&self.timer),
            is_over: Cell::new(false),
        });
        tokio::task::spawn_local(async move {
            let mut task = pin!(task);
            std::future::poll_fn(|cx| {
                let before = connection.switch_to(Some(Rc::clone(&stall)));
                let polled = task.as_mut().poll(cx);
                connection.switch_to(before);
                if polled.is_pending() && stall.deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                stall.is_over.set(polled.is_pending());
                Poll::Ready(())
            })
            .await;
            // Dropped unfinished, the stream is reset and its exchange finishes itself.
        });
    }
}
