//! Records with known figures, as lbproxy itself writes them: access records by a fixed rule, rollups
//! of them by the real core, and a few of every other kind; stored below our own templates.
#![expect(clippy::cast_precision_loss, reason = "the figures are small")]

use std::collections::HashMap;
use std::fmt::Write as _;

use lbproxy::elk::server::Features;
use lbproxy::elk::templates::{self, Types};
use lbproxy::record::{
    AccessRecord, Bytes, ConnectionRecord, Constants, Count, Dataset, EcsNanos, Flag, GapRecord,
    HeartbeatRecord, IdForm, Ip, Micros, Origin, Outcome, Phase, ProcessRecord, Ratio, Reason,
    SloRecord, State, Status, Stream, Text, TimestampMs, write_document, write_id,
};
use lbproxy::rollup::{Core, Rules};
use serde_json::{Value, json};

use super::figures::Figures;
use crate::server::RealServer;

/// 2026-11-24T12:00:00Z: the first minute with records.
const START_MS: u64 = 1_795_521_600_000;
/// The first heartbeat after the start.
pub(super) const STARTED_MS: u64 = START_MS;
/// Times of alerts, and which.
pub(super) fn alerts_ms() -> Vec<(u64, &'static str)> {
    let pages = PAGED.map(|minute| (minute, "page fires"));
    let all = pages.into_iter().chain([(TICKETED, "ticket fires")]);
    all.map(|(minute, label)| (START_MS + minute * 60_000, label)).collect()
}

/// The endpoint is seen to be down.
pub(super) const EJECTED_MS: u64 = START_MS + 10 * 15_000;
/// Minutes with records.
const MINUTES: u64 = 8;
/// Minutes of the range in which a page fires, and one in which a ticket does.
const PAGED: [u64; 3] = [3, 4, 5];
const TICKETED: u64 = 6;
const REQUESTS: u64 = 1_600;
/// Requests of the same minutes a day before.
const REQUESTS_BEFORE: u64 = 700;
pub(super) const DAY_MS: u64 = 86_400_000;

/// What is stored, and what was meant to be.
pub(super) struct Loaded {
    documents: HashMap<Dataset, Vec<Value>>,
    /// Last part of the names of its streams.
    pub(super) namespace: &'static str,
    /// Length of the buckets of time: the products choose it by the range.
    pub(super) interval: &'static str,
    /// Documents by data set, where they are not kept.
    counts: HashMap<Dataset, u64>,
    /// From and to before; the first minute has nothing.
    pub(super) range_ms: (u64, u64),
    /// Counted while the records were made up.
    pub(super) planned: Planned,
}

/// What the data is known to hold, without looking at a document.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) left: u64,
    pub(super) client: u64,
    /// A day before, refused by the endpoint: all the trouble of that day.
    pub(super) troubled_before: u64,
}

impl Planned {
    /// What some panels say otherwise.
    pub(super) fn differences(&self, figures: &HashMap<String, Figures>) -> Vec<String> {
        let valid = self.requests - self.left;
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        let rows = [
            ("overview/requests", "requests", self.requests as f64),
            ("overview/failed", "failed", self.failed as f64),
            ("overview/success", "served", share(valid - self.failed, valid)),
            ("errors/failed", "requests", self.failed as f64),
            ("errors/left", "requests", self.left as f64),
            ("errors/client", "requests", self.client as f64),
            ("overview/gaps", "missing", 33.0),
            ("overview/dead", "refused", 1.0),
            ("shipping/away", "samples", 4.0),
            ("process/uptime", "since start", 765.0),
            ("process/in-flight", "exchanges", 3.0 + 5.0),
            ("process/cpu", "of the host", 0.9),
            ("heartbeat/listeners", "of checks", 31.0 / 32.0),
            ("heartbeat/endpoints", "of looks", 92.0 / 96.0),
            ("slo/pages", "minutes", 3.0),
            ("slo/budget", "lowest", 0.9 - 7.0 * 0.1),
            ("slo/burn", "highest, 1 h", 15.5),
            ("heartbeat/changes", "changes", 2.0),
            ("clients/bad", "connections", 24.0),
        ];
        let new = &figures["errors/reason-before"].0;
        let of_reason = |reason: &str, label: &str| {
            let place = (String::new(), reason.to_owned(), label.to_owned());
            new.get(&place).copied()
        };
        assert_eq!(of_reason("connect_refused", "a day before"), Some(self.troubled_before as f64));
        assert_eq!(of_reason("first_byte_timeout", "a day before"), None, "new since yesterday");
        assert!(of_reason("first_byte_timeout", "requests").is_some());
        let wrong = rows.into_iter().filter_map(|(panel, label, want)| {
            let place = (String::new(), String::new(), label.to_owned());
            let have = figures[panel].0.get(&place).copied().unwrap_or(0.0);
            ((have - want).abs() > 1e-6).then(|| format!("{panel} is {have}, planned were {want}"))
        });
        wrong.collect()
    }
}

