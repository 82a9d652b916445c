//! The generator of the library, as these tests use it: every request has a path of its own, and
//! every exchange is remembered.
//!
//! Not here: what became of the records (`audit`).

use std::time::Duration;

use lbproxy::mock::traffic::{self, Ask, Exchange, Options, Report};
use lbproxy::mock::upstream;
use lbproxy::record::Stream;

use crate::support::{PATIENCE, Proxy, SHIPPED, wait_within};

/// Longest time of one run, longer than any test: each ends by its count, or when it is told to.
const TRAFFIC_MAX: Duration = Duration::from_mins(30);

/// The stream of access records in a namespace.
pub(crate) fn access(namespace: &str) -> String {
    Stream::Access.data_stream(namespace)
}

/// A mock endpoint that does what it is asked.
pub(crate) fn endpoint(name: &str) -> upstream::Running {
    upstream::start(upstream::Options::local(name)).unwrap()
}

/// `count` requests, as fast as answers come.
pub(crate) fn options(proxy: &Proxy, asks: Vec<Ask>, count: u64) -> Options {
    Options {
        target: proxy.address,
        connections: 6,
        rate: None,
        count,
        duration: TRAFFIC_MAX,
        asks,
        is_unique: true,
        http2: false,
        timeout: PATIENCE,
        seed: 1,
        recorded_max: usize::MAX,
    }
}

/// Runs the generator to its end.
pub(crate) fn generate(options: Options) -> Run {
    let Traffic { asks, running } = Traffic::launch(options);
    Run { asks, report: running.wait().unwrap() }
}

/// The requests of one run of the generator.
pub(crate) struct Run {
    pub(crate) asks: Vec<Ask>,
    pub(crate) report: Report,
}

impl Run {
    /// The path that one request had, as the generator makes it.
    pub(crate) fn path(&self, exchange: &Exchange) -> String {
        format!("{}/{}/{}", self.asks[exchange.ask].path, exchange.connection, exchange.number)
    }

    /// Whether each request was sent, recorded and answered whole with a status below 300.
    pub(crate) fn assert_untroubled(&self) {
        let counters = &self.report.counters;
        assert_eq!(counters.failed_total(), 0, "{counters:?}");
        assert_eq!(counters.answered[1].value(), counters.sent.value(), "{counters:?}");
        assert_eq!(self.report.exchanges.len() as u64, counters.sent.value(), "all are recorded");
    }
}

/// A generator that runs until it is told to stop.
pub(crate) struct Traffic {
    asks: Vec<Ask>,
    running: traffic::Running,
}

impl Traffic {
    /// `GET`s below `path`, this many a second.
    pub(crate) fn start(proxy: &Proxy, path: &str, rate: f64) -> Self {
        let asks = vec![Ask::get("a.test", path)];
        Self::launch(Options { rate: Some(rate), ..options(proxy, asks, u64::MAX) })
    }

    /// A run that may be stopped before its count.
    pub(crate) fn launch(options: Options) -> Self {
        Self { asks: options.asks.clone(), running: traffic::start(options).unwrap() }
    }

    /// Waits until this many more requests were answered.
    pub(crate) fn await_answers(&self, count: u64) {
        let counters = self.running.counters();
        let goal = counters.answered_total() + count;
        wait_within(SHIPPED, "answers", || (counters.answered_total() >= goal).then_some(()));
    }

    /// Lets what is under way end.
    pub(crate) fn stop(self) -> Run {
        Run { asks: self.asks, report: self.running.stop().unwrap() }
    }
}
