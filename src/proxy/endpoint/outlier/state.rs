//! The states of an endpoint and what moves it between them: pure, time comes in.
//!
//! ```text
//!              `failures` to connect in a row │ silent │ share stands out
//! in rotation ───────────────────────────────────────────────────────────► ejected until T
//!      ▲                                                                        │
//!      │◄── probe connects (cause: no connection, also since a probe was refused) ┤
//!      │                                                                        T passes
//!      │◄── trial answers (cause share: whole), or gets further than before ── trial (one exchange)
//!      │                                                                        │
//!                    the same failure again: T once more, twice as long unless it may be the request's
//! ```
//! A state is one word of 64 bits. Not here: who shares it (`outlier`), shares (`share`).

use crate::config;
use crate::proxy::endpoint::FailureKind;

/// Why an endpoint was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::proxy) enum Cause {
    /// No connection, several times in a row.
    Connect,
    /// Time-outs in a row and no answer to anybody.
    Silence,
    /// Far more failures than its neighbours have.
    Share,
}

impl Cause {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "no connection, in a row",
            Self::Silence => "time-outs in a row and no answer",
            Self::Share => "a far larger share of failures than its neighbours have",
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Connect,
            1 => Self::Silence,
            _ => Self::Share,
        }
    }
}

/// What an exchange may do with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Entry {
    /// In rotation.
    Open,
    /// This exchange is the trial.
    Trial,
    Ejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Probe {
    Connected,
    /// Nobody listens.
    Refused,
    /// Nothing came in time, or our own shortage.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In rotation, after `row` failures to connect in a row.
    Rotation { row: u32 },
    /// Out of rotation; from `until_ms` on one exchange may try. Doubled `doublings` times so far.
    Ejected { cause: Cause, doublings: u8, until_ms: u64 },
}

/// What a transition depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) limits: config::Outlier,
    pub(super) now_ms: u64,
    /// Whether the floor leaves room for one more ejection.
    pub(super) may_eject: bool,
    /// Whether requests fail at the neighbours too, so that a failed trial proves little.
    pub(super) neighbours_fail: bool,
}

/// Most doublings: beyond, `eject_max` is long reached.
const DOUBLINGS_MAX: u8 = 20;
const EJECTED: u64 = 1 << 63;
/// The word of an endpoint that belongs to no service any more: in rotation, for good.
pub(super) const LEFT: u64 = 1 << 62;
const UNTIL: u64 = (1 << 56) - 1;

impl State {
    #[expect(clippy::cast_possible_truncation, reason = "a row is the low half of its word")]
    pub(super) const fn from_bits(bits: u64) -> Self {
        if bits & EJECTED == 0 {
            return Self::Rotation { row: bits as u32 };
        }
        let cause = Cause::from_bits(bits >> 61);
        Self::Ejected { cause, doublings: (bits >> 56) as u8 & 31, until_ms: bits & UNTIL }
    }

    /// In rotation without a failure is 0.
    pub(super) const fn to_bits(self) -> u64 {
        match self {
            Self::Rotation { row } => row as u64,
            Self::Ejected { cause, doublings, until_ms } => {
                let until = if until_ms > UNTIL { UNTIL } else { until_ms };
                EJECTED | (cause as u64) << 61 | (doublings as u64) << 56 | until
            }
        }
    }

    pub(super) const fn is_ejected(self) -> bool {
        matches!(self, Self::Ejected { .. })
    }

    /// Whether an exchange may use it now, be it as a trial.
    pub(super) const fn is_open(self, now_ms: u64) -> bool {
        match self {
            Self::Rotation { .. } => true,
            Self::Ejected { until_ms, .. } => until_ms <= now_ms,
        }
    }

    /// An exchange asks to use it. Who takes the trial moves the time on, so that others wait.
    pub(super) fn entered(self, now_ms: u64, limits: config::Outlier) -> (Self, Entry) {
        match self {
            Self::Rotation { .. } => (self, Entry::Open),
            Self::Ejected { until_ms, .. } if until_ms > now_ms => (self, Entry::Ejected),
            Self::Ejected { cause, doublings, .. } => {
                let until_ms = now_ms + span_ms(doublings, limits);
                (Self::Ejected { cause, doublings, until_ms }, Entry::Trial)
            }
        }
    }

