//! A bulk body in the making, and the documents it holds.
//!
//! ```text
//! {"create":{"_id":"…"}}\n{document}\n                    stream of the request
//! {"create":{"_index":"logs-lbproxy.health-default","_id":"…"}}\n{…}\n  any other stream
//! ```
//! Invariants: items stand in the order of the body, so that answers are told apart by their place;
//! a body of one batch is never larger than the limit by more than one slice of the journal.
//! Not here: sending (`deliver`), what answers mean (`answer`).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::suspects::Suspicion;
use crate::journal::{self, Entry, Positions, Reader};
use crate::record::{self, Constants, Origin, Stream};

/// Payload read from the journal at a time; about four times as much as JSON.
const SLICE_BYTES: usize = 32 * 1024;
/// From this many waiting records on, a whole body's room is taken at once.
const BACKLOG_MIN: u64 = 1_000;
/// What stands between an `_id` and its document.
const BEHIND_ID: &[u8] = b"\"}}\n";
/// No record is smaller: a bitmap of 16 bytes comes first.
const RECORD_BYTES_MIN: usize = 16;

/// One document of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Start of its action line.
    start: u32,
    /// Start of its `_id`.
    id: u32,
    /// Start of its document.
    document: u32,
    pub(super) stream: Stream,
    /// Whether an earlier request may have stored it.
    pub(super) is_suspect: bool,
}

/// Documents that are sent together.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    body: Bytes,
    items: Vec<Item>,
}

/// What was read from the journal for one batch.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) batch: Batch,
    /// Records that could not be read, as dead letters.
    pub(super) broken: Vec<Broken>,
    /// Where the journal was read to.
    pub(super) upto: Positions,
    /// Whether a limit ended it, so that there is probably more.
    pub(super) is_full: bool,
    /// Wall time of its first record, in milliseconds.
    pub(super) oldest_ms: Option<u64>,
}

/// A record without a document.
#[derive(Debug)]
pub(super) struct Broken {
    /// Number of its stream in the journal.
    pub(super) stream: u8,
    /// Its place: instance, epoch, lane, number.
    pub(super) place: (u64, u16, u8, u64),
    pub(super) reason: String,
    /// Its bytes.
    pub(super) payload: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Filler {
    /// Names of the data streams, by kind.
    streams: HashMap<Stream, String>,
    /// Most bytes of a body.
    bytes_max: usize,
    /// Most documents.
    documents_max: usize,
    /// Constants of the run that was read last, with the bytes they came from.
    constants: Option<(Arc<[u8]>, Constants)>,
}

impl Batch {
    /// Documents in it.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The body; costs no copy.
    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Bytes of the body.
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The `_id` of a document.
    pub(super) fn id(&self, item: Item) -> &str {
        let end = item.document as usize - BEHIND_ID.len();
        std::str::from_utf8(&self.body[item.id as usize..end]).unwrap_or_default()
    }

    /// A document, without the line feed.
    pub(super) fn document(&self, index: usize) -> &[u8] {
        let end = self.items.get(index + 1).map_or(self.body.len(), |next| next.start as usize);
        &self.body[self.items[index].document as usize..end - 1]
    }

    /// Only those documents that `keep` wants, by index; copies them.
    pub(super) fn subset(&self, mut keep: impl FnMut(usize, &mut Item) -> bool) -> Self {
        let (mut body, mut items) = (Vec::new(), Vec::new());
        for (index, item) in self.items.iter().enumerate() {
            let mut item = *item;
            if !keep(index, &mut item) {
                continue;
            }
            let start = item.start as usize;
            let end = self.items.get(index + 1).map_or(self.body.len(), |next| next.start as usize);
            let at = u32::try_from(body.len()).unwrap_or(u32::MAX);
            body.extend_from_slice(&self.body[start..end]);
            items.push(Item {
                start: at,
                id: item.id - item.start + at,
                document: item.document - item.start + at,
                ..item
            });
        }
        Self { body: body.into(), items }
    }

    /// Marks every document as perhaps stored.
    pub(super) fn suspect_all(&mut self) {
        for item in &mut self.items {
            item.is_suspect = true;
        }
    }

    /// Both halves, to be sent in this order.
    pub(super) fn halves(&self) -> (Self, Self) {
        let middle = self.len() / 2;
        (self.subset(|index, _| index < middle), self.subset(|index, _| index >= middle))
    }
}

impl Filler {
    /// For the streams of one namespace.
    pub(super) fn new(namespace: &str, bytes_max: usize, documents_max: usize) -> Self {
        let streams =
            Stream::ALL.map(|stream| (stream, stream.data_stream(namespace))).into_iter().collect();
        Self { streams, bytes_max, documents_max, constants: None }
    }

