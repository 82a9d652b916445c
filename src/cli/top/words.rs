//! The words of each part of the picture. The verdicts are the proxy's, word by word.

use ratatui::text::Line;

use super::super::number::{count, latency, percent, rate, share};
use super::figures::{Figures, Objectives, Reason, Shown, Times, Told, Trust, Verdict, Verdicts};
use super::paint::{Palette, Piece, Tone, cut, span_of};
use super::rows::{Column, Row, tone};
use super::state::{Mode, State};
use crate::base::instant::time_of_day;
use crate::base::units;
use crate::slo::Level;
use crate::slo::verdict::render;

const REASONS_MAX: usize = 5;

pub(super) fn head(state: &State, width: u16) -> Line<'static> {
    let mut pieces = vec![Piece::new(Tone::Strong, "lbproxy top")];
    match &state.figures {
        None => pieces.push(Piece::new(Tone::Quiet, state.place.clone())),
        Some(Figures { about, live, .. }) => {
            pieces.push(Piece::new(Tone::Normal, about.instance.as_str()));
            pieces.push(Piece::labelled("up", Tone::Normal, span_of(live.uptime_s)));
            pieces.push(Piece::new(Tone::Normal, time_of_day(live.time_ms)));
            pieces.push(Piece::labelled("version", Tone::Quiet, about.version.as_str()));
        }
    }
    if state.is_paused {
        pieces.insert(1, Piece::new(Tone::Warn, "paused"));
    }
    state.palette.flow(&pieces, 2, width).into_iter().next().unwrap_or_default()
}

/// The verdicts, the most important first, each with a mark in front that is no colour.
pub(super) fn sentences(state: &State, now_ms: u64) -> Vec<Vec<Piece>> {
    let lines = match (&state.gone, &state.figures) {
        (Some(gone), figures) => {
            let gone_for = span_of(now_ms.saturating_sub(gone.since_ms) / 1_000);
            let next = span_of(gone.retry_ms.saturating_sub(now_ms).div_ceil(1_000));
            let old = figures.as_ref().map_or_else(String::new, |figures| {
                format!(" What is below is of {}.", time_of_day(figures.live.time_ms))
            });
            let (problem, since) = (&gone.problem, time_of_day(gone.since_ms));
            let text =
                format!("Gone since {since} ({gone_for}): {problem}. Next try in {next}.{old}");
            vec![(Level::Hurt, text)]
        }
        (None, None) => vec![(Level::Unknown, format!("Asking {} …", state.place))],
        (None, Some(figures)) => verdicts(figures),
    };
    let pieces = |(level, text): (Level, String)| {
        let tone = match level {
            Level::Ok => Tone::Good,
            Level::Unknown => Tone::Quiet,
            Level::Note => Tone::Note,
            Level::Warn => Tone::Warn,
            Level::Hurt => Tone::Bad,
        };
        Piece::words(tone, &format!("{} {text}", level.mark()))
    };
    lines.into_iter().map(pieces).collect()
}

/// What is shown of the verdicts of a proxy that answers.
const VERDICTS_MAX: usize = 2;

/// Its verdicts, the most important first.
fn verdicts(figures: &Figures) -> Vec<(Level, String)> {
    let Verdicts { list, more } = &figures.live.verdict;
    let text = |one: &Verdict| (one.level.0, render(&one.words(), time_of_day));
    let mut lines: Vec<_> = list.iter().take(VERDICTS_MAX).map(text).collect();
    let hidden = list.len().saturating_sub(VERDICTS_MAX) as u64 + more;
    if let Some((_, last)) = lines.last_mut().filter(|_| hidden > 0) {
        last.push_str(" And ");
        last.push_str(&count(hidden));
        last.push_str(" more.");
    }
    if lines.is_empty() {
        let text = "This proxy says nothing of how users are: its version is another.";
        lines.push((Level::Unknown, text.to_owned()));
    }
    lines
}

