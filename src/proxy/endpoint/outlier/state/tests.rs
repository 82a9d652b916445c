//! Goal: every arrow between the states of an endpoint, and no other. Method: tables of named rows.
//! Not here: who shares a state, floors and shares.

use std::time::Duration;

use super::*;

const LIMITS: config::Outlier = config::Outlier {
    failures: 3,
    eject: Duration::from_millis(100),
    eject_max: Duration::from_millis(300),
    max_ejected: 0.5,
};

const fn up(row: u32) -> State {
    State::Rotation { row }
}

const fn out(cause: Cause, doublings: u8, until_ms: u64) -> State {
    State::Ejected { cause, doublings, until_ms }
}

/// What happens to an endpoint.
#[derive(Debug, Clone, Copy)]
enum Event {
    Head(Entry),
    Success(Entry),
    Failure(Entry, FailureKind),
    Verdict(Cause),
    Probe(Probe),
}

fn after(from: State, event: Event, setting: Setting) -> State {
    match event {
        Event::Head(entry) => from.after_head(entry),
        Event::Success(entry) => from.after_success(entry),
        Event::Failure(entry, kind) => from.after_failure(entry, kind, setting),
        Event::Verdict(cause) => from.after_verdict(cause, setting),
        Event::Probe(end) => from.after_probe(end),
    }
}

/// Goal: every arrow of the picture. Method: one named row each; at 1000 ms, failures 3, first time
/// out 100 ms, longest 300 ms, room for an ejection, neighbours well.
#[test]
fn every_arrow_leads_where_the_picture_says() {
    use Cause::{Connect, Share, Silence};
    use Entry::{Open, Trial};
    use Event::{Failure, Head, Success, Verdict};
    use FailureKind::{Broken, NotTheEndpoint, Silent, Unreachable};
    let (connected, refused) = (Event::Probe(Probe::Connected), Event::Probe(Probe::Refused));
    let unknown = Event::Probe(Probe::Unknown);
    let setting = Setting { limits: LIMITS, now_ms: 1000, may_eject: true, neighbours_fail: false };
    for (name, from, event, want) in [
        ("one failure to connect", up(0), Failure(Open, Unreachable), up(1)),
        ("a success ends the row", up(2), Success(Open), up(0)),
        ("so does a head", up(2), Head(Open), up(0)),
        ("the last of the row ejects", up(2), Failure(Open, Unreachable), out(Connect, 0, 1100)),
        ("a cut answer is no part of a row", up(2), Failure(Open, Broken), up(2)),
        ("nor does it end one", up(1), Failure(Open, Broken), up(1)),
        ("a late head is no part of it either", up(2), Failure(Open, Silent), up(2)),
        ("our own shortage never counts", up(2), Failure(Open, NotTheEndpoint), up(2)),
        ("a share that stands out", up(0), Verdict(Share), out(Share, 0, 1100)),
        ("silence", up(1), Verdict(Silence), out(Silence, 0, 1100)),
        ("a verdict on what is out", out(Connect, 1, 5), Verdict(Share), out(Connect, 1, 5)),
        ("a probe in rotation", up(2), connected, up(2)),
        ("a refused one in rotation", up(2), refused, up(2)),
        ("a probe connects", out(Connect, 2, 9000), connected, up(0)),
        ("to connect is no cure for silence", out(Silence, 0, 9), connected, out(Silence, 0, 9)),
        ("nor for broken answers", out(Share, 0, 9), connected, out(Share, 0, 9)),
        ("who was broken is gone", out(Share, 1, 9), refused, out(Connect, 1, 9)),
        ("who was silent is gone", out(Silence, 1, 9), refused, out(Connect, 1, 9)),
        ("still nobody there", out(Connect, 1, 9), refused, out(Connect, 1, 9)),
        ("no answer in time says nothing", out(Share, 1, 9), unknown, out(Share, 1, 9)),
        ("a late success", out(Connect, 0, 1050), Success(Open), out(Connect, 0, 1050)),
        ("a late failure", out(Share, 0, 1050), Failure(Open, Unreachable), out(Share, 0, 1050)),
        ("a late response head", out(Silence, 0, 1050), Head(Open), out(Silence, 0, 1050)),
        ("the trial gets a head", out(Connect, 3, 1050), Head(Trial), up(0)),
        ("… after silence", out(Silence, 3, 1050), Head(Trial), up(0)),
        ("… not after broken answers", out(Share, 3, 1050), Head(Trial), out(Share, 3, 1050)),
        ("the trial succeeds", out(Connect, 3, 1050), Success(Trial), up(0)),
        ("… after silence", out(Silence, 3, 1050), Success(Trial), up(0)),
        ("… after broken answers", out(Share, 3, 1050), Success(Trial), up(0)),
        ("the trial fails", out(Connect, 0, 0), Failure(Trial, Unreachable), out(Connect, 1, 1200)),
        ("… capped", out(Connect, 1, 0), Failure(Trial, Unreachable), out(Connect, 2, 1300)),
        ("… more", out(Connect, 20, 0), Failure(Trial, Unreachable), out(Connect, 20, 1300)),
        ("… otherwise", out(Share, 0, 0), Failure(Trial, Unreachable), out(Connect, 1, 1200)),
        ("the trial is cut: it connects", out(Connect, 3, 0), Failure(Trial, Broken), up(0)),
        ("the trial is late: it connects", out(Connect, 3, 0), Failure(Trial, Silent), up(0)),
        ("the trial is cut: no silence", out(Silence, 3, 0), Failure(Trial, Broken), up(0)),
        ("still silent", out(Silence, 0, 0), Failure(Trial, Silent), out(Silence, 1, 1200)),
        ("still broken", out(Share, 0, 0), Failure(Trial, Broken), out(Share, 1, 1200)),
        ("late instead", out(Share, 0, 0), Failure(Trial, Silent), out(Share, 1, 1200)),
        (
            "the client left",
            out(Share, 1, 1200),
            Failure(Trial, NotTheEndpoint),
            out(Share, 1, 1000),
        ),
        ("a late trial in rotation", up(1), Failure(Trial, Broken), up(1)),
    ] {
        assert_eq!(after(from, event, setting), want, "{name}");
    }
}

