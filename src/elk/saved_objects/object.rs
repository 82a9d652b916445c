//! The saved objects of the boards: each with a mark that survives its import, and what is to be done
//! about it.
//!
//! Servers bring objects to their own form while they import them, so what they give back cannot be
//! compared. The mark therefore holds a checksum of what was imported, and the revision of the boards it
//! came with, which tells a newer lbproxy's objects from an older one's. Its place is one that imports
//! and editors keep: the end of the description, and for views, which have none, the format of a
//! field that cannot exist in Kibana, and an attribute of our own in OpenSearch Dashboards, which writes
//! formats of fields only. Pure.

use serde_json::{Value, json};

use super::super::plan::{Action, Change, Mode};
use super::super::{MANAGED_BY, Product, boards};
use crate::slo::Targets;

/// Start of the mark in a description; a checksum, a revision and a bracket follow.
const MARK: &str = " [managed by lbproxy: ";
/// Between checksum and revision. The first boards had no revision: theirs is 0.
const REVISION: &str = ", revision ";
/// What all ids of ours begin with but those of views.
const ID_START: &str = "lbproxy-";
pub(super) const VIEW: &str = "index-pattern";
/// Types, in the order in which they are told.
const KINDS: [&str; 5] = ["tag", VIEW, "search", "visualization", "dashboard"];
/// Attribute of a view in OpenSearch Dashboards that holds its mark. Other types refuse what they do not know.
const VIEW_MARK: &str = "lbproxy";
/// Attributes that hold the marks, and the title: all of an object that is asked for.
const ASKED: [&str; 4] = ["title", "description", "fieldFormatMap", VIEW_MARK];

/// A saved object as it is imported.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Its type, in the API's words.
    pub(crate) kind: String,
    pub(crate) id: String,
    /// It, with its mark.
    pub(crate) body: Value,
    /// Checksum of it without its mark.
    checksum: String,
    /// What it is known by where it has no mark.
    named: [Value; 2],
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Checksum of what was imported.
    checksum: String,
    /// Revision of the boards that it came with.
    revision: u64,
}

impl Object {
    /// An object from its line, and from that of the file which is imported by hand.
    fn new(product: Product, line: &str, by_hand: &str) -> Option<Self> {
        let mut body: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        let (kind, id) = (text("type")?, text("id")?);
        let checksum = format!("{:08x}", crc32c::crc32c(line.as_bytes()));
        let by_hand: Value = serde_json::from_str(by_hand).ok()?;
        let named = named(&kind, &by_hand["attributes"]);
        let attributes = &mut body["attributes"];
        let mark = format!("{MARK}{checksum}{REVISION}{}]", boards::revision());
        if kind == VIEW && product == Product::OpenSearch {
            attributes[VIEW_MARK] = format!("A view of lbproxy's.{mark}").into();
        } else if kind == VIEW {
            let mut formats = formats(attributes);
            let params = json!({
                "managed_by": MANAGED_BY, "checksum": checksum, "revision": boards::revision(),
            });
            formats[MANAGED_BY] = json!({ "id": "string", "params": params });
            attributes["fieldFormatMap"] = formats.to_string().into();
        } else {
            let description = attributes["description"].as_str().unwrap_or_default();
            attributes["description"] = format!("{description}{mark}").into();
        }
        Some(Self { kind, id, body, checksum, named })
    }

    /// One that an older lbproxy has put and this one has no more, from a server's list: `None` for
    /// whatever else is on it.
    pub(super) fn left_over(product: Product, found: &Value, wanted: &[Self]) -> Option<Self> {
        let text = |key: &str| found[key].as_str().map(str::to_owned);
        let (kind, id) = (text("type")?, text("id")?);
        let mark = mark(&kind, &found["attributes"])?;
        let is_wanted = wanted.iter().any(|own| own.kind == kind && own.id == id);
        let is_ours = left(product).contains(&kind.as_str()) && is_id(&id);
        let is_left_over = is_ours && !is_wanted && mark.revision <= boards::revision();
        is_left_over.then_some(Self {
            kind,
            id,
            body: Value::Null,
            checksum: mark.checksum,
            named: [Value::Null, Value::Null],
        })
    }

    /// Its part of a path.
    pub(super) fn path(&self) -> String {
        let encoded =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // A space is a plus there only in a form.
        format!("{}/{}", encoded(&self.kind), encoded(&self.id)).replace('+', "%20")
    }

