//! The segments of a directory that another process may be writing: no lock, nothing changed.
//!
//! Invariant: what is listed may be used again at any moment; a reader finds out by the header and
//! by the CRC, whose seed is another for each use. Not here: reading frames (`reader`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::format::{HeaderFault, State, VERSION};
use super::recovery;
use super::segment::Segment;

/// Segments found at the last look.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    pub(super) segments: Vec<Arc<Segment>>,
}

impl Directory {
    /// Lists a directory.
    ///
    /// # Errors
    /// [`OpenError::Directory`] when it cannot be listed, [`OpenError::Newer`].
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut directory = Self { path: path.to_owned(), segments: Vec::new() };
        directory.refresh()?;
        Ok(directory)
    }

    /// Looks again. Segments that are still the same keep their identity.
    pub(super) fn refresh(&mut self) -> Result<(), OpenError> {
        let mut segments = Vec::new();
        for listed in recovery::list(&self.path)? {
            match listed.header {
                Ok(header) if header.state == State::Taken => {
                    let same = |known: &&Arc<Segment>| {
                        known.file == listed.number
                            && known.seed == header.seed
                            && known.ordinal() == header.ordinal
                    };
                    let known = self.segments.iter().find(same).cloned();
                    segments.push(known.unwrap_or_else(|| {
                        Arc::new(Segment::foreign(listed.number, listed.path, &header))
                    }));
                }
                Err(HeaderFault::Newer(found)) => {
                    let path = listed.path;
                    return Err(OpenError::Newer { path, found, supported: VERSION });
                }
                _ => (),
            }
        }
        self.segments = segments;
        Ok(())
    }

    /// Strikes a segment off the list: its file holds something else by now.
    pub(super) fn forget(&mut self, segment: &Arc<Segment>) {
        self.segments.retain(|other| !Arc::ptr_eq(other, segment));
    }
}
