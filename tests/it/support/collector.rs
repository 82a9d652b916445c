//! Collectors for the tests: a receiver of OTLP/gRPC that answers as it is told, and the real
//! OpenTelemetry Collector.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::{part, reserve, tls::fixture, wait_for};

/// What the receiver does with a request.
pub(crate) enum Reply {
    Take,
    /// Takes all but so many spans.
    TakeAllBut(i64),
    Refuse(Status),
    /// Never answers.
    Hang,
}

/// What the receiver does with the request of this number, from 0.
type Script = dyn Fn(usize) -> Reply + Send + Sync;

/// A receiver of OTLP/gRPC; what it took is kept. Ends when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Seen {
    script: Box<Script>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: usize,
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
    resource: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
}

impl Receiver {
    /// On any free port.
    pub(crate) fn start(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    pub(crate) fn on(
        address: SocketAddr,
        script: impl Fn(usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen { script: Box::new(script), state: Mutex::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = wait_for("the receiver's port", || {
            runtime.block_on(tokio::net::TcpListener::bind(address)).ok()
        });
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::from_arc(Arc::clone(&seen)))
            .add_service(LogsServiceServer::from_arc(Arc::clone(&seen)));
        runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { address, seen, runtime: Some(runtime) }
    }

    /// Spans that were taken, in order.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.seen.state.lock().unwrap().spans.clone()
    }

    /// Log records that were taken.
    pub(crate) fn logs(&self) -> Vec<LogRecord> {
        self.seen.state.lock().unwrap().logs.clone()
    }

    /// Attributes of the last resource.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        self.seen.state.lock().unwrap().resource.clone()
    }

    /// A field of the last request.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.seen.state.lock().unwrap().fields.get(name).cloned()
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.state.lock().unwrap().requests
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Seen {
    /// What to do with the next request.
    fn next(&self, fields: &tonic::metadata::MetadataMap) -> Reply {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        for field in fields.iter() {
            if let tonic::metadata::KeyAndValueRef::Ascii(key, value) = field {
                state.fields.insert(key.to_string(), value.to_str().unwrap().to_owned());
            }
        }
        (self.script)(state.requests - 1)
    }
}

pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = match attribute.value.clone().unwrap().value.unwrap() {
            Any::StringValue(text) => text,
            Any::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key.clone(), value)
    };
    attributes.iter().map(text).collect()
}

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let rejected = match self.next(request.metadata()) {
            Reply::Take => 0,
            Reply::TakeAllBut(count) => count,
            Reply::Refuse(status) => return Err(status),
            Reply::Hang => std::future::pending().await,
        };
        let mut state = self.state.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            state.resource = texts(&resource.resource.unwrap().attributes);
            state.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        let error_message = if rejected > 0 { "too many".to_owned() } else { String::new() };
        let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message };
        Ok(Response::new(ExportTraceServiceResponse { partial_success: Some(partial) }))
    }
}

#[tonic::async_trait]
impl LogsService for Seen {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        if let Reply::Refuse(status) = self.next(request.metadata()) {
            return Err(status);
        }
        let mut state = self.state.lock().unwrap();
        for resource in request.into_inner().resource_logs {
            state.logs.extend(resource.scope_logs.into_iter().flat_map(|scope| scope.log_records));
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

/// The real collector, which prints what it receives. Ends when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    printed: Arc<Mutex<String>>,
    _dir: tempfile::TempDir,
}

impl Collector {
    /// Starts it and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts it with TLS: the signed certificate of the fixtures; clients must have one too.
    pub(crate) fn start_tls() -> Self {
        let file = |name| fixture(name).display().to_string();
        Self::start_with(&format!(
            ", tls: {{cert_file: {}, key_file: {}, client_ca_file: {}}}",
            file("signed.pem"),
            file("signed-key.pem"),
            file("ca.pem")
        ))
    }

    /// Starts it with further keys of both its sockets.
    fn start_with(keys: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ((grpc, one), (http, other)) = (reserve(), reserve());
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"{grpc}\"{keys}}}, \
             http: {{endpoint: \"{http}\"{keys}}}}}}}}}\n\
             exporters: {{debug: {{verbosity: detailed}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
             traces: {{receivers: [otlp], exporters: [debug]}}\n    \
             logs: {{receivers: [otlp], exporters: [debug]}}\n"
        );
        let file = dir.path().join("otelcol.yaml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(part("otelcol"))
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (copy, stderr) = (Arc::clone(&printed), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                copy.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        drop((one, other));
        let collector = Self { child, grpc, http, printed, _dir: dir };
        wait_for("the collector", || {
            collector.printed().contains("Everything is ready").then_some(())
        });
        collector
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Its spans: what stands before each colon, and behind it.
    pub(crate) fn spans(&self) -> Vec<BTreeMap<String, String>> {
        let printed = self.printed();
        let parts = printed.split("\nSpan #").skip(1);
        parts
            .map(|part| {
                let lines = part.lines().skip(1).take_while(|line| !line.starts_with("ScopeSpans"));
                let lines = lines.take_while(|line| !line.starts_with("20"));
                let pairs = lines.filter_map(|line| line.split_once(':'));
                pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
            })
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the collector printed:\n{}", self.printed());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
