//! What `lbproxy demo` plays: two services on four mock upstreams, of which one is imperfect and one restarts
//! now and then, and three crowds of clients.
//!
//! Nothing here is a special case of the proxy: upstreams and clients speak over real sockets on
//! loopback. Every rate, count and timeout is bounded.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use socket2::{Domain, Socket, Type};

use super::traffic::{self, Ask};
use super::upstream::{self, Imperfection, Script};

/// The service with three endpoints.
pub const SHOP: &str = "shop";
/// The service with one.
pub const API: &str = "api";
const RESTART_EVERY: Duration = Duration::from_secs(20);
/// When in the period it goes away.
const AWAY_FROM: Duration = Duration::from_secs(8);
/// When it is back.
const AWAY_UNTIL: Duration = Duration::from_secs(12);
/// The upstream that restarts, by its place in [`Story::endpoints`].
const RESTARTING: usize = 2;
/// A client gives up after this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// And a hurried one after this long.
const HURRY: Duration = Duration::from_millis(150);

/// A mock upstream.
#[derive(Debug)]
pub struct Endpoint {
    /// The service it belongs to.
    pub service: &'static str,
    /// What is to be known of it.
    pub about: &'static str,
    /// Where it listens, also while it is away.
    pub address: SocketAddr,
    options: upstream::Options,
    /// It, unless it is away.
    running: Option<upstream::Running>,
    /// Holds its port while it is away, so that nobody else gets it; connections are refused.
    port: Option<Socket>,
}

impl Endpoint {
    /// Starts one on a free port.
    fn start(
        (service, about): (&'static str, &'static str),
        delay_ms: u64,
        imperfection: Imperfection,
    ) -> io::Result<Self> {
        let script = Script { delay: Duration::from_millis(delay_ms), ..Script::default() };
        let options =
            upstream::Options { script, imperfection, ..upstream::Options::local(service) };
        let running = upstream::start(options.clone())?;
        let address = running.address();
        let options = upstream::Options { address, ..options };
        Ok(Self { service, about, address, options, running: Some(running), port: None })
    }

    /// Goes away or comes back; if that fails now, the next call tries again.
    fn set_away(&mut self, is_away: bool) {
        if is_away == self.running.is_none() {
            return;
        }
        if is_away {
            self.running = None;
            self.port = hold(self.address).ok();
            return;
        }
        match upstream::start(self.options.clone()) {
            Ok(running) => (self.running, self.port) = (Some(running), None),
            Err(error) => tracing::warn!(%error, "an upstream of the demo is not back yet"),
        }
    }
}

/// Takes a port without listening on it.
fn hold(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?; // lets the mock listen beside it
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The upstreams.
#[derive(Debug)]
pub struct Story {
    /// All, in the order of the configuration.
    pub endpoints: Vec<Endpoint>,
}

impl Story {
    /// Starts all upstreams.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start() -> io::Result<Self> {
        let jitter = |ms, seed| Imperfection {
            jitter: Duration::from_millis(ms),
            seed,
            ..Imperfection::default()
        };
        let imperfect = Imperfection {
            fail_share: 0.03,
            reset_share: 0.015,
            slow_share: 0.04,
            slow_delay: Duration::from_millis(250),
            ..jitter(10, 2)
        };
        let endpoints = vec![
            Endpoint::start((SHOP, "steady"), 2, jitter(5, 1))?,
            Endpoint::start((SHOP, "imperfect: 3 % 503, 1.5 % reset, 4 % slow"), 3, imperfect)?,
            Endpoint::start((SHOP, "restarts every 20 s, away for 4"), 2, jitter(5, 3))?,
            Endpoint::start((API, "steady"), 6, jitter(10, 4))?,
        ];
        Ok(Self { endpoints })
    }

    /// Plays what happens at this time after the start.
    pub fn play(&mut self, elapsed: Duration) {
        if let Some(endpoint) = self.endpoints.get_mut(RESTARTING) {
            endpoint.set_away(is_away(elapsed));
        }
    }

    /// The `proxy` part of a configuration for these upstreams.
    pub fn proxy_yaml(&self, port: u16) -> String {
        let hosts = |service| {
            let own = self.endpoints.iter().filter(|endpoint| endpoint.service == service);
            own.map(|own| format!("\"{}\"", own.address)).collect::<Vec<_>>().join(", ")
        };
        format!(
            "proxy:\n  \
               workers: 2\n  \
               listen: {{address: 127.0.0.1, port: {port}}}\n  \
               services:\n    \
                 - name: {SHOP}\n      \
                   domains: [shop.demo, \"*.shop.demo\"]\n      \
                   hosts: [{}]\n      \
                   outlier: {{failures: 3, eject: 1s, eject_max: 4s}}\n    \
                 - name: {API}\n      \
                   domain: api.demo\n      \
                   hosts: [{}]\n",
            hosts(SHOP),
            hosts(API),
        )
    }
}

