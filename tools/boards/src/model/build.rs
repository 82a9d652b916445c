//! How a board is written down: a panel or a metric in its plainest form, and what each refinement adds.

use lbproxy::record::Dataset;

use super::{Alarm, Form, GRID_WIDTH, Metric, Objective, Panel, Row, Side, Split, Unit, Value};

/// Values of `field`, at most `size`.
pub const fn split(field: &'static str, label: &'static str, size: u16) -> Split {
    Split { field, label, size }
}

/// A row of panels.
pub const fn row(height: u16, panels: &'static [Panel]) -> Row {
    Row { height, panels }
}

/// A figure that counts things; see [`Metric::per_second`] and the other refinements.
pub const fn metric(label: &'static str, value: Value, unit: Unit) -> Metric {
    Metric { label, value, unit, is_rate: false, color: None, is_day_before: false }
}

impl Metric {
    /// Divided by the seconds of each bucket.
    #[must_use]
    pub const fn per_second(mut self) -> Self {
        self.is_rate = true;
        self
    }

    /// Of the same span a day before.
    #[must_use]
    pub const fn day_before(mut self, label: &'static str) -> Self {
        self.label = label;
        self.is_day_before = true;
        self
    }

    /// In the colour that it has everywhere.
    #[must_use]
    pub const fn in_color(mut self, color: &'static str) -> Self {
        self.color = Some(color);
        self
    }
}

/// A panel over all documents of a dataset, a third of the board wide.
pub const fn panel(
    id: &'static str,
    title: &'static str,
    note: &'static str,
    dataset: Dataset,
    form: Form,
    metrics: &'static [Metric],
) -> Panel {
    Panel {
        id,
        title,
        note,
        dataset,
        filter: "",
        form,
        metrics,
        splits: &[],
        objective: None,
        alarm: None,
        is_whole: false,
        more_on: None,
        has_events: false,
        width: GRID_WIDTH / 3,
    }
}

impl Panel {
    /// Only documents that match.
    #[must_use]
    pub const fn only(mut self, filter: &'static str) -> Self {
        self.filter = filter;
        self
    }

    /// One row or series for each value.
    #[must_use]
    pub const fn by(mut self, splits: &'static [Split]) -> Self {
        self.splits = splits;
        self
    }

    /// With a dashed line.
    #[must_use]
    pub const fn against(mut self, label: &'static str, level: f64) -> Self {
        self.objective = Some(Objective { label, level });
        self
    }

    /// Red below a level, as users are hurt.
    #[must_use]
    pub const fn red_below(self, level: f64, word: &'static str) -> Self {
        self.alarming(Side::Below, None, Some((level, word)))
    }

    /// Amber below a level, as it will hurt.
    #[must_use]
    pub const fn amber_below(self, level: f64, word: &'static str) -> Self {
        self.alarming(Side::Below, Some((level, word)), None)
    }

    /// Red above a level, as users are hurt.
    #[must_use]
    pub const fn red_above(self, level: f64, word: &'static str) -> Self {
        self.alarming(Side::Above, None, Some((level, word)))
    }

    /// Amber above a level, as it will hurt.
    #[must_use]
    pub const fn amber_above(self, level: f64, word: &'static str) -> Self {
        self.alarming(Side::Above, Some((level, word)), None)
    }

    /// With levels beside those it has.
    const fn alarming(
        mut self,
        side: Side,
        amber: Option<(f64, &'static str)>,
        red: Option<(f64, &'static str)>,
    ) -> Self {
        let (old_amber, old_red) = match self.alarm {
            Some(alarm) => (alarm.amber, alarm.red),
            None => (None, None),
        };
        let amber = if amber.is_some() { amber } else { old_amber };
        let red = if red.is_some() { red } else { old_red };
        self.alarm = Some(Alarm { side, amber, red });
        self
    }

    /// With a way from each value to another board.
    #[must_use]
    pub const fn more_on(mut self, board: &'static str) -> Self {
        self.more_on = Some(board);
        self
    }

    /// With a line at each event.
    #[must_use]
    pub const fn with_events(mut self) -> Self {
        self.has_events = true;
        self
    }

    /// Left alone by the board's controls.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// Its width on the grid.
    #[must_use]
    pub const fn wide(mut self, width: u16) -> Self {
        self.width = width;
        self
    }
}
