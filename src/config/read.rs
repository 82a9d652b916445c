//! Which keys exist, with types, defaults and rules: from a tree to the checked types.
//!
//! One function per mapping. What a key means is said at the field of `types` that it fills, else
//! where the mapping is read. Not here: positions and messages of the tree (`tree`, `map`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::finding::Places;
use super::hosts::{self, HostItem};
use super::map::Map;
use super::resolver;
use super::slo;
use super::telemetry;
use super::tls;
use super::tree::Item;
use super::types::{
    Admin, BalanceKind, Config, Domain, Listener, ListenerLimits, ListenerTimeouts, Outlier,
    PathPolicy, Pool, Proxy, Retry, Service, ServiceHttp, ServiceLimits, ServiceTimeouts,
};

pub(super) const KIB: u64 = 1 << 10;
pub(super) const GIB: u64 = 1 << 30;

/// Whole seconds, for defaults.
pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The whole file. `None` when a part that nothing can stand in for is missing.
pub(super) fn config(root: Item<'_, '_>, hostname: &str) -> Option<Config> {
    let mut map = root.map()?.means(Config::DOCS);
    let proxy = map.required("proxy", "write `proxy:` with `listen` and `services`");
    let proxy = proxy.and_then(Item::map).and_then(proxy_section);
    let listeners = proxy.as_ref().map_or(&[][..], |proxy| &proxy.listeners);
    let admin = map.map("admin");
    let admin = if let Some(admin) = admin {
        admin_section(admin, listeners)
    } else {
        let admin = default_admin();
        if let Some(problem) = taken(admin.listen, listeners) {
            map.note_absent("admin.listen", &problem, ADMIN_CURE);
        }
        admin
    };
    let workers = proxy.as_ref().map_or(1, |proxy| proxy.workers.get());
    let telemetry = telemetry::section(map.map("telemetry"), hostname, workers);
    let slo = slo::section(map.map("slo"));
    let resolver = resolver::section(map.map("resolver"));
    map.end();
    Some(Config {
        proxy: proxy?,
        admin,
        telemetry,
        slo,
        resolver,
        hash: String::new(),
        warnings: Vec::new(),
        places: Places::default(),
    })
}

fn proxy_section(map: Map<'_, '_>) -> Option<Proxy> {
    let mut map = map.means(Proxy::DOCS).means(&[(
        "listen",
        "The socket to accept on, when there is one; `listeners` for several.",
    )]);
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(250);
    let workers = map.number_if_given("workers", cores, 1, 250).unwrap_or(cores);
    let cure = "write `listen: {address: 0.0.0.0, port: 8080}`";
    let (single, several) = map.either("listen", "listeners", Some(cure));
    let mut seen = Vec::new();
    let single = single.and_then(|item| listener(item.map()?, "default", &mut seen));
    let several = several.map(|item| item.filled_list(cure)).unwrap_or_default();
    let several = several.into_iter().enumerate();
    let mut listeners: Vec<_> = single.into_iter().collect();
    for (index, item) in several {
        let name = format!("listener-{index}");
        listeners.extend(item.map().and_then(|map| listener(map, &name, &mut seen)));
    }
    let cure = "write at least one, with `name`, `domain` and `hosts`";
    let items = map.required_list("services", cure);
    let mut names = HashMap::new();
    let mut domains = HashMap::new();
    let services: Vec<_> = items
        .into_iter()
        .filter_map(|item| service(item.map()?, &mut names, &mut domains))
        .map(Arc::new)
        .collect();
    map.end();
    (!listeners.is_empty() && !services.is_empty()).then_some(Proxy {
        listeners,
        workers: NonZeroUsize::new(workers)?,
        services,
    })
}

