//! The folder of an open journal: segment files by a descriptor of it, and whether it is still what
//! stands at the configured path.
//!
//! ```text
//! at the path ──renamed, unmounted, covered──► away      files are made and read in it all the same
//!      ▲      ──removed──────────────────────► removed   nothing can be made in it
//!      │      ──read-only, rights taken──────► unwritable
//!      └───────────── it is back, or a new one was made after a removal
//! ```
//! Invariants: nothing is ever made in a folder whose lock this process does not hold; a folder of
//! another journal is left alone. Not here: when to look (`prepare`), which files are in use
//! (`registry`).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{Access, AtFlags, CWD, FallocateFlags, Mode, OFlags};

use super::error::OpenError;
use super::identity::{self, Identity, IdentityFile, Lock};
use super::{lock, recovery};

/// Name of the file of what was dropped and not told of (`page`).
pub(super) const GAPS: &str = "gaps";

/// What is wrong with the folder of a running journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FolderFault {
    /// It was renamed or unmounted, or something else stands at its path. Records go on into it.
    Away = 1,
    /// It was removed, and no other could be made yet.
    Removed,
    /// No file can be made in it: read-only, or the rights were taken.
    Unwritable,
    /// The folder or its lock file was removed, and another process took its place.
    Taken,
}

impl FolderFault {
    /// What it means and the cure, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Away => {
                "the journal folder was moved, unmounted or replaced; records go on into it, but a \
                 restart would not find them: bring it back to its path"
            }
            Self::Removed => {
                "the journal folder was removed and no new one can be made, for want of room or \
                 rights, or since another journal stands there; records go on into the removed files \
                 until these are full, and no restart finds them: make its path free, with room"
            }
            Self::Taken => {
                "another process has taken the journal folder after it or its lock file was removed; \
                 nothing more is written into it, and what finds no space elsewhere is dropped: stop \
                 the other and restart this one, each with a telemetry.journal.path of its own"
            }
            Self::Unwritable => {
                "the journal folder cannot be written; records go on into the segments that are \
                 open: make it writable"
            }
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Away),
            2 => Some(Self::Removed),
            3 => Some(Self::Unwritable),
            4 => Some(Self::Taken),
            _ => None,
        }
    }
}

/// A folder, open: names in it mean the same wherever it is moved.
#[derive(Debug)]
pub(super) struct Opened {
    file: OwnedFd,
    /// Device and inode.
    id: (u64, u64),
}

impl Opened {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        Ok(Self { file, id: (stat.st_dev, stat.st_ino) })
    }

    /// Opens a segment file for reading.
    pub(super) fn open(&self, number: u32) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.file, segment_name(number), flags, Mode::empty())?.into())
    }

    /// Opens or creates a segment file of exactly `bytes`, every block allocated.
    pub(super) fn reserve(&self, number: u32, bytes: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let file: File = rustix::fs::openat(&self.file, segment_name(number), flags, mode)?.into();
        if file.metadata()?.len() > u64::from(bytes) {
            file.set_len(u64::from(bytes))?;
        }
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, u64::from(bytes))?;
        Ok(file)
    }

    /// Opens or creates the file `gaps` of at least `bytes`, every block allocated.
    pub(super) fn open_gaps(&self, bytes: u64) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::from_raw_mode(0o666);
        let file: File = rustix::fs::openat(&self.file, GAPS, flags, mode)?.into();
        identity::check_regular(&file)?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
        rustix::fs::fsync(&self.file)?;
        Ok(file)
    }

    /// Device and inode of the file `gaps`; `None` where there is none.
    pub(super) fn gaps_id(&self) -> io::Result<Option<(u64, u64)>> {
        match rustix::fs::statat(&self.file, GAPS, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((stat.st_dev, stat.st_ino))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a segment file.
    ///
    /// # Errors
    /// What the system says; a file that is not there is none.
    pub(super) fn remove(&self, number: u32) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.file, segment_name(number), AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            result => Ok(result?),
        }
    }

    /// When a name in it was last made, removed or replaced: seconds and nanoseconds since 1970.
    pub(super) fn changed(&self) -> io::Result<(i64, i64)> {
        let stat = rustix::fs::fstat(&self.file)?;
        Ok((stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)))
    }

    /// Whether the folder itself is gone for good.
    fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Whether files can be made in it and written. A file system that made itself read-only after an
    /// error says so only when a file is opened for writing.
    fn is_writable(&self) -> bool {
        let access = Access::WRITE_OK | Access::EXEC_OK;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.file, "lock", flags, Mode::empty());
        rustix::fs::accessat(&self.file, ".", access, AtFlags::EACCESS).is_ok()
            && !matches!(opened, Err(rustix::io::Errno::ROFS))
    }
}

