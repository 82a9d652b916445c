//! Faults in the files of saved objects.

use lbproxy::elk::boards::saved_objects;

use super::super::super::source::BOARDS;
use super::super::super::{Product, osd};
use super::super::objects;

/// A file with one thing replaced by another.
fn planted(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from}");
    text.replacen(from, to, 1)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn each_fault_of_saved_objects_is_found() {
    let kibana = saved_objects(Product::Elasticsearch).to_owned();
    let osd = osd::saved_objects(BOARDS);
    let first = kibana.lines().next().unwrap();
    let without = |text: &str, id: &str| -> String {
        let is_other =
            |line: &&str| !line.contains(&format!("\"id\":\"{id}\",\"migrationVersion\""));
        text.lines().filter(is_other).map(|line| line.to_owned() + "\n").collect()
    };
    for (product, text, want) in [
        (Product::Elasticsearch, format!("{kibana}{{\n"), "no JSON"),
        (Product::Elasticsearch, format!("{kibana}{first}\n"), "a second index-pattern"),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"typeMigrationVersion\":\"8.9.0\"",
                "\"typeMigrationVersion\":\"10.2.0\"",
            ),
            "what the oldest server reads",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\"visualization\":\"7.10.0\"", "\"visualization\":\"7.17.0\""),
            "what the oldest server reads",
        ),
        (
            Product::OpenSearch,
            without(&osd, "lbproxy-errors-reason-time"),
            "the reference panel_reason-time leads to no visualization",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "](#/view/lbproxy-errors)", "](#/view/lbproxy-mistakes)"),
            "a link leads to no dashboard `lbproxy-mistakes`",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"panelRefName\\\":\\\"panel_", "\\\"panelRefName\\\":\\\"table_"),
            "no reference table_",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"sourceField\\\":\\\"lbproxy.rollup.requests\\\"",
                "\\\"sourceField\\\":\\\"lbproxy.rollup.request\\\"",
            ),
            "is no field of metrics-lbproxy.rollup-*",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"sourceField\\\":\\\"lbproxy.rollup.requests\\\"",
                "\\\"sourceField\\\":\\\"lbproxy.route\\\"",
            ),
            "`sum` cannot be made of `lbproxy.route`",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.rollup.outcome.success\\\\\\\"",
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.rollup.outcome.fine\\\\\\\"",
            ),
            "`lbproxy.rollup.outcome.fine` is no field",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\\\\\"interval\\\\\\\": {", "\\\\\\\"fixed_interval\\\\\\\": {"),
            "`%autointerval%` is not filled in below `fixed_interval`",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"unit\\\\\\\": \\\\\\\"day",
                "\\\\\\\"unit\\\\\\\": \\\\\\\"dawn",
            ),
            "is not filled in",
        ),
        (
            Product::Elasticsearch,
            kibana.replace("duration_bucket.to_1ms", "duration_bucket.to_1s1"),
            "`lbproxy.rollup.duration_bucket.to_1s1` is no field",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"fieldName\\\":\\\"lbproxy.service\\\"",
                "\\\"fieldName\\\":\\\"lbproxy.shop\\\"",
            ),
            "`lbproxy.shop` is no field",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "event.outcome: failure", "event.outcome: (failure"),
            "no KQL",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"w\\\":24,\\\"x\\\":24", "\\\"w\\\":24,\\\"x\\\":30"),
            "keep within 48 columns",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"w\\\":24,\\\"x\\\":24", "\\\"w\\\":24,\\\"x\\\":12"),
            "it stands on `links`",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"format\\\":{\\\"id\\\":\\\"percent\\\"",
                "\\\"form\\\":{\\\"id\\\":\\\"percent\\\"",
            ),
            "has no unit",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"title\":\"lbproxy 1 Overview\"", "\"title\":\"\""),
            "no title",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"textBased\\\":{\\\"layers\\\":{}}",
                "\\\"textBased\\\":{\\\"layers\\\":{\\\"a\\\":{}}}",
            ),
            "ES|QL",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"type\\\":\\\"lens\\\"}", "\\\"type\\\":\\\"maps\\\"}"),
            "the panel type maps is not in every licence",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"continuity\\\":\\\"below\\\"",
                "\\\"continuity\\\":\\\"above\\\"",
            ),
            "is drawn in",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"stops\\\":[{\\\"color\\\":\\\"#D3DAE6",
                "\\\"stops\\\":[{\\\"color\\\":\\\"#DB4437",
            ),
            "Some(NaN) is drawn in",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"urlTemplate\\\":\\\"../app/", "\\\"urlTemplate\\\":\\\"/app/"),
            "`trace.id` leads to `/s/ops/app/app/apm",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "DASHBOARD_TO_DASHBOARD_DRILLDOWN\\\"", "URL_DRILLDOWN\\\""),
            "the drill-down URL_DRILLDOWN is not in every licence",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, ":failing-routes-errors:dashboardId", ":failing:dashboardId"),
            "the drill-down failing-routes-errors leads nowhere",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "FILTER_TRIGGER", "ROW_CLICK_TRIGGER"),
            "is never offered",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"config\\\":{\\\"useCurrentDateRange\\\":true",
                "\\\"config\\\":{\\\"useCurrentDateRange\\\":false",
            ),
            "loses what was chosen",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, ":xy-visualization-layer-events\"", ":xy-visualization-layer-event\""),
            "events without a view",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "persistanceType", "persistenceType"),
            "looked for in a library",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"ignoreGlobalFilters\\\":true,\\\"layerId\\\":\\\"events",
                "\\\"layerId\\\":\\\"events",
            ),
            "a list would take the events away",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "event.action: state_change and monitor.type: passive",
                "event.act: state_change",
            ),
            "`event.act` is no field of the events",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"name\\\\\\\": \\\\\\\"events",
                "\\\\\\\"name\\\\\\\": \\\\\\\"event",
            ),
            "no events",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"splitAccessor\\\":\\\"instance",
                "\\\"splitAccessor\\\":\\\"time",
            ),
            "a counter that jumps from instance to instance",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"yTitle\\\":\\\"req/s", "\\\"yTitle\\\":\\\"count"),
            "does not say that it is a rate",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"title\\\\\\\": \\\\\\\"req/s",
                "\\\\\\\"title\\\\\\\": \\\\\\\"count",
            ),
            "does not say that it is a rate",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"id\":\"lbproxy-tag\",\"name\"",
                "\"id\":\"lbproxy-label\",\"name\"",
            ),
            "leads to no tag",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"color\":\"#6092C0\"",
                "\"title\":\"lbproxy\",\"color\":\"#6092C0\"",
            ),
            "attributes.title is not known",
        ),
        (
            Product::Elasticsearch,
            kibana.replace(
                "\"name\":\"tag-ref-lbproxy-tag\",\"type\":\"tag\"",
                "\"name\":\"tag-ref-lbproxy-tag\",\"type\":\"search\"",
            ),
            "without a tag",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"pause\":false,\"value\":60000", "\"pause\":false,\"value\":1000"),
            "asks anew every 1000 ms",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"collapseFn\\\":", "\\\"collapse\\\":"),
            "not joined",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"columnOrder\\\":[\\\"instance\\\",\\\"m0\\\"]",
                "\\\"columnOrder\\\":[\\\"m0\\\"]",
            ),
            "of whichever instance wrote last",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"reducedTimeRange\\\":", "\\\"reduced\\\":"),
            "an instance that is gone counts",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"unit\\\\\\\": \\\\\\\"minute",
                "\\\\\\\"unit\\\\\\\": \\\\\\\"hour",
            ),
            "an instance that is gone counts",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"field\\\\\\\": \\\\\\\"service.node.name\\\\\\\",\\\\n",
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.sample.worker\\\\\\\",\\\\n",
            ),
            "of whichever instance wrote last",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "datum.figure < 0.999", "datum.figure < 0.998"),
            "is drawn in",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "datum.figure < 0.999", "datum.figure <= 0.999"),
            "is not understood",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"columnOrder\\\":[\\\"s0\\\",\\\"time\\\"",
                "\\\"columnOrder\\\":[\\\"time\\\",\\\"s0\\\"",
            ),
            "a split within time",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"textVisibility\\\":true", "\\\"textVisibility\\\":false"),
            "a line that does not say what it is",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"name\\\":\\\"lbproxy.service\\\"",
                "\\\"name\\\":\\\"lbproxy.shop\\\"",
            ),
            "`lbproxy.service` is not known before there is data",
        ),
        (
            Product::OpenSearch,
            osd.replace("\\\"readFromDocValues\\\":", "\\\"doc_values\\\":"),
            "its first opening rewrites it",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"allowNoIndex\":true", "\"allowNoIndex\":false"),
            "is not known before there is data",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\"timeRestore\":false",
                "\"timeRestore\":true,\"timeFrom\":\"now-1h\",\"timeTo\":\"now\"",
            ),
            "a link to it resets range",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"id\\\":\\\"lbproxy-service\\\"",
                "\\\"id\\\":\\\"overview-service\\\"",
            ),
            "is not known again",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"showSuffix\\\":false", "\\\"showSuffix\\\":true"),
            " Milliseconds`",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"customLabel\\\":\\\"p99, ms\\\"", "\\\"customLabel\\\":\\\"p99\\\""),
            "the unit is read 0 times",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"type\":\"search\"", "\"type\":\"canvas-workpad\""),
            "the type canvas-workpad is not in every licence",
        ),
    ] {
        let found = objects(product, "file", &text);
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(want)), "{want}: {texts:#?}");
        assert!(
            found.iter().all(|own| !own.board.is_empty() && !own.cure.is_empty()),
            "{texts:#?}"
        );
    }
}