/// `proxy.listen` or an item of `proxy.listeners`.
fn listener(
    map: Map<'_, '_>,
    name: &str,
    seen: &mut Vec<(SocketAddr, String)>,
) -> Option<Listener> {
    let mut map = map.means(Listener::DOCS);
    let name = map.text("name").unwrap_or_else(|| name.to_owned());
    let address = map.address("address", Ipv4Addr::UNSPECIFIED.into());
    let port = map.required("port", "write one, such as 8080; 0 takes any free port");
    let port = port.and_then(|item| {
        let port = item.port(0)?;
        // Any number of sockets may share one: without this, both would get some of the connections.
        if let Some(address) = address.filter(|_| port != 0) {
            let socket = SocketAddr::new(address, port);
            if let Some((other, first)) = seen.iter().find(|(other, _)| collide(*other, socket)) {
                let problem = if *other == socket {
                    format!("is also that of {first}")
                } else {
                    format!("{socket} is also that of {first}, which is {other}")
                };
                item.note(&problem, "give each listener a port of its own");
            }
            seen.push((socket, item.path.clone()));
        }
        Some(port)
    });
    let tls = map.map("tls").and_then(tls::listener);
    let http2 = map.flag("http2", true);
    let trusted_proxies = map
        .list("trusted_proxies")
        .into_iter()
        .filter_map(|item| {
            item.parse("a network", "one, such as 10.0.0.0/8 or 192.0.2.7/32", |text| {
                text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Into::into))
            })
        })
        .collect();
    let timeouts = listener_timeouts(map.map("timeouts"));
    let limits = listener_limits(map.map("limits"));
    map.end();
    let (address, port) = (address?, port?);
    Some(Listener { name, address, port, tls, http2, trusted_proxies, timeouts, limits })
}

fn listener_timeouts(map: Option<Map<'_, '_>>) -> ListenerTimeouts {
    let mut timeouts = ListenerTimeouts {
        head: seconds(10),
        keep_alive: seconds(75),
        tls_handshake: seconds(10),
        idle: seconds(60),
    };
    if let Some(map) = map {
        let mut map = map.means(ListenerTimeouts::DOCS);
        timeouts.head = map.duration("head", timeouts.head);
        timeouts.keep_alive = map.duration("keep_alive", timeouts.keep_alive);
        timeouts.tls_handshake = map.duration("tls_handshake", timeouts.tls_handshake);
        timeouts.idle = map.duration("idle", timeouts.idle);
        map.end();
    }
    timeouts
}

fn listener_limits(map: Option<Map<'_, '_>>) -> ListenerLimits {
    let mut limits = ListenerLimits {
        head_bytes: 32 * 1024,
        uri_bytes: 8 * 1024,
        headers: 100,
        connections: 10_000,
        streams: 128,
    };
    if let Some(map) = map {
        let mut map = map.means(ListenerLimits::DOCS);
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        limits.head_bytes = size(map.bytes("head_bytes", 32 * KIB, 8 * KIB, 1024 * KIB));
        limits.uri_bytes = size(map.bytes("uri_bytes", 8 * KIB, 64, 63 * KIB));
        limits.headers = map.number("headers", limits.headers, 1, 1_000);
        limits.connections = map.number("connections", limits.connections, 1, 10_000_000);
        limits.streams = map.number("streams", limits.streams, 1, 100_000);
        map.end();
    }
    limits
}

