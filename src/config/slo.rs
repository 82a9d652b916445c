//! `slo` of the configuration: service level objectives.
//!
//! Not here: what stands in their files (`slo::file`), who is told (`notify`).

use super::map::Map;
use super::notify::{self, Notify};
use super::tree::Item;
use super::types::Docs;

/// Most paths and patterns.
const FILES_MAX: usize = 100;

/// `slo`.
#[derive(Debug, Clone, Default)]
pub struct Slo {
    /// Paths and patterns of files of objectives; `None`: the usual two objectives.
    pub files: Option<Vec<String>>,
    /// Who is told, and how.
    pub notify: Notify,
}

impl Slo {
    /// Whether no objective is wanted.
    pub fn is_off(&self) -> bool {
        self.files.as_ref().is_some_and(Vec::is_empty)
    }
}

const DOCS: Docs = &[
    ("notify", "Who is told that an alert fires or is over, and how: [notify.md](notify.md)."),
    (
        "files",
        "Files of objectives ([slo.md](slo.md)), relative to the folder of this file; a `*` stands \
     for any part of a file's name. When absent, 99.9 % of requests are answered, and 99 % of \
     these within 300ms; an empty list is for none. A file with a mistake stops nothing: its \
     objectives go on as they were last read ([evaluation.md](evaluation.md#how-it-survives)).",
    ),
];

/// `slo`; all of it has defaults.
pub(super) fn section(map: Option<Map<'_, '_>>) -> Slo {
    let Some(map) = map else { return Slo::default() };
    let mut map = map.means(DOCS);
    let files = map.get("files").map(|item| item.bounded_list(FILES_MAX));
    let notify = map.map("notify").map(notify::section).unwrap_or_default();
    map.end();
    let files = files.map(|files| files.iter().filter_map(Item::file).collect());
    Slo { files, notify }
}
