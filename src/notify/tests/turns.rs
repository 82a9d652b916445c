//! Goal: of several who notify in turn each tells what is its own to tell. Method: running dispatchers and a
//! receiver.

use std::path::Path;
use std::time::Duration;

use super::super::fixture::{notice, notify, over};
use super::receiver::{Receiver, told, wait_for};
use crate::base::clock::wall_ms;
use crate::notify::{Fence, Options, Running, start_within};
use crate::slo::Recipient as _;

fn running(folder: &Path, receiver: &Receiver, fence: &Fence) -> Running {
    let url = format!("http://{}/hook", receiver.address);
    let config = notify(&format!("channels: {{a: {{type: webhook, url: \"{url}\"}}}}"));
    let options = Options { config, folder: folder.to_owned() };
    start_within(options, fence.clone()).unwrap()
}

#[test]
fn an_alert_that_another_told_of_is_told_of_its_end_alone() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let running = running(dir.path(), &receiver, &Fence::open());
    let mut sink = running.sink();
    sink.adopt(&[notice('1')], wall_ms());
    assert!(!sink.waits_for(&notice('1').key));
    sink.accept(&[notice('1'), notice('2'), over('1')]).unwrap();
    receiver.await_count(2);
    let want = [("firing", notice('2').key), ("resolved", notice('1').key)];
    assert_eq!(told(&receiver), want.map(|(status, key)| (status.to_owned(), key)));
    wait_for("what waits", || (!sink.waits_for(&notice('1').key)).then_some(()));
    assert!(running.stop(Duration::from_secs(5)));
}

#[test]
fn while_the_fence_is_closed_nobody_is_told_and_nothing_is_lost() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let fence = Fence::closed();
    let closed = running(dir.path(), &receiver, &fence);
    let key = notice('1').key;
    closed.sink().accept(&[notice('1')]).unwrap();
    assert!(closed.sink().waits_for(&key));
    // At its end it would tell what waits.
    assert!(closed.stop(Duration::from_secs(5)));
    assert_eq!(told(&receiver), []);
    let open = running(dir.path(), &receiver, &Fence::open());
    receiver.await_count(1);
    assert_eq!(told(&receiver), [("firing".to_owned(), key)]);
    assert!(open.stop(Duration::from_secs(5)));
}