    /// Its place in the order in which types are told.
    pub(super) fn rank(&self) -> usize {
        KINDS.iter().position(|kind| *kind == self.kind).unwrap_or(KINDS.len())
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
        // Imported by hand from the same file, or a view that OpenSearch Dashboards has rewritten.
        let is_by_hand = || named(&self.kind, attributes) == self.named;
        if mark.is_none() && !is_by_hand() {
            return Action::Foreign;
        }
        if mode == Mode::Remove {
            return Action::Remove;
        }
        let from = match mark {
            Some(mark) if mark.checksum == self.checksum => return Action::Unchanged,
            Some(mark) if mark.revision > boards::revision() => {
                return Action::Newer(mark.revision);
            }
            mark => mark.map(|mark| mark.checksum),
        };
        let to = Some(self.checksum.clone());
        Action::Update(vec![Change { path: "checksum".into(), from, to }])
    }
}

/// Types of which an older lbproxy may have left some: views stay, as they are those of the data.
pub(super) const fn left(product: Product) -> &'static [&'static str] {
    match product {
        Product::Elasticsearch => &["dashboard", "visualization", "search", "tag"],
        Product::OpenSearch => &["dashboard", "visualization", "search"],
    }
}

/// Whether an id is made as ours are, views aside.
fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    id.starts_with(ID_START) && id.bytes().all(is_plain)
}

/// What is asked for of each object.
pub(super) fn asked(product: Product) -> Vec<&'static str> {
    let mut asked = ASKED.to_vec();
    // No attribute, and left out unless it is named among them.
    asked.extend((product == Product::OpenSearch).then_some("workspaces"));
    asked
}

/// All of a product, held against these targets, views first.
pub(super) fn all(product: Product, targets: &Targets) -> Vec<Object> {
    let held = boards::held_against(product, targets);
    let lines = held.lines().zip(boards::saved_objects(product).lines());
    let mut all: Vec<_> =
        lines.filter_map(|(line, by_hand)| Object::new(product, line, by_hand)).collect();
    all.sort_by_key(Object::rank);
    all
}

/// What people call a type.
pub(super) fn type_title(kind: &str, product: Product) -> &'static str {
    match (kind, product) {
        (VIEW, Product::Elasticsearch) => "data view",
        (VIEW, Product::OpenSearch) => "index pattern",
        ("search", _) => "saved search",
        ("tag", _) => "tag",
        ("visualization", _) => "visualization",
        ("dashboard", _) => "dashboard",
        _ => "saved object",
    }
}

/// What an object is known by without a mark. Views are rewritten, all but the title.
fn named(kind: &str, attributes: &Value) -> [Value; 2] {
    let description = if kind == VIEW { &Value::Null } else { &attributes["description"] };
    [attributes["title"].clone(), description.clone()]
}

