//! The keys of a configuration, written down by the reader itself while it reads nothing.
//!
//! So what the schema and the reference say is what the reader asks for, and cannot be anything
//! else. Not here: how they are printed (`schema`, `reference`).

use std::cell::RefCell;

/// In a path, a name that whoever writes the file chooses.
pub(super) const ANY_NAME: &str = "NAME";

/// What a key is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any text that the reader then understands, and what it is.
    Text(String),
    Choice(Vec<&'static str>),
    Flag,
    /// A whole number within limits.
    Number {
        least: u64,
        most: u64,
    },
    /// A span of time within limits, in microseconds.
    Duration {
        least: u64,
        most: u64,
    },
    /// A size within limits, in bytes.
    Size {
        least: u64,
        most: u64,
    },
    Map,
    /// A mapping whose keys are anybody's names; `path.`[`ANY_NAME`] is what stands at each.
    Names,
    List {
        /// Whether it must have an item.
        is_filled: bool,
    },
}

/// A key, the items of a list, or the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Path such as `proxy.services[].name`; the items of a list end in `[]`.
    pub(crate) path: String,
    /// What it can be; a text when nothing more is asked.
    pub(crate) shapes: Vec<Shape>,
    /// What it is when absent.
    pub(crate) default: Option<String>,
    /// Whether it must be there.
    pub(crate) is_required: bool,
    /// A key that cannot stand beside it, and whether one of the two must be there.
    pub(crate) instead: Option<(String, bool)>,
    pub(crate) doc: String,
}

impl Key {
    /// Its own name.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Path of the mapping that it is a key of; `None` for the file itself and for the items of a list.
    pub(crate) fn parent(&self) -> Option<&str> {
        if self.path.is_empty() || self.path.ends_with(']') {
            return None;
        }
        Some(self.path.rsplit_once('.').map_or("", |(parent, _)| parent))
    }
}

/// Keys in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Keys(RefCell<Vec<Key>>);

impl Keys {
    /// All that was written down.
    pub(crate) fn into_vec(self) -> Vec<Key> {
        self.0.into_inner()
    }

    /// Changes the key with that path; makes it first where there is none.
    fn change(&self, path: &str, change: impl FnOnce(&mut Key)) {
        let mut keys = self.0.borrow_mut();
        let at = keys.iter().position(|key| key.path == path).unwrap_or_else(|| {
            keys.push(Key {
                path: path.to_owned(),
                shapes: Vec::new(),
                default: None,
                is_required: false,
                instead: None,
                doc: String::new(),
            });
            keys.len() - 1
        });
        change(&mut keys[at]);
    }

    /// A key is asked for.
    pub(crate) fn ask(&self, path: &str, doc: &str) {
        self.change(path, |key| doc.clone_into(&mut key.doc));
    }

    /// It is read so; several ways are alternatives.
    pub(crate) fn shape(&self, path: &str, shape: Shape) {
        self.change(path, |key| {
            if !key.shapes.contains(&shape) {
                key.shapes.push(shape);
            }
        });
    }

    /// It is this when absent.
    pub(crate) fn default_is(&self, path: &str, default: &str) {
        self.change(path, |key| key.default = Some(default.to_owned()));
    }

    pub(crate) fn require(&self, path: &str) {
        self.change(path, |key| key.is_required = true);
    }

    /// Two keys cannot stand beside each other.
    pub(crate) fn exclude(&self, one: &str, other: &str, is_one_required: bool) {
        self.change(one, |key| key.instead = Some((other.to_owned(), is_one_required)));
    }
}
