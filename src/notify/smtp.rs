//! A connection by SMTP (RFC 5321), encrypted and logged in as it is asked for.
//!
//! Invariants: a reply is read up to a bound, and nothing that came in the clear counts once it is
//! encrypted. Whoever waits sets the limit of time; dropped, the connection is closed. Not here: what is
//! sent over it (`channel::email`).

use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Quit, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::web;

/// Most bytes of a reply, all of its lines.
const REPLY_BYTES_MAX: u64 = 16 * 1024;
/// Most questions of a login.
const QUESTIONS_MAX: usize = 10;
/// Longest wait for a good-bye.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// What the server said.
    Said(Response),
    /// No reply, or one that is none.
    Broken(String),
}

impl Fault {
    fn broken(reason: impl Display) -> Self {
        Self::Broken(reason.to_string())
    }

    /// Whether the server says that it will never be otherwise.
    pub(super) fn is_permanent(&self) -> bool {
        let severity = Severity::PermanentNegativeCompletion;
        matches!(self, Self::Said(reply) if reply.code().severity == severity)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(reply) => {
                let kind = if self.is_permanent() { "permanent" } else { "transient" };
                write!(f, "{kind} error ({}): {}", reply.code(), words(reply))
            }
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::broken(error)
    }
}

impl From<lettre::transport::smtp::Error> for Fault {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        Self::broken(error)
    }
}

/// What a reply says, in one line.
pub(super) fn words(reply: &Response) -> String {
    reply.message().collect::<Vec<_>>().join(" ")
}

/// Bytes both ways, in the clear or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a server is spoken to.
pub(super) struct Manner<'a> {
    pub(super) server: &'a str,
    pub(super) port: u16,
    /// Limit of the connection to each of its addresses.
    pub(super) limit: Duration,
    /// Who asks.
    pub(super) name: ClientId,
}

pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    server: ServerInfo,
}

impl Connection {
    /// Connects, encrypted from the first byte if there is `tls`.
    pub(super) async fn open(
        manner: &Manner<'_>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, Fault> {
        let mut stream: Box<dyn Stream> = Box::new(connect(manner).await?);
        if let Some(tls) = tls {
            stream = encrypt(stream, manner.server, tls).await?;
        }
        let mut connection = Self::over(stream);
        connection.reply().await?;
        connection.hello(manner).await?;
        Ok(connection)
    }