/// Success, latency, rate, bandwidth, the process.
pub(super) fn tiles(figures: &Figures) -> Vec<Piece> {
    let live = &figures.live;
    let mut tiles = Vec::new();
    match &figures.past {
        None => tiles.push(Piece::labelled("success", Tone::Normal, "not configured")),
        Some(past) => {
            let totals = &past.overview.totals;
            let success = share(totals.success, totals.success + totals.failure);
            let strong = |level: Told| tone(level).max(Tone::Strong);
            let levels = totals.levels;
            tiles.push(Piece::labelled("success", strong(levels.success), percent(success)));
            let duration = totals.duration;
            let of = |pick: fn(Times) -> u64| latency(duration.map(pick));
            tiles.push(Piece::labelled("p50", Tone::Strong, of(|times| times.p50_us)));
            tiles.push(Piece::labelled("p95", Tone::Strong, of(|times| times.p95_us)));
            let slowest = of(|times| times.p99_us);
            tiles.push(Piece::labelled("p99", strong(levels.latency), slowest));
        }
    }
    tiles.extend(live.slo.as_ref().map(budget));
    let per_second = |value: f64| format!("{}/s", units::format_bytes(whole(value)));
    tiles.push(Piece::labelled("rate", Tone::Strong, format!("{}/s", rate(live.requests_rate))));
    tiles.push(Piece::labelled("in", Tone::Normal, per_second(live.received_rate)));
    tiles.push(Piece::labelled("out", Tone::Normal, per_second(live.sent_rate)));
    tiles.push(Piece::labelled("CPU", Tone::Normal, cpu(live.cpu_ratio)));
    tiles.push(Piece::labelled("mem", Tone::Normal, units::format_bytes(live.resident_bytes)));
    let in_flight = format!("{} on {}", count(live.in_flight), count(live.connections));
    tiles.push(
        Piece::labelled("in flight", Tone::Normal, in_flight).and(Tone::Quiet, " connections"),
    );
    if live.connections_refused > 0 {
        tiles.push(Piece::labelled("refused", Tone::Warn, count(live.connections_refused)));
    }
    tiles
}

/// What is left of the budget of the objective that is worst.
fn budget(objectives: &Objectives) -> Piece {
    let Some(worst) = objectives.worst.as_ref().filter(|worst| worst.valid > 0) else {
        return Piece::labelled("budget", Tone::Normal, percent(None));
    };
    let left = match worst.budget_left {
        left if left > 0.0 => percent(Some(left)),
        left if left >= -1.0 => format!("{:.1} %", left * 100.0),
        left => format!("spent {}x", rate(1.0 - left)),
    };
    let parts = std::iter::once(&worst.title).chain(worst.group.values()).map(Shown::as_str);
    let mut whose = parts.collect::<Vec<_>>().join(" ");
    if let Some(alert) = worst.alert.as_ref().filter(|_| worst.state.as_str() == "firing") {
        whose = format!("{whose}, {alert} fires");
    }
    let tone = tone(worst.level).max(Tone::Strong);
    Piece::labelled("budget", tone, left).and(Tone::Quiet, format!(" ({whose})"))
}

/// CPU time per time; above one core it is more than 100 %.
fn cpu(ratio: f64) -> String {
    format!("{:.1} %", ratio.max(0.0) * 100.0)
}

/// A rate of bytes without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped; three digits are shown"
)]
fn whole(value: f64) -> u64 {
    value.clamp(0.0, 1e15) as u64
}

/// Responses by class of status.
fn statuses(classes: [u64; 6]) -> Vec<Piece> {
    let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(classes);
    let pieces = classes.filter(|(_, number)| *number > 0).map(|(class, number)| {
        let tone = match class {
            "5xx" => Tone::Bad,
            "none" => Tone::Warn,
            _ => Tone::Normal,
        };
        Piece::labelled(class, tone, count(number))
    });
    Piece::row("status", pieces.collect())
}