impl Loaded {
    /// Makes the records and stores them; the namespace is the last part of the streams' names.
    pub(super) fn into(server: &RealServer, namespace: &'static str) -> Self {
        let before = (0..REQUESTS_BEFORE).map(Exchange::of_day_before);
        let all = before.chain((0..REQUESTS).map(Exchange::of));
        let range_ms = (START_MS - 60_000, START_MS + MINUTES * 60_000);
        Self::of(Maker::new(server, namespace, true), all, MINUTES, range_ms, "1m")
    }

    /// Stores a day with so many requests: two services with three routes and three endpoints each.
    /// Documents are counted, not kept.
    pub(super) fn day_into(server: &RealServer, requests: u64) -> Self {
        let all = (0..requests).map(|number| Exchange::of_day(number, requests));
        let range_ms = (START_MS, START_MS + DAY_MS);
        Self::of(Maker::new(server, "cost", false), all, DAY_MS / 60_000, range_ms, "30m")
    }

    /// Stores fourteen minutes of a crowd that fails: of every service, which has one endpoint of its name,
    /// more than of the one before, but each has a minute that is its own.
    pub(super) fn crowd_into(server: &RealServer) -> Self {
        let minutes = CROWD.len() as u64;
        let of_minute = |minute: u64| {
            let of = move |(place, name): (u64, &'static str)| {
                let count = if place == minute { 40 } else { place + 1 };
                (0..count).map(move |number| Exchange::of_crowd(minute, number, name))
            };
            (0..).zip(CROWD).flat_map(of)
        };
        let range_ms = (START_MS - 60_000, START_MS + minutes * 60_000);
        let all = (0..minutes).flat_map(of_minute);
        Self::of(Maker::new(server, "crowd", true), all, 1, range_ms, "1m")
    }

    /// Makes and stores what a maker makes of exchanges.
    fn of(
        mut maker: Maker<'_>,
        exchanges: impl Iterator<Item = Exchange>,
        minutes: u64,
        range_ms: (u64, u64),
        interval: &'static str,
    ) -> Self {
        let (server, namespace) = (maker.server, maker.namespace);
        put_templates(server);
        let planned = maker.exchanges(exchanges);
        maker.others(minutes);
        maker.flush();
        let streams: Vec<_> = Dataset::ALL.iter().map(|own| own.data_stream(namespace)).collect();
        server.post(
            &format!("/{}/_refresh?ignore_unavailable=true", streams.join(",")),
            &Value::Null,
        );
        let Maker { documents, counts, .. } = maker;
        Self { documents, namespace, interval, counts, range_ms, planned }
    }

    /// How many documents of a dataset are stored.
    pub(super) fn count(&self, dataset: Dataset) -> u64 {
        self.counts.get(&dataset).copied().unwrap_or(0)
    }

    /// Whether documents can be compared with what was made.
    pub(super) fn is_kept(&self) -> bool {
        !self.documents.is_empty()
    }

    /// The documents of a dataset.
    pub(super) fn documents(&self, dataset: Dataset) -> &[Value] {
        self.documents.get(&dataset).map_or(&[], Vec::as_slice)
    }
}

/// Puts our templates there.
fn put_templates(server: &RealServer) {
    let settings = templates::settings(Features::newest(server.product));
    server.must("PUT", &format!("/_component_template/{}", templates::SETTINGS), Some(&settings));
    for dataset in Dataset::ALL {
        let path = format!("/_index_template/{}", templates::template_name(dataset));
        // As `lbproxy setup` does: the tests' build of Elasticsearch does not have all types.
        let is_taken = [Types::Usual, Types::Smallest].into_iter().any(|types| {
            let template = templates::index_template(server.product, dataset, types);
            server.call("PUT", &path, Some(&template)).status == 200
        });
        assert!(is_taken, "{path}");
    }
}

