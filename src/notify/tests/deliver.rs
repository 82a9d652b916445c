//! Deliveries by the running dispatchers.

use std::time::{Duration, Instant};

use super::super::fixture::{NOON, config, notice, notify, numbered, outbox, over};
use super::super::message::Message;
use super::super::outbox::{Allowance, Outbox, Work};
use super::receiver::{Receiver, answer, status, told, wait_for};
use crate::metrics::Exposition;
use crate::notify::{Options, Running, start};
use crate::slo::{Notice, Recipient as _};
use std::sync::Arc;

/// Deliveries to channels with these keys, with the outbox in a folder.
fn running(folder: &std::path::Path, channels: &str) -> Running {
    let config = notify(&format!("channels: {{{channels}}}"));
    start(Options { config, folder: folder.to_owned() }).unwrap()
}

fn webhook(name: &str, receiver: &Receiver) -> String {
    let url = format!("http://{}/{name}", receiver.address);
    format!("{name}: {{type: webhook, url: \"{url}\", timeout: 1s}}")
}

fn key(digit: char) -> String {
    notice(digit).key
}

/// The value of a sample of the channel.
fn figure(running: &Running, sample: &str) -> String {
    let mut page = Exposition::default();
    running.metrics().expose(&mut page);
    let page = page.finish();
    let line = page.lines().find(|line| line.starts_with(sample));
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{page}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_channel_in_trouble_delays_no_other_and_loses_nothing() {
    let elsewhere = Receiver::taking();
    let redirect = answer(307, &format!("location: http://{}/\r\n", elsewhere.address), "");
    let page = answer(200, "content-type: text/html\r\n", "<html>Sign in</html>");
    let rows = [
        ("it hangs", None),
        ("it redirects", Some(redirect)),
        ("it shows a page to sign in", Some(page)),
        ("it does not speak HTTP", Some("nonsense\r\n\r\n".to_owned())),
        ("it closes", Some(String::new())),
        ("its credentials have expired", Some(status(401))),
        ("it is broken", Some(status(500))),
    ];
    for (name, trouble) in rows {
        let dir = tempfile::tempdir().unwrap();
        let bad = Receiver::start(
            move |number| if number < 2 { trouble.clone() } else { Some(status(200)) },
        );
        let good = Receiver::taking();
        let running = running(dir.path(), &[webhook("a", &bad), webhook("b", &good)].join(", "));
        running.sink().accept(&[notice('1')]).unwrap();
        bad.await_count(1);
        running.sink().accept(&[notice('2'), over('1')]).unwrap();
        good.await_count(3);
        assert!(bad.seen().len() <= 2, "{name}: the good channel waited for the bad one");
        let want = [("firing", '1'), ("firing", '2'), ("resolved", '1')];
        let want = want.map(|(status, digit)| (status.to_owned(), key(digit)));
        assert_eq!(told(&good), want, "{name}");
        bad.await_count(2 + want.len());
        assert_eq!(told(&bad)[2..], want, "{name}: after its trouble, in order");
        wait_for("figures", || {
            (figure(&running, "lbproxy_notify_waiting{channel=\"a\"}") == "0").then_some(())
        });
        assert_eq!(figure(&running, "lbproxy_notify_failures_total{channel=\"a\"}"), "2", "{name}");
        assert!(running.stop(Duration::from_secs(5)), "{name}");
    }
    assert_eq!(elsewhere.seen().len(), 0, "no redirect is followed");
}

/// How long a channel is left alone that has too much to do and says so with this `Retry-After`.
fn left_alone(retry_after: &str) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let fields = format!("retry-after: {retry_after}\r\n");
    let busy = Receiver::start(move |number| match number {
        0 => Some(answer(429, &fields, "")),
        _ => Some(status(200)),
    });
    let running = running(dir.path(), &webhook("a", &busy));
    running.sink().accept(&[notice('1')]).unwrap();
    busy.await_count(1);
    let began = Instant::now();
    busy.await_count(2);
    let waited = began.elapsed();
    assert!(running.stop(Duration::from_secs(5)), "{retry_after}");
    waited
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let waited = left_alone("2");
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
}

#[test]
fn a_channel_that_asks_for_no_wait_is_waited_for_all_the_same() {
    for (name, wait) in [("nothing", "0"), ("a time that is over", "Thu, 01 Jan 1970 00:00:00 GMT")]
    {
        let waited = left_alone(wait);
        assert!(waited >= Duration::from_millis(400), "{name}: {waited:?}");
    }
}

