//! Who writes a journal directory: the lock that keeps a second process out, and the instance and
//! epoch that make record numbers unique for ever.
//!
//! ```text
//! identity = slot(at 0) … slot(at 4096)
//! slot     = magic[8] | version u16 | epoch u16 | crc32c u32 | instance u64
//! ```
//!
//! Invariants: a pair of instance and epoch is on the disk before its first record is, and is never
//! given out twice: both slots say the same, so damage to one costs nothing; damage to both, an
//! epoch at its end, or segments of a later epoch than the file knows (a restored copy) draw a new
//! instance. Both files are overwritten in place: a full disk does not stop a restart.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::error::OpenError;
use super::format::{VERSION, u16_at, u32_at, u64_at};

/// First bytes of a slot.
const MAGIC: [u8; 8] = *b"lbpident";
const SLOT_BYTES: usize = 24;
/// Offsets of both slots: different blocks.
const SLOTS: [u64; 2] = [0, 4096];
const INSTANCE_BITS: u32 = 40;

/// Names one start of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Random number of the directory, 40 bits.
    pub instance: u64,
    /// Number of the start, from 1.
    pub epoch: u16,
}

/// The lock of a directory, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    /// Carries the `flock`.
    file: File,
}

impl Lock {
    /// Takes the lock of `dir`, or says who holds it.
    ///
    /// # Errors
    /// [`OpenError::Locked`], or [`OpenError::Directory`] when the lock file cannot be written.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let fault = |source| OpenError::Directory { path: dir.to_owned(), source };
        let file = open_in_place(&dir.join("lock")).map_err(fault)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The text is for people only; where the disk is full it may be missing.
                let _ = file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0);
                Ok(Self { file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(OpenError::Locked { path: dir.to_owned(), pid: holder(&file) })
            }
            Err(errno) => Err(fault(errno.into())),
        }
    }

    /// Whether the lock file of `dir` is still the one that is held. Two system calls.
    pub(super) fn is_in(&self, dir: &Path) -> bool {
        let ids = [self.file.metadata(), std::fs::metadata(dir.join("lock"))];
        let [held, found] = ids.map(|file| file.ok().map(|file| (file.dev(), file.ino())));
        held == found
    }
}

/// The process that wrote a lock file.
fn holder(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Opens or creates a file of the folder for reading and for writing over what it holds: no link, which
/// leads to somebody's file, and no pipe, which blocks.
pub(super) fn open_in_place(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().write(true).create(true).truncate(false), path)
}

/// Opens a file of the folder for reading.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    regular(&mut OpenOptions::new(), path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = options.read(true).custom_flags(flags).open(path)?;
    check_regular(&file)?;
    Ok(file)
}

/// # Errors
/// When it is a pipe, a device or the like.
pub(super) fn check_regular(file: &File) -> io::Result<()> {
    let is_regular = file.metadata()?.is_file();
    is_regular.then_some(()).ok_or_else(|| io::Error::other("it is not a regular file"))
}

/// The identity file of a locked directory.
#[derive(Debug)]
pub(super) struct IdentityFile {
    path: PathBuf,
    /// The last start that it knows.
    last: Option<Identity>,
}

impl IdentityFile {
    /// Reads the file; damage is no error.
    ///
    /// # Errors
    /// [`OpenError::Newer`] for a later format, [`OpenError::File`] when it cannot be read.
    pub(super) fn load(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("identity");
        let mut bytes = Vec::new();
        match open_to_read(&path) {
            Ok(file) => file
                .take(SLOTS[1] + SLOT_BYTES as u64)
                .read_to_end(&mut bytes)
                .map_err(|source| OpenError::File { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(OpenError::File { path, source }),
        };
        let slots = [bytes.get(..SLOT_BYTES), bytes.get(usize::try_from(SLOTS[1]).unwrap_or(0)..)];
        let mut last: Option<Identity> = None;
        for slot in slots.into_iter().flatten() {
            match decode(slot) {
                Ok(found) if last.is_none_or(|last| found.epoch > last.epoch) => last = Some(found),
                Err(Some(found)) => {
                    return Err(OpenError::Newer { path, found, supported: VERSION });
                }
                _ => (),
            }
        }
        Ok(Self { path, last })
    }

    /// The last start that it knows.
    pub(super) const fn last(&self) -> Option<Identity> {
        self.last
    }

    /// Draws the identity of this start and brings it to the disk. `used` are the identities of
    /// segments in the directory.
    pub(super) fn advance(
        &self,
        used: impl Iterator<Item = Identity>,
        random: &mut fastrand::Rng,
    ) -> Result<Identity, OpenError> {
        let latest = self.last.filter(|last| last.epoch < u16::MAX).filter(|last| {
            let mut used = used;
            !used.any(|used| used.instance == last.instance && used.epoch > last.epoch)
        });
        let identity = latest.map_or_else(
            || Identity { instance: random.u64(1..1 << INSTANCE_BITS), epoch: 1 },
            |last| Identity { epoch: last.epoch + 1, ..last },
        );
        write(&self.path, identity)
            .map_err(|source| OpenError::File { path: self.path.clone(), source })?;
        Ok(identity)
    }
}

/// Makes the folder `dir` that of `identity`, on the disk.
pub(super) fn store(dir: &Path, identity: Identity) -> io::Result<()> {
    write(&dir.join("identity"), identity)
}

/// Writes both slots, one after the other.
fn write(path: &Path, identity: Identity) -> io::Result<()> {
    let file = open_in_place(path)?;
    for at in SLOTS {
        file.write_all_at(&encode(identity), at)?;
        file.sync_all()?;
    }
    sync_directory(path)
}

/// Brings the entry of `path` in its directory to the disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// A generator with a seed of the kernel, so that two machines never draw alike.
pub(super) fn random() -> fastrand::Rng {
    let mut seed = [0; 8];
    match File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed)) {
        Ok(()) => fastrand::Rng::with_seed(u64::from_le_bytes(seed)),
        Err(_) => fastrand::Rng::new(), // address and clock: the best that is left
    }
}