    /// The same connection, encrypted from here on.
    pub(super) async fn start_tls(
        mut self,
        manner: &Manner<'_>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, Fault> {
        if !self.server.supports_feature(Extension::StartTls) {
            return Err(Fault::broken("STARTTLS is not supported on this server"));
        }
        self.command(Starttls).await?;
        if !self.stream.buffer().is_empty() {
            return Err(Fault::broken("something stands between STARTTLS and the encryption"));
        }
        let stream = encrypt(self.stream.into_inner(), manner.server, tls).await?;
        let mut connection = Self::over(stream);
        connection.hello(manner).await?;
        Ok(connection)
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), server: ServerInfo::default() }
    }

    async fn hello(&mut self, manner: &Manner<'_>) -> Result<(), Fault> {
        let reply = self.command(Ehlo::new(manner.name.clone())).await?;
        self.server = ServerInfo::from_response(&reply)?;
        Ok(())
    }

    /// Says who asks, with a password.
    pub(super) async fn log_in(&mut self, login: &Credentials) -> Result<(), Fault> {
        let mechanism = self.server.get_auth_mechanism(DEFAULT_MECHANISMS);
        let mechanism = mechanism.ok_or_else(|| Fault::broken("it offers no login by password"))?;
        let mut reply = self.command(Auth::new(mechanism, login.clone(), None)?).await?;
        for _ in 0..QUESTIONS_MAX {
            if !reply.has_code(334) {
                return Ok(());
            }
            let answer = Auth::new_from_response(mechanism, login.clone(), &reply)?;
            reply = self.command(answer).await?;
        }
        Err(Fault::broken("the login has no end"))
    }

    /// The reply to a command; what is no success is a fault.
    pub(super) async fn command(&mut self, command: impl Display) -> Result<Response, Fault> {
        self.write(command.to_string().as_bytes()).await?;
        self.reply().await
    }

    /// Announces the mail.
    pub(super) async fn data(&mut self) -> Result<Response, Fault> {
        self.command(Data).await
    }

    /// Sends the mail; its lines end with CRLF.
    pub(super) async fn mail(&mut self, mail: &[u8]) -> Result<Response, Fault> {
        let mut bytes = Vec::with_capacity(mail.len() + 64);
        for line in mail.split_inclusive(|&byte| byte == b'\n') {
            // A point alone would be the end (RFC 5321, 4.5.2).
            if line.starts_with(b".") {
                bytes.push(b'.');
            }
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(if bytes.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" });
        self.write(&bytes).await?;
        self.reply().await
    }

    /// Ends the connection, which the mail does not wait for.
    pub(super) async fn quit(mut self) {
        let _ = tokio::time::timeout(QUIT_LIMIT, self.command(Quit)).await;
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    async fn reply(&mut self) -> Result<Response, Fault> {
        let mut bytes = Vec::new();
        let mut stream = (&mut self.stream).take(REPLY_BYTES_MAX);
        loop {
            let begin = bytes.len();
            stream.read_until(b'\n', &mut bytes).await?;
            if !bytes[begin..].ends_with(b"\n") {
                let is_long = bytes.len() as u64 == REPLY_BYTES_MAX;
                let reason = if is_long { "its reply is too long" } else { "it hung up" };
                return Err(Fault::broken(reason));
            }
            // A line of which more follow has a hyphen there.
            if bytes[begin..].get(3) != Some(&b'-') {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let reply: Response = text.parse().map_err(|_| Fault::broken("it does not speak SMTP"))?;
        if reply.is_positive() { Ok(reply) } else { Err(Fault::Said(reply)) }
    }
}

/// To the first of the server's addresses that answers.
async fn connect(manner: &Manner<'_>) -> Result<TcpStream, Fault> {
    let mut fault = Fault::broken("its name has no address");
    for address in web::addresses(manner.server).await.map_err(Fault::broken)? {
        let address = SocketAddr::new(address.ip(), manner.port);
        match tokio::time::timeout(manner.limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = error.into(),
            Err(_) => fault = Fault::broken("no connection in time"),
        }
    }
    Err(fault)
}

async fn encrypt(
    stream: Box<dyn Stream>,
    server: &str,
    tls: Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, Fault> {
    let name = ServerName::try_from(server.to_owned()).map_err(Fault::broken)?;
    Ok(Box::new(TlsConnector::from(tls).connect(name, stream).await?))
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What becomes of a mail when the server says `replies` and hangs up, and what it got.
    fn check(replies: &[u8], mail: &[u8]) -> (Result<String, String>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = duplex(1 << 20);
            theirs.write_all(replies).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut connection = Connection::over(Box::new(ours));
            let reply = connection.mail(mail).await;
            drop(connection);
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            (reply.map(|reply| words(&reply)).map_err(|fault| fault.to_string()), got)
        })
    }

    #[test]
    fn a_reply_is_read_up_to_a_bound() {
        let (line, lines) = ("2".repeat(1 << 16), "250-a\r\n".repeat(1 << 13));
        for (name, replies, want) in [
            ("a line", "250 ok\r\n", Ok("ok")),
            ("lines", "250-a\r\n250 b\r\n", Ok("a b")),
            ("refused", "550 no\r\n", Err("permanent error (550): no")),
            ("not now", "451 no\r\n", Err("transient error (451): no")),
            ("another protocol", "HTTP/1.1 400\r\n", Err("it does not speak SMTP")),
            ("nothing", "", Err("it hung up")),
            ("half of it", "250-a\r\n25", Err("it hung up")),
            ("a line without an end", &line, Err("its reply is too long")),
            ("lines without an end", &lines, Err("its reply is too long")),
        ] {
            let got = check(replies.as_bytes(), b"").0;
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{name}");
        }
    }

    #[test]
    fn a_point_of_a_mail_is_not_its_end() {
        for (name, mail, want) in [
            ("with an end of line", "a\r\n", "a\r\n.\r\n"),
            ("without one", "a", "a\r\n.\r\n"),
            ("points", ".\r\na.\r\n..b\r\n", "..\r\na.\r\n...b\r\n.\r\n"),
        ] {
            let (_, got) = check(b"250 ok\r\n", mail.as_bytes());
            assert_eq!(String::from_utf8(got).unwrap(), want, "{name}");
        }
    }
}
