//! What every test stands on, also those of the boards, which are a package of their own: waits with a
//! limit, raw requests, reserved ports.

use std::io::{BufRead, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for anything; only a broken program reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Waits at most this long until `check` gives a value.
pub(crate) fn wait_within<T>(
    patience: Duration,
    what: &str,
    mut check: impl FnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + patience;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A connection with a limit on every wait.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A response as it came over the wire.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) wire_bytes: usize,
}

impl Response {
    /// The value of a field, if present.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The value of a field in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Reads one response; `None` when the connection ends before one.
pub(crate) fn read_response(from: &mut impl BufRead, is_head: bool) -> Option<Response> {
    let head = read_head(from)?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let mut body = Vec::new();
    let mut wire_bytes = head.len();
    if !is_head && status != 204 && status != 304 {
        wire_bytes += read_body(from, &head, &mut body, true);
    }
    Some(Response { status, head, body, wire_bytes })
}

/// Reads to the empty line.
pub(crate) fn read_head(from: &mut impl BufRead) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match from.read_until(b'\n', &mut head) {
            Ok(0) | Err(_) => return None,
            Ok(_) => (),
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Reads a body by its framing; gives its bytes on the wire.
pub(crate) fn read_body(
    from: &mut impl BufRead,
    head: &str,
    body: &mut Vec<u8>,
    to_end: bool,
) -> usize {
    if field(head, "transfer-encoding").is_some() {
        let mut wire = 0;
        loop {
            let mut line = String::new();
            wire += from.read_line(&mut line).unwrap_or(0);
            let Ok(size) = usize::from_str_radix(line.trim().split(';').next().unwrap(), 16) else {
                return wire;
            };
            let mut chunk = vec![0; size + 2];
            if from.read_exact(&mut chunk).is_err() {
                return wire;
            }
            wire += chunk.len();
            if size == 0 {
                return wire;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = field(head, "content-length") {
        from.take(length.parse().unwrap()).read_to_end(body).unwrap_or(0)
    } else if to_end {
        from.read_to_end(body).unwrap_or(0)
    } else {
        0
    }
}

/// The `telemetry` lines that ship to `url`; `extra` stands in the mapping of `elasticsearch`.
pub(crate) fn ship_to(url: &str, namespace: &str, extra: &str) -> String {
    format!(
        "  namespace: {namespace}\n  \
         elasticsearch: {{urls: [\"{url}\"], batch: {{wait: 200ms}}{extra}}}\n"
    )
}

/// An address on loopback that refuses connections, and what reserves it: bound without listening,
/// so that nobody is given the port, and one who asks for this very port may still listen on it.
pub(crate) fn reserve() -> (SocketAddr, socket2::Socket) {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}
