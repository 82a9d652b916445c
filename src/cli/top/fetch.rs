//! The admin API over HTTP: one set of answers at a time, or why there is none.
//!
//! Bounded in time and size; follows no redirect, uses no proxy of the environment, so that the token
//! goes nowhere but to the address that was named. Not here: when to ask (`mod`).

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::super::output::UsageError;
use super::figures::{Figures, Raw};
use crate::base::visible::visible;
use crate::config::{Secret, address};
use crate::web;

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longest text of a refusal that is told.
const REFUSAL_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Client {
    /// With the time limits.
    http: reqwest::Client,
    /// Of the admin listener.
    base: Url,
    /// Read again for each set of answers: a file may change.
    token: Option<Secret>,
}

/// Why there are no figures: what is wrong, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {cure}")]
pub(super) struct Problem {
    /// What is wrong, and where.
    pub(super) what: String,
    pub(super) cure: String,
}

/// For clap: the address of an admin listener.
pub(super) fn admin_url(text: &str) -> Result<Url, String> {
    let form = "write http://ADDRESS:PORT, as `admin.listen` of the proxy says";
    let url = Url::parse(text).map_err(|error| format!("{error}; {form}"))?;
    address::check(&url).map_err(|_| form)?;
    Ok(url)
}

impl Client {
    /// For the admin listener at `base`, with the token in a file if it asks for one.
    ///
    /// # Errors
    /// A token file that cannot be read; no TLS roots.
    pub(super) fn new(base: Url, token_file: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let http = web::client()
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("lbproxy-top/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot make an HTTP client")?;
        let token = token_file.map(|path| Secret::File(path.to_owned()));
        if let (Some(path), Some(Err(error))) = (token_file, token.as_ref().map(Secret::reveal)) {
            let path = path.display();
            return Err(UsageError(format!("--token-file {path} cannot be read: {error}")).into());
        }
        Ok(Self { http, base, token })
    }