/// Whether the upstream that restarts is away.
const fn is_away(elapsed: Duration) -> bool {
    let millis = elapsed.as_millis() % RESTART_EVERY.as_millis();
    millis >= AWAY_FROM.as_millis() && millis < AWAY_UNTIL.as_millis()
}

/// Three crowds of clients with `rate` requests a second together: visitors of the shop, programs that
/// speak HTTP/2 to the API, and hurried ones who leave before the answer.
pub fn crowds(target: SocketAddr, rate: f64, duration: Duration) -> [traffic::Options; 3] {
    let crowd = |share: f64, http2, timeout, seed, asks| {
        let rate = rate * share;
        traffic::Options {
            target,
            connections: connections(rate),
            rate: Some(rate),
            count: u64::MAX,
            duration,
            asks,
            is_unique: false,
            http2,
            timeout,
            seed,
            recorded_max: 0,
        }
    };
    let slow = Ask { query: "lb_delay=1s".to_owned(), ..Ask::get("shop.demo", "/report") };
    [
        crowd(0.68, false, PATIENCE, 1, visits()),
        crowd(0.30, true, PATIENCE, 2, calls()),
        crowd(0.02, false, HURRY, 3, vec![slow]),
    ]
}

/// Connections for a rate: each can carry a dozen requests a second with ease.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 4 to 512 after the clamp"
)]
fn connections(rate: f64) -> u32 {
    (rate / 12.0).clamp(4.0, 512.0) as u32
}

/// What visitors of the shop ask for.
fn visits() -> Vec<Ask> {
    let ask = |weight, method, path: &str, query: &str, body_bytes| Ask {
        weight,
        method,
        query: query.to_owned(),
        body_bytes,
        ..Ask::get("shop.demo", path)
    };
    let (kib, moved) = (1 << 10, "lb_status=302&lb_header=Location:/products/17");
    vec![
        ask(600, Method::GET, "/products/17", "", 0),
        ask(100, Method::GET, "/", "", 0),
        ask(60, Method::GET, "/images/17.jpg", "lb_size=48KiB", 0),
        ask(70, Method::HEAD, "/products/17", "", 0),
        ask(90, Method::POST, "/cart", "", 2 * kib),
        ask(30, Method::PUT, "/profile", "", 16 * kib),
        ask(20, Method::DELETE, "/cart/3", "", 0),
        ask(20, Method::GET, "/old", moved, 0),
        ask(15, Method::GET, "/missing", "lb_status=404", 0),
        ask(4, Method::GET, "/export.csv", "lb_size=256KiB&lb_fault=close-body", 0),
        ask(3, Method::TRACE, "/", "", 0),
        Ask { weight: 8, ..Ask::get("intranet.demo", "/") },
    ]
}

/// What programs ask the API for.
fn calls() -> Vec<Ask> {
    let ask = |weight, method, path: &str, body_bytes| Ask {
        weight,
        method,
        body_bytes,
        ..Ask::get("api.demo", path)
    };
    vec![
        ask(60, Method::GET, "/v1/orders", 0),
        ask(25, Method::POST, "/v1/orders", 600),
        ask(10, Method::PATCH, "/v1/orders/9", 200),
        ask(5, Method::OPTIONS, "/v1/orders", 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restart_comes_back_every_period() {
        for (seconds, want) in [(0, false), (8, true), (11, true), (12, false), (28, true)] {
            assert_eq!(is_away(Duration::from_secs(seconds)), want, "at {seconds} s");
        }
    }

    /// Goal: an upstream that is away refuses, and comes back to the same address. Method: a whole
    /// restart, a connection at each stage.
    #[test]
    fn an_upstream_that_is_away_refuses_and_comes_back_to_its_address() {
        let connect =
            |address| std::net::TcpStream::connect(address).map(drop).map_err(|e| e.kind());
        let mut story = Story::start().unwrap();
        let address = story.endpoints[RESTARTING].address;
        assert_eq!(connect(address), Ok(()));
        story.play(AWAY_FROM);
        assert_eq!(connect(address), Err(io::ErrorKind::ConnectionRefused));
        story.play(AWAY_UNTIL);
        assert_eq!(connect(address), Ok(()));
    }

    #[test]
    fn the_configuration_of_the_story_is_a_valid_one() {
        let story = Story::start().unwrap();
        let config = crate::config::parse("demo", &story.proxy_yaml(0), &|_| None).unwrap();
        let services = config.proxy.services;
        let shape: Vec<_> = services.iter().map(|s| (s.name.as_str(), s.hosts.len())).collect();
        assert_eq!(shape, [(SHOP, 3), (API, 1)]);
        let rates = crowds(story.endpoints[0].address, 200.0, Duration::MAX).map(|c| c.rate);
        assert!((rates.into_iter().flatten().sum::<f64>() - 200.0).abs() < 1e-9);
    }
}
