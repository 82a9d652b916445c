//! One delivery: the requests of a channel, or its mail, and what came back.
//!
//! Invariants: a delivery ends within the channel's limit whatever the other side does, redirects are not
//! followed, answers are read up to a bound, and no secret stands in what is told. Nothing is repeated
//! here. Not here: what is sent (`channel`), what an answer means (`answer`).

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::task::{JoinHandle, JoinSet};

use super::answer::Answer;
use super::channel::email::{self, Letter};
use super::channel::{self, Call, Outgoing};
use super::message::Message;
use crate::base::clock::wall_ms;
use crate::config::{Channel, certificates};
use crate::web::{self, Secrets, chain};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Limit of a whole mail, in limits of the channel: a conversation has many steps.
const MAIL_STEPS: u32 = 3;

/// Delivers to one channel.
#[derive(Debug)]
pub(super) struct Sender {
    channel: Arc<Channel>,
    client: Client,
    /// Of the proxy: what it must not say.
    secrets: Vec<String>,
    /// What is not ready in time: a file of a secret is on a disk that does not answer.
    reading: Option<JoinHandle<io::Result<Outgoing>>>,
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
        let mut secrets = Vec::new();
        if let Some(proxy) = &channel.proxy {
            let url = proxy.reveal()?;
            secrets = login_of(&url);
            let proxy = reqwest::Proxy::all(url);
            builder = builder.proxy(proxy.map_err(|error| io::Error::other(error.without_url()))?);
        }
        let client = builder.build().map_err(io::Error::other)?;
        Ok(Self { channel, client, secrets, reading: None })
    }

    /// Delivers messages, of which only a channel that takes several gets more than one.
    pub(super) async fn deliver(&mut self, messages: &[Arc<Message>]) -> Answer {
        if messages.is_empty() {
            return Answer::Taken(String::new());
        }
        let (channel, messages) = (Arc::clone(&self.channel), messages.to_vec());
        let outgoing = move || channel::outgoing(&channel, &messages, wall_ms());
        match within(&mut self.reading, self.channel.timeout, outgoing).await {
            Ok(Ok(Outgoing::Calls(calls))) => self.post(calls).await,
            Ok(Ok(Outgoing::Mail(letter))) => self.mail(&letter).await,
            // A file that cannot be read now may be there later.
            Ok(Err(error)) => Answer::later(error.to_string()),
            Err(problem) => Answer::later(format!("its secrets: {problem}")),
        }
    }

    /// All calls at once; that one is taken is enough.
    async fn post(&self, calls: Vec<Call>) -> Answer {
        let mut under_way = JoinSet::new();
        for mut call in calls {
            call.secrets = call.secrets.and(self.secrets.iter().cloned());
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

    /// A mail; who is dropped hangs up.
    async fn mail(&self, letter: &Letter) -> Answer {
        let limit = self.channel.timeout * MAIL_STEPS;
        let answer = tokio::time::timeout(limit, email::send(&self.channel, letter)).await;
        answer.unwrap_or_else(|_| Answer::later("no end of the mail in time"))
    }
}

/// Password of a URL, and user and password as they are sent.
fn login_of(url: &str) -> Vec<String> {
    let Ok(url) = url::Url::parse(url) else { return Vec::new() };
    let Some(password) = url.password() else { return Vec::new() };
    let decoded = |text: &str| {
        let text = text.replace('+', "%2B").replace('&', "%26");
        let pair = url::form_urlencoded::parse(text.as_bytes()).next();
        pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    let (user, password) = (decoded(url.username()), decoded(password));
    vec![format!("{user}:{password}"), password]
}

/// What `work` gives, on a thread of its own: one at a time, even if it never ends. What ends too late is
/// of no use, for times stand in it.
async fn within<T: Send + 'static>(
    under_way: &mut Option<JoinHandle<T>>,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, &'static str> {
    let is_late = under_way.is_some();
    let mut thread = under_way.take().unwrap_or_else(|| tokio::task::spawn_blocking(work));
    match tokio::time::timeout(limit, &mut thread).await {
        Ok(Ok(value)) if !is_late => Ok(value),
        Ok(Ok(_)) => Err("they were read too late"),
        Ok(Err(_)) => Err("there was a fault"),
        Err(_) => {
            *under_way = Some(thread);
            Err("they are not read in time")
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Goal: a disk that does not answer costs one thread, and is asked again when it does. Method: work that
    /// waits for the test.
    #[test]
    fn work_that_does_not_end_is_begun_once_and_its_late_end_is_of_no_use() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (free, waits) = mpsc::channel();
        let mut under_way = None;
        let short = Duration::from_millis(20);
        let hung = within(&mut under_way, short, move || waits.recv().is_ok());
        assert_eq!(runtime.block_on(hung), Err("they are not read in time"));
        let second = within(&mut under_way, short, || panic!("begun"));
        assert_eq!(runtime.block_on(second), Err("they are not read in time"));
        free.send(()).unwrap();
        let long = Duration::from_secs(20);
        let late = within(&mut under_way, long, || panic!("begun"));
        assert_eq!(runtime.block_on(late), Err("they were read too late"));
        assert_eq!(runtime.block_on(within(&mut under_way, long, || true)), Ok(true));
        let fault = within(&mut under_way, long, || panic!("a fault"));
        assert_eq!(runtime.block_on(fault), Err("there was a fault"));
    }

    #[test]
    fn the_login_of_a_proxy_is_known_as_it_is_sent() {
        for (name, url, want) in [
            ("a login", "http://u:hunter22@h:1", &["u:hunter22", "hunter22"][..]),
            ("encoded", "http://u%40h:a%2Fb+c&d@h", &["u@h:a/b+c&d", "a/b+c&d"]),
            ("a user alone", "http://u@h", &[]),
            ("none", "http://h", &[]),
        ] {
            assert_eq!(login_of(url), want, "{name}");
        }
    }
}