/// Bytes that are sent at once.
const BULK_BYTES: usize = 8 << 20;

/// Makes records, and sends what comes of them.
struct Maker<'s> {
    server: &'s RealServer,
    namespace: &'static str,
    keeps: bool,
    body: String,
    documents: HashMap<Dataset, Vec<Value>>,
    counts: HashMap<Dataset, u64>,
    /// Whose records: number of its journal, and its name.
    instance: (u64, &'static str),
    seq: HashMap<(u64, Stream), u64>,
}

impl<'s> Maker<'s> {
    fn new(server: &'s RealServer, namespace: &'static str, keeps: bool) -> Self {
        let (documents, counts, seq) = (HashMap::new(), HashMap::new(), HashMap::new());
        let instance = (7, "edge-1");
        Self { server, namespace, keeps, body: String::new(), documents, counts, instance, seq }
    }

    fn flush(&mut self) {
        let body = std::mem::take(&mut self.body);
        if !body.is_empty() {
            let answer = self.server.bulk(&body);
            assert_eq!(answer["errors"], false, "{answer}");
        }
    }

    /// Adds a record in its binary form.
    fn add(&mut self, stream: Stream, payload: &[u8]) {
        let constants = Constants {
            node_name: self.instance.1.to_owned(),
            version: "0.1.0".to_owned(),
            config_hash: "c0ffee".to_owned(),
            ids: IdForm::default(),
        };
        let instance = self.instance.0;
        let seq = self.seq.entry((instance, stream)).or_default();
        *seq += 1;
        let origin = Origin { instance, epoch: 1, worker: 0, seq: *seq, constants: &constants };
        let (mut id, mut document) = (Vec::new(), Vec::new());
        write_id(stream, payload, &origin, &mut id).unwrap();
        write_document(stream, payload, &origin, &mut document).unwrap();
        let action = json!({ "create": {
            "_index": stream.data_stream(self.namespace), "_id": String::from_utf8(id).unwrap(),
        } });
        let document = String::from_utf8(document).unwrap();
        writeln!(self.body, "{action}\n{document}").unwrap();
        *self.counts.entry(stream.dataset()).or_default() += 1;
        if self.keeps {
            let document = serde_json::from_str(&document).unwrap();
            self.documents.entry(stream.dataset()).or_default().push(document);
        }
        if self.body.len() > BULK_BYTES {
            self.flush();
        }
    }

    fn exchanges(&mut self, exchanges: impl Iterator<Item = Exchange>) -> Planned {
        let mut core = Core::new(Rules { window_ms: 60_000, grace_ms: 1_000 });
        let mut planned = Planned::default();
        let mut slot = vec![0; 4_096];
        for (exchange, seq) in exchanges.zip(1..) {
            if exchange.time_ms >= START_MS {
                planned.requests += 1;
                planned.failed += u64::from(exchange.is_failure());
                planned.left += u64::from(exchange.reason == Reason::DownstreamClosed);
                planned.client += u64::from(exchange.status == Some(404));
            } else {
                planned.troubled_before += u64::from(exchange.status != Some(200));
            }
            let bytes = exchange.record().encode(&mut slot).unwrap();
            self.add(Stream::Access, &slot[..bytes]);
            core.take((7, 1, 0), seq, &slot[..bytes], exchange.time_ms).unwrap();
            self.rollups(&mut core);
        }
        core.close_all();
        self.rollups(&mut core);
        planned
    }

    /// What is ready, at once: a core holds only so much.
    fn rollups(&mut self, core: &mut Core) {
        while let Some(row) = core.pending().first() {
            let row = row.to_vec();
            self.add(Stream::Rollup, &row);
            core.pending().written();
        }
    }

