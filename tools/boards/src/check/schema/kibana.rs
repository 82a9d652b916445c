//! Saved objects of Kibana 8.14, 8.19 and 9.x.
//!
//! - dashboard: `src/plugins/dashboard/server/dashboard_saved_object/schema/{v1,v2,v3}`, from 8.18 on below
//!   `src/platform/plugins/shared/dashboard`; ours is of model version 1, whose schema is closed
//! - controls: `src/plugins/controls/common/options_list/types.ts`, `@kbn/controls-schemas`
//! - links: `src/plugins/links/server/saved_objects/schema/v1`
//! - Lens: `x-pack/plugins/lens/public/datasources/form_based/types.ts` and `operations/definitions`
//! - search: `src/plugins/saved_search/server/saved_objects/schema.ts`, version 8.8.0, which is closed
//! - index-pattern: `src/plugins/data_views/server/saved_objects/data_views.ts`, open
//! - tag: `x-pack/plugins/saved_objects_tagging/server/saved_objects/tag.ts`, closed by its mapping

use super::Kind::{Any, Bool, Closed, Json, List, Map, Number, Open, Text, Word};
use super::{
    ANYTHING, FIELDS, Key, Kind, QUERY, REFERENCES, SOURCE, TEXTS, list, may, must, since,
};

/// An object of the file.
pub(super) const OBJECT: Kind = Closed(&[
    must("id", Text),
    must("type", Text),
    must("attributes", Open(&[])),
    must("references", REFERENCES),
    must("coreMigrationVersion", Text),
    must("typeMigrationVersion", Text),
    may("managed", Bool),
]);

/// Attributes of each type.
pub(super) const TYPES: [(&str, Kind); 4] =
    [("dashboard", DASHBOARD), ("index-pattern", VIEW), ("search", SEARCH), ("tag", TAG)];

const TAG: Kind = Closed(&[must("name", Text), must("description", Text), must("color", Text)]);

const VIEW: Kind = Open(&[
    must("title", Text),
    may("name", Text),
    may("timeFieldName", Text),
    may("fields", FIELDS),
    may("fieldFormatMap", Json(&Map(&Open(&[may("id", Text), may("params", Open(&[]))])))),
    may("fieldAttrs", Json(&Map(&Any))),
    may("runtimeFieldMap", Json(&Map(&Any))),
    may("sourceFilters", Json(&ANYTHING)),
    may("type", Text),
    may("typeMeta", Json(&Any)),
    may("allowNoIndex", Bool),
    may("allowHidden", Bool),
]);

const SEARCH: Kind = Closed(&[
    must("title", Text),
    may("description", Text),
    may("columns", TEXTS),
    may("sort", list(&List(2, &Text))),
    may("grid", Open(&[])),
    may("hideChart", Bool),
    may("rowHeight", Number),
    may("rowsPerPage", Number),
    may("breakdownField", Text),
    must("kibanaSavedObjectMeta", SOURCE),
    may("isTextBasedQuery", Bool),
    may("usesAdHocDataView", Bool),
    may("timeRestore", Bool),
    may("timeRange", Closed(&[must("from", Text), must("to", Text)])),
    may("refreshInterval", Closed(&[must("pause", Bool), must("value", Number)])),
    may("viewMode", Word(&["documents", "aggregated"])),
    may("hideAggregatedPreview", Bool),
    may("hits", Number),
    may("version", Number),
]);

const DASHBOARD: Kind = Closed(&[
    must("title", Text),
    may("description", Text),
    may("kibanaSavedObjectMeta", SOURCE),
    may("timeRestore", Bool),
    may("timeFrom", Text),
    may("timeTo", Text),
    may(
        "refreshInterval",
        Closed(&[
            must("pause", Bool),
            must("value", Number),
            may("display", Text),
            may("section", Number),
        ]),
    ),
    may("controlGroupInput", CONTROLS),
    // More are told as a warning.
    must("panelsJSON", Json(&List(100, &PANEL))),
    may(
        "optionsJSON",
        Json(&Closed(&[
            may("hidePanelTitles", Bool),
            may("useMargins", Bool),
            may("syncColors", Bool),
            may("syncTooltips", Bool),
            may("syncCursor", Bool),
            since(9, 4, may("autoApplyFilters", Bool)),
        ])),
    ),
    may("hits", Number),
    may("version", Number),
    since(8, 19, may("sections", ANYTHING)),
    since(9, 4, may("pinned_panels", Any)),
    since(9, 4, may("projectRouting", Text)),
]);