    /// An attempt got a response head. Broken answers have one too: of a trial for them, the end tells.
    pub(super) const fn after_head(self, entry: Entry) -> Self {
        match self {
            Self::Ejected { cause: Cause::Share, .. } => self,
            _ => self.after_success(entry),
        }
    }

    /// An attempt got a whole answer. A late one, from before the ejection, changes nothing.
    pub(super) const fn after_success(self, entry: Entry) -> Self {
        match (self, entry) {
            (Self::Ejected { .. }, Entry::Open | Entry::Ejected) => self,
            _ => Self::Rotation { row: 0 },
        }
    }

    pub(super) fn after_failure(self, entry: Entry, kind: FailureKind, setting: Setting) -> Self {
        let Self::Ejected { cause, doublings, until_ms } = self else {
            return self.after_failure_in_rotation(kind, setting);
        };
        let again = |cause, doubles| {
            let doublings = if doubles { (doublings + 1).min(DOUBLINGS_MAX) } else { doublings };
            let until_ms = setting.now_ms + span_ms(doublings, setting.limits);
            Self::Ejected { cause, doublings, until_ms }
        };
        match (entry, cause, kind) {
            (Entry::Open | Entry::Ejected, ..) => self, // late
            (_, _, FailureKind::Unreachable) => again(Cause::Connect, true),
            (_, Cause::Connect, FailureKind::Silent | FailureKind::Broken)
            | (_, Cause::Silence, FailureKind::Broken) => Self::Rotation { row: 0 },
            (_, Cause::Silence | Cause::Share, FailureKind::Silent)
            | (_, Cause::Share, FailureKind::Broken) => again(cause, !setting.neighbours_fail),
            // Nothing was learnt: the next exchange may try.
            (_, _, FailureKind::NotTheEndpoint) => {
                Self::Ejected { cause, doublings, until_ms: until_ms.min(setting.now_ms) }
            }
        }
    }

    fn after_failure_in_rotation(self, kind: FailureKind, setting: Setting) -> Self {
        match (self, kind) {
            (Self::Rotation { row }, FailureKind::Unreachable) => {
                let row = row.saturating_add(1);
                if row >= setting.limits.failures && setting.may_eject {
                    ejected(Cause::Connect, setting)
                } else {
                    Self::Rotation { row }
                }
            }
            _ => self, // counted by share
        }
    }

    /// Found to be broken by what it did over a while.
    pub(super) fn after_verdict(self, cause: Cause, setting: Setting) -> Self {
        match self {
            Self::Rotation { .. } if setting.may_eject => ejected(cause, setting),
            _ => self,
        }
    }

    /// A connection lets back what was out for want of one; it says nothing of answers. A refusal says
    /// that the process that answered badly is gone: what will listen there is another.
    pub(super) const fn after_probe(self, end: Probe) -> Self {
        match (self, end) {
            (Self::Ejected { cause: Cause::Connect, .. }, Probe::Connected) => {
                Self::Rotation { row: 0 }
            }
            (Self::Ejected { doublings, until_ms, .. }, Probe::Refused) => {
                Self::Ejected { cause: Cause::Connect, doublings, until_ms }
            }
            _ => self,
        }
    }
}

fn ejected(cause: Cause, setting: Setting) -> State {
    let until_ms = setting.now_ms + span_ms(0, setting.limits);
    State::Ejected { cause, doublings: 0, until_ms }
}

/// Time out of rotation, at least 1 ms.
fn span_ms(doublings: u8, limits: config::Outlier) -> u64 {
    let span = limits.eject.saturating_mul(1 << doublings).min(limits.eject_max);
    u64::try_from(span.as_millis()).unwrap_or(UNTIL / 2).max(1)
}

#[cfg(test)]
mod tests;