/// Goal: to read a secret never takes for ever. Method: its file becomes a pipe that nobody writes to.
#[test]
fn a_secret_that_cannot_be_read_holds_up_its_own_channel_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, good) = (Receiver::taking(), Receiver::taking());
    let file = dir.path().join("url");
    let url = format!("http://{}/a", bad.address);
    std::fs::write(&file, &url).unwrap();
    let hung = format!("a: {{type: slack, url_file: \"{}\"}}", file.display());
    let running = running(dir.path(), &[hung, webhook("b", &good)].join(", "));
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
    running.sink().accept(&[notice('1')]).unwrap();
    good.await_count(1);
    wait_for("a failure", || {
        (figure(&running, "lbproxy_notify_failures_total{channel=\"a\"}") != "0").then_some(())
    });
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &url).unwrap();
    bad.await_count(1);
    assert!(running.stop(Duration::from_secs(5)));
}

#[test]
fn what_is_refused_for_good_is_counted_and_never_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let strict = Receiver::start(|number| Some(status(if number == 0 { 400 } else { 200 })));
    let running = running(dir.path(), &webhook("a", &strict));
    running.sink().accept(&[notice('1'), notice('2')]).unwrap();
    strict.await_count(2);
    assert!(running.stop(Duration::from_secs(5)));
    assert_eq!(told(&strict), [("firing".to_owned(), key('1')), ("firing".to_owned(), key('2'))]);
}

#[test]
fn an_alert_that_still_fires_is_told_once_and_its_end_too() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::taking();
    let running = running(dir.path(), &webhook("a", &receiver));
    let mut sink = running.sink();
    for notice in [notice('1'), notice('1'), over('1'), over('1'), over('1')] {
        sink.accept(&[notice]).unwrap();
    }
    let again = Notice { since_ms: NOON + 800_000, ..notice('1') };
    sink.accept(&[again]).unwrap();
    receiver.await_count(3);
    assert!(running.stop(Duration::from_secs(5)));
    let statuses: Vec<_> = told(&receiver).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, ["firing", "resolved", "firing"]);
}

/// Goal: the disk takes nothing when it matters most. Method: the folder is gone, and comes back.
#[test]
fn an_alert_is_told_while_the_disk_takes_nothing_and_kept_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let receiver = Receiver::taking();
    let running = running(&folder, &webhook("a", &receiver));
    let mut sink = running.sink();
    assert!(sink.accept(&[notice('1')]).is_err(), "it is not kept, and that is said");
    receiver.await_count(1);
    assert!(sink.accept(&[notice('1')]).is_err(), "still");
    std::fs::create_dir(&folder).unwrap();
    sink.accept(&[notice('1')]).unwrap();
    assert!(std::fs::read_to_string(folder.join("notices")).unwrap().contains(&key('1')));
    sink.accept(&[over('1')]).unwrap();
    receiver.await_count(2);
    assert!(running.stop(Duration::from_secs(5)));
    assert_eq!(told(&receiver).len(), 2, "nobody was told twice");
}

/// Delivers what waits for a channel; `true` for what fires.
fn drain(outbox: &mut Outbox, channel: &str) -> Vec<bool> {
    let mut told = Vec::new();
    while let Work::Deliver(delivery) = outbox.next(channel, Allowance::One, NOON) {
        told.extend(delivery.messages.iter().map(|message| message.is_firing()));
        outbox.done(channel, delivery.seqs, false);
    }
    told
}

