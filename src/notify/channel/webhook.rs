//! Any receiver of Alertmanager's webhooks (prometheus/alertmanager `notify/webhook/webhook.go`, version
//! 4), signed when there is a key: `x-lbproxy-timestamp` holds seconds since 1970, and
//! `x-lbproxy-signature` `sha256=` and the HMAC-SHA256, in hex digits, of that time, a point and the
//! body. Who checks both refuses what was changed and what is old.

use std::io;

use reqwest::header::{HeaderName, HeaderValue};
use ring::hmac;
use serde_json::{Value, json};

use super::super::message::{Message, instant};
use super::alertmanager::{annotations, labels};
use super::{Call, credentials, reveal, secret_url, secrets_of};
use crate::base::hex::hex;
use crate::config::{Auth, Secret};

pub(super) fn call(
    url: &Secret,
    sign: Option<&Secret>,
    auth: &Auth,
    (receiver, message): (&str, &Message),
    now_ms: u64,
) -> io::Result<Call> {
    let url = secret_url(url)?;
    let secrets = secrets_of(&url);
    let mut call = Call::json(url, credentials(auth)?, &body(receiver, message), secrets);
    let time = (now_ms / 1_000).to_string();
    if let Some(sign) = sign {
        let key = hmac::Key::new(hmac::HMAC_SHA256, reveal("sign_file", sign)?.as_bytes());
        let signature = signature(&key, &time, &call.body);
        let name = HeaderName::from_static("x-lbproxy-signature");
        call.fields.insert(name, HeaderValue::try_from(signature).map_err(io::Error::other)?);
    }
    let time = HeaderValue::try_from(time).map_err(io::Error::other)?;
    call.fields.insert(HeaderName::from_static("x-lbproxy-timestamp"), time);
    Ok(call)
}

fn signature(key: &hmac::Key, time: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in [time.as_bytes(), b".", body] {
        context.update(part);
    }
    format!("sha256={}", hex(context.sign().as_ref()))
}

fn body(receiver: &str, message: &Message) -> Value {
    let status = if message.is_firing() { "firing" } else { "resolved" };
    // Alertmanager's own word for "no end yet".
    let end = message.resolved_ms.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), instant);
    let (labels, annotations) = (labels(message), annotations(message));
    let fingerprint = message.key.rsplit('/').next().unwrap_or_default();
    let board = message.links.iter().find(|(name, _)| name == "Board").map(|(_, url)| url);
    json!({
        "version": "4",
        "groupKey": message.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": board,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": instant(message.since_ms),
            "endsAt": end,
            "generatorURL": board,
            "fingerprint": fingerprint,
        }],
    })
}
