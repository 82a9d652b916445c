//! hickory's resolver, as the configuration or this system wants it, and what is asked of it.
//!
//! The system's files are looked at every [`LOOK_EVERY`] at most, while names are looked up; when one has
//! changed, a new resolver takes the place of the old one, and nothing is kept that the old one knew. Not
//! here: who asks (`desk`).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use rustix::io::Errno;
use tokio::task::JoinSet;

use super::{Address, Addresses, LookupFailure, NameKind, TTL_MAX, TTL_MIN, TTL_NONE_MAX};
use crate::config::Resolver;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What changes how names are looked up.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Most answers that are kept.
const KEPT_MAX: u64 = 1024;
/// Most hosts of a service that are looked up, and how many of them at once.
const HOSTS_MAX: usize = 1024;
const HOSTS_AT_ONCE: usize = 32;
/// Repetitions of a try that failed.
const REPEATS: usize = 2;

pub(super) struct LiveResolver {
    config: Resolver,
    made: Option<Made>,
}

struct Made {
    resolver: TokioResolver,
    /// Of [`FILES`].
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl LiveResolver {
    pub(super) const fn new(config: Resolver) -> Self {
        Self { config, made: None }
    }

    /// The resolver of now.
    pub(super) fn current(&mut self) -> TokioResolver {
        let now = Instant::now();
        if let Some(made) = &mut self.made {
            if now.saturating_duration_since(made.looked) < LOOK_EVERY {
                return made.resolver.clone();
            }
            made.looked = now;
            if made.changed == changed() {
                return made.resolver.clone();
            }
        }
        let made = Made { changed: changed(), resolver: make(&self.config), looked: now };
        self.made.insert(made).resolver.clone()
    }
}

/// When the files changed last.
fn changed() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|data| data.modified()).ok())
}

/// Without servers a resolver still knows /etc/hosts.
#[expect(clippy::expect_used, reason = "fails with TLS or DNSSEC alone, which are not compiled in")]
fn make(config: &Resolver) -> TokioResolver {
    let own = if config.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| {
            tracing::warn!(
                %error,
                "/etc/resolv.conf cannot be used: only names of /etc/hosts are found; mend it, or set \
                 resolver.servers"
            );
        })
    } else {
        Err(())
    };
    let mut builder = own.unwrap_or_else(|()| {
        let search = config.search.iter().filter_map(|name| absolute(name).ok()).collect();
        let servers = config.servers.iter().copied().map(server).collect();
        let config_of = ResolverConfig::from_parts(None, search, servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config_of, provider);
        let options = builder.options_mut();
        (options.ndots, options.timeout) = (config.ndots, config.timeout);
        options.attempts = REPEATS;
        builder
    });
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = KEPT_MAX;
    (options.positive_min_ttl, options.positive_max_ttl) = (Some(TTL_MIN), Some(TTL_MAX));
    (options.negative_min_ttl, options.negative_max_ttl) = (Some(TTL_MIN), Some(TTL_NONE_MAX));
    options.max_active_requests = super::desk::NAMES_MAX;
    builder.build().expect("neither TLS nor DNSSEC")
}

/// A server by UDP, and by TCP where an answer is long.
fn server(address: SocketAddr) -> NameServerConfig {
    let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
        way.port = address.port();
        way
    });
    NameServerConfig::new(address.ip(), true, ways.into())
}

/// A name that no search domain is added to.
fn absolute(name: &str) -> Result<Name, LookupFailure> {
    let mut name = Name::from_ascii(name).map_err(LookupFailure::because)?;
    name.set_fqdn(true);
    Ok(name)
}

/// One look-up.
pub(super) async fn ask(
    resolver: &TokioResolver,
    name: &str,
    kind: NameKind,
) -> Result<Addresses, LookupFailure> {
    let name = Name::from_ascii(name).map_err(LookupFailure::because)?;
    match kind {
        NameKind::Connect => {
            let lookup = resolver.lookup_ip(name).await.map_err(failure)?;
            found(lookup.iter(), lookup.valid_until())
        }
        NameKind::Each => each(resolver, name).await,
        NameKind::Services => services(resolver, name).await,
    }
}

