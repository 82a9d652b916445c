//! What goes wrong with a bulk request: a [`Step`] says what becomes of its documents and, apart
//! from that, what its caller hears, so that every mixture of the two can be played.
//!
//! Not here: who plays it (`bulk`, `answer`).

use std::time::Duration;

/// What is done to one bulk request. The default does nothing to it: documents are stored, the
/// answer tells the truth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Wait before the request is looked at: no write index is settled and nothing stored before.
    pub delay: Duration,
    /// What becomes of the documents.
    pub storing: Storing,
    /// What goes wrong with single items; the first that fits an item decides.
    pub items: Vec<ItemFault>,
    /// Whether the streams it wrote to roll over after storing, before the caller hears anything.
    pub rolls_over: bool,
    /// What the caller hears.
    pub reply: Reply,
}

/// What becomes of the documents of a bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storing {
    /// They are stored at once.
    #[default]
    Now,
    /// Never: the request had no effect.
    Never,
    /// Their write indices are settled at once, but they are stored only at
    /// [`release`](super::Running::release); until then the request stands in `_tasks`, whether its
    /// caller still waits or not.
    Held,
}

/// What the caller of a bulk request hears.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reply {
    /// The truth, once the documents are stored.
    #[default]
    True,
    /// This status for the whole request.
    Status {
        /// The status.
        status: u16,
        /// The body; without one, what the real server says with this status.
        body: Option<String>,
    },
    /// Nothing; the connection is closed. At once, even when the documents are held.
    Close,
    /// Nothing, ever; the connection stays open until the caller leaves.
    Silence,
    /// The first half of the truth, then the connection is closed.
    Half,
    /// Status 200 with this body.
    Garbage(String),
    /// The truth with this many items: cut short, or the last one repeated.
    ItemCount(usize),
}

/// What goes wrong with some items of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFault {
    /// Which items.
    pub which: Which,
    /// What is answered instead of storing them.
    pub outcome: ItemOutcome,
}

/// Picks items of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The one at this place, from 0.
    Ordinal(usize),
    /// The first of every so many, so 1 is all; 0 is none.
    EveryNth(usize),
    /// Those whose document has this text in it.
    Containing(String),
}

impl Which {
    /// Whether the item at `ordinal` with this `source` is meant.
    pub(super) fn picks(&self, ordinal: usize, source: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Ordinal(wanted) => ordinal == *wanted,
            Self::EveryNth(count) => ordinal.checked_rem(*count) == Some(0),
            Self::Containing(text) => memchr::memmem::find(source, text.as_bytes()).is_some(),
        }
    }
}

/// What is answered for an item instead of storing it where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOutcome {
    /// 429: the write queue of the item's shard is full.
    Rejected,
    /// 403: somebody blocks writing to the index.
    WriteBlocked,
    /// 429: the disk has passed its flood stage.
    FloodStage,
    /// 400: the document does not fit the mapping.
    Malformed,
    /// 404: there is no such index.
    Missing,
    /// 201 with `failure_store: used`: parked beside the stream.
    FailureStored,
    /// Whatever else.
    Error {
        /// Status of the item.
        status: u16,
        /// `error.type`.
        kind: String,
        /// `error.reason`.
        reason: String,
    },
}

impl Step {
    /// The whole request is refused with `status`, the body being the real server's; nothing is
    /// stored.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self { storing: Storing::Never, ..Self::reply(Reply::Status { status, body: None }) }
    }

    /// The connection is closed before anything is stored.
    #[must_use]
    pub fn lost_before_storing() -> Self {
        Self { storing: Storing::Never, ..Self::reply(Reply::Close) }
    }

    /// Everything is stored, then the connection is closed.
    #[must_use]
    pub fn lost_after_storing() -> Self {
        Self::reply(Reply::Close)
    }

    /// The connection is closed, the documents are stored only when released.
    #[must_use]
    pub fn lost_and_held() -> Self {
        Self { storing: Storing::Held, ..Self::reply(Reply::Close) }
    }

    /// Everything is stored, the caller hears `reply`.
    #[must_use]
    pub fn reply(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }

    /// Some items fail, the others are stored.
    #[must_use]
    pub fn item(which: Which, outcome: ItemOutcome) -> Self {
        Self::default().and_item(which, outcome)
    }

    /// The same, and these items fail too.
    #[must_use]
    pub fn and_item(mut self, which: Which, outcome: ItemOutcome) -> Self {
        self.items.push(ItemFault { which, outcome });
        self
    }

    /// The same after a wait.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same, and the streams it wrote to roll over before the caller hears anything.
    #[must_use]
    pub fn then_rollover(mut self) -> Self {
        self.rolls_over = true;
        self
    }

    /// What is done to the item at `ordinal` with this `source`; nothing when it is stored.
    pub(super) fn outcome(&self, ordinal: usize, source: &[u8]) -> Option<&ItemOutcome> {
        let fault = self.items.iter().find(|fault| fault.which.picks(ordinal, source))?;
        Some(&fault.outcome)
    }
}
