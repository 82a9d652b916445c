//! `hosts` of a service: endpoints, and names whose addresses each are one.
//!
//! Not here: what is done with them (`proxy`).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::read::domain;
use super::tree::Item;
use super::types::{Docs, Domain};

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its IP address or host name.
    pub address: String,
    /// Its TCP port.
    pub port: u16,
    /// Share of attempts relative to the other endpoints; 1 or more.
    pub weight: u32,
}

/// A name whose addresses each are an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredHost {
    /// The name.
    pub name: String,
    /// What is asked of it.
    pub by: Discovers,
}

/// What is asked of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovers {
    /// Its addresses; port and weight are the same for all.
    Addresses {
        /// TCP port of each.
        port: u16,
        /// Weight of each.
        weight: u32,
    },
    /// Its SRV records, which have port and weight.
    Services,
}

/// An item of `hosts`.
pub(super) enum HostItem {
    Endpoint(Endpoint),
    Discovered(DiscoveredHost),
}

/// What the keys of an endpoint mean.
const DOCS: Docs = &[
    ("address", "Its IP address or host name."),
    (
        "discover",
        "Makes each address that the name has an endpoint of its own, and looks the name up again at its \
         TTL, without a restart: `dns` for its addresses, `srv` for its SRV records \
         ([discovery.md](discovery.md)). A name without it is one endpoint, looked up for each connection.",
    ),
    ("port", "Its TCP port; required, but with `discover: srv`, where the record has it."),
    (
        "weight",
        "Share of attempts relative to the other endpoints; 1 or more. With `discover: dns` of each; with \
         `discover: srv` the record has it.",
    ),
];

/// How records, metrics, pages and messages name it: `host:port`, an IPv6 address in brackets and in
/// its canonical form (RFC 3986 §3.2.2, RFC 5952).
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.address, self.port),
        }
    }
}

impl fmt::Display for DiscoveredHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            Discovers::Addresses { port, .. } => write!(f, "each address of {}:{port}", self.name),
            Discovers::Services => write!(f, "each host of {}", self.name),
        }
    }
}

/// An item of `hosts`: a mapping, or `address:port`.
pub(super) fn read(item: Item<'_, '_>) -> Option<HostItem> {
    let example = "{address: 10.0.0.1, port: 9090} or 10.0.0.1:9090";
    let mut map = match item.map_or_text("an endpoint", example, short_endpoint) {
        Ok(map) => map.means(DOCS),
        Err(endpoint) => return endpoint.map(HostItem::Endpoint),
    };
    let address = map.required("address", "write an IP address or a host name");
    let discover = map.get("discover");
    let discover = discover.and_then(|item| item.choice(&[("dns", false), ("srv", true)]));
    let address = address.and_then(|item| match discover {
        None => item.parse("an IP address or a host name", "it without scheme and port", host),
        Some(_) => {
            item.parse("a host name", "one that is looked up, such as web.example.com", dns_name)
        }
    });
    let port = map.get("port").map(|item| item.port(1));
    if discover == Some(true) {
        map.useless_beside("discover: srv", &["port", "weight"]);
    } else if port.is_none() {
        map.missing("port", "write the TCP port of the endpoint");
    }
    let weight = map.number("weight", 1, 1, 1_000_000);
    map.end();
    let address = address?;
    let port = port.flatten();
    Some(match discover {
        None => HostItem::Endpoint(Endpoint { address, port: port?, weight }),
        Some(is_srv) => HostItem::Discovered(DiscoveredHost {
            name: address,
            by: if is_srv {
                Discovers::Services
            } else {
                Discovers::Addresses { port: port?, weight }
            },
        }),
    })
}

/// `address:port`
fn short_endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    // Of `2001:db8::1:80` nobody knows where the address ends.
    let address = host(address).filter(|_| !address.contains(':') || address.starts_with('['))?;
    Some(Endpoint { address, port, weight: 1 })
}

/// An IP address, in brackets or not, in its canonical form; or a host name.
fn host(text: &str) -> Option<String> {
    if let Some(inside) = text.strip_prefix('[') {
        return inside.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string());
    }
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(ip.to_string()),
        Err(_) => matches!(domain(text), Some(Domain::Exact(_))).then(|| text.to_owned()),
    }
}

/// A name that is no IP address; the dot at its end, which keeps search domains away, may be there.
pub(super) fn dns_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_name = name.parse::<IpAddr>().is_err()
        && !name.starts_with('[')
        && matches!(domain(name), Some(Domain::Exact(_)))
        && name.split('.').all(|label| label.len() <= 63);
    is_name.then(|| text.to_owned())
}
