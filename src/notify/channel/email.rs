//! Mail by SMTP (RFC 5321, RFC 5322). The `Message-ID` follows from the alert and what is told of it, so
//! that a mail that is sent twice is one to programs that read it, and the end of an alert answers its
//! begin.
//!
//! Invariants: a reader whom the server does not take keeps no mail from the others; only what is said of
//! the mail's content is final, for login, sender and readers can be mended while it waits.

use std::io;
use std::sync::Arc;

use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::commands::{Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::answer::Answer;
use super::super::message::{Message, cut};
use super::super::smtp::{Connection, Fault, Manner, words};
use super::reveal;
use crate::config::{self, Channel, MailTls, Target, certificates};
use crate::web::Secrets;

/// Most characters of a server's words.
const WORDS_CHARS_MAX: usize = 300;

/// A mail, and what its conversation needs of files.
#[derive(Debug)]
pub(in super::super) struct Letter {
    mail: Mail,
    /// `None` without encryption.
    tls: Option<Arc<ClientConfig>>,
    login: Option<Credentials>,
    /// What must not come back in words.
    secrets: Secrets,
}

/// The mail for a message. Reads files, which may block.
///
/// # Errors
/// In words, without a secret.
pub(super) fn letter(channel: &Channel, message: &Message) -> io::Result<Letter> {
    let Target::Email { tls, login, from, to, .. } = &channel.target else {
        return Err(io::Error::other("is no channel of mail"));
    };
    let mail = mail(from, to, message)?;
    let tls = match tls {
        MailTls::None => None,
        MailTls::StartTls | MailTls::Tls => Some(trust(channel)?),
    };
    let mut secrets = Secrets::default();
    let login = match login {
        None => None,
        Some((user, password)) => {
            let password = reveal("password_file", password)?;
            secrets = secrets.and([password.clone(), format!("\0{user}\0{password}")]);
            Some(Credentials::new(user.clone(), password))
        }
    };
    Ok(Letter { mail, tls, login, secrets })
}

/// Sends a mail; ends when it is dropped, whatever the server does.
pub(in super::super) async fn send(channel: &Channel, letter: &Letter) -> Answer {
    let words = |text: &str| cut(&letter.secrets.mask(text), WORDS_CHARS_MAX);
    match converse(channel, letter).await {
        Ok(text) => Answer::Taken(words(&text)),
        Err((fault, true)) => Answer::Refused(words(&fault)),
        Err((fault, false)) => Answer::later(words(&fault)),
    }
}

/// The conversation, from the first byte to the last; its words may hold secrets. With a fault it says
/// whether it is final.
async fn converse(channel: &Channel, letter: &Letter) -> Result<String, (String, bool)> {
    let later = |fault: Fault| (fault.to_string(), false);
    let mut connection = connect(channel, letter).await.map_err(later)?;
    let envelope = letter.mail.envelope();
    let sender = From::new(envelope.from().cloned(), Vec::new());
    connection.command(sender).await.map_err(later)?;
    let mut untaken = Vec::new();
    for reader in envelope.to() {
        match connection.command(Rcpt::new(reader.clone(), Vec::new())).await {
            Ok(_) => (),
            Err(fault @ Fault::Said(_)) => untaken.push(format!("{reader}: {fault}")),
            Err(fault) => return Err(later(fault)),
        }
    }
    if untaken.len() == envelope.to().len() {
        return Err((untaken.join("; "), false));
    }
    if !untaken.is_empty() {
        let (channel, reason) = (&channel.name, letter.secrets.mask(&untaken.join("; ")));
        tracing::warn!(channel, reason, "notify: one of its addresses does not take alerts");
    }
    connection.data().await.map_err(later)?;
    let reply = connection.mail(&letter.mail.formatted()).await;
    let reply = reply.map_err(|fault| (fault.to_string(), fault.is_permanent()))?;
    connection.quit().await; // it has the mail
    Ok(format!("SMTP {} {}", reply.code(), words(&reply)))
}

/// A connection that is encrypted and logged in as the channel wants it.
async fn connect(channel: &Channel, letter: &Letter) -> Result<Connection, Fault> {
    let Target::Email { server, port, tls, .. } = &channel.target else {
        return Err(Fault::Broken("is no channel of mail".to_owned()));
    };
    let name = ClientId::Domain(config::hostname());
    let manner = Manner { server, port: *port, limit: channel.timeout, name };
    let mut connection = match (tls, letter.tls.clone()) {
        (MailTls::StartTls, Some(trust)) => {
            Connection::open(&manner, None).await?.start_tls(&manner, trust).await?
        }
        (_, at_once) => Connection::open(&manner, at_once).await?,
    };
    if let Some(login) = &letter.login {
        connection.log_in(login).await?;
    }
    Ok(connection)
}

/// Whose certificates are taken.
fn trust(channel: &Channel) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &channel.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for root in certificates::roots(path).map_err(io::Error::other)?.certificates {
                roots.add(root).map_err(io::Error::other)?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn mail(from: &Address, to: &[Address], message: &Message) -> io::Result<Mail> {
    let mailbox = |address: &Address| Mailbox::new(None, address.clone());
    let host = from.domain();
    let alert = message.key.rsplit('/').next().unwrap_or_default();
    // The same for the same alert, another for the next time that it fires.
    let first = format!("<{alert}.{}@{host}>", message.since_ms);
    let id = match message.resolved_ms {
        None => first.clone(),
        Some(_) => format!("<{alert}.{}.over@{host}>", message.since_ms),
    };
    let mut builder = Mail::builder()
        .from(mailbox(from))
        .subject(message.headline())
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN);
    for one in to {
        builder = builder.to(mailbox(one));
    }
    if !message.is_firing() {
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    builder.body(message.body()).map_err(io::Error::other)
}