/// An item of `proxy.services`.
fn service(
    map: Map<'_, '_>,
    names: &mut HashMap<String, String>,
    domains_seen: &mut HashMap<Domain, String>,
) -> Option<Service> {
    let mut map = map.means(Service::DOCS).means(&[(
        "domain",
        "The host that routes here: shop.example.com, *.example.com, or \"*\" for every other one.",
    )]);
    let name = map.required("name", "write a short name; records and boards show it");
    let name = name.and_then(|item| {
        let name = item.text()?;
        if let Some(first) = names.insert(name.clone(), item.path.clone()) {
            item.note(
                &format!("`{name}` is already used at {first}"),
                "give each service its own name",
            );
        }
        Some(name)
    });
    let domains = domains(&mut map, domains_seen);
    let cure = "write at least one, such as `- {address: 10.0.0.1, port: 9090}`";
    let (mut hosts, mut discovered) = (Vec::new(), Vec::new());
    for host in map.required_list("hosts", cure).into_iter().filter_map(hosts::read) {
        match host {
            HostItem::Endpoint(endpoint) => hosts.push(endpoint),
            HostItem::Discovered(host) => discovered.push(host),
        }
    }
    let balance = map.choice(
        "balance",
        BalanceKind::RoundRobin,
        &[("round_robin", BalanceKind::RoundRobin), ("least_request", BalanceKind::LeastRequest)],
    );
    let service = Service {
        name: name.unwrap_or_default(),
        domains,
        hosts,
        discovered,
        balance,
        timeouts: service_timeouts(map.map("timeouts")),
        retry: map.map("retry").map_or(Retry { attempts: 2 }, |retry| {
            let mut retry = retry.means(Retry::DOCS);
            let attempts = retry.number("attempts", 2, 1, 10);
            retry.end();
            Retry { attempts }
        }),
        limits: service_limits(map.map("limits")),
        pool: pool(map.map("pool")),
        outlier: outlier(map.map("outlier")),
        http: map.map("http").map_or(ServiceHttp { path: PathPolicy::Forward }, |http| {
            let mut http = http.means(ServiceHttp::DOCS);
            let choices = [("forward", PathPolicy::Forward), ("reject", PathPolicy::Reject)];
            let path = http.choice("path", PathPolicy::Forward, &choices);
            http.end();
            ServiceHttp { path }
        }),
    };
    map.end();
    let has_host = !service.hosts.is_empty() || !service.discovered.is_empty();
    (has_host && !service.domains.is_empty()).then_some(service)
}

/// `domain` or `domains` of a service.
fn domains(map: &mut Map<'_, '_>, seen: &mut HashMap<Domain, String>) -> Vec<Domain> {
    let cure = "write a host name, `*.example.com`, or \"*\" for every host";
    let (one, several) = map.either("domain", "domains", Some(cure));
    let several = several.map(|item| item.filled_list(cure)).unwrap_or_default();
    one.into_iter()
        .chain(several)
        .filter_map(|item| {
            let cure =
                "a host name without scheme and port: shop.example.com, *.example.com or \"*\"";
            let domain = item.parse("a domain", cure, domain)?;
            if let Some(first) = seen.insert(domain.clone(), item.path.clone()) {
                item.note(&format!("is already routed by {first}"), "route each domain once");
            }
            Some(domain)
        })
        .collect()
}

pub(super) fn domain(text: &str) -> Option<Domain> {
    let name = text.to_ascii_lowercase();
    let is_name = |name: &str| {
        let is_byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(is_byte)
            && name.split('.').all(|label| !label.is_empty())
    };
    if name == "*" {
        return Some(Domain::Any);
    }
    if let Some(rest) = name.strip_prefix("*.") {
        return is_name(rest).then(|| Domain::Suffix(format!(".{rest}")));
    }
    let is_v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_v6 = is_v6.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    (is_v6 || is_name(&name)).then_some(Domain::Exact(name))
}

fn service_timeouts(map: Option<Map<'_, '_>>) -> ServiceTimeouts {
    let mut timeouts =
        ServiceTimeouts { connect: seconds(2), first_byte: seconds(60), idle: seconds(60) };
    if let Some(map) = map {
        let mut map = map.means(ServiceTimeouts::DOCS);
        timeouts.connect = map.duration("connect", timeouts.connect);
        timeouts.first_byte = map.duration("first_byte", timeouts.first_byte);
        timeouts.idle = map.duration("idle", timeouts.idle);
        map.end();
    }
    timeouts
}

fn service_limits(map: Option<Map<'_, '_>>) -> ServiceLimits {
    let mut limits = ServiceLimits {
        body_bytes: None,
        in_flight: None,
        queue: 1_000,
        queue_timeout: seconds(1),
    };
    if let Some(map) = map {
        let mut map = map.means(ServiceLimits::DOCS);
        limits.body_bytes = map.bytes_if_given("body_bytes", 0, 1024 * GIB);
        limits.in_flight = map.number_if_given("in_flight", 200, 1, 1_000_000);
        limits.queue = map.number("queue", limits.queue, 0, 1_000_000);
        limits.queue_timeout = map.duration("queue_timeout", limits.queue_timeout);
        map.useless_without("in_flight", &["queue", "queue_timeout"]);
        map.end();
    }
    limits
}

