//! The newest of many records, in order of time: lanes are read one after the other, so what is
//! found first is not what happened first. Holds as many records as are wanted, and no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Row;
use crate::record::{Constants, DecodeError, Origin, Stream};

/// The newest records so far.
#[derive(Debug)]
pub struct Newest {
    most: usize,
    /// How many were offered.
    pub offered: u64,
    /// Them, by time, oldest first.
    kept: BTreeMap<Key, Kept>,
}

/// Time in milliseconds, then what makes a record unique: instance, epoch, number, lane, stream.
type Key = (u64, u64, u16, u64, u8, u8);

/// A record that outlives the reader's window.
#[derive(Debug)]
struct Kept {
    stream: Stream,
    payload: Box<[u8]>,
    constants: Arc<Constants>,
}

impl Newest {
    /// Nothing yet; the `most` newest will be kept.
    pub const fn new(most: usize) -> Self {
        Self { most, offered: 0, kept: BTreeMap::new() }
    }

    /// Keeps a record, if it is new enough.
    pub fn offer(&mut self, row: &Row<'_>, constants: &Arc<Constants>) {
        self.offered += 1;
        let origin = &row.origin;
        let stream = row.stream;
        let Origin { instance, epoch, worker, seq, .. } = *origin;
        let key = (row.time_ms(), instance, epoch, seq, worker, stream as u8);
        if self.kept.len() >= self.most {
            match self.kept.first_entry() {
                Some(oldest) if *oldest.key() < key => drop(oldest.remove()),
                _ => return,
            }
        }
        let (payload, constants) = (row.payload().into(), Arc::clone(constants));
        self.kept.insert(key, Kept { stream, payload, constants });
    }

    /// Gives what was kept, oldest first, and begins anew.
    ///
    /// # Errors
    /// What `visit` says.
    pub fn take<E: From<DecodeError>>(
        &mut self,
        mut visit: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for ((_, instance, epoch, seq, worker, _), kept) in std::mem::take(&mut self.kept) {
            let constants = &*kept.constants;
            let origin = Origin { instance, epoch, worker, seq, constants };
            visit(&Row::read(kept.stream, &kept.payload, origin)?)?;
        }
        Ok(())
    }
}
