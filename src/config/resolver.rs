//! `resolver` of the configuration: how this process looks names up.
//!
//! Not here: looking up (`names`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::hosts;
use super::map::Map;
use super::read::seconds;
use super::types::Docs;

/// Most servers.
const SERVERS_MAX: usize = 8;
/// Most search domains.
const SEARCH_MAX: usize = 16;
/// The port of name servers.
const PORT: u16 = 53;

/// How names are looked up.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// Name servers; none for those of /etc/resolv.conf.
    pub servers: Vec<SocketAddr>,
    /// Domains that are added to names.
    pub search: Vec<String>,
    /// A name with fewer dots is tried with the search domains first.
    pub ndots: usize,
    /// Limit of one try.
    pub timeout: Duration,
}

impl Default for Resolver {
    /// As /etc/resolv.conf says.
    fn default() -> Self {
        Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: seconds(2) }
    }
}

/// What the keys mean.
const DOCS: Docs = &[
    (
        "servers",
        "Name servers, as `address` or `address:port`; those of /etc/resolv.conf, with its search domains \
         and options, when absent.",
    ),
    ("search", "Domains that are added to names that do not end in a dot."),
    (
        "ndots",
        "A name with so many dots is tried as it is before it is tried with the domains of `search`.",
    ),
    ("timeout", "Limit of one try at the servers; there are three."),
];

/// `resolver`; all of it has defaults.
pub(super) fn section(map: Option<Map<'_, '_>>) -> Resolver {
    let mut resolver = Resolver::default();
    let Some(map) = map else { return resolver };
    let mut map = map.means(DOCS);
    let servers = map.get("servers").map(|item| item.bounded_list(SERVERS_MAX)).unwrap_or_default();
    let read = |text: &str| {
        text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT)))
    };
    resolver.servers = servers
        .into_iter()
        .filter_map(|item| {
            item.parse("an IP address", "one, such as 10.96.0.10 or 127.0.0.1:5353", read)
        })
        .collect();
    let search = map.get("search").map(|item| item.bounded_list(SEARCH_MAX)).unwrap_or_default();
    resolver.search = search
        .into_iter()
        .filter_map(|item| {
            item.parse("a domain", "one, such as svc.cluster.local", hosts::dns_name)
        })
        .collect();
    resolver.ndots = map.number("ndots", resolver.ndots, 0, 15);
    resolver.timeout = map.duration("timeout", resolver.timeout);
    map.useless_without("servers", &["search", "ndots", "timeout"]);
    map.end();
    resolver
}
