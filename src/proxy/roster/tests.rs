//! Goal: others take the place of endpoints without a trace in those that stay. Method: sets of addresses,
//! one after the other, with failures between.

use super::*;
use crate::metrics::ServiceMetrics;
use crate::proxy::endpoint::{Entry, FailureKind};
use crate::proxy::service::Service;

fn roster(hosts: &[&str]) -> Roster {
    let text = format!(
        "proxy:\n  listen: {{port: 0}}\n  services: [{{name: web, domain: \"*\", hosts: [{}]}}]\n",
        hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", ")
    );
    let config = crate::config::parse("f", &text, &|_| None).unwrap();
    Roster::new(&config.proxy.services[0], 2, &Arc::default())
}

fn addresses(labels: &[&str]) -> Vec<config::Endpoint> {
    let address = |label: &&str| {
        let (address, port) = label.rsplit_once(':').unwrap();
        config::Endpoint { address: address.to_owned(), port: port.parse().unwrap(), weight: 1 }
    };
    labels.iter().map(address).collect()
}

fn labels(roster: &Roster) -> Vec<String> {
    roster.members().iter().map(|member| member.label.clone()).collect()
}

#[test]
fn who_stays_keeps_everything_and_only_others_come_and_leave() {
    let roster = roster(&["10.0.0.1:80", "10.0.0.2:80"]);
    let before = roster.members();
    before[1].all_cells()[0].attempts_total.add(7);
    let turnover = roster.set(&addresses(&["10.0.0.2:80", "10.0.0.3:80"]));
    assert_eq!(turnover.came, ["10.0.0.3:80"]);
    assert_eq!(turnover.left, ["10.0.0.1:80"]);
    assert_eq!(labels(&roster), ["10.0.0.2:80", "10.0.0.3:80"]);
    assert!(Arc::ptr_eq(&before[1], &roster.members()[0]));
    // Another weight is no other endpoint.
    let mut heavier = addresses(&["10.0.0.2:80"]);
    heavier[0].weight = 5;
    assert_eq!(
        roster.set(&heavier),
        Turnover { came: vec![], left: vec!["10.0.0.3:80".to_owned()] }
    );
    let member = Arc::clone(&roster.members()[0]);
    assert_eq!((member.id, member.address.weight), (before[1].id, 5));
    assert_eq!(member.all_cells()[0].attempts_total.value(), 7);
    // One that comes back is another one.
    roster.set(&[]);
    roster.set(&addresses(&["10.0.0.2:80"]));
    assert_ne!(roster.members()[0].id, before[1].id);
}

#[test]
fn an_address_that_stood_twice_leaves_as_a_whole() {
    let roster = roster(&["10.0.0.1:80", "10.0.0.1:80"]);
    let before = roster.members();
    let fail = |member: &Arc<Member>| {
        (0..5).for_each(|_| member.outlier.failure(Entry::Open, FailureKind::Unreachable, 1));
    };
    fail(&before[0]);
    assert!(!before[0].outlier.is_in_rotation());
    roster.set(&addresses(&["10.0.0.2:80", "10.0.0.3:80"]));
    let now = roster.members();
    now.iter().for_each(fail);
    let out = now.iter().filter(|member| !member.outlier.is_in_rotation()).count();
    assert_eq!(out, 1, "the room of the one that left is there again");
}

#[test]
fn the_last_endpoint_is_not_ejected_also_when_the_others_leave() {
    let roster = roster(&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]);
    for member in &roster.members()[..2] {
        (0..5).for_each(|_| member.outlier.failure(Entry::Open, FailureKind::Unreachable, 1));
    }
    let in_rotation = |roster: &Roster| {
        roster.members().iter().filter(|member| member.outlier.is_in_rotation()).count()
    };
    assert_eq!(in_rotation(&roster), 2);
    roster.set(&addresses(&["10.0.0.1:80", "10.0.0.2:80"]));
    assert_eq!(in_rotation(&roster), 1);
    roster.set(&addresses(&["10.0.0.1:80"]));
    assert_eq!(in_rotation(&roster), 1);
}

/// Goal: no request fails between the word of other endpoints and the moment at which a worker follows it. Method: a
/// worker that does not follow.
#[test]
fn a_worker_without_an_open_endpoint_takes_over_the_set_that_it_was_told_of() {
    let roster = roster(&["10.0.0.1:80"]);
    roster.set(&[]);
    let metrics = Arc::new(ServiceMetrics::default());
    let service = Service::new(&roster.service, 0, roster.subscribe(), None, metrics);
    let picked = || service.pick(&[], 1).map(|(endpoint, _)| endpoint.member.label.clone());
    assert_eq!(picked(), None);
    roster.set(&addresses(&["10.0.0.2:80"]));
    assert_eq!(picked().as_deref(), Some("10.0.0.2:80"));
}
