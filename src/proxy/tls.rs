//! TLS of listeners: certificates read once at start, ALPN for HTTP/2.
//!
//! Not here: what makes a file usable (`config::certificates`), TLS towards endpoints.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{HandshakeKind, ServerConfig, ServerConnection};

use super::StartError;
use super::connection::TlsFacts;
use crate::config::{self, certificates};

/// The acceptor of a listener.
pub(super) fn acceptor(tls: &config::ListenerTls, http2: bool) -> Result<TlsAcceptor, StartError> {
    let identity = certificates::identity(&tls.cert_file, &tls.key_file)?;
    let mut server = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    server.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// What a finished handshake agreed on.
pub(super) fn facts(session: &ServerConnection, handshake: Duration) -> TlsFacts {
    use tokio_rustls::rustls::ProtocolVersion;
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "unknown",
    };
    TlsFacts {
        handshake,
        version,
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown"),
        server_name: session.server_name().map(str::to_owned),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}
