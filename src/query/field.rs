//! The fields that can be asked for, by document path or by a short name.
//!
//! Every row of the record tables is here by itself: its path, and its name in the table for short
//! (`status`, `first_byte_us`). [`SHORTER`] adds what people would type instead. Not here: values
//! (`row`), what can be asked of a field (`parse`).

use std::sync::LazyLock;

use crate::base::nearest::nearest;
use crate::record::{FieldSpec, KIND_FIELD, ORIGIN_FIELDS, Outcome, Reason, Stream};

/// Names people type, beside those of the tables: name, path.
const SHORTER: &[(&str, &str)] = &[
    ("time", "@timestamp"),
    ("host", "url.domain"),
    ("bytes", "http.response.bytes"),
    ("dns", "lbproxy.upstream.dns_us"),
    ("connect", "lbproxy.upstream.connect_us"),
    ("first_byte", "lbproxy.upstream.first_byte_us"),
    ("upstream_total", "lbproxy.upstream.total_us"),
    ("idle", "lbproxy.time.idle_us"),
    ("head", "lbproxy.time.head_us"),
    ("queue", "lbproxy.time.queue_us"),
    ("response", "lbproxy.time.response_us"),
    ("self", "lbproxy.time.self_us"),
    ("tls", "lbproxy.time.tls_us"),
    ("source", "source.ip"),
    ("client", "client.ip"),
    ("agent", "user_agent.original"),
    ("connection", "lbproxy.connection.id"),
    ("request", "lbproxy.connection.requests"),
    ("trace", "trace.id"),
    ("node", "service.node.name"),
];

/// What a value of a field is, and so what can be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, several texts, or a word.
    Text,
    /// A number without a unit.
    Number,
    /// A status: a number with classes such as `5xx`.
    Status,
    /// A share or rate: a number with a fraction.
    Share,
    /// Bytes.
    Size,
    /// A span of time.
    Span,
    /// An instant.
    Time,
    /// Yes or no.
    Flag,
    /// An IP address.
    Address,
}

impl Kind {
    /// Of a row of the tables.
    fn of(spec: &FieldSpec) -> Self {
        match (spec.kind.index_type, spec.kind.unit) {
            ("date" | "date_range", _) => Self::Time,
            ("float", _) => Self::Share,
            ("boolean", _) => Self::Flag,
            ("object", _) => Self::Number,
            ("ip", _) => Self::Address,
            ("keyword", _) => Self::Text,
            ("short", _) => Self::Status,
            (_, "µs" | "ns") => Self::Span,
            (_, "bytes") => Self::Size,
            _ => Self::Number,
        }
    }
}

/// Where the value of a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the record: its number in each kind of record, in the order of [`Stream::ALL`].
    Record([Option<u8>; Stream::ALL.len()]),
    /// Made of the fields of this kind of record: the name in [`Stream::derived_fields`].
    Derived(Stream, &'static str),
    /// In what surrounds the record: the name in [`ORIGIN_FIELDS`].
    Origin(&'static str),
    /// The kind of record itself.
    Stream,
}

/// A field of one or more kinds of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Key in documents.
    pub path: &'static str,
    /// The name to show for short.
    pub short: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
    pub(super) place: Place,
}

/// Every field, in the order of the tables.
pub fn fields() -> &'static [Field] {
    static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(collect);
    &FIELDS
}

/// Every name that is understood: short ones first, then paths.
pub static FIELD_NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<_> = SHORTER.iter().map(|(name, _)| *name).collect();
    names.extend(table_names().map(|(name, _)| name));
    names.extend(fields().iter().map(|field| field.path));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
});

/// Names in the tables with their paths.
fn table_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    Stream::ALL
        .into_iter()
        .flat_map(Stream::document_fields)
        .map(|spec| (spec.rust, spec.path))
        .chain([("stream", "stream")])
}

