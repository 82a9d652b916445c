//! The document of the lease: who holds it, and all that the next holder has to know.
//!
//! One document, so that one write both renews the lease and keeps the state, or neither. The state is the
//! evaluator's alerts and the notices that are not yet told, as bytes, compressed, in base64; counts are
//! not in it, for they are read from the records. Pure. Not here: requests (`store`), when it is written
//! (`watcher`).

use std::io::{Read as _, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::lease::{LeaseView, Sequence};
use crate::base::clock::millis;
use crate::slo::STATE_VERSION;

/// Largest state that is read, unpacked: far more than all objectives, groups and notices that there may be.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseDocument {
    /// Who wrote it; empty when the lease was released.
    pub(super) holder: String,
    /// Which of the holder's writes it is.
    pub(super) write: u64,
    pub(super) length: Duration,
    /// Of the evaluator; empty before anything was evaluated.
    pub(super) state: Vec<u8>,
}

/// Why a document cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnusableDocument {
    /// Of a newer lbproxy: it is left alone.
    Newer,
    /// Not what a watcher writes.
    Damaged,
}

impl LeaseDocument {
    pub(super) fn read(source: &Value) -> Result<Self, UnusableDocument> {
        let watch = &source["lbproxy"]["watch"];
        let damaged = UnusableDocument::Damaged;
        if watch["version"].as_u64().ok_or(damaged)? > u64::from(STATE_VERSION) {
            return Err(UnusableDocument::Newer);
        }
        let text = |key: &str| watch[key].as_str().ok_or(damaged);
        let number = |key: &str| watch[key].as_u64().ok_or(damaged);
        let state = unpack(text("state")?).ok_or(damaged)?;
        let (holder, write) = (text("holder")?.to_owned(), number("write")?);
        let length = Duration::from_millis(number("length_ms")?);
        Ok(Self { holder, write, length, state })
    }

    /// As it is written. `now_ms` and `firing`, the alerts that fire, are for people.
    pub(super) fn write(&self, now_ms: u64, firing: usize) -> Value {
        json!({
            "@timestamp": now_ms,
            "lbproxy": { "watch": {
                "version": STATE_VERSION,
                "holder": self.holder,
                "write": self.write,
                "length_ms": millis(self.length),
                "firing": firing,
                "state": pack(&self.state),
            } },
        })
    }

    /// What it says of the lease.
    pub(super) fn view(&self, sequence: Sequence) -> LeaseView<'_> {
        LeaseView { sequence, holder: &self.holder, write: self.write, length: self.length }
    }
}

/// gzip, and base64 around it.
fn pack(state: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let packed = encoder.write_all(state).and_then(|()| encoder.finish());
    STANDARD.encode(packed.unwrap_or_default())
}

/// The bytes in a text; `None` when they are damaged, or too many.
fn unpack(text: &str) -> Option<Vec<u8>> {
    let packed = STANDARD.decode(text).ok()?;
    let mut state = Vec::new();
    let mut decoder = GzDecoder::new(packed.as_slice()).take(STATE_BYTES_MAX + 1);
    decoder.read_to_end(&mut state).ok()?;
    (state.len() as u64 <= STATE_BYTES_MAX).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> LeaseDocument {
        let state = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let length = Duration::from_millis(45_500);
        LeaseDocument { holder: "edge-1/7".to_owned(), write: 3, length, state }
    }

    #[test]
    fn a_document_says_what_was_written() {
        let document = document();
        let text = document.write(1_800_000_000_000, 2).to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(LeaseDocument::read(&read), Ok(document));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        use UnusableDocument::{Damaged, Newer};
        let with = |key: &str, value: Value| {
            let mut document = document().write(0, 0);
            document["lbproxy"]["watch"][key] = value;
            document
        };
        for (name, source, want) in [
            ("of a newer lbproxy", with("version", (STATE_VERSION + 1).into()), Newer),
            ("nothing", Value::Null, Damaged),
            ("another's", json!({ "title": "x" }), Damaged),
            ("no version", with("version", Value::Null), Damaged),
            ("a holder that is none", with("holder", 7.into()), Damaged),
            ("no base64", with("state", "%".into()), Damaged),
            ("no gzip", with("state", "AAAA".into()), Damaged),
            ("cut", with("state", pack(&[7; 999])[..16].into()), Damaged),
        ] {
            assert_eq!(LeaseDocument::read(&source), Err(want), "{name}");
        }
    }
}
