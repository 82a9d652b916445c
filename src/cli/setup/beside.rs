//! What `setup` puts beside the store: boards on its dashboards, and the rules of objectives on whoever watches
//! them. Not here: what is installed and how (`elk`).

use std::time::Duration;

use crate::cli::output::pair;
use crate::cli::patience;
use crate::compile::Site;
use crate::config::Dashboards;
use crate::elk::alerts::{self, Watcher};
use crate::elk::client::Client;
use crate::elk::installer::Options;
use crate::elk::problem::Problem;
use crate::elk::saved_objects::{self, Target};
use crate::elk::server::Server;
use crate::elk::{Product, plan::Mode};
use crate::slo::Targets;
use crate::slo::file::Objectives;

use super::report::{Alerts, Boards};

/// What is wanted beside the store.
#[derive(Debug)]
pub(super) struct Requested<'a> {
    pub(super) boards: Option<Wanted<'a>>,
    pub(super) alerts: Option<Wanted<'a>>,
    /// What the rules are of.
    pub(super) objectives: Objectives,
    /// Routes and what stands for them.
    pub(super) channels: &'a [(String, String)],
}

/// What there is of it, and what is to be done.
pub(super) struct Beside<'a> {
    place: Option<Target<'a>>,
    watcher: Option<Watcher<'a>>,
    pub(super) boards: Option<Boards>,
    pub(super) alerts: Option<Alerts>,
}

impl<'a> Requested<'a> {
    /// Looks at the servers; changes nothing.
    pub(super) async fn survey(
        &self,
        store: &'a Client,
        server: &Server,
        options: Options<'_>,
    ) -> Beside<'a> {
        let target = |wanted: Option<Wanted<'a>>| wanted.and_then(|one| one.target(server.product));
        let place = target(self.boards);
        let boards = match place {
            Some(place) => {
                Some(Boards::new(place, saved_objects::survey(place, options.mode).await))
            }
            None => None,
        };
        let dashboards = target(self.alerts);
        let licence = server.licence.as_deref();
        let watcher =
            self.alerts.and_then(|_| alerts::watcher(server.product, licence, store, dashboards));
        let alerts = match watcher {
            Some(watcher) => {
                let site = self.site(options.namespace, dashboards);
                Some(self.look(watcher, &site, options.mode).await)
            }
            None => None,
        };
        Beside { place, watcher, boards, alerts }
    }

    /// Waits so long for the dashboards, if there are any; that they do not answer then is told by the survey.
    pub(super) async fn wait(&self, wait: Duration, server: &Server) {
        let target = |wanted: Option<Wanted<'a>>| wanted.and_then(|one| one.target(server.product));
        let Some(place) = target(self.boards).or_else(|| target(self.alerts)) else { return };
        let tell = |problem: &Problem, left| super::waits(place.client, problem, left);
        let _ = patience::ask(wait, super::PAUSES, tell, async || place.answers().await).await;
    }

    /// What there is of the rules of objectives, and what is to be done.
    async fn look(&self, watcher: Watcher<'_>, site: &Site, mode: Mode) -> Alerts {
        let plan = alerts::survey(watcher, &self.objectives, site, mode).await;
        Alerts { url: watcher.url().to_owned(), title: watcher.title(), plan, outcomes: Vec::new() }
    }

    /// Where the rules are used.
    fn site(&self, namespace: &str, place: Option<Target<'_>>) -> Site {
        let dashboards = place.map(|target| {
            let url = target.client.url().trim_end_matches('/');
            let space = target.space.filter(|_| target.product == Product::Elasticsearch);
            format!("{url}{}", space.map_or(String::new(), |space| format!("/s/{space}")))
        });
        let (namespace, channels) = (namespace.to_owned(), self.channels.to_vec());
        Site { namespace, dashboards, alertmanager: None, channels }
    }
}

impl Beside<'_> {
    /// Carries it out, and keeps what came of it.
    pub(super) async fn apply(&mut self) {
        if let (Some(boards), Some(place)) = (&mut self.boards, self.place) {
            let (outcomes, findings) = saved_objects::apply(place, &boards.plan).await;
            boards.outcomes = outcomes;
            boards.plan.findings.extend(findings);
        }
        if let (Some(alerts), Some(watcher)) = (&mut self.alerts, self.watcher) {
            alerts.outcomes = alerts::apply(watcher, &alerts.plan).await;
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// There, in its space or workspace, held against what is promised.
    At(&'a Client, &'a Dashboards, Targets),
    /// Nobody has said where.
    Nowhere,
}

impl<'a> Wanted<'a> {
    /// The server, if there is one.
    fn target(self, product: Product) -> Option<Target<'a>> {
        let Self::At(client, place, targets) = self else { return None };
        let (space, workspace) = (place.space.as_deref(), place.workspace.as_deref());
        Some(Target { client, space, workspace, product, targets })
    }
}

/// A route and what stands for it.
pub(super) fn channel(text: &str) -> Result<(String, String), String> {
    pair(text, "write ROUTE=ID, such as on-call=3f2c")
}
