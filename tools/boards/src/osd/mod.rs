//! OpenSearch Dashboards: visualizations and dashboards in the form that has not changed since its
//! beginning, so that 2.x and 3.x take them.
//!
//! A panel of plain aggregations is agg-based and can be clicked to narrow the board; ratios, rates, levels
//! of alarm, the day before, what is joined of several instances and panels that no control narrows are Vega,
//! as no aggregation-based form has them. Not here: the forms themselves (`aggs`; `vega`, `draw`).

mod aggs;
mod draw;
pub(super) mod vega;

use serde_json::{Value, json};

use super::model::{Board, Form, GRID_WIDTH, Panel, Value as Worked};
use super::{
    Product, discover_links, lines, note, object, places, search_source, views_and_searches,
};

/// Height of the rows of links and controls above the panels.
const HEAD: u16 = 8;

/// The file to import: data views, searches, then each board's visualizations and its dashboard.
pub fn saved_objects(boards: &'static [Board]) -> String {
    let mut objects = views_and_searches(Product::OpenSearch, boards);
    for board in boards {
        objects.push(markdown(boards, board));
        objects.push(controls(board));
        objects.extend(
            board
                .panels()
                .filter(|panel| !matches!(panel.form, Form::Records(_)))
                .map(|panel| visualization(board, panel)),
        );
        objects.push(dashboard(board));
    }
    lines(objects)
}

/// Whether a panel's figures are all plain aggregations.
pub fn is_plain(panel: &Panel) -> bool {
    let is_plain = |value: Worked| match value {
        Worked::Count(filter) => filter.is_empty(),
        Worked::Ratio(..) | Worked::Last(..) | Worked::Rise(_) => false,
        _ => true,
    };
    !panel.is_whole
        && panel.objective.is_none()
        && panel.alarm.is_none()
        && panel.form != Form::Bands
        && !panel.has_day_before()
        && panel.metrics.iter().all(|metric| !metric.is_rate && is_plain(metric.value))
}

/// A panel's own saved object.
fn visualization(board: &Board, panel: &Panel) -> Value {
    let id = board.panel_id(panel);
    let title = format!("{}: {}", board.title, panel.title);
    let note = note(Product::OpenSearch, panel);
    if is_plain(panel) {
        let (meta, reference) = search_source(panel.dataset, panel.filter);
        let state = aggs::state(panel, &title);
        return saved(&id, &title, &note, &state, &meta, &json!([reference]));
    }
    let spec = serde_json::to_string_pretty(&vega::spec(panel)).unwrap_or_default();
    let state = json!({ "title": title, "type": "vega", "aggs": [], "params": { "spec": spec } });
    saved(&id, &title, &note, &state, &no_source(), &json!([]))
}

fn saved(
    id: &str,
    title: &str,
    note: &str,
    state: &Value,
    meta: &Value,
    references: &Value,
) -> Value {
    let attributes = json!({
        "title": title,
        "description": note,
        "visState": state.to_string(),
        "uiStateJSON": "{}",
        "version": 1,
        "kibanaSavedObjectMeta": meta,
    });
    object(Product::OpenSearch, "visualization", id, &attributes, references)
}

/// The search source of what asks nothing.
fn no_source() -> Value {
    let source = json!({ "query": { "language": "kuery", "query": "" }, "filter": [] });
    json!({ "searchSourceJSON": source.to_string() })
}

/// Links to the other boards and into Discover. Time range and pinned filters go along.
fn markdown(boards: &[Board], board: &Board) -> Value {
    let others = boards
        .iter()
        .filter(|other| other.id != board.id)
        .map(|other| format!("[{}](#/view/{})", other.name(), other.object_id()));
    let text = format!(
        "**{}** {}\n\n{}",
        board.question,
        others.collect::<Vec<_>>().join(" · "),
        discover_links(board)
    );
    let (id, title) = (format!("{}-links", board.object_id()), format!("{}: links", board.title));
    let state = json!({
        "title": title, "type": "markdown", "aggs": [],
        "params": { "fontSize": 12, "openLinksInNewTab": false, "markdown": text },
    });
    saved(&id, &title, "Ways to the other boards.", &state, &no_source(), &json!([]))
}

/// The lists to choose from.
fn controls(board: &Board) -> Value {
    let dataset = board.panels().find(|panel| !panel.is_whole).map(|panel| panel.dataset);
    let name = |at: usize| format!("control_{at}_index_pattern");
    let lists: Vec<_> = board
        .controls
        .iter()
        .enumerate()
        .map(|(at, control)| {
            json!({
                "id": control.id(), "type": "list",
                "fieldName": control.field(), "label": control.label(), "parent": "",
                "options": {
                    "type": "terms", "multiselect": true, "dynamicOptions": true, "size": 50,
                    "order": "desc",
                },
                "indexPatternRefName": name(at),
            })
        })
        .collect();
    let references: Vec<_> = (0..lists.len())
        .map(|at| {
            let id = dataset.map(super::views::view_id);
            json!({ "name": name(at), "type": "index-pattern", "id": id })
        })
        .collect();
    let (id, title) =
        (format!("{}-controls", board.object_id()), format!("{}: controls", board.title));
    let state = json!({
        "title": title, "type": "input_control_vis", "aggs": [],
        "params": {
            "controls": lists, "updateFiltersOnChange": true, "useTimeFilter": true,
            "pinFilters": true,
        },
    });
    saved(&id, &title, "Narrows the panels below.", &state, &no_source(), &references.into())
}

/// The dashboard of a board.
fn dashboard(board: &'static Board) -> Value {
    let id = board.object_id();
    let half = GRID_WIDTH / 2;
    let mut panels = vec![
        ("links", "visualization", format!("{id}-links"), None, [0, 0, half, HEAD]),
        ("controls", "visualization", format!("{id}-controls"), None, [half, 0, half, HEAD]),
    ];
    panels.extend(places(board, HEAD).into_iter().map(|(panel, place)| {
        let kind = match panel.form {
            Form::Records(_) => "search",
            _ => "visualization",
        };
        (panel.id, kind, board.panel_id(panel), Some(panel.title), place)
    }));
    let (mut embedded, mut references) = (Vec::new(), Vec::new());
    for (panel_id, kind, id, title, [x, y, w, h]) in panels {
        let name = format!("panel_{panel_id}");
        let mut panel = json!({
            "version": "7.9.3", "panelIndex": panel_id, "panelRefName": name,
            "gridData": { "x": x, "y": y, "w": w, "h": h, "i": panel_id },
            "embeddableConfig": { "hidePanelTitles": title.is_none() },
        });
        if let Some(title) = title {
            panel["title"] = title.into();
            panel["embeddableConfig"]["title"] = title.into();
        }
        embedded.push(panel);
        references.push(json!({ "name": name, "type": kind, "id": id }));
    }
    let options = json!({ "hidePanelTitles": false, "useMargins": true });
    let attributes = json!({
        "title": board.title,
        "description": board.question,
        "panelsJSON": Value::from(embedded).to_string(),
        "optionsJSON": options.to_string(),
        // A board that restores its range does so at every link to it.
        "timeRestore": false,
        "version": 1,
        "hits": 0,
        "kibanaSavedObjectMeta": no_source(),
    });
    object(Product::OpenSearch, "dashboard", &id, &attributes, &references.into())
}
