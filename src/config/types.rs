//! The checked configuration: a value of these types can be used without further thought.
//!
//! What stands above a field is also what schema and reference say about the key that fills it.
//! Not here: how it is read, and with which defaults (`read`).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::file;
use super::finding::{Finding, Places};
use super::hosts::{DiscoveredHost, Endpoint};
use super::resolver::Resolver;
use super::slo::Slo;
use crate::base::trace::Share;

/// What keys mean: name, meaning.
pub(crate) type Docs = &'static [(&'static str, &'static str)];

/// Declares structs whose fields' comments can be read at run time.
macro_rules! documented {
    ($(
        $(#[$attribute:meta])*
        pub struct $name:ident { $($(#[doc = $doc:literal])+ pub $field:ident: $type:ty,)* }
    )*) => {$(
        $(#[$attribute])*
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type,)* }

        impl $name {
            /// What the fields mean.
            pub(super) const DOCS: Docs = &[$((stringify!($field), concat!($($doc),+))),*];
        }
    )*};
}

documented! {
    /// A whole configuration file.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// The data plane.
        pub proxy: Proxy,
        /// The admin listener.
        pub admin: Admin,
        /// Records and where they go.
        pub telemetry: Telemetry,
        /// Service level objectives, and who is told when one is not kept.
        pub slo: Slo,
        /// How names of endpoints, servers and collectors are looked up.
        pub resolver: Resolver,
        /// Eight hex digits over the effective configuration; secrets are left out.
        pub hash: String,
        /// What is no mistake and worth a word, in the order of the file's lines.
        pub warnings: Vec<Finding>,
        /// Where its keys stand in the file.
        pub places: Places,
    }

    /// `proxy`: the data plane.
    #[derive(Debug, Clone)]
    pub struct Proxy {
        /// Sockets to accept on; at least one.
        pub listeners: Vec<Listener>,
        /// Threads that carry traffic, one runtime each; one for each core when absent.
        pub workers: NonZeroUsize,
        /// Where requests go; at least one.
        pub services: Vec<Arc<Service>>,
    }

    /// A socket to accept on.
    #[derive(Debug, Clone)]
    pub struct Listener {
        /// For people: stands in records of connections; `default`, or `listener-` and its number.
        pub name: String,
        /// IP address to bind.
        pub address: IpAddr,
        /// Port to bind; 0 takes any free one.
        pub port: u16,
        /// Certificate and key, when it speaks TLS.
        pub tls: Option<ListenerTls>,
        /// Whether HTTP/2 is offered (by ALPN, and by prior knowledge without TLS).
        pub http2: bool,
        /// Peers whose `X-Forwarded-*` fields are believed and extended.
        pub trusted_proxies: Vec<ipnet::IpNet>,
        /// Time limits towards the downstream.
        pub timeouts: ListenerTimeouts,
        /// Size and number limits towards the downstream.
        pub limits: ListenerLimits,
    }

    /// PEM files of a listener.
    #[derive(Debug, Clone)]
    pub struct ListenerTls {
        /// Certificate chain, leaf first.
        pub cert_file: PathBuf,
        /// Private key.
        pub key_file: PathBuf,
    }

    /// Time limits towards the downstream.
    #[derive(Debug, Clone, Copy)]
    pub struct ListenerTimeouts {
        /// First byte to end of a request head; also the wait for the first byte of a new connection.
        pub head: Duration,
        /// Wait for the next request on an open connection.
        pub keep_alive: Duration,
        /// Accept to end of the TLS handshake.
        pub tls_handshake: Duration,
        /// Longest pause inside a request body, and longest time a response may wait to be read.
        pub idle: Duration,
    }

    /// Size and number limits towards the downstream.
    #[derive(Debug, Clone, Copy)]
    pub struct ListenerLimits {
        /// Largest request head in bytes; beyond it 431.
        pub head_bytes: usize,
        /// Longest request target in bytes; beyond it 414.
        pub uri_bytes: usize,
        /// Most fields in a request head; beyond it 431.
        pub headers: usize,
        /// Most connections at once over all workers; beyond it they are closed at once.
        pub connections: usize,
        /// Most concurrent streams of one HTTP/2 connection.
        pub streams: u32,
    }

    /// A named group of endpoints with its domains and policy.
    #[derive(Debug, Clone)]
    pub struct Service {
        /// Name in records, metrics and boards.
        pub name: String,
        /// Hosts that route here.
        pub domains: Vec<Domain>,
        /// Endpoints, as mappings or as `address:port`; and names that are [discovered](discovery.md).
        pub hosts: Vec<Endpoint>,
        /// Of `hosts`, names whose addresses each are an endpoint.
        pub discovered: Vec<DiscoveredHost>,
        /// How endpoints are chosen: in turns by weight, or the one with the fewest attempts under
        /// way.
        pub balance: BalanceKind,
        /// Time limits towards endpoints.
        pub timeouts: ServiceTimeouts,
        /// What is tried again.
        pub retry: Retry,
        /// Limits of requests to this service.
        pub limits: ServiceLimits,
        /// Upstream connections kept open.
        pub pool: Pool,
        /// When an endpoint is ejected, and when it comes back.
        pub outlier: Outlier,
        /// Rules of HTTP.
        pub http: ServiceHttp,
    }
}

/// A host pattern, lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `shop.example.com`
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: one label or more before it.
    Suffix(String),
    /// `*`
    Any,
}

/// How endpoints are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceKind {
    /// Turns by weight.
    RoundRobin,
    /// Fewest attempts under way.
    LeastRequest,
}

