//! Board 7: the proxy's own resources, from its samples.

use lbproxy::record::Dataset;

use super::super::model::{
    Board, Control, Form, Join, Metric, Unit, Value, metric, panel, row, split,
};
use super::{PROCESS, color};

/// Highest value of the samples in a bucket: a peak is not averaged away.
const fn peak(label: &'static str, field: &'static str, unit: Unit) -> Metric {
    metric(label, Value::Max(field), unit)
}

const fn now(label: &'static str, field: &'static str, unit: Unit, join: Join) -> Metric {
    metric(label, Value::Last(field, join), unit)
}

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "process",
    title: "lbproxy 7 Process and pool",
    question: "How close is the proxy to an edge of its own?",
    range: "6h",
    controls: &[Control::Instance],
    rows: &[
        row(
            7,
            &[
                panel(
                    "cpu",
                    "Saturation: CPU usage",
                    "Are there cores left? \
                     Of the busiest instance, of its whole host: 100 % is every core.",
                    Dataset::Process,
                    Form::Figure,
                    &[now(
                        "of the host",
                        "system.process.cpu.total.norm.pct",
                        Unit::Share,
                        Join::Highest,
                    )],
                )
                .only(PROCESS)
                .wide(12),
                panel(
                    "memory",
                    "Saturation: memory usage",
                    "Is there memory left? \
                     Resident, as a share of the host's, of the instance that has most.",
                    Dataset::Process,
                    Form::Figure,
                    &[now(
                        "resident",
                        "system.process.memory.rss.pct",
                        Unit::Share,
                        Join::Highest,
                    )],
                )
                .only(PROCESS)
                .wide(12),
                panel(
                    "in-flight",
                    "Saturation: requests in flight",
                    "How much is under way? \
                     Exchanges that have begun and not ended, on all instances together.",
                    Dataset::Process,
                    Form::Figure,
                    &[now("exchanges", "lbproxy.requests.in_flight", Unit::Requests, Join::Sum)],
                )
                .only(PROCESS)
                .wide(12),
                panel(
                    "uptime",
                    "Uptime",
                    "Since when does the youngest run? \
                     Since the last start of any instance.",
                    Dataset::Process,
                    Form::Figure,
                    &[now("since start", "process.uptime", Unit::Seconds, Join::Lowest)],
                )
                .only(PROCESS)
                .wide(12),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "cpu-time",
                    "CPU usage over time",
                    "How busy are process and host? \
                     Share of all cores. The rest of the host's is somebody else's.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("lbproxy", "system.process.cpu.total.norm.pct", Unit::Share)
                            .in_color(color::ACCENT),
                        peak("host", "system.cpu.total.norm.pct", Unit::Share)
                            .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS)
                .wide(24),
                panel(
                    "worker-time",
                    "CPU usage by worker",
                    "Is one worker busier than the others? \
                     CPU of each worker: 100 % is one core, and the end of what it can do.",
                    Dataset::Process,
                    Form::Lines,
                    &[peak("cpu", "system.process.cpu.total.pct", Unit::Share)],
                )
                .only("metricset.name: worker")
                .by(&[split("lbproxy.sample.worker", "Worker", 16)])
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "memory-time",
                    "Memory by use",
                    "Where is the memory? \
                     Resident memory, the heap in it, and the journal's mapped segments.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("resident", "system.process.memory.rss.bytes", Unit::Bytes)
                            .in_color(color::ACCENT),
                        peak("heap", "lbproxy.memory.heap.allocated.bytes", Unit::Bytes)
                            .in_color(color::CALM),
                        peak("journal", "lbproxy.memory.journal_mapped.bytes", Unit::Bytes)
                            .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS)
                .wide(24),
                panel(
                    "bandwidth-time",
                    "Bandwidth of the busiest instance",
                    "How many bytes cross? \
                     Bytes per second, highest of each bucket, on both sides; for all instances see Overview.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("to clients", "lbproxy.downstream.sent.bytes_per_second", Unit::Bytes),
                        peak(
                            "from clients",
                            "lbproxy.downstream.received.bytes_per_second",
                            Unit::Bytes,
                        ),
                        peak("to endpoints", "lbproxy.upstream.sent.bytes_per_second", Unit::Bytes),
                        peak(
                            "from endpoints",
                            "lbproxy.upstream.received.bytes_per_second",
                            Unit::Bytes,
                        ),
                    ],
                )
                .only(PROCESS)
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "connections-time",
                    "Connections and requests in flight",
                    "How many are connected and under way? \
                     Downstream connections open, exchanges under way, and those that wait in line for a \
                     place in flight.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("connections", "lbproxy.connections.open", Unit::Count)
                            .in_color(color::CALM),
                        peak("exchanges", "lbproxy.requests.in_flight", Unit::Requests)
                            .in_color(color::ACCENT),
                        peak("waiting", "lbproxy.requests.queued", Unit::Count)
                            .in_color(color::BAD),
                    ],
                )
                .only(PROCESS),
                panel(
                    "descriptors-time",
                    "File descriptors",
                    "Are there descriptors left? \
                     File descriptors open, and the most that may be.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("open", "system.process.fd.open", Unit::Count).in_color(color::ACCENT),
                        peak("limit", "system.process.fd.limit.soft", Unit::Count)
                            .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS),
                panel(
                    "delay-time",
                    "Event loop delay",
                    "Do the workers keep up? \
                     How late a worker came to a timer: time that requests wait without being looked at.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        peak("longest", "lbproxy.loop_delay.max_us", Unit::Ms)
                            .in_color(color::ACCENT),
                        peak("mean", "lbproxy.loop_delay.mean_us", Unit::Ms)
                            .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "pool-time",
                    "Pooled connections in use",
                    "Are pooled connections used? \
                     Upstream connections by endpoint that carry an exchange.",
                    Dataset::Process,
                    Form::Lines,
                    &[peak("active", "lbproxy.pool.active", Unit::Connections)],
                )
                .only("metricset.name: endpoint")
                .by(&[split("lbproxy.endpoint", "Endpoint", 12)])
                .wide(24),
                panel(
                    "pool",
                    "Connection pools",
                    "How is each endpoint's pool? \
                     Connections opened since start, and the most of each kind in this range.",
                    Dataset::Process,
                    Form::Table,
                    &[
                        peak("opened", "lbproxy.pool.opened", Unit::Connections),
                        peak("active", "lbproxy.pool.active", Unit::Connections),
                        peak("idle", "lbproxy.pool.idle", Unit::Connections),
                    ],
                )
                .only("metricset.name: endpoint")
                .by(&[
                    split("lbproxy.service", "Service", 10),
                    split("lbproxy.endpoint", "Endpoint", 20),
                ])
                .wide(24),
            ],
        ),
    ],
};