/// Addresses of IPv4, or else of IPv6. That there are none of IPv4 has to be known for that: else every
/// address would be another one while a server is slow.
async fn each(resolver: &TokioResolver, name: Name) -> Result<Addresses, LookupFailure> {
    let addresses = |lookup: Lookup| found(ips(lookup.answers()), lookup.valid_until());
    match resolver.lookup(name.clone(), RecordType::A).await.map_err(failure).and_then(addresses) {
        Err(LookupFailure::NotFound) => {
            let lookup = resolver.lookup(name, RecordType::AAAA).await.map_err(failure)?;
            addresses(lookup)
        }
        known => known,
    }
}

/// The hosts of a service, of the lowest priority that has an address (RFC 2782).
async fn services(resolver: &TokioResolver, name: Name) -> Result<Addresses, LookupFailure> {
    let lookup = resolver.lookup(name, RecordType::SRV).await.map_err(failure)?;
    let mut hosts: Vec<&SRV> = lookup
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(host) if host.port != 0 && !host.target.is_root() => Some(host),
            _ => None,
        })
        .take(HOSTS_MAX)
        .collect();
    hosts.sort_by_key(|host| host.priority); // stable: within one as they came
    for hosts in hosts.chunk_by(|one, other| one.priority == other.priority) {
        let mut all: Vec<Address> = Vec::new();
        let mut until = lookup.valid_until();
        for some in hosts.chunks(HOSTS_AT_ONCE) {
            for (host, known) in some.iter().zip(hosts_of(resolver, some, &lookup).await) {
                match known {
                    Ok(known) => {
                        let service = Some((host.port, host.weight));
                        all.extend(known.addresses.iter().map(|a| Address { service, ..*a }));
                        until = until.min(known.until);
                    }
                    Err(LookupFailure::NotFound) => (),
                    // Who is not known now may be there: nobody leaves for it.
                    Err(failure) => return Err(failure),
                }
            }
        }
        if !all.is_empty() {
            return Ok(Addresses { addresses: once(all), until });
        }
    }
    Err(LookupFailure::NotFound)
}

/// The addresses of some hosts: those that came with the answer, else looked up at the same time.
async fn hosts_of(
    resolver: &TokioResolver,
    hosts: &[&SRV],
    lookup: &Lookup,
) -> Vec<Result<Addresses, LookupFailure>> {
    let mut look_ups = JoinSet::new();
    let mut all: Vec<_> =
        (0..hosts.len()).map(|_| Err(LookupFailure::because("a fault"))).collect();
    for (index, host) in hosts.iter().enumerate() {
        let beside = lookup.additionals().iter().filter(|record| record.name == host.target);
        let known = found(ips(beside), lookup.valid_until());
        let (resolver, mut target) = (resolver.clone(), host.target.clone());
        target.set_fqdn(true);
        match known {
            Ok(_) => all[index] = known,
            Err(_) => drop(look_ups.spawn(async move { (index, each(&resolver, target).await) })),
        }
    }
    while let Some(ended) = look_ups.join_next().await {
        if let Ok((index, answer)) = ended {
            all[index] = answer;
        }
    }
    all
}

/// Addresses in records: those of IPv4, or else those of IPv6.
fn ips<'r>(records: impl IntoIterator<Item = &'r Record>) -> Vec<IpAddr> {
    let (ipv4, ipv6): (Vec<_>, Vec<_>) =
        records.into_iter().filter_map(|record| record.data.ip_addr()).partition(IpAddr::is_ipv4);
    if ipv4.is_empty() { ipv6 } else { ipv4 }
}

/// What was found, if anything was.
fn found(
    ips: impl IntoIterator<Item = IpAddr>,
    valid_until: Instant,
) -> Result<Addresses, LookupFailure> {
    let addresses = once(ips.into_iter().map(|ip| Address { ip, service: None }).collect());
    if addresses.is_empty() {
        return Err(LookupFailure::NotFound);
    }
    // What stands in /etc/hosts is valid for a day.
    Ok(Addresses { addresses, until: valid_until.min(Instant::now() + TTL_MAX) })
}

/// Each address once, where it stands first.
fn once(mut addresses: Vec<Address>) -> Vec<Address> {
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert((address.ip, address.service.map(|(port, _)| port))));
    addresses
}

/// What an error of hickory says.
fn failure(error: NetError) -> LookupFailure {
    if error.is_no_records_found() {
        return LookupFailure::NotFound;
    }
    if let NetError::Io(error) = &error
        && let Some(errno) = Errno::from_io_error(error)
    {
        return LookupFailure::System(errno);
    }
    LookupFailure::because(error)
}
