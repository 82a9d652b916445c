//! A real OpenSearch or Elasticsearch, and what tests ask it.
//!
//! `scripts/server` runs it and stops it when the pipe to the script closes, so a server lives no
//! longer than its guard, and a shared one no longer than this process. A server that can be started
//! again keeps its folder and its port in between; nobody else gets the port.
//!
//! Not here: what documents should say (`audit`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use lbproxy::elk::Product;
use serde_json::{Value, json};
use socket2::Socket;

use crate::support::{Response, connect, read_response, reserve, ship_to, wait_within};

/// Longest wait for a server to end; the script kills it after 30 s.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// Documents of one page of a search.
const PAGE: usize = 5_000;

/// The password of user `elastic`; Elasticsearch asks for it, OpenSearch has no users here.
pub(crate) const PASSWORD: &str = "changeme";
/// `elastic:changeme` for basic authentication.
const CREDENTIALS: &str = "ZWxhc3RpYzpjaGFuZ2VtZQ==";
/// Name of the user with the rights of a test's role, and of that role.
pub(crate) const USER: &str = "shipping";
pub(crate) const USERS_PASSWORD: &str = "shipping-secret";
/// bcrypt of it.
const USERS_PASSWORD_HASH: &str = "$2a$04$cRPRT2SUDdCUDzGp1OoIYuH.QbBlJAvxodsvdFhHP851Gad3NtKPS";
/// Without the second compiler a start takes little more than half the processor time.
const JAVA_OPTIONS: &str = "-XX:TieredStopAtLevel=1";

/// One server, running or not; stops when dropped.
pub(crate) struct RealServer {
    pub(crate) product: Product,
    pub(crate) address: SocketAddr,
    /// Where it is to run, for the script.
    place: Vec<String>,
    script: Option<Child>,
    /// Folder and port of a server that can be started again, held for as long as this lives.
    _kept: Option<(tempfile::TempDir, Socket)>,
}

pub(crate) struct Stored {
    /// The backing index it stands in.
    pub(crate) index: String,
    pub(crate) id: String,
    pub(crate) source: Value,
}

/// Runs a test against both products at once; the thread's name says which one failed.
pub(crate) fn on_both(test: impl Fn(Product) + Sync) {
    std::thread::scope(|scope| {
        let test = &test;
        for product in Product::ALL {
            let thread = std::thread::Builder::new().name(product.as_str().to_owned());
            thread.spawn_scoped(scope, move || test(product)).unwrap();
        }
    });
}

/// The script that runs a server, for tests of any package.
fn script() -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = folders.map(|folder| folder.join("scripts/server"));
    places.find(|place| place.is_file()).unwrap()
}

