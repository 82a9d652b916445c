//! The picture of one series: budget left over time, burn rates over time, alerts as bands behind both.
//!
//! The axis of rates is logarithmic: an outage burns a thousand times as fast as allowed, and the rows fire at 1 to
//! 14. Times are UTC. Not here: shapes and colours (`svg`).

use super::svg::{Anchor, Svg};
use super::words;
use crate::slo::{Firing, Tested, TestedSeries};

const WIDTH: f64 = 900.0;
/// Where plots begin and end.
const LEFT: f64 = 56.0;
const RIGHT: f64 = WIDTH - 76.0;
/// Head, plot of the budget, gap, plot of rates, axis.
const HEAD: f64 = 50.0;
const BUDGET: f64 = 130.0;
const GAP: f64 = 34.0;
const RATES: f64 = 110.0;
const FOOT: f64 = 34.0;
/// Lowest rate that is drawn.
const RATE_MIN: f64 = 0.1;
/// Least budget that is drawn; below, its figure says it.
const LEFT_MIN: f64 = -1.0;
/// Most labels of the axis of time.
const TIMES_MAX: u64 = 9;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 1_440 * MINUTE_MS;
/// Distances between labels of the axis of time, in minutes.
const STEPS: [u64; 14] = [1, 2, 5, 10, 30, 60, 180, 360, 720, 1_440, 2_880, 10_080, 20_160, 43_200];

/// What is drawn, and in which time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plot<'a> {
    pub(super) tested: &'a Tested,
    pub(super) series: &'a TestedSeries,
    /// Words behind the title, to tell two sets of files apart.
    pub(super) note: &'a str,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

