//! Goal: whatever the reads, the scanner sees the same requests, and lets hyper see nothing of a
//! head over a limit. Method: named rows cut at several widths; then requests made of hostile
//! pieces, cut anywhere, against the same bytes in one piece.

use proptest::prelude::*;

use super::fuzzed::{LIMITS, check_reads, scan_parts};
use super::*;

/// Heads found, fed whole and then in small reads.
fn check(name: &str, bytes: &[u8], want: &[(u64, bool, bool)]) {
    for step in [bytes.len().max(1), 1, 7] {
        let seen = scan_parts(bytes.chunks(step));
        assert_eq!(seen.heads, want, "{name}, {step} bytes a read");
        assert_eq!((seen.passed, seen.refused), (bytes.len(), None), "{name}, {step} bytes a read");
    }
}

#[test]
fn finds_every_head_whatever_the_reads() {
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let n = get.len() as u64;
    check("one", get, &[(n, false, false)]);
    check("pipelined", &get.repeat(3), &[(n, false, false); 3]);
    check("empty lines before it", &[b"\r\n\r\n", &get[..]].concat(), &[(n, false, false)]);
    check("cut short", &get[..20], &[]);
    check("fragment", b"GET /a#f HTTP/1.1\r\n\r\n", &[(21, true, false)]);
    check("# in a field is none", b"GET / HTTP/1.1\r\nA: #\r\n\r\n", &[(24, false, false)]);
    let post = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET / a\r\n";
    check(
        "body is not a head",
        &[post, &get[..]].concat(),
        &[(38, false, false), (n, false, false)],
    );
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = b"5;x=y\r\nGET /\r\nA\r\n0123456789\r\n0\r\nContent-Length: 3\r\n\r\n";
    check(
        "chunks and trailer are not a head",
        &[chunked, &body[..], &get[..]].concat(),
        &[(47, false, false), (n, false, false)],
    );
    check(
        "two lengths, in either order",
        b"POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        &[(66, false, true)],
    );
    for (coding, is_ambiguous) in [
        ("chunked", false),
        (" \tCHUNKED ", false),
        ("gzip, chunked", true),
        ("chunked, chunked", true),
        ("chunked\r\nTransfer-Encoding: chunked", true),
        ("identity", true),
        ("chunked;q=1", true),
        ("", true),
    ] {
        let post = format!("POST / HTTP/1.1\r\nTransfer-Encoding:{coding}\r\n\r\n");
        let head = (post.len() as u64, false, is_ambiguous);
        check(coding, (post + "0\r\n\r\n").as_bytes(), &[head]);
    }
    check("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]);
    let fields = b"GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n";
    check("as many fields as allowed", fields, &[(42, false, false)]);
    let padded = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(177));
    check("as long as allowed", padded.as_bytes(), &[(200, false, false)]);
}

#[test]
fn a_head_over_a_limit_is_held_back_before_the_parser_would_refuse_it() {
    let get = "GET / HTTP/1.1\r\n\r\n";
    for (name, bytes, want, json) in [
        ("long target", format!("GET /{}", "a".repeat(300)), Reason::UriTooLong, false),
        (
            "long field",
            format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(300)),
            Reason::HeadTooLarge,
            false,
        ),
        (
            "many fields, after Accept",
            format!("GET / HTTP/1.1\r\naccept: application/json\r\n{}", "A: 1\r\n".repeat(4)),
            Reason::HeadTooLarge,
            true,
        ),
        (
            "after a good request",
            format!("{get}GET / HTTP/1.1\r\n{}", "A: 1\r\n".repeat(5)),
            Reason::HeadTooLarge,
            false,
        ),
        ("endless empty lines", "\r\n".repeat(100), Reason::BadRequest, false),
    ] {
        for step in [bytes.len(), 1, 7] {
            let seen = scan_parts(bytes.as_bytes().chunks(step));
            assert_eq!(seen.refused, Some(want), "{name}, {step} bytes a read");
            assert_eq!(seen.wants_json, json, "{name}");
            let good = if bytes.starts_with(get) { get.len() } else { 0 };
            let shown = &bytes.as_bytes()[good..seen.passed];
            assert!(shown.len() as u64 <= LIMITS.head_bytes, "{name}, {step} bytes a read");
            let fields = String::from_utf8_lossy(shown).matches(':').count();
            assert!(fields <= LIMITS.fields, "{name}: the parser would count {fields} fields");
        }
    }
}

/// Of each row, what stands after the first `|` is held back: hyper ends a line of a body at CR LF
/// alone, so a head that the scanner finds behind a bare LF is one that hyper will never see.
#[test]
fn a_line_of_a_body_that_ends_in_a_bare_lf_is_held_back() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let ghost = "GET /ghost HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, body) in [
        ("size line", "|2\nab\r\n0\r\n\r\n"),
        ("extension", "|2;x\nab\r\n0\r\n\r\n"),
        ("last size line", "2\r\nab\r\n|0\n\r\n"),
        ("end of the trailer", "0\r\n|\n"),
        ("trailer line", "0\r\n|X: a\n\r\n"),
        ("end after a trailer line", "0\r\nX: a\r\n|\n"),
        ("trailer line and end", "0\r\n|X: a\n\n"),
    ] {
        let (good, bad) = body.split_once('|').unwrap();
        let bytes = format!("{head}{good}{bad}{ghost}");
        let head = (head.len() as u64, false, false);
        for step in [bytes.len(), 1, 7] {
            let seen = scan_parts(bytes.as_bytes().chunks(step));
            assert_eq!(seen.heads, [head], "{name}, {step} bytes a read: no ghost");
            assert!(seen.is_body_bad && seen.refused.is_none(), "{name}: {seen:?}");
            let shown = &bytes[..seen.passed];
            assert!(!shown.contains("ghost"), "{name}, {step} bytes a read: {shown:?}");
            let bare = shown.replace("\r\n", "");
            assert!(!bare.contains('\n'), "{name}, {step} bytes a read: {shown:?}");
        }
    }
}

/// Bytes that matter to framing, in an order of chance.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"GET / HTTP/1.1\r\n"[..]),
        Just(&b"POST /#a HTTP/1.0\n"[..]),
        Just(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]),
        Just(&b"Content-Length: 3\r\n"[..]),
        Just(&b"content-length:99999999999999999999\r\n"[..]),
        Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        Just(&b"Transfer-Encoding : x\r\n"[..]),
        Just(&b"Accept: application/json\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"0\r\n\r\n"[..]),
        Just(&b"3\r\nabc\r\n"[..]),
        Just(&b"ffffffffffffffff;x\r\n"[..]),
        Just(&b"\0\xff: \t"[..]),
    ];
    let piece = prop_oneof![
        9 => piece.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn pieces_and_whole_are_the_same(bytes in hostile(), widths in prop::collection::vec(1_u8..40, 1..40)) {
        check_reads(&bytes, &widths);
    }
}
