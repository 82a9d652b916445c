//! `docs/records.md`, written from the tables: fields, vocabularies, proof of completeness.

use std::fmt::Write as _;

use super::dataset::KIND_FIELD;
use super::document::{ORIGIN_FIELDS, Stream};
use super::schema::FieldSpec;
use super::termination::{Outcome, Phase, Reason, Who};

/// The head of the page.
const HEAD: &str = "\
# Records

<!-- Generated from the tables in src/record; `UPDATE=1 cargo test --test tidy` rewrites it. -->

Everything lbproxy tells leaves it as a record: one for each request, one for each connection that ended
without a request that could be read, one for each gap, each check of the heartbeat, each sample of the
process, and rollups, which add requests up by minute. A record is a document in the data stream of its
kind, and a line of `lbproxy log`. Where a data stream holds several kinds, `lbproxy.kind` tells them apart.

- Absent means *did not happen*: never -1, never `-`, never 0 for unknown.
- `@timestamp` is the end of what the record tells of, so a minute, once past, is closed for good.
- `event.duration` is in nanoseconds, as ECS asks; every other time is in the unit that its name ends in:
  `us`, `ms` or `seconds`.
- Names are those of [ECS](https://www.elastic.co/guide/en/ecs/current/) where ECS has one, else
  `lbproxy.*`. The last column but one is the name in OpenTelemetry's semantic conventions.
- A longer text than the limit in its type is cut there, at a character.
- The number of a field is its place in the journal's binary form: it never changes and is never used
  again. A field without a number is not in the journal, but made when the document is written.
";

/// What follows the access record's table.
const TIMELINE: &str = "
The times of one request, in order; look-up, connect and TLS only if the request opened its connection:

```text
 previous end      first byte     head complete                             response head        last byte
      |--- idle_us ---|-- head_us --|-- queue_us, dns_us, connect_us, tls_us --|-- response_us --|
                      |             |-- self_us: what is left of this --| first_byte_us |        |
                      |---- body_us (the upload; overlaps with all) ----|                        |
                      |------------------------- event.duration ---------------------------------|
```

For every record `head_us + queue_us + dns_us + connect_us + tls_us + first_byte_us + response_us` (the
`tls_us` of upstream) is at most the duration, and `lbproxy.upstream.reused: true` means that there is no
connect time. Time in the kernel's socket buffers is not seen: the last byte is handed over when the
system has taken it, not when the client has read it.
";

/// What follows the rollup's table.
const ROLLUPS: &str = "
`@timestamp` is the start of the window here, so that a rollup falls into the same bucket of a date
histogram as the requests it counts. Add rollups up, whatever the part: sums over them are sums over the
access records. Percentiles of several rollups come from their histograms, added value by value; where the
server has no `histogram` type, the arrays `values` and `counts` are in the document and not indexed. A
window without requests has no rollup. More in `docs/rollups.md`.
";

/// How to prove that nothing is missing.
const COMPLETENESS: &str = "
## Proof of completeness

Within one data stream, `lbproxy.kind` (where there is one), `lbproxy.instance`, `lbproxy.epoch` and
`lbproxy.worker`, records are numbered 1, 2, 3 … in `lbproxy.seq`. So nothing is missing exactly when

```text
max(lbproxy.seq) − min(lbproxy.seq) + 1 = count        and        min(lbproxy.seq) = 1
```

A record that found no space in the journal uses up its number too, and a gap record in the health stream
then says which numbers are missing and why: `lbproxy.gap.first_seq` and `lbproxy.gap.count` of
`lbproxy.gap.stream`, and of which start (`lbproxy.gap.epoch`) when that one ended before it could tell:
then they are behind the highest number that is stored. What the formula lacks must be what the gaps say, to the last record. A document's
`_id` is made of its time and place in the journal, so a document sent twice is stored once.

```text
POST logs-lbproxy.access-default/_search
{
  \"size\": 0,
  \"aggs\": {\"instance\": {\"terms\": {\"field\": \"lbproxy.instance\", \"size\": 1000}, \"aggs\": {
    \"epoch\": {\"terms\": {\"field\": \"lbproxy.epoch\", \"size\": 1000}, \"aggs\": {
      \"worker\": {\"terms\": {\"field\": \"lbproxy.worker\", \"size\": 256}, \"aggs\": {
        \"first\": {\"min\": {\"field\": \"lbproxy.seq\"}},
        \"last\": {\"max\": {\"field\": \"lbproxy.seq\"}},
        \"count\": {\"value_count\": {\"field\": \"lbproxy.seq\"}}
      }}
    }}
  }}}
}
```

Do not limit the search to a time: records end in another order than they began, and a limit cuts through
the numbers. Retention does the same at the old end: there `min` is higher than 1 and the first half of the
formula still holds. At the new end, what the journal still holds is on `/metrics`.
";

/// The page.
pub fn records_markdown() -> String {
    let mut page = String::from(HEAD);
    for stream in Stream::ALL {
        let title = match stream {
            Stream::Access => "Access: one request and its response",
            Stream::Connection => "Connection: one that ended without a request that could be read",
            Stream::Gap => "Gap: records that the journal had no space for",
            Stream::Heartbeat => "Heartbeat: a check of a listener or endpoint, a change of state",
            Stream::Process => "Process: a sample of the process, a worker or an endpoint",
            Stream::Rollup => "Rollup: requests of one minute, by service, route and endpoint",
            Stream::Slo => "SLO: one minute of one objective, by group",
        };
        let name = stream.data_stream("NAMESPACE");
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {title}\n\nStream `{name}`.\n\n");
        table(&mut page, &[stream.fields(), stream.derived_fields()].concat());
        if stream == Stream::Access {
            page += TIMELINE;
        }
        if stream == Stream::Rollup {
            page += ROLLUPS;
        }
    }
    page += "\n## In every document\n\n";
    table(&mut page, &[&[KIND_FIELD], ORIGIN_FIELDS].concat());
    terminations(&mut page);
    page += COMPLETENESS;
    page
}

/// The table of some fields.
fn table(page: &mut String, fields: &[FieldSpec]) {
    *page += "| # | Field | Type | Unit | OpenTelemetry | Meaning |\n|---|---|---|---|---|---|\n";
    for field in fields {
        let number = match field.id {
            u8::MAX => String::new(),
            id => id.to_string(),
        };
        let limit = match field.kind.ignore_above {
            0 => String::new(),
            longest => format!(" ≤ {longest}"),
        };
        let doc = field.doc;
        let keys = match field.parts {
            [] => String::new(),
            parts if parts.len() <= 10 => {
                let names: Vec<_> = parts.iter().map(|part| format!("`{}`", part.name)).collect();
                format!(" Keys: {}.", names.join(", "))
            }
            [first, second, ..] => format!(" Keys: `{}`, `{}` …", first.name, second.name),
            [_] => String::new(),
        };
        let otel = if field.otel.is_empty() { String::new() } else { format!("`{}`", field.otel) };
        let _ = writeln!(
            page,
            "| {number} | `{}` | {}{limit} | {} | {otel} | {doc}{keys} |",
            field.path, field.kind.index_type, field.kind.unit
        );
    }
}

/// Who × phase, reasons, outcomes.
fn terminations(page: &mut String) {
    *page += "
## How it ended

`lbproxy.termination.state` is two letters: who ended it, and in which phase. `sH` is an endpoint that was
too slow while lbproxy waited for its response head; `--` is a normal end.

| First letter | Who |
|---|---|
";
    for who in Who::ALL {
        let _ = writeln!(page, "| `{}` | {} |", char::from(who.letter()), who.meaning());
    }
    *page += "\n| Second letter | Phase |\n|---|---|\n";
    for phase in Phase::ALL {
        let _ = writeln!(page, "| `{}` | {} |", char::from(phase.letter()), phase.meaning());
    }
    *page += "\n`lbproxy.termination.reason` is one of these, and goes on somebody's account:\n\n";
    *page += "| # | Reason | On whose account | Meaning |\n|---|---|---|---|\n";
    for reason in Reason::ALL {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            reason.to_u8(),
            reason.as_str(),
            reason.blame().as_str(),
            reason.meaning()
        );
    }
    *page += "\n`event.outcome` follows from status and reason: `unknown` when the downstream left or did not
read the response; else `failure` for 5xx and for whatever goes on the account of endpoint or proxy; else
`success`, 4xx included.\n\n| Outcome | Meaning |\n|---|---|\n";
    for outcome in Outcome::ALL {
        let _ = writeln!(page, "| `{}` | {} |", outcome.as_str(), outcome.meaning());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_field_and_every_word() {
        let page = records_markdown();
        let paths = Stream::ALL.iter().flat_map(|stream| stream.document_fields());
        for path in paths.map(|field| field.path) {
            assert!(page.contains(&format!("| `{path}` |")), "{path}");
        }
        for reason in Reason::ALL {
            assert!(page.contains(&format!("| `{}` |", reason.as_str())), "{reason:?}");
        }
        let lines = page.lines().filter(|line| line.starts_with('|'));
        for line in lines {
            assert!(line.ends_with('|') && !line.contains("||"), "{line}");
        }
    }
}
