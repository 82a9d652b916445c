//! What must hold of the bytes of a journal, whatever they are: headers, cursors, and the frames that a
//! damaged segment still gives.

#![expect(clippy::cast_possible_truncation, reason = "lengths and numbers of a script, all small")]

use std::fs::File;
use std::io::Write as _;

use super::format::{
    COPY_BYTES, FRAME_BYTES_MAX, HEADER_BYTES, Header, HeaderFault, Key, PerStream, STREAMS_MAX,
    State, frame_crc, next_offset, tag, word,
};
use super::recovery::Measured;
use super::scan::{Frame, Rules, Slot, Window};

/// Takes one byte off the input; 0 at its end.
fn next(input: &mut &[u8]) -> u8 {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    *input = rest;
    *first
}

/// The format of a copy of a header that is whole, without the code under test.
fn version(copy: &[u8]) -> Option<u16> {
    let covered = [&copy[..12], &[0; 4], &copy[16..]].concat();
    let is_whole =
        copy.starts_with(b"lbpjrnl\0") && crc32c::crc32c(&covered).to_le_bytes() == copy[12..16];
    is_whole.then(|| u16::from_le_bytes([copy[8], copy[9]]))
}

/// A copy of a header as this build writes it, with zeros where nothing stands.
fn again(copy: &[u8]) -> Vec<u8> {
    let preamble = u16::from_le_bytes([copy[22], copy[23]]).min(2048 - 384);
    let mut bytes = copy.to_vec();
    bytes[8..12].copy_from_slice(&[1, 0, u8::from(copy[10] == 1), copy[11]]);
    bytes[22..24].copy_from_slice(&preamble.to_le_bytes());
    for unused in [12..16, 44..64, 320..384, 384 + usize::from(preamble)..2048] {
        bytes[unused].fill(0);
    }
    let crc = crc32c::crc32c(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A byte of choices, then a header or a cursor. Nobody guesses a checksum: where the lowest bit says
/// so, they are put right first.
pub(crate) fn header(mut data: &[u8]) {
    let choices = next(&mut data);
    let (is_sealed, is_cursor) = (choices & 1 != 0, choices & 2 != 0);
    if is_cursor {
        return super::cursor::fuzzed::check(data, is_sealed);
    }
    let mut bytes = data.to_vec();
    bytes.resize(HEADER_BYTES, 0);
    for copy in bytes.chunks_exact_mut(COPY_BYTES).filter(|_| is_sealed) {
        copy[12..16].fill(0);
        let crc = crc32c::crc32c(copy);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    let copies = [&bytes[..COPY_BYTES], &bytes[COPY_BYTES..]];
    let whole = match copies.map(version) {
        [Some(0 | 1), _] => Some(copies[0]),
        [None, Some(0 | 1)] => Some(copies[1]),
        _ => None,
    };
    let found = Header::decode_either(&bytes);
    assert_eq!(found.is_ok(), whole.is_some(), "{found:?}");
    let (Ok(found), Some(whole)) = (found, whole) else { return };
    assert!(found.encode() == again(whole)[..], "written again, it is the same bytes: {found:?}");
    assert_eq!(Header::decode(&found.encode()), Ok(found.clone()));
    let journaled =
        |(seq, dropped): (&u64, &u64)| (i128::from(*seq) - i128::from(*dropped) - 1).max(0);
    let base: i128 = found.first_seq.iter().zip(&found.dropped).map(journaled).sum();
    assert_eq!(i128::from(found.base()), base.min(u64::MAX.into()));
    // A flipped bit costs the copy that it is in, and nothing else.
    let at = usize::from(choices >> 2) * COPY_BYTES / 64;
    let (first, second) = bytes.split_at_mut(COPY_BYTES);
    let other = Header::decode(second);
    first[at] ^= 1 << (at % 8);
    let damaged = Header::decode(first);
    if other.as_ref().is_ok_and(|other| *other == found) {
        assert_eq!(Header::decode_either(&bytes), Ok(found));
    } else {
        assert!(matches!(damaged, Err(HeaderFault::Broken | HeaderFault::Blank)), "{damaged:?}");
    }
}

/// A segment as a script makes it.
struct Image {
    header: Header,
    bytes: Vec<u8>,
    /// Frames as they were written.
    written: Vec<Frame>,
    /// Whether anything but whole frames, one after the other, is in it.
    is_damaged: bool,
}

impl Image {
    /// Most bytes: more than the window holds.
    const BYTES_MAX: usize = 320 << 10;

    /// One step after the other: a frame, damage, bytes as they are, or a hole of some pages.
    fn of(mut script: &[u8]) -> Self {
        let first = u64::from(next(&mut script)).pow(7); // up to the largest that a tag holds
        let header = Header {
            state: State::Taken,
            key: Key { instance: 1, epoch: 2, lane: 3 },
            seed: first as u32 ^ 0x5eed,
            ordinal: 4,
            segment_bytes: 0,
            first_seq: [first; STREAMS_MAX],
            dropped: [0; STREAMS_MAX],
            preamble: [].into(),
        };
        let bytes = vec![0; HEADER_BYTES];
        let mut image = Self { header, bytes, written: Vec::new(), is_damaged: false };
        let mut seqs = image.header.first_seq;
        while !script.is_empty() && image.bytes.len() < Self::BYTES_MAX {
            image.step(&mut script, &mut seqs);
        }
        let cut = usize::from(next(&mut script));
        image.header.segment_bytes = u32::try_from(image.bytes.len() + cut).unwrap_or(0);
        image
    }

    fn step(&mut self, script: &mut &[u8], seqs: &mut PerStream) {
        let choice = next(script);
        match choice % 4 {
            0 => {
                let stream = choice / 16;
                let seq = &mut seqs[usize::from(stream)];
                *seq += u64::from(choice / 4 % 4); // records that were dropped
                let length = usize::from(next(script)) << (choice / 4 % 4 * 3);
                self.frame(stream + 1, *seq, length);
                *seq += 1;
            }
            1 => {
                let at = usize::from(next(script)) << 8 | usize::from(next(script));
                let at = HEADER_BYTES + at % (self.bytes.len() - HEADER_BYTES).max(1);
                if let Some(byte) = self.bytes.get_mut(at) {
                    *byte ^= next(script);
                    self.is_damaged = true;
                }
            }
            2 => {
                let length = usize::from(next(script)).min(script.len());
                let (raw, rest) = script.split_at(length);
                *script = rest;
                self.bytes.extend_from_slice(raw);
                self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
                self.is_damaged = true;
            }
            _ => {
                let pages = match next(script) {
                    many @ 240.. => usize::from(many) - 180,
                    few => usize::from(few) % 4,
                };
                self.bytes.resize(self.bytes.len() + pages * 4096, 0);
                self.is_damaged = true;
            }
        }
    }

    fn frame(&mut self, stream: u8, seq: u64, length: usize) {
        let length = length.min(FRAME_BYTES_MAX);
        let mut covered = tag(stream, seq).to_le_bytes().to_vec();
        covered.extend((0..length).map(|at| (at as u8).wrapping_mul(stream)));
        let len = covered.len() as u32;
        let at = self.bytes.len();
        let first = word(len, frame_crc(self.header.seed, len, &covered));
        self.bytes.extend_from_slice(&first.to_le_bytes());
        self.bytes.extend_from_slice(&covered);
        let next = next_offset(at, length);
        self.bytes.resize(next, 0);
        self.written.push(Frame { stream, seq, payload_at: at + 16, payload_bytes: length, next });
    }
}

/// Every valid frame of a segment, from whole bytes and without the code under test.
fn plain(image: &Image) -> Vec<Frame> {
    let limit = image.header.segment_bytes as usize;
    let mut bytes = image.bytes.clone();
    bytes.resize(limit, 0);
    let number = |at: usize, count: usize| {
        bytes[at..at + count].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (mut found, mut at) = (Vec::new(), HEADER_BYTES);
    while at + 16 <= limit {
        let len = number(at, 4) as usize;
        if len < 8 {
            at += 8;
            continue;
        }
        let crc = number(at + 4, 4);
        let (seq, stream) = (number(at + 8, 7), bytes[at + 15]);
        let first = image.header.first_seq[0];
        let is_possible = len <= 8 + FRAME_BYTES_MAX
            && at + 8 + len <= limit
            && (1..=16).contains(&stream)
            && (first..=first + u64::from(u32::MAX)).contains(&seq);
        at += 8;
        if is_possible {
            let covered = [&bytes[at..at + len], &(len as u32).to_le_bytes()].concat();
            if u64::from(crc32c::crc32c_append(image.header.seed, &covered)) == crc {
                let next = (at + len).next_multiple_of(8);
                let (payload_at, payload_bytes) = (at + 8, len - 8);
                found.push(Frame { stream, seq, payload_at, payload_bytes, next });
                at = next;
            }
        }
    }
    found
}

/// Every frame that the readers find.
fn scanned(rules: &Rules<'_>, file: &File) -> Vec<Frame> {
    let (mut window, mut found, mut at) = (Window::default(), Vec::new(), HEADER_BYTES);
    loop {
        match rules.slot(&mut window, file, at) {
            Slot::Frame(frame) => {
                assert!(window.get(frame.payload_at, frame.payload_bytes).is_some());
                at = frame.next;
                found.push(frame);
            }
            Slot::Empty | Slot::Broken => match rules.resync(&mut window, file, at) {
                Some(next) => at = next,
                None => return found,
            },
        }
    }
}

/// The script of a segment; see [`Image`].
pub(crate) fn frames(data: &[u8]) {
    let image = Image::of(data);
    let made = rustix::fs::memfd_create("segment", rustix::fs::MemfdFlags::CLOEXEC);
    let Ok(mut file) = made.map(File::from) else { return };
    let written = file.write_all(&image.bytes);
    assert!(written.is_ok(), "{written:?}");
    let header = &image.header;
    let limit = header.segment_bytes as usize;
    let rules = Rules { seed: header.seed, first_seq: &header.first_seq, limit };

    let found = scanned(&rules, &file);
    assert_eq!(found, plain(&image), "no more and no fewer than what is valid");
    if !image.is_damaged {
        assert_eq!(found, image.written);
    }
    let mut measured = Measured::new(header, vec![limit as u32]);
    measured.read(&file, header, &mut Window::default());
    assert_eq!(measured.progress.records as usize, found.len());
    let end = found.last().map_or(HEADER_BYTES, |frame| frame.next);
    assert_eq!(measured.progress.end as usize, end);
    if !image.is_damaged {
        assert_eq!(measured.lost(), 0, "nothing is missed where nothing is damaged");
    }
}
