//! A folder of compiled files: compared with what it should hold, and brought there.
//!
//! Invariants: a file is replaced whole or not at all; one that this command did not make is never removed. Not
//! here: what is in the files (`compile`).

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::compile::OutputFile;

/// In so many bytes of a file stands which command made it.
const HEAD_BYTES: u64 = 512;

/// How a file is, beside what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileState {
    /// As it should be.
    Same,
    /// Not there.
    Missing,
    /// Another text: from this line on, and how many lines of it are not among those that should be.
    Differs {
        /// From 1.
        line: usize,
        /// Lines of the new text that the old one does not have.
        added: usize,
        /// Lines of the old text that the new one does not have.
        removed: usize,
    },
    /// Made by this command earlier, and by no objective any more.
    Stale,
}

impl FileState {
    /// The word for programs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Missing => "missing",
            Self::Differs { .. } => "differs",
            Self::Stale => "stale",
        }
    }

    /// What is different, for people; empty when nothing is.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Same => String::new(),
            Self::Missing => "is not there".to_owned(),
            Self::Differs { line, added, removed } => {
                format!("differs from line {line} on: {added} lines new, {removed} gone")
            }
            Self::Stale => "no objective makes it any more".to_owned(),
        }
    }
}

/// Compares a folder with the files of a tool: those first, then what the tool made earlier.
///
/// # Errors
/// When something there cannot be read.
pub(super) fn compare(
    dir: &Path,
    tool: &str,
    files: &[OutputFile],
) -> anyhow::Result<Vec<(String, FileState)>> {
    let mut states = Vec::new();
    for file in files {
        states.push((file.path.clone(), state(&dir.join(&file.path), &file.text)?));
    }
    let folders: BTreeSet<PathBuf> = files
        .iter()
        .filter_map(|file| Path::new(&file.path).parent().map(Path::to_path_buf))
        .collect();
    let folders = folders.into_iter().chain([PathBuf::new()]).collect::<BTreeSet<_>>();
    for folder in folders {
        for name in made_by(&dir.join(&folder), tool)? {
            let path = folder.join(name).display().to_string();
            if files.iter().all(|file| file.path != path) {
                states.push((path, FileState::Stale));
            }
        }
    }
    Ok(states)
}

/// How one file is.
fn state(path: &Path, want: &str) -> anyhow::Result<FileState> {
    let have = match fs::read(path) {
        Ok(have) => String::from_utf8_lossy(&have).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => {
            let shown = path.display();
            return Err(error)
                .context(format!("cannot read {shown}; move it away, or give another --out"));
        }
    };
    if have == want {
        return Ok(FileState::Same);
    }
    let differs = have.lines().zip(want.lines()).position(|(have, want)| have != want);
    let line = differs.unwrap_or_else(|| have.lines().count().min(want.lines().count())) + 1;
    let lines = |text: &'_ str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (old, new) = (lines(&have), lines(want));
    let (added, removed) = (new.difference(&old).count(), old.difference(&new).count());
    Ok(FileState::Differs { line, added, removed })
}

/// Names of the files in a folder that this command made for a tool.
fn made_by(dir: &Path, tool: &str) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error)
                .context(format!("cannot read {}; give a folder as --out", dir.display()));
        }
    };
    let mark = format!("lbproxy slo compile --to {tool}");
    let is_ours = |path: &Path| {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
        let text = String::from_utf8_lossy(&head);
        let at = text.find(&mark).map(|at| at + mark.len());
        // `kibana` is not `kibana-slo`.
        let ends =
            |at: usize| !text[at..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        read.is_ok() && at.is_some_and(ends)
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_file()) && is_ours(&entry.path())
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// Writes what is missing or differs, and removes what is stale.
///
/// # Errors
/// When the system does not allow it; files are then as they were, or as they should be.
pub(super) fn write(
    dir: &Path,
    files: &[OutputFile],
    states: &[(String, FileState)],
) -> anyhow::Result<()> {
    for (path, state) in states {
        let to = dir.join(path);
        match state {
            FileState::Same => (),
            FileState::Missing | FileState::Differs { .. } => {
                let text =
                    files.iter().find(|file| file.path == *path).map_or("", |file| &file.text);
                let refused = || {
                    format!(
                        "cannot write {}; give a folder as --out that may be written",
                        to.display()
                    )
                };
                replace(&to, text).with_context(refused)?;
            }
            FileState::Stale => {
                fs::remove_file(&to).with_context(|| {
                    format!(
                        "cannot remove {}, which no objective makes any more; remove it",
                        to.display()
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// Replaces a file whole. Others may read it: it is for another program's account.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&new, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&new);
    }
    renamed
}
