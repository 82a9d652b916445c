//! Data streams: where the documents of one or several kinds of record are kept.
//!
//! A *kind* ([`Stream`]) has a table, a number in the journal and a sequence of its own. A *dataset*
//! has a name, an index template and a retention; its fields are those of all its kinds. Not here:
//! templates (`elk`).

use super::document::ORIGIN_FIELDS;
use super::value::{Field as _, FieldKind, Text};
use super::{FieldSpec, Stream};

/// A data stream without its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// Requests.
    Access,
    /// Connections without a readable request.
    Connection,
    /// What tells of lbproxy's own state: gaps, heartbeats.
    Health,
    /// Samples of the process.
    Process,
    /// Requests added up by minute.
    Rollup,
    /// What objectives saw, by minute.
    Slo,
}

/// Tells the kinds of one dataset apart; not in documents whose dataset holds a single kind.
pub const KIND_FIELD: FieldSpec = FieldSpec {
    id: u8::MAX,
    rust: "kind",
    path: "lbproxy.kind",
    kind: FieldKind { ..Text::<'static, 16>::KIND },
    parts: &[],
    otel: "",
    doc: "Kind of the record, in data streams that hold several (health): each is numbered for itself.",
};

impl Dataset {
    /// All datasets.
    pub const ALL: [Self; 6] =
        [Self::Access, Self::Connection, Self::Health, Self::Process, Self::Rollup, Self::Slo];

    /// First part of the data stream's name; the namespace follows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "logs-lbproxy.access",
            Self::Connection => "logs-lbproxy.connection",
            Self::Health => "logs-lbproxy.health",
            Self::Process => "metrics-lbproxy.process",
            Self::Rollup => "metrics-lbproxy.rollup",
            Self::Slo => "metrics-lbproxy.slo",
        }
    }

    /// Its word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Connection => "connection",
            Self::Health => "health",
            Self::Process => "process",
            Self::Rollup => "rollup",
            Self::Slo => "slo",
        }
    }

    /// The kinds of record in it.
    pub const fn kinds(self) -> &'static [Stream] {
        match self {
            Self::Access => &[Stream::Access],
            Self::Connection => &[Stream::Connection],
            Self::Health => &[Stream::Gap, Stream::Heartbeat],
            Self::Process => &[Stream::Process],
            Self::Rollup => &[Stream::Rollup],
            Self::Slo => &[Stream::Slo],
        }
    }

    /// Name of the data stream.
    pub fn data_stream(self, namespace: &str) -> String {
        format!("{}-{namespace}", self.name())
    }

    /// Whether documents say of which kind they are.
    pub const fn has_several_kinds(self) -> bool {
        self.kinds().len() > 1
    }

    /// Every field that a document in it can have, each once: those of its kinds and what is
    /// made of them, then [`ORIGIN_FIELDS`].
    pub fn document_fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        let own = self.kinds().iter().enumerate().flat_map(move |(index, kind)| {
            let earlier = self.kinds().get(..index).unwrap_or_default();
            kind.fields().iter().filter(move |field| {
                !earlier.iter().flat_map(|kind| kind.fields()).any(|other| other.path == field.path)
            })
        });
        let derived = self.kinds().iter().flat_map(|kind| kind.derived_fields());
        own.chain(derived).chain(self.kind_field()).chain(ORIGIN_FIELDS)
    }

    /// [`KIND_FIELD`], where documents have it.
    pub(super) fn kind_field(self) -> Option<&'static FieldSpec> {
        self.has_several_kinds().then_some(&KIND_FIELD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_in_one_dataset_and_its_fields_are_there_once() {
        for stream in Stream::ALL {
            let homes: Vec<_> = Dataset::ALL
                .into_iter()
                .filter(|dataset| dataset.kinds().contains(&stream))
                .collect();
            assert_eq!(homes, [stream.dataset()], "{stream:?}");
        }
        for dataset in Dataset::ALL {
            let mut seen = std::collections::HashMap::new();
            for field in dataset.document_fields() {
                assert_eq!(seen.insert(field.path, field.kind), None, "{} twice", field.path);
            }
            for field in dataset.kinds().iter().flat_map(|kind| kind.document_fields()) {
                assert_eq!(seen.get(field.path), Some(&field.kind), "{}: one type", field.path);
            }
        }
    }
}
