//! The files of a journal as `docs/journal-format.md` draws them, read and damaged without the
//! product's own code: what is wrong there is not wrong here in the same way.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(crate) const HEADER: usize = 4096;
pub(crate) const COPY: usize = 2048;
const HEAD: usize = 16;

/// Instance, epoch, lane.
pub(crate) type Key = (u64, u16, u8);

/// One use of a segment file.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) key: Key,
    pub(crate) ordinal: u64,
    pub(crate) is_taken: bool,
}

impl Header {
    pub(crate) fn name(&self) -> (Key, u64) {
        (self.key, self.ordinal)
    }
}

/// A frame, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) at: usize,
    /// Without padding.
    pub(crate) end: usize,
    pub(crate) stream: u8,
    pub(crate) seq: u64,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Where the next one stands.
    pub(crate) fn next(&self) -> usize {
        self.end.next_multiple_of(8)
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().unwrap()
}

/// Files of segments, in no order. A folder in the place of one is none.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_segment = |path: &PathBuf| {
        path.file_name().unwrap().to_string_lossy().starts_with("segment-") && path.is_file()
    };
    entries.filter(is_segment).collect()
}

/// What the first whole header copy says.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    copies(bytes).into_iter().flatten().next()
}

/// What each header copy says, if it is whole.
pub(crate) fn copies(bytes: &[u8]) -> [Option<Header>; 2] {
    let mut whole = bytes.get(..HEADER).unwrap_or(bytes).to_vec();
    whole.resize(HEADER, 0); // what was cut off reads as zeros
    [0, COPY].map(|at| {
        let copy = &whole[at..at + COPY];
        let mut zeroed = copy.to_vec();
        zeroed[12..16].fill(0);
        let is_whole =
            copy.starts_with(b"lbpjrnl\0") && crc32c::crc32c(&zeroed).to_le_bytes() == copy[12..16];
        let (instance, epoch) = (number(copy, 24), number(copy, 20));
        is_whole.then(|| Header {
            key: (u64::from_le_bytes(instance), u16::from_le_bytes(epoch), copy[11]),
            ordinal: u64::from_le_bytes(number(copy, 32)),
            is_taken: copy[10] == 1,
        })
    })
}

/// The frames from `at` on, up to the first place where none is.
pub(crate) fn frames(bytes: &[u8], mut at: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while at + HEAD <= bytes.len() {
        let len = u32::from_le_bytes(number(bytes, at)) as usize;
        if len == 0 {
            break;
        }
        let tag = u64::from_le_bytes(number(bytes, at + 8));
        let end = at + 8 + len;
        if len < 8 || end > bytes.len() {
            break;
        }
        let frame = Frame {
            at,
            end,
            stream: (tag >> 56) as u8,
            seq: tag & 0x00ff_ffff_ffff_ffff,
            payload: bytes[at + HEAD..end].to_vec(),
        };
        at = frame.next();
        frames.push(frame);
    }
    frames
}

/// Changes one bit of a file.
pub(crate) fn flip(path: &Path, at: usize, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << bit], at as u64).unwrap();
}

/// Overwrites `from..to` with zeros, as a page that never came to the disk.
pub(crate) fn blank(path: &Path, from: usize, to: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; to - from], from as u64).unwrap();
}

/// The file of a cursor that counts, of those that are `usable`: the one of the higher generation.
pub(crate) fn newest_cursor(dir: &Path, name: &str, usable: [bool; 2]) -> Option<usize> {
    let generation = |file: usize| {
        let bytes = std::fs::read(dir.join(format!("cursor-{name}.{file}"))).ok()?;
        (bytes.starts_with(b"lbpcursr") && usable[file])
            .then(|| u64::from_le_bytes(number(&bytes, 16)))
    };
    (0..2).filter(|&file| generation(file).is_some()).max_by_key(|&file| generation(file))
}
