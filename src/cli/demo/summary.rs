//! What the demo prints at its end: what happened, whether every record is accounted for, what next.

use std::time::Duration;

use super::super::process::Ledger;
use super::clients::Seen;
use super::line::{Line, Tone};
use super::number::{count, latency, percent, rate, share};
use super::tally::Tally;
use super::view::{self, Facts};
use crate::base::units;

/// What a run was.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// What did not change.
    pub(super) facts: &'a Facts,
    /// Figures of the journal.
    pub(super) tally: &'a Tally,
    /// Records that the journal's reader could not get.
    pub(super) missed: u64,
    /// What the clients saw.
    pub(super) seen: &'a Seen,
    /// What became of every record.
    pub(super) ledger: Ledger,
    /// How long there was traffic.
    pub(super) elapsed: Duration,
}

impl Run<'_> {
    /// The whole text.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = self.figures();
        lines.push(Line::blank());
        lines.extend(self.places());
        lines.push(Line::blank());
        lines.push(view::reasons(&self.tally.total));
        lines.extend(self.account());
        lines.push(Line::blank());
        lines.extend(self.next());
        lines
    }

    /// Requests, success, latency.
    fn figures(&self) -> Vec<Line> {
        let Self { tally, seen, elapsed, .. } = self;
        let group = &tally.total.all;
        let per_second = rate(tally.total.rate());
        let span = units::format_micros(view::micros(*elapsed));
        let success = group.success_share();
        let served = count(group.success);
        let (failed, unknown) = (count(group.failure), count(group.unknown));
        let quantiles = |of: &dyn Fn(f64) -> Option<u64>| {
            [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]
                .map(|(name, quantile)| format!("{name} {}", latency(of(quantile))))
                .join("   ")
        };
        let counted = format!("{} in {span}, {per_second}/s", count(group.requests));
        vec![
            Line::labelled("requests").and(Tone::Strong, counted),
            Line::labelled("success")
                .and(view::success_tone(success), percent(success))
                .and(Tone::Quiet, format!("   {served} served   {failed} failed   "))
                .and(Tone::Quiet, format!("{unknown} left before the end")),
            view::classes(&tally.total),
            Line::labelled("latency")
                .and(Tone::Normal, quantiles(&|quantile| group.duration_us(quantile))),
            Line::labelled("clients")
                .and(Tone::Normal, quantiles(&|quantile| seen.latency_us(quantile)))
                .and(Tone::Quiet, "   as they measured it"),
            Line::labelled("")
                .and(Tone::Quiet, format!("sent {} = ", count(seen.sent)))
                .and(Tone::Quiet, format!("answered whole {} + ", count(seen.answered)))
                .and(Tone::Quiet, format!("broken or given up {}", count(seen.failed))),
        ]
    }

    /// A row for each service and endpoint.
    fn places(&self) -> Vec<Line> {
        let titles = ["requests", "share", "errors", "p50", "p95", "p99", "reused"];
        let head = Line::blank().left(20, Tone::Quiet, "service, endpoint");
        let mut lines =
            vec![titles.into_iter().fold(head, |line, title| line.right(9, Tone::Quiet, title))];
        let total = &self.tally.total;
        let mut whole = 0;
        for (place, group) in self.tally.places.iter().zip(&total.places) {
            let part = if place.endpoint.is_none() {
                whole = group.requests;
                share(whole, total.all.requests)
            } else {
                share(group.requests, whole)
            };
            let errors = view::errors(group);
            let line = view::place_name(place, 20)
                .right(9, Tone::Normal, count(group.requests))
                .right(9, Tone::Normal, percent(part))
                .right(9, view::errors_tone(errors), percent(errors));
            let line = [0.5, 0.95, 0.99].into_iter().fold(line, |line, quantile| {
                line.right(9, Tone::Normal, latency(group.duration_us(quantile)))
            });
            lines.push(line.right(9, Tone::Normal, percent(group.reused_share())));
        }
        lines
    }

    /// What became of every record.
    fn account(&self) -> Vec<Line> {
        let tally = self.tally;
        let kinds = format!(
            "{} of requests   {} of connections without one   {} of gaps",
            count(tally.total.all.requests),
            count(tally.connections),
            count(tally.gaps)
        );
        let mut lines = vec![Line::labelled("records").and(Tone::Normal, kinds)];
        for equation in self.ledger.to_string().lines() {
            let equation = equation.trim_start_matches("lbproxy: ");
            let tone = if equation.ends_with("(holds)") { Tone::Normal } else { Tone::Bad };
            lines.push(Line::labelled("").and(tone, equation));
        }
        if self.ledger.shipped.is_none() {
            let hint = "nothing was shipped: --elasticsearch URL is not given";
            lines.push(Line::labelled("").and(Tone::Quiet, hint));
        }
        let lost = self.missed + tally.unreadable;
        if lost > 0 {
            let note = format!("{} records were overwritten or unreadable here", count(lost));
            lines.push(Line::labelled("").and(Tone::Warn, note));
        }
        lines
    }

    /// Three commands to go on with.
    fn next(&self) -> Vec<Line> {
        let Facts { program, journal, elasticsearch, stream, .. } = self.facts;
        let kept = if self.facts.is_kept {
            (
                format!("{program} log stats --journal {} --by endpoint", journal.display()),
                "ask the records",
            )
        } else {
            (format!("{program} demo --journal data/demo"), "keep the records, and ask them")
        };
        let shipped = match elasticsearch {
            Some(url) => {
                let url = url.trim_end_matches('/');
                (format!("curl '{url}/{stream}/_count?pretty'"), "count what is stored")
            }
            None => (
                format!("{program} demo --elasticsearch http://127.0.0.1:9200"),
                "ship them to Elasticsearch or OpenSearch",
            ),
        };
        let own = (format!("{program} run --config proxy.yaml"), "your own services");
        [("next", kept), ("", shipped), ("", own)]
            .into_iter()
            .map(|(label, (command, why))| {
                Line::labelled(label)
                    .left(52, Tone::Normal, command)
                    .and(Tone::Quiet, format!("  {why}"))
            })
            .collect()
    }
}