const CONTROLS: Kind = Closed(&[
    may("panelsJSON", Json(&Map(&CONTROL))),
    may("controlStyle", Word(&["oneLine", "twoLine"])),
    may("chainingSystem", Word(&["HIERARCHICAL", "NONE"])),
    may(
        "ignoreParentSettingsJSON",
        Json(&Closed(&[
            may("ignoreFilters", Bool),
            may("ignoreQuery", Bool),
            may("ignoreTimerange", Bool),
            may("ignoreValidations", Bool),
        ])),
    ),
    since(8, 16, may("showApplySelections", Bool)),
]);

const CONTROL: Kind = Closed(&[
    must("type", Word(&["optionsListControl", "rangeSliderControl", "timeSlider"])),
    must("order", Number),
    must("width", Word(&["small", "medium", "large"])),
    must("grow", Bool),
    must(
        "explicitInput",
        Closed(&[
            must("id", Text),
            must("fieldName", Text),
            may("dataViewId", Text),
            may("title", Text),
            may("searchTechnique", Word(&["prefix", "wildcard", "exact"])),
            may("selectedOptions", ANYTHING),
            may("singleSelect", Bool),
            may("exclude", Bool),
            may("existsSelected", Bool),
            may("runPastTimeout", Bool),
            may(
                "sort",
                Closed(&[
                    must("by", Word(&["_count", "_key"])),
                    must("direction", Word(&["asc", "desc"])),
                ]),
            ),
            may("placeholder", Text),
            may("hideExclude", Bool),
            may("hideExists", Bool),
            may("hideSort", Bool),
            may("hideActionBar", Bool),
            may("enhancements", Open(&[])),
        ]),
    ),
]);

const PANEL: Kind = Closed(&[
    may("type", Word(&["lens", "links", "search", "visualization"])),
    must("panelIndex", Text),
    must(
        "gridData",
        Closed(&[
            must("x", Number),
            must("y", Number),
            must("w", Number),
            must("h", Number),
            must("i", Text),
            since(8, 19, may("sectionId", Text)),
        ]),
    ),
    must("embeddableConfig", CONFIG),
    may("title", Text),
    may("panelRefName", Text),
    may("id", Text),
    may("version", Text),
]);

/// What every type of panel has, and what is of its type.
const CONFIG: Kind = Open(&[
    may("title", Text),
    may("description", Text),
    may("hidePanelTitles", Bool),
    may("enhancements", Closed(&[may("dynamicActions", Closed(&[must("events", EVENTS)]))])),
    may(
        "attributes",
        Open(&[
            may("title", Text),
            may("visualizationType", Text),
            may("state", STATE),
            may("references", REFERENCES),
            may("layout", Word(&["horizontal", "vertical"])),
            may("links", List(100, &LINK)),
        ]),
    ),
    may("savedVis", SAVED_VIS),
    may("query", QUERY),
    may("filters", ANYTHING),
    may("syncColors", Bool),
    may("syncCursor", Bool),
    may("syncTooltips", Bool),
]);

/// Drill-downs: `src/plugins/ui_actions_enhanced`, `x-pack/plugins/dashboard_enhanced`.
const EVENTS: Kind = list(&Closed(&[
    must("eventId", Text),
    must("triggers", TEXTS),
    must(
        "action",
        Closed(&[
            must("factoryId", Text),
            must("name", Text),
            must(
                "config",
                Closed(&[
                    must("useCurrentFilters", Bool),
                    must("useCurrentDateRange", Bool),
                    may("openInNewTab", Bool),
                ]),
            ),
        ]),
    ),
]));

const LINK: Kind = Closed(&[
    must("id", Text),
    may("label", Text),
    must("order", Number),
    must("type", Word(&["dashboardLink", "externalLink"])),
    may("destinationRefName", Text),
    may("destination", Text),
    may(
        "options",
        Closed(&[
            must("openInNewTab", Bool),
            may("useCurrentFilters", Bool),
            may("useCurrentDateRange", Bool),
            may("encodeUrl", Bool),
        ]),
    ),
]);

