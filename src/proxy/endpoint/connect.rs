//! Opening a connection to an endpoint, with each part of the time it takes.
//!
//! Runs on the worker; a name is looked up anew for each connection (`names`, which keeps answers for their
//! TTL), and its addresses are tried in turns, so that one that answers nothing does not starve the next
//! (RFC 8305).
//! Not here: who may connect and how often (`exchange`, `outlier`).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Endpoint;
use crate::names::{self, NameKind};
use crate::proxy::body::RequestBody;
use crate::proxy::counted::Counted;
use crate::proxy::limit::{Deadline, Timer};
use crate::proxy::shortage::{Shortage, Shortages};
use crate::record::{Blame, Reason};

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;
/// An address that has not answered for so long is joined by the next (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Most bytes of a response that are read ahead of a slow downstream, and most of a request that wait
/// for a slow endpoint; also the longest response head, and trailer.
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(in crate::proxy) struct Opened {
    pub(in crate::proxy) sender: SendRequest<RequestBody>,
    /// Name look-up; absent for an IP address.
    pub(in crate::proxy) dns: Option<Duration>,
    pub(in crate::proxy) connect: Duration,
}

/// Opens a connection within the endpoint's connect timeout.
///
/// # Errors
/// For the record; nothing was sent, so the request can go elsewhere.
pub(in crate::proxy) async fn open(
    endpoint: &Rc<Endpoint>,
    timer: &Rc<Timer>,
    shortages: &Shortages,
) -> Result<Opened, Reason> {
    let deadline = Deadline::new(timer);
    deadline.set(endpoint.connect_timeout);
    let mut opening = pin!(open_unlimited(endpoint, shortages));
    poll_fn(|cx| {
        if let Poll::Ready(result) = opening.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        deadline.poll(cx).map(|()| Err(Reason::ConnectTimeout))
    })
    .await
}

/// Looks up, connects, and hands the connection to hyper.
async fn open_unlimited(endpoint: &Endpoint, shortages: &Shortages) -> Result<Opened, Reason> {
    let start = Instant::now();
    let (addresses, dns) = match endpoint.ip {
        Some(ip) => (vec![SocketAddr::new(ip, endpoint.port)], None),
        None => (look_up(endpoint, shortages).await?, Some(start.elapsed())),
    };
    let begun = start + dns.unwrap_or_default();
    let delay = delay(endpoint.connect_timeout, addresses.len());
    let stream = first_of(&addresses, delay, |address| async move {
        let opened = TcpStream::connect(address).await;
        opened.map_err(|error| reason_of(&error, address, shortages))
    })
    .await?;
    let connect = begun.elapsed();
    shortages.connected();
    // Heads and bodies leave in one writev; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    Ok(Opened { sender: handshake(endpoint, stream).await?, dns, connect })
}

/// The addresses of a name, in the order in which they are tried.
async fn look_up(endpoint: &Endpoint, shortages: &Shortages) -> Result<Vec<SocketAddr>, Reason> {
    match names::look_up(&endpoint.host, NameKind::Connect).await {
        Ok(found) => {
            let ips = found.addresses.iter().map(|address| address.ip);
            Ok(in_turns(ips.map(|ip| SocketAddr::new(ip, endpoint.port))))
        }
        Err(failure) => Err(match Shortage::of_look_up(&failure) {
            Some((kind, error)) => {
                shortages.failed(kind, &error, format_args!("looking up {}", endpoint.host));
                kind.reason()
            }
            None => Reason::DnsFailed,
        }),
    }
}

/// Families in turns, beginning with that of the first address (RFC 8305 §4); no more than
/// [`ADDRESSES_MAX`].
fn in_turns(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let is_ipv4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (one, other): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv4() == is_ipv4);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(|| {
        std::mem::swap(&mut one, &mut other);
        other.next().or_else(|| one.next())
    })
    .take(ADDRESSES_MAX)
    .collect()
}

/// How long an address may be tried alone: the last of them still has its share of the time.
fn delay(timeout: Duration, addresses: usize) -> Duration {
    let share = timeout / u32::try_from(addresses).unwrap_or(u32::MAX).max(1);
    share.min(ATTEMPT_DELAY)
}

