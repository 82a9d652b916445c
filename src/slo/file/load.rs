//! The files that `slo.files` names: found, read, and held against each other.
//!
//! Invariant: nothing here keeps the proxy from running; what is wrong is a finding, and goes without.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{OBJECTIVES_MAX, Objectives, document};
use crate::base::nearest::nearest;
use crate::base::visible::visible;
use crate::config::tree::{Item, Place, Source};
use crate::config::{self, Config, Environment, Finding};
use crate::query::Glob;

/// Largest file that is read.
pub(super) const FILE_BYTES_MAX: usize = 256 << 10;
/// Most files that are read.
const FILES_MAX: usize = 200;

/// Objectives of a configuration; the usual ones when it names no files. With the environment of this
/// process.
pub fn load(config: &Config) -> Objectives {
    let Some(patterns) = &config.slo.files else { return super::defaults() };
    let folder = config.folder();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut findings = Vec::new();
    for pattern in patterns {
        match expand(&folder.join(pattern)) {
            Ok(found) => files.extend(found),
            Err((problem, cure)) => {
                let problem = format!("`{pattern}` {problem}");
                findings.push(config.places.finding("slo.files", problem, cure.to_owned()));
            }
        }
    }
    let mut all = load_files_for(config, &files);
    all.findings.splice(..0, findings);
    all
}

/// Objectives of some files, each read once, with the environment of this process.
pub fn load_files(files: &[PathBuf]) -> Objectives {
    read_files(files, Names::default())
}

/// The same, for a process with this configuration.
pub fn load_files_for(config: &Config, files: &[PathBuf]) -> Objectives {
    let routes = config.slo.notify.routes.iter().map(|route| route.name.clone());
    read_files(files, Names { routes: Some(routes.collect()), ..Names::default() })
}

fn read_files(files: &[PathBuf], mut names: Names) -> Objectives {
    let mut all = Objectives::default();
    for (index, path) in files.iter().enumerate() {
        if files[..index].contains(path) {
            continue;
        }
        let shown = visible(path.display().to_string().as_bytes()).to_string();
        if index >= FILES_MAX {
            let problem = format!("is one of more than {FILES_MAX} files, and not read");
            all.findings.push(whole(&shown, problem, "put several objectives into one file"));
            break;
        }
        match config::text(path) {
            Ok(text) => names.add(&shown, &text, &|name| std::env::var(name).ok(), &mut all),
            Err((problem, cure)) => all.findings.push(whole(&shown, problem, cure)),
        }
    }
    all
}

/// A finding about a file as a whole.
fn whole(file: &str, problem: String, cure: &str) -> Finding {
    let (file, key, cure) = (file.to_owned(), String::new(), cure.to_owned());
    Finding { file, line: 0, column: 0, key, problem, cure }
}

/// The files that a pattern means: one, or those of a folder whose names match, in their order.
///
/// # Errors
/// What is wrong with it, and what helps.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>, (String, &'static str)> {
    let (folder, name) = (pattern.parent(), pattern.file_name().map(|name| name.to_string_lossy()));
    let (Some(folder), Some(name)) = (folder, name) else {
        return Err(("names no file".to_owned(), "write one, such as slo/*.yaml"));
    };
    if folder.to_string_lossy().contains('*') {
        let problem = "has a `*` in the name of a folder".to_owned();
        return Err((problem, "name each folder by itself, such as slo/*.yaml"));
    }
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let glob = Glob::new(name.split('*').map(str::to_owned).collect());
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(here).map_err(|error| {
        (format!("cannot be looked for: {error}"), "correct the path or its mode")
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| {
            let name = name.as_encoded_bytes();
            !name.starts_with(b".") && glob.matches(name)
        })
        .map(|name| folder.join(name))
        // What points nowhere is a mistake, and told when it is read.
        .filter(|path| std::fs::metadata(path).ok().is_none_or(|kind| kind.is_file()))
        .collect();
    if files.is_empty() {
        return Err((
            "matches no file".to_owned(),
            "correct it, or write `files: []` for no objectives",
        ));
    }
    files.sort();
    Ok(files)
}

/// Names that objectives have to do with.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Those of objectives that are taken, and where.
    taken: HashMap<String, String>,
    /// Those of routes; `None` where nobody knows.
    routes: Option<Vec<String>>,
}

impl Names {
    /// Takes a name; notes that it is taken.
    pub(super) fn take(&mut self, name: &str, item: &Item<'_, '_>) {
        let here = item.whereabouts();
        if let Some(first) = self.taken.get(name) {
            item.note(&format!("`{name}` is also the name of {first}"), "give each its own name");
        } else {
            self.taken.insert(name.to_owned(), here);
        }
    }

    /// Says where no route has a name: no mistake, for the alert is told all the same.
    pub(super) fn check_route(&self, name: &str, item: &Item<'_, '_>) {
        let Some(routes) = self.routes.as_ref().filter(|routes| !routes.iter().any(|r| r == name))
        else {
            return;
        };
        let problem = format!(
            "`{name}` is no route of slo.notify; without one of those that it names, an alert goes where the \
             conditions of routes say"
        );
        let cure = match nearest(name, routes.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "name one of slo.notify.routes, or write it there".to_owned(),
        };
        item.warn(&problem, &cure);
    }

    /// Reads a text, and adds what it says.
    pub(super) fn add(
        &mut self,
        name: &str,
        text: &str,
        environment: &Environment<'_>,
        all: &mut Objectives,
    ) {
        if text.len() > FILE_BYTES_MAX {
            let problem = format!("is larger than {} KiB", FILE_BYTES_MAX >> 10);
            all.findings.push(whole(name, problem, "is it the right file? split it"));
            return;
        }
        let source = Source::new(name, text, environment);
        let documents = source.documents().unwrap_or_default();
        let mut count = 0;
        for document in &documents {
            let item = Item::root(&source, document);
            if item.is_empty() {
                continue;
            }
            count += 1;
            if all.objectives.len() >= OBJECTIVES_MAX {
                let problem = format!("is one objective more than {OBJECTIVES_MAX}, and not read");
                item.note(&problem, "have fewer, or one with `group_by`");
                break;
            }
            all.objectives.extend(document::objective(item, self).map(Arc::new));
        }
        if count == 0 && source.is_clean() {
            source.note(
                Place::default(),
                "",
                "holds no objective",
                "write `kind: SLO`: docs/slo.md",
            );
        }
        let (findings, warnings) = source.into_words();
        all.findings.extend(findings);
        all.warnings.extend(warnings);
    }
}
