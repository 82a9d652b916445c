//! What changes from one set of objectives to another, on the same traffic.

use serde_json::{Value, json};

use super::source::Found;
use super::{json, text, words};
use crate::slo::{Difference, FiringTotals, differences};

/// The differences, when there are two sets.
fn found(found: &Found) -> Option<Vec<Difference>> {
    let [before, after] = found.results.as_slice() else { return None };
    Some(differences(before, after))
}

/// As a table; nothing when there is one set.
pub(super) fn text(of: &Found) -> anyhow::Result<String> {
    let Some(differences) = found(of) else { return Ok(String::new()) };
    let head = ["", "pages", "paging for", "tickets", "no data", "budget left"];
    let figures = [false, true, true, true, true, true];
    let rows = differences.iter().map(row).collect();
    let table = text::table(&head, &figures, rows)?;
    Ok(format!("\nWhat changes with --against\n{table}"))
}

fn row(difference: &Difference) -> Vec<String> {
    let Difference { name, before, after } = difference;
    let change = |figure: fn(&FiringTotals) -> String| {
        let figure =
            |totals: &Option<FiringTotals>| totals.as_ref().map_or_else(|| "-".to_owned(), figure);
        let (before, after) = (figure(before), figure(after));
        if before == after { before } else { format!("{before} → {after}") }
    };
    vec![
        name.clone(),
        change(|totals| totals.pages.to_string()),
        change(|totals| words::lasted(totals.page_ms)),
        change(|totals| totals.tickets.to_string()),
        change(|totals| totals.silences.to_string()),
        change(|totals| words::percent_if(totals.budget_left)),
    ]
}

/// Both sets and what changes, or the one that there is.
pub(super) fn json(of: &Found) -> Value {
    let mut object = json::found(of);
    let Some(differences) = found(of) else { return object };
    let totals = |totals: &FiringTotals| {
        json!({
            "pages": totals.pages,
            "page_seconds": totals.page_ms / 1_000,
            "tickets": totals.tickets,
            "no_data": totals.silences,
            "budget_left": totals.budget_left,
        })
    };
    let differences = differences.iter().map(|Difference { name, before, after }| {
        json!({
            "objective": name,
            "before": before.as_ref().map(totals),
            "after": after.as_ref().map(totals),
        })
    });
    object["changes"] = differences.collect();
    object
}
