//! One real request through a listener, with each part of the time it takes.
//!
//! `OPTIONS *` with `Max-Forwards: 0` is answered by the first proxy that gets it (RFC 9110 §7.6.2),
//! so no service is asked. [`PROBE_FIELD`] with the token of this process tells the data plane whose
//! it is: it leaves no access record. The socket is ours, so any certificate is taken; whether
//! clients trust it is their question. Not here: when, and what follows (`heartbeat`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::base::clock;
use crate::proxy::PROBE_FIELD;
use crate::record::{HeartbeatRecord, Micros, Status, Text};

/// Most bytes of an answer: ours has some 200.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// What a probe found; parts that were not reached are absent.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// The whole.
    pub(super) duration: Duration,
    connect: Option<Duration>,
    tls: Option<Duration>,
    /// Request handed to the socket.
    write: Option<Duration>,
    /// From there to the first byte.
    first_byte: Option<Duration>,
    /// From there to the last.
    content: Option<Duration>,
    status: Option<u16>,
    /// Step that failed, and what was said.
    pub(super) error: Option<(&'static str, String)>,
}

/// A span as records have it.
fn micros(span: Duration) -> Micros {
    Micros(clock::micros(span))
}

impl Finding {
    /// Puts what was found into a record.
    pub(super) fn fill<'a>(&'a self, record: &mut HeartbeatRecord<'a>) {
        record.monitor_duration_us = Some(micros(self.duration));
        record.probe_connect_us = self.connect.map(micros);
        record.probe_tls_us = self.tls.map(micros);
        record.probe_write_us = self.write.map(micros);
        record.probe_first_byte_us = self.first_byte.map(micros);
        record.probe_content_us = self.content.map(micros);
        let total = [self.write, self.first_byte, self.content].into_iter().flatten().sum();
        record.probe_total_us = self.content.map(|_| micros(total));
        record.status = self.status.map(Status);
        if let Some((step, message)) = &self.error {
            record.error_type = Some(Text(step.as_bytes()));
            record.error_message = Some(Text(message.as_bytes()));
        }
    }
}

pub(super) struct Prober {
    /// The token of this process.
    token: String,
    /// Longest wait for one listener.
    timeout: Duration,
    /// Towards listeners with TLS; `None` when it cannot be had.
    tls: Option<TlsConnector>,
}

impl Prober {
    /// With the token that the data plane knows.
    pub(super) fn new(token: String, timeout: Duration) -> Self {
        Self { token, timeout, tls: connector().ok() }
    }

    /// Sends one request. Never fails: what went wrong is in the finding.
    pub(super) async fn probe(&self, address: SocketAddr, is_tls: bool) -> Finding {
        let mut finding = Finding::default();
        let begun = Instant::now();
        let steps = self.steps(address, is_tls, &mut finding);
        let error = match tokio::time::timeout(self.timeout, steps).await {
            Ok(result) => result.err(),
            Err(_) => Some(("timeout", format!("no answer within {:?}", self.timeout))),
        };
        finding.duration = begun.elapsed();
        finding.error = error;
        finding
    }

    async fn steps(
        &self,
        address: SocketAddr,
        is_tls: bool,
        finding: &mut Finding,
    ) -> Result<(), (&'static str, String)> {
        let fail = |step| move |error: std::io::Error| (step, error.to_string());
        let begun = Instant::now();
        let stream = TcpStream::connect(address).await.map_err(fail("connect"))?;
        finding.connect = Some(begun.elapsed());
        if !is_tls {
            return self.ask(stream, address, finding).await;
        }
        let Some(tls) = &self.tls else { return Err(("tls", "TLS cannot be had".to_owned())) };
        let begun = Instant::now();
        let name = ServerName::IpAddress(address.ip().into());
        let stream = tls.connect(name, stream).await.map_err(fail("tls"))?;
        finding.tls = Some(begun.elapsed());
        self.ask(stream, address, finding).await
    }

    async fn ask(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        address: SocketAddr,
        finding: &mut Finding,
    ) -> Result<(), (&'static str, String)> {
        let fail = |step| move |error: std::io::Error| (step, error.to_string());
        let request = format!(
            "OPTIONS * HTTP/1.1\r\nHost: {address}\r\nMax-Forwards: 0\r\n\
             {PROBE_FIELD}: {}\r\nConnection: close\r\n\r\n",
            self.token
        );
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await.map_err(fail("write"))?;
        stream.flush().await.map_err(fail("write"))?;
        let written = Instant::now();
        finding.write = Some(written - begun);
        let mut answer = Vec::new();
        let mut first = None;
        while !is_whole(&answer) {
            let count = stream.read_buf(&mut answer).await.map_err(fail("read"))?;
            first.get_or_insert_with(Instant::now);
            if count == 0 || answer.len() > ANSWER_BYTES_MAX {
                return Err(("read", format!("{} bytes and no whole answer", answer.len())));
            }
        }
        let first = first.unwrap_or(written);
        finding.first_byte = Some(first - written);
        finding.content = Some(first.elapsed());
        let status = status(&answer);
        finding.status = status;
        match status {
            Some(200) => Ok(()),
            _ => Err(("status", "the listener did not answer 200".to_owned())),
        }
    }
}

/// Where a listener's answer ends: its head gives the length.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

/// The status in the first line.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|&byte| byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// A TLS client for our own listeners.
fn connector() -> Result<TlsConnector, Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OurOwn(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each probe makes the whole handshake, as a new client would.
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes any certificate, and sees to it that the listener holds its key.
#[derive(Debug)]
struct OurOwn(Arc<CryptoProvider>);

impl ServerCertVerifier for OurOwn {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        for (answer, want) in [
            ("", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ] {
            assert_eq!(is_whole(answer.as_bytes()), want, "{answer:?}");
        }
        assert_eq!(status(b"HTTP/1.1 503 Service\r\n"), Some(503));
        assert_eq!(status(b"SSH-2.0"), None);
    }

    #[test]
    fn a_step_that_fails_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let prober = Prober::new("t".to_owned(), Duration::from_millis(50));
        let step = |is_tls| {
            let finding = runtime.block_on(prober.probe(address, is_tls));
            let mut record = HeartbeatRecord::default();
            finding.fill(&mut record);
            assert_eq!(record.error_type, finding.error.as_ref().map(|e| Text(e.0.as_bytes())));
            let is_connected = record.probe_connect_us.is_some();
            (finding.error.map(|(step, _)| step), is_connected)
        };
        // The kernel takes the connection, nobody answers.
        assert_eq!(step(false), (Some("timeout"), true));
        assert_eq!(step(true), (Some("timeout"), true));
        drop(listener);
        assert_eq!(step(false), (Some("connect"), false));
    }
}