    /// A few of the other kinds.
    fn others(&mut self, minutes: u64) {
        let mut slot = vec![0; 4_096];
        for number in 0..24_u64 {
            let reason = [Reason::TlsFailed, Reason::ClosedWithoutRequest, Reason::HeadTimeout]
                [usize::try_from(number % 3).unwrap()];
            let record = ConnectionRecord {
                timestamp: Some(TimestampMs(START_MS + number * 17_000)),
                duration: Some(EcsNanos(1_000 + number * 10)),
                listener: Some(Text(if number % 2 == 0 { b"public" } else { b"intern" })),
                source_ip: Some(Ip([10, 1, 0, u8::try_from(number % 4).unwrap()].into())),
                received_bytes: Some(Bytes(number * 3)),
                sent_bytes: Some(Bytes(number)),
                tls_us: (number % 3 != 0).then_some(Micros(900 + number)),
                reason: Some(reason),
                state: Some(State::new(reason, Phase::Request)),
                message: Some(Text(b"not a request")),
                ..ConnectionRecord::default()
            };
            let bytes = record.encode(&mut slot).unwrap();
            self.add(Stream::Connection, &slot[..bytes]);
        }
        for number in 0..3_u64 {
            let now = TimestampMs(START_MS + number * 100_000);
            let record =
                GapRecord::journal_full(now, 0, (1, 5_000 + number * 100, 10 + number), None);
            let bytes = record.encode(&mut slot).unwrap();
            self.add(Stream::Gap, &slot[..bytes]);
        }
        for number in 0..minutes {
            self.objectives(number, &mut slot);
        }
        for number in 0..4 * minutes {
            if self.keeps {
                self.other_instances(number, &mut slot);
            }
            self.samples(number, &mut slot);
            self.checks(number, &mut slot);
        }
    }

    /// A minute of two objectives of two instances: on one a page fires and later a ticket.
    fn objectives(&mut self, n: u64, slot: &mut [u8]) {
        for (instance, name) in [(7, "edge-1"), (8, "edge-2")] {
            for (objective, target, bad) in
                [("availability", 999_000, n % 3), ("latency", 990_000, n % 5)]
            {
                let is_own = instance == 7 && objective == "availability";
                let (state, alert): (&str, Option<&str>) = match n {
                    2 if is_own => ("pending", Some("page")),
                    n if is_own && PAGED.contains(&n) => ("firing", Some("page")),
                    TICKETED if is_own => ("firing", Some("ticket")),
                    _ => ("inactive", None),
                };
                let part = u64::from(is_own);
                let record = SloRecord {
                    timestamp: Some(TimestampMs(START_MS + n * 60_000)),
                    slo_part: Some(Count(0)),
                    slo_name: Some(Text(objective.as_bytes())),
                    slo_valid: Some(Count(100 + n)),
                    slo_good: Some(Count(100 + n - bad)),
                    slo_bad: Some(Count(bad)),
                    slo_target: Some(Count(target)),
                    slo_period: Some(Count(30 * 86_400)),
                    slo_period_valid: Some(Count(100 * (n + 1))),
                    slo_period_bad: Some(Count(n)),
                    slo_budget_left: Some(Ratio(9_000 - n % 8 * 1_000 * part)),
                    slo_budget_spent: Some(Ratio(1_000 + n % 8 * 1_000 * part)),
                    slo_burn_5m: Some(Ratio(20_000 + n % 8 * 10_000)),
                    slo_burn_30m: Some(Ratio(15_000)),
                    slo_burn_1h: Some(Ratio(15_000 + n % 8 * 20_000 * part)),
                    slo_burn_2h: Some(Ratio(12_000)),
                    slo_burn_6h: Some(Ratio(11_000 + n % 8 * 3_000)),
                    slo_burn_1d: Some(Ratio(9_000)),
                    slo_burn_3d: Some(Ratio(8_000 + n % 8 * 500)),
                    slo_state: Some(Text(state.as_bytes())),
                    slo_alert: alert.map(|alert| Text(alert.as_bytes())),
                    ..SloRecord::default()
                };
                let first = std::mem::replace(&mut self.instance, (instance, name));
                let bytes = record.encode(slot).unwrap();
                self.add(Stream::Slo, &slot[..bytes]);
                self.instance = first;
            }
        }
    }

    /// Samples of two more instances, between those of the first: one is busier and younger, and one, which
    /// is gone after two minutes, was more so.
    fn other_instances(&mut self, n: u64, slot: &mut [u8]) {
        let others =
            [((8, "edge-2"), 300 + n * 15, 9_000, 5), ((9, "edge-3"), 1 + n * 15, 9_900, 50)];
        for (instance, uptime, cpu, in_flight) in others {
            if instance.0 == 9 && n >= 8 {
                continue;
            }
            let record = ProcessRecord {
                timestamp: Some(TimestampMs(START_MS + n * 15_000 + 7_000)),
                metricset: Some(Text(b"process")),
                uptime_seconds: Some(Count(uptime)),
                cpu_norm: Some(Ratio(cpu)),
                rss: Some(Ratio(90)),
                in_flight: Some(Count(in_flight)),
                // Begins anew in the fifth minute.
                journaled: Some(Count(n % 18 * 20)),
                acknowledged: Some(Count(n % 18 * 19)),
                duplicate: Some(Count(n % 18)),
                failure_store: Some(Count(0)),
                dead_letter: Some(Count(0)),
                dead_letter_new: Some(Count(0)),
                dropped_full: Some(Count(0)),
                ..ProcessRecord::default()
            };
            let first = std::mem::replace(&mut self.instance, instance);
            let bytes = record.encode(slot).unwrap();
            self.add(Stream::Process, &slot[..bytes]);
            self.instance = first;
        }
    }

