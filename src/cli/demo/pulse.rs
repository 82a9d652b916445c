//! The process itself in one line: CPU, memory, bandwidth, and what the heartbeat found.
//!
//! The values are those of `/metrics`, from the same cells: nothing is read a second time. What is not
//! known yet is a dash. Not here: reading (`vitals`).

use super::super::number::percent;
use super::line::{Line, Tone};
use crate::base::units;
use crate::record::Ratio;
use crate::vitals::Metrics;

/// What the last sample and the last checks found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pulse {
    /// CPU time per time in ten-thousandths: 10 000 is one core.
    pub(super) cpu: Option<u64>,
    /// Resident memory, pages shared with other processes counted in part.
    pub(super) memory_bytes: Option<u64>,
    /// Bytes from clients per second.
    pub(super) received_bytes: Option<u64>,
    /// Bytes to clients per second.
    pub(super) sent_bytes: Option<u64>,
    /// Listeners and endpoints that are up, and that are down.
    pub(super) checks: [usize; 2],
}

impl Pulse {
    /// As the cells stand now.
    pub(super) fn of(metrics: &Metrics) -> Self {
        let mut checks = [0; 2];
        for (_, monitor) in metrics.monitors() {
            checks[usize::from(monitor.up.value() == 0)] += 1;
        }
        let Some(process) = metrics.process() else { return Self { checks, ..Self::default() } };
        Self {
            cpu: process.cpu_ratio.known(),
            memory_bytes: process.pss_bytes.known(),
            received_bytes: process.downstream_received_rate.known(),
            sent_bytes: process.downstream_sent_rate.known(),
            checks,
        }
    }

    /// As a line of the picture.
    pub(super) fn line(&self) -> Line {
        let [cpu, memory, received, sent, state] = self.cells().map(|(_, _, value)| value);
        let tone = if self.checks[1] > 0 { Tone::Warn } else { Tone::Normal };
        [("cpu ", cpu), ("mem ", memory), ("in ", received), ("out ", sent)]
            .into_iter()
            .fold(Line::labelled("lbproxy"), |line, (name, value)| {
                line.and(Tone::Quiet, name).and(Tone::Normal, value + "  ")
            })
            .and(tone, state)
    }

    /// As cells of a line: title, width, value.
    pub(super) fn cells(&self) -> [(&'static str, usize, String); 5] {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let bytes = |value: Option<u64>| or_dash(value.map(units::format_bytes));
        let per_second =
            |value: Option<u64>| or_dash(value.map(|bytes| units::format_bytes(bytes) + "/s"));
        let state = match self.checks {
            [0, 0] => "-".to_owned(),
            [up, 0] => format!("{up} up"),
            [up, down] => format!("{down}/{} down", up + down),
        };
        [
            ("cpu", 8, or_dash(self.cpu.map(cores))),
            ("memory", 10, bytes(self.memory_bytes)),
            ("in", 12, per_second(self.received_bytes)),
            ("out", 12, per_second(self.sent_bytes)),
            ("checks", 15, state),
        ]
    }
}

/// CPU as a share of one core; more than one is more than 100 %.
fn cores(ratio: u64) -> String {
    if ratio > Ratio::ONE {
        return format!("{} %", ratio * 100 / Ratio::ONE);
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let share = ratio as f64 / Ratio::ONE as f64;
    percent(Some(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash_and_what_is_down_is_told() {
        let nothing = Pulse::default();
        assert_eq!(nothing.line().plain(), "lbproxy     cpu -  mem -  in -  out -  -");
        for (name, pulse, want) in [
            ("idle", Pulse { cpu: Some(0), ..nothing }, "cpu 0.0 %"),
            ("busy", Pulse { cpu: Some(15_490), ..nothing }, "cpu 154 %"),
            ("one core", Pulse { cpu: Some(10_000), ..nothing }, "cpu 100 %"),
            ("all well", Pulse { checks: [3, 0], ..nothing }, "  3 up"),
            ("one not", Pulse { checks: [3, 1], ..nothing }, "  1/4 down"),
            ("traffic", Pulse { sent_bytes: Some(2_048), ..nothing }, "out 2.00 KiB/s"),
        ] {
            let line = pulse.line().plain();
            assert!(line.contains(want), "{name}: {line}");
        }
        let cells = nothing.cells();
        assert!(cells.iter().all(|(title, width, _)| title.len() < *width));
    }
}
