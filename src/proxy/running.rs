//! Starting and stopping the data plane: one thread per worker.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};

use super::discovery::Discovery;
use super::figures::Figures;
use super::health;
use super::listener::{self, Shared, TlsAcceptorDebug};
use super::queue::{Permits, WaitQueue};
use super::roster::Roster;
use super::service::Service;
use super::shortage::Shortages;
use super::tls;
use super::worker::{Parts, Worker};
use crate::base::trace::Share;
use crate::config::{self, WhenFull};
use crate::journal::Lane;
use crate::metrics::{ServiceMetrics, WorkerMetrics};

/// How often a draining worker looks whether its connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Why the data plane cannot start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} (proxy.listen): {source}; \
         stop what holds the port, choose another, or use port 0 for any free one"
    )]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("cannot speak TLS (proxy.listeners[].tls): {0}")]
    Tls(#[from] config::certificates::Unusable),
    /// A thread or its runtime cannot be had.
    #[error("cannot start a worker: {0}; raise the limit of threads or descriptors")]
    Thread(#[from] std::io::Error),
}

/// What the data plane needs; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Its configuration.
    pub config: config::Proxy,
    /// One lane per worker.
    pub lanes: Vec<Lane>,
    /// What happens when the journal is full.
    pub when_full: WhenFull,
    /// Number of this installation, for `Via`.
    pub instance: u64,
    /// Value of [`PROBE_FIELD`](super::PROBE_FIELD) by which the heartbeat's own requests are known;
    /// `None` for no heartbeat.
    pub probe_token: Option<String>,
    /// Share of new traces that is kept; `None` when there are no spans.
    pub traces: Option<Share>,
}

/// A running data plane.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, in the order of the listeners.
    addresses: Vec<SocketAddr>,
    /// Tells workers to drain.
    drain: watch::Sender<bool>,
    /// Tells workers to cut what is left.
    kill: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    open: Arc<AtomicUsize>,
    /// Cells of all workers.
    figures: Arc<Figures>,
}

impl Running {
    /// Where it listens, in the order of the listeners; ports are the real ones.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its figures; stay readable after the end.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// Stops accepting and lets exchanges end until `deadline`; what is left then is cut and
    /// recorded as such. Gives how many connections were cut. Blocks.
    pub fn drain(self, deadline: Duration) -> usize {
        let _ = self.drain.send(true);
        let until = Instant::now() + deadline;
        while Instant::now() < until && self.threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::park_timeout(DRAIN_LOOK);
        }
        let cut = self.open.load(Ordering::Relaxed);
        let _ = self.kill.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended with a panic; its open exchanges are recorded");
            }
        }
        cut
    }
}

/// Starts the data plane.
///
/// # Errors
/// [`StartError`]; nothing is left running.
pub fn start(options: Options) -> Result<Running, StartError> {
    let Options { config, lanes, when_full, instance, probe_token, traces } = options;
    let probe_token = probe_token.and_then(|token| HeaderValue::from_str(&token).ok());
    let (sockets, addresses) = bind_all(&config, lanes.len())?;
    let listeners = config
        .listeners
        .iter()
        .map(|listener| {
            let tls = listener.tls.as_ref().map(|tls| tls::acceptor(tls, listener.http2));
            Ok(Shared {
                config: Arc::new(listener.clone()),
                tls: tls.transpose()?.map(TlsAcceptorDebug),
            })
        })
        .collect::<Result<Vec<_>, StartError>>()?;
    let changed = Arc::new(Notify::new());
    let workers = sockets.len();
    let rosters: Vec<_> = config
        .services
        .iter()
        .map(|service| Arc::new(Roster::new(service, workers, &changed)))
        .collect();
    let discoveries: Vec<_> = rosters.iter().filter_map(Discovery::of).collect();
    let permits: Vec<_> =
        config.services.iter().map(|service| Permits::new(&service.limits, workers)).collect();
    let start = Instant::now();
    let mut figures = Figures {
        workers: Vec::new(),
        services: Vec::new(),
        rosters: rosters.clone(),
        discoveries: discoveries.iter().map(|one| Arc::clone(&one.state)).collect(),
        permits: Vec::new(),
        start,
        shortages: Shortages::new(start),
        changed,
    };
    let open = Arc::new(AtomicUsize::new(0));
    let (drain, draining) = watch::channel(false);
    let (kill, killed) = watch::channel(false);
    let mut seeds = Vec::new();
    for ((id, lane), sockets) in (0_u8..).zip(lanes).zip(sockets) {
        seeds.push(Seed {
            id,
            lane,
            when_full,
            instance,
            probe_token: probe_token.clone(),
            traces,
            sockets: sockets.into_iter().zip(listeners.iter().cloned()).collect(),
            services: cells(id, &rosters, &permits, &mut figures),
            metrics: Arc::new(WorkerMetrics::default()),
            start: figures.start,
            open: Arc::clone(&open),
            shortages: figures.shortages.clone(),
            draining: draining.clone(),
            killed: killed.clone(),
            beside: None,
        });
    }
    figures.workers = seeds.iter().map(|seed| Arc::clone(&seed.metrics)).collect();
    let figures = Arc::new(figures);
    if let Some(first) = seeds.first_mut() {
        first.beside = Some(BesideTraffic { rosters, discoveries });
    }
    let threads = seeds.into_iter().map(Seed::spawn).collect::<Result<_, _>>()?;
    Ok(Running { addresses, drain, kill, threads, open, figures })
}

