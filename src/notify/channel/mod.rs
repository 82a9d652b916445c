//! One file per channel: what is sent for a message, and where. Pure but for the files of secrets.
//!
//! Not here: how it is sent and what an answer means (`send`, `answer`), words (`message`).

pub(super) mod alertmanager;
pub(super) mod email;
mod jsm;
mod pagerduty;
mod slack;
mod webhook;

use std::io;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::message::Message;
use crate::config::{Auth, Channel, Secret, Target};
use crate::web::Secrets;
use email::Letter;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) url: url::Url,
    /// Its fields; secrets are marked.
    pub(super) fields: HeaderMap,
    pub(super) body: Vec<u8>,
    /// What must not come back in words.
    pub(super) secrets: Secrets,
}

impl Call {
    /// JSON to a URL; `secrets` are those in the URL or in the body.
    fn json(
        url: url::Url,
        fields: HeaderMap,
        body: &serde_json::Value,
        secrets: impl IntoIterator<Item = String>,
    ) -> Self {
        let secrets = Secrets::of(&fields).and(secrets);
        Self { url, fields, body: body.to_string().into_bytes(), secrets }
    }
}

/// What is sent, with the secrets as they are now.
#[derive(Debug)]
pub(super) enum Outgoing {
    Calls(Vec<Call>),
    Mail(Box<Letter>),
}

/// What is sent for messages, of which only a channel that takes several gets more than one.
pub(super) fn outgoing(
    channel: &Channel,
    messages: &[Arc<Message>],
    now_ms: u64,
) -> io::Result<Outgoing> {
    let calls = match (&channel.target, messages) {
        (Target::Alertmanager { urls, auth }, _) => {
            alertmanager::calls(urls, auth, messages, now_ms)
        }
        (Target::Email { .. }, [message, ..]) => {
            return Ok(Outgoing::Mail(Box::new(email::letter(channel, message)?)));
        }
        _ => messages.iter().map(|message| call(channel, message, now_ms)).collect(),
    };
    calls.map(Outgoing::Calls)
}

/// The request for one message.
fn call(channel: &Channel, message: &Message, now_ms: u64) -> io::Result<Call> {
    match &channel.target {
        Target::PagerDuty { url, routing_key } => pagerduty::call(url, routing_key, message),
        Target::Jsm { url, api_key } => jsm::call(url, api_key, message),
        Target::Slack { url } => slack::call(url, message),
        Target::Webhook { url, sign, auth } => {
            webhook::call(url, sign.as_ref(), auth, (&channel.name, message), now_ms)
        }
        Target::Alertmanager { .. } | Target::Email { .. } => {
            Err(io::Error::other("is not told by one request"))
        }
    }
}

/// The value of a secret.
///
/// # Errors
/// In words, without the secret.
fn reveal(key: &str, secret: &Secret) -> io::Result<String> {
    secret.reveal().map_err(|error| io::Error::other(format!("{key} cannot be read: {error}")))
}

/// A field with a secret in it.
fn secret_field(key: &str, value: &str) -> io::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        io::Error::other(format!("{key} holds a character that no HTTP header can carry"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The fields of credentials.
fn credentials(auth: &Auth) -> io::Result<HeaderMap> {
    let Some(value) = auth.authorization(reveal)? else { return Ok(HeaderMap::new()) };
    Ok(HeaderMap::from_iter([(AUTHORIZATION, secret_field("the credentials", &value)?)]))
}

/// A secret that is a URL. Without a login, which would be sent in a form that nobody masks.
fn secret_url(secret: &Secret) -> io::Result<url::Url> {
    let text = reveal("url_file", secret)?;
    let url = url::Url::parse(&text).map_err(|_| io::Error::other("url_file holds no URL"))?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(io::Error::other(
            "url_file holds a user or password; use `username` and `password_file`",
        ))
    }
}

/// What stands in a secret URL and nowhere else: what its words must not repeat.
fn secrets_of(url: &url::Url) -> Vec<String> {
    let mut secrets = vec![url.to_string(), url.path().to_owned()];
    secrets.extend(url.query().map(str::to_owned));
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    // The longest part alone: `services` and the like are no secrets.
    let parts = url.path_segments().into_iter().flatten();
    secrets.extend(parts.max_by_key(|part| part.len()).map(str::to_owned));
    secrets.retain(|secret| secret.len() > 8);
    secrets
}

/// A place below a base.
fn below(base: &url::Url, parts: &[&str]) -> url::Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}
