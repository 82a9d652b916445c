//! The lines of the outbox's file: eight hex digits of CRC-32C, a space, JSON, a line feed. Pure.
//!
//! Invariants: whatever the bytes, reading ends and gives the lines that are whole; what was cut off by
//! the end of a process is the last line alone. The first line holds the version; a later one is read by
//! nobody but the lbproxy that wrote it. Not here: the file itself (`file`), what lines mean (`state`).

use serde::{Deserialize, Serialize};

use super::super::message::Message;

/// Version of the form.
const VERSION: u32 = 1;
/// Bytes before the JSON.
const HEAD_BYTES: usize = 9;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The first one.
    Outbox { version: u32 },
    /// A message that was accepted, and the channels that are to have it.
    Notice { seq: u64, at_ms: u64, to: Vec<String>, message: Message },
    /// A channel needs these no more. `summed`: a summary told of them.
    Done {
        channel: String,
        seqs: Vec<u64>,
        #[serde(default)]
        summed: bool,
    },
    /// An alert as it was when the file was written anew, and the channels that know of it.
    Alert { told: Vec<String>, message: Message },
    /// The number after the last, when the file was written anew.
    Next { seq: u64 },
    /// Alerts that a channel knows by a summary alone, when the file was written anew.
    Summed { channel: String, keys: Vec<String> },
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) lines: Vec<Line>,
    /// Whole lines that are damaged.
    pub(super) damaged: u64,
    /// Bytes up to the end of the last whole line.
    pub(super) end: usize,
    /// The line with the version is there: it is an outbox, whatever was damaged.
    pub(super) has_version: bool,
    /// Written by a newer lbproxy: nothing else is read.
    pub(super) is_newer: bool,
}

/// The bytes of lines.
pub(super) fn write<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        // Texts and numbers always have a JSON.
        let json = serde_json::to_vec(line).unwrap_or_default();
        out.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&json)).as_bytes());
        out.extend_from_slice(&json);
        out.push(b'\n');
    }
    out
}

/// The first line of a file.
pub(super) const fn first() -> Line {
    Line::Outbox { version: VERSION }
}

/// The lines in some bytes.
pub(super) fn read(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    while let Some(length) = bytes[content.end..].iter().position(|&byte| byte == b'\n') {
        let line = &bytes[content.end..content.end + length];
        content.end += length + 1;
        match read_line(line) {
            Some(Line::Outbox { version }) if version > VERSION => {
                return Content { is_newer: true, ..Content::default() };
            }
            Some(Line::Outbox { .. }) => content.has_version = true,
            Some(line) => content.lines.push(line),
            None => content.damaged += 1,
        }
    }
    content
}

fn read_line(line: &[u8]) -> Option<Line> {
    let (head, json) = line.split_at_checked(HEAD_BYTES)?;
    let crc = std::str::from_utf8(head).ok()?.strip_suffix(' ')?;
    let crc = u32::from_str_radix(crc, 16).ok()?;
    if crc != crc32c::crc32c(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// What must hold for any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    use super::super::state::State;
    use super::{read, write};

    /// The bytes of a file; with checksums mended, so that what stands behind them is read too.
    pub(crate) fn outbox(data: &[u8]) {
        check(data);
        let mut mended = Vec::new();
        for line in data.split_inclusive(|&byte| byte == b'\n') {
            let json = line.split_at_checked(super::HEAD_BYTES).map_or(line, |(_, json)| json);
            let json = json.strip_suffix(b"\n").unwrap_or(json);
            mended.extend_from_slice(format!("{:08x} ", crc32c::crc32c(json)).as_bytes());
            mended.extend_from_slice(json);
            mended.push(b'\n');
        }
        check(&mended);
    }

    fn check(data: &[u8]) {
        let content = read(data);
        if content.is_newer {
            assert_eq!(content, super::Content { is_newer: true, ..Default::default() });
            return;
        }
        assert!(content.end <= data.len());
        assert!(!data[content.end..].contains(&b'\n'), "a whole line is left");
        let again = read(&write(&content.lines));
        assert_eq!(again.lines, content.lines, "what is read is written as it was");
        // What is made of it can be written down, and is the same afterwards.
        let state = State::of(content.lines);
        let kept = read(&write(&state.lines()));
        assert_eq!(kept.damaged, 0);
        assert_eq!(State::of(kept.lines), state);
    }
}
