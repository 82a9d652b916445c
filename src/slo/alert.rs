//! One alert: from the first evaluation that finds something to the end of it.
//!
//! ```text
//! inactive ──active──► pending ──active again──► firing ──clean for long enough──► inactive (resolved)
//!     ▲                   │                        │ ▲
//!     └──── not active ───┘                        └─┘ active, not clean, or nobody knows
//! ```
//! Long enough is [`CLEAN`] at the usual pace, doubled each time that it fires again within [`RELAPSE_MS`] of
//! its end (at most [`RELAPSES_MAX`] times), so that what comes and goes is told once or twice, not each time.
//! An evaluation at which nobody knows (no events, maintenance) moves nothing: no alert fires or ends because
//! the clock jumped or records stopped. Time is counted, for each start evaluates at once: starts make no end
//! come sooner. A step that is lost with the process would let kills put off the begin or the end of an alert
//! for ever: each is to be written down ([`Alert::is_unsaved`]). Pure transitions. Not here: when something is
//! active or clean (`burn`, `absence`), what is told (`notice`).

use std::time::Duration;

use super::bytes::{Input, Output};
use super::notice::{Absence, Trigger};
use crate::consumer::StateError;

/// Evaluations in a row that find something before an alert fires.
pub const PENDING_EVALUATIONS: u32 = 2;
/// Evaluations are clean for so long, one after the other, before an alert ends. With the 5 minutes of the
/// shortest window that is longer than a quarter of an hour: what a job does every 15 minutes pages once.
pub const CLEAN: Duration = Duration::from_mins(12);
/// Most time of one clean evaluation: no window is shorter, so that what was bad meanwhile is in it.
const CLEAN_STEP_MAX_MS: u64 = 60_000;
/// An alert that fires again so soon after its end is the same trouble.
pub const RELAPSE_MS: u64 = 6 * 3_600_000;
/// Most times that the wait for the end is doubled: 48 minutes.
pub const RELAPSES_MAX: u32 = 2;

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AlertState {
    /// Nothing was found.
    Inactive,
    /// Something was found, at so many evaluations in a row.
    Pending {
        /// 1 or more, below [`PENDING_EVALUATIONS`].
        evaluations: u32,
    },
    /// Somebody was told.
    Firing {
        /// Milliseconds since 1970 when it began to.
        since_ms: u64,
        /// Why, as it was last found.
        trigger: Trigger,
        /// For how long evaluations were clean, in milliseconds.
        clean_ms: u64,
    },
}

impl AlertState {
    /// The word for people and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending { .. } => "pending",
            Self::Firing { .. } => "firing",
        }
    }

    /// Whether it fires.
    pub(super) const fn is_firing(&self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// Where it stands without its figures: its place in the picture, and what is counted there.
    fn place(&self) -> (u8, u64) {
        match self {
            Self::Inactive => (0, 0),
            Self::Pending { evaluations } => (1, u64::from(*evaluations)),
            Self::Firing { clean_ms, .. } => (2, *clean_ms),
        }
    }
}

/// When an evaluation is.
#[derive(Debug, Clone, Copy)]
pub(super) struct EvaluationTime {
    /// Milliseconds since 1970.
    pub(super) ms: u64,
    /// Milliseconds watched since the one before.
    pub(super) watched_ms: u64,
    /// Evaluations are clean for so many before an alert ends.
    pub(super) clean_ms: u64,
}

/// What an evaluation found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Look {
    /// Something; the worst of it.
    Active(Trigger),
    /// Nothing that would fire, and not clean either.
    Between,
    Clean,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// It fires from now on, and why.
    Fires(Trigger),
    /// It is over: since when it fired, and why.
    Ends(u64, Trigger),
}

/// An alert with what it remembers of its last end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Alert {
    pub(super) state: AlertState,
    /// Milliseconds since 1970 of the last end; 0: never fired.
    ended_ms: u64,
    /// How often it fired again soon after its end.
    relapses: u32,
    /// The rows of windows that were active since it was inactive, one bit each: those that have to be
    /// clean.
    pub(super) rows: u32,
    /// It moved since a state was last written.
    pub(super) is_unsaved: bool,
}

impl Default for Alert {
    fn default() -> Self {
        let state = AlertState::Inactive;
        Self { state, ended_ms: 0, relapses: 0, rows: 0, is_unsaved: false }
    }
}

impl Alert {
    /// Whether it fires.
    pub(super) const fn is_firing(&self) -> bool {
        self.state.is_firing()
    }

