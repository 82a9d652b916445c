//! How tonic connects: its own connector has names looked up by `getaddrinfo`, ours by `names`.
//!
//! The rest is tonic's: TLS stands on this connection, a lost one is made anew.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

use crate::names::LookupFailure;
use crate::web;

/// A channel that connects when it is used, each time within `timeout`.
pub(super) fn lazily(endpoint: &Endpoint, timeout: Duration) -> Channel {
    let mut connector = HttpConnector::new_with_resolver(TonicNames);
    connector.enforce_http(false); // TLS is tonic's own
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    endpoint.connect_with_connector_lazy(connector)
}

/// Names looked up as everywhere in this process.
#[derive(Debug, Clone)]
struct TonicNames;

impl Service<Name> for TonicNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LookupFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move { Ok(web::addresses(name.as_str()).await?.into_iter()) })
    }
}