/// What was answered, and why exchanges ended, unless normally.
pub(super) fn reasons(figures: &Figures) -> Vec<Piece> {
    let Some(past) = &figures.past else {
        return vec![Piece::labelled(
            "reasons",
            Tone::Quiet,
            "not configured: telemetry.rollup.every",
        )];
    };
    let totals = &past.overview.totals;
    let mut pieces = if totals.requests > 0 { statuses(totals.classes) } else { Vec::new() };
    pieces.extend(named(&past.overview.reasons, totals.requests));
    pieces
}

/// Reasons with their counts and whose doing they are.
fn named(reasons: &[Reason], requests: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if reasons.is_empty() {
        let text = if requests > 0 { "none but complete" } else { "no traffic" };
        pieces.push(Piece::new(Tone::Quiet, text));
    }
    for reason in reasons.iter().take(REASONS_MAX) {
        let tone = match reason.blame.as_str() {
            "endpoint" | "proxy" => Tone::Bad,
            "downstream" => Tone::Warn,
            _ => Tone::Normal,
        };
        let piece = Piece::new(tone, format!("{} {}", reason.word, count(reason.count)));
        pieces.push(piece.and(Tone::Quiet, format!(" ({})", reason.blame)));
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        pieces.push(Piece::new(Tone::Quiet, format!("and {more} more")));
    }
    Piece::row("reasons", pieces)
}

/// Whether the figures can be trusted: where every record is.
pub(super) fn trust(trust: &Trust) -> Vec<Piece> {
    let ship = &trust.shipping;
    let step = |name: &str, number: u64| Piece::labelled(name, Tone::Strong, count(number));
    let lost = trust.dropped + trust.damaged;
    let mut pieces = vec![step("made", trust.created), step("→ journaled", trust.journaled)];
    match ship.state.as_str() {
        "off" => {
            let text = "not configured: set telemetry.elasticsearch";
            pieces.push(Piece::labelled("→ shipped", Tone::Normal, text));
        }
        state => {
            pieces.push(step("→ shipped", ship.acknowledged + ship.duplicate));
            match state {
                "shipping" => {}
                "unauthorized" => pieces.push(Piece::new(Tone::Warn, "credentials refused")),
                "blocked" => pieces.push(Piece::new(Tone::Warn, "blocked")),
                "dead_letters_full" => pieces.push(Piece::new(Tone::Warn, "dead letters full")),
                _ => pieces.push(Piece::new(Tone::Warn, "not connected")),
            }
            let tone = if ship.is_behind { Tone::Warn } else { Tone::Normal };
            let lag = format!(
                "{} pending, behind by {}",
                count(ship.pending),
                span_of(ship.oldest_pending_s)
            );
            pieces.push(Piece::new(tone, lag));
            let refused = ship.dead_letter + ship.failure_store;
            let tone = if refused > 0 { Tone::Warn } else { Tone::Normal };
            pieces.push(Piece::new(tone, format!("{} dead letters", count(refused))));
        }
    }
    pieces.push(match lost {
        0 => Piece::new(Tone::Normal, "no gap"),
        _ => Piece::new(
            Tone::Warn,
            format!("lost: {} dropped, {} damaged", count(trust.dropped), count(trust.damaged)),
        ),
    });
    if let Some(rows) = trust.rollup_lost.filter(|&rows| rows > 0) {
        pieces.push(Piece::new(Tone::Warn, format!("{} rollup rows lost", count(rows))));
    }
    if let Some(fault) = &trust.journal_fault {
        pieces.push(Piece::new(Tone::Warn, fault.to_string()));
    }
    let used = share(trust.journal_used_bytes, trust.journal_capacity_bytes);
    pieces
        .push(Piece::labelled("journal", Tone::Normal, percent(used)).and(Tone::Quiet, " in use"));
    Piece::row("records", pieces)
}

