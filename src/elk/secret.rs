//! A password or key comes into being: it is kept before the server has it, or as soon as the server has
//! told it, so that none is lost whenever this process ends.
//!
//! Not here: where it is kept (`cli::setup`), role and user without it (`access`).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::access;
use super::artefact::{Api, Artefact};
use super::client::Client;
use super::installer::{ask, unacknowledged};
use super::problem::{Fault, Problem};
use crate::config::Secret;

/// A secret that comes into being; the server never shows it again.
#[derive(Debug)]
pub(crate) enum NewSecret {
    Password {
        username: &'static str,
        password: Secret,
    },
    /// An encoded API key.
    ApiKey(Secret),
}

/// Keeps a secret, for good when it returns.
///
/// # Errors
/// Why it cannot: a password is not sent then.
pub(crate) type Keep<'a> = dyn FnMut(&NewSecret) -> Result<(), Problem> + 'a;

/// Makes a user with a new password, or a key.
pub(super) async fn create(
    client: &Client,
    artefact: &Artefact,
    keep: &mut Keep<'_>,
) -> Result<NewSecret, Problem> {
    let mut body = artefact.body.clone();
    if artefact.api == Api::ApiKey {
        let answer = made(client, artefact, body).await?;
        let encoded = answer["encoded"].as_str().unwrap_or_default().to_owned();
        let secret = NewSecret::ApiKey(Secret::Inline(encoded));
        // It is there already: whoever keeps it tells why it cannot.
        let _ = keep(&secret);
        return Ok(secret);
    }
    let password = password().map_err(|error| {
        Problem::new(Fault::Refused, format!("/dev/urandom cannot be read: {error}"))
    })?;
    body["password"] = password.as_str().into();
    let password = Secret::Inline(password);
    let secret = NewSecret::Password { username: access::USER, password };
    keep(&secret)?;
    made(client, artefact, body).await?;
    Ok(secret)
}

/// Puts what has a secret; the answer, if it says that it is made.
pub(super) async fn made(
    client: &Client,
    artefact: &Artefact,
    body: Value,
) -> Result<Value, Problem> {
    let (reply, answer) = ask(client, &artefact.put(body, None)).await?;
    let is_made = match artefact.api {
        Api::ApiKey => answer["encoded"].as_str().is_some_and(|key| !key.is_empty()),
        Api::User => answer["created"].is_boolean(),
        _ => matches!(answer["status"].as_str(), Some("CREATED" | "OK")),
    };
    if matches!(reply.status, 200 | 201) && is_made {
        return Ok(answer);
    }
    Err(unacknowledged())
}

/// A password of 192 random bits, with a character of every class that servers ask for.
fn password() -> std::io::Result<String> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{}-Aa1", URL_SAFE_NO_PAD.encode(bytes)))
}