documented! {
    /// Time limits towards endpoints.
    #[derive(Debug, Clone, Copy)]
    pub struct ServiceTimeouts {
        /// Name look-up and TCP connect together.
        pub connect: Duration,
        /// Request sent to first byte of the response.
        pub first_byte: Duration,
        /// Longest pause inside a response body.
        pub idle: Duration,
    }

    /// What is tried again.
    #[derive(Debug, Clone, Copy)]
    pub struct Retry {
        /// Attempts of one exchange, the first included; 1 turns retries off.
        pub attempts: u32,
    }

    /// Limits of requests to one service.
    #[derive(Debug, Clone, Copy)]
    pub struct ServiceLimits {
        /// Largest request body in bytes; beyond it 413. Bodies are streamed, so none is the default.
        pub body_bytes: Option<u64>,
        /// Most requests under way at once, over all workers and endpoints; more wait in
        /// the queue. No limit when absent.
        pub in_flight: Option<usize>,
        /// Most requests that wait for `in_flight`, over all workers; beyond it 503. 0 refuses at once.
        pub queue: usize,
        /// Longest such wait; after it 503.
        pub queue_timeout: Duration,
    }

    /// Upstream connections kept open, per worker and endpoint.
    #[derive(Debug, Clone, Copy)]
    pub struct Pool {
        /// Most idle connections.
        pub idle_max: usize,
        /// A connection idle for longer is closed instead of reused.
        pub idle_timeout: Duration,
        /// A connection older than this, or up to a quarter less, is closed instead of reused; its name
        /// is looked up again.
        pub age_max: Duration,
    }

    /// When an endpoint is ejected, and when it comes back. No connection counts at once. Time-outs count
    /// in a row while the endpoint answers nobody for 10s. Those, and answers that are cut or malformed,
    /// count by their share of the endpoint's attempts in the last 2s or 10s, compared with the other
    /// endpoints of the service. A status never counts. Back in rotation: by a connection that lbproxy
    /// itself tries each second, where there was none, or by a trial request.
    #[derive(Debug, Clone, Copy)]
    pub struct Outlier {
        /// Failures in a row after which it is ejected; by share, the fewest that are judged.
        pub failures: u32,
        /// Time until the first trial request; doubles with each trial that fails.
        pub eject: Duration,
        /// Longest such time.
        pub eject_max: Duration,
        /// Share of the service's endpoints that may be ejected at once, from 0 to 1: rounded down, but at
        /// least one of several, unless it is 0. The last endpoint is never ejected.
        pub max_ejected: f64,
    }

    /// Rules of HTTP for one service.
    #[derive(Debug, Clone, Copy)]
    pub struct ServiceHttp {
        /// Paths that servers understand differently (`/../`, `//`, `%2e`, `%2f`, `%5c`): sent on as they
        /// came, or answered 400.
        pub path: PathPolicy,
    }
}

/// What happens to a path whose meaning differs between servers (`/../`, `%2e`, `%2f`, `%5c`, `//`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathPolicy {
    /// Sent on as it came.
    Forward,
    /// Answered 400.
    Reject,
}