/// A trial that may have been the next bad request does not double the time; no connection does.
#[test]
fn where_neighbours_fail_too_a_broken_trial_is_repeated_after_the_same_time() {
    use Cause::{Connect, Share, Silence};
    use FailureKind::{Broken, Silent, Unreachable};
    let setting = Setting { limits: LIMITS, now_ms: 1000, may_eject: true, neighbours_fail: true };
    for (name, from, kind, want) in [
        ("cut", out(Share, 0, 0), Broken, out(Share, 0, 1100)),
        ("late", out(Silence, 1, 0), Silent, out(Silence, 1, 1200)),
        ("no connection", out(Share, 0, 0), Unreachable, out(Connect, 1, 1200)),
    ] {
        assert_eq!(from.after_failure(Entry::Trial, kind, setting), want, "{name}");
    }
}

#[test]
fn where_the_floor_leaves_no_room_it_stays_in_rotation_and_the_row_grows() {
    let setting =
        Setting { limits: LIMITS, now_ms: 1000, may_eject: false, neighbours_fail: false };
    let mut state = up(0);
    for row in 1..10 {
        state = state.after_failure(Entry::Open, FailureKind::Unreachable, setting);
        assert_eq!(state, up(row));
    }
    assert_eq!(state.after_verdict(Cause::Share, setting), state);
    let room = Setting { may_eject: true, ..setting };
    let next = state.after_failure(Entry::Open, FailureKind::Unreachable, room);
    assert!(next.is_ejected(), "as soon as there is room");
}

#[test]
fn of_those_that_ask_when_the_time_is_over_one_gets_the_trial() {
    let state = out(Cause::Share, 1, 100);
    assert_eq!(state.entered(99, LIMITS), (state, Entry::Ejected));
    assert!(!state.is_open(99) && state.is_open(100));
    let (claimed, entry) = state.entered(100, LIMITS);
    assert_eq!((claimed, entry), (out(Cause::Share, 1, 300), Entry::Trial));
    assert_eq!(claimed.entered(100, LIMITS).1, Entry::Ejected, "the second of two");
    assert_eq!(up(2).entered(100, LIMITS), (up(2), Entry::Open));
}

#[test]
fn a_state_is_one_word_and_comes_back() {
    assert_eq!(up(0).to_bits(), 0, "the word of almost every look");
    for cause in [Cause::Connect, Cause::Silence, Cause::Share] {
        for until_ms in [0, 1, 1 << 40, UNTIL] {
            for doublings in [0, 1, DOUBLINGS_MAX] {
                let state = out(cause, doublings, until_ms);
                assert_eq!(State::from_bits(state.to_bits()), state);
            }
        }
    }
    for row in [0, 1, u32::MAX] {
        assert_eq!(State::from_bits(up(row).to_bits()), up(row));
    }
    assert!(out(Cause::Share, 0, u64::MAX).to_bits() >> 56 == 0b1100_0000, "time never spills");
}
