//! A report as headings, sentences, tables and pictures, whatever form they get. Not here: the forms.

use super::super::common::{share_of, worst_first};
use super::super::plot::Plot;
use super::super::source::Found;
use super::super::{pictures, words};
use super::SPENDERS;
use crate::base::instant::date_and_time;
use crate::base::units::format_count;
use crate::slo::{Backtested, Firing, Objective, Spenders, Tested};

/// Most groups of an objective in a table.
const SERIES_SHOWN: usize = 50;
/// Most incidents of an objective in a table.
const FIRINGS_SHOWN: usize = 100;

/// A part of a report.
#[derive(Debug)]
pub(super) enum ReportPart<'a> {
    /// A heading and its level, 1 to 3.
    Heading(u8, String),
    Sentence(String),
    /// Names of columns, whether they are figures, rows.
    Table(Vec<(&'static str, bool)>, Vec<Vec<String>>),
    Picture(Plot<'a>),
}

use ReportPart::{Heading, Picture, Sentence, Table};

/// All parts of a report.
pub(super) fn parts(found: &Found) -> Vec<ReportPart<'_>> {
    let mut parts = vec![Heading(1, "Service level report".to_owned())];
    let Some(result) = found.results.first() else { return parts };
    let span = words::lasted(result.to_ms.saturating_sub(result.from_ms));
    let time = words::from_to(result.from_ms, result.to_ms);
    parts.push(Sentence(format!("{span}, {time} UTC; from {}.", found.whence)));
    let completeness = &found.completeness;
    parts.push(Sentence(format!(
        "Completeness: {}: {} of the time is covered; {} {} are there, {} are missing.",
        words::percent(completeness.share()),
        words::percent(completeness.covered()),
        format_count(completeness.there),
        found.unit,
        format_count(completeness.missing),
    )));
    parts.extend(found.told.iter().map(|told| Sentence(format!("Note: {told}."))));
    let head = vec![
        ("Objective", false),
        ("Promise", false),
        ("Good", true),
        ("Bad", true),
        ("Valid", true),
        ("Budget left", true),
        ("Pages", true),
        ("Tickets", true),
    ];
    parts.push(Table(
        head,
        result.objectives.iter().map(|tested| summary(tested, result)).collect(),
    ));
    for tested in &result.objectives {
        objective(&mut parts, tested, result);
    }
    parts
}

fn summary(tested: &Tested, result: &Backtested) -> Vec<String> {
    let (count, totals) = (tested.count(), tested.totals(result.from_ms, result.to_ms));
    vec![
        tested.objective.name.clone(),
        words::promise(&tested.objective),
        words::sli(count),
        format_count(count.bad),
        format_count(count.valid),
        words::percent_if(totals.budget_left),
        totals.pages.to_string(),
        totals.tickets.to_string(),
    ]
}

fn objective<'a>(parts: &mut Vec<ReportPart<'a>>, tested: &'a Tested, result: &Backtested) {
    let Objective { name, title, description, .. } = &*tested.objective;
    let named =
        if title.eq_ignore_ascii_case(name) { title.clone() } else { format!("{title} ({name})") };
    parts.push(Heading(2, named));
    if !description.is_empty() {
        parts.push(Sentence(description.trim().to_owned()));
    }
    parts.push(Sentence(budget(tested)));
    let series = pictures::worst(tested);
    parts.extend(
        series.into_iter().map(|series| Picture(pictures::plot(tested, series, "", result))),
    );
    parts.push(rates(tested));
    incidents(parts, tested, result);
    spenders(parts, tested);
}

/// Total, spent and left, in events and in minutes.
fn budget(tested: &Tested) -> String {
    let account = tested.account();
    let period = words::period(tested.objective.period);
    if account.events <= 0.0 {
        return format!("Budget: no event in the last {period}, so nothing is spent.");
    }
    let share = |part: f64| words::percent(part / account.events);
    #[expect(clippy::cast_precision_loss, reason = "a share with one decimal")]
    let spent = share(account.spent as f64);
    let of = if tested.objective.group_by.is_empty() { "" } else { ", all groups together" };
    format!(
        "Error budget of the {period} up to the end{of}: {} bad events; {} were bad ({spent}), {} are left ({}). In minutes \
         in which everything fails: {:.1}, of which {:.1} are left.",
        words::events(account.events),
        format_count(account.spent),
        words::events(account.left.max(0.0)),
        share(account.left),
        account.minutes,
        account.minutes_left.max(0.0),
    )
}