/// One slot.
fn encode(identity: Identity) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..10].copy_from_slice(&VERSION.to_le_bytes());
    slot[10..12].copy_from_slice(&identity.epoch.to_le_bytes());
    slot[16..24].copy_from_slice(&identity.instance.to_le_bytes());
    let crc = crc32c::crc32c(&slot);
    slot[12..16].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Reads a slot.
///
/// # Errors
/// `Some(version)` for a whole slot of a later format, `None` for damage.
fn decode(slot: &[u8]) -> Result<Identity, Option<u16>> {
    let mut zeroed: [u8; SLOT_BYTES] = *slot.first_chunk().ok_or(None)?;
    zeroed[12..16].fill(0);
    if slot[..8] != MAGIC || crc32c::crc32c(&zeroed) != u32_at(slot, 12) {
        return Err(None);
    }
    let version = u16_at(slot, 8);
    if version > VERSION {
        return Err(Some(version));
    }
    Ok(Identity { instance: u64_at(slot, 16), epoch: u16_at(slot, 10) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(dir: &Path) -> Identity {
        let file = IdentityFile::load(dir).unwrap();
        file.advance(std::iter::empty(), &mut random()).unwrap()
    }

    #[test]
    fn the_epoch_rises_and_survives_damage_to_either_slot() {
        let dir = tempfile::tempdir().unwrap();
        let first = next(dir.path());
        assert_eq!(first.epoch, 1);
        assert!(first.instance > 0 && first.instance < 1 << INSTANCE_BITS);
        for (epoch, at) in (2_u16..).zip([0, 9, 13, 20, 4096, 4110, 4119]) {
            let path = dir.path().join("identity");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(next(dir.path()), Identity { epoch, ..first }, "byte {at}");
        }
    }

    #[test]
    fn a_new_instance_is_drawn_rather_than_an_epoch_twice() {
        let dir = tempfile::tempdir().unwrap();
        let first = next(dir.path());
        let file = IdentityFile::load(dir.path()).unwrap();

        let later = Identity { epoch: 9, ..first };
        let restored = file.advance([later].into_iter(), &mut random()).unwrap();
        assert_ne!(restored.instance, first.instance, "segments of a later start");
        assert_eq!(restored.epoch, 1);

        let spent = Identity { epoch: u16::MAX, ..first };
        store(dir.path(), spent).unwrap();
        assert_ne!(next(dir.path()).instance, first.instance, "the last epoch is used");

        std::fs::write(dir.path().join("identity"), [0xff; 5000]).unwrap();
        assert_eq!(next(dir.path()).epoch, 1, "both slots broken");
    }

    #[test]
    fn nothing_but_a_regular_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("precious"), "precious").unwrap();
        std::os::unix::fs::symlink(path("precious"), path("link")).unwrap();
        std::os::unix::fs::symlink("/dev/null", path("device")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RWXU).unwrap();
        for name in ["link", "device", "pipe"] {
            assert!(open_in_place(&path(name)).is_err(), "{name}");
            assert!(open_to_read(&path(name)).is_err(), "{name}");
        }
        assert!(open_in_place(&path("precious")).is_ok());
        assert!(open_in_place(&path("new")).is_ok());
    }
}