/// The latency of a row in its parts, its statuses and its reasons.
pub(super) fn details(row: &Row, palette: Palette, width: u16) -> Vec<Line<'static>> {
    let name: &Shown = row.key.endpoint.as_ref().unwrap_or(&row.key.service);
    let Some(place) = &row.past else {
        let text = format!("{name}: no traffic in the last 5 minutes, or rollups are off");
        return vec![Line::styled(text, palette.style(Tone::Quiet))];
    };
    let totals = &place.totals;
    let name = cut(name.as_str(), 29);
    let title =
        format!("{name:<30}{:>10}{:>10}{:>10}{:>10}{:>9}", "p50", "p95", "p99", "max", "count");
    let mut lines = vec![Line::styled(title, palette.style(Tone::Quiet))];
    for (part, times) in [
        ("to connect", totals.connect),
        ("to the first byte", totals.first_byte),
        ("whole request", totals.duration),
    ] {
        let cell = |pick: fn(Times) -> u64| latency(times.map(pick));
        let text = format!(
            "  {part:<28}{:>10}{:>10}{:>10}{:>10}{:>9}",
            cell(|times| times.p50_us),
            cell(|times| times.p95_us),
            cell(|times| times.p99_us),
            cell(|times| times.max_us),
            count(times.map_or(0, |times| times.count)),
        );
        lines.push(Line::raw(text));
    }
    let statuses = statuses(totals.classes);
    lines.extend(palette.flow(&statuses, 3, width));
    lines.extend(palette.flow(&named(&place.reasons, totals.requests), 3, width));
    for reason in place.reasons.iter().take(2) {
        let text = format!("  {}: {}", reason.word, reason.meaning);
        lines.push(Line::styled(text, palette.style(Tone::Quiet)));
    }
    lines
}

/// The last line: what can be done, or the filter that is typed.
pub(super) fn keys(state: &State) -> Line<'static> {
    let palette = state.palette;
    if state.mode == Mode::Filter {
        let pieces = [
            Piece::new(Tone::Strong, format!("/{}▏", state.filter)),
            Piece::new(Tone::Quiet, "Enter keeps it, Esc clears it"),
        ];
        return palette.flow(&pieces, 2, u16::MAX).into_iter().next().unwrap_or_default();
    }
    let mut keys = Vec::new();
    if !state.filter.is_empty() {
        keys.push(Piece::labelled("filter", Tone::Strong, state.filter.clone()));
    }
    let deeper = if state.service.is_some() { ("Esc", "back") } else { ("Enter", "open") };
    let pause = if state.is_paused { "go on" } else { "pause" };
    for (key, what) in [
        ("q", "quit"),
        ("/", "filter"),
        ("s", "sort"),
        ("r", "reverse"),
        deeper,
        ("space", pause),
        ("?", "help"),
    ] {
        keys.push(Piece::new(Tone::Strong, key).and(Tone::Quiet, format!(" {what}")));
    }
    keys.push(Piece::labelled("by", Tone::Normal, state.sort.title().to_lowercase()));
    palette.flow(&keys, 2, u16::MAX).into_iter().next().unwrap_or_default()
}

/// The help: keys, then columns with the letters that sort by them.
pub(super) fn help(palette: Palette) -> Vec<Line<'static>> {
    let row = |key: &str, name: &str, what: &str| {
        let pieces = [
            Piece::new(Tone::Strong, format!("{key:>12}")),
            Piece::new(Tone::Normal, format!("{name:<9}")).and(Tone::Quiet, what),
        ];
        palette.flow(&pieces, 2, u16::MAX).into_iter().next().unwrap_or_default()
    };
    let mut lines = vec![row("q  Ctrl-C", "quit", "Ctrl-Z stops it, and fg goes on")];
    for (key, name, what) in [
        ("j k  arrows", "move", "also page keys, g and G"),
        ("Enter  Esc", "open", "a service with its latencies and reasons, and back"),
        ("/", "filter", "services, endpoints and states that contain a text"),
        ("s  r", "sort", "by the next column; the other way round"),
        ("space", "pause", "keep this picture"),
    ] {
        lines.push(row(key, name, what));
    }
    for (_, title, letter, _, meaning) in Column::ALL {
        lines.push(row(&letter.to_string(), title, meaning));
    }
    let note = "Capital letters sort. Figures without a span are of the last 5 minutes; CPU: 100 % is one \
                core.";
    lines.extend(palette.flow(&Piece::words(Tone::Quiet, note), 1, 78));
    lines
}
