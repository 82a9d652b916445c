//! What must hold of the file of dead letters for any bytes in it.

use serde_json::Value;
use serde_json::value::RawValue;

use super::read::{lines, place};
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
        assert!(letter.is_some() || place(line).is_none());
        if let Some(letter) = letter {
            check(&letter);
        }
    }
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
