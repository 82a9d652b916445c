//! The file in which a consumer keeps what it knows across a start, whatever ends the process.
//!
//! ```text
//! magic[8] | crc32c u32 of the rest | version u16 | generation u64 | body
//! ```
//! Little-endian; the body is the consumer's, made of the pieces below. A state replaces the one before
//! as a whole and is on the disk afterwards. Each has the next number; the cursor in the journal notes
//! that of the state it belongs to, so that no earlier one is taken for it: also where the last could
//! not be written. What cannot be read is kept aside for whoever wants to look.
//! Not here: when to write it (`exactly_once`).

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Bytes before what the checksum covers.
const HEAD_BYTES: usize = 12;
/// What the cursor's note begins with; the number of the state follows.
const NOTE: &str = "state=";

/// A kind of state.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Name of its file.
    pub file_name: &'static str,
    /// First bytes of the file.
    pub magic: [u8; 8],
    /// Latest version of the body that is understood, and the one that is written.
    pub version: u16,
    /// What follows when there was one and it cannot be used, for people.
    pub loss: &'static str,
}

/// Why bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Cut or changed.
    #[error("it is damaged")]
    Damaged,
    /// Of a later version.
    #[error("it was written by a newer lbproxy")]
    Newer,
    /// A folder, a pipe or the like.
    #[error("it is no regular file")]
    Irregular,
}

/// What earlier runs left.
#[derive(Debug)]
pub enum Earlier<T> {
    /// The state to go on from.
    State(T),
    /// Nothing: this is the first run.
    Nothing,
    /// A state that cannot be used, which was told.
    Lost,
}

/// See the head of this file.
#[derive(Debug)]
pub struct StateFile {
    form: Form,
    folder: PathBuf,
    /// Number of the last state, written or not.
    generation: u64,
}

impl StateFile {
    /// Reads what is in `folder`, if it is the state that the cursor notes or a later one. `decode` gets
    /// the version of the body, and the body.
    pub fn open<T>(
        form: Form,
        folder: &Path,
        note: &str,
        decode: impl FnOnce(u16, &mut &[u8]) -> Result<T, StateError>,
    ) -> (Self, Earlier<T>) {
        let path = folder.join(form.file_name);
        let noted = note.strip_prefix(NOTE).and_then(|text| text.parse::<u64>().ok());
        let file = |generation| Self { form, folder: folder.to_owned(), generation };
        let read = read(&path).map(|bytes| {
            let bytes = bytes.ok_or(StateError::Irregular)?;
            let (version, generation, mut body) = form.open(&bytes)?;
            Ok((generation, decode(version, &mut body)?))
        });
        let problem = match read {
            Ok(Ok((generation, state))) if noted.is_none_or(|noted| noted <= generation) => {
                return (file(generation), Earlier::State(state));
            }
            Ok(Ok(_)) => "the last one could not be written".to_owned(),
            Ok(Err::<_, StateError>(error)) => {
                // The next state takes its place in any case.
                let _ = fs::rename(&path, path.with_extension("unreadable"));
                error.to_string()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && noted.is_none() => {
                return (file(0), Earlier::Nothing);
            }
            Err(error) => error.to_string(),
        };
        tracing::warn!(file = %path.display(), problem, "there is no state to go on from: {}", form.loss);
        (file(noted.unwrap_or(0)), Earlier::Lost)
    }

    /// Writes the next state; it is on the disk afterwards.
    ///
    /// # Errors
    /// What the system says; the state before stays, and [`StateFile::note`] names one that nobody has.
    pub fn replace(&mut self, body: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.generation += 1;
        let bytes = self.form.seal(self.generation, body);
        let new = self.folder.join(format!("{}.new", self.form.file_name));
        let _ = fs::remove_file(&new); // left by a process that was killed, or a pipe, which blocks
        let mut file = File::create_new(&new)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&new, self.folder.join(self.form.file_name))?;
        File::open(&self.folder)?.sync_all()
    }

    /// What the cursor is to note of the last state.
    pub fn note(&self) -> String {
        format!("{NOTE}{}", self.generation)
    }
}

/// The bytes of a file, `None` of what is none: to read a pipe may take for ever.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

impl Form {
    /// The whole file.
    pub(crate) fn seal(&self, generation: u64, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&generation.to_le_bytes());
        body(&mut out);
        let crc = crc32c::crc32c(&out[HEAD_BYTES..]);
        out[8..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Version, generation and body of a file.
    pub(crate) fn open<'b>(&self, bytes: &'b [u8]) -> Result<(u16, u64, &'b [u8]), StateError> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(StateError::Damaged)?;
        if head[..8] != self.magic || head[8..] != crc32c::crc32c(rest).to_le_bytes() {
            return Err(StateError::Damaged);
        }
        let version = u16::from_le_bytes(take(&mut rest)?);
        if version > self.version {
            return Err(StateError::Newer);
        }
        Ok((version, u64::from_le_bytes(take(&mut rest)?), rest))
    }
}

/// Appends a number of things.
pub fn push_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Appends bytes with their number before them.
pub fn push_counted(bytes: &[u8], out: &mut Vec<u8>) {
    push_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Takes `N` bytes.
///
/// # Errors
/// When there are fewer.
pub fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], StateError> {
    let (bytes, rest) = input.split_first_chunk().ok_or(StateError::Damaged)?;
    *input = rest;
    Ok(*bytes)
}

/// Takes bytes that [`push_counted`] appended.
///
/// # Errors
/// When there are fewer.
pub fn take_counted<'b>(input: &mut &'b [u8]) -> Result<&'b [u8], StateError> {
    let length = usize::try_from(u32::from_le_bytes(take(input)?)).unwrap_or(usize::MAX);
    let (bytes, rest) = input.split_at_checked(length).ok_or(StateError::Damaged)?;
    *input = rest;
    Ok(bytes)
}
