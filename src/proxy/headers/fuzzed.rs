//! What must hold of the trace of a request, whatever its client sends.

use http::{HeaderMap, HeaderValue};

use super::{Survey, TRACEPARENT, TRACESTATE, forget_trace, set_trace};
use crate::base::trace::{Parent, Share, number_of};

/// Trace, span and flag "sampled" as the standard says, without the code under test.
fn standard(value: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    let mut parts = value.split(|byte| *byte == b'-');
    let mut part = |length: usize| {
        let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == length && part.iter().all(is_digit))
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_known = version != b"ff" && (version != b"00" || parts.next().is_none());
    let is_id = |id: &[u8]| id.iter().any(|digit| *digit != b'0');
    let is_sampled = matches!(flags[1], b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f');
    (is_known && is_id(trace) && is_id(span)).then_some((trace, span, is_sampled))
}

/// Lines: values of `traceparent`, or behind a `#` of `tracestate`.
pub(crate) fn trace(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value) = match line.strip_prefix(b"#") {
            Some(value) => (TRACESTATE, value),
            None => (TRACEPARENT, line),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
        assert_eq!(
            Parent::parse(line).map(|parent| (parent.trace_id.to_vec(), parent.span_id.to_vec())),
            standard(line).map(|(trace, span, _)| (trace.to_vec(), span.to_vec())),
        );
    }
    let sent: Vec<_> = headers.get_all(TRACEPARENT).iter().cloned().collect();
    let parent = match &sent[..] {
        [one] => standard(one.as_bytes()),
        _ => None,
    };
    let states: Vec<_> = headers.get_all(TRACESTATE).iter().cloned().collect();

    let survey = Survey::of(&headers);
    let context = crate::proxy::stopwatch::trace(&survey, Share::new(0.5));
    assert_eq!(context.parent_id.as_ref().map(|id| &id[..]), parent.map(|(_, span, _)| span));
    if let Some((trace, _, is_sampled)) = parent {
        assert_eq!((&context.trace_id[..], context.is_sampled()), (trace, is_sampled));
    } else {
        forget_trace(&mut headers, &survey);
    }
    set_trace(&mut headers, &context, 1);

    let told: Vec<_> = headers.get_all(TRACEPARENT).iter().collect();
    assert_eq!(told.len(), 1, "the endpoint is told one span");
    let (trace, span, is_sampled) = standard(told[0].as_bytes()).unwrap_or_default();
    assert_eq!((trace, is_sampled), (&context.trace_id[..], context.is_sampled()));
    assert_ne!((number_of(span), span), (None, &context.span_id[..]), "a span of the attempt");
    let passed: Vec<_> = headers.get_all(TRACESTATE).iter().cloned().collect();
    assert_eq!(passed, if parent.is_some() { states } else { Vec::new() });
}
