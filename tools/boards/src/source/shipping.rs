//! Board 9: whether what was recorded has arrived.

use lbproxy::record::Dataset;

use super::super::model::{Board, Control, Form, Metric, Unit, Value, metric, panel, row, split};
use super::{COUNT, LAG_MAX_S, PROCESS, UNTRUE, color};

/// What a total since start has risen by.
const fn rise(label: &'static str, field: &'static str) -> Metric {
    metric(label, Value::Rise(field), Unit::Records).per_second()
}

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "shipping",
    title: "lbproxy 9 Shipping and completeness",
    question: "Is every record here, and if not, where is it?",
    range: "6h",
    controls: &[Control::Instance],
    rows: &[
        row(
            7,
            &[
                panel(
                    "age",
                    "Shipping lag",
                    "How late are these boards? \
                     Age of the oldest record that still waits, at its worst in this range.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "age",
                        Value::Max("lbproxy.ship.oldest_pending_seconds"),
                        Unit::Seconds,
                    )],
                )
                .amber_above(LAG_MAX_S, "boards are behind")
                .only(PROCESS)
                .wide(12),
                panel(
                    "dead",
                    "Refused records",
                    "Was anything refused for good? \
                     Refused in this range: in the dead letters, each with its reason.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "records",
                        Value::Sum("lbproxy.records.dead_letter_new"),
                        Unit::Records,
                    )],
                )
                .amber_above(0.0, UNTRUE)
                .only(PROCESS)
                .wide(12),
                panel(
                    "gaps",
                    "Missing records",
                    "Was anything lost? \
                     Records that found no space, as the gap records say. 0 is the promise.",
                    Dataset::Health,
                    Form::Figure,
                    &[metric("records", Value::Sum("lbproxy.gap.count"), Unit::Records)],
                )
                .amber_above(0.0, UNTRUE)
                .only("lbproxy.kind: gap")
                .wide(12),
                panel(
                    "away",
                    "Samples without a server",
                    "Was there a server? \
                     Samples at which no server took records.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric("samples", Value::Count(""), Unit::Count)],
                )
                .amber_above(0.0, "boards are behind")
                .only("metricset.name: process and lbproxy.ship.connected: false")
                .wide(12),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "way-time",
                    "Records made and stored",
                    "Does storing keep up with making? \
                     Records per second: journaled and acknowledged run together, or the backlog grows.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        rise("journaled", "lbproxy.records.journaled").in_color(color::QUIET),
                        rise("acknowledged", "lbproxy.records.acknowledged")
                            .in_color(color::ACCENT),
                    ],
                )
                .only(PROCESS)
                .wide(24),
                panel(
                    "backlog-time",
                    "Backlog",
                    "How much waits? \
                     Records in the journal that are not settled yet.",
                    Dataset::Process,
                    Form::Lines,
                    &[metric("pending", Value::Max("lbproxy.records.pending"), Unit::Records)
                        .in_color(color::CLIENT)],
                )
                .only(PROCESS)
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "bad-time",
                    "Records not plainly stored",
                    "Does anything go wrong on the way? \
                     Records per second that are not plainly stored.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        rise("dead letter", "lbproxy.records.dead_letter").in_color(color::BAD),
                        rise("failure store", "lbproxy.records.failure_store")
                            .in_color(color::CLIENT),
                        rise("duplicate", "lbproxy.records.duplicate").in_color(color::CALM),
                        rise("dropped, journal full", "lbproxy.records.dropped_full")
                            .in_color(color::ACCENT),
                    ],
                )
                .only(PROCESS)
                .wide(24),
                panel(
                    "journal-time",
                    "Journal usage",
                    "Is there room in the journal? \
                     Bytes that a reader still needs, and the most that there may be.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        metric("used", Value::Max("lbproxy.journal.used.bytes"), Unit::Bytes)
                            .in_color(color::ACCENT),
                        metric(
                            "capacity",
                            Value::Max("lbproxy.journal.capacity.bytes"),
                            Unit::Bytes,
                        )
                        .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS)
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "sequence",
                    "Sequence numbers",
                    "Is any number missing? \
                     Nothing is missing where last - first + 1 is the number of requests; at the edges of the \
                     range a few may be on the other side.",
                    Dataset::Access,
                    Form::Table,
                    &[
                        COUNT,
                        metric("first", Value::Min("lbproxy.seq"), Unit::Count),
                        metric("last", Value::Max("lbproxy.seq"), Unit::Count),
                    ],
                )
                .by(&[
                    split("lbproxy.instance", "Instance", 20),
                    split("lbproxy.epoch", "Start", 20),
                    split("lbproxy.worker", "Worker", 32),
                ])
                .wide(24),
                panel(
                    "gap-records",
                    "Gap records",
                    "Which numbers are known to be missing? \
                     Gap records: first number, how many, why.",
                    Dataset::Health,
                    Form::Records(&[
                        "lbproxy.instance",
                        "lbproxy.gap.worker",
                        "lbproxy.gap.stream",
                        "lbproxy.gap.first_seq",
                        "lbproxy.gap.count",
                        "lbproxy.gap.reason",
                    ]),
                    &[],
                )
                .only("lbproxy.kind: gap")
                .wide(24),
            ],
        ),
    ],
};