/// Burn rates and the end of the budget, of each group.
fn rates<'a>(tested: &Tested) -> ReportPart<'a> {
    let rows = worst_first(tested).into_iter().take(SERIES_SHOWN).map(|series| {
        let status = series.status.as_ref();
        let rate = |place: usize| words::rate(status.and_then(|status| status.rates[place]));
        let exhausted = match status.map(|status| (status.budget.left, status.exhausted_ms)) {
            Some((..=0.0, _)) => "spent".to_owned(),
            Some((_, Some(at_ms))) => date_and_time(at_ms),
            Some((_, None)) => "not within the period".to_owned(),
            None => "-".to_owned(),
        };
        let group = words::group(&series.group);
        vec![
            if group.is_empty() { "all".to_owned() } else { group },
            words::sli(series.count),
            format_count(series.count.bad),
            format_count(series.count.valid),
            words::percent_if(status.map(|status| status.budget.left)),
            rate(2),
            rate(4),
            rate(5),
            rate(6),
            exhausted,
        ]
    });
    let head = vec![
        ("Group", false),
        ("Good", true),
        ("Bad", true),
        ("Valid", true),
        ("Budget left", true),
        ("Burn 1h", true),
        ("6h", true),
        ("1d", true),
        ("3d", true),
        ("Exhausted at this pace (UTC)", false),
    ];
    Table(head, rows.collect())
}

fn incidents(parts: &mut Vec<ReportPart<'_>>, tested: &Tested, result: &Backtested) {
    parts.push(Heading(3, "Incidents".to_owned()));
    let firings = &tested.firings;
    if firings.is_empty() {
        parts.push(Sentence("No alert would have fired.".to_owned()));
        return;
    }
    let earlier = firings.len().saturating_sub(FIRINGS_SHOWN);
    if earlier > 0 || tested.firings_lost > 0 {
        let more = format_count(earlier as u64 + tested.firings_lost);
        parts.push(Sentence(format!("{more} more alerts are not in this table.")));
    }
    let head = vec![
        ("Alert", false),
        ("Start (UTC)", false),
        ("End (UTC)", false),
        ("For", true),
        ("Why", false),
        ("Share of budget", true),
        ("Where", false),
    ];
    let row = |firing: &Firing| incident(firing, tested, result);
    parts.push(Table(head, firings[earlier..].iter().map(row).collect()));
}

fn incident(firing: &Firing, tested: &Tested, result: &Backtested) -> Vec<String> {
    vec![
        words::alert(firing),
        date_and_time(firing.since_ms),
        firing.until_ms.map_or_else(|| "still fires".to_owned(), date_and_time),
        words::lasted(firing.lasted_ms(0, result.to_ms)),
        words::trigger(&firing.trigger),
        words::percent_if(share_of(firing, tested)),
        words::whereabouts(firing),
    ]
}

fn spenders(parts: &mut Vec<ReportPart<'_>>, tested: &Tested) {
    parts.push(Heading(3, "Who spent it".to_owned()));
    let spenders = &tested.spenders;
    if spenders.bad == 0 {
        let nothing = if tested.count().bad == 0 {
            "No bad event."
        } else {
            "Stored minutes do not say where bad events were; the journal does."
        };
        parts.push(Sentence(nothing.to_owned()));
        return;
    }
    let account = tested.account();
    let most = spenders.most(SPENDERS);
    let rows = Spenders::KINDS.iter().zip(&most).flat_map(|(kind, most)| {
        most.iter().map(|(value, bad)| {
            vec![
                (*kind).to_owned(),
                value.clone(),
                format_count(*bad),
                crate::cli::number::percent(crate::cli::number::share(*bad, spenders.bad)),
                words::percent_if(account.share(*bad)),
            ]
        })
    });
    let head = vec![
        ("By", false),
        ("Value", false),
        ("Bad", true),
        ("Of all bad", true),
        ("Share of budget", true),
    ];
    parts.push(Table(head, rows.collect()));
    if spenders.beyond > 0 {
        let beyond = format_count(spenders.beyond);
        parts.push(Sentence(format!("{beyond} bad events are of values beyond the bound.")));
    }
}
