//! What must hold of the file of dead letters for any bytes in it.

use serde_json::Value;
use serde_json::value::RawValue;

use super::read::{Place, lines, place};
use super::{Known, Letters, Refusal};

/// The bytes of a file.
pub(crate) fn dead_letter(data: &[u8]) {
    let mut visited = Vec::new();
    let end = lines(data, &mut |line| visited.push(line.to_vec())).unwrap_or(u64::MAX);
    let whole = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    assert_eq!(end, whole as u64, "half a line is left alone");
    let mut wanted: Vec<_> = data[..whole].split(|byte| *byte == b'\n').collect();
    wanted.pop(); // what follows the last line end
    assert!(visited.iter().eq(wanted.iter().map(|line| line.trim_ascii_end())), "every line, once");
    for line in &visited {
        let letter = Known::read(line);
        let place = place(line);
        assert!(letter.is_some() || place.is_none());
        // What is passed over may be too deep, or no number; a tree cannot be made of that.
        let tree: Option<Value> = serde_json::from_slice(line).ok();
        if let Some(tree) = &tree {
            check_tree(tree, letter.as_ref(), place.as_ref());
        }
        if let Some(letter) = letter {
            check(&letter);
        }
    }
}

/// A letter is an object with all its fields, and says what stands there.
fn check_tree(tree: &Value, letter: Option<&Known>, place: Option<&Place>) {
    let is_text = |key: &&str| tree[*key].is_string();
    let is_letter = ["stream", "_id", "error_type", "error_reason"].iter().all(is_text)
        && tree["status"].as_u64().is_some_and(|status| status <= 65_535)
        && tree.get("document").is_some();
    let once = serde_json::to_vec(tree).unwrap_or_default(); // a key that stands twice is a mistake
    assert_eq!(Known::read(&once).is_some(), is_letter, "{tree}");
    if let Some(letter) = letter {
        assert!(is_letter, "{tree}");
        let (stream, id, status, kind, reason, _) = fields(letter);
        assert_eq!((stream, id), (text(tree, "stream"), text(tree, "_id")));
        assert_eq!((kind, reason), (text(tree, "error_type"), text(tree, "error_reason")));
        assert_eq!(tree["status"], status);
    }
    if let Some(place) = place {
        let origin = &tree["document"];
        assert_eq!(u64::from_str_radix(text(origin, "lbproxy.instance"), 16), Ok(place.instance));
        assert_eq!(origin["lbproxy.epoch"], place.epoch);
        assert_eq!(origin["lbproxy.worker"], place.worker);
        assert_eq!(origin["lbproxy.seq"], place.seq);
    }
}

fn text<'t>(tree: &'t Value, key: &str) -> &'t str {
    tree[key].as_str().unwrap_or_default()
}

/// Whether a letter can stand in a bulk: in a stream of ours, and nothing in it has to be escaped.
fn is_sendable(letter: &Known) -> bool {
    let is_plain =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let kinds = ["logs-lbproxy.access-", "logs-lbproxy.connection-", "logs-lbproxy.health-"];
    let samples = ["metrics-lbproxy.process-", "metrics-lbproxy.rollup-"];
    let is_ours = |name: &&str| {
        letter.stream.strip_prefix(name).is_some_and(|namespace| !namespace.is_empty())
    };
    let is_stream = kinds.iter().chain(&samples).any(is_ours);
    is_stream
        && !letter.id.is_empty()
        && letter.id.bytes().chain(letter.stream.bytes()).all(is_plain)
}

/// What a letter says.
fn fields(letter: &Known) -> (&str, &str, u16, &str, &str, &str) {
    let Known { stream, id, status, error_type, error_reason, document } = letter;
    (stream, id, *status, error_type, error_reason, document.get())
}

/// A letter is the same when it is written again, and in a bulk it is two lines that speak of it alone.
fn check(letter: &Known) {
    let (status, kind, reason) = (letter.status, &letter.error_type, &letter.error_reason);
    let refusal = Refusal { status, kind: kind.clone(), reason: reason.clone() };
    let mut letters = Letters::default();
    letters.refused(&letter.stream, &letter.id, &refusal, letter.document.get().as_bytes());
    assert_eq!(letters.lines.split(|byte| *byte == b'\n').count(), 2, "one line and its end");
    let again = Known::read(letters.lines.trim_ascii_end());
    assert_eq!(again.as_ref().map(fields), Some(fields(letter)));

    assert_eq!(letter.can_be_sent(), is_sendable(letter), "{} {}", letter.stream, letter.id);
    if letter.can_be_sent() {
        let mut bulk = Vec::new();
        letter.write_bulk(&mut bulk);
        let lines: Vec<_> =
            bulk.strip_suffix(b"\n").unwrap_or(&bulk).split(|b| *b == b'\n').collect();
        let [action, document] = lines[..] else {
            unreachable!("not two lines: {:?}", String::from_utf8_lossy(&bulk));
        };
        assert!(serde_json::from_slice::<&RawValue>(document).is_ok());
        let action: Value = serde_json::from_slice(action).unwrap_or_default();
        let create = &action["create"];
        assert!(create["_index"] == *letter.stream && create["_id"] == *letter.id, "{action}");
    }
}