fn pool(map: Option<Map<'_, '_>>) -> Pool {
    let mut pool = Pool { idle_max: 64, idle_timeout: seconds(30), age_max: seconds(300) };
    if let Some(map) = map {
        let mut map = map.means(Pool::DOCS);
        pool.idle_max = map.number("idle_max", pool.idle_max, 0, 100_000);
        pool.idle_timeout = map.duration("idle_timeout", pool.idle_timeout);
        pool.age_max = map.duration("age_max", pool.age_max);
        map.end();
    }
    pool
}

fn outlier(map: Option<Map<'_, '_>>) -> Outlier {
    let mut outlier =
        Outlier { failures: 5, eject: seconds(1), eject_max: seconds(60), max_ejected: 0.5 };
    if let Some(map) = map {
        let mut map = map.means(Outlier::DOCS);
        outlier.failures = map.number("failures", outlier.failures, 1, 1_000_000);
        outlier.eject = map.duration("eject", outlier.eject);
        outlier.eject_max = map.duration("eject_max", outlier.eject_max);
        let max_ejected = map.get("max_ejected");
        map.default("max_ejected", outlier.max_ejected);
        let max_ejected = max_ejected.and_then(|item| {
            item.parse("a share from 0 to 1", "one, such as 0.5 for half", |text| {
                text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
            })
        });
        outlier.max_ejected = max_ejected.unwrap_or(outlier.max_ejected);
        map.end();
    }
    outlier
}

/// Whether no two sockets can listen on these: one port, and one address or one that takes every address
/// of the other's kind. `::` takes those of IPv4 too, as our sockets are made (`proxy::listener::bind`).
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers =
        |wide: IpAddr, ip: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4());
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() != 0 && one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

/// What is wrong with the admin's address beside these listeners.
fn taken(admin: SocketAddr, listeners: &[Listener]) -> Option<String> {
    let socket = |listener: &Listener| SocketAddr::new(listener.address, listener.port);
    let first = listeners.iter().find(|listener| collide(socket(listener), admin))?;
    let (name, other) = (&first.name, socket(first));
    Some(format!("{admin} is also the address of a listener: {name} has {other}"))
}

/// What helps then.
const ADMIN_CURE: &str = "give it a port of its own";

/// `admin` when absent: loopback.
fn default_admin() -> Admin {
    Admin { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)), token: None }
}

fn admin_section(map: Map<'_, '_>, listeners: &[Listener]) -> Admin {
    let mut map = map.means(Admin::DOCS).means(&[(
        "token_file",
        "File that holds the token; read again at each use, so that it can be rotated.",
    )]);
    let mut admin = default_admin();
    let listen = map.get("listen");
    map.default("listen", admin.listen);
    if let Some(item) = &listen {
        let read = |text: &str| text.parse().ok();
        admin.listen = item
            .parse("an address with port", "one, such as 127.0.0.1:9901", read)
            .unwrap_or(admin.listen);
    }
    if let Some(problem) = taken(admin.listen, listeners) {
        match &listen {
            Some(item) => item.note(&problem, ADMIN_CURE),
            None => map.note_absent("listen", &problem, ADMIN_CURE),
        }
    }
    let before = map.found();
    admin.token = telemetry::secret(&mut map, "token", "token_file", telemetry::Carrier::Field);
    // A token that cannot be used is told, and is not missing.
    if !admin.listen.ip().is_loopback()
        && admin.token.is_none()
        && map.found() == before
        && let Some(item) = &listen
    {
        let cure = "set admin.token_file, or listen on 127.0.0.1";
        item.note("is reachable from elsewhere", cure);
    }
    map.end();
    admin
}
