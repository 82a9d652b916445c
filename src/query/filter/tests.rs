//! Goal: the language means what its help says, tells mistakes with their place, and never panics.
//! Method: named rows on one record; arbitrary filters printed and read again; garbage.

use proptest::prelude::*;

use super::super::field::{FIELD_NAMES, fields};
use super::super::row::tests::with_row;
use super::*;
use crate::record::{
    AccessRecord, Bytes, Count, EcsNanos, Flag, Ip, Micros, Reason, Status, Text, TextList,
    TimestampMs,
};

/// A record with a value of each kind.
fn record<T>(check: impl FnOnce(&Row<'_>) -> T) -> T {
    let mut reasons = Vec::new();
    TextList::push(&mut reasons, b"connect_refused");
    TextList::push(&mut reasons, b"upstream_closed");
    let record = AccessRecord {
        timestamp: Some(TimestampMs(1_795_479_268_123)),
        duration: Some(EcsNanos(200_000)),
        method: Some(Text(b"GET")),
        path: Some(Text(b"/shop/cart (old)")),
        user_agent: Some(Text(b"Mozilla/5.0 \"x\" Firefox/1")),
        status: Some(Status(502)),
        response_bytes: Some(Bytes(1 << 20)),
        connect_us: Some(Micros(150)),
        reused: Some(Flag(false)),
        attempts: Some(Count(2)),
        attempt_reasons: Some(TextList(&reasons)),
        reason: Some(Reason::UpstreamClosed),
        client_ip: Some(Ip("10.1.2.3".parse().unwrap())),
        source_ip: Some(Ip("::ffff:10.9.9.9".parse().unwrap())),
        ..AccessRecord::default()
    };
    with_row(&record, check)
}

#[test]
fn a_share_is_the_same_in_each_form() {
    let quarter = Filter::parse("cpu = 0.25").unwrap();
    for text in ["cpu = 25%", "cpu = 25.00%", "cpu = 0.2500", "cpu=25.0%"] {
        assert_eq!(Filter::parse(text).unwrap(), quarter, "{text}");
    }
}

#[test]
fn each_form_finds_what_it_says() {
    record(|row| {
        for (filter, want) in [
            ("", true),
            ("   ", true),
            ("status = 502", true),
            ("http.response.status_code=502", true),
            ("status=5xx", true),
            ("status != 5xx", false),
            ("status = 4xx", false),
            ("status > 499 and status < 503", true),
            ("status >= 503", false),
            ("status <= 502", true),
            ("upstream_status = 200", false),
            ("upstream_status != 200", true),
            ("upstream_status < 200", false),
            ("not upstream_status = *", true),
            ("status = *", true),
            ("status != *", false),
            ("duration = 200ms", true),
            ("event.duration >= 200ms", true),
            ("duration > 200ms", false),
            ("duration > 199999us", true),
            ("duration > 0", true),
            ("connect < 1ms", true),
            ("bytes = 1MiB", true),
            ("bytes > 1048575", true),
            ("bytes > 1MiB", false),
            ("method = GET", true),
            ("method = get", false),
            ("method ~ get", true),
            ("path = /shop/*", true),
            ("path = /shop", false),
            ("path ~ cart", true),
            ("path = \"/shop/cart (old)\"", true),
            ("path = '/shop/cart (old)'", true),
            ("path = /shop/cart\\ \\(old\\)", true),
            ("path = /shop\\*", false),
            ("agent ~ firefox", true),
            ("agent ~ moz*fire", true),
            ("agent ~ \"\\\"X\\\"\"", true),
            ("referrer ~ \"\"", false),
            ("reused = false", true),
            ("reused != false", false),
            ("client = 10.0.0.0/8", true),
            ("client = 10.1.2.3", true),
            ("client != 10.1.2.4", true),
            ("client = ::1", false),
            ("source = 10.0.0.0/8", true),
            ("attempt_reasons = connect_refused", true),
            ("attempt_reasons ~ CLOSED", true),
            ("attempt_reasons != connect_refused", false),
            ("reason = upstream_closed", true),
            ("reason = upstream_*", true),
            ("time >= 2026-11-24T00:14:28Z", true),
            ("time < 2026-11-24T01:14:28+01:00", false),
            ("stream = access", true),
            ("worker = 1 epoch = 7 seq = 42", true),
            ("status=502 method=POST", false),
            ("status=200 or method=GET and bytes>2MiB", false),
            ("(status=200 or method=GET) and bytes>2KiB", true),
            ("NOT status=200 AND NOT (method=POST OR method=PUT)", true),
        ] {
            let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}:\n{error}"));
            assert_eq!(parsed.matches(row), want, "{filter}");
        }
    });
}

