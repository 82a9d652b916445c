//! A receiver of HTTP that keeps what it got and answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait of a test for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request: its first line, its fields with names in small letters, its body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is sent back to the request of this number, from 0; `None`: nothing, for ever.
type Script = dyn Fn(usize) -> Option<String> + Send + Sync;

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

/// An answer without fields.
pub(super) fn status(code: u16) -> String {
    answer(code, "", "{}")
}

/// An answer; `fields` end each with a line feed.
pub(super) fn answer(code: u16, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n{fields}\r\n{body}"
    )
}

impl Receiver {
    pub(super) fn start(script: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        // Ends with the process of the tests; it waits in accept and costs nothing.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, script) = (Arc::clone(&all), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &seen, &*script));
            }
        });
        Self { address, seen }
    }

    /// Takes everything.
    pub(super) fn taking() -> Self {
        Self::start(|_| Some(status(202)))
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub(super) fn await_count(&self, count: usize) -> Vec<Request> {
        wait_for("requests", || {
            let seen = self.seen();
            (seen.len() >= count).then_some(seen)
        })
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Request>>, script: &Script) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let Some(line) = next().filter(|line| !line.is_empty()) else { return };
    let mut fields = Vec::new();
    while let Some(field) = next().filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once(':').unwrap();
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = fields.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    lines.read_exact(&mut body).unwrap();
    let request = Request { line, fields, body: String::from_utf8(body).unwrap() };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    match script(number) {
        Some(answer) => drop(writer.write_all(answer.as_bytes())),
        // Until the other side has had enough.
        None => drop(lines.read(&mut [0])),
    }
}

/// Statuses and keys of the webhook's messages that a receiver got.
pub(super) fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let seen = receiver.seen().into_iter().map(|request| request.json());
    seen.map(|body| (text(&body["status"]), text(&body["groupKey"]))).collect()
}

/// Waits until `check` gives a value.
pub(super) fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < until, "no {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