/// The folder of the journal of this process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    opened: Mutex<Arc<Opened>>,
    /// Rises when a new folder takes the place of a removed one.
    generation: AtomicU64,
    /// [`FolderFault`], 0 for none.
    fault: AtomicU8,
}

/// What a look at the folder found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As at the look before.
    Same,
    /// Something is wrong since.
    Fault(FolderFault),
    /// What was wrong is over.
    Back,
    /// It was removed, and a new one stands at the path; or it was emptied. Locked by this process.
    MadeAnew,
}

impl Folder {
    /// The folder at `path`, whose lock the caller holds.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let opened = Mutex::new(Arc::new(Opened::new(&path)?));
        Ok(Self { path, opened, generation: AtomicU64::new(0), fault: AtomicU8::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder as it is open now.
    pub(super) fn opened(&self) -> Arc<Opened> {
        Arc::clone(&lock(&self.opened))
    }

    /// Rises when a new folder takes the place of a removed one.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether it was removed, and none was made anew: the open files of it are this process's alone.
    pub(super) fn is_removed(&self) -> bool {
        self.opened().is_removed()
    }

    /// What is wrong with it, at the last look.
    pub(super) fn fault(&self) -> Option<FolderFault> {
        FolderFault::from_code(self.fault.load(Ordering::Relaxed))
    }

    /// Looks whether it is still what stands at the path, and locked; makes a new one after a removal,
    /// under the same `identity` and with `held` as its lock. A few system calls.
    pub(super) fn look(&self, identity: Identity, held: &Mutex<Option<Lock>>) -> Look {
        let opened = self.opened();
        let is_at_path = || {
            rustix::fs::statat(CWD, &self.path, AtFlags::empty())
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == opened.id)
        };
        let is_locked = || lock(held).as_ref().is_none_or(|held| held.is_in(&self.path));
        let mended = if opened.is_removed() {
            self.make_anew(identity, held)
        } else if !is_at_path() {
            Err(FolderFault::Away)
        } else if !opened.is_writable() {
            Err(FolderFault::Unwritable)
        } else if !is_locked() {
            self.lock_again(identity, held)
        } else {
            Ok(false)
        };
        if mended == Ok(true) {
            self.fault.store(0, Ordering::Relaxed);
            self.generation.fetch_add(1, Ordering::Release);
            return Look::MadeAnew;
        }
        let fault = mended.err();
        let code = fault.map_or(0, |fault| fault as u8);
        if self.fault.swap(code, Ordering::Relaxed) == code {
            return Look::Same;
        }
        fault.map_or(Look::Back, Look::Fault)
    }

    /// Locks the folder again after its lock file was removed, unless somebody else did, or has used it
    /// meanwhile: two who write destroy each other's records.
    fn lock_again(
        &self,
        identity: Identity,
        held: &Mutex<Option<Lock>>,
    ) -> Result<bool, FolderFault> {
        let taken = self.take_lock(FolderFault::Unwritable)?;
        let last = IdentityFile::load(&self.path).map_err(|_| FolderFault::Taken)?.last();
        if last.is_some_and(|last| last != identity) {
            return Err(FolderFault::Taken);
        }
        identity::store(&self.path, identity).map_err(|_| FolderFault::Unwritable)?;
        *lock(held) = Some(taken);
        Ok(true)
    }

    /// Makes and locks a folder at the path, unless a journal is there.
    ///
    /// # Errors
    /// That somebody else has it, or that none can be made.
    fn make_anew(
        &self,
        identity: Identity,
        held: &Mutex<Option<Lock>>,
    ) -> Result<bool, FolderFault> {
        const NONE: FolderFault = FolderFault::Removed;
        let mut held = lock(held);
        if held.is_none() {
            return Err(NONE); // the journal is closed
        }
        std::fs::create_dir_all(&self.path).map_err(|_| NONE)?;
        let taken = self.take_lock(NONE)?;
        if !recovery::list(&self.path).is_ok_and(|segments| segments.is_empty()) {
            return Err(NONE);
        }
        identity::store(&self.path, identity).map_err(|_| NONE)?;
        *lock(&self.opened) = Arc::new(Opened::new(&self.path).map_err(|_| NONE)?);
        *held = Some(taken);
        Ok(true)
    }

    /// # Errors
    /// [`FolderFault::Taken`] when another process has the lock, `other` when it cannot be taken.
    fn take_lock(&self, other: FolderFault) -> Result<Lock, FolderFault> {
        Lock::take(&self.path).map_err(|error| match error {
            OpenError::Locked { .. } => FolderFault::Taken,
            _ => other,
        })
    }
}

fn segment_name(number: u32) -> String {
    format!("segment-{number:08}")
}

/// The number of a segment file; `None` for any other name.
pub(super) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("segment-")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// Path of the segment file with this number, for people.
pub(super) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(segment_name(number))
}