    /// The state after an evaluation.
    #[must_use]
    pub(super) fn step(&mut self, look: Look, now: EvaluationTime) -> Option<Change> {
        let now_ms = now.ms;
        let (state, change) = match (self.state, look) {
            (AlertState::Inactive, Look::Active(trigger)) => self.found(1, trigger, now_ms),
            (AlertState::Pending { evaluations }, Look::Active(trigger)) => {
                self.found(evaluations + 1, trigger, now_ms)
            }
            (AlertState::Pending { .. }, Look::Between | Look::Clean) => {
                (AlertState::Inactive, None)
            }
            (AlertState::Firing { since_ms, trigger, clean_ms }, look) => {
                let fires = |trigger, clean_ms| AlertState::Firing { since_ms, trigger, clean_ms };
                match look {
                    Look::Active(trigger) => (fires(trigger, 0), None),
                    Look::Between => (fires(trigger, 0), None),
                    Look::Clean => {
                        let clean_ms = clean_ms + now.watched_ms.min(CLEAN_STEP_MAX_MS);
                        if clean_ms >= now.clean_ms << self.relapses {
                            self.ended_ms = now_ms;
                            (AlertState::Inactive, Some(Change::Ends(since_ms, trigger)))
                        } else {
                            (fires(trigger, clean_ms), None)
                        }
                    }
                    Look::Unknown => (self.state, None),
                }
            }
            (state, _) => (state, None),
        };
        self.is_unsaved |= self.state.place() != state.place();
        self.state = state;
        if state == AlertState::Inactive {
            self.rows = 0;
        }
        change
    }

    /// Fires already, by what somebody else remembers: `rows` have to be clean.
    pub(super) fn adopt(&mut self, since_ms: u64, trigger: Trigger, rows: u32) {
        let state = AlertState::Firing { since_ms, trigger, clean_ms: 0 };
        *self = Self { state, rows, is_unsaved: true, ..*self };
    }

    /// Something was found at so many evaluations in a row.
    fn found(
        &mut self,
        evaluations: u32,
        trigger: Trigger,
        now_ms: u64,
    ) -> (AlertState, Option<Change>) {
        if evaluations < PENDING_EVALUATIONS {
            return (AlertState::Pending { evaluations }, None);
        }
        let is_relapse = self.ended_ms > 0 && now_ms.saturating_sub(self.ended_ms) < RELAPSE_MS;
        self.relapses = if is_relapse { (self.relapses + 1).min(RELAPSES_MAX) } else { 0 };
        let state = AlertState::Firing { since_ms: now_ms, trigger, clean_ms: 0 };
        (state, Some(Change::Fires(trigger)))
    }

    /// Appends it to a state.
    pub(super) fn encode(&self, out: &mut Output) {
        out.number(self.ended_ms);
        out.number(u64::from(self.relapses));
        out.number(u64::from(self.rows));
        match self.state {
            AlertState::Inactive => out.number(0),
            AlertState::Pending { evaluations } => {
                out.number(1);
                out.number(u64::from(evaluations));
            }
            AlertState::Firing { since_ms, trigger, clean_ms } => {
                out.number(2);
                out.number(since_ms);
                out.number(clean_ms);
                encode_trigger(trigger, out);
            }
        }
    }

    /// Takes it from a state.
    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, StateError> {
        let ended_ms = input.number()?;
        let relapses = input.small()?.min(RELAPSES_MAX);
        let rows = input.small()?;
        let state = match input.number()? {
            0 => AlertState::Inactive,
            1 => AlertState::Pending { evaluations: input.small()?.min(PENDING_EVALUATIONS) },
            2 => AlertState::Firing {
                since_ms: input.number()?,
                clean_ms: u64::from(input.small()?),
                trigger: decode_trigger(input)?,
            },
            _ => return Err(StateError::Damaged),
        };
        Ok(Self { state, ended_ms, relapses, rows, is_unsaved: false })
    }
}

/// Appends why an alert fires.
pub(super) fn encode_trigger(trigger: Trigger, out: &mut Output) {
    match trigger {
        Trigger::Burn { rate, factor, long, short, valid, bad } => {
            out.number(0);
            out.float(rate);
            out.float(factor);
            for number in [long.as_secs(), short.as_secs(), valid, bad] {
                out.number(number);
            }
        }
        Trigger::Absent { what, lasted } => {
            out.number(1);
            out.number(match what {
                Absence::Traffic => 0,
                Absence::Records => 1,
                Absence::Heartbeat => 2,
            });
            out.number(lasted.as_secs());
        }
        Trigger::Test => out.number(2),
    }
}

