//! Objectives against simulated traffic, and against plain sums.

mod backtest;
mod counting;
mod incidents;
mod load;
mod past;
mod reader;
mod remote;
mod series;
mod table;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::query::Filter;
use crate::record::{Constants, IdForm, Origin};

/// A start of all simulations: 2027-01-15 08:00:00 UTC, a Friday.
pub(super) const T0: u64 = 1_800_000_000_000;

static CONSTANTS: Constants = Constants {
    node_name: String::new(),
    version: String::new(),
    config_hash: String::new(),
    ids: IdForm::Bytes,
};

/// Where all records come from.
const ORIGIN: Origin<'_> =
    Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &CONSTANTS };

/// Numbers that are the same each time (xorshift64*).
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// An objective over exchanges: 30 days rolling, the four rows of the workbook.
fn objective(name: &str, good: &str, ppm: u32) -> Objective {
    let window = |budget_ppm, long: u64, short: u64, severity| BurnWindow {
        budget_ppm,
        long: Duration::from_mins(long),
        short: Duration::from_mins(short),
        severity,
    };
    Objective {
        name: name.to_owned(),
        title: name.to_owned(),
        description: String::new(),
        service: "shop".to_owned(),
        owner: None,
        runbook: None,
        dashboard: None,
        indicator: Indicator {
            valid: Filter::parse("stream = access and outcome != unknown").unwrap(),
            good: Filter::parse(good).unwrap(),
            bound: None,
        },
        target: TargetShare::from_ppm(ppm).unwrap(),
        period: Period::Rolling(Duration::from_hours(30 * 24)),
        group_by: Vec::new(),
        windows: vec![
            window(20_000, 60, 5, Severity::Page),
            window(50_000, 360, 30, Severity::Page),
            window(100_000, 1_440, 120, Severity::Ticket),
            window(100_000, 4_320, 360, Severity::Ticket),
        ],
        min_total: 50,
        min_bad: 10,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    }
}

/// 99.9 % of requests without failure.
pub(super) fn availability() -> Objective {
    objective("availability", "outcome = success", 999_000)
}

/// The same of each endpoint.
fn each_endpoint() -> Objective {
    let name = "per-endpoint".to_owned();
    Objective { name, group_by: vec![Dimension::Endpoint], ..availability() }
}

/// 99 % of requests within 300 ms.
fn latency() -> Objective {
    objective("latency", "outcome = success and duration <= 300ms", 990_000)
}

fn settings() -> EvaluatorSettings {
    EvaluatorSettings {
        groups_max: GROUPS_MAX,
        heartbeat_every: Some(Duration::from_secs(10)),
        source: "test".to_owned(),
    }
}

/// The state of an evaluator.
fn bytes(evaluator: &Evaluator) -> Vec<u8> {
    let mut bytes = Vec::new();
    evaluator.encode(&mut bytes);
    bytes
}

pub(super) fn evaluator(objectives: Vec<Objective>) -> Evaluator {
    let objectives: Vec<_> = objectives.into_iter().map(Arc::new).collect();
    Evaluator::new(&objectives, settings())
}