    /// Samples of process, workers and endpoints at one time.
    fn samples(&mut self, n: u64, slot: &mut [u8]) {
        let timestamp = Some(TimestampMs(START_MS + n * 15_000));
        let process = ProcessRecord {
            timestamp,
            metricset: Some(Text(b"process")),
            uptime_seconds: Some(Count(1_000 + n * 15)),
            cpu: Some(Ratio(4_000 + n * 37 % 5_000)),
            cpu_norm: Some(Ratio(2_000 + n * 37 % 2_500)),
            host_cpu: Some(Ratio(3_000 + n * 41 % 3_000)),
            rss_bytes: Some(Bytes(50_000_000 + n * 100_000)),
            rss: Some(Ratio(120 + n)),
            heap_bytes: Some(Bytes(20_000_000 + n * 7_000)),
            journal_mapped_bytes: Some(Bytes(64 << 20)),
            descriptors: Some(Count(40 + n % 7)),
            descriptors_max: Some(Count(1_024)),
            downstream_received_rate: Some(Bytes(9_000 + n)),
            downstream_sent_rate: Some(Bytes(90_000 + n * 3)),
            upstream_received_rate: Some(Bytes(91_000 + n * 3)),
            upstream_sent_rate: Some(Bytes(9_100 + n)),
            connections: Some(Count(10 + n % 5)),
            in_flight: Some(Count(n % 4)),
            queued: Some(Count(n % 3)),
            requests_rate: Some(Ratio(33_333 + n * 100)),
            loop_delay_mean_us: Some(Micros(40 + n)),
            loop_delay_max_us: Some(Micros(900 + n * 13 % 700)),
            journaled: Some(Count(n * 50)),
            acknowledged: Some(Count(n * 50 - n % 3)),
            duplicate: Some(Count(n / 10)),
            failure_store: Some(Count(0)),
            dead_letter: Some(Count(n / 16)),
            dead_letter_new: Some(Count(u64::from(n == 16))),
            dropped_full: Some(Count(n / 20)),
            pending: Some(Count(n % 3)),
            oldest_pending_seconds: Some(Count(n % 9)),
            is_connected: Some(Flag(n % 8 != 3)),
            journal_used_bytes: Some(Bytes(1_000_000 + n * 1_000)),
            journal_capacity_bytes: Some(Bytes(1 << 30)),
            ..ProcessRecord::default()
        };
        let workers = [0, 1].map(|worker| ProcessRecord {
            timestamp,
            metricset: Some(Text(b"worker")),
            sample_worker: Some(Count(worker)),
            cpu: Some(Ratio(2_000 + (n + worker) * 31 % 4_000)),
            ..ProcessRecord::default()
        });
        let endpoints = ENDPOINTS.map(|(service, endpoint)| ProcessRecord {
            timestamp,
            metricset: Some(Text(b"endpoint")),
            service: Some(Text(service.as_bytes())),
            endpoint: Some(Text(endpoint.as_bytes())),
            pool_active: Some(Count(n % 5)),
            pool_idle: Some(Count(3 + n % 2)),
            pool_opened: Some(Count(10 + n)),
            ..ProcessRecord::default()
        });
        for record in [process].iter().chain(&workers).chain(&endpoints) {
            let bytes = record.encode(slot).unwrap();
            self.add(Stream::Process, &slot[..bytes]);
        }
    }

