//! Answers that an HTTP library would not send: interim responses, trailers, broken heads, cut bodies,
//! resets. Written to the socket byte by byte, HTTP/1.1 only.
//!
//! A request that came before its answer was complete (pipelining) is lost after such an answer.

use std::io;
use std::io::Write as _;
use std::time::Duration;

use super::super::body::{Content, Parts};
use super::script::{After, Fault, Manner, Place, Script};
use super::socket::Socket;

/// What is sent instead of a status line when a malformed head is asked for.
const MALFORMED: &[u8] = b"HTTP/1.1 2OO Fine\r\ncontent length 0\r\n\r\n";

/// A whole answer, ready to be played.
#[derive(Debug)]
pub(super) struct Plan {
    interim: Vec<u8>,
    /// Status line and fields.
    head: Vec<u8>,
    parts: Parts,
    /// Pause before each chunk but the first.
    pause: Duration,
    /// Whether the body is sent in chunked coding.
    is_chunked: bool,
    /// Trailer fields, without the last empty line.
    trailers: Vec<u8>,
    fault: Option<Fault>,
    /// What becomes of the connection.
    after: After,
}

/// What the connection does after an answer was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Serves the next request.
    KeepAlive,
    Close,
    Reset,
}

impl Plan {
    /// Prepares the answer that `script` asks for. `has_body` is false for HEAD, 204 and 304;
    /// `is_last` when the request asked to close.
    pub(super) fn new(
        script: &Script,
        status: http::StatusCode,
        content: Content,
        content_type: &str,
        has_body: bool,
        is_last: bool,
    ) -> Self {
        let is_chunked = (script.chunked || !script.trailers.is_empty()) && has_body;
        let is_last = is_last || script.after == After::Close;
        let mut plan = Self {
            interim: interim(&script.informational),
            head: Vec::new(),
            pause: script.chunk_delay,
            is_chunked,
            trailers: fields(&script.trailers),
            fault: script.fault,
            after: if is_last { After::Close } else { script.after },
            parts: Parts::new(Content::Pattern(0), 1, 0),
        };
        if let Some(raw) = &script.raw {
            (plan.head, plan.after, plan.is_chunked) = (raw.clone(), After::Close, false);
            plan.trailers.clear();
            return plan;
        }
        let reason = status.canonical_reason().unwrap_or("Scripted");
        plan.head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
        plan.head.extend_from_slice(format!("content-type: {content_type}\r\n").as_bytes());
        plan.head.extend(fields(&script.headers));
        if is_chunked {
            plan.head.extend_from_slice(b"transfer-encoding: chunked\r\n");
        } else if status != http::StatusCode::NO_CONTENT {
            plan.head
                .extend_from_slice(format!("content-length: {}\r\n", content.len()).as_bytes());
        }
        if !script.trailers.is_empty() {
            let names: Vec<_> = script.trailers.iter().map(|(name, _)| name.as_str()).collect();
            plan.head.extend_from_slice(format!("trailer: {}\r\n", names.join(", ")).as_bytes());
        }
        if is_last {
            plan.head.extend_from_slice(b"connection: close\r\n");
        }
        plan.head.extend_from_slice(b"\r\n");
        let whole = if has_body { content.len() } else { 0 };
        let end = match script.fault {
            Some(_) => script.cut.unwrap_or(whole / 2).min(whole),
            None => whole,
        };
        plan.parts = Parts::new(content, script.chunks.unwrap_or(1), end);
        plan
    }
}

/// Header fields as they stand on the wire.
fn fields(fields: &[(String, String)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()).collect()
}

/// Interim responses as they stand on the wire.
fn interim(codes: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        let fields = if *code == 103 { "link: </style.css>; rel=preload\r\n" } else { "" };
        // Writing to a Vec cannot fail.
        let _ = write!(out, "HTTP/1.1 {code} Interim\r\n{fields}\r\n");
    }
    out
}

/// Sends the answer; says what the connection does next. A peer that leaves ends it.
pub(super) async fn play(plan: Plan, socket: &Socket) -> End {
    match send(plan, socket).await {
        Ok(end) => end,
        Err(_) => End::Close,
    }
}

/// Sends the answer up to its fault or end.
async fn send(mut plan: Plan, socket: &Socket) -> io::Result<End> {
    socket.write_all(&plan.interim).await?;
    match plan.fault {
        None | Some(Fault { place: Place::Body, .. }) => socket.write_all(&plan.head).await?,
        Some(Fault { manner: Manner::Malformed, .. }) => socket.write_all(MALFORMED).await?,
        Some(Fault { place: Place::Head, .. }) => {
            let half = plan.head.get(..plan.head.len() / 2).unwrap_or_default();
            socket.write_all(half).await?;
        }
        Some(Fault { place: Place::Nothing, .. }) => {}
    }
    if plan.fault.is_none_or(|fault| fault.place == Place::Body) {
        send_body(&mut plan, socket).await?;
    }
    Ok(match plan.fault.map(|fault| fault.manner) {
        None if plan.after == After::KeepAlive => End::KeepAlive,
        None | Some(Manner::Close | Manner::Malformed) => End::Close,
        Some(Manner::Reset) => End::Reset,
        Some(Manner::Hang) => {
            socket.wait_for_end().await;
            End::Close
        }
    })
}

/// Sends the body, with its last chunk and trailers unless a fault comes first.
async fn send_body(plan: &mut Plan, socket: &Socket) -> io::Result<()> {
    while let Some(part) = plan.parts.next() {
        if part.is_paused && !plan.pause.is_zero() {
            tokio::time::sleep(plan.pause).await;
        }
        if plan.is_chunked {
            socket.write_all(format!("{:x}\r\n", part.bytes.len()).as_bytes()).await?;
        }
        socket.write_all(&part.bytes).await?;
        if plan.is_chunked {
            socket.write_all(b"\r\n").await?;
        }
    }
    if plan.is_chunked && plan.fault.is_none() {
        let mut end = b"0\r\n".to_vec();
        end.append(&mut plan.trailers);
        end.extend_from_slice(b"\r\n");
        socket.write_all(&end).await?;
    }
    Ok(())
}
