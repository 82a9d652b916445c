//! The connection to the collector: OTLP/gRPC by tonic or OTLP/HTTP by reqwest, one request at a time.
//!
//! Nothing is repeated here; every end is an [`Answer`]. Secrets are read at each use.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::answer::Answer;
use super::connect;
use crate::config::certificates::{self, Unusable};
use crate::config::{Otlp, OtlpHeader, OtlpProtocol};
use crate::web::{self, Secrets, chain};

/// How the generated clients begin when they have no connection to send on.
const NOT_READY: &str = "Service was not ready";
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why there can be no connection.
#[derive(Debug, thiserror::Error)]
#[error("cannot export to telemetry.otlp ({key}): {problem}; {cure}")]
pub struct ClientError {
    /// The key at fault, below `telemetry.otlp`.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub cure: String,
}

impl ClientError {
    /// A file that cannot be used.
    fn unusable(key: &'static str) -> impl FnOnce(Unusable) -> Self {
        move |Unusable { file, problem, cure }| Self {
            key,
            problem: format!("{} {problem}", file.display()),
            cure,
        }
    }

    /// What the client does not take, for whatever reason.
    fn unfit(key: &'static str, error: &dyn std::error::Error) -> Self {
        let cure = "check endpoint, ca_file, cert_file and key_file".to_owned();
        Self { key, problem: chain(error), cure }
    }
}

/// Whether a client can be made of a configuration; connects to nothing.
///
/// # Errors
/// The first key that cannot be used, and its cure.
pub fn check(config: &Otlp) -> Result<(), ClientError> {
    Plan::new(config).map(drop)
}

/// What is needed to connect; nothing is connected yet.
#[derive(Debug)]
pub(super) struct Plan {
    way: PlannedWay,
    headers: Vec<OtlpHeader>,
    timeout: std::time::Duration,
}

/// The way of a [`Plan`].
#[derive(Debug)]
enum PlannedWay {
    Grpc(Box<Endpoint>),
    /// HTTP, with the place of spans and that of log records.
    Http(reqwest::Client, [url::Url; 2]),
}

/// See the head of this file. Lives in a runtime.
#[derive(Debug)]
pub(super) struct Client {
    way: Way,
    /// Fields of every request.
    headers: Vec<OtlpHeader>,
    /// Limit of a request.
    timeout: std::time::Duration,
}

/// The way of a [`Client`].
#[derive(Debug)]
enum Way {
    /// gRPC; the channel connects when it is used, and again after it was lost.
    Grpc(Channel),
    Http(reqwest::Client, [url::Url; 2]),
}

impl Plan {
    pub(super) fn new(config: &Otlp) -> Result<Self, ClientError> {
        let way = match config.protocol {
            OtlpProtocol::Grpc => PlannedWay::Grpc(Box::new(endpoint(config)?)),
            OtlpProtocol::Http => PlannedWay::Http(
                http_client(config)?,
                ["v1/traces", "v1/logs"].map(|path| below(&config.endpoint, path)),
            ),
        };
        Ok(Self { way, headers: config.headers.clone(), timeout: config.timeout })
    }

    /// To be called in a runtime.
    pub(super) fn connect(&self) -> Client {
        let way = match &self.way {
            PlannedWay::Grpc(endpoint) => Way::Grpc(connect::lazily(endpoint, self.timeout)),
            PlannedWay::Http(client, urls) => Way::Http(client.clone(), urls.clone()),
        };
        Client { way, headers: self.headers.clone(), timeout: self.timeout }
    }
}

