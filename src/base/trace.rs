//! Trace context (W3C Trace Context 1): `traceparent` read and written, ids, the share of traces kept.
//!
//! ```text
//! 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//!    trace id (32 hex digits)         parent (16)      flags: 01 sampled
//! ```
//! The id of an attempt's span follows from that of its server span and its number, so that what an
//! endpoint is told and what is exported later are the same without being kept. Ids are kept as the hex
//! digits that headers and records need. Pure, without allocation.

/// Length of a `traceparent` of version 00.
pub const TRACEPARENT_BYTES: usize = 55;

const SAMPLED: u8 = 1;
/// The flag "the trace id is random" (Trace Context 2): passed on, never set by us.
const RANDOM: u8 = 1 << 1;

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace, hex digits.
    pub trace_id: [u8; 32],
    /// The span of whoever sent it, hex digits.
    pub span_id: [u8; 16],
    flags: u8,
}

impl Parent {
    /// Reads a value. Higher versions are read as far as this one goes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
        let dashes = [2, 35, 52].iter().all(|&at| head[at] == b'-');
        let version = hex_byte(*head.first_chunk()?)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|&byte| byte == b'-'),
        };
        let trace_id: [u8; 32] = head[3..35].try_into().ok()?;
        let span_id: [u8; 16] = head[36..52].try_into().ok()?;
        let flags = hex_byte([head[53], head[54]])?;
        let is_good = dashes && is_whole && is_id(&trace_id) && is_id(&span_id);
        is_good.then_some(Self { trace_id, span_id, flags })
    }
}

/// Whether these are lower-case hex digits and not all zero.
fn is_id(digits: &[u8]) -> bool {
    digits.iter().all(|&digit| hex_value(digit).is_some()) && digits.iter().any(|&d| d != b'0')
}

/// The value of a lower-case hex digit.
fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Two digits.
fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    Some(hex_value(high)? << 4 | hex_value(low)?)
}

/// Writes bytes as hex digits; `N` is twice their number.
fn hex<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [b'0'; N];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    digits
}

/// The digits of a span's id.
pub fn span_digits(id: u64) -> [u8; 16] {
    hex(&id.to_be_bytes())
}

/// The number that hex digits stand for: 32 of a trace or 16 of a span.
pub fn number_of(digits: &[u8]) -> Option<u128> {
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    digits.iter().try_fold(0, |sum, &digit| Some(sum << 4 | u128::from(hex_value(digit)?)))
}

/// The span id of an attempt, counted from 1, below a server span. Never zero.
pub fn attempt_span(server: u64, number: u64) -> u64 {
    // SplitMix64: a bijection, so that attempts of one span never meet, and those of different spans
    // as seldom as random numbers do.
    let mut mixed = server.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).max(1)
}

