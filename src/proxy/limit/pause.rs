//! The longest pause of a stream: counted only while nothing comes.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Deadline, Timer};

/// A limit on each pause. There is none at first.
#[derive(Debug)]
pub(in crate::proxy) struct Pause {
    /// The longest.
    most: Duration,
    /// Passes when this one is too long.
    deadline: Deadline,
    /// Whether there is one now.
    is_on: bool,
}

impl Pause {
    /// No pause may be longer than `most`.
    pub(in crate::proxy) fn new(most: Duration, timer: &Rc<Timer>) -> Self {
        Self { most, deadline: Deadline::new(timer), is_on: false }
    }

    /// Nothing came: the pause begins or goes on. Ready once it is too long; otherwise the task is woken
    /// then.
    pub(in crate::proxy) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_on {
            self.is_on = true;
            self.deadline.set(self.most);
        }
        self.deadline.poll(cx)
    }

    /// Whether there is one now.
    pub(in crate::proxy) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(in crate::proxy) fn end(&mut self) {
        if self.is_on {
            self.is_on = false;
            self.deadline.clear();
        }
    }
}