#[test]
fn an_alert_waits_for_the_hours_of_its_route_and_its_end_goes_to_who_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let routes = "[{name: r, to: [a], hours: [{from: \"13:00\", to: \"14:00\"}]}, \
                  {name: s, to: [b], hours: [{from: \"11:00\", to: \"12:30\"}]}]";
    let mut outbox = outbox(dir.path(), routes);
    outbox.accept(vec![Message::of(&notice('1'))], NOON).unwrap();
    assert_eq!((drain(&mut outbox, "a"), drain(&mut outbox, "b")), (vec![], vec![true]), "at noon");
    outbox.tick(NOON + 59 * 60_000);
    assert!(drain(&mut outbox, "a").is_empty(), "a minute before one");
    outbox.tick(NOON + 60 * 60_000);
    assert_eq!((drain(&mut outbox, "a"), drain(&mut outbox, "b")), (vec![true], vec![]), "at one");
    // At three, when no route is open; after a restart.
    let mut outbox = self::outbox(dir.path(), routes);
    outbox.accept(vec![Message::of(&over('1'))], NOON + 180 * 60_000).unwrap();
    assert_eq!((drain(&mut outbox, "a"), drain(&mut outbox, "b")), (vec![false], vec![false]));
    outbox.accept(vec![Message::of(&over('1'))], NOON + 181 * 60_000).unwrap();
    assert!(drain(&mut outbox, "a").is_empty(), "once");
}

/// A channel that forgets is told again of all that it knows, ends for five minutes.
#[test]
fn what_is_repeated_is_what_fires_and_what_was_over_a_moment_ago() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = outbox(dir.path(), "[]");
    outbox.accept(vec![Message::of(&notice('1')), Message::of(&notice('2'))], NOON).unwrap();
    assert_eq!(outbox.again("a").len(), 0, "nothing that waits");
    drain(&mut outbox, "a");
    assert_eq!(outbox.again("a").len(), 2);
    outbox.accept(vec![Message::of(&over('1'))], NOON + 750_000).unwrap();
    for channel in ["a", "b", "c"] {
        drain(&mut outbox, channel);
    }
    let mut outbox = self::outbox(dir.path(), "[]");
    let ends: Vec<_> = outbox.again("a").iter().map(|message| message.is_firing()).collect();
    assert_eq!(ends, [false, true], "after a restart too");
    outbox.tick(NOON + 750_000 + 299_000);
    assert_eq!(outbox.again("a").len(), 2);
    outbox.tick(NOON + 750_000 + 300_000);
    assert_eq!(outbox.again("a").len(), 1, "five minutes after the end");
}

#[test]
fn a_queue_that_is_full_refuses_and_counts_and_takes_ends() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::<crate::metrics::NotifyMetrics>::default();
    let config = Arc::new(config("[{name: r, to: [a]}]"));
    let mut outbox = Outbox::open(dir.path(), config, Arc::clone(&metrics));
    let give = |outbox: &mut Outbox, numbers: std::ops::Range<usize>, is_firing| {
        let message =
            |number| super::super::fixture::message(&format!("lbproxy/{number}"), is_firing);
        outbox.accept(numbers.map(message).collect(), NOON).unwrap();
        (outbox.waiting("a").0, metrics.refused_total.value())
    };
    assert_eq!(give(&mut outbox, 0..6_000, true), (5_000, 1_000));
    assert_eq!(give(&mut outbox, 0..6_000, false), (10_000, 2_000), "ends of what is known");
    assert_eq!(give(&mut outbox, 7..8, true), (10_000, 2_001), "it fires again");
    let Work::Deliver(all) = outbox.next("a", Allowance::Summary, NOON) else { panic!("nothing") };
    outbox.done("a", all.seqs, true);
    assert_eq!(outbox.waiting("a").0, 0);
    outbox.tick(NOON);
    assert_eq!(outbox.waiting("a").0, 1, "what found no room has some now");
}

#[test]
fn beyond_the_cap_the_others_come_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::taking();
    let config = notify(&format!("channels: {{{}}}, rate_cap: 2", webhook("a", &receiver)));
    let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
    running.sink().accept(&['1', '2', '3', '4', '5'].map(notice)).unwrap();
    let seen = receiver.await_count(3);
    let words = seen[2].json()["commonAnnotations"]["summary"].as_str().unwrap().to_owned();
    assert_eq!(words, "3 more alerts of service level objectives fire: checkout (3)");
    running.sink().accept(&['1', '3'].map(over)).unwrap();
    receiver.await_count(4);
    assert!(running.stop(Duration::from_secs(5)));
    let want = [("firing", key('1')), ("firing", key('2')), ("resolved", key('1'))];
    let told = told(&receiver);
    assert_eq!(told.len(), 4, "the end of one of several is not told: {told:?}");
    for (status, key) in want {
        assert!(told.contains(&(status.to_owned(), key)), "{told:?}");
    }
}

