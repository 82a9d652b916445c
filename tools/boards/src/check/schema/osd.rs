//! Saved objects of OpenSearch Dashboards 2.0, 2.19 and 3.7: the mappings of its plugins, which refuse what
//! they do not know where they state no `dynamic`.
//!
//! - dashboard: `src/plugins/dashboard/server/saved_objects/dashboard.ts`
//! - visualization: `src/plugins/visualizations/server/saved_objects/visualization.ts`; the state of each
//!   kind: `src/plugins/{vis_type_vega,vis_type_markdown,input_control_vis,vis_type_vislib}`
//! - search: `src/plugins/discover/server/saved_objects/search.ts`
//! - index-pattern: `src/plugins/data/server/saved_objects/index_patterns.ts`, `dynamic: false`

use super::Kind::{Any, Bool, Closed, Json, Map, Number, Open, Text, Word};
use super::{ANYTHING, FIELDS, Kind, REFERENCES, SOURCE, TEXTS, list, may, must, since};

/// An object of the file.
pub(super) const OBJECT: Kind = Closed(&[
    must("id", Text),
    must("type", Text),
    must("attributes", Open(&[])),
    must("references", REFERENCES),
    must("migrationVersion", Map(&Text)),
]);

/// Attributes of each type.
pub(super) const TYPES: [(&str, Kind); 4] = [
    ("dashboard", DASHBOARD),
    ("index-pattern", VIEW),
    ("search", SEARCH),
    ("visualization", VISUALIZATION),
];

const VIEW: Kind = Open(&[
    must("title", Text),
    may("timeFieldName", Text),
    may("intervalName", Text),
    must("fields", FIELDS),
    may("fieldFormatMap", Json(&Map(&Open(&[may("id", Text), may("params", Open(&[]))])))),
    may("sourceFilters", Json(&ANYTHING)),
    may("type", Text),
    may("typeMeta", Json(&Any)),
]);

const SEARCH: Kind = Closed(&[
    must("title", Text),
    may("description", Text),
    must("columns", TEXTS),
    may("sort", list(&TEXTS)),
    may("hits", Number),
    may("version", Number),
    must("kibanaSavedObjectMeta", SOURCE),
    since(3, 3, may("columnWidths", Any)),
]);

const DASHBOARD: Kind = Closed(&[
    must("title", Text),
    may("description", Text),
    must("panelsJSON", Json(&list(&PANEL))),
    may("optionsJSON", Json(&Open(&[may("hidePanelTitles", Bool), may("useMargins", Bool)]))),
    may("hits", Number),
    may("version", Number),
    may("timeRestore", Bool),
    may("timeFrom", Text),
    may("timeTo", Text),
    may(
        "refreshInterval",
        Closed(&[
            may("display", Text),
            must("pause", Bool),
            may("section", Number),
            must("value", Number),
        ]),
    ),
    must("kibanaSavedObjectMeta", SOURCE),
]);

const PANEL: Kind = Open(&[
    must("version", Text),
    must("panelIndex", Text),
    must(
        "gridData",
        Closed(&[
            must("x", Number),
            must("y", Number),
            must("w", Number),
            must("h", Number),
            must("i", Text),
        ]),
    ),
    must("panelRefName", Text),
    must("embeddableConfig", Open(&[may("title", Text), may("hidePanelTitles", Bool)])),
    may("title", Text),
]);

const VISUALIZATION: Kind = Closed(&[
    must("title", Text),
    may("description", Text),
    must("visState", Json(&STATE)),
    must("uiStateJSON", Json(&Open(&[]))),
    may("version", Number),
    may("savedSearchRefName", Text),
    must("kibanaSavedObjectMeta", SOURCE),
]);

const STATE: Kind = Closed(&[
    must("title", Text),
    must(
        "type",
        Word(&[
            "area",
            "heatmap",
            "histogram",
            "input_control_vis",
            "line",
            "markdown",
            "metric",
            "table",
            "vega",
        ]),
    ),
    must(
        "aggs",
        list(&Closed(&[
            must("id", Text),
            must("enabled", Bool),
            must("type", Text),
            must("schema", Word(&["metric", "bucket", "segment", "group", "split"])),
            must("params", Open(&[may("field", Text), may("customLabel", Text)])),
        ])),
    ),
    must(
        "params",
        Open(&[
            may("spec", Json(&Open(&[must("$schema", Text), must("data", Open(&[]))]))),
            may("markdown", Text),
            may("fontSize", Number),
            may("openLinksInNewTab", Bool),
            may("updateFiltersOnChange", Bool),
            may("useTimeFilter", Bool),
            may("pinFilters", Bool),
            may("controls", list(&CONTROL)),
        ]),
    ),
]);

const CONTROL: Kind = Closed(&[
    must("id", Text),
    must("type", Word(&["list", "range"])),
    must("fieldName", Text),
    must("label", Text),
    must("parent", Text),
    must("indexPatternRefName", Text),
    must(
        "options",
        Closed(&[
            must("type", Word(&["terms"])),
            must("multiselect", Bool),
            may("dynamicOptions", Bool),
            must("size", Number),
            must("order", Word(&["asc", "desc"])),
        ]),
    ),
]);
