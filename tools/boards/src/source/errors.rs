//! Board 4: what failed, for which reason, on whose account.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Metric, Unit, Value, metric, panel, row, split};
use super::{BEFORE, COUNT, OF_REQUESTS, color};

/// What is not well: failed, or left by the client, or refused.
const TROUBLE: &str = "not lbproxy.termination.reason: complete or event.outcome: failure \
                       or http.response.status_code >= 400";

/// Requests that were not served, and not by the client's doing.
const FAILED: Metric = metric("failed", Value::Count("event.outcome: failure"), Unit::Requests);

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "errors",
    title: "lbproxy 4 Errors and reasons",
    question: "What failed, why, on whose account, and which requests were they?",
    range: "1h",
    controls: OF_REQUESTS,
    rows: &[
        row(
            7,
            &[
                panel(
                    "failed",
                    "Failed requests",
                    "How many were not served? \
                     Requests that were not served, and not by the client's doing.",
                    Dataset::Access,
                    Form::Figure,
                    &[COUNT],
                )
                .only("event.outcome: failure"),
                panel(
                    "left",
                    "Client aborts",
                    "How many did not wait? \
                     Nobody knows how these would have ended.",
                    Dataset::Access,
                    Form::Figure,
                    &[COUNT],
                )
                .only("event.outcome: unknown"),
                panel(
                    "client",
                    "4xx answers",
                    "How many clients were mistaken? \
                     Served, with an answer that says the client was mistaken.",
                    Dataset::Access,
                    Form::Figure,
                    &[COUNT],
                )
                .only("http.response.status_code >= 400 and http.response.status_code < 500"),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "reason-time",
                    "Errors by reason",
                    "Why, and since when? \
                     Troubled requests by reason. New colours are new troubles.",
                    Dataset::Access,
                    Form::Bars,
                    &[COUNT],
                )
                .only(TROUBLE)
                .by(&[split("lbproxy.termination.reason", "Reason", 10)])
                .with_events()
                .wide(24),
                panel(
                    "status-time",
                    "Errors by status",
                    "With which status? \
                     Statuses from 400 that were sent.",
                    Dataset::Access,
                    Form::Bars,
                    &[COUNT],
                )
                .only("http.response.status_code >= 400")
                .by(&[split("http.response.status_code", "Status", 10)])
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "trouble-before",
                    "Errors, and a day before",
                    "Worse than yesterday? \
                     Troubled requests; what was there a day before is not new.",
                    Dataset::Access,
                    Form::Lines,
                    &[
                        COUNT.in_color(color::BAD),
                        COUNT.day_before(BEFORE).in_color(color::QUIET),
                    ],
                )
                .only(TROUBLE)
                .with_events()
                .wide(24),
                panel(
                    "reason-before",
                    "Reasons, and a day before",
                    "What is new since yesterday? \
                     Reasons now and a day before: one that was not there then is new.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, COUNT.day_before(BEFORE)],
                )
                .only(TROUBLE)
                .by(&[split("lbproxy.termination.reason", "Reason", 20)])
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "state",
                    "Termination states",
                    "Who ended it, and in which phase? \
                     First letter who (C client, S endpoint, s endpoint too slow, P policy, D none in \
                     rotation), second letter when (R request, Q queue, C connect, H head, D data).",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT],
                )
                .only(TROUBLE)
                .by(&[
                    split("lbproxy.termination.state", "State", 10),
                    split("lbproxy.termination.reason", "Reason", 10),
                ]),
                panel(
                    "endpoint",
                    "Errors by endpoint",
                    "Which endpoint? \
                     Troubled requests by the endpoint of their last attempt.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, FAILED],
                )
                .only(TROUBLE)
                .by(&[
                    split("lbproxy.service", "Service", 8),
                    split("lbproxy.endpoint", "Endpoint", 10),
                ]),
                panel(
                    "route",
                    "Errors by route",
                    "Which route? \
                     Troubled requests by route and status.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT],
                )
                .only(TROUBLE)
                .by(&[
                    split("lbproxy.route", "Route", 10),
                    split("http.response.status_code", "Status", 10),
                ]),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "paths",
                    "Errors by URL path",
                    "Which URLs? \
                     Troubled requests by path, with those that failed.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, FAILED],
                )
                .only(TROUBLE)
                .by(&[
                    split("url.path", "Path", 20),
                    split("http.response.status_code", "Status", 5),
                ])
                .wide(24),
                panel(
                    "hosts",
                    "Errors by host",
                    "Which hosts? \
                     Troubled requests by the host that was asked for, with those that failed.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, FAILED],
                )
                .only(TROUBLE)
                .by(&[
                    split("url.domain", "Host", 20),
                    split("lbproxy.termination.reason", "Reason", 5),
                ])
                .wide(24),
            ],
        ),
        row(
            16,
            &[panel(
                "records",
                "Requests in trouble",
                "Which requests were they? \
                 Newest first. Open one for all its times. A trace's id leads to the trace, on Kibana.",
                Dataset::Access,
                Form::Records(&[
                    "lbproxy.service",
                    "lbproxy.endpoint",
                    "http.request.method",
                    "url.path",
                    "http.response.status_code",
                    "lbproxy.termination.reason",
                    "event.duration",
                    "client.ip",
                    "http.request.id",
                    "trace.id",
                ]),
                &[],
            )
            .only(TROUBLE)
            .wide(48)],
        ),
    ],
};
