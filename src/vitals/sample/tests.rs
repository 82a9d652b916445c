//! Goal: each share and rate is what its doc says. Method: two readings made up by hand.

use super::*;
use crate::metrics::Shipped;

/// A reading with round numbers.
fn reading(at_ms: u64, factor: u64) -> Reading {
    Reading {
        at: Duration::from_millis(at_ms),
        pid: 7,
        page_bytes: 4_096,
        cpu: Some(Cpu {
            ms: 5_000 * factor,
            threads: 3,
            virtual_bytes: 1 << 20,
            resident_pages: 100,
        }),
        threads: vec![Thread {
            name: "worker-0".to_owned(),
            cpu_ms: Some(2_500 * factor),
            switches: Some(Switches { voluntary: 10 * factor, involuntary: factor }),
        }],
        host_cpu: Some(HostCpu { busy: 300 * factor, total: 400 * factor, cores: 4 }),
        host_memory: Some(HostMemory { total: 4_096_000, available: 1_024_000 }),
        cgroup: Cgroup {
            cpu_limit: Some(15_000),
            cpu_us: Some(3_000_000 * factor),
            memory_bytes: Some(500),
            memory_limit_bytes: Some(2_000),
            ..Cgroup::default()
        },
        workers: vec![Work {
            accepted: factor,
            requests: 25 * factor,
            queued: 3,
            queue_waits: 5 * factor,
            received: 1_000 * factor,
            sent: 20_000 * factor,
            ticks: 4 * factor,
            delay_us: 2_000 * factor,
            delay_peak_us: 900,
            ..Work::default()
        }],
        endpoints: vec![EndpointTotals {
            service: "web".to_owned(),
            endpoint: "a:1".to_owned(),
            attempts: 40 * factor,
            opened: 10 * factor,
            reused: 30 * factor,
            active: 1,
            idle: 2,
            received: 500 * factor,
            ..EndpointTotals::default()
        }],
        records: Records {
            ledger: Ledger { created: 9, journaled: 8, dropped_full: 1, shipped: None },
            ..Records::default()
        },
        ..Reading::default()
    }
}

/// Both readings, ten seconds apart.
fn check(test: impl FnOnce(Between<'_>)) {
    let (before, now) = (reading(1_000, 1), reading(11_000, 2));
    test(Between { before: &before, now: &now, timestamp: TimestampMs(5) });
}

#[test]
fn shares_and_rates_are_of_the_time_between() {
    check(|between| {
        let process = between.process();
        assert_eq!(process.period_ms, Some(Count(10_000)));
        assert_eq!(process.uptime_seconds, Some(Count(11)));
        assert_eq!(process.cpu, Some(Ratio(5_000)), "5 s of CPU in 10 s");
        assert_eq!(process.cpu_norm, Some(Ratio(1_250)), "of 4 cores");
        assert_eq!(process.host_cpu, Some(Ratio(7_500)));
        assert_eq!(process.rss_bytes, Some(Bytes(409_600)));
        assert_eq!(process.rss, Some(Ratio(1_000)));
        assert_eq!(process.host_used, Some(Ratio(7_500)));
        assert_eq!(process.cgroup_cpu, Some(Ratio(2_000)), "3 s of the 15 s that 1.5 cores give");
        assert_eq!(process.cgroup_memory, Some(Ratio(2_500)));
        assert_eq!(process.downstream_sent_bytes, Some(Bytes(40_000)));
        assert_eq!(process.downstream_sent_rate, Some(Bytes(2_000)));
        assert_eq!(process.requests_rate, Some(Ratio(25_000)), "25 in 10 s");
        assert_eq!((process.queued, process.queue_waits), (Some(Count(3)), Some(Count(10))));
        assert_eq!(process.upstream_received_rate, Some(Bytes(50)));
        assert_eq!(process.pool_reuse, Some(Ratio(7_500)));
        assert_eq!(process.pool_closed, Some(Count(17)), "20 opened, 3 alive");
        assert_eq!(process.loop_delay_mean_us, Some(Micros(500)));
        assert_eq!(process.loop_delay_max_us, Some(Micros(900)));
        assert_eq!(process.switches_voluntary, Some(Count(20)));
        assert_eq!((process.created, process.acknowledged), (Some(Count(9)), None));
    });
}

#[test]
fn what_was_refused_is_a_total_and_what_is_new_of_it() {
    let with = |dead_letter| {
        let shipped = Some(Shipped { dead_letter, ..Shipped::default() });
        let records =
            Records { ledger: Ledger { shipped, ..Ledger::default() }, ..Records::default() };
        Reading { records, ..Reading::default() }
    };
    for (name, before, now, total, new) in [
        ("the first sample", Reading::default(), with(3), Some(3), Some(3)),
        ("some more", with(3), with(8), Some(8), Some(5)),
        ("none", with(8), with(8), Some(8), Some(0)),
        ("nothing is shipped", Reading::default(), Reading::default(), None, None),
    ] {
        let timestamp = TimestampMs(5);
        let process = Between { before: &before, now: &now, timestamp }.process();
        let got = [process.dead_letter, process.dead_letter_new];
        assert_eq!(got, [total.map(Count), new.map(Count)], "{name}");
    }
}

#[test]
fn workers_and_endpoints_have_samples_of_their_own() {
    check(|between| {
        let worker = between.worker(0).unwrap();
        assert_eq!(worker.sample_worker, Some(Count(0)));
        assert_eq!(worker.cpu, Some(Ratio(2_500)));
        assert_eq!((worker.rss_bytes, worker.pool_active), (None, None));
        assert_eq!(between.worker(1), None);
        let endpoints: Vec<_> = between.endpoints().collect();
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0].endpoint, Some(Text(b"a:1")));
        assert_eq!(endpoints[0].requests_rate, Some(Ratio(40_000)));
        assert_eq!(endpoints[0].pool_opened, Some(Count(20)));
    });
}

#[test]
fn what_was_not_read_or_cannot_be_told_is_absent() {
    let blank = Reading::default();
    let process = Between { before: &blank, now: &blank, timestamp: TimestampMs(5) }.process();
    let absent = [process.cpu, process.host_cpu, process.rss, process.pool_reuse];
    assert_eq!(absent, [None; 4]);
    assert_eq!((process.loop_delay_mean_us, process.downstream_sent_rate), (None, None));
    assert_eq!(process.switches_voluntary, None);
    let late = Reading { at: Duration::from_secs(1), ..Reading::default() };
    let process = Between { before: &blank, now: &late, timestamp: TimestampMs(5) }.process();
    assert_eq!(process.requests_rate, Some(Ratio(0)), "no traffic is a rate");
}
