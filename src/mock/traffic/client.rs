//! One connection of the generator: opened when needed, opened again after a loss.

use std::fmt::Write as _;
use std::rc::Rc;

use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::OnThread;
use super::super::body::{Content, PacedBody};
use super::{Ask, Exchange, Shared};

/// Why a request has no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection could be opened.
    Connect,
    /// The connection or stream broke, or the answer was no HTTP.
    Broken,
    /// It took too long.
    Timeout,
}

/// The sending side of an open connection.
#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<PacedBody>),
    Http2(http2::SendRequest<PacedBody>),
}

#[derive(Debug)]
pub(super) struct Client {
    shared: Rc<Shared>,
    /// The connection, when one is open.
    sender: Option<Sender>,
}

impl Client {
    /// A client without a connection yet.
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self { shared, sender: None }
    }

    /// Sends one request and reads its answer to the end; fills in what came.
    ///
    /// # Errors
    /// Why there is no whole answer; the connection is given up then.
    pub(super) async fn exchange(&mut self, exchange: &mut Exchange) -> Result<(), Failure> {
        let timeout = self.shared.options.timeout;
        let outcome = match tokio::time::timeout(timeout, self.try_exchange(exchange)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout),
        };
        if outcome.is_err() {
            self.sender = None;
        }
        outcome
    }

    /// Without the timeout.
    async fn try_exchange(&mut self, exchange: &mut Exchange) -> Result<(), Failure> {
        let shared = Rc::clone(&self.shared);
        let ask = shared.options.asks.get(exchange.ask).ok_or(Failure::Broken)?;
        loop {
            let (sender, is_new) = self.ready_sender().await?;
            let request = request(&shared, ask, exchange).ok_or(Failure::Broken)?;
            let answer = match sender {
                Sender::Http1(sender) => sender.send_request(request).await,
                Sender::Http2(sender) => sender.send_request(request).await,
            };
            match answer {
                Ok(answer) => return read(answer, exchange).await,
                // It was closed while idle and the request never left: another connection.
                Err(error) if error.is_canceled() && !is_new => self.sender = None,
                Err(_) => return Err(Failure::Broken),
            }
        }
    }

    /// A sender that can take a request, and whether it was opened for it.
    async fn ready_sender(&mut self) -> Result<(&mut Sender, bool), Failure> {
        let mut kept = self.sender.take();
        let is_ready = match &mut kept {
            Some(Sender::Http1(sender)) => sender.ready().await.is_ok(),
            Some(Sender::Http2(sender)) => sender.ready().await.is_ok(),
            None => false,
        };
        match kept {
            Some(sender) if is_ready => Ok((self.sender.insert(sender), false)),
            _ => {
                let sender = self.open().await.map_err(|_| Failure::Connect)?;
                self.shared.counters.connections.add_owned(1);
                Ok((self.sender.insert(sender), true))
            }
        }
    }

    async fn open(&self) -> Result<Sender, Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(self.shared.options.target).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        if self.shared.options.http2 {
            let (sender, connection) = http2::handshake(OnThread, io).await?;
            tokio::task::spawn_local(connection);
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        tokio::task::spawn_local(connection);
        Ok(Sender::Http1(sender))
    }
}

/// The request of an exchange; `None` when host or path are none.
fn request(shared: &Shared, ask: &Ask, exchange: &Exchange) -> Option<Request<PacedBody>> {
    let options = &shared.options;
    let target = target(options.is_unique, ask, exchange);
    let builder = Request::builder().method(ask.method.clone());
    let builder = if options.http2 {
        builder.uri(format!("http://{}{target}", ask.host))
    } else {
        builder
            .uri(Uri::try_from(target).ok()?)
            .header(HOST, HeaderValue::try_from(&ask.host).ok()?)
    };
    builder.body(PacedBody::whole(Content::Pattern(ask.body_bytes))).ok()
}

/// Path and query of an exchange.
pub(super) fn target(is_unique: bool, ask: &Ask, exchange: &Exchange) -> String {
    let mut target = ask.path.clone();
    if is_unique {
        // Writing to a string cannot fail.
        let _ = write!(target, "/{}/{}", exchange.connection, exchange.number);
    }
    if !ask.query.is_empty() {
        target.push('?');
        target.push_str(&ask.query);
    }
    target
}

/// Reads an answer to its end.
async fn read(answer: Response<Incoming>, exchange: &mut Exchange) -> Result<(), Failure> {
    exchange.status = Some(answer.status().as_u16());
    let mut body = answer.into_body();
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            None => return Ok(()),
            Some(Err(_)) => return Err(Failure::Broken),
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(0, bytes::Bytes::len);
                exchange.response_body_bytes += data as u64;
            }
        }
    }
}
