//! Many alerts at once: a few one by one, the others as one.

use std::sync::Arc;

use super::super::fixture::{NOON, message, outbox};
use super::super::outbox::{Allowance, Outbox, Work};

/// What a channel was told: whether it is a summary, whether it fires, its words.
fn next(outbox: &mut Outbox, allowance: Allowance) -> Option<(bool, bool, String)> {
    loop {
        match outbox.next("a", allowance, NOON) {
            Work::Deliver(delivery) => {
                let message = Arc::clone(&delivery.messages[0]);
                outbox.done("a", delivery.seqs, delivery.is_summary);
                return Some((delivery.is_summary, message.is_firing(), message.summary.clone()));
            }
            Work::Settle(seqs) => outbox.done("a", seqs, true),
            Work::Nothing | Work::Wait(_) => return None,
        }
    }
}

#[test]
fn a_flood_is_one_summary_that_ends_when_all_of_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let open = || outbox(dir.path(), "[{name: r, to: [a]}]");
    let mut outbox = open();
    let alert = |number: usize, is_firing| message(&format!("lbproxy/{number}"), is_firing);
    let give = |outbox: &mut Outbox, numbers: std::ops::Range<usize>, is_firing| {
        let messages = numbers.map(|number| alert(number, is_firing)).collect();
        outbox.accept(messages, NOON).unwrap();
    };
    give(&mut outbox, 0..30, true);
    let first = next(&mut outbox, Allowance::One).unwrap();
    assert_eq!((first.0, first.1), (false, true), "one by one");
    let wait = std::time::Duration::from_secs(7);
    assert_eq!(outbox.next("a", Allowance::NotFor(wait), NOON), Work::Wait(wait));
    let (is_summary, is_firing, words) = next(&mut outbox, Allowance::Summary).unwrap();
    assert_eq!((is_summary, is_firing), (true, true));
    assert_eq!(words, "29 more alerts of service level objectives fire: checkout (29)");
    assert_eq!(next(&mut outbox, Allowance::Summary), None, "all of them");

    // The one that was told alone ends alone, whatever else is told.
    give(&mut outbox, 0..1, false);
    let end = next(&mut outbox, Allowance::NotFor(wait)).unwrap();
    assert_eq!((end.0, end.1), (false, false));
    // Some of the others end: nothing is said, in the next life neither.
    give(&mut outbox, 1..20, false);
    assert_eq!(next(&mut outbox, Allowance::One), None);
    let mut outbox = open();
    give(&mut outbox, 30..32, true);
    let (_, _, words) = next(&mut outbox, Allowance::Summary).unwrap();
    assert_eq!(words, "12 more alerts of service level objectives fire: checkout (12)");
    give(&mut outbox, 20..32, false);
    let (is_summary, is_firing, words) = next(&mut outbox, Allowance::NotFor(wait)).unwrap();
    assert_eq!((is_summary, is_firing), (true, false));
    assert_eq!(words, "12 more alerts of service level objectives are over");
    assert_eq!(outbox.waiting("a").0, 0);
}

/// Goal: a summary ends though another alert fires behind the last end of it, and is told by itself.
#[test]
fn a_summary_ends_whatever_fires_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = outbox(dir.path(), "[{name: r, to: [a]}]");
    outbox.accept(vec![message("lbproxy/1", true), message("lbproxy/2", true)], NOON).unwrap();
    assert!(next(&mut outbox, Allowance::Summary).unwrap().0, "both are one");
    let (one, two) = (message("lbproxy/1", false), message("lbproxy/2", false));
    outbox.accept(vec![one, two, message("lbproxy/3", true)], NOON).unwrap();
    let mut told = || next(&mut outbox, Allowance::One).map(|(summary, fires, _)| (summary, fires));
    assert_eq!([told(), told(), told()], [Some((true, false)), Some((false, true)), None]);
}

#[test]
fn what_fires_and_ends_while_nothing_may_be_told_is_told_as_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = outbox(dir.path(), "[{name: r, to: [a]}]");
    outbox.accept(vec![message("lbproxy/1", true), message("lbproxy/1", false)], NOON).unwrap();
    let (is_summary, is_firing, _) = next(&mut outbox, Allowance::Summary).unwrap();
    assert_eq!((is_summary, is_firing), (true, false));
    assert_eq!(next(&mut outbox, Allowance::Summary), None);
}

/// Alertmanager groups by itself: it gets several at once, each alert once in a delivery.
#[test]
fn a_channel_that_takes_several_gets_them_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = outbox(dir.path(), "[{name: r, to: [a]}]");
    let messages = [(1, true), (2, true), (1, false)];
    let messages = messages.map(|(number, fires)| message(&format!("lbproxy/{number}"), fires));
    outbox.accept(messages.to_vec(), NOON).unwrap();
    let mut told = Vec::new();
    while let Work::Deliver(delivery) = outbox.next("a", Allowance::Several, NOON) {
        told.push(delivery.messages.iter().map(|m| m.is_firing()).collect::<Vec<_>>());
        outbox.done("a", delivery.seqs, delivery.is_summary);
    }
    assert_eq!(told, [vec![true, true], vec![false]]);
}