const SAVED_VIS: Kind = Open(&[
    must("title", Text),
    may("description", Text),
    must("type", Text),
    must("params", Open(&[])),
    may("uiState", Open(&[])),
    must(
        "data",
        Closed(&[
            must("aggs", ANYTHING),
            must(
                "searchSource",
                Open(&[may("query", QUERY), may("filter", ANYTHING), may("index", Text)]),
            ),
        ]),
    ),
]);

const STATE: Kind = Closed(&[
    must(
        "datasourceStates",
        Closed(&[
            must("formBased", Open(&[must("layers", Map(&LAYER))])),
            may("textBased", Any),
            may("indexpattern", Any),
        ]),
    ),
    must("visualization", Open(&[])),
    must("query", QUERY),
    must("filters", ANYTHING),
    may("internalReferences", REFERENCES),
    may("adHocDataViews", Map(&Any)),
]);

const LAYER: Kind = Closed(&[
    must("columnOrder", TEXTS),
    must("columns", Map(&COLUMN)),
    may("incompleteColumns", Map(&Any)),
    may("sampling", Number),
    may("ignoreGlobalFilters", Bool),
    may("linkToLayers", TEXTS),
]);

const COLUMN: Kind = Closed(&COLUMN_KEYS);

const COLUMN_KEYS: [Key; 15] = [
    must("label", Text),
    must("dataType", Word(&["number", "string", "date", "boolean", "ip", "histogram"])),
    must("operationType", Word(&OPERATIONS)),
    must("isBucketed", Bool),
    may("scale", Word(&["ratio", "ordinal", "interval"])),
    may("sourceField", Text),
    may("params", PARAMS),
    may("filter", QUERY),
    may("timeShift", Text),
    may("timeScale", Word(&["s", "m", "h", "d"])),
    may("reducedTimeRange", Text),
    may("references", TEXTS),
    may("customLabel", Bool),
    may("isStaticValue", Bool),
    may("window", Text),
];

const OPERATIONS: [&str; 17] = [
    "terms",
    "date_histogram",
    "filters",
    "range",
    "count",
    "sum",
    "average",
    "min",
    "max",
    "median",
    "unique_count",
    "last_value",
    "percentile",
    "formula",
    "math",
    "static_value",
    "counter_rate",
];

/// Of all operations together; which has which is looked up in boards that Kibana has exported (`seen`).
const PARAMS: Kind = Open(&[
    may("size", Number),
    may(
        "orderBy",
        Closed(&[
            must("type", Word(&["column", "alphabetical", "rare", "significant", "custom"])),
            may("columnId", Text),
            may("fallback", Bool),
            may("maxDocCount", Number),
        ]),
    ),
    may("orderAgg", Open(&[must("operationType", Word(&OPERATIONS)), must("label", Text)])),
    may("orderDirection", Word(&["asc", "desc"])),
    may("otherBucket", Bool),
    may("missingBucket", Bool),
    may("include", ANYTHING),
    may("exclude", ANYTHING),
    may("includeIsRegex", Bool),
    may("excludeIsRegex", Bool),
    may("secondaryFields", TEXTS),
    may("accuracyMode", Bool),
    may("sortField", Text),
    may("showArrayValues", Bool),
    may("percentile", Number),
    may("interval", Text),
    may("includeEmptyRows", Bool),
    may("dropPartials", Bool),
    may("ignoreTimeRange", Bool),
    may("emptyAsNull", Bool),
    may("formula", Text),
    may("isFormulaBroken", Bool),
    may("tinymathAst", Any),
    may("value", Text),
    may("ranges", list(&Open(&[may("from", Any), may("to", Any), must("label", Text)]))),
    may(
        "format",
        Closed(&[
            must("id", Word(&["number", "percent", "bytes", "bits", "duration", "custom"])),
            may(
                "params",
                Closed(&[
                    must("decimals", Number),
                    may("suffix", Text),
                    may("compact", Bool),
                    may("pattern", Text),
                    may("fromUnit", Text),
                    may("toUnit", Text),
                ]),
            ),
        ]),
    ),
]);