/// The share of traces that is kept, decided by the trace's id alone, as OpenTelemetry's
/// `TraceIdRatioBased` does: whoever has the same share keeps the same traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// From 0, none, to 1, all.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "within 0 to 2^63 by the clamp; the last bits of a share do not matter"
    )]
    pub fn new(ratio: f64) -> Self {
        Self((ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    /// Whether a trace is kept.
    #[expect(clippy::cast_possible_truncation, reason = "its lower half")]
    pub const fn keeps(self, trace_id: u128) -> bool {
        (trace_id as u64) >> 1 < self.0
    }
}

/// The server span of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The trace, hex digits.
    pub trace_id: [u8; 32],
    /// The span of whoever asked, if it named one.
    pub parent_id: Option<[u8; 16]>,
    /// The span, hex digits.
    pub span_id: [u8; 16],
    span: u64,
    flags: u8,
}

impl Context {
    /// Goes on with the trace of a parent, which has decided whether it is kept.
    pub fn continued(parent: &Parent, span: u64) -> Self {
        let Parent { trace_id, span_id, flags } = *parent;
        let flags = flags & (SAMPLED | RANDOM);
        Self { trace_id, parent_id: Some(span_id), span_id: span_digits(span), span, flags }
    }

    /// Begins a trace.
    pub fn begun(trace: u128, span: u64, share: Share) -> Self {
        let flags = if share.keeps(trace) { SAMPLED } else { 0 };
        let (trace_id, span_id) = (hex(&trace.to_be_bytes()), span_digits(span));
        Self { trace_id, parent_id: None, span_id, span, flags }
    }

    /// Whether the trace is kept.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What the endpoint of an attempt, counted from 1, is told.
    pub fn traceparent(&self, attempt: u64) -> [u8; TRACEPARENT_BYTES] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        value[3..35].copy_from_slice(&self.trace_id);
        value[36..52].copy_from_slice(&span_digits(attempt_span(self.span, attempt)));
        value[53..].copy_from_slice(&hex::<2>(&[self.flags]));
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let zero = "0".repeat(32);
        for (name, value, is_good) in [
            ("as it should be", format!("00-{TRACE}-{SPAN}-01"), true),
            ("not sampled", format!("00-{TRACE}-{SPAN}-00"), true),
            ("unknown flags", format!("00-{TRACE}-{SPAN}-ff"), true),
            ("a later version", format!("cc-{TRACE}-{SPAN}-01"), true),
            ("a later version, longer", format!("cc-{TRACE}-{SPAN}-01-more"), true),
            ("a later version, longer without a dash", format!("cc-{TRACE}-{SPAN}-01more"), false),
            ("version 00, longer", format!("00-{TRACE}-{SPAN}-01-more"), false),
            ("the version that is none", format!("ff-{TRACE}-{SPAN}-01"), false),
            ("no trace", format!("00-{zero}-{SPAN}-01"), false),
            ("no parent", format!("00-{TRACE}-{}-01", &zero[..16]), false),
            ("upper case", format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), false),
            ("upper case flags", format!("00-{TRACE}-{SPAN}-0A"), false),
            ("no digits", format!("00-{}-{SPAN}-01", "x".repeat(32)), false),
            ("cut", format!("00-{TRACE}-{SPAN}-0"), false),
            ("dashes elsewhere", format!("00-{TRACE}_{SPAN}-01"), false),
            ("empty", String::new(), false),
        ] {
            assert_eq!(Parent::parse(value.as_bytes()).is_some(), is_good, "{name}");
        }
    }

    #[test]
    fn a_trace_is_continued_below_the_parent_with_its_decision() {
        for (flags, sampled, passed) in
            [("00", false, "00"), ("01", true, "01"), ("ff", true, "03")]
        {
            let value = format!("00-{TRACE}-{SPAN}-{flags}");
            let context = Context::continued(&Parent::parse(value.as_bytes()).unwrap(), 7);
            assert_eq!(context.is_sampled(), sampled, "{flags}");
            assert_eq!(context.parent_id.as_ref().map(|id| &id[..]), Some(SPAN.as_bytes()));
            let sent = String::from_utf8(context.traceparent(1).to_vec()).unwrap();
            let attempt = String::from_utf8(span_digits(attempt_span(7, 1)).to_vec()).unwrap();
            assert_eq!(sent, format!("00-{TRACE}-{attempt}-{passed}"));
        }
    }

    #[test]
    fn a_share_keeps_about_that_many_and_more_keep_the_same_ones() {
        let mut random = fastrand::Rng::with_seed(1);
        let ids: Vec<u128> = (0..100_000).map(|_| random.u128(1..)).collect();
        let kept = |ratio| ids.iter().filter(|&&id| Share::new(ratio).keeps(id)).count();
        assert_eq!((kept(0.0), kept(1.0), kept(-1.0), kept(f64::NAN)), (0, ids.len(), 0, 0));
        assert!((900..1_100).contains(&kept(0.01)), "{}", kept(0.01));
        assert!(ids.iter().all(|&id| Share::new(0.5).keeps(id) || !Share::new(0.1).keeps(id)));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_as_the_same_context(trace in 1_u128.., span in 1_u64.., n in 1_u64..9) {
            let context = Context::begun(trace, span, Share::new(0.5));
            let sent = Parent::parse(&context.traceparent(n)).unwrap();
            prop_assert_eq!(number_of(&sent.trace_id), Some(trace));
            prop_assert_eq!(number_of(&sent.span_id), Some(attempt_span(span, n).into()));
            prop_assert_eq!(Context::continued(&sent, 1).is_sampled(), context.is_sampled());
            prop_assert_ne!(attempt_span(span, n), attempt_span(span, n + 1));
        }

        #[test]
        fn nothing_that_is_sent_to_us_is_a_panic(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Parent::parse(&value);
        }
    }
}
