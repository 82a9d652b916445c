//! Requests as they end: a follower of the journal, for one page, with a filter.
//!
//! ```text
//! journal ─► follower (own thread, low priority) ─► filter ─► newest 50 a second ─► event stream
//! ```
//! Invariants: the journal holds nothing back for it; a reader who is slow, or more than eyes can
//! follow, costs nothing but the number of what was left out; the thread ends when the reader has left.
//! Not here: the language of filters (`query`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Sources;
use super::events::{self, Seat};
use crate::base::background::give_way;
use crate::journal::{From, ReadError};
use crate::query::{Filter, Newest, PASS_BYTES, Records};
use crate::record::{DecodeError, Stream};

/// Most requests shown in a second.
const PER_SECOND_MAX: usize = 50;
/// Between two looks at the journal.
const EVERY: Duration = Duration::from_millis(250);
/// Looks in a second.
const LOOKS: usize = 4;
/// Longest search for what was before.
const SEARCH_MAX: Duration = Duration::from_secs(3);
/// A stream without news gets a word after so many looks.
const QUIET_LOOKS: u32 = 20;

/// What a page asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) filter: Filter,
    /// How many of those that are there already.
    pub(super) last: usize,
}

/// Starts a tail; it ends when `out` is closed.
pub(super) fn start(
    sources: Arc<Sources>,
    ask: Ask,
    out: mpsc::Sender<Bytes>,
    seat: Seat,
) -> std::io::Result<()> {
    // Before the answer begins: what ends from then on is in it.
    let from = if ask.last == 0 { From::Now } else { From::Oldest };
    let records = Records::new(sources.journal.follower(from));
    let run = move || {
        give_way();
        let mut tail = Tail { sources: &sources, ask, out, seq: 0, skipped: 0 };
        let records = if from == From::Now { Ok(records) } else { tail.search(records) };
        if let Err(error) = records.and_then(|records| tail.follow(records)) {
            tracing::warn!(%error, "a tail of requests ended; its page starts another");
        }
        drop(seat);
    };
    std::thread::Builder::new().name("tail".to_owned()).spawn(run).map(drop)
}

/// Why a tail ends before its reader leaves.
#[derive(Debug, thiserror::Error)]
enum TailError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record that was read once is none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

struct Tail<'s> {
    /// Where the journal is.
    sources: &'s Sources,
    /// What the page asked for.
    ask: Ask,
    /// To the page.
    out: mpsc::Sender<Bytes>,
    /// Number of the last event.
    seq: u64,
    /// Left out since the last event.
    skipped: u64,
}

impl Tail<'_> {
    /// Sends the last requests that are there. Gives a reader at the end of the journal: another one
    /// when the search took too long to come there.
    fn search(&mut self, mut records: Records) -> Result<Records, TailError> {
        let until = Instant::now() + SEARCH_MAX;
        let mut newest = Newest::new(self.ask.last);
        loop {
            let is_at_end = self.pass(&mut records, &mut newest)? < PASS_BYTES;
            if is_at_end || Instant::now() > until || self.out.is_closed() {
                // What lies before the last few was not asked for, but how many they are is worth a word.
                let found = is_at_end.then_some(newest.offered);
                self.send(&mut newest, 0, found)?;
                let follower = || Records::new(self.sources.journal.follower(From::Now));
                return Ok(if is_at_end { records } else { follower() });
            }
        }
    }

    /// Sends what comes until the reader leaves.
    fn follow(&mut self, mut records: Records) -> Result<(), TailError> {
        let mut quiet = 0;
        while !self.out.is_closed() {
            let mut newest = Newest::new(PER_SECOND_MAX / LOOKS);
            let bytes = self.pass(&mut records, &mut newest)?;
            let left_out = newest.offered.saturating_sub((PER_SECOND_MAX / LOOKS) as u64);
            self.sources.admin.tail_skipped_total.add(left_out);
            quiet = if newest.offered > 0 { 0 } else { quiet + 1 };
            if newest.offered > 0 {
                self.send(&mut newest, left_out, None)?;
            } else if quiet % QUIET_LOOKS == 0 && self.offer(events::heartbeat()).is_break() {
                return Ok(());
            }
            if bytes < PASS_BYTES {
                std::thread::park_timeout(EVERY);
            }
        }
        Ok(())
    }

    /// Reads on, and keeps what is asked for.
    fn pass(&self, records: &mut Records, newest: &mut Newest) -> Result<usize, TailError> {
        records.pass::<TailError>(&mut |row, constants| {
            if row.stream == Stream::Access && self.ask.filter.matches(row) {
                newest.offer(row, constants);
            }
            Ok(())
        })
    }

    /// Sends what was kept, oldest first; `found` is how many there are, if the search saw all.
    ///
    /// # Errors
    /// None: it was read once.
    fn send(
        &mut self,
        newest: &mut Newest,
        left_out: u64,
        found: Option<u64>,
    ) -> Result<(), TailError> {
        let mut text = Vec::from(b"{\"rows\":[");
        let mut count = 0_u64;
        newest.take::<TailError>(|row| {
            if count > 0 {
                text.push(b',');
            }
            count += 1;
            Ok(row.write_document(&mut text)?)
        })?;
        let skipped = self.skipped + left_out;
        let found = found.map_or(String::new(), |found| format!(",\"found\":{found}"));
        text.extend_from_slice(format!("],\"skipped\":{skipped}{found}}}").as_bytes());
        self.seq += 1;
        let event = events::event("rows", self.seq, &String::from_utf8_lossy(&text));
        self.skipped = match self.offer(event) {
            ControlFlow::Continue(true) => 0,
            ControlFlow::Continue(false) | ControlFlow::Break(()) => {
                self.sources.admin.tail_skipped_total.add(count);
                skipped + count
            }
        };
        Ok(())
    }

    /// Gives a frame to the page, if it keeps up; says whether. Breaks when it has left.
    fn offer(&self, frame: Bytes) -> ControlFlow<(), bool> {
        match self.out.try_send(frame) {
            Ok(()) => ControlFlow::Continue(true),
            Err(TrySendError::Full(_)) => ControlFlow::Continue(false),
            Err(TrySendError::Closed(_)) => ControlFlow::Break(()),
        }
    }
}
