//! Which objectives are what figures of services are held against.
//!
//! Tiles, tables, the verdict and the boards show whole services: the share of requests that are answered, and
//! their latency. An objective that counts just that, of all requests or of one service, is their target. One
//! that counts a part of a service, other kinds of records, or what is good otherwise, has a budget and alerts,
//! and no figure here. Of several the strictest holds; what none says is [`Targets::DEFAULT`]. Not here: levels
//! (`level`).

use std::cmp::Reverse;
use std::sync::Arc;

use super::indicator::{ANSWERABLE, ANSWERED, SERVED};
use crate::base::clock::micros;
use crate::query::Filter;
use crate::slo::{Dimension, Objective, ServiceTargets, TargetShare, Targets};

/// What these objectives promise of these services.
pub fn targets<'n>(
    objectives: &[Arc<Objective>],
    services: impl IntoIterator<Item = &'n str>,
) -> ServiceTargets {
    let all = Found::of(objectives, None).over(Targets::DEFAULT);
    let own = services.into_iter().filter_map(|name| {
        let own = Found::of(objectives, Some(name));
        (own != Found::default()).then(|| (name.to_owned(), own.over(all)))
    });
    ServiceTargets { all, own: own.collect() }
}

/// What is said of a service, or of all requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    served: Option<TargetShare>,
    /// Bound in microseconds, and how many are within it.
    fast: Option<(u64, TargetShare)>,
}

impl Found {
    fn of(objectives: &[Arc<Objective>], service: Option<&str>) -> Self {
        // A part of a service would have another target than the whole.
        let is_whole = |own: &&Arc<Objective>| {
            own.group_by.iter().all(|dimension| *dimension == Dimension::Service)
        };
        let all = || objectives.iter().filter(is_whole);
        let (answerable, served) = (counting(ANSWERABLE, service), counting(SERVED, service));
        let answered = Filter::parse(ANSWERED).ok();
        let is_availability = |own: &&Arc<Objective>| {
            let indicator = &own.indicator;
            Some(&indicator.valid) == answerable.as_ref()
                && Some(&indicator.good) == answered.as_ref()
        };
        let bounds = all().filter_map(|own| {
            let bound = own.indicator.bound?;
            (Some(&own.indicator.valid) == served.as_ref()).then(|| (micros(bound), own.target))
        });
        Self {
            served: all().filter(is_availability).map(|own| own.target).max(),
            fast: bounds.min_by_key(|(bound_us, target)| (*bound_us, Reverse(*target))),
        }
    }

    /// With what others say where this says nothing.
    fn over(self, others: Targets) -> Targets {
        let (fast_us, fast) = self.fast.unwrap_or((others.fast_us, others.fast));
        Targets { served: self.served.unwrap_or(others.served), fast_us, fast }
    }
}

/// The filter of an indicator that counts all requests of a service, as files are read.
fn counting(usual: &str, service: Option<&str>) -> Option<Filter> {
    let usual = Filter::parse(usual).ok()?;
    let Some(name) = service else { return Some(usual) };
    let one = Filter::parse(&format!("service = {name:?}")).ok()?;
    Some(usual.and(&one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::file::{defaults, parse};

    /// An objective of a file: its target, what it counts, and more keys.
    fn objective(name: &str, target: &str, indicator: &str, more: &str) -> String {
        format!(
            "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: s\n  \
             timeWindow: [{{duration: 30d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  \
             objectives: [{{target: {target}}}]\nx-lbproxy:\n  indicator: {{{indicator}}}\n{more}---\n"
        )
    }

    /// Goal: figures are held against objectives that count the same, and against no others. Method: files,
    /// and what is then promised of all requests and of the service `shop`: served, microseconds, fast.
    #[test]
    fn targets_are_those_of_objectives_that_count_whole_services() {
        let usual = (999_000, 300_000, 990_000);
        let of = |name, target, indicator| objective(name, target, indicator, "");
        let answered = |name, target| of(name, target, "availability: {}");
        for (name, text, all, shop) in [
            ("nothing", String::new(), usual, usual),
            (
                "of all",
                answered("a", "0.95") + &of("b", "0.9", "latency: {bound: 1s}"),
                (950_000, 1_000_000, 900_000),
                (950_000, 1_000_000, 900_000),
            ),
            (
                "of a service",
                of("a", "0.9", "availability: {valid: service = shop}"),
                usual,
                (900_000, 300_000, 990_000),
            ),
            (
                "latency of a service beside that of all",
                of("a", "0.9", "latency: {bound: 50ms, valid: service = \"shop\"}")
                    + &answered("b", "0.99"),
                (990_000, 300_000, 990_000),
                (990_000, 50_000, 900_000),
            ),
            (
                "the strictest of several",
                [answered("a", "0.9"), answered("b", "0.99"), answered("c", "0.95")].concat()
                    + &of("d", "0.99", "latency: {bound: 1s}")
                    + &of("e", "0.9", "latency: {bound: 200ms}"),
                (990_000, 200_000, 900_000),
                (990_000, 200_000, 900_000),
            ),
            (
                "each service by itself",
                objective("a", "0.9", "availability: {}", "  group_by: [service]\n"),
                (900_000, 300_000, 990_000),
                (900_000, 300_000, 990_000),
            ),
            (
                "each endpoint",
                objective("a", "0.9", "availability: {}", "  group_by: [service, endpoint]\n"),
                usual,
                usual,
            ),
            (
                "a part of a service",
                of("a", "0.9", "availability: {valid: service = shop and path = /pay/*}"),
                usual,
                usual,
            ),
            (
                "good otherwise",
                of("a", "0.9", "availability: {good: outcome = success and status != 4xx}"),
                usual,
                usual,
            ),
            (
                "no requests",
                of(
                    "a",
                    "0.9",
                    "availability: {valid: stream = heartbeat, good: monitor_status = up}",
                ),
                usual,
                usual,
            ),
            (
                "another service",
                of("a", "0.9", "availability: {valid: service = api}"),
                usual,
                usual,
            ),
        ] {
            let read = parse("f.yaml", &text, &|_| None);
            assert!(text.is_empty() || read.findings.is_empty(), "{name}: {:?}", read.findings);
            let targets = targets(&read.objectives, ["shop", "pay"]);
            let told = |service| {
                let Targets { served, fast_us, fast } = targets.of(service);
                (served.ppm(), fast_us, fast.ppm())
            };
            assert_eq!(
                (told(None), told(Some("shop")), told(Some("pay"))),
                (all, shop, all),
                "{name}"
            );
        }
        assert_eq!(targets(&defaults().objectives, ["shop"]), ServiceTargets::DEFAULT);
    }
}