/// What a mark says, if there is a mark.
fn mark(kind: &str, attributes: &Value) -> Option<Mark> {
    let place = if kind == VIEW { VIEW_MARK } else { "description" };
    if kind == VIEW && attributes[place].is_null() {
        let params = &formats(attributes)[MANAGED_BY]["params"];
        let is_ours = params["managed_by"] == MANAGED_BY;
        return is_ours.then(|| Mark {
            checksum: params["checksum"].as_str().unwrap_or_default().to_owned(),
            revision: params["revision"].as_u64().unwrap_or(0),
        });
    }
    let (_, rest) = attributes[place].as_str()?.rsplit_once(MARK)?;
    let (mark, _) = rest.split_once(']')?;
    let (checksum, revision) = mark.split_once(REVISION).unwrap_or((mark, "0"));
    Some(Mark { checksum: checksum.to_owned(), revision: revision.parse().unwrap_or(0) })
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
            let all = all(product, &Targets::DEFAULT);
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
        let all = all(Product::Elasticsearch, &Targets::DEFAULT);
        let board = all.iter().find(|object| object.kind == "dashboard").unwrap();
        let view = all.iter().find(|object| object.kind == VIEW).unwrap();
        let described = |description: &str| json!({"attributes": {"description": description}});
        let formatted = |formats: &str| json!({"attributes": {"fieldFormatMap": formats}});
        let by_hand = |object: &Object| {
            let [title, description] = object.named.clone();
            json!({"attributes": {"title": title, "description": description}})
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
            (
                "newer",
                board,
                described("New. [managed by lbproxy: 00000001, revision 4000000000]"),
                Mode::Setup,
                Action::Newer(4_000_000_000),
            ),
            (
                "newer, to go",
                board,
                described("New. [managed by lbproxy: 00000001, revision 4000000000]"),
                Mode::Remove,
                Action::Remove,
            ),
            (
                "older with its revision",
                board,
                described("Old. [managed by lbproxy: 00000001, revision 0]"),
                Mode::Setup,
                update(Some("00000001"), board),
            ),
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

    /// Goal: boards of other objectives take the place of the usual ones, whoever has put those, and are changed no
    /// more then. Method: what each would find.
    #[test]
    fn boards_of_other_objectives_take_the_place_of_the_usual_ones() {
        let others = Targets { fast_us: 50_000, ..Targets::DEFAULT };
        for product in Product::ALL {
            let (usual, held) = (all(product, &Targets::DEFAULT), all(product, &others));
            let mut changed = 0;
            for (before, after) in usual.iter().zip(&held) {
                let name = format!("{product:?} {}", after.id);
                assert_eq!((&before.kind, &before.id), (&after.kind, &after.id));
                assert_eq!(after.action(&after.body, Mode::Setup), Action::Unchanged, "{name}");
                if before.body == after.body {
                    continue;
                }
                changed += 1;
                let [title, description] = before.named.clone();
                let by_hand = json!({"attributes": {"title": title, "description": description}});
                for found in [&before.body, &by_hand] {
                    let action = after.action(found, Mode::Setup);
                    assert!(matches!(action, Action::Update(_)), "{name}: {action:?}");
                }
            }
            assert!(changed > 2 && changed < usual.len(), "{product:?}: {changed} differ");
        }
    }

    #[test]
    fn a_view_is_known_again_after_its_product_has_rewritten_it() {
        let all = all(Product::OpenSearch, &Targets::DEFAULT);
        let mut views = all.iter().filter(|object| object.kind == VIEW).peekable();
        assert!(views.peek().is_some());
        for view in views {
            let ours = &view.body["attributes"];
            let fields: Vec<Value> =
                serde_json::from_str(ours["fields"].as_str().unwrap()).unwrap();
            let opened = lbproxy_fakes::opened(ours, false, &fields);
            assert_eq!(&opened, ours, "{}: an opening changes it", view.id);
            // As an lbproxy without fields has put it: its mark goes with the first opening.
            let mut older = ours.clone();
            let mut formats = formats(&older);
            formats[MANAGED_BY] = json!({"id": "string", "params": {"managed_by": MANAGED_BY}});
            older["fieldFormatMap"] = formats.to_string().into();
            for key in ["fields", VIEW_MARK] {
                older.as_object_mut().unwrap().remove(key);
            }
            let rewritten = lbproxy_fakes::opened(&older, false, &fields);
            assert_eq!(mark(VIEW, &older).map(|mark| mark.revision), Some(0));
            assert_eq!(mark(VIEW, &rewritten), None);
            let refreshed = lbproxy_fakes::opened(ours, true, &fields[..3]);
            for (name, attributes, want) in [
                ("opened", opened, "unchanged"),
                ("its fields asked for anew", refreshed, "unchanged"),
                ("an older one", older, "update"),
                ("an older one, opened", rewritten, "update"),
            ] {
                let found = json!({ "attributes": attributes });
                let action = view.action(&found, Mode::Setup);
                assert_eq!(action.as_str(), want, "{} {name}: {action:?}", view.id);
                assert_eq!(view.action(&found, Mode::Remove), Action::Remove, "{} {name}", view.id);
            }
        }
    }

    #[test]
    fn only_what_an_older_lbproxy_has_put_is_left_over() {
        let all = all(Product::OpenSearch, &Targets::DEFAULT);
        let found = |kind: &str, id: &str, description: &str| json!({"type": kind, "id": id, "attributes": {"description": description}});
        let ours = "Old. [managed by lbproxy: 00000001]";
        for (name, found, want) in [
            ("an older panel", found("visualization", "lbproxy-overview-gone", ours), true),
            ("one of now", found("dashboard", "lbproxy-overview", ours), false),
            ("a way", found("dashboard", "lbproxy-x/../../index-pattern/other", ours), false),
            ("an id of others", found("dashboard", "lbproxy-Mine?a", ours), false),
            ("a type that was not asked for", found("config", "lbproxy-2", ours), false),
            ("a tag, which only Kibana has", found("tag", "lbproxy-old", ours), false),
            ("a copy by hand", found("visualization", "3f2c", ours), false),
            ("somebody else's", found("dashboard", "lbproxy-mine", "Mine."), false),
            (
                "a newer one",
                found(
                    "dashboard",
                    "lbproxy-new",
                    "N. [managed by lbproxy: 0, revision 4000000000]",
                ),
                false,
            ),
        ] {
            let object = Object::left_over(Product::OpenSearch, &found, &all);
            assert_eq!(object.is_some(), want, "{name}");
        }
    }

    #[test]
    fn a_type_and_an_id_stay_one_part_of_a_path_each() {
        let mut object = all(Product::OpenSearch, &Targets::DEFAULT).remove(0);
        for (kind, id, want) in [
            ("dashboard", "lbproxy-overview", "dashboard/lbproxy-overview"),
            (VIEW, "logs-lbproxy.access-*", "index-pattern/logs-lbproxy.access-*"),
            ("a/b", "../x?y=z#+ %", "a%2Fb/..%2Fx%3Fy%3Dz%23%2B%20%25"),
        ] {
            (object.kind, object.id) = (kind.to_owned(), id.to_owned());
            assert_eq!(object.path(), want);
        }
    }
}