    /// Reads what the journal has now, up to the limits. Blocks on the disk only.
    ///
    /// # Errors
    /// When nothing could be read.
    pub(super) fn fill(
        &mut self,
        reader: &mut Reader,
        suspicion: &mut Suspicion,
        limit_bytes: usize,
    ) -> Result<Filled, journal::ReadError> {
        let bytes_max = self.bytes_max.min(limit_bytes);
        let mut filled = Filled::default();
        // With a backlog the body is filled: one allocation, whose pages are touched as they are used.
        let room = if reader.pending() > BACKLOG_MIN { bytes_max + SLICE_BYTES * 8 } else { 0 };
        let (mut body, mut items) = (Vec::with_capacity(room), Vec::new());
        loop {
            let left = self.documents_max - items.len();
            filled.is_full = body.len() >= bytes_max || left == 0;
            if filled.is_full {
                break;
            }
            // The payload budget that cannot give more than `left` records.
            let slice = SLICE_BYTES.min(left.saturating_mul(RECORD_BYTES_MIN)).min(bytes_max);
            let slice = if left == 1 { 1 } else { slice };
            let read = reader.read(slice, &mut |entry| {
                let is_suspect = suspicion.of(&entry);
                match self.push(&entry, is_suspect, &mut body) {
                    Ok(item) => {
                        if filled.oldest_ms.is_none() {
                            filled.oldest_ms = record::timestamp_ms(entry.payload).ok();
                        }
                        items.push(item);
                    }
                    Err(reason) => filled.broken.push(Broken {
                        stream: entry.stream,
                        place: (entry.instance, entry.epoch, entry.lane, entry.seq),
                        reason,
                        payload: entry.payload.to_vec(),
                    }),
                }
            });
            match read {
                Ok(0) => break,
                Ok(_) => (),
                Err(error) if items.is_empty() && filled.broken.is_empty() => return Err(error),
                Err(_) => break, // it comes back at the next call
            }
        }
        filled.upto = reader.positions();
        filled.batch = Batch { body: body.into(), items };
        Ok(filled)
    }

    /// Appends action and document of one record.
    ///
    /// # Errors
    /// Why there is no document; `body` is then as it was.
    fn push(
        &mut self,
        entry: &Entry<'_>,
        is_suspect: bool,
        body: &mut Vec<u8>,
    ) -> Result<Item, String> {
        let stream = Stream::from_u8(entry.stream)
            .ok_or_else(|| format!("stream {} is not known to this version", entry.stream))?;
        let known = self.constants.take().filter(|(bytes, _)| bytes == entry.preamble);
        let known = if let Some(known) = known {
            known
        } else {
            let constants = Constants::decode(entry.preamble).map_err(|e| e.to_string())?;
            (Arc::clone(entry.preamble), constants)
        };
        let (_, constants) = self.constants.insert(known);
        let origin = Origin::of(entry, constants);
        let begin = body.len();
        let at = |body: &Vec<u8>| u32::try_from(body.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(b"{\"create\":{");
        if stream != Stream::Access {
            body.extend_from_slice(b"\"_index\":\"");
            body.extend_from_slice(self.streams.get(&stream).map_or("", |name| name).as_bytes());
            body.extend_from_slice(b"\",");
        }
        body.extend_from_slice(b"\"_id\":\"");
        let id = at(body);
        let written = record::write_id(stream, entry.payload, &origin, body).and_then(|()| {
            body.extend_from_slice(BEHIND_ID);
            let document = at(body);
            record::write_document(stream, entry.payload, &origin, body)?;
            body.push(b'\n');
            Ok(document)
        });
        let start = u32::try_from(begin).unwrap_or(u32::MAX);
        match written {
            Ok(document) => Ok(Item { start, id, document, stream, is_suspect }),
            Err(error) => {
                body.truncate(begin);
                Err(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of these ids and documents.
    fn batch(documents: &[(&str, &str)]) -> Batch {
        let (mut body, mut items) = (Vec::new(), Vec::new());
        for (id, document) in documents {
            let start = u32::try_from(body.len()).unwrap();
            let action = format!("{{\"create\":{{\"_id\":\"{id}\"}}}}\n");
            items.push(Item {
                start,
                id: start + 18,
                document: start + u32::try_from(action.len()).unwrap(),
                stream: Stream::Access,
                is_suspect: false,
            });
            body.extend_from_slice(action.as_bytes());
            body.extend_from_slice(format!("{document}\n").as_bytes());
        }
        Batch { body: body.into(), items }
    }

    #[test]
    fn a_subset_keeps_ids_and_documents_together() {
        let all = batch(&[("a", "{1}"), ("bb", "{22}"), ("ccc", "{333}")]);
        let odd = all.subset(|index, item| {
            item.is_suspect = true;
            index != 1
        });
        let seen: Vec<_> = odd
            .items()
            .iter()
            .enumerate()
            .map(|(index, item)| (odd.id(*item), odd.document(index)))
            .collect();
        assert_eq!(seen, [("a", b"{1}".as_slice()), ("ccc", b"{333}".as_slice())]);
        assert!(odd.items().iter().all(|item| item.is_suspect));
        assert_eq!(odd.bytes(), batch(&[("a", "{1}"), ("ccc", "{333}")]).bytes());
    }

    #[test]
    fn halves_are_the_whole_in_order() {
        let all = batch(&[("a", "{1}"), ("bb", "{22}"), ("ccc", "{333}")]);
        let (first, second) = all.halves();
        let mut joined = first.body().to_vec();
        joined.extend_from_slice(&second.body());
        assert_eq!((first.len(), second.len(), joined), (1, 2, all.body().to_vec()));
    }
}