#[test]
fn each_mistake_is_told_with_its_place_and_a_cure() {
    for (filter, line, wants) in [
        ("statsu = 5xx", "^^^^^^", &["`statsu` is not a field", "did you mean `status`?"][..]),
        ("status = 5xx and", "                ^", &["a field is missing"]),
        ("status = 5xx or or", "                ^^", &["`or` is not a field"]),
        ("status", "      ^", &["`status` is not compared", "=, !=, <"]),
        ("status 200", "       ^^^", &["`status` is not compared"]),
        ("status =", "        ^", &["a value is missing"]),
        ("status == 200", "        ^", &["a second operator"]),
        ("status = 20x", "         ^^^", &["`20x` is no value of `status`", "200 or 5xx"]),
        ("status < 5xx", "         ^^^", &["such as 500"]),
        ("duration > 200", "           ^^^", &["a time with its unit", "200ms"]),
        ("bytes > 1MB", "        ^^^", &["64KiB"]),
        ("path > /a", "       ^^", &["has no order", "=, != or ~"]),
        ("status ~ 5", "         ^", &["is not a text"]),
        ("reused = yes", "         ^^^", &["true or false"]),
        ("client = 10.0.0", "         ^^^^^^", &["10.0.0.0/8"]),
        ("client ~ 10.*", "         ^^^^", &["is not a text"]),
        ("time > 10:00", "       ^^^^^", &["2026-11-24T00:14:28Z"]),
        (
            "reason = upstream_rest",
            "         ^^^^^^^^^^^^^",
            &["no value of `reason`", "did you mean `upstream_reset`?"],
        ),
        ("outcome = zzz", "          ^^^", &["known are success, failure, unknown"]),
        ("(status = 200", "^", &["not closed"]),
        ("status = 200)", "            ^", &["closes nothing"]),
        ("path = \"/a", "       ^", &["quotation mark is not closed"]),
        ("= 200", "^", &["a field is missing"]),
        ("zz\x1b[1m = 1", "^^^^^^^^^", &["`zz\\x1b[1m`"]),
    ] {
        let error = Filter::parse(filter).expect_err(filter).to_string();
        let shown: Vec<_> = error.lines().collect();
        assert_eq!(shown.get(2), Some(&format!("  {line}").as_str()), "{filter}\n{error}");
        for want in wants {
            assert!(shown[0].contains(want), "{filter}: {want:?} is not in\n{error}");
        }
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = "(".repeat(10_000);
    assert!(Filter::parse(&deep).unwrap_err().to_string().contains("within each other"));
    let nots = "not ".repeat(1_000) + "status=1";
    assert!(Filter::parse(&nots).unwrap_err().to_string().contains("within each other"));
    let long = "status=1 ".repeat(10_000);
    assert!(Filter::parse(&long).unwrap_err().to_string().contains("longer than"));
    let wide = "(status=1) ".repeat(1_000);
    assert!(Filter::parse(&wide).is_ok(), "parentheses side by side are not nested");
}

/// Any operator and operand that `field` allows.
fn any_comparison(field: &'static Field) -> BoxedStrategy<Expr> {
    use Op::{Contains, Is, IsNot, Less, LessOrIs, More, MoreOrIs};
    let number = prop_oneof![0..2_000_u64, (0..u64::MAX / 1_000_000_000).prop_map(|n| n * 1_000)];
    let glob =
        proptest::collection::vec("[a-z(*\\\\\"' =~\u{e9}\n]{0,6}", 1..4).prop_map(Glob::new);
    let equal = prop_oneof![Just(Is), Just(IsNot)];
    let order = prop_oneof![Just(Less), Just(LessOrIs), Just(More), Just(MoreOrIs)];
    let there = equal.clone().prop_map(|op| (op, Operand::Any));
    let numbers = |most: u64| {
        let number = number.clone().prop_map(move |number| Operand::Number(number % most));
        (prop_oneof![equal.clone(), order.clone()], number)
    };
    let own = match field.kind {
        Kind::Text => {
            let words = field.words();
            (prop_oneof![equal.clone(), Just(Contains)], glob)
                .prop_map(move |(op, glob)| match &words {
                    Some(words) if op != Contains => {
                        (op, Operand::Text(Glob::new(vec![words[0].to_owned()])))
                    }
                    _ if glob.is_anything() && op != Contains => (op, Operand::Any),
                    _ => (op, Operand::Text(glob)),
                })
                .boxed()
        }
        Kind::Status => {
            prop_oneof![numbers(1_000), (equal.clone(), (1..10_u8).prop_map(Operand::Class)),]
                .boxed()
        }
        Kind::Number | Kind::Share | Kind::Size | Kind::Span => numbers(u64::MAX).boxed(),
        Kind::Time => numbers(253_402_300_799_999).boxed(),
        Kind::Flag => (equal.clone(), any::<bool>().prop_map(Operand::Flag)).boxed(),
        Kind::Address => {
            let network = (any::<u32>(), any::<u128>(), any::<bool>(), 0..=32_u8).prop_map(
                |(v4, v6, is_v4, prefix)| {
                    let address: std::net::IpAddr = if is_v4 {
                        std::net::Ipv4Addr::from(v4).into()
                    } else {
                        std::net::Ipv6Addr::from(v6).into()
                    };
                    Operand::Network(IpNet::new(address, prefix).unwrap())
                },
            );
            (equal.clone(), network).boxed()
        }
    };
    prop_oneof![1 => there, 9 => own]
        .prop_map(move |(op, operand)| Expr::Compare(Comparison { field, op, operand }))
        .boxed()
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf = (0..fields().len()).prop_flat_map(|index| any_comparison(&fields()[index]));
    leaf.prop_recursive(5, 24, 4, |inner| {
        let several = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several.clone().prop_map(Expr::and),
            several.prop_map(Expr::or),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_printed_reads_as_itself(expr in any_expr()) {
        let filter = Filter(Some(expr));
        let text = filter.to_string();
        match Filter::parse(&text) {
            Ok(read) => prop_assert_eq!(read, filter, "{}", text),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    /// Method: pieces of the language in any order, and any characters at all.
    #[test]
    fn no_text_makes_it_panic(
        pieces in proptest::collection::vec((0..20_usize, any::<u8>(), any::<char>()), 0..12),
    ) {
        let mut text = String::new();
        for (choice, number, character) in pieces {
            const PIECES: [&str; 17] = [
                "and ", "or ", "not ", "(", ")", "=", "!=", "<", ">=", "~", "*", "5xx", "\"", "'",
                "\\", " ", "200ms",
            ];
            match PIECES.get(choice) {
                Some(piece) => text += piece,
                None if choice == 17 => text.push(character),
                None => text += FIELD_NAMES[usize::from(number) % FIELD_NAMES.len()],
            }
        }
        record(|row| fuzzed::check(&text, Some(row)));
    }
}
