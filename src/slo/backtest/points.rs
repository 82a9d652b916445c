//! Figures of a series over time, as many as a picture needs.
//!
//! Minutes at first; when there are [`POINTS_MAX`], two become one. Of several minutes a point has the worst:
//! least budget, highest rates. Not here: how they are drawn (`cli`).

/// Most points of a series; beyond, the worst of two becomes one.
pub const POINTS_MAX: usize = 720;

/// Figures of a minute, or the worst of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotPoint {
    /// Share of the budget that is left; below 0 when it is overspent.
    pub budget_left: f64,
    /// Burn rate over the last hour; `None` without events.
    pub burn_1h: Option<f64>,
    /// Over the last six hours.
    pub burn_6h: Option<f64>,
}

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub struct PlotPoints {
    /// The minute of the first point.
    first: u32,
    /// Minutes of a point are 2 to the power of it.
    doublings: u32,
    /// `None`: no minute of it had figures.
    points: Vec<Option<PlotPoint>>,
}

impl PlotPoints {
    /// Adds the figures of a minute; those of one before the first are left out.
    pub(super) fn add(&mut self, minute: u32, point: PlotPoint) {
        if self.points.is_empty() {
            self.first = minute;
        }
        let Some(since) = minute.checked_sub(self.first) else { return };
        while since >> self.doublings >= u32::try_from(POINTS_MAX).unwrap_or(u32::MAX) {
            self.doublings += 1;
            let pairs = self.points.chunks(2);
            self.points = pairs.map(|pair| pair.iter().copied().reduce(worst).flatten()).collect();
        }
        let place = (since >> self.doublings) as usize;
        if place >= self.points.len() {
            self.points.resize(place + 1, None);
        }
        self.points[place] = worst(self.points[place], Some(point));
    }

    /// Minutes that a point stands for.
    pub const fn width_minutes(&self) -> u32 {
        1 << self.doublings
    }

    /// All that there are, the oldest first: start in milliseconds since 1970, figures.
    pub fn iter(&self) -> impl Iterator<Item = (u64, PlotPoint)> {
        let start = |place: usize| {
            (u64::from(self.first) + ((place as u64) << self.doublings)) * super::MINUTE_MS
        };
        let points = self.points.iter().enumerate();
        points.filter_map(move |(place, point)| Some((start(place), (*point)?)))
    }

    /// The least that was ever left.
    pub fn lowest(&self) -> Option<f64> {
        self.iter().map(|(_, point)| point.budget_left).reduce(f64::min)
    }
}

/// The worst of two.
fn worst(one: Option<PlotPoint>, other: Option<PlotPoint>) -> Option<PlotPoint> {
    let higher = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    match (one, other) {
        (Some(one), Some(other)) => Some(PlotPoint {
            budget_left: one.budget_left.min(other.budget_left),
            burn_1h: higher(one.burn_1h, other.burn_1h),
            burn_6h: higher(one.burn_6h, other.burn_6h),
        }),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(budget_left: f64, burn: f64) -> PlotPoint {
        PlotPoint { budget_left, burn_1h: Some(burn), burn_6h: None }
    }

    #[test]
    fn a_long_time_has_few_points_and_none_of_the_worst_is_lost() {
        let mut points = PlotPoints::default();
        for minute in 0..43_200 {
            let is_spike = minute == 12_345;
            points.add(1_000 + minute, point(1.0, if is_spike { 99.0 } else { 0.5 }));
        }
        points.add(999, point(-5.0, 5.0));
        assert_eq!(points.width_minutes(), 64);
        let all: Vec<_> = points.iter().collect();
        assert_eq!(all.len(), 43_200_usize.div_ceil(64));
        assert_eq!(all[0].0, 1_000 * 60_000);
        let spikes: Vec<_> = all.iter().filter(|(_, point)| point.burn_1h == Some(99.0)).collect();
        assert_eq!(spikes, [&((1_000 + 12_345 / 64 * 64) * 60_000, point(1.0, 99.0))]);
        assert_eq!(points.lowest(), Some(1.0), "what came before the first is left out");
    }

    #[test]
    fn minutes_without_figures_have_no_point() {
        let mut points = PlotPoints::default();
        points.add(10, point(0.5, 1.0));
        points.add(13, point(0.25, 2.0));
        let all: Vec<_> = points.iter().collect();
        assert_eq!(all, [(600_000, point(0.5, 1.0)), (780_000, point(0.25, 2.0))]);
        assert_eq!(points.lowest(), Some(0.25));
    }
}