    /// Checks of a listener and of the endpoints at one time, and changes of state around an outage.
    fn checks(&mut self, n: u64, slot: &mut [u8]) {
        let timestamp = Some(TimestampMs(START_MS + n * 15_000));
        let is_up = !(10..14).contains(&n);
        let word = |is_up: bool| Some(Text(if is_up { b"up" } else { b"down" }));
        let listener = HeartbeatRecord {
            timestamp,
            monitor_id: Some(Text(b"7/listener/public")),
            monitor_name: Some(Text(b"listener public")),
            monitor_type: Some(Text(b"http")),
            monitor_status: word(n != 20),
            monitor_duration_us: Some(Micros(600 + n * 17 % 300)),
            summary_up: Some(Count(u64::from(n != 20))),
            summary_down: Some(Count(u64::from(n == 20))),
            listener: Some(Text(b"public")),
            ..HeartbeatRecord::default()
        };
        let passive = ENDPOINTS.map(|(service, endpoint)| {
            let is_up = is_up || endpoint != "10.0.0.2:8080";
            HeartbeatRecord {
                timestamp,
                monitor_id: Some(Text(endpoint.as_bytes())),
                monitor_name: Some(Text(endpoint.as_bytes())),
                monitor_type: Some(Text(b"passive")),
                monitor_status: word(is_up),
                summary_up: Some(Count(u64::from(is_up))),
                summary_down: Some(Count(u64::from(!is_up))),
                service: Some(Text(service.as_bytes())),
                endpoint: Some(Text(endpoint.as_bytes())),
                ..HeartbeatRecord::default()
            }
        });
        let change = (n == 10 || n == 14).then(|| HeartbeatRecord {
            summary_up: None,
            summary_down: None,
            action: Some(Text(b"state_change")),
            previous: word(!is_up),
            previous_duration_ms: Some(Count(60_000)),
            ..passive[1]
        });
        for record in [listener].iter().chain(&passive).chain(change.as_ref()) {
            let bytes = record.encode(slot).unwrap();
            self.add(Stream::Heartbeat, &slot[..bytes]);
        }
    }
}

/// Services and endpoints of [`Loaded::crowd_into`], the largest last.
pub(super) const CROWD: [&str; 14] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
const ENDPOINTS: [(&str, &str); 3] =
    [("shop", "10.0.0.1:8080"), ("shop", "10.0.0.2:8080"), ("search", "10.0.0.3:9090")];

/// One request, wholly given by its number.
struct Exchange {
    number: u64,
    time_ms: u64,
    service: &'static str,
    route: &'static str,
    endpoint: &'static str,
    status: Option<u16>,
    reason: Reason,
    phase: Phase,
    duration_us: u64,
    is_reused: bool,
}

impl Exchange {
    fn of(number: u64) -> Self {
        // Spread, but the same in every run: a multiplication scrambles the number.
        let drawn = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let (service, route, endpoint) = match drawn % 5 {
            0 => ("shop", "cart", "10.0.0.1:8080"),
            1 => ("shop", "cart", "10.0.0.2:8080"),
            2 => ("shop", "checkout", "10.0.0.2:8080"),
            3 => ("search", "query", "10.0.0.3:9090"),
            _ => ("search", "suggest", "10.0.0.3:9090"),
        };
        let (status, reason, phase) = match number % 40 {
            7 => (Some(502), Reason::ConnectRefused, Phase::Connect),
            13 => (Some(504), Reason::FirstByteTimeout, Phase::Head),
            19 => (Some(503), Reason::Complete, Phase::Done),
            23 | 29 => (Some(404), Reason::Complete, Phase::Done),
            31 => (Some(304), Reason::Complete, Phase::Done),
            37 => (Some(200), Reason::DownstreamClosed, Phase::Data),
            39 => (None, Reason::DownstreamClosed, Phase::Head),
            _ => (Some(200), Reason::Complete, Phase::Done),
        };
        // A tail that grows tenfold every third of the way.
        let duration_us = 800 + (drawn % 997) * (drawn % 997) * (1 + drawn % 3) / 7;
        Self {
            number,
            time_ms: START_MS + number * MINUTES * 60_000 / REQUESTS,
            service,
            route,
            endpoint,
            status,
            reason,
            phase,
            duration_us,
            is_reused: !drawn.is_multiple_of(4),
        }
    }

    /// The same minutes a day before: fewer requests, slower, and only one kind of trouble.
    fn of_day_before(number: u64) -> Self {
        let same = Self::of(number);
        let is_refused = number.is_multiple_of(9);
        let (status, reason, phase) = if is_refused {
            (Some(502), Reason::ConnectRefused, Phase::Connect)
        } else {
            (Some(200), Reason::Complete, Phase::Done)
        };
        let time_ms = START_MS - DAY_MS + number * MINUTES * 60_000 / REQUESTS_BEFORE;
        Self { time_ms, status, reason, phase, duration_us: same.duration_us * 2, ..same }
    }

