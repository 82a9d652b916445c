//! TLS of listeners: certificates read once at start, ALPN for HTTP/2.
//!
//! Not here: TLS towards endpoints.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{HandshakeKind, ServerConfig, ServerConnection};

use super::StartError;
use super::connection::TlsFacts;
use crate::config;

/// The acceptor of a listener.
///
/// # Errors
/// [`StartError::Tls`] with the file at fault.
pub(super) fn acceptor(tls: &config::ListenerTls, http2: bool) -> Result<TlsAcceptor, StartError> {
    let fail = |file: &Path, problem: String| StartError::Tls { file: file.to_owned(), problem };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(Iterator::collect)
        .map_err(|error| fail(&tls.cert_file, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .map_err(|error| fail(&tls.key_file, error.to_string()))?;
    let mut server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| fail(&tls.cert_file, error.to_string()))?;
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