fn endpoint(config: &Otlp) -> Result<Endpoint, ClientError> {
    let wrong = |key| move |error: tonic::transport::Error| ClientError::unfit(key, &error);
    let endpoint = Endpoint::from_shared(config.endpoint.to_string())
        .and_then(|endpoint| endpoint.user_agent(web::AGENT))
        .map_err(wrong("endpoint"))?
        .connect_timeout(config.timeout);
    if config.endpoint.scheme() != "https" {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match &config.tls.ca_file {
        Some(path) => {
            let roots = certificates::roots(path).map_err(ClientError::unusable("tls.ca_file"))?;
            tls.ca_certificate(tonic::transport::Certificate::from_pem(roots.pem))
        }
        None => tls.with_webpki_roots(),
    };
    if let Some(pem) = identity(config)? {
        // Each takes from it what it looks for.
        tls = tls.identity(tonic::transport::Identity::from_pem(&pem, &pem));
    }
    endpoint.tls_config(tls).map_err(wrong("tls"))
}

fn http_client(config: &Otlp) -> Result<reqwest::Client, ClientError> {
    let wrong = |key| move |error: reqwest::Error| ClientError::unfit(key, &error);
    let mut builder = web::client().connect_timeout(config.timeout);
    if let Some(path) = &config.tls.ca_file {
        let roots = certificates::roots(path).map_err(ClientError::unusable("tls.ca_file"))?;
        builder = web::trusting(builder, &roots.certificates).map_err(wrong("tls.ca_file"))?;
    }
    if let Some(pem) = identity(config)? {
        let identity = reqwest::Identity::from_pem(&pem).map_err(wrong("tls.cert_file"))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(wrong("tls"))
}

/// A place below the endpoint's path.
fn below(endpoint: &url::Url, path: &str) -> url::Url {
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/{path}", endpoint.path().trim_end_matches('/')));
    url
}

/// Certificate and key of this side, if they are configured.
fn identity(config: &Otlp) -> Result<Option<Vec<u8>>, ClientError> {
    let Some(cert) = &config.tls.cert_file else { return Ok(None) };
    certificates::identity_pem(cert, config.tls.key_file.as_deref())
        .map(Some)
        .map_err(ClientError::unusable("tls.cert_file"))
}

impl Client {
    pub(super) async fn traces(&self, request: ExportTraceServiceRequest) -> Answer {
        let partial = |answer: ExportTraceServiceResponse| {
            answer.partial_success.map(|p| (p.rejected_spans, p.error_message))
        };
        let fields = match self.fields() {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        match &self.way {
            Way::Grpc(channel) => {
                let secrets = Secrets::of(&fields);
                let request = grpc_request(request, fields);
                let mut client = TraceServiceClient::new(channel.clone());
                self.grpc(client.export(request), partial, &secrets).await
            }
            Way::Http(client, [url, _]) => self.http(client, url, &request, partial, fields).await,
        }
    }

    pub(super) async fn logs(&self, request: ExportLogsServiceRequest) -> Answer {
        let partial = |answer: ExportLogsServiceResponse| {
            answer.partial_success.map(|p| (p.rejected_log_records, p.error_message))
        };
        let fields = match self.fields() {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        match &self.way {
            Way::Grpc(channel) => {
                let secrets = Secrets::of(&fields);
                let request = grpc_request(request, fields);
                let mut client = LogsServiceClient::new(channel.clone());
                self.grpc(client.export(request), partial, &secrets).await
            }
            Way::Http(client, [_, url]) => self.http(client, url, &request, partial, fields).await,
        }
    }

    /// The fields of a request. A secret that cannot be read now may be there later.
    fn fields(&self) -> Result<HeaderMap, Answer> {
        let mut fields = HeaderMap::new();
        for OtlpHeader { name, value } in &self.headers {
            let value = value.reveal().map_err(|error| {
                Answer::none(&format!("the value of the field {name} cannot be read: {error}"))
            })?;
            let (Ok(field), Ok(mut value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
            else {
                let what = "has characters that HTTP cannot carry";
                return Err(Answer::none(&format!("the value of the field {name} {what}")));
            };
            value.set_sensitive(true);
            fields.append(field, value);
        }
        Ok(fields)
    }

    /// Waits for an answer over gRPC.
    async fn grpc<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
        partial: impl Fn(T) -> Option<(i64, String)>,
        secrets: &Secrets,
    ) -> Answer {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Answer::taken(partial(answer.into_inner()), secrets),
            // No answer at all: the status was made here, of what the connection says.
            Ok(Err(status)) if status.message().starts_with(NOT_READY) => {
                Answer::none(status.message())
            }
            Ok(Err(status)) => match std::error::Error::source(&status) {
                Some(cause) => Answer::none(&chain(cause)),
                None => Answer::of_grpc(&status, secrets),
            },
            Err(_) => Answer::none("no answer in time"),
        }
    }

    async fn http<T: Message + Default>(
        &self,
        client: &reqwest::Client,
        url: &url::Url,
        message: &impl Message,
        partial: impl Fn(T) -> Option<(i64, String)>,
        fields: HeaderMap,
    ) -> Answer {
        let secrets = Secrets::of(&fields);
        let request = client
            .post(url.clone())
            .timeout(self.timeout)
            .header("content-type", "application/x-protobuf")
            .headers(fields)
            .body(message.encode_to_vec());
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::none(&chain(&error.without_url())),
        };
        if let Some(redirect) = web::redirect(&answer) {
            let cure = "name the address that answers itself in telemetry.otlp.endpoint";
            return Answer::Refused { reason: format!("HTTP {redirect}; {cure}") };
        }
        let body = match read_body(&mut answer).await {
            Ok(body) => body,
            Err(error) => return Answer::none(&chain(&error.without_url())),
        };
        if answer.status().is_success() {
            // An answer that is none of the protocol's says nothing of a part.
            return Answer::taken(partial(T::decode(body).unwrap_or_default()), &secrets);
        }
        let retry_after = answer.headers().get("retry-after").and_then(|v| v.to_str().ok());
        let message = tonic_types::pb::Status::decode(body.clone())
            .map_or_else(|_| String::from_utf8_lossy(&body).into_owned(), |status| status.message);
        let status = answer.status().as_u16();
        Answer::of_http(status, retry_after, (&message, &secrets), SystemTime::now())
    }
}

fn grpc_request<T>(message: T, fields: HeaderMap) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(fields);
    request
}

/// The body of an answer, as far as it is read.
async fn read_body(answer: &mut reqwest::Response) -> Result<Bytes, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            body.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(body.into())
}
