//! What must hold of the scanner for any bytes in any reads.

use super::{LINE_BYTES_MAX, Limits, Reason, Scanner};

/// Low, so that short inputs go over them.
pub(super) const LIMITS: Limits = Limits { head_bytes: 200, fields: 4 };

/// What a scanner made of some bytes.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// Heads as (bytes, fragment, ambiguous).
    pub(super) heads: Vec<(u64, bool, bool)>,
    /// Bytes that hyper may see.
    pub(super) passed: usize,
    /// Why a head was refused.
    pub(super) refused: Option<Reason>,
    /// Whether a body was.
    pub(super) is_body_bad: bool,
    /// Whether the refused or unfinished head asked for JSON.
    pub(super) wants_json: bool,
}

/// Feeds `parts` one after the other.
pub(super) fn scan_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut scanner = Scanner::new(LIMITS);
    let (mut passed, mut heads) = (0, Vec::new());
    for part in parts {
        let used = scanner.feed(part);
        assert!(used <= part.len());
        let is_refused = scanner.refused().is_some() || scanner.is_body_bad();
        assert!(used == part.len() || is_refused, "held back without a reason");
        assert!(scanner.line.len() <= LINE_BYTES_MAX);
        passed += used;
        heads.extend(
            std::iter::from_fn(|| scanner.take_head())
                .map(|head| (head.bytes, head.has_fragment, head.is_ambiguous)),
        );
    }
    Seen {
        heads,
        passed,
        refused: scanner.refused(),
        is_body_bad: scanner.is_body_bad(),
        wants_json: scanner.wants_json(),
    }
}

/// Reads of these widths, over and over; 0 counts as 1.
fn reads<'a>(mut bytes: &'a [u8], widths: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    widths.iter().cycle().map_while(move |width| {
        let (read, rest) = bytes.split_at(usize::from(*width).max(1).min(bytes.len()));
        bytes = rest;
        (!read.is_empty()).then_some(read)
    })
}

/// The same is found, whatever the reads. A limit may be noticed at the start of a read that goes
/// beyond it, so how much hyper sees may differ; what it is told, and what was found before, may not.
pub(super) fn check_reads(bytes: &[u8], widths: &[u8]) {
    let whole = scan_parts([bytes]);
    assert!(whole.heads.iter().all(|head| head.0 <= LIMITS.head_bytes), "{whole:?}");
    let of_heads: u64 = whole.heads.iter().map(|head| head.0).sum();
    assert!(of_heads <= whole.passed as u64, "{whole:?}: a head that hyper does not see");
    if whole.refused.is_none() && !whole.is_body_bad {
        assert_eq!(whole.passed, bytes.len());
    }
    for widths in [widths, &[1]] {
        let pieces = scan_parts(reads(bytes, widths));
        assert!(pieces.passed >= whole.passed, "{widths:?}: {pieces:?}, not {whole:?}");
        assert_eq!(Seen { passed: whole.passed, ..pieces }, whole, "{widths:?}");
    }
}

/// Four widths of reads, then what is read.
pub(crate) fn scan(data: &[u8]) {
    if let Some((widths, bytes)) = data.split_first_chunk::<4>() {
        check_reads(bytes, widths);
    }
}