documented! {
    /// `admin`: the listener for people and probes.
    #[derive(Debug, Clone)]
    pub struct Admin {
        /// Address; loopback unless a token is set.
        pub listen: SocketAddr,
        /// Bearer token of every request except health and readiness.
        pub token: Option<Secret>,
    }

    /// `telemetry`: records and where they go.
    #[derive(Debug, Clone)]
    pub struct Telemetry {
        /// Name of this process in documents; the host's name when absent.
        pub instance: String,
        /// Last part of the data streams' names: lower-case letters, digits, `_` or `.`.
        pub namespace: String,
        /// Where records are kept until they are shipped.
        pub journal: Journal,
        /// Where records are shipped; nothing is shipped when absent.
        pub elasticsearch: Option<Elasticsearch>,
        /// Time between two heartbeats; `None` for none.
        pub heartbeat_every: Option<Duration>,
        /// Time between two samples of the process; `None` for none.
        pub process_every: Option<Duration>,
        /// Requests added up by service, route and endpoint.
        pub rollup: Rollup,
        /// Where spans go, by OTLP; there are none when absent.
        pub otlp: Option<Otlp>,
    }

    /// `telemetry.rollup`.
    #[derive(Debug, Clone, Copy)]
    pub struct Rollup {
        /// Length of the windows that requests are added up in, from 1s to 1h and a part of a day; or `off`.
        pub every: Option<Duration>,
    }

    /// `telemetry.journal`.
    #[derive(Debug, Clone)]
    pub struct Journal {
        /// Its directory; one process at a time.
        pub path: PathBuf,
        /// Most bytes on disk.
        pub size_bytes: u64,
        /// How often written records are forced to disk.
        pub sync: Duration,
        /// What happens when no space is left: new records are counted and not kept, or new requests
        /// are answered 503.
        pub when_full: WhenFull,
    }
}

/// What happens when the journal has no space left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Traffic goes on; new records are counted, not kept.
    DropNew,
    /// New requests are answered 503.
    Reject,
}

documented! {
    /// `telemetry.elasticsearch`: Elasticsearch or OpenSearch; which one is found out.
    #[derive(Debug, Clone)]
    pub struct Elasticsearch {
        /// Nodes of Elasticsearch or OpenSearch; which one is found out.
        pub urls: Vec<url::Url>,
        /// Credentials.
        pub auth: Auth,
        /// TLS towards the nodes.
        pub tls: ClientTls,
        /// Compression of bulk bodies: gzip to remote hosts only, always, or never.
        pub compression: Compression,
        /// When a bulk request is sent: whichever limit is reached first.
        pub batch: Batch,
        /// Most bytes of `dead-letters.ndjson`, which holds documents that a server refuses for good, beside the journal. When it is full, records wait until `lbproxy log resend` has made room.
        pub dead_letters: u64,
        /// Limit of one request.
        pub timeout: Duration,
        /// HTTP proxy; environment variables are not consulted.
        pub proxy: Option<Secret>,
        /// Whether templates and retention that are missing or older are put in place when shipping starts. `lbproxy setup` does that and more, whatever this says.
        pub setup: Setup,
        /// How long documents are kept once their index is full. Changes reach a server with `lbproxy setup` only.
        pub retention: Retention,
        /// Kibana or OpenSearch Dashboards, where `lbproxy setup` puts the boards; the live page links to it, and nothing else asks it.
        pub dashboards: Option<Dashboards>,
    }

    /// `telemetry.elasticsearch.dashboards`. TLS, proxy and timeout are those of the nodes.
    #[derive(Debug, Clone)]
    pub struct Dashboards {
        /// Its address, with its path where it has one.
        pub url: url::Url,
        /// Kibana's space, or OpenSearch Dashboards' tenant; the default one when absent.
        pub space: Option<String>,
        /// Id of OpenSearch Dashboards' workspace; outside of all workspaces when absent.
        pub workspace: Option<String>,
        /// Credentials; those for the nodes when absent.
        pub auth: Option<Auth>,
    }

    /// `telemetry.elasticsearch.retention`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Retention {
        /// Requests and connections.
        pub records: Keep,
        /// What tells of lbproxy and its endpoints: gaps, heartbeats.
        pub health: Keep,
        /// Resources of the process.
        pub process: Keep,
        /// Requests added up by minute.
        pub rollup: Keep,
        /// Service level objectives.
        pub slo: Keep,
    }
}

/// Whether shipping puts in place what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// When it starts, as far as the credentials allow.
    OnStart,
    /// Never.
    Off,
}

/// How long documents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// So long, counted from the end of the index that a document is in.
    For(Duration),
    /// Until somebody deletes them; indices are rolled over all the same.
    Forever,
    /// Somebody else sees to that: nothing is installed for it.
    Off,
}

/// Credentials of requests: those of Elasticsearch, and of channels that take the same.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Nothing is sent.
    None,
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// Encoded API key.
    ApiKey(Secret),
    /// Bearer token.
    Bearer(Secret),
}

