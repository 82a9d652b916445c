//! The saved objects of the boards: each with a mark that survives its import, and what is to be done
//! about it.
//!
//! Servers bring objects to their own form while they import them, so what they give back cannot be
//! compared. The mark therefore holds a checksum of what was imported. Its place is one that imports
//! and editors keep: the end of the description, and for views, which have none, the format of a
//! field that cannot exist. Pure.

use serde_json::{Value, json};

use super::super::plan::{Action, Change, Mode};
use super::super::{MANAGED_BY, Product, boards};

/// Start of the mark in a description; a checksum and a bracket follow.
const MARK: &str = " [managed by lbproxy: ";
/// The type of views.
pub(super) const VIEW: &str = "index-pattern";
/// Types, in the order in which they are told.
const KINDS: [&str; 4] = [VIEW, "search", "visualization", "dashboard"];
/// Attributes that hold the marks, and the title: all of an object that is asked for.
pub(super) const ASKED: [&str; 3] = ["title", "description", "fieldFormatMap"];

/// A saved object as it is imported.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Its type, in the API's words.
    pub(crate) kind: String,
    /// Its id.
    pub(crate) id: String,
    /// It, with its mark.
    pub(crate) body: Value,
    /// Checksum of it without its mark.
    checksum: String,
    /// What is asked for, without the mark.
    unmarked: [Value; 3],
}

impl Object {
    /// An object from its line.
    fn new(line: &str) -> Option<Self> {
        let mut body: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        let (kind, id) = (text("type")?, text("id")?);
        let checksum = format!("{:08x}", crc32c::crc32c(line.as_bytes()));
        let attributes = &mut body["attributes"];
        let unmarked = ASKED.map(|key| attributes[key].clone());
        if kind == VIEW {
            let mut formats = formats(attributes);
            let params = json!({ "managed_by": MANAGED_BY, "checksum": checksum });
            formats[MANAGED_BY] = json!({ "id": "string", "params": params });
            attributes["fieldFormatMap"] = formats.to_string().into();
        } else {
            let description = attributes["description"].as_str().unwrap_or_default();
            attributes["description"] = format!("{description}{MARK}{checksum}]").into();
        }
        Some(Self { kind, id, body, checksum, unmarked })
    }

    /// What people call its type.
    pub(crate) fn type_title(&self, product: Product) -> &'static str {
        type_title(&self.kind, product)
    }

    /// What is to be done about it, by the part about it of the answer to `_bulk_get`.
    pub(super) fn action(&self, found: &Value, mode: Mode) -> Action {
        let error = &found["error"];
        match error["statusCode"].as_u64() {
            Some(404) if mode == Mode::Remove => return Action::Absent,
            Some(404) => return Action::Create,
            Some(_) => {
                let message = error["message"].as_str().unwrap_or("no reason is given");
                return Action::MayNotLook(message.to_owned());
            }
            None => (),
        }
        let attributes = &found["attributes"];
        let mark = mark(&self.kind, attributes);
        // Imported by hand from the same file: without a mark, otherwise ours.
        let is_by_hand = || ASKED.map(|key| attributes[key].clone()) == self.unmarked;
        if mark.is_none() && !is_by_hand() {
            return Action::Foreign;
        }
        if mode == Mode::Remove {
            return Action::Remove;
        }
        if mark.as_ref() == Some(&self.checksum) {
            return Action::Unchanged;
        }
        let to = Some(self.checksum.clone());
        Action::Update(vec![Change { path: "checksum".into(), from: mark, to }])
    }
}

/// All of a product, views first.
pub(super) fn all(product: Product) -> Vec<Object> {
    let mut all: Vec<_> = boards::saved_objects(product).lines().filter_map(Object::new).collect();
    all.sort_by_key(|object| KINDS.iter().position(|kind| *kind == object.kind));
    all
}