/// The first connection that can be made (RFC 8305 §5): each next address is tried when the last one
/// has failed, or has not answered for `delay`; those before are still waited for.
///
/// # Errors
/// When none can be made: the last failure, but one of our own before any other, since then nobody
/// knows what the endpoint would have said. [`Reason::DnsFailed`] without an address.
async fn first_of<S, F: Future<Output = Result<S, Reason>>>(
    addresses: &[SocketAddr],
    delay: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<S, Reason> {
    if let [address] = addresses {
        return connect(*address).await;
    }
    let mut next = addresses.iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut pause = pin!(tokio::time::sleep(delay));
    let mut is_due = true;
    let mut failed = Reason::DnsFailed;
    poll_fn(|cx| {
        loop {
            if is_due && let Some(&address) = next.next() {
                attempts.push(Box::pin(connect(address)));
                pause.as_mut().reset(tokio::time::Instant::now() + delay);
            }
            is_due = false;
            let mut index = 0;
            while let Some(attempt) = attempts.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(reason)) => {
                        drop(attempts.remove(index));
                        is_due = true;
                        if failed.blame() != Blame::Proxy {
                            failed = reason;
                        }
                    }
                }
            }
            if next.as_slice().is_empty() {
                return if attempts.is_empty() { Poll::Ready(Err(failed)) } else { Poll::Pending };
            }
            is_due |= pause.as_mut().poll(cx).is_ready();
            if !is_due {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Starts hyper's client on `stream`, on this worker.
async fn handshake(
    endpoint: &Endpoint,
    stream: TcpStream,
) -> Result<SendRequest<RequestBody>, Reason> {
    let stream = Counted::new(stream, Arc::clone(&endpoint.metrics));
    let (sender, connection) = Builder::new()
        .preserve_header_case(true)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(BUFFER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Reason::ConnectFailed)?;
    tokio::task::spawn_local(async move {
        // How it ended is seen by the exchange that rode it; an idle one that closes is no event.
        let _ = connection.await;
    });
    Ok(sender)
}

/// The record's word for a failed connect. What the system refuses us is told and counted here.
fn reason_of(error: &io::Error, address: SocketAddr, shortages: &Shortages) -> Reason {
    if let Some(kind) = Shortage::of_connect(error, address) {
        shortages.failed(kind, error, format_args!("connecting to {address}"));
        return kind.reason();
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::ConnectFailed,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// The address of a row: by its last number, IPv6 from 100 on.
    fn address(number: u8) -> SocketAddr {
        if number < 100 {
            ([192, 0, 2, number], 80).into()
        } else {
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()], 80).into()
        }
    }

    #[test]
    fn families_take_turns_and_the_first_keeps_its_place() {
        for (found, want) in [
            (&[][..], &[][..]),
            (&[1], &[1]),
            (&[1, 2, 3], &[1, 2, 3]),
            (&[101, 102, 103, 1, 2], &[101, 1, 102, 2, 103]),
            (&[1, 101, 102], &[1, 101, 102]),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 2, 3, 4, 5, 6, 7, 8]),
        ] {
            let turns = in_turns(found.iter().copied().map(address));
            let want: Vec<_> = want.iter().copied().map(address).collect();
            assert_eq!(turns, want, "{found:?}");
        }
    }

    #[test]
    fn the_last_address_has_its_share_of_the_time() {
        for (timeout_ms, addresses, want_ms) in
            [(2_000, 1, 250), (2_000, 2, 250), (200, 4, 50), (1, 8, 0), (10, 0, 10)]
        {
            let delay = delay(Duration::from_millis(timeout_ms), addresses);
            assert_eq!(delay.as_millis(), want_ms, "{timeout_ms} ms, {addresses} addresses");
        }
    }

    /// What becomes of a name whose addresses behave like this; then which of them were tried.
    fn race(
        behaviours: &[Option<Result<u8, Reason>>],
        delay: Duration,
    ) -> (Result<u8, Reason>, usize) {
        let tried = RefCell::new(0);
        let addresses: Vec<_> = (0_u8..).zip(behaviours).map(|(n, _)| address(n)).collect();
        let result =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(
                async {
                    let connecting = first_of(&addresses, delay, |_| {
                        let behaviour = behaviours[*tried.borrow()];
                        *tried.borrow_mut() += 1;
                        async move {
                            match behaviour {
                                Some(result) => result,
                                None => std::future::pending().await,
                            }
                        }
                    });
                    let patience = Duration::from_mins(1);
                    tokio::time::timeout(patience, connecting).await.expect("it hangs")
                },
            );
        (result, tried.into_inner())
    }

    /// Goal: no address keeps another from its turn. Method: addresses that answer nothing, fail or
    /// answer; a delay that passes at once, or never.
    #[test]
    fn an_address_that_answers_nothing_does_not_keep_the_next_from_its_turn() {
        use Reason::{ConnectFailed, ConnectRefused, DnsFailed, NoDescriptor};
        let (hole, good) = (None, Some(Ok(7)));
        let refused = Some(Err(ConnectRefused));
        let never = Duration::from_hours(1);
        let soon = Duration::from_millis(1);
        for (name, behaviours, delay, want, tried) in [
            ("no address", &[][..], never, Err(DnsFailed), 0),
            ("one that answers", &[good], never, Ok(7), 1),
            ("the first answers: nobody else is called", &[good, hole], never, Ok(7), 1),
            ("behind a black hole", &[hole, good], soon, Ok(7), 2),
            ("behind two of them", &[hole, hole, good], soon, Ok(7), 3),
            ("a refusal is no wait", &[refused, good], never, Ok(7), 2),
            ("a refusal behind a black hole", &[hole, refused, good], soon, Ok(7), 3),
            (
                "the last failure",
                &[refused, Some(Err(ConnectFailed))],
                never,
                Err(ConnectFailed),
                2,
            ),
            (
                "our own shortage before a refusal",
                &[Some(Err(NoDescriptor)), refused],
                never,
                Err(NoDescriptor),
                2,
            ),
        ] {
            assert_eq!(race(behaviours, delay), (want, tried), "{name}");
        }
    }
}
