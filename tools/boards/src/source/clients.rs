//! Board 6: who asks, how, and over which TLS; from records, bad requests from connections.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Metric, Unit, Value, metric, panel, row, split};
use super::{COUNT, OF_REQUESTS};

/// What clients were sent.
const SENT: Metric = metric("sent", Value::Sum("http.response.bytes"), Unit::Bytes);
const CONNECTIONS: Metric = metric("connections", Value::Count(""), Unit::Connections);

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "clients",
    title: "lbproxy 6 Clients and TLS",
    question: "Who asks, for what, over which TLS, and who asks badly?",
    range: "1h",
    controls: OF_REQUESTS,
    rows: &[
        row(
            7,
            &[
                panel(
                    "different",
                    "Unique clients",
                    "How many ask? \
                     Addresses that asked, as far as they are believed.",
                    Dataset::Access,
                    Form::Figure,
                    &[metric("clients", Value::Distinct("client.ip"), Unit::Count)],
                ),
                panel(
                    "bad",
                    "Connections without a request",
                    "How many ask badly? \
                     Connections that ended without a request that could be read.",
                    Dataset::Connection,
                    Form::Figure,
                    &[CONNECTIONS],
                )
                .whole(),
                panel(
                    "handshake",
                    "TLS handshake time",
                    "What does TLS cost? \
                     Mean time from the accepted connection to the end of the handshake.",
                    Dataset::Access,
                    Form::Figure,
                    &[metric("mean", Value::Mean("lbproxy.time.tls_us"), Unit::Ms)],
                ),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "methods",
                    "Requests by method",
                    "Which methods? \
                     Requests by method.",
                    Dataset::Access,
                    Form::Bars,
                    &[COUNT],
                )
                .by(&[split("http.request.method", "Method", 10)]),
                panel(
                    "versions",
                    "Requests by HTTP version",
                    "Which HTTP? \
                     Requests by version of HTTP.",
                    Dataset::Access,
                    Form::Bars,
                    &[COUNT],
                )
                .by(&[split("http.version", "HTTP", 5)]),
                panel(
                    "tls",
                    "Requests by TLS version",
                    "Which TLS? \
                     Requests by version of TLS; those in the clear are left out.",
                    Dataset::Access,
                    Form::Bars,
                    &[COUNT],
                )
                .by(&[split("tls.version", "TLS", 5)]),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "clients",
                    "Top clients",
                    "Which clients? \
                     By requests, with the bytes that they were sent.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, SENT],
                )
                .by(&[split("client.ip", "Client", 20)]),
                panel(
                    "agents",
                    "Top user agents",
                    "Which programs? \
                     By requests.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT],
                )
                .by(&[split("user_agent.original", "Agent", 20)]),
                panel(
                    "ciphers",
                    "TLS ciphers",
                    "Which ciphers? \
                     By requests: what may be switched off, and whom it would hurt.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT],
                )
                .by(&[split("tls.version", "TLS", 5), split("tls.cipher", "Cipher", 10)]),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "paths",
                    "Top URL paths",
                    "What is asked for? \
                     By requests, with the bytes that clients were sent.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, SENT],
                )
                .by(&[split("url.path", "Path", 20)])
                .wide(24),
                panel(
                    "hosts",
                    "Top hosts",
                    "Of which host? \
                     By requests, with the bytes that clients were sent.",
                    Dataset::Access,
                    Form::Table,
                    &[COUNT, SENT],
                )
                .by(&[split("url.domain", "Host", 20)])
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "bad-time",
                    "Connections without a request, by reason",
                    "Who asks badly, and since when? \
                     Connections without a readable request, by reason.",
                    Dataset::Connection,
                    Form::Bars,
                    &[CONNECTIONS],
                )
                .by(&[split("lbproxy.termination.reason", "Reason", 10)])
                .whole()
                .wide(24),
                panel(
                    "bad-clients",
                    "Peers without a request",
                    "From where? \
                     By connections: a scanner has many, a client with an old TLS always the same reason.",
                    Dataset::Connection,
                    Form::Table,
                    &[CONNECTIONS],
                )
                .by(&[
                    split("source.ip", "Peer", 20),
                    split("lbproxy.termination.reason", "Reason", 10),
                ])
                .whole()
                .wide(24),
            ],
        ),
    ],
};