/// One socket per worker and listener.
fn bind_all(
    config: &config::Proxy,
    workers: usize,
) -> Result<(Vec<Vec<std::net::TcpListener>>, Vec<SocketAddr>), StartError> {
    let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for listener in &config.listeners {
        let mut address = SocketAddr::new(listener.address, listener.port);
        if address.port() != 0 {
            // Without SO_REUSEPORT: somebody else on the port must be an error, not a share of
            // traffic. For port 0 the system finds one that nobody has.
            std::net::TcpListener::bind(address)
                .map_err(|source| StartError::Bind { address, source })?;
        }
        for sockets in &mut sockets {
            let socket =
                listener::bind(address).map_err(|source| StartError::Bind { address, source })?;
            // The first socket settles port 0 for the rest.
            address = socket.local_addr().map_err(|source| StartError::Bind { address, source })?;
            sockets.push(socket);
        }
        addresses.push(address);
    }
    Ok((sockets, addresses))
}

/// What all workers share of one service, and its cells of one worker.
type ServiceSeed = (Arc<Roster>, Option<Arc<Permits>>, Arc<ServiceMetrics>);

/// Makes the cells of one worker's services and notes them for reading.
fn cells(
    id: u8,
    rosters: &[Arc<Roster>],
    permits: &[Option<Arc<Permits>>],
    figures: &mut Figures,
) -> Vec<ServiceSeed> {
    let mut seeds = Vec::new();
    for (roster, permits) in rosters.iter().zip(permits) {
        let (metrics, name) = (Arc::new(ServiceMetrics::default()), &roster.service.name);
        figures.services.push((id, name.clone(), Arc::clone(&metrics)));
        if let Some(permits) = permits.as_ref().filter(|_| id == 0) {
            figures.permits.push((name.clone(), Arc::clone(permits)));
        }
        seeds.push((Arc::clone(roster), permits.clone(), metrics));
    }
    seeds
}

/// What the first worker does beside the traffic.
struct BesideTraffic {
    /// Endpoints that are watched and probed.
    rosters: Vec<Arc<Roster>>,
    /// Endpoints that are looked for.
    discoveries: Vec<Discovery>,
}

/// Everything a worker's thread needs; what is not `Send` is made there.
struct Seed {
    id: u8,
    lane: Lane,
    /// What happens when the journal is full.
    when_full: WhenFull,
    /// Number of this installation.
    instance: u64,
    /// By which the heartbeat's requests are known.
    probe_token: Option<HeaderValue>,
    /// Share of new traces that is kept.
    traces: Option<Share>,
    /// Its sockets with their listeners.
    sockets: Vec<(std::net::TcpListener, Shared)>,
    services: Vec<ServiceSeed>,
    metrics: Arc<WorkerMetrics>,
    /// Start of the data plane.
    start: Instant,
    /// Connections open over all workers.
    open: Arc<AtomicUsize>,
    /// What the system refuses this process.
    shortages: Shortages,
    /// Becomes true when draining begins.
    draining: watch::Receiver<bool>,
    /// Becomes true when draining is over.
    killed: watch::Receiver<bool>,
    /// Of the first worker.
    beside: Option<BesideTraffic>,
}

impl Seed {
    /// Runs the worker on a thread of its own.
    fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(format!("worker-{}", self.id)).spawn(move || {
            if let Err(error) = self.run() {
                tracing::error!(%error, "a worker could not start; its connections are not served");
            }
        })
    }

    /// Runs the worker on this thread until drained or killed.
    fn run(self) -> std::io::Result<()> {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        let mut followed = Vec::new();
        let services: Vec<_> = self
            .services
            .iter()
            .map(|(roster, permits, metrics)| {
                let queue = |permits| WaitQueue::new(permits, self.id.into(), metrics);
                let queue = permits.as_ref().map(queue);
                let (config, metrics) = (&roster.service, Arc::clone(metrics));
                let told = roster.subscribe();
                let service = Rc::new(Service::new(config, self.id, told, queue, metrics));
                if !config.discovered.is_empty() {
                    followed.push(Rc::clone(&service));
                }
                service
            })
            .collect();
        let queues: Vec<_> = services.iter().filter_map(|service| service.queue.clone()).collect();
        let worker = Worker::new(Parts {
            id: self.id,
            lane: self.lane,
            when_full: self.when_full,
            services,
            pseudonym: format!("lbproxy-{:010x}", self.instance),
            probe_token: self.probe_token,
            traces: self.traces,
            metrics: Arc::clone(&self.metrics),
            start: self.start,
            open: self.open,
            shortages: self.shortages,
        });
        let mut killed = self.killed;
        runtime.block_on(async {
            tokio::task::spawn_local(Rc::clone(&worker.timer).run(Arc::clone(&worker.metrics)));
            tokio::task::spawn_local(Rc::clone(&worker).sweep());
            for service in followed {
                tokio::task::spawn_local(service.follow());
            }
            if let Some(BesideTraffic { rosters, discoveries }) = self.beside {
                tokio::task::spawn_local(health::watch(Rc::clone(&worker), rosters));
                discoveries.into_iter().for_each(Discovery::start);
            }
            for queue in queues {
                tokio::task::spawn_local(queue.settle_when_woken());
            }
            let mut accepting = Vec::new();
            for (socket, shared) in self.sockets {
                let socket = TcpListener::from_std(socket)?;
                let worker = Rc::clone(&worker);
                let draining = self.draining.clone();
                accepting.push(tokio::task::spawn_local(listener::accept(
                    worker, socket, shared, draining,
                )));
            }
            let drained = async {
                for task in accepting {
                    let _ = task.await;
                }
                while self.metrics.connections.value() > 0 {
                    tokio::time::sleep(DRAIN_LOOK).await;
                }
            };
            tokio::select! {
                () = drained => (),
                _ = killed.wait_for(|killed| *killed) => worker.is_killed.set(true),
            }
            Ok(())
        })
        // Tasks still alive are dropped with the runtime; their stopwatches finish themselves.
    }
}