    /// One of a day: nine routes and endpoints of each service are asked in turn.
    fn of_day(number: u64, requests: u64) -> Self {
        const SERVICES: [&str; 2] = ["shop", "search"];
        const ROUTES: [&str; 3] = ["cart", "checkout", "item"];
        const ENDPOINTS: [&str; 3] = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:9090"];
        let at = |divisor: u64, length: u64| usize::try_from(number / divisor % length).unwrap();
        let time_ms = START_MS + number * DAY_MS / requests;
        let (service, route, endpoint) =
            (SERVICES[at(1, 2)], ROUTES[at(2, 3)], ENDPOINTS[at(6, 3)]);
        Self { time_ms, service, route, endpoint, ..Self::of(number) }
    }

    /// One of a crowd: all take as long and fail.
    fn of_crowd(minute: u64, number: u64, name: &'static str) -> Self {
        let time_ms = START_MS + minute * 60_000 + number;
        let (service, endpoint, duration_us, is_reused) = (name, name, 1_000, false);
        let (status, reason, phase) = (Some(503), Reason::Complete, Phase::Done);
        let rest = Self::of(number);
        Self { time_ms, service, endpoint, status, reason, phase, duration_us, is_reused, ..rest }
    }

    /// By the words of the documentation, not by the code that decides it.
    fn is_failure(&self) -> bool {
        self.reason != Reason::DownstreamClosed && self.status.is_some_and(|status| status >= 500)
    }

    fn record(&self) -> AccessRecord<'static> {
        let n = self.number;
        let micros = |part: u64| Some(Micros(self.duration_us * part / 100));
        let new = |value: Option<Micros>| if self.is_reused { None } else { value };
        let text =
            |list: &[&'static str]| Some(list[usize::try_from(n).unwrap() % list.len()].as_bytes());
        AccessRecord {
            timestamp: Some(TimestampMs(self.time_ms)),
            duration: Some(EcsNanos(self.duration_us)),
            method: text(&["GET", "GET", "POST", "HEAD"]).map(Text),
            path: text(&["/", "/cart", "/item/7", "/search"]).map(Text),
            domain: text(&["shop.example", "search.example", "api.example"]).map(Text),
            http_version: text(&["1.1", "2"]).map(Text),
            status: self.status.map(Status),
            request_bytes: Some(Bytes(200 + n % 50)),
            response_bytes: Some(Bytes(1_000 + n % 3_000)),
            request_body_bytes: Some(Bytes(n % 40)),
            response_body_bytes: Some(Bytes(700 + n % 3_000)),
            route: Some(Text(self.route.as_bytes())),
            service: Some(Text(self.service.as_bytes())),
            endpoint: Some(Text(self.endpoint.as_bytes())),
            dns_us: new(micros(1)),
            connect_us: new(micros(5)),
            upstream_tls_us: new(micros(3)),
            reused: Some(Flag(self.is_reused)),
            first_byte_us: micros(60),
            upstream_total_us: micros(95),
            head_us: micros(2),
            queue_us: micros(1),
            response_us: micros(20),
            self_us: micros(4),
            tls_us: n.is_multiple_of(9).then_some(Micros(3_000 + n)),
            tls_version: (!n.is_multiple_of(3)).then_some(Text(if n.is_multiple_of(2) {
                b"1.3"
            } else {
                b"1.2"
            })),
            tls_cipher: (!n.is_multiple_of(3)).then_some(Text(b"TLS13_AES_128_GCM_SHA256")),
            tls_resumed: n.is_multiple_of(9).then_some(Flag(n.is_multiple_of(2))),
            attempts: Some(Count(1 + u64::from(n.is_multiple_of(16)))),
            state: Some(State::new(self.reason, self.phase)),
            reason: Some(self.reason),
            outcome: Some(Outcome::of(self.status, self.reason)),
            source_ip: Some(Ip([192, 0, 2, u8::try_from(n % 6).unwrap()].into())),
            client_ip: Some(Ip([198, 51, 100, u8::try_from(n % 6).unwrap()].into())),
            user_agent: text(&["curl/8", "Firefox/140", "k6/1"]).map(Text),
            ..AccessRecord::default()
        }
    }
}