impl Plot<'_> {
    pub(super) fn draw(&self) -> Svg {
        let mut svg = Svg::new(WIDTH, HEAD + BUDGET + GAP + RATES + FOOT);
        let (budget, rates) = (HEAD, HEAD + BUDGET + GAP);
        self.head(&mut svg);
        self.times(&mut svg);
        self.bands(&mut svg);
        self.budget(&mut svg, budget);
        self.rates(&mut svg, rates);
        svg
    }

    /// What the picture says, for those who do not see it.
    pub(super) fn label(&self) -> String {
        let left = self.series.status.as_ref().map_or_else(String::new, |status| {
            format!(", {} of the budget left", words::percent(status.budget.left))
        });
        let alerts = self.firings().count();
        format!("{}: {alerts} alerts{left}", self.name())
    }

    fn name(&self) -> String {
        words::name(&self.tested.objective.name, &self.series.group)
    }

    /// The alerts of this series, and those of the whole objective.
    fn firings(&self) -> impl Iterator<Item = &Firing> {
        let firings = self.tested.firings.iter();
        firings.filter(|firing| firing.is_silence() || firing.group == self.series.group)
    }

    #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
    fn x(&self, ms: u64) -> f64 {
        let span = self.to_ms.saturating_sub(self.from_ms).max(1) as f64;
        let at = ms.clamp(self.from_ms, self.to_ms.max(self.from_ms)) - self.from_ms;
        LEFT + (RIGHT - LEFT) * at as f64 / span
    }

    fn head(&self, svg: &mut Svg) {
        let objective = &self.tested.objective;
        let promise = words::promise(objective);
        svg.text("title", (LEFT, 18.0), Anchor::Start, &format!("{} {}", self.name(), self.note));
        svg.text("", (RIGHT, 18.0), Anchor::End, &promise);
        svg.text("head", (LEFT, HEAD - 8.0), Anchor::Start, "Error budget left");
        if let Some(status) = &self.series.status {
            let left = words::percent(status.budget.left);
            svg.text("head", (RIGHT, HEAD - 8.0), Anchor::End, &format!("{left} at the end"));
        }
        let mut x = LEFT + 170.0;
        for (class, name) in [("page", "page"), ("ticket", "ticket"), ("silence", "no data")] {
            if self.firings().any(|firing| kind(firing) == class) {
                svg.rect(&format!("mark {class}"), [x, HEAD - 17.0, 10.0, 10.0]);
                svg.text("", (x + 15.0, HEAD - 8.0), Anchor::Start, name);
                x += 75.0;
            }
        }
    }

    /// Lines and labels of the axis of time.
    fn times(&self, svg: &mut Svg) {
        let minutes = self.to_ms.saturating_sub(self.from_ms) / MINUTE_MS;
        let fits = |step: &&u64| minutes / **step < TIMES_MAX;
        let step_ms = STEPS.iter().find(fits).copied().unwrap_or(86_400) * MINUTE_MS;
        let bottom = HEAD + BUDGET + GAP + RATES;
        let mut at_ms = self.from_ms.div_ceil(step_ms) * step_ms;
        while at_ms <= self.to_ms {
            let x = self.x(at_ms);
            svg.line("grid", (x, HEAD), (x, HEAD + BUDGET));
            svg.line("grid", (x, HEAD + BUDGET + GAP), (x, bottom));
            let label =
                if at_ms.is_multiple_of(DAY_MS) { words::day(at_ms) } else { words::clock(at_ms) };
            svg.text("", (x, bottom + 16.0), Anchor::Middle, &label);
            at_ms += step_ms;
        }
        svg.text("", (WIDTH - 6.0, bottom + 16.0), Anchor::End, "UTC");
    }

    /// Alerts, behind both plots, with a mark at their upper end.
    fn bands(&self, svg: &mut Svg) {
        let height = BUDGET + GAP + RATES;
        // Pages last: they lie above.
        let mut firings: Vec<_> = self.firings().collect();
        firings.sort_by_key(|firing| (!firing.is_silence(), firing.severity));
        for firing in firings {
            let (start, end) =
                (self.x(firing.since_ms), self.x(firing.until_ms.unwrap_or(self.to_ms)));
            let (class, width) = (kind(firing), (end - start).max(1.5));
            svg.rect(&format!("band {class}"), [start, HEAD, width, height]);
            let words = words::firing(firing, &self.tested.objective);
            svg.told_rect(&format!("mark {class}"), [start, HEAD - 3.0, width, 3.0], &words);
        }
    }

    fn budget(&self, svg: &mut Svg, top: f64) {
        let lowest = self.series.points.lowest().unwrap_or(1.0).clamp(LEFT_MIN, 0.0);
        // In whole quarters.
        let lowest = (lowest * 4.0).floor() / 4.0;
        let y = |left: f64| top + BUDGET * (1.0 - left.clamp(lowest, 1.0)) / (1.0 - lowest);
        for left in [1.0, 0.5, 0.0, -0.5, -1.0].into_iter().filter(|left| *left >= lowest) {
            let class = if left == 0.0 { "zero" } else { "grid" };
            svg.line(class, (LEFT, y(left)), (RIGHT, y(left)));
            let label = format!("{:.0} %", left * 100.0);
            svg.text("", (LEFT - 6.0, y(left) + 4.0), Anchor::End, &label);
        }
        let points: Vec<_> = self.points(|point| Some(y(point.budget_left))).concat();
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            svg.text("", (LEFT + 8.0, top + BUDGET / 2.0), Anchor::Start, "no events");
            return;
        };
        let ground = [(last.0, y(0.0)), (first.0, y(0.0))];
        svg.path("fill", &[points.iter().copied().chain(ground).collect()]);
        svg.path("budget", &[points]);
        let lowest = self.series.points.lowest().unwrap_or(1.0);
        if lowest < LEFT_MIN {
            let words = format!("down to {}", words::percent(lowest));
            svg.text("", (RIGHT - 6.0, top + BUDGET - 6.0), Anchor::End, &words);
        }
    }

    fn rates(&self, svg: &mut Svg, top: f64) {
        let objective = &self.tested.objective;
        let rates = self.series.points.iter().flat_map(|(_, point)| [point.burn_1h, point.burn_6h]);
        let factors = objective.windows.iter().map(|window| window.factor(objective.period));
        let most = rates.flatten().chain(factors).fold(10.0, f64::max);
        // Whole powers of ten.
        let high = most.log10().ceil();
        let low = RATE_MIN.log10();
        let y =
            |rate: f64| top + RATES * (high - rate.max(RATE_MIN).log10().min(high)) / (high - low);
        svg.text("head", (LEFT, top - 8.0), Anchor::Start, "Burn rate");
        svg.line("rate", (LEFT + 70.0, top - 12.0), (LEFT + 86.0, top - 12.0));
        svg.text("", (LEFT + 92.0, top - 8.0), Anchor::Start, "1 h");
        svg.line("slow", (LEFT + 124.0, top - 12.0), (LEFT + 140.0, top - 12.0));
        svg.text("", (LEFT + 146.0, top - 8.0), Anchor::Start, "6 h");
        let mut power = low;
        while power <= high {
            let at = y(10_f64.powf(power));
            svg.line("grid", (LEFT, at), (RIGHT, at));
            let label =
                if power < 0.0 { "0.1".to_owned() } else { format!("{:.0}", 10_f64.powf(power)) };
            svg.text("", (LEFT - 6.0, at + 4.0), Anchor::End, &label);
            power += 1.0;
        }
        let mut taken = f64::NEG_INFINITY;
        for window in &objective.windows {
            let factor = window.factor(objective.period);
            let at = y(factor);
            svg.line("limit", (LEFT, at), (RIGHT, at));
            if (at - taken).abs() >= 12.0 {
                taken = at;
                let label = format!("{factor:.1} {}", window.severity.as_str());
                svg.text("", (RIGHT + 4.0, at + 4.0), Anchor::Start, &label);
            }
        }
        svg.path("slow", &self.points(|point| Some(y(point.burn_6h?))));
        svg.path("rate", &self.points(|point| Some(y(point.burn_1h?))));
    }

    /// Lines through the points of a figure, broken where there is none.
    fn points(&self, y: impl Fn(crate::slo::PlotPoint) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
        let mut lines = vec![Vec::new()];
        for (at_ms, point) in self.series.points.iter() {
            let width_ms = u64::from(self.series.points.width_minutes()) * MINUTE_MS;
            let x = self.x(at_ms + width_ms);
            match (y(point), lines.last_mut()) {
                (Some(y), Some(line)) => line.push((x, y)),
                (None, Some(line)) if !line.is_empty() => lines.push(Vec::new()),
                _ => (),
            }
        }
        lines
    }
}

/// What it is drawn as.
fn kind(firing: &Firing) -> &'static str {
    if firing.is_silence() { "silence" } else { firing.severity.as_str() }
}