#[test]
fn ten_thousand_at_once_are_a_few_messages_and_one_summary() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::taking();
    let config = notify(&format!("channels: {{{}}}, rate_cap: 2", webhook("a", &receiver)));
    let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
    let notices: Vec<_> = (0..10_000).map(numbered).collect();
    running.sink().accept(&notices).unwrap();
    let seen = receiver.await_count(3);
    let words = seen[2].json()["commonAnnotations"]["summary"].as_str().unwrap().to_owned();
    assert_eq!(words, "4998 more alerts of service level objectives fire: checkout (4998)");
    wait_for("an empty queue", || {
        (figure(&running, "lbproxy_notify_waiting{channel=\"a\"}") == "0").then_some(())
    });
    assert_eq!(figure(&running, "lbproxy_notify_refused_total"), "5000");
    assert!(running.stop(Duration::from_secs(5)));
    assert_eq!(receiver.seen().len(), 3);
}

/// Goal: waiting alerts outlive a clock that was wrong. Method: an outbox of long ago, a channel that fails
/// once.
#[test]
fn a_clock_that_jumps_gives_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(
        dir.path(),
        Arc::new(notify("channels: {a: {type: webhook, url: \"http://127.0.0.1:1/\"}}")),
        Arc::default(),
    );
    outbox.accept(vec![Message::of(&notice('1'))], 1_000).unwrap();
    drop(outbox);
    let busy = Receiver::start(|number| Some(status(if number == 0 { 500 } else { 200 })));
    let running = running(dir.path(), &webhook("a", &busy));
    busy.await_count(2);
    assert!(running.stop(Duration::from_secs(5)));
    assert_eq!(told(&busy)[1], ("firing".to_owned(), key('1')));
}

/// Goal: what waits for a channel that nobody has any more is no secret. Method: another configuration.
#[test]
fn what_waits_for_a_channel_that_is_gone_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    outbox(dir.path(), "[{name: r, to: [c]}]")
        .accept(vec![Message::of(&notice('1'))], NOON)
        .unwrap();
    let metrics = Arc::<crate::metrics::NotifyMetrics>::default();
    let fewer = notify("channels: {a: {type: webhook, url: \"http://127.0.0.1:1/\"}}");
    let mut outbox = Outbox::open(dir.path(), Arc::new(fewer), Arc::clone(&metrics));
    outbox.tick(NOON);
    assert_eq!(metrics.refused_total.value(), 1);
    assert_eq!(drain(&mut outbox, "a"), [true], "the others are told");
}

#[test]
fn what_fires_is_known_to_the_next_process_until_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::taking();
    let start = || running(dir.path(), &webhook("a", &receiver));
    let first = start();
    first.sink().accept(&['1', '2'].map(notice)).unwrap();
    assert!(first.stop(Duration::from_secs(5)));
    let second = start();
    second.sink().accept(&[over('1')]).unwrap();
    let open = second.sink().open();
    let [only] = &open[..] else { panic!("{open:?}") };
    let want = notice('2');
    assert_eq!((&only.key, only.severity, only.since_ms), (&want.key, want.severity, NOON));
    assert_eq!((&only.objective, &only.service), (&want.objective.name, &want.objective.service));
    assert_eq!(only.group, want.group);
    assert!(second.stop(Duration::from_secs(5)));
}

/// Goal: what Alertmanager is told again passes a proxy's limit of bodies, and one that is away is not asked
/// for each part. Method: a second start repeats at once.
#[test]
fn what_is_repeated_comes_in_parts_up_to_the_first_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|number| Some(status(if number < 2 { 200 } else { 500 })));
    let channel = format!("a: {{type: alertmanager, urls: [\"http://{}\"]}}", receiver.address);
    let first = running(dir.path(), &channel);
    first.sink().accept(&(0..100).map(numbered).collect::<Vec<_>>()).unwrap();
    receiver.await_count(2);
    assert!(first.stop(Duration::from_secs(5)));
    let second = running(dir.path(), &channel);
    wait_for("a failure", || {
        let failures = figure(&second, "lbproxy_notify_failures_total{channel=\"a\"}");
        (failures == "1").then_some(())
    });
    assert!(second.stop(Duration::from_secs(5)));
    let seen = receiver.seen();
    let parts = seen.iter().map(|request| request.json().as_array().unwrap().len());
    assert_eq!(parts.collect::<Vec<_>>(), [64, 36, 64]);
}
