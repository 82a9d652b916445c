//! Slack's incoming webhooks (docs.slack.dev, "Sending messages using incoming webhooks"): a message
//! cannot be changed afterwards, so the end of an alert is a second one.

use std::io;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::super::message::{Message, cut};
use super::{Call, secret_url, secrets_of};
use crate::config::Secret;

/// Most characters of a section's text.
const SECTION_CHARS_MAX: usize = 3_000;

pub(super) fn call(url: &Secret, message: &Message) -> io::Result<Call> {
    let url = secret_url(url)?;
    let secrets = secrets_of(&url);
    Ok(Call::json(url, HeaderMap::new(), &body(message), secrets))
}

fn body(message: &Message) -> Value {
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let headline = escape(&message.headline());
    let mut blocks = vec![section(&format!("*{headline}*"))];
    let mut facts = String::new();
    for (name, value) in &message.facts {
        let line = format!("*{}*: {}\n", escape(name), escape(value));
        if facts.chars().count() + line.chars().count() <= SECTION_CHARS_MAX {
            facts += &line;
        }
    }
    if !facts.is_empty() {
        blocks.push(section(facts.trim_end()));
    }
    let links =
        message.links.iter().map(|(name, url)| format!("<{}|{}>", escape(url), escape(name)));
    let links = links.collect::<Vec<_>>().join(" · ");
    if !links.is_empty() && links.chars().count() <= SECTION_CHARS_MAX {
        blocks.push(section(&links));
    }
    json!({"text": cut(&headline, SECTION_CHARS_MAX), "blocks": blocks})
}

/// The three characters that mean something to Slack.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
