//! Numbers for people: few digits, always a unit, the same width from one second to the next.
//!
//! Invariant: rounding never turns "nearly all" into all or "hardly any" into none. Not here:
//! durations and sizes (`base::units`).

use crate::base::units;

/// Bars of a sparkline, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A count with its thousands apart: `12 345`.
pub(super) fn count(value: u64) -> String {
    units::format_count(value)
}

/// A share from 0 to 1 with one decimal: `98.6 %`; `-` where there is nothing to have a share of.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), units::format_share)
}

/// `part` of `whole`, from 0 to 1; nothing of nothing.
#[expect(clippy::cast_precision_loss, reason = "shares are shown with three digits")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A rate: whole from 100 on, else with one decimal.
pub(super) fn rate(per_second: f64) -> String {
    let decimals = usize::from(per_second < 99.95);
    format!("{per_second:.decimals$}")
}

/// A latency in microseconds: `870 µs`, `12.4 ms`; `-` where there is none.
pub(super) fn latency(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_owned(), units::format_micros)
}

/// Bars from 0 to the highest value; a place without a value stays empty.
pub(super) fn sparkline(values: impl Iterator<Item = Option<f64>> + Clone) -> String {
    let highest = values.clone().flatten().fold(0.0, f64::max);
    values
        .map(|value| {
            let Some(value) = value else { return ' ' };
            let level = if highest > 0.0 { value / highest * 8.0 } else { 0.0 };
            BARS[(1..8_u8).filter(|&bar| level > f64::from(bar)).count()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        for (name, part, whole, want) in [
            ("nothing to share", 0, 0, "-"),
            ("none", 0, 7, "0.0 %"),
            ("hardly any", 1, 100_000, "<0.1 %"),
            ("one decimal", 12, 345, "3.5 %"),
            ("nearly all", 99_999, 100_000, "99.9 %"),
            ("all", 7, 7, "100 %"),
        ] {
            assert_eq!(percent(share(part, whole)), want, "{name}");
        }
    }

    #[test]
    fn rates_and_latencies_have_three_digits_or_so() {
        for (value, want) in [(0.0, "0.0"), (9.96, "10.0"), (99.94, "99.9"), (199.6, "200")] {
            assert_eq!(rate(value), want);
        }
        assert_eq!(latency(Some(12_400)), "12.4 ms");
        assert_eq!(latency(None), "-");
    }

    #[test]
    fn a_sparkline_starts_at_zero_and_leaves_unknown_places_empty() {
        for (name, values, want) in [
            ("nothing known", vec![None, None], "  "),
            ("all zero", vec![Some(0.0), Some(0.0)], "▁▁"),
            ("steady", vec![None, Some(5.0), Some(5.0)], " ██"),
            ("rising", vec![Some(0.0), Some(4.0), Some(8.0)], "▁▄█"),
            ("each bar", (1..=8).map(|v| Some(f64::from(v))).collect(), "▁▂▃▄▅▆▇█"),
        ] {
            assert_eq!(sparkline(values.into_iter()), want, "{name}");
        }
    }
}