/// What people call a type.
pub(super) fn type_title(kind: &str, product: Product) -> &'static str {
    match (kind, product) {
        (VIEW, Product::Elasticsearch) => "data view",
        (VIEW, Product::OpenSearch) => "index pattern",
        ("search", _) => "saved search",
        ("visualization", _) => "visualization",
        ("dashboard", _) => "dashboard",
        _ => "saved object",
    }
}

/// The checksum in a mark, if there is a mark.
fn mark(kind: &str, attributes: &Value) -> Option<String> {
    if kind == VIEW {
        let params = &formats(attributes)[MANAGED_BY]["params"];
        let is_ours = params["managed_by"] == MANAGED_BY;
        return is_ours.then(|| params["checksum"].as_str().unwrap_or_default().to_owned());
    }
    let (_, rest) = attributes["description"].as_str()?.rsplit_once(MARK)?;
    rest.split_once(']').map(|(checksum, _)| checksum.to_owned())
}

/// The formats of a view, which are a text of JSON; empty when they are none.
fn formats(attributes: &Value) -> Value {
    let text = attributes["fieldFormatMap"].as_str().unwrap_or_default();
    let formats = serde_json::from_str(text).ok().filter(Value::is_object);
    formats.unwrap_or_else(|| json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_object_is_marked_and_known_again() {
        for product in Product::ALL {
            let lines = boards::saved_objects(product).lines().count();
            let all = all(product);
            assert_eq!(all.len(), lines, "{product:?}");
            for object in all {
                let (kind, name) = (&object.kind, format!("{product:?} {}", object.id));
                assert!(KINDS.contains(&kind.as_str()), "{name}: {kind}");
                assert_eq!(object.action(&object.body, Mode::Setup), Action::Unchanged, "{name}");
                assert_eq!(object.action(&object.body, Mode::Remove), Action::Remove, "{name}");
            }
        }
    }

    #[test]
    fn what_is_found_decides_what_is_done() {
        let all = all(Product::Elasticsearch);
        let board = all.iter().find(|object| object.kind == "dashboard").unwrap();
        let view = all.iter().find(|object| object.kind == VIEW).unwrap();
        let described = |description: &str| json!({"attributes": {"description": description}});
        let formatted = |formats: &str| json!({"attributes": {"fieldFormatMap": formats}});
        let by_hand = |object: &Object| {
            let [title, description, formats] = object.unmarked.clone();
            json!({"attributes": {
                "title": title, "description": description, "fieldFormatMap": formats,
            }})
        };
        let update = |from: Option<&str>, object: &Object| {
            let (from, to) = (from.map(str::to_owned), Some(object.checksum.clone()));
            Action::Update(vec![Change { path: "checksum".into(), from, to }])
        };
        let error = |status: u16| json!({"error": {"statusCode": status, "message": "why"}});
        let old = described("Edited. [managed by lbproxy: 00000001] and more");
        let old_view =
            formatted(r#"{"lbproxy":{"id":"string","params":{"managed_by":"lbproxy"}}}"#);
        for (name, object, found, mode, want) in [
            ("absent", board, error(404), Mode::Setup, Action::Create),
            ("gone", board, error(404), Mode::Remove, Action::Absent),
            ("hidden", board, error(403), Mode::Setup, Action::MayNotLook("why".into())),
            ("older", board, old.clone(), Mode::Setup, update(Some("00000001"), board)),
            ("older, to go", board, old, Mode::Remove, Action::Remove),
            ("by hand", board, by_hand(board), Mode::Setup, update(None, board)),
            ("a view by hand", view, by_hand(view), Mode::Setup, update(None, view)),
            ("an older view", view, old_view, Mode::Setup, update(Some(""), view)),
            ("another's", board, described("Mine."), Mode::Setup, Action::Foreign),
            ("another's, to go", board, described("Mine."), Mode::Remove, Action::Foreign),
            (
                "a half mark",
                board,
                described("x [managed by lbproxy: "),
                Mode::Setup,
                Action::Foreign,
            ),
            ("another's view", view, formatted("no JSON"), Mode::Setup, Action::Foreign),
        ] {
            assert_eq!(object.action(&found, mode), want, "{name}");
        }
    }
}
