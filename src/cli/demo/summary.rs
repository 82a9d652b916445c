//! What the demo prints at its end: what happened, whether every record is accounted for, what next.

use std::time::Duration;

use super::super::number::{count, latency, percent, rate};
use super::NAMESPACE;
use super::clients::Seen;
use super::line::{Line, Tone};
use super::tally::Tally;
use super::view::{self, Facts};
use crate::base::clock::micros;
use crate::base::units;
use crate::metrics::Ledger;

const REASONS_MAX: usize = 10;

#[derive(Debug)]
pub(super) struct Run<'a> {
    /// What did not change.
    pub(super) facts: &'a Facts,
    pub(super) tally: &'a Tally,
    /// Records that the journal's reader could not get.
    pub(super) missed: u64,
    pub(super) seen: &'a Seen,
    /// What became of every record.
    pub(super) ledger: Ledger,
    /// How long there was traffic.
    pub(super) elapsed: Duration,
}

impl Run<'_> {
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::blank()];
        lines.extend(self.figures());
        lines.push(Line::blank());
        lines.extend(self.places());
        lines.push(Line::blank());
        lines.extend(self.reasons());
        lines.push(Line::blank());
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
        let span = units::format_micros(micros(*elapsed));
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
                .and(view::success_tone(group), percent(group.success_share()))
                .and(Tone::Quiet, format!("   {served} served   {failed} failed   "))
                .and(Tone::Quiet, format!("{unknown} left before the end")),
            view::classes(&tally.total),
            Line::labelled("latency")
                .and(Tone::Normal, quantiles(&|quantile| group.duration_us(quantile))),
            Line::labelled("clients")
                .and(Tone::Normal, quantiles(&|quantile| seen.latency_us(quantile)))
                .and(Tone::Quiet, "   of whole answers"),
            Line::labelled("")
                .and(Tone::Quiet, format!("sent {} = ", count(seen.sent)))
                .and(Tone::Quiet, format!("answered whole {} + ", count(seen.answered)))
                .and(Tone::Quiet, format!("broken or given up {}", count(seen.failed))),
        ]
    }

    /// A row for each service and endpoint.
    fn places(&self) -> Vec<Line> {
        let mut lines = vec![
            Line::blank()
                .left(20, Tone::Quiet, "service, endpoint")
                .right(9, Tone::Quiet, "requests")
                .right(8, Tone::Quiet, "share")
                .right(8, Tone::Quiet, "errors")
                .right(9, Tone::Quiet, "p50")
                .right(9, Tone::Quiet, "p95")
                .right(9, Tone::Quiet, "p99")
                .right(8, Tone::Quiet, "reused"),
        ];
        for (place, group, part) in self.tally.total.rows(&self.tally.places) {
            let line = view::place_name(place, 20)
                .right(9, Tone::Normal, count(group.requests))
                .right(8, Tone::Normal, percent(part))
                .right(8, view::success_tone(group), percent(view::errors(group)));
            let line = [0.5, 0.95, 0.99].into_iter().fold(line, |line, quantile| {
                line.right(9, Tone::Normal, latency(group.duration_us(quantile)))
            });
            lines.push(line.right(8, Tone::Normal, percent(group.reused_share())));
        }
        lines
    }

    /// What became of every record.
    fn account(&self) -> Vec<Line> {
        let tally = self.tally;
        let kinds = format!(
            "{} of requests   {} of connections without one   {} of gaps   {} rollups   {} of lbproxy itself",
            count(tally.total.all.requests),
            count(tally.connections),
            count(tally.gaps),
            count(tally.rollups),
            count(tally.vitals)
        );
        let mut lines = vec![Line::labelled("records").and(Tone::Normal, kinds)];
        for equation in self.ledger.equations() {
            let tone = if equation.holds { Tone::Normal } else { Tone::Bad };
            lines.push(Line::labelled("").and(tone, equation.to_string()));
        }
        if self.ledger.shipped.is_none() {
            let hint = "nothing was shipped: --elasticsearch URL is not given";
            lines.push(Line::labelled("").and(Tone::Quiet, hint));
        }
        let pending = self.ledger.shipped.map_or(0, |shipped| shipped.pending);
        if pending > 0 {
            let what = format!("{} records were not stored by the server", count(pending));
            let note = if self.facts.is_kept {
                format!("{what}; they wait in the journal, and the same command sends them")
            } else {
                format!("{what} and go with the temporary journal; --journal DIR keeps them")
            };
            lines.push(Line::labelled("").and(Tone::Warn, note));
        }
        let lost = self.missed + tally.unreadable;
        if lost > 0 {
            let note = format!("{} records were overwritten or unreadable here", count(lost));
            lines.push(Line::labelled("").and(Tone::Warn, note));
        }
        lines
    }

    /// Why requests ended, each with what it means.
    fn reasons(&self) -> Vec<Line> {
        let head = Line::blank()
            .left(20, Tone::Quiet, "reason")
            .right(9, Tone::Quiet, "requests")
            .and(Tone::Quiet, "  meaning");
        let reasons = self.tally.total.reasons().into_iter().take(REASONS_MAX);
        let rows = reasons.map(|(reason, times)| {
            Line::blank()
                .left(20, Tone::Normal, reason.as_str())
                .right(9, Tone::Normal, count(times))
                .and(Tone::Quiet, format!("  {}", reason.meaning()))
        });
        std::iter::once(head).chain(rows).collect()
    }

    /// Commands to go on with.
    fn next(&self) -> Vec<Line> {
        let Facts { program, journal, elasticsearch, stream, is_kept, .. } = self.facts;
        let dir = journal.display();
        let records = if *is_kept {
            ("ask them", format!("{program} log stats --journal {dir} --by endpoint"))
        } else {
            let ship = elasticsearch.as_ref().map(|url| format!(" --elasticsearch {url}"));
            ("keep them", format!("{program} demo --journal data/demo{}", ship.unwrap_or_default()))
        };
        let is_stored = self.ledger.shipped.is_some_and(|s| s.acknowledged + s.duplicate > 0);
        let shipped = match elasticsearch {
            Some(url) if !is_stored => ("ask it", format!("curl '{url}/'")),
            Some(url) => ("count them", format!("curl '{url}/{stream}/_count?pretty'")),
            None => ("ship them", format!("{program} demo --elasticsearch http://127.0.0.1:9200")),
        };
        let own = ("your own", format!("{program} run --config proxy.yaml"));
        let removal = elasticsearch.as_ref().map(|url| {
            ("remove them", format!("curl -X DELETE '{url}/_data_stream/*-lbproxy.*-{NAMESPACE}'"))
        });
        let all = [Some(records), Some(shipped), removal, Some(own)].into_iter().flatten();
        all.map(|(what, command)| Line::labelled(what).and(Tone::Normal, command)).collect()
    }
}