documented! {
    /// TLS towards Elasticsearch.
    #[derive(Debug, Clone)]
    pub struct ClientTls {
        /// Certificates to trust instead of the system's.
        pub ca_file: Option<PathBuf>,
        /// Client certificate, PEM.
        pub cert_file: Option<PathBuf>,
        /// Its key, PEM.
        pub key_file: Option<PathBuf>,
        /// Whether the server's certificate is verified.
        pub verify: bool,
    }
}

documented! {
    /// `telemetry.otlp`: an OpenTelemetry Collector, or what speaks its protocol.
    #[derive(Debug, Clone)]
    pub struct Otlp {
        /// Where spans go; for `http/protobuf` the part before `/v1/traces`.
        pub endpoint: url::Url,
        /// How it is spoken to.
        pub protocol: OtlpProtocol,
        /// Share of new traces that is kept, from 0 to 1, by the trace's id. A `traceparent` that comes
        /// with a request has decided already.
        pub sample: Share,
        /// Requests that take as long or longer are exported whatever was decided, as those that fail
        /// are; or `off`.
        pub slow: Option<Duration>,
        /// Whether every access record is exported as a log record too.
        pub logs: bool,
        /// Fields of every export request, such as credentials.
        pub headers: Vec<OtlpHeader>,
        /// TLS towards an `https` endpoint.
        pub tls: OtlpTls,
        /// Limit of one request.
        pub timeout: Duration,
    }

    /// A field of every export request.
    #[derive(Debug, Clone)]
    pub struct OtlpHeader {
        /// Its name.
        pub name: String,
        /// Its value; with `value_file` the file that holds it, read again at each use.
        pub value: Secret,
    }

    /// TLS towards the collector.
    #[derive(Debug, Clone, Default)]
    pub struct OtlpTls {
        /// Certificates to trust instead of the usual ones, PEM.
        pub ca_file: Option<PathBuf>,
        /// Client certificate, PEM.
        pub cert_file: Option<PathBuf>,
        /// Its key, PEM.
        pub key_file: Option<PathBuf>,
    }
}

impl Config {
    /// The folder of its file; empty for the one in which the process was started.
    pub fn folder(&self) -> &std::path::Path {
        std::path::Path::new(&self.places.file).parent().unwrap_or(std::path::Path::new(""))
    }
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// OTLP/gRPC; port 4317 as a rule.
    Grpc,
    /// OTLP/HTTP with protobuf; port 4318 as a rule.
    Http,
}

/// Compression of bulk bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip to remote hosts, none to loopback.
    Auto,
    /// Always gzip level 1.
    Gzip,
    /// Never.
    None,
}

documented! {
    /// Size of a bulk request: whichever limit is reached first.
    #[derive(Debug, Clone, Copy)]
    pub struct Batch {
        /// Most bytes of a body, before compression.
        pub bytes: usize,
        /// Most documents.
        pub documents: usize,
        /// Longest wait of its oldest record.
        pub wait: Duration,
        /// Most requests under way at once.
        pub in_flight: usize,
    }
}

impl Auth {
    /// The value of `Authorization`; `None` without credentials. `reveal` reads a secret, and is told the
    /// key that names its file.
    ///
    /// # Errors
    /// Those of `reveal`.
    pub fn authorization<E>(
        &self,
        reveal: impl Fn(&'static str, &Secret) -> Result<String, E>,
    ) -> Result<Option<String>, E> {
        use base64::Engine as _;
        let value = match self {
            Self::None => return Ok(None),
            Self::Basic { username, password } => {
                let pair = format!("{username}:{}", reveal("password_file", password)?);
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
            Self::ApiKey(key) => format!("ApiKey {}", reveal("api_key_file", key)?),
            Self::Bearer(token) => format!("Bearer {}", reveal("bearer_file", token)?),
        };
        Ok(Some(value))
    }

    /// Whether a text can be the name of a user (RFC 7617, section 2).
    pub fn is_user(name: &str) -> bool {
        !name.contains(|c: char| c == ':' || c.is_control())
    }
}

/// A value that must never be shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Stands in the configuration itself.
    Inline(String),
    /// Stands in a file, read again at each use so that it can be rotated.
    File(PathBuf),
}

impl Secret {
    /// The value; trailing newlines of a file are left out.
    ///
    /// # Errors
    /// When the file cannot be read, or is no regular one: to read a pipe may take for ever.
    pub fn reveal(&self) -> io::Result<String> {
        match self {
            Self::Inline(value) => Ok(value.clone()),
            Self::File(path) => Ok(Self::of_file(&file::text(path)?).to_owned()),
        }
    }

    /// The value in the text of a file.
    pub(super) fn of_file(text: &str) -> &str {
        text.trim_end_matches(['\r', '\n'])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
