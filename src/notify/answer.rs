//! What an answer of a channel means: taken, not now, or never. Pure.

use std::time::{Duration, SystemTime};

use super::message::cut;
use crate::web::{self, Secrets};

/// Longest wait that a channel may ask for.
const WAIT_MAX: Duration = Duration::from_mins(15);
/// Most characters of a stranger's words.
const WORDS_CHARS_MAX: usize = 300;

/// What PagerDuty and Opsgenie say of a wrong key, with statuses that otherwise speak of the message.
const KEY_WORDS: [&str; 3] = ["routing_key", "routing key", "key format"];

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken, with the words that say so.
    Taken(String),
    /// To be tried again: no answer, or one that may be another when somebody has mended something.
    Later {
        /// The wait that it asks for.
        after: Option<Duration>,
        reason: String,
    },
    /// Never: this message is wrong, and stays so.
    Refused(String),
}

impl Answer {
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later { after: None, reason: reason.into() }
    }

    /// An answer of HTTP. Credentials, addresses and redirects can be mended while the message waits, so
    /// only what speaks of the message itself is final.
    pub(super) fn of_http(
        status: u16,
        retry_after: Option<&str>,
        body: &str,
        secrets: &Secrets,
        now: SystemTime,
    ) -> Self {
        let words = cut(secrets.mask(body).trim(), WORDS_CHARS_MAX);
        let told = format!("HTTP {status} {words}").trim_end().to_owned();
        match status {
            // A page to sign in is no answer of an API, whatever its status.
            200..=299 if body.trim_start().starts_with('<') => {
                Self::later(format!("{told}: a page, and not what the API answers"))
            }
            200..=299 => Self::Taken(told),
            400 | 413 | 422 if !speaks_of_key(body) => Self::Refused(told),
            _ => {
                let after = retry_after.and_then(|text| web::retry_after(text, now));
                Self::Later { after: after.map(|wait| wait.min(WAIT_MAX)), reason: told }
            }
        }
    }
}

fn speaks_of_key(body: &str) -> bool {
    let body = body.to_lowercase();
    KEY_WORDS.iter().any(|words| body.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_speaks_of_the_message_is_final() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        let later = |seconds: Option<u64>| Ok(seconds.map(Duration::from_secs));
        for (name, status, retry_after, body, want) in [
            ("taken", 202, None, "{\"status\":\"success\"}", Err("taken")),
            ("taken without words", 204, None, "", Err("taken")),
            ("a page to sign in", 200, None, " <!DOCTYPE html>", later(None)),
            ("wrong message", 400, Some("3"), "invalid", Err("refused")),
            ("too large", 413, None, "", Err("refused")),
            (
                "PagerDuty, of a key",
                400,
                None,
                "{\"errors\":[\"Invalid Routing Key\"]}",
                later(None),
            ),
            ("of its form", 400, None, "Length of 'routing_key' is incorrect", later(None)),
            (
                "Opsgenie, of a key",
                422,
                None,
                "{\"message\":\"Key format is not valid!\"}",
                later(None),
            ),
            ("expired credentials", 401, None, "", later(None)),
            ("no right", 403, None, "invalid_token", later(None)),
            ("wrong address", 404, None, "", later(None)),
            ("too many", 429, Some("3"), "", later(Some(3))),
            ("too many, until then", 429, Some(date.as_str()), "", later(Some(7))),
            ("asks for a day", 503, Some("86400"), "", later(Some(900))),
            ("broken", 500, Some("soon"), "", later(None)),
        ] {
            let answer = Answer::of_http(status, retry_after, body, &Secrets::default(), now);
            let got = match answer {
                Answer::Taken(_) => Err("taken"),
                Answer::Refused(_) => Err("refused"),
                Answer::Later { after, .. } => Ok(after),
            };
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn words_of_a_channel_hold_no_secret_and_are_one_short_line() {
        let secrets = Secrets::default().and(["hunter22".to_owned()]);
        let body = format!("{}hunter22\n{}", "x".repeat(WORDS_CHARS_MAX - 5), "y".repeat(1000));
        let Answer::Refused(told) =
            Answer::of_http(400, None, &body, &secrets, SystemTime::UNIX_EPOCH)
        else {
            panic!("not refused")
        };
        assert!(!told.contains("hunter") && !told.contains('\n'), "{told}");
        assert!(told.chars().count() <= WORDS_CHARS_MAX + 10, "{told}");
    }
}