impl RealServer {
    /// The running server that all tests share, each with a namespace of its own.
    pub(crate) fn shared(product: Product) -> &'static Self {
        static OPENSEARCH: OnceLock<RealServer> = OnceLock::new();
        static ELASTICSEARCH: OnceLock<RealServer> = OnceLock::new();
        let server = match product {
            Product::OpenSearch => &OPENSEARCH,
            Product::Elasticsearch => &ELASTICSEARCH,
        };
        server.get_or_init(|| {
            // Nobody drops a static: the script has a folder of its own and removes it.
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let place = Vec::new();
            let mut shared = Self { product, address, place, script: None, _kept: None };
            shared.start();
            shared
        })
    }

    /// A server of one test, not started yet: its port refuses connections until then.
    pub(crate) fn alone(product: Product) -> Self {
        Self::alone_with(product, &[])
    }

    /// The same with the language that rules of objectives are in: ES|QL or Painless.
    pub(crate) fn alone_with_languages(product: Product) -> Self {
        let mut server = Self::alone(product);
        server.place.extend(["--build", "languages"].map(str::to_owned));
        server
    }

    /// The same with a user who has the rights of `role` and nothing more, where it has users. They
    /// stand in its files before it starts: a running server reads users and roles at two moments, and
    /// whoever asks in between can leave it believing for good that there is no such role.
    pub(crate) fn alone_with_user(product: Product, role: &Value) -> Self {
        let files = [
            ("roles.yml", json!({ USER: role }).to_string()), // JSON is YAML
            ("users_roles", format!("{USER}:{USER}")),
            ("users", format!("{USER}:{USERS_PASSWORD_HASH}")),
        ];
        match product {
            Product::OpenSearch => Self::alone(product),
            Product::Elasticsearch => Self::alone_with(product, &files),
        }
    }

    /// A server of one test with one-line files of its configuration.
    fn alone_with(product: Product, files: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (address, port) = reserve();
        let (path, number) = (dir.path().display().to_string(), address.port().to_string());
        let mut place = vec!["--dir".to_owned(), path, "--port".to_owned(), number];
        if !files.is_empty() {
            let overlay = dir.path().join("overlay");
            std::fs::create_dir(&overlay).unwrap();
            for (name, line) in files {
                std::fs::write(overlay.join(name), format!("{line}\n")).unwrap();
            }
            place.extend(["--config".to_owned(), overlay.display().to_string()]);
        }
        Self { product, address, place, script: None, _kept: Some((dir, port)) }
    }

    /// Starts it, with the data of last time, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let product = self.product.as_str();
        let password: &[_] = match self.product {
            Product::OpenSearch => &[],
            Product::Elasticsearch => &["--password", PASSWORD],
        };
        let mut script = Command::new(script())
            .arg(product)
            .args(["--heap", "512m"])
            .args(&self.place)
            .args(password)
            .env("ES_JAVA_OPTS", JAVA_OPTIONS)
            .env("OPENSEARCH_JAVA_OPTS", JAVA_OPTIONS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim_end().strip_prefix("ready http://") else {
            let mut message = String::new();
            script.stderr.take().unwrap().read_to_string(&mut message).unwrap();
            let _ = script.wait();
            panic!("no {product} for this test:\n{message}");
        };
        self.address = url.parse().unwrap();
        self.script = Some(script);
    }

    /// Stops it in an orderly way and waits for its end.
    pub(crate) fn stop(&mut self) {
        let mut script = self.script.take().expect("it runs");
        drop(script.stdin.take());
        wait_within(STOP_PATIENCE, "the server's end", || script.try_wait().unwrap());
    }

    /// The `telemetry` lines that ship to it.
    pub(crate) fn telemetry(&self, namespace: &str) -> String {
        self.telemetry_with(namespace, &format!("password: {PASSWORD}"))
    }

    /// The same with another `password` or `password_file`, where it asks for one.
    pub(crate) fn telemetry_with(&self, namespace: &str, password: &str) -> String {
        let credentials = match self.product {
            Product::OpenSearch => String::new(),
            Product::Elasticsearch => format!(", username: elastic, {password}"),
        };
        ship_to(&format!("http://{}", self.address), namespace, &credentials)
    }

    /// The `telemetry` lines that ship to it as [`Self::alone_with_user`]'s user, where it has users.
    pub(crate) fn telemetry_as_user(&self, namespace: &str) -> String {
        if self.product == Product::OpenSearch {
            return self.telemetry(namespace);
        }
        let credentials = format!(", username: {USER}, password: {USERS_PASSWORD}");
        ship_to(&format!("http://{}", self.address), namespace, &credentials)
    }

    /// The answer to a `_bulk` with this body.
    pub(crate) fn bulk(&self, body: &str) -> Value {
        let response = self.send("POST", "/_bulk", body);
        serde_json::from_slice(&response.body).unwrap()
    }

    /// One request, with credentials.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.send(method, path, &body.map(Value::to_string).unwrap_or_default())
    }

    /// The same with a body that is a text.
    fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let mut stream = connect(self.address);
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Authorization: Basic {CREDENTIALS}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        read_response(&mut BufReader::new(stream), method == "HEAD").expect("no answer")
    }

    /// The answer to a `GET` that must succeed.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.must("GET", path, None)
    }

    /// The answer to a `POST` that must succeed; `null` sends no body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.must("POST", path, Some(body).filter(|body| !body.is_null()))
    }

    /// The answer to a request that must succeed.
    pub(crate) fn must(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let response = self.call(method, path, body);
        let text = String::from_utf8_lossy(&response.body);
        assert!((200..300).contains(&response.status), "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Every document of a stream over all its backing indices, with the fields named (all of them
    /// when none is).
    pub(crate) fn stored(&self, stream: &str, fields: &[&str]) -> Vec<Stored> {
        self.post(&format!("/{stream}/_refresh"), &Value::Null);
        let fields = if fields.is_empty() { json!(true) } else { json!(fields) };
        let query = json!({"size": PAGE, "sort": ["_doc"], "_source": fields});
        // A scroll is a snapshot: no document is missed or met again between two pages.
        let mut page = self.post(&format!("/{stream}/_search?scroll=1m"), &query);
        let mut all = Vec::new();
        loop {
            let Value::Array(hits) = page["hits"]["hits"].take() else { panic!("no hits: {page}") };
            let scroll = page["_scroll_id"].take();
            if hits.is_empty() {
                self.must("DELETE", "/_search/scroll", Some(&json!({"scroll_id": scroll})));
                return all;
            }
            all.extend(hits.into_iter().map(|mut hit| Stored {
                index: hit["_index"].as_str().unwrap().to_owned(),
                id: hit["_id"].as_str().unwrap().to_owned(),
                source: hit["_source"].take(),
            }));
            page = self.post("/_search/scroll", &json!({"scroll": "1m", "scroll_id": scroll}));
        }
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        if let Some(mut script) = self.script.take() {
            drop(script.stdin.take());
            let _ = script.wait();
        }
    }
}