    /// Where it asks, for people.
    pub(super) fn place(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// One set of answers, as they came and read.
    pub(super) async fn fetch(&self) -> Result<(Raw, Figures), Problem> {
        let raw = Raw {
            about: self.document("about").await?,
            live: self.live().await?,
            overview: self.past("overview").await?,
            services: self.past("services").await?,
        };
        let figures = Figures::read(&raw).map_err(|error| self.stranger(&error.to_string()))?;
        Ok((raw, figures))
    }

    async fn document(&self, path: &str) -> Result<Value, Problem> {
        let (status, text) = self.text(path).await?;
        if status != StatusCode::OK {
            return Err(self.refused(status, &text));
        }
        serde_json::from_slice(&text).map_err(|_| self.stranger("its answer is no JSON"))
    }

    /// A document of the last minutes; null where there is none because rollups are off.
    async fn past(&self, page: &str) -> Result<Value, Problem> {
        let (status, text) = self.text(&format!("{page}?range=5m")).await?;
        let value: Option<Value> = serde_json::from_slice(&text).ok();
        match (status, value) {
            (StatusCode::OK, Some(value)) => Ok(value),
            (StatusCode::NOT_FOUND, Some(value)) if value["is_off"] == true => Ok(Value::Null),
            _ => Err(self.refused(status, &text)),
        }
    }

    /// Status and text of an answer.
    async fn text(&self, path: &str) -> Result<(StatusCode, Vec<u8>), Problem> {
        let mut response = self.ask(path).await?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error))? {
            self.add(&mut text, &chunk)?;
        }
        Ok((response.status(), text))
    }

    /// The first event of the stream of counters, which is then left.
    async fn live(&self) -> Result<Value, Problem> {
        let mut response = self.ask("live").await?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error))? {
            self.add(&mut text, &chunk)?;
            if status == StatusCode::OK
                && let Some(data) = first_event(&text)
            {
                return serde_json::from_slice(data)
                    .map_err(|_| self.stranger("its event is no JSON"));
            }
        }
        Err(self.refused(status, &text))
    }

    /// Adds a part of an answer.
    fn add(&self, text: &mut Vec<u8>, chunk: &[u8]) -> Result<(), Problem> {
        if text.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(self.stranger("its answer has no end"));
        }
        text.extend_from_slice(chunk);
        Ok(())
    }

    /// Asks for a path below `/api/v1`.
    async fn ask(&self, path: &str) -> Result<reqwest::Response, Problem> {
        let mut request = self.http.get(format!("{}/api/v1/{path}", self.place()));
        if let Some(token) = &self.token {
            let token = token.reveal().map_err(|error| Problem {
                what: format!("--token-file cannot be read any more: {error}"),
                cure: "let this user read it".to_owned(),
            })?;
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| self.lost(&error))?;
        web::redirect(&answer).map_or(Ok(answer), |redirect| Err(self.stranger(&redirect)))
    }

    fn lost(&self, error: &reqwest::Error) -> Problem {
        let place = self.place();
        if error.is_timeout() {
            let what = format!("{place} does not answer within {} s", ANSWER_WITHIN.as_secs());
            return Problem { what, cure: "look at its log and its CPU".to_owned() };
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let what =
            format!("no proxy answers at {place}: {}", visible(cause.to_string().as_bytes()));
        let cure = "start `lbproxy run`, or give the address of `admin.listen` with --admin";
        Problem { what, cure: cure.to_owned() }
    }

    fn refused(&self, status: StatusCode, text: &[u8]) -> Problem {
        let place = self.place();
        let text = String::from_utf8_lossy(text);
        let text: String = text.trim().chars().take(REFUSAL_CHARS_MAX).collect();
        let words = visible(text.as_bytes());
        let (what, cure) = match status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => (
                format!("{place} asks for a token"),
                "give the file that `admin.token_file` names with --token-file".to_owned(),
            ),
            StatusCode::UNAUTHORIZED => (
                format!("{place} refuses the token of --token-file"),
                "give the file that `admin.token_file` names".to_owned(),
            ),
            StatusCode::FORBIDDEN => (format!("{place} refuses: {words}"), "see there".to_owned()),
            StatusCode::TOO_MANY_REQUESTS => (
                format!("{place} has no seat left: {words}"),
                "close other pages and `top`s of this proxy".to_owned(),
            ),
            StatusCode::NOT_FOUND => return self.stranger("it has no /api/v1"),
            _ => (
                format!("{place} answers {status}: {words}"),
                "look at the log of the proxy".to_owned(),
            ),
        };
        Problem { what, cure }
    }

    /// An answer of something else.
    fn stranger(&self, why: &str) -> Problem {
        let why = visible(why.as_bytes());
        Problem {
            what: format!("{} is no admin listener of lbproxy {}: {why}", self.place(), version()),
            cure: "give the address of `admin.listen` with --admin".to_owned(),
        }
    }
}

const fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The data of the first whole event named `live`.
fn first_event(stream: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(stream, b"event: live\n")?;
    let event = &stream[start..];
    let event = &event[..memchr::memmem::find(event, b"\n\n")?];
    event.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"data: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_plain_url_of_http() {
        for (text, want) in [
            ("http://127.0.0.1:9901", true),
            ("http://[::1]:9901/", true),
            ("https://lb.example.com/admin", true),
            ("127.0.0.1:9901", false),
            ("localhost:9901", false),
            ("ftp://h", false),
            ("http://user:secret@h", false),
            ("http://h/?token=secret", false),
            ("http://h/#secret", false),
            ("", false),
        ] {
            let url = admin_url(text);
            assert_eq!(url.is_ok(), want, "{text}: {url:?}");
            assert!(url.err().is_none_or(|error| error.contains("http://ADDRESS:PORT")));
        }
    }

    #[test]
    fn an_event_is_taken_when_it_is_whole() {
        for (name, stream, want) in [
            ("nothing", "", None),
            ("only the opening", "retry: 1000\n\n", None),
            ("half", "retry: 1\n\nevent: live\nid: 1\ndata: {\"a\"", None),
            ("whole", "retry: 1\n\nevent: live\nid: 1\ndata: {}\n\n", Some("{}")),
            ("after others", "event: x\ndata: 1\n\nevent: live\ndata: 2\n\n", Some("2")),
            ("two", "event: live\ndata: 1\n\nevent: live\ndata: 2\n\n", Some("1")),
        ] {
            assert_eq!(first_event(stream.as_bytes()), want.map(str::as_bytes), "{name}");
        }
    }
}
