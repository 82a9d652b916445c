//! One objective under a back-test: its series, what fired, and which bad events belong to it.
//!
//! To a firing belong the bad events of its group from the start of the short window in which it began to its end.
//! Everything is bounded. Not here: when something fires (`evaluator`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::points::PlotPoints;
use super::results::{Firing, Tested, TestedSeries};
use crate::slo::burn::minutes;
use crate::slo::clock::minute;
use crate::slo::notice::{Notice, Trigger};
use crate::slo::objective::{Dimension, Objective};
use crate::slo::spenders::Spenders;
use crate::slo::tier::EventCount;

/// Most times that alerts of one objective fired that are kept; beyond, they are counted.
pub const FIRINGS_MAX: usize = 1_000;
/// Most series of an objective that are kept: groups come and go.
pub const SERIES_MAX: usize = 200;

/// What is known of one objective so far.
#[derive(Debug)]
pub(super) struct Under {
    pub(super) result: Tested,
    /// Series by their group.
    places: HashMap<Vec<(Dimension, String)>, usize>,
    /// Bad events of the last minutes of each series, as long as a short window reaches.
    recent: Vec<VecDeque<(u32, u64)>>,
    /// Most minutes of these.
    recent_minutes: u32,
    /// Firings to which bad events of coming minutes belong.
    open: Vec<usize>,
}

impl Under {
    pub(super) fn new(objective: &Arc<Objective>) -> Self {
        let short = objective.windows.iter().map(|window| minutes(window.short)).max();
        Self {
            result: Tested {
                objective: Arc::clone(objective),
                series: Vec::new(),
                firings: Vec::new(),
                firings_lost: 0,
                spenders: Spenders::default(),
            },
            places: HashMap::new(),
            recent: Vec::new(),
            recent_minutes: short.unwrap_or(0),
            open: Vec::new(),
        }
    }

    /// An alert begins to fire: which of its firings that is; `None` when there are too many.
    pub(super) fn fires(&mut self, notice: Notice) -> Option<usize> {
        let number = self.result.firings.len();
        if number >= FIRINGS_MAX {
            self.result.firings_lost += 1;
            return None;
        }
        let short = match notice.trigger {
            Trigger::Burn { short, .. } => minutes(short),
            _ => 0,
        };
        let first_minute = minute(notice.since_ms).saturating_sub(short);
        let recent = self.places.get(&notice.group).map(|&series| &self.recent[series]);
        let before = recent.into_iter().flatten().filter(|(at, _)| *at >= first_minute);
        self.open.push(number);
        self.result.firings.push(Firing {
            severity: notice.severity,
            trigger: notice.trigger,
            since_ms: notice.since_ms,
            until_ms: None,
            top: notice.top,
            budget_left: notice.budget_left,
            bad: before.map(|(_, bad)| bad).sum(),
            first_minute,
            group: notice.group,
        });
        Some(number)
    }

    /// The place of a series, which may be new; `None` when there are too many.
    pub(super) fn series(&mut self, group: Vec<(Dimension, String)>) -> Option<usize> {
        if let Some(&place) = self.places.get(&group) {
            return Some(place);
        }
        let place = self.result.series.len();
        if place >= SERIES_MAX {
            return None;
        }
        self.recent.push(VecDeque::new());
        self.result.series.push(TestedSeries {
            group: group.clone(),
            count: EventCount::default(),
            status: None,
            points: PlotPoints::default(),
        });
        self.places.insert(group, place);
        Some(place)
    }

    /// Notes bad events of a minute of a series, and gives them to what fired meanwhile.
    pub(super) fn bad(&mut self, series: usize, at: u32, bad: u64) {
        let Self { result, recent, recent_minutes, open, .. } = self;
        let recent = &mut recent[series];
        while recent.front().is_some_and(|(old, _)| old.saturating_add(*recent_minutes) < at) {
            recent.pop_front();
        }
        if bad > 0 {
            recent.push_back((at, bad));
        }
        let group = &result.series[series].group;
        open.retain(|&number| {
            let Some(firing) = result.firings.get_mut(number) else { return false };
            let last = firing.until_ms.map_or(u32::MAX, minute);
            if firing.group == *group && (firing.first_minute..=last).contains(&at) {
                firing.bad += bad;
            }
            last >= at.saturating_sub(*recent_minutes)
        });
    }
}
