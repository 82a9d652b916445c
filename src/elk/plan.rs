//! What is to be done about one artefact: what is wanted compared with what was found.
//!
//! Pure. Two bodies are compared leaf by leaf, so that neither the form in which servers give settings
//! back (`{"index": {"codec": …}}`, numbers as texts) nor what they add counts as a difference. Not
//! here: other things that stand in the way (`findings`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::artefact::{Artefact, Present};

/// What was found where an artefact is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// Something.
    Present(Present),
    /// This server has no such things.
    NoApi,
    /// The credentials may not look; what the server says.
    MayNotLook(String),
}

/// On whose behalf it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An operator wants it as it is in the configuration.
    Setup,
    /// Shipping starts: what is missing or older is put; nothing of the same version is changed, so
    /// that two instances with two configurations do not undo each other.
    Start,
    /// An operator wants it gone.
    Remove,
}

/// A leaf that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path, with dots.
    pub path: String,
    /// As it is; `None` when it is not there.
    pub from: Option<String>,
    /// As it is to be; `None` when it is to go.
    pub to: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Update(Vec<Change>),
    /// It is deleted.
    Remove,
    /// It is as it should be.
    Unchanged,
    /// It differs and stays: shipping does not change what has its version.
    Differs(Vec<Change>),
    /// A newer lbproxy has put it, with this version; it stays.
    Newer(u64),
    /// It is not there, as it should be.
    Absent,
    /// Somebody else's; it stays.
    Foreign,
    /// What is somebody else's has its name, or its names and priority; the server would refuse ours.
    Conflict,
    /// It stays as long as these streams.
    InUse(Vec<String>),
    /// This server has no such things.
    NoApi,
    /// The credentials may not look.
    MayNotLook(String),
}

impl Action {
    /// Whether it changes something on the server.
    pub const fn is_change(&self) -> bool {
        matches!(self, Self::Create | Self::Update(_) | Self::Remove)
    }

    /// Its word in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update(_) => "update",
            Self::Remove => "remove",
            Self::Unchanged => "unchanged",
            Self::Differs(_) => "differs",
            Self::Newer(_) => "newer",
            Self::Absent => "absent",
            Self::Foreign => "foreign",
            Self::Conflict => "conflict",
            Self::InUse(_) => "in_use",
            Self::NoApi => "not_supported",
            Self::MayNotLook(_) => "forbidden",
        }
    }
}

/// What is to be done about `wanted`. `kept` are streams that need it and stay.
pub fn action(wanted: &Artefact, found: &Found, mode: Mode, kept: &[String]) -> Action {
    let present = match found {
        Found::NoApi => return Action::NoApi,
        Found::MayNotLook(reason) => return Action::MayNotLook(reason.clone()),
        Found::Missing if mode == Mode::Remove => return Action::Absent,
        Found::Missing => return Action::Create,
        Found::Present(present) => &present.body,
    };
    if !wanted.api.is_ours(&wanted.body, present) {
        return Action::Foreign;
    }
    if mode == Mode::Remove {
        return if kept.is_empty() { Action::Remove } else { Action::InUse(kept.to_vec()) };
    }
    let (ours, theirs) = (wanted.body["version"].as_u64(), present["version"].as_u64());
    if let Some(newer) = theirs.filter(|&theirs| Some(theirs) > ours) {
        return Action::Newer(newer);
    }
    let changes = changes(wanted, &wanted.body, present);
    let is_instead = || {
        let instead = wanted.instead.as_ref();
        instead.is_some_and(|instead| self::changes(wanted, instead, present).is_empty())
    };
    if changes.is_empty() || is_instead() {
        Action::Unchanged
    } else if mode == Mode::Start && theirs == ours {
        Action::Differs(changes)
    } else {
        Action::Update(changes)
    }
}

/// The leaves in which `present` differs from `body`.
fn changes(artefact: &Artefact, body: &Value, present: &Value) -> Vec<Change> {
    let (wanted, mut present) = (leaves(body), leaves(present));
    let mut changes = Vec::new();
    for (path, to) in wanted {
        let from = present.remove(&path);
        if from.as_ref() != Some(&to) && !artefact.api.is_hidden(&path) {
            changes.push(Change { path, from, to: Some(to) });
        }
    }
    present.retain(|path, _| artefact.api.is_exact(path));
    changes.extend(present.into_iter().map(|(path, from)| Change {
        path,
        from: Some(from),
        to: None,
    }));
    // What stands at the top says most.
    changes.sort_by_key(|change| change.path.matches('.').count());
    changes
}

/// The leaves of a tree by their dotted paths, as texts. A list without objects is one leaf.
pub(super) fn leaves(tree: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
        let below =
            |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    walk(value, &below(name), found);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (place, item) in items.iter().enumerate() {
                    walk(item, &below(&place.to_string()), found);
                }
            }
            Value::Array(items) => {
                let texts: Vec<_> = items.iter().map(scalar).collect();
                found.insert(path.to_owned(), format!("[{}]", texts.join(", ")));
            }
            scalar_value => {
                found.insert(path.to_owned(), scalar(scalar_value));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(tree, "", &mut found);
    found
}

/// A leaf as text: servers give `1` back as `"1"` and `false` as `"false"`.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
