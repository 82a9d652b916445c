//! Goal: what is called impossible is, and plain contradictions are found. Method: named rows; and any
//! filter that matches a record is possible for records of its kind (in `filter/fuzzed.rs`).

use super::*;

/// The kinds of records that a filter leaves, as text.
fn streams(filter: &str) -> String {
    let streams = Filter::parse(filter).unwrap().streams();
    streams.into_iter().map(Stream::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_no_record_can_meet_is_found() {
    let names = Stream::ALL.map(Stream::as_str);
    let (all, others) = (names.join(" "), names[1..].join(" "));
    let (all, others) = (all.as_str(), others.as_str());
    for (filter, want) in [
        ("", all),
        ("stream = access", "access"),
        ("not stream = access", others),
        ("stream = access or stream = gap", "access gap"),
        ("stream = access and stream = gap", ""),
        ("stream ~ ea", "heartbeat"),
        ("monitor_status = up", "heartbeat"),
        ("monitor_status != up", all),
        ("monitor_status = up and outcome = success", ""),
        ("monitor_status = up or outcome = success", "access heartbeat"),
        ("stream = access and not monitor_status = *", "access"),
        ("stream = access and monitor_status = *", ""),
        ("status > 999", ""),
        ("status = 1000", ""),
        ("not status > 999", all),
        ("status < 100", ""),
        ("stream = access and status = 5xx and status = 404", ""),
        ("stream = access and status >= 500 and status < 500", ""),
        ("stream = access and status = 5xx and status != 503", "access"),
        ("stream = access and status = 503 and status != 5xx", ""),
        ("stream = access and status = 503 and not status = *", ""),
        ("stream = access and not (status = 5xx or status = 4xx) and status = 404", ""),
        ("stream = access and duration < 0", ""),
        ("stream = access and duration > 1s and (duration < 1ms or duration < 2ms)", ""),
        ("stream = access and duration > 1s and (duration < 1ms or duration < 2s)", "access"),
        ("outcome = success and outcome = failure", ""),
        ("outcome = success and outcome != success", ""),
        ("path = /a* and path = /b", ""),
        ("path = /a* and path = /ab", "access"),
        ("path ~ cart and path = /x", ""),
        ("reused = true and reused = false", ""),
        ("attempt_reasons = connect_refused and attempt_reasons = upstream_closed", "access"),
        ("stream = access and client = 10.0.0.0/8 and client = 10.1.0.0/16", "access"),
    ] {
        assert_eq!(streams(filter), want, "{filter}");
    }
}

#[test]
fn it_says_why() {
    for (filter, want) in [
        ("stream = access and status > 999", "`status > 999` is true of no record"),
        (
            "monitor_status = up and outcome = success",
            "no kind of record has all of its fields: `monitor_status` is in heartbeat; `outcome` is in \
             access",
        ),
        ("outcome = success and outcome = failure", "its parts contradict each other"),
    ] {
        assert_eq!(Filter::parse(filter).unwrap().why_none(), want, "{filter}");
    }
}

#[test]
fn filters_are_joined_and_turned_round() {
    let filter = |text: &str| Filter::parse(text).unwrap();
    for (one, two, want) in [
        ("", "", ""),
        ("status = 1xx", "", "status = 1xx"),
        ("", "status = 1xx", "status = 1xx"),
        ("seq = 1 or seq = 2", "worker = 3", "(seq = 1 or seq = 2) and worker = 3"),
    ] {
        assert_eq!(filter(one).and(&filter(two)).to_string(), want);
    }
    assert_eq!(filter("status = 1xx").negated().unwrap().to_string(), "not status = 1xx");
    assert!(filter("").negated().is_err());
    assert!(filter("not (status = 200 or path ~ x)").asks("url.path"));
    assert!(!filter("status = 200").asks("url.path"));
}
