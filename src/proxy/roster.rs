//! The endpoints of a service as all workers share them, and how others take their place.
//!
//! ```text
//! discovery ─► Roster::set ─► watch ─► each worker: Service::follow
//!                                 └──► health, figures
//! ```
//! Who stays keeps everything: state, counters, and in each worker its pool. Who leaves gets nothing new;
//! what is under way there ends as it would have. Invariant: of the endpoints of a service at most
//! `outlier.max_ejected` are ejected and never the last, also when others leave.
//! Not here: who is found (`discovery`), a worker's side (`service`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::endpoint::{Floor, Member, Outlier};
use crate::config;

/// The endpoints of now, in the order of the configuration and of what was found.
pub(super) type Members = Arc<[Arc<Member>]>;

/// What another set changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turnover {
    /// Labels of those that are new.
    pub(super) came: Vec<String>,
    /// Labels of those that are gone.
    pub(super) left: Vec<String>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) service: Arc<config::Service>,
    workers: usize,
    floor: Arc<Floor>,
    /// Told when an endpoint comes, leaves, is ejected or comes back.
    changed: Arc<Notify>,
    members: watch::Sender<Members>,
}

impl Roster {
    /// With the endpoints that the configuration names.
    pub(super) fn new(
        service: &Arc<config::Service>,
        workers: usize,
        changed: &Arc<Notify>,
    ) -> Self {
        let roster = Self {
            service: Arc::clone(service),
            workers,
            floor: Arc::new(Floor::new(0, service.outlier.max_ejected)),
            changed: Arc::clone(changed),
            members: watch::channel(Members::default()).0,
        };
        roster.set(&service.hosts);
        roster
    }

    /// The endpoints of now.
    pub(super) fn members(&self) -> Members {
        self.members.borrow().clone()
    }

    /// Tells of each other set.
    pub(super) fn subscribe(&self) -> watch::Receiver<Members> {
        self.members.subscribe()
    }

    /// From now on the service has these endpoints, each address once. For one caller at a time.
    pub(super) fn set(&self, addresses: &[config::Endpoint]) -> Turnover {
        let before = self.members();
        let mut known: HashMap<&str, &Arc<Member>> =
            before.iter().map(|member| (member.label.as_str(), member)).collect();
        let mut turnover = Turnover::default();
        let mut all: Vec<Arc<Member>> = Vec::with_capacity(addresses.len());
        for address in addresses {
            let label = address.to_string();
            match known.remove(label.as_str()) {
                // Another weight makes it another member, with the same state and counters.
                Some(member) if member.address == *address => all.push(Arc::clone(member)),
                Some(member) => all.push(Arc::new(member.weighing(address))),
                None => {
                    turnover.came.push(label.clone());
                    all.push(Arc::new(self.member(address, label)));
                }
            }
        }
        let stays: HashSet<u64> = all.iter().map(|member| member.id).collect();
        let left: Vec<_> = before.iter().filter(|member| !stays.contains(&member.id)).collect();
        turnover.left = left.iter().map(|member| member.label.clone()).collect();
        turnover.left.sort_unstable();
        self.floor.set(all.len(), self.service.outlier.max_ejected);
        // First the new set: a worker that has none but those that leave must find some of them open.
        self.members.send_replace(all.into());
        for member in left {
            member.outlier.leave();
        }
        for member in self.members().iter() {
            if !self.floor.is_exceeded() {
                break;
            }
            if !member.outlier.is_in_rotation() {
                member.outlier.return_for_want_of_others();
            }
        }
        self.changed.notify_one();
        turnover
    }

    fn member(&self, address: &config::Endpoint, label: String) -> Member {
        let names = (self.service.name.clone(), label);
        let outlier = Outlier::new(names, self.service.outlier, &self.floor, &self.changed);
        Member::new(address, outlier, self.workers)
    }
}

#[cfg(test)]
mod tests;
