//! The groups of one objective: a series and alerts for each, so many and no more.
//!
//! A group is a combination of the values of `group_by`; a record without one has [`ABSENT`] there. When
//! one more comes than there is space for, the one that had no event for longest gives way, if that is
//! longer than the longest window and none of its alerts fires: its events are added to [`OTHER`]. If
//! there is none, the new one's events are counted under [`OTHER`] themselves. Not here: whether an
//! event is good (`evaluator`).

use std::collections::HashMap;

use super::alert::Alert;
use super::objective::Dimension;
use super::series::Series;
use super::tier::EventCount;
use super::top::TopCounts;
use crate::base::names::{push_name, take_name};

/// Stands for the groups beyond the bound, in each dimension.
pub const OTHER: &str = "_other";
/// Stands for a value that a record does not have.
pub const ABSENT: &str = "-";

#[derive(Debug)]
pub(super) struct GroupSeries {
    /// The values, each with its length before it; empty for [`OTHER`], and where there is one for all.
    pub(super) key: Box<[u8]>,
    /// The same for people.
    pub(super) names: Vec<(Dimension, String)>,
    pub(super) series: Series,
    /// Events of this start, for counters that only rise: no part of the state.
    pub(super) total: EventCount,
    /// Of tickets and pages.
    pub(super) alerts: [Alert; 2],
    pub(super) top: TopCounts,
}

impl GroupSeries {
    fn new(key: Box<[u8]>, names: Vec<(Dimension, String)>, minutes: u32) -> Self {
        let (alerts, top) = ([Alert::default(); 2], TopCounts::default());
        let (series, total) = (Series::new(minutes), EventCount::default());
        Self { key, names, series, total, alerts, top }
    }

    /// Bytes of it, the heap included; with its part of the table of names.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let names: usize =
            self.names.iter().map(|(_, name)| size_of_val(name) + name.capacity()).sum();
        size_of::<Self>() + names + 2 * self.key.len() + 64 + self.series.heap_bytes()
    }

    /// Whether one of its alerts fires.
    pub(super) fn is_firing(&self) -> bool {
        self.alerts.iter().any(Alert::is_firing)
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct GroupTable {
    dimensions: Vec<Dimension>,
    /// Most groups beside [`OTHER`].
    most: usize,
    /// What series are made for.
    minutes: u32,
    /// Minutes without an event after which a group may give way.
    idle_minutes: u32,
    places: HashMap<Box<[u8]>, usize>,
    /// The first is [`OTHER`], or the one for all.
    groups: Vec<GroupSeries>,
    /// Before this minute nobody gives way.
    next_look: u32,
    /// The key being looked up; kept for its memory.
    key: Vec<u8>,
}

impl GroupTable {
    pub(super) fn new(
        dimensions: &[Dimension],
        most: usize,
        minutes: u32,
        idle_minutes: u32,
    ) -> Self {
        let first = dimensions.iter().map(|&dimension| (dimension, OTHER.to_owned())).collect();
        Self {
            dimensions: dimensions.to_vec(),
            most,
            minutes,
            idle_minutes,
            places: HashMap::new(),
            groups: vec![GroupSeries::new(Box::default(), first, minutes)],
            next_look: 0,
            key: Vec::new(),
        }
    }

    /// The group of an event, and whether that is [`OTHER`]. `value` gives what the record says, or whoever tells
    /// events apart by groups of the same kind: [`ABSENT`] is no value, and their [`OTHER`] is ours.
    pub(super) fn group<'v>(
        &mut self,
        minute: u32,
        value: impl Fn(Dimension) -> Option<&'v [u8]>,
    ) -> (&mut GroupSeries, bool) {
        if self.dimensions.is_empty() {
            return (&mut self.groups[0], false);
        }
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let mut is_first = true;
        for &dimension in &self.dimensions {
            let value = value(dimension);
            is_first &= value == Some(OTHER.as_bytes());
            push_name(value.filter(|value| *value != ABSENT.as_bytes()), &mut key);
        }
        let place = if is_first {
            0
        } else if let Some(&place) = self.places.get(key.as_slice()) {
            place
        } else {
            self.insert(&key, minute)
        };
        self.key = key;
        (&mut self.groups[place], place == 0)
    }

    /// A place for a new group: 0 when there is none.
    fn insert(&mut self, key: &[u8], minute: u32) -> usize {
        let group = GroupSeries::new(key.into(), self.names(key), self.minutes);
        if self.groups.len() <= self.most {
            self.places.insert(key.into(), self.groups.len());
            self.groups.push(group);
            return self.groups.len() - 1;
        }
        let Some(place) = self.idle(minute) else { return 0 };
        self.places.insert(key.into(), place);
        let old = std::mem::replace(&mut self.groups[place], group);
        self.places.remove(&old.key);
        self.groups[0].series.merge(old.series);
        place
    }

    /// The group that gives way, if one does. Looked for once a minute.
    fn idle(&mut self, minute: u32) -> Option<usize> {
        if minute < self.next_look {
            return None;
        }
        let groups = self.groups.iter().enumerate().skip(1).filter(|(_, group)| !group.is_firing());
        let (place, group) = groups.min_by_key(|(_, group)| group.series.last())?;
        let is_idle = group.series.last().saturating_add(self.idle_minutes) < minute;
        if !is_idle {
            self.next_look = minute + 1;
        }
        is_idle.then_some(place)
    }

    /// The names in a key.
    fn names(&self, mut key: &[u8]) -> Vec<(Dimension, String)> {
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let dimensions = self.dimensions.iter();
        let named = dimensions.map(|&dimension| {
            (dimension, take_name(&mut key).map_or_else(|| ABSENT.to_owned(), name))
        });
        named.collect()
    }

    /// Puts a group back, from a state: beyond the bound it becomes a part of [`OTHER`], without its
    /// alerts. `fill` reads it.
    pub(super) fn restore<E>(
        &mut self,
        key: &[u8],
        fill: impl FnOnce(&mut GroupSeries, Series) -> Result<(), E>,
    ) -> Result<(), E> {
        let empty = Series::new(self.minutes);
        if key.is_empty() {
            return fill(&mut self.groups[0], empty);
        }
        let mut group = GroupSeries::new(key.into(), self.names(key), 1);
        fill(&mut group, empty)?;
        if self.groups.len() <= self.most {
            self.places.insert(key.into(), self.groups.len());
            self.groups.push(group);
        } else {
            self.groups[0].series.merge(group.series);
        }
        Ok(())
    }

    /// All, [`OTHER`] first, also without events.
    pub(super) fn all(&self) -> &[GroupSeries] {
        &self.groups
    }

    /// As [`GroupTable::all`].
    pub(super) fn all_mut(&mut self) -> &mut [GroupSeries] {
        &mut self.groups
    }
}
