//! Figures for programs.

use serde_json::{Value, json};

use super::{Findings, QUANTILES, longest, rate};
use crate::query::{Group, Lane, Records};
use crate::record::Stream;

/// Everything, for programs.
pub(super) fn object(found: Findings, top: usize, records: &Records) -> Value {
    let span_ms = found.span_ms;
    let mut object = group_object(&found.total, span_ms);
    object["span_ms"] = span_ms.into();
    object["first_ms"] = found.range_ms.map(|(first, _)| first).into();
    object["last_ms"] = found.range_ms.map(|(_, last)| last).into();
    if let Some(groups) = found.groups {
        let name = groups.field.path;
        let (groups, rest) = groups.top(top);
        let rest = rest.map(|rest| ("_other".to_owned(), rest));
        let row = |(value, group): (String, Group)| {
            let mut row = group_object(&group, span_ms);
            row["value"] = value.into();
            row
        };
        object["by"] = name.into();
        object["groups"] = groups.into_iter().chain(rest).map(row).collect();
    }
    let lane = |lane: &Lane| {
        json!({
            "stream": lane.stream.map(Stream::as_str), "epoch": lane.epoch,
            "worker": lane.worker, "records": lane.records, "first_seq": lane.first_seq,
            "last_seq": lane.last_seq, "holes": lane.holes(), "explained": lane.explained,
        })
    };
    let (damaged, newer) = records.unreadable();
    object["trust"] = json!({
        "records": found.sequences.lanes().map(|lane| lane.records).sum::<u64>(),
        "missed": records.missed(), "damaged": damaged, "newer": newer,
        "holes": found.sequences.lanes().map(Lane::holes).sum::<u64>(),
        "lanes": found.sequences.lanes().map(lane).collect::<Vec<_>>(),
    });
    object
}

/// A group, for programs.
fn group_object(group: &Group, span_ms: u64) -> Value {
    let [none, c1, c2, c3, c4, c5] = group.classes;
    let mut durations: serde_json::Map<_, _> = QUANTILES
        .iter()
        .map(|(name, quantile)| ((*name).to_owned(), group.duration_us(*quantile).into()))
        .collect();
    durations.insert("max".to_owned(), longest(group).into());
    json!({
        "requests": group.requests, "rate": rate(group.requests, span_ms),
        "success": group.success, "failure": group.failure, "unknown": group.unknown,
        "success_share": group.success_share(),
        "status": {"none": none, "1xx": c1, "2xx": c2, "3xx": c3, "4xx": c4, "5xx": c5},
        "duration_us": durations,
        "request_bytes": group.request_bytes, "response_bytes": group.response_bytes,
        "reused_share": group.reused_share(),
    })
}
