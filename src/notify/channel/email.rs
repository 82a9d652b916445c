//! Mail by SMTP (RFC 5321, RFC 5322). The `Message-ID` follows from the alert and what is told of it, so
//! that a mail that is sent twice is one to programs that read it, and the end of an alert answers its
//! begin.
//!
//! Invariants: a reader whom the server does not take keeps no mail from the others; only what is said of
//! the mail's content is final, for login, sender and readers can be mended while it waits.

use std::io;
use std::time::Duration;

use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::super::answer::Answer;
use super::super::message::{Message, cut};
use super::reveal;
use crate::config::{self, Channel, MailTls, Target, certificates};
use crate::web::{Secrets, chain};

/// Most characters of a server's words.
const WORDS_CHARS_MAX: usize = 300;

/// Sends a mail. Blocks; each step of the conversation ends within the channel's limit.
pub(in super::super) fn send(channel: &Channel, message: &Message) -> Answer {
    let Target::Email { from, to, .. } = &channel.target else {
        return Answer::Refused("is no channel of mail".to_owned());
    };
    let mail = match mail(from, to, message) {
        Ok(mail) => mail,
        Err(reason) => return Answer::Refused(reason),
    };
    let mut secrets = Secrets::default();
    let answer = converse(channel, &mail, &mut secrets);
    let words = |text: &str| cut(&secrets.mask(text), WORDS_CHARS_MAX);
    match answer {
        Answer::Taken(text) => Answer::Taken(words(&text)),
        Answer::Later { after, reason } => Answer::Later { after, reason: words(&reason) },
        Answer::Refused(reason) => Answer::Refused(words(&reason)),
    }
}

/// The conversation, from the first byte to the last; its words may hold `secrets`.
fn converse(channel: &Channel, mail: &Mail, secrets: &mut Secrets) -> Answer {
    let later = |error: SmtpError| Answer::later(chain(&error));
    let mut connection = match connect(channel, secrets) {
        Ok(connection) => connection,
        Err(reason) => return Answer::later(reason),
    };
    let envelope = mail.envelope();
    if let Err(error) = connection.command(From::new(envelope.from().cloned(), Vec::new())) {
        return later(error);
    }
    let mut untaken = Vec::new();
    for reader in envelope.to() {
        match connection.command(Rcpt::new(reader.clone(), Vec::new())) {
            Ok(_) => (),
            Err(error) if error.status().is_some() => {
                untaken.push(format!("{reader}: {}", chain(&error)));
            }
            Err(error) => return later(error),
        }
    }
    if untaken.len() == envelope.to().len() {
        return Answer::later(untaken.join("; "));
    }
    if !untaken.is_empty() {
        let (channel, reason) = (&channel.name, secrets.mask(&untaken.join("; ")));
        tracing::warn!(channel, reason, "notify: one of its addresses does not take alerts");
    }
    if let Err(error) = connection.command(Data) {
        return later(error);
    }
    match connection.message(&mail.formatted()) {
        Ok(reply) => {
            let _ = connection.quit(); // it has the mail
            let words = reply.message().collect::<Vec<_>>().join(" ");
            Answer::Taken(format!("SMTP {} {words}", reply.code()))
        }
        Err(error) if error.is_permanent() => Answer::Refused(chain(&error)),
        Err(error) => later(error),
    }
}

/// A connection that is encrypted and logged in as the channel wants it.
fn connect(channel: &Channel, secrets: &mut Secrets) -> Result<SmtpConnection, String> {
    let Target::Email { server, port, tls, login, .. } = &channel.target else {
        return Err("is no channel of mail".to_owned());
    };
    let told = |error: SmtpError| chain(&error);
    let parameters = match tls {
        MailTls::None => None,
        MailTls::StartTls | MailTls::Tls => {
            Some(tls_parameters(server, channel).map_err(|error| error.to_string())?)
        }
    };
    let name = ClientId::Domain(config::hostname());
    let timeout = Some(channel.timeout.max(Duration::from_secs(1)));
    let (at_once, upgrade) =
        if *tls == MailTls::Tls { (parameters, None) } else { (None, parameters) };
    let address = (server.as_str(), *port);
    let connection = SmtpConnection::connect(address, timeout, &name, at_once.as_ref(), None);
    let mut connection = connection.map_err(told)?;
    if let Some(parameters) = upgrade {
        connection.starttls(&parameters, &name).map_err(told)?;
    }
    if let Some((user, password)) = login {
        let password = reveal("password_file", password).map_err(|error| error.to_string())?;
        *secrets = std::mem::take(secrets).and([password.clone()]);
        let login = Credentials::new(user.clone(), password);
        connection.auth(DEFAULT_MECHANISMS, &login).map_err(told)?;
    }
    Ok(connection)
}

fn tls_parameters(server: &str, channel: &Channel) -> io::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(server.to_owned());
    if let Some(path) = &channel.ca_file {
        builder = builder.certificate_store(CertificateStore::None);
        for root in certificates::roots(path).map_err(io::Error::other)?.certificates {
            let root = Certificate::from_der(root.to_vec()).map_err(io::Error::other)?;
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build().map_err(io::Error::other)
}

/// The mail; an address that cannot be one is named.
fn mail(from: &str, to: &[String], message: &Message) -> Result<Mail, String> {
    let address = |text: &str| {
        let address = text.parse::<Address>();
        address.map(|one| Mailbox::new(None, one)).map_err(|error| format!("{text}: {error}"))
    };
    let host = from.rsplit('@').next().unwrap_or("lbproxy");
    let alert = message.key.rsplit('/').next().unwrap_or_default();
    // The same for the same alert, another for the next time that it fires.
    let first = format!("<{alert}.{}@{host}>", message.since_ms);
    let id = match message.resolved_ms {
        None => first.clone(),
        Some(_) => format!("<{alert}.{}.over@{host}>", message.since_ms),
    };
    let mut builder = Mail::builder()
        .from(address(from)?)
        .subject(message.headline())
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN);
    for one in to {
        builder = builder.to(address(one)?);
    }
    if !message.is_firing() {
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    builder.body(message.body()).map_err(|error| error.to_string())
}