/// Takes why an alert fires.
pub(super) fn decode_trigger(input: &mut Input<'_>) -> Result<Trigger, StateError> {
    Ok(match input.number()? {
        0 => Trigger::Burn {
            rate: input.float()?,
            factor: input.float()?,
            long: Duration::from_secs(input.number()?),
            short: Duration::from_secs(input.number()?),
            valid: input.number()?,
            bad: input.number()?,
        },
        1 => Trigger::Absent {
            what: match input.number()? {
                0 => Absence::Traffic,
                1 => Absence::Records,
                2 => Absence::Heartbeat,
                _ => return Err(StateError::Damaged),
            },
            lasted: Duration::from_secs(input.number()?),
        },
        2 => Trigger::Test,
        _ => return Err(StateError::Damaged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::millis;

    const T0: u64 = 1_800_000_000_000;

    fn active() -> Look {
        Look::Active(Trigger::Test)
    }

    fn firing(since_ms: u64, clean_s: u64) -> AlertState {
        AlertState::Firing { since_ms, trigger: Trigger::Test, clean_ms: clean_s * 1_000 }
    }

    /// So many seconds after the evaluation before.
    fn after(watched_s: u64) -> EvaluationTime {
        EvaluationTime { ms: T0, watched_ms: watched_s * 1_000, clean_ms: millis(CLEAN) }
    }

    /// Goal: every arrow of the picture. Method: one row per arrow; so many seconds after the evaluation before.
    #[test]
    fn an_alert_fires_at_the_second_look_and_ends_after_clean_time() {
        let last = CLEAN.as_secs() - 10;
        let pending = AlertState::Pending { evaluations: 1 };
        let ends = Some(Change::Ends(5, Trigger::Test));
        let fires = Some(Change::Fires(Trigger::Test));
        for (name, from, look, seconds, want, change) in [
            ("nothing found", AlertState::Inactive, Look::Clean, 10, AlertState::Inactive, None),
            ("found once", AlertState::Inactive, active(), 10, pending, None),
            ("found again", pending, active(), 10, firing(T0, 0), fires),
            ("not found again", pending, Look::Between, 10, AlertState::Inactive, None),
            ("nobody knows, pending", pending, Look::Unknown, 10, pending, None),
            ("still", firing(5, 30), active(), 10, firing(5, 0), None),
            (
                "below the threshold, not clean",
                firing(5, 30),
                Look::Between,
                10,
                firing(5, 0),
                None,
            ),
            ("clean once more", firing(5, 30), Look::Clean, 10, firing(5, 40), None),
            ("clean after a start", firing(5, last), Look::Clean, 0, firing(5, last), None),
            ("clean after a start soon", firing(5, 30), Look::Clean, 3, firing(5, 33), None),
            ("clean after a long time", firing(5, 30), Look::Clean, 9_999, firing(5, 90), None),
            ("nobody knows, firing", firing(5, 30), Look::Unknown, 10, firing(5, 30), None),
            ("clean for long enough", firing(5, last), Look::Clean, 10, AlertState::Inactive, ends),
        ] {
            let mut alert = Alert { state: from, ..Alert::default() };
            assert_eq!(alert.step(look, after(seconds)), change, "{name}");
            assert_eq!(alert.state, want, "{name}");
        }
    }

    #[test]
    fn what_comes_again_soon_has_to_be_clean_for_longer() {
        for (pause_ms, want) in [(RELAPSE_MS - 1, [72, 144, 288, 288]), (RELAPSE_MS, [72; 4])] {
            let (mut alert, mut now_ms) = (Alert::default(), T0);
            for want in want {
                let now = EvaluationTime { ms: now_ms, ..after(10) };
                assert_eq!(alert.step(active(), now), None);
                assert_eq!(alert.step(active(), now), Some(Change::Fires(Trigger::Test)));
                let ends = (1..1_000).find(|_| alert.step(Look::Clean, now).is_some());
                assert_eq!(ends, Some(want));
                now_ms += pause_ms;
            }
        }
    }

    #[test]
    fn an_alert_comes_back_from_a_state_as_it_was() {
        let burn = Trigger::Burn {
            rate: 15.5,
            factor: 14.4,
            long: Duration::from_hours(1),
            short: Duration::from_mins(5),
            valid: 70_000,
            bad: 1_085,
        };
        let absent = Trigger::Absent { what: Absence::Heartbeat, lasted: Duration::from_mins(3) };
        for state in [
            AlertState::Inactive,
            AlertState::Pending { evaluations: 1 },
            AlertState::Firing { since_ms: T0, trigger: burn, clean_ms: 70_000 },
            AlertState::Firing { since_ms: T0, trigger: absent, clean_ms: 0 },
        ] {
            let (ended_ms, relapses, rows, is_unsaved) = (T0 - 1, 2, 0b101, false);
            let alert = Alert { state, ended_ms, relapses, rows, is_unsaved };
            let mut out = Output::default();
            alert.encode(&mut out);
            assert_eq!(Alert::decode(&mut Input(&out.0)), Ok(alert));
            for cut in 0..out.0.len() {
                assert!(Alert::decode(&mut Input(&out.0[..cut])).is_err(), "cut at {cut}");
            }
        }
    }
}
