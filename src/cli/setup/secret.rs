//! Where a new password or key goes: to the file of `--credentials-file`, or to standard output, before
//! anything else can end this process.
//!
//! ```text
//! open, before anything is changed ─► keep, before the server has it ─► end, when it is known what came of it
//! ```
//! Not here: making it (`elk::secret`).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::cli::output::{self, UsageError};
use crate::elk::installer::Outcome;
use crate::elk::problem::{Fault, Problem};
use crate::elk::secret::NewSecret;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    /// The file for it, open and empty at first.
    file: Option<(&'a Path, File)>,
    /// Whether it is printed where there is no file.
    prints: bool,
    /// What came of keeping it; nothing as long as there is none.
    kept: Option<io::Result<()>>,
}

impl<'a> Keeper<'a> {
    /// Makes the file before there is a secret, so that one that cannot be written changes nothing.
    ///
    /// # Errors
    /// When it is there already or cannot be made.
    pub(super) fn open(path: Option<&'a Path>, prints: bool) -> Result<Self, UsageError> {
        let open = |path: &'a Path| match make(path) {
            Ok(file) => Ok((path, file)),
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::AlreadyExists => {
                        "it is there already, perhaps with the secret of a run that ended half-way"
                    }
                    _ => &error.to_string(),
                };
                let path = path.display();
                Err(UsageError(format!(
                    "--credentials-file {path}: {why}; name a new file; nothing was changed"
                )))
            }
        };
        Ok(Self { file: path.map(open).transpose()?, prints, kept: None })
    }

    /// Whether it is on standard output already.
    pub(super) const fn has_printed(&self) -> bool {
        self.prints && self.file.is_none() && matches!(self.kept, Some(Ok(())))
    }

    /// Writes the secret.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&mut self, secret: &NewSecret) -> Result<(), Problem> {
        let (place, kept) = match &mut self.file {
            Some((path, file)) => (path.display().to_string(), write(file, secret)),
            None if self.prints => ("standard output".to_owned(), print(secret)),
            None => return Ok(()),
        };
        let result = kept.as_ref().map_err(|error| {
            Problem::new(Fault::Refused, format!("{place} cannot be written: {error}"))
        });
        let result = result.copied();
        self.kept = Some(kept);
        result
    }

    /// Removes a file that holds nothing that the server has; the path where the secret is now.
    ///
    /// # Errors
    /// When a secret that the server has could not be written, or the file cannot be removed.
    pub(super) fn end(self, outcomes: &mut [Outcome]) -> anyhow::Result<Option<String>> {
        let Some((path, _)) = self.file else { return Ok(None) };
        let name = path.display().to_string();
        for outcome in outcomes {
            match (outcome, &self.kept) {
                (Outcome::Done(Some(_)), Some(Ok(()))) => return Ok(Some(name)),
                // A key, which is printed: it cannot be had again.
                (Outcome::Done(Some(_)), _) => {
                    let written = self.kept.unwrap_or(Ok(()));
                    written
                        .with_context(|| format!("cannot write {name}; keep what is printed"))?;
                    return Ok(None);
                }
                (Outcome::Failed(problem), Some(Ok(()))) if may_be_made(problem) => {
                    let more = format!("; {name} has its password, should the server have made it");
                    problem.reason.push_str(&more);
                    return Ok(None);
                }
                _ => (),
            }
        }
        std::fs::remove_file(path).with_context(|| format!("cannot remove {name}"))?;
        Ok(None)
    }
}

/// Makes a new file, empty and on the disk.
fn make(path: &Path) -> io::Result<File> {
    // What a run leaves that was ended before there was a secret.
    if holds_nothing(path) {
        std::fs::remove_file(path)?;
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// Whether the server may have done what it did not say.
const fn may_be_made(problem: &Problem) -> bool {
    matches!(problem.fault, Fault::Unknown | Fault::Overloaded)
}

/// Whether a file holds no secret. One that cannot be looked at may.
pub(super) fn holds_nothing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0)
}

fn write(file: &mut File, secret: &NewSecret) -> io::Result<()> {
    let (NewSecret::Password { password: text, .. } | NewSecret::ApiKey(text)) = secret;
    file.write_all(text.reveal()?.as_bytes())?;
    file.sync_all()
}

fn print(secret: &NewSecret) -> io::Result<()> {
    output::line(lines(secret, None).trim_end())
}

/// The secret for people, or where it is.
pub(super) fn lines(secret: &NewSecret, saved: Option<&str>) -> String {
    let (lines, key, value) = match secret {
        NewSecret::Password { username, password } => {
            (format!("           username: {username}\n"), "password", password)
        }
        NewSecret::ApiKey(key) => (String::new(), "api_key", key),
    };
    let head = "for shipping, below telemetry.elasticsearch";
    if let Some(path) = saved {
        return format!("secret   {head}:\n{lines}           {key}_file: {path}\n");
    }
    let value = value.reveal().unwrap_or_default();
    let once = "it is not shown again; keep it in a file and name that";
    format!("secret   {head} ({once}):\n{lines}           {key}: {value}\n")
}
