//! Sends `GET /` at a fixed rate over HTTP/1.1 and prints latencies as one line of JSON.
//!
//! Open loop: requests fall due at evenly spaced times whatever the answers take. Each connection
//! has every N-th of them and a thread of its own that blocks, so nothing is sent in bursts and no
//! timer rounds to milliseconds. A request that falls due while its connection is still busy is
//! timed from then on (coordinated omission); the oversleeping of an idle thread is nobody's latency.
//!
//! Not here: TLS, HTTP/2, chunked answers, another connection after a failure.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Shown when the words are not a plan.
const USAGE: &str = "usage: pace ADDRESS RATE CONNECTIONS REQUESTS BODY_BYTES
Sends REQUESTS times `GET /` to ADDRESS, RATE a second over CONNECTIONS, and expects 200 with a body
of BODY_BYTES each time. Exit code 1 when an answer was another one.
  pace 127.0.0.1:8080 3000 100 18000 1024";

#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Where requests go.
    address: SocketAddr,
    /// Requests a second.
    rate: f64,
    connections: u32,
    /// Requests over all connections.
    requests: u32,
    /// Length of the right body.
    body_bytes: usize,
}

impl Plan {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let plan = Self {
            address: words.next()?.parse().ok()?,
            rate: words.next()?.parse().ok().filter(|rate| (0.1..=1e6).contains(rate))?,
            connections: words.next()?.parse().ok().filter(|count| (1..=1000).contains(count))?,
            requests: words.next()?.parse().ok()?,
            body_bytes: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(plan)
    }

    /// When request `number` falls due.
    fn due(&self, start: Instant, number: u32) -> Instant {
        start + Duration::from_secs_f64(f64::from(number) / self.rate)
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// Latency of right answers, in nanoseconds.
    latency_ns: Vec<u64>,
    /// Requests that were due while the connection was busy.
    late: u64,
    failure: Option<String>,
}

/// Takes every N-th request, beginning with `first`.
fn ride(plan: &Plan, start: Instant, first: u32, mut stream: TcpStream) -> Seen {
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: pace\r\n\r\n", plan.address);
    let mut seen = Seen::default();
    let mut buffer = vec![0; 16 * 1024];
    let step = usize::try_from(plan.connections).unwrap_or(1);
    for number in (first..plan.requests).step_by(step) {
        let due = plan.due(start, number);
        let wait = due.saturating_duration_since(Instant::now());
        let begin = if wait.is_zero() {
            seen.late += 1;
            due
        } else {
            thread::sleep(wait);
            Instant::now()
        };
        let answer = stream
            .write_all(request.as_bytes())
            .and_then(|()| read_answer(&mut stream, &mut buffer, plan.body_bytes));
        match answer {
            Ok(()) => seen.latency_ns.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(0)),
            Err(error) => {
                seen.failure = Some(format!("request {number}: {error}"));
                break;
            }
        }
    }
    seen
}

/// Reads one answer; anything but 200 with a body of `body_bytes` is an error.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8], body_bytes: usize) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).filter(|room| !room.is_empty());
        let count = stream.read(room.ok_or_else(|| wrong("the answer is too long"))?)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let answer = buffer.get(..filled).unwrap_or_default();
        let Some(head_bytes) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = answer.get(..head_bytes).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200") {
            let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
            return Err(wrong(&String::from_utf8_lossy(line)));
        }
        if content_length(head) != Some(body_bytes) {
            return Err(wrong("another length of the body"));
        }
        if filled >= head_bytes + 4 + body_bytes {
            return Ok(());
        }
    }
}

/// `Content-Length` of a head.
fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

/// An answer that is not the expected one.
fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Opens all connections, rides them to the end, and gives the line to print.
fn run(plan: &Plan) -> Result<(String, bool), Box<dyn Error>> {
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let stream = TcpStream::connect(plan.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        streams.push(stream);
    }
    let start = Instant::now() + Duration::from_millis(50);
    let seen: Vec<Seen> = thread::scope(|scope| {
        let ride = |(first, stream)| scope.spawn(move || ride(plan, start, first, stream));
        let threads: Vec<_> = (0..plan.connections).zip(streams).map(ride).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut latency_ns: Vec<u64> = seen.iter().flat_map(|seen| &seen.latency_ns).copied().collect();
    latency_ns.sort_unstable();
    let at = |per_mille: usize| {
        let index = (latency_ns.len() * per_mille / 1000).min(latency_ns.len().saturating_sub(1));
        latency_ns.get(index).copied().unwrap_or(0) / 100
    };
    let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
    let failure = seen.iter().find_map(|seen| seen.failure.clone());
    let line = format!(
        "{{\"answered\": {}, \"seconds\": {seconds:.3}, \"late\": {}, \"p50_us\": {}, \
         \"p90_us\": {}, \"p99_us\": {}, \"p999_us\": {}, \"failure\": {:?}}}",
        latency_ns.len(),
        seen.iter().map(|seen| seen.late).sum::<u64>(),
        tenths(at(500)),
        tenths(at(900)),
        tenths(at(990)),
        tenths(at(999)),
        failure.as_deref().unwrap_or(""),
    );
    Ok((line, failure.is_none() && latency_ns.len() == plan.requests as usize))
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let Some(plan) = Plan::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&plan) {
        Ok((line, is_right)) => {
            println!("{line}");
            ExitCode::from(u8::from(!is_right))
        }
        Err(error) => {
            eprintln!("pace: {}: {error}", plan.address);
            ExitCode::FAILURE
        }
    }
}