/// Joins the tables of all kinds by path.
fn collect() -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut add = |spec: &FieldSpec, place: Place| {
        let shorter = SHORTER.iter().find(|(_, path)| *path == spec.path);
        let short = shorter.map_or(spec.rust, |(name, _)| name);
        let (path, kind, doc) = (spec.path, Kind::of(spec), spec.doc);
        fields.push(Field { path, short, kind, doc, place });
        fields.len() - 1
    };
    let mut places: Vec<(&str, usize, [Option<u8>; Stream::ALL.len()])> = Vec::new();
    for (number, stream) in Stream::ALL.into_iter().enumerate() {
        for spec in stream.fields() {
            let known = places.iter().position(|(path, ..)| *path == spec.path);
            let index = known.unwrap_or_else(|| {
                let ids = [None; Stream::ALL.len()];
                places.push((spec.path, add(spec, Place::Record(ids)), ids));
                places.len() - 1
            });
            places[index].2[number] = Some(spec.id);
        }
    }
    for stream in Stream::ALL {
        for spec in stream.derived_fields() {
            add(spec, Place::Derived(stream, spec.rust));
        }
    }
    for spec in ORIGIN_FIELDS {
        add(spec, Place::Origin(spec.rust));
    }
    add(&KIND_FIELD, Place::Stream);
    for (_, index, ids) in places {
        fields[index].place = Place::Record(ids);
    }
    fields.push(Field {
        path: "stream",
        short: "stream",
        kind: Kind::Text,
        doc: "Kind of the record: access, connection, gap, heartbeat, process, rollup or slo.",
        place: Place::Stream,
    });
    fields
}

/// A name that no field has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a field; {}", crate::base::visible::visible(.name.as_bytes()), .cure)]
pub struct UnknownField {
    /// The name.
    pub name: String,
    /// What to write instead.
    pub cure: String,
}

impl Field {
    /// The field with that path or short name.
    ///
    /// # Errors
    /// [`UnknownField`] with the nearest name.
    pub fn find(name: &str) -> Result<&'static Self, UnknownField> {
        let names = || SHORTER.iter().copied().chain(table_names());
        let path = names().find(|(short, _)| *short == name).map_or(name, |(_, path)| path);
        fields().iter().find(|field| field.path == path).ok_or_else(|| {
            let near = nearest(name, FIELD_NAMES.iter().copied());
            let cure = near.map_or_else(
                || "`lbproxy schema record` lists the fields".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            UnknownField { name: name.to_owned(), cure }
        })
    }

    /// What has to be read of a record of this kind to know it, for [`Row::read_some`](super::Row).
    pub fn bits(&self, stream: Stream) -> u128 {
        match self.place {
            Place::Record(ids) => ids[stream.place()].map_or(0, |id| 1 << id),
            Place::Derived(of, _) if of == stream => u128::MAX,
            Place::Derived(..) | Place::Origin(_) | Place::Stream => 0,
        }
    }

    /// The words that it can hold, when they are a closed list.
    pub(super) fn words(&self) -> Option<Vec<&'static str>> {
        match self.path {
            "lbproxy.termination.reason" => Some(Reason::ALL.iter().map(|r| r.as_str()).collect()),
            "event.outcome" => Some(Outcome::ALL.iter().map(|o| o.as_str()).collect()),
            "stream" | "lbproxy.kind" => Some(Stream::ALL.iter().map(|s| s.as_str()).collect()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_name_means_one_field_and_every_path_is_one() {
        for name in FIELD_NAMES.iter() {
            assert!(Field::find(name).is_ok(), "{name}");
        }
        let mut paths = HashMap::new();
        for (name, path) in SHORTER.iter().copied().chain(table_names()) {
            assert_eq!(*paths.entry(name).or_insert(path), path, "{name} would mean two fields");
            assert_eq!(Field::find(name).unwrap().path, path, "{name}");
        }
        for spec in Stream::ALL.into_iter().flat_map(Stream::document_fields) {
            let field = Field::find(spec.path).unwrap();
            assert_eq!(Kind::of(spec), field.kind, "{} is two kinds of thing", spec.path);
            assert_eq!(Field::find(field.short).unwrap(), field, "{}", field.short);
        }
    }

    #[test]
    fn kinds_follow_the_tables() {
        for (name, want) in [
            ("status", Kind::Status),
            ("upstream_status", Kind::Status),
            ("duration", Kind::Span),
            ("connect", Kind::Span),
            ("bytes", Kind::Size),
            ("attempts", Kind::Number),
            ("reused", Kind::Flag),
            ("client", Kind::Address),
            ("@timestamp", Kind::Time),
            ("url.path", Kind::Text),
            ("attempt_reasons", Kind::Text),
            ("stream", Kind::Text),
            ("seq", Kind::Number),
            ("cpu", Kind::Share),
            ("monitor_timespan", Kind::Time),
        ] {
            assert_eq!(Field::find(name).unwrap().kind, want, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_offers_the_nearest() {
        for (name, want) in
            [("statsu", "did you mean `status`?"), ("zzz\x1b", "`zzz\\x1b` is not a field")]
        {
            let text = Field::find(name).unwrap_err().to_string();
            assert!(text.contains(want), "{text}");
        }
    }
}
