//! One delivery: the requests of a channel, or its mail, and what came back.
//!
//! Invariants: a delivery ends within the channel's limit whatever the other side does, redirects are not
//! followed, answers are read up to a bound, and no secret stands in what is told. Nothing is repeated
//! here. Not here: what is sent (`channel`), what an answer means (`answer`).

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::task::{JoinHandle, JoinSet};

use super::answer::Answer;
use super::channel::{self, Call, email};
use super::message::Message;
use crate::base::clock::wall_ms;
use crate::config::{Channel, Target, certificates};
use crate::web::{self, Secrets, chain};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Steps of a conversation by SMTP that may each take the channel's limit.
const MAIL_STEPS: u32 = 3;

/// Delivers to one channel.
#[derive(Debug)]
pub(super) struct Sender {
    channel: Arc<Channel>,
    client: Client,
    /// A mail that did not end in time, on its thread, and what it is about.
    mail: Option<(Arc<Message>, JoinHandle<Answer>)>,
}

impl Sender {
    /// Connects to nothing.
    ///
    /// # Errors
    /// When its certificates or its proxy cannot be used.
    pub(super) fn new(channel: Arc<Channel>) -> io::Result<Self> {
        let mut builder = web::client();
        if let Some(path) = &channel.ca_file {
            let roots = certificates::roots(path).map_err(io::Error::other)?;
            builder = web::trusting(builder, &roots.certificates).map_err(io::Error::other)?;
        }
        if let Some(proxy) = &channel.proxy {
            let proxy = reqwest::Proxy::all(proxy.reveal()?);
            builder = builder.proxy(proxy.map_err(|error| io::Error::other(error.without_url()))?);
        }
        let client = builder.build().map_err(io::Error::other)?;
        Ok(Self { channel, client, mail: None })
    }

    /// Delivers messages, of which only a channel that takes several gets more than one.
    pub(super) async fn deliver(&mut self, messages: &[Arc<Message>]) -> Answer {
        let Some(first) = messages.first() else { return Answer::Taken(String::new()) };
        if matches!(self.channel.target, Target::Email { .. }) {
            return self.mail(first).await;
        }
        match channel::calls(&self.channel, messages, wall_ms()) {
            Ok(calls) => self.post(calls).await,
            // A file that cannot be read now may be there later.
            Err(error) => Answer::later(error.to_string()),
        }
    }

    /// All calls at once; that one is taken is enough.
    async fn post(&self, calls: Vec<Call>) -> Answer {
        let mut under_way = JoinSet::new();
        for call in calls {
            let (client, timeout) = (self.client.clone(), self.channel.timeout);
            under_way.spawn(async move {
                let place = place(&call.url);
                let answer = tokio::time::timeout(timeout, exchange(&client, call)).await;
                let late = || Answer::later(format!("{place}: no answer in time"));
                let answer = answer.unwrap_or_else(|_| late());
                (place, answer)
            });
        }
        let mut answers = under_way.join_all().await;
        let taken = answers.iter().position(|(_, answer)| matches!(answer, Answer::Taken(_)));
        if taken.is_some() && answers.len() > 1 {
            let channel = &self.channel.name;
            for (address, answer) in &answers {
                if let Answer::Later { reason, .. } | Answer::Refused(reason) = answer {
                    tracing::warn!(
                        channel,
                        address,
                        reason,
                        "notify: one of its addresses does not take alerts"
                    );
                }
            }
        }
        answers.swap_remove(taken.unwrap_or(0)).1
    }

    /// A mail, on a thread of its own: one at a time, even if it never ends.
    async fn mail(&mut self, message: &Arc<Message>) -> Answer {
        let (about, mut thread) = self.mail.take().unwrap_or_else(|| {
            let (channel, message) = (Arc::clone(&self.channel), Arc::clone(message));
            let about = Arc::clone(&message);
            (about, tokio::task::spawn_blocking(move || email::send(&channel, &message)))
        });
        match tokio::time::timeout(self.channel.timeout * MAIL_STEPS, &mut thread).await {
            Ok(Ok(answer)) if about == *message => answer,
            Ok(Ok(_)) => Answer::later("an earlier mail has ended only now"),
            Ok(Err(_)) => Answer::later("the mail had a fault"),
            Err(_) => {
                self.mail = Some((about, thread));
                Answer::later("no end of the mail in time")
            }
        }
    }
}

async fn exchange(client: &Client, call: Call) -> Answer {
    let Call { url, fields, body, secrets } = call;
    let place = place(&url);
    let request =
        client.post(url).header(CONTENT_TYPE, "application/json").headers(fields).body(body);
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return failed(&place, error, &secrets),
    };
    if let Some(redirect) = web::redirect(&answer) {
        return Answer::later(format!("HTTP {redirect}"));
    }
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return failed(&place, error, &secrets),
        }
    }
    body.truncate(ANSWER_BYTES_MAX);
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let text = String::from_utf8_lossy(&body);
    let status = answer.status().as_u16();
    Answer::of_http(status, retry_after, &text, &secrets, SystemTime::now())
}

/// No answer, or a broken one.
fn failed(place: &str, error: reqwest::Error, secrets: &Secrets) -> Answer {
    Answer::later(format!("{place}: {}", secrets.mask(&chain(&error.without_url()))))
}

/// Host and port of a URL, which are no secret.
fn place(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
