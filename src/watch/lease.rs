//! Who of several watchers notifies: a lease on one document, by its sequence number and a clock that never
//! jumps.
//!
//! ```text
//! none ──create──┐                                   ┌──► another's: stop at once
//! released ──────┤                                   │
//! another's, unchanged for its length ──write──► held ──write before it is over──► held
//! ```
//! Every write names the sequence number that it replaces, so of two who take the lease at once one is
//! refused. No wall clock is compared: who waits measures by its own steady clock how long the document did
//! not change; who holds counts from the moment *before* it sent its last write that counts, and only three
//! quarters of the length. So the holder stops before anybody may take the lease, as long as clocks run
//! equally fast within a quarter. Pure: times are passed in. Not here: the document (`document`), requests
//! (`store`).

use std::time::Duration;

/// Which writing of the document this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// `_seq_no`
    pub(super) number: u64,
    /// `_primary_term`
    pub(super) term: u64,
}

/// The document as it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseView<'a> {
    pub(super) sequence: Sequence,
    /// Who wrote it; empty when it was released.
    pub(super) holder: &'a str,
    /// Which of the holder's writes it is.
    pub(super) write: u64,
    /// For how long after its last change it is the holder's.
    pub(super) length: Duration,
}

/// What a reading of the document asks of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseTurn {
    /// It is another's: look again later.
    Wait,
    /// Nobody has it: write over this one, or create it.
    Take(Option<Sequence>),
    /// It is ours: write over this one before it is over.
    Renew(Sequence),
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct WatchLease {
    /// Whose: unique among all watchers that ever were.
    own: String,
    length: Duration,
    /// Another's writing, and when it was first seen.
    seen: Option<(Sequence, Duration)>,
    /// Our last write, and when it was sent.
    sent: (u64, Duration),
    /// The writing that makes us the holder, and when it was sent.
    held: Option<(Sequence, Duration)>,
}

impl WatchLease {
    pub(super) fn new(own: String, length: Duration) -> Self {
        Self { own, length, seen: None, sent: (0, Duration::ZERO), held: None }
    }

    /// The document was asked for at `now`, and this is what it is.
    pub(super) fn read(&mut self, found: Option<LeaseView<'_>>, now: Duration) -> LeaseTurn {
        let Some(found) = found else {
            self.forget();
            return LeaseTurn::Take(None);
        };
        if found.holder == self.own {
            self.seen = None;
            let (write, sent) = self.sent;
            match self.held {
                Some((sequence, _)) if sequence == found.sequence => (),
                // Its answer was lost.
                _ if found.write == write => self.held = Some((found.sequence, sent)),
                // An earlier one, of which nobody knows when it was sent.
                _ => self.held = None,
            }
            return LeaseTurn::Renew(found.sequence);
        }
        self.held = None;
        if found.holder.is_empty() {
            return LeaseTurn::Take(Some(found.sequence));
        }
        match self.seen {
            Some((sequence, since)) if sequence == found.sequence => {
                if now.saturating_sub(since) >= found.length {
                    return LeaseTurn::Take(Some(found.sequence));
                }
            }
            _ => self.seen = Some((found.sequence, now)),
        }
        LeaseTurn::Wait
    }

    /// A write is sent now; gives its number, which stands in it.
    pub(super) fn sending(&mut self, now: Duration) -> u64 {
        self.sent = (self.sent.0 + 1, now);
        self.sent.0
    }

    /// The last write counts.
    pub(super) fn written(&mut self, sequence: Sequence) {
        self.seen = None;
        self.held = Some((sequence, self.sent.1));
    }

    /// The last write was refused: somebody else's came before, or an earlier one of ours that was late.
    /// Nobody is told anything until a read says which.
    pub(super) fn forget(&mut self) {
        self.held = None;
        self.seen = None;
    }

    /// Until when somebody may be told something; `None`: not at all.
    pub(super) fn ends(&self) -> Option<Duration> {
        self.held.map(|(_, sent)| sent + self.length * 3 / 4)
    }

    /// Whether somebody may be told something now.
    pub(super) fn may_notify(&self, now: Duration) -> bool {
        self.ends().is_some_and(|ends| now < ends)
    }

    pub(super) fn own(&self) -> &str {
        &self.own
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }
}
