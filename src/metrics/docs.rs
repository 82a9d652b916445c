//! `docs/metrics.md`, written from the tables.

use std::fmt::Write as _;

use super::{
    AdminMetrics, ChannelMetrics, ControlMetrics, DiscoveryMetrics, Durations, EndpointMetrics,
    Family, JournalMetrics, MonitorMetrics, NamesMetrics, NotifyMetrics, OutlierMetrics,
    ProcessMetrics, RollupMetrics, ServiceMetrics, ShipMetrics, ShortageMetrics, SloMetrics,
    SloSeriesMetrics, ThreadMetrics, WatchMetrics, WorkerMetrics,
};

/// The head of the page.
const HEAD: &str = "\
# Metrics

<!-- Generated from src/metrics/table.rs; `UPDATE=1 cargo test --test tidy` rewrites it. -->

`GET /metrics` on the admin address gives these in Prometheus text format. Counters start at 0 with the
process; add up over `worker` for the whole. A gauge that cannot be read is left out, never 0. Without a unit,
pieces are counted; a share is from 0 to 1. What lives in records (exact percentiles, figures per route) is not
here: it comes from the journal.

The samples of the process, its workers and endpoints are also records of their own, with the same
values; `docs/original.md` maps their names. `lbproxy_otlp_*`, with `telemetry.otlp`, is in
[traces.md](traces.md#what-can-be-relied-on).
";

/// The tables: title, labels beside constant ones, rows.
const TABLES: [(&str, &str, &[Family]); 21] = [
    ("Each worker", "`worker`", WorkerMetrics::FAMILIES),
    ("Shortages of the process", "", ShortageMetrics::FAMILIES),
    ("Each service", "`worker`, `service`", ServiceMetrics::FAMILIES),
    ("Each service, all workers together", "`service`", &[Durations::FAMILY]),
    ("Each endpoint", "`worker`, `service`, `endpoint`", EndpointMetrics::FAMILIES),
    ("Each endpoint, all workers together", "`service`, `endpoint`", OutlierMetrics::FAMILIES),
    ("Each service whose endpoints are found by name", "`service`", DiscoveryMetrics::FAMILIES),
    ("Names looked up", "", NamesMetrics::FAMILIES),
    ("Everything but exchanges", "", ControlMetrics::FAMILIES),
    ("Rollups, with `telemetry.rollup`", "", RollupMetrics::FAMILIES),
    ("Objectives", "", SloMetrics::FAMILIES),
    (
        "Each series of an objective, at the last evaluation",
        "`objective`, and `service`, `route`, `endpoint` as it is grouped",
        SloSeriesMetrics::FAMILIES,
    ),
    ("`lbproxy slo watch`, with those of objectives", "", WatchMetrics::FAMILIES),
    ("Journal", "", JournalMetrics::FAMILIES),
    ("Shipping", "", ShipMetrics::FAMILIES),
    ("Samples of the process, with `telemetry.process`", "", ProcessMetrics::FAMILIES),
    ("Samples of each worker, with `telemetry.process`", "`worker`", ThreadMetrics::FAMILIES),
    ("Heartbeat, with `telemetry.heartbeat`", "`monitor`", MonitorMetrics::FAMILIES),
    ("Notices, with `slo.notify`", "", NotifyMetrics::FAMILIES),
    ("Each channel of `slo.notify`", "`channel`", ChannelMetrics::FAMILIES),
    ("Admin", "", AdminMetrics::FAMILIES),
];

/// Unit of a metric, which its name ends in; empty for what is counted in pieces.
fn unit(name: &str) -> &'static str {
    const UNITS: [(&str, &str); 6] = [
        ("_bytes_per_second", "bytes/s"),
        ("_per_second", "1/s"),
        ("_bytes", "bytes"),
        ("_seconds", "s"),
        ("_ratio", "share"),
        ("_cores", "cores"),
    ];
    let name = name.strip_suffix("_total").unwrap_or(name);
    UNITS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit)
}

/// The page.
pub fn metrics_markdown() -> String {
    let mut page = String::from(HEAD);
    for (title, labels, families) in TABLES {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {title}\n\n");
        if !labels.is_empty() {
            let _ = write!(page, "Labels: {labels}.\n\n");
        }
        page += "| Metric | Kind | Unit | Meaning |\n|---|---|---|---|\n";
        for family in families {
            let labels = match family.labels {
                "" => String::new(),
                labels => format!("{{{labels}}}"),
            };
            let Family { name, help, kind, .. } = family;
            let (kind, unit) = (kind.as_str(), unit(name));
            let _ = writeln!(page, "| `{name}{labels}` | {kind} | {unit} | {help} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn names_follow_the_rules_and_mean_one_thing() {
        let mut seen = std::collections::HashMap::new();
        for family in TABLES.iter().flat_map(|(_, _, families)| *families) {
            let name = family.name;
            assert!(name.starts_with("lbproxy_"), "{name}");
            assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
            assert!(family.help.ends_with('.'), "{name} is not explained");
            let meaning = (family.help, family.kind, family.divisor);
            assert_eq!(*seen.entry(name).or_insert(meaning), meaning, "{name} has two meanings");
            assert!(metrics_markdown().contains(&format!("| `{name}")), "{name}");
            assert!(family.divisor == 1 || !unit(name).is_empty(), "{name}: fractions of what?");
        }
    }

    #[test]
    fn a_unit_is_the_end_of_the_name() {
        for (name, want) in [
            ("lbproxy_connections_total", ""),
            ("lbproxy_journal_used_bytes", "bytes"),
            ("lbproxy_ship_sent_bytes_total", "bytes"),
            ("lbproxy_upstream_sent_bytes_per_second", "bytes/s"),
            ("lbproxy_requests_per_second", "1/s"),
            ("lbproxy_process_cpu_seconds_total", "s"),
        ] {
            assert_eq!(unit(name), want, "{name}");
        }
    }
}
