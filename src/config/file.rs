//! Files that a configuration names, and its own text: read whole, up to a bound, without a surprise.
//!
//! What is read again while the process runs (certificates, secrets) has to be a regular file: a pipe
//! gives its text once, and opening one may wait for ever. The configuration itself may be a pipe.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 8 << 20;
const STDIN: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
const STDIN_NAME: &str = "<stdin>";

/// Why a file is of no use: what is wrong with it, and what helps.
pub(super) type Fault = (String, &'static str);

/// Name and text of a configuration; waits for the end of a pipe.
///
/// # Errors
/// The name, and why there is no text.
pub(super) fn configuration(path: &Path) -> Result<(String, String), (String, Fault)> {
    let is_stdin = STDIN.iter().any(|name| path == Path::new(name));
    let name = if is_stdin { STDIN_NAME.to_owned() } else { path.display().to_string() };
    let bytes = if is_stdin {
        bounded(io::stdin().lock(), "is it the right file? remove what is not needed")
    } else if path.is_dir() {
        Err(("is a directory".to_owned(), "name the YAML file itself"))
    } else {
        File::open(path)
            .map_err(|error| unreadable(&error))
            .and_then(|file| bounded(file, "is it the right file? remove what is not needed"))
    };
    match bytes.and_then(utf8) {
        Ok(text) => Ok((name, text)),
        Err(fault) => Err((name, fault)),
    }
}

/// Bytes as a text.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|error| (format!("is not UTF-8: {error}"), "save it as UTF-8"))
}

/// The bytes of a regular file.
///
/// # Errors
/// Why there are none.
pub(super) fn regular(path: &Path) -> Result<Vec<u8>, Fault> {
    open(path).map_err(|error| unreadable(&error)).and_then(contents)
}

/// The text of a regular file, while the process runs.
///
/// # Errors
/// What the system says, or why there is no text.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let text = contents(open(path)?).and_then(utf8);
    text.map_err(|(problem, _)| io::Error::other(format!("it {problem}")))
}

/// Opens it, and waits for nobody who has the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn contents(file: File) -> Result<Vec<u8>, Fault> {
    if !file.metadata().map_err(|error| unreadable(&error))?.is_file() {
        let problem = "is not a regular file, and it is read more than once".to_owned();
        return Err((problem, "name a file that stays there"));
    }
    bounded(file, "is it the right file?")
}

/// What the system says of a file.
fn unreadable(error: &io::Error) -> Fault {
    (format!("cannot be read: {error}"), "correct the path or the file's mode")
}

/// Reads to the end, unless that is too far.
fn bounded(from: impl Read, cure: &'static str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = from.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    match read {
        Err(error) => Err(unreadable(&error)),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => {
            Err((format!("is larger than {} MiB", FILE_BYTES_MAX >> 20), cure))
        }
        Ok(_) => Ok(bytes),
    }
}
