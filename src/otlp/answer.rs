//! What a collector's answer means, by the rules of OTLP: taken, not now, or never. Pure.

use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::web::{self, Secrets};

/// Longest wait that a collector may ask for.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Longest text of a collector that is kept.
const TEXT_BYTES_MAX: usize = 300;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken, all but some.
    Taken {
        /// How many were not.
        rejected: u64,
        /// What the collector says to it, or empty.
        message: String,
    },
    /// To be sent again: no answer, or one that asks for it.
    Again {
        /// The wait that it asks for.
        after: Option<Duration>,
        reason: String,
    },
    /// Refused for good: to send it again is of no use.
    Refused { reason: String },
}

impl Answer {
    /// Taken, with what the answer says of a part.
    pub(super) fn taken(partial: Option<(i64, String)>, secrets: &Secrets) -> Self {
        let (rejected, message) = partial.unwrap_or_default();
        Self::Taken {
            rejected: u64::try_from(rejected).unwrap_or(0),
            message: short(&secrets.mask(&message)),
        }
    }

    pub(super) fn none(reason: &str) -> Self {
        Self::Again { after: None, reason: short(reason) }
    }

    /// A status of gRPC other than OK.
    pub(super) fn of_grpc(status: &Status, secrets: &Secrets) -> Self {
        let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let after = after.map(|wait| wait.min(WAIT_MAX));
        let reason = format!("{:?}: {}", status.code(), short(&secrets.mask(status.message())));
        let is_passing = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => true,
            Code::ResourceExhausted => after.is_some(),
            _ => false,
        };
        if is_passing { Self::Again { after, reason } } else { Self::Refused { reason } }
    }

    /// A status of HTTP other than 2xx, with `Retry-After` and the body's message.
    pub(super) fn of_http(
        status: u16,
        retry_after: Option<&str>,
        (message, secrets): (&str, &Secrets),
        now: SystemTime,
    ) -> Self {
        let reason =
            format!("HTTP {status} {}", short(&secrets.mask(message))).trim_end().to_owned();
        if !matches!(status, 429 | 502 | 503 | 504) {
            return Self::Refused { reason };
        }
        let after = retry_after.and_then(|text| web::retry_after(text, now));
        Self::Again { after: after.map(|wait| wait.min(WAIT_MAX)), reason }
    }
}

/// A text of a stranger, for one line of a log.
fn short(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = (0..=TEXT_BYTES_MAX.min(kept.len())).rev().find(|&at| kept.is_char_boundary(at));
    kept.truncate(end.unwrap_or(0));
    kept
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    /// Refused for good.
    const REFUSED: Result<Option<u128>, &str> = Err("refused");

    /// The wait that is asked for, in milliseconds, or how it is final.
    fn check(name: &str, answer: &Answer, want: Result<Option<u128>, &str>) {
        let got = match answer {
            Answer::Again { after, .. } => Ok(after.map(|wait| wait.as_millis())),
            Answer::Refused { .. } => REFUSED,
            Answer::Taken { .. } => panic!("{name}: taken"),
        };
        assert_eq!(got, want, "{name}");
    }

    #[test]
    fn statuses_of_grpc_are_passing_or_final_as_otlp_says() {
        let retry = |wait| ErrorDetails::with_retry_info(Some(Duration::from_millis(wait)));
        for (name, status, want) in [
            ("gone", Status::unavailable("x"), Ok(None)),
            ("late", Status::deadline_exceeded("x"), Ok(None)),
            ("aborted", Status::aborted("x"), Ok(None)),
            ("full", Status::resource_exhausted("x"), REFUSED),
            (
                "full for now",
                Status::with_error_details(Code::ResourceExhausted, "x", retry(250)),
                Ok(Some(250)),
            ),
            (
                "asks for a wait",
                Status::with_error_details(Code::Unavailable, "x", retry(1_500)),
                Ok(Some(1_500)),
            ),
            (
                "asks for too much",
                Status::with_error_details(Code::Unavailable, "x", retry(86_400_000)),
                Ok(Some(300_000)),
            ),
            ("does not understand", Status::invalid_argument("x"), REFUSED),
            ("is not let in", Status::unauthenticated("x"), REFUSED),
            ("is no collector", Status::unimplemented("x"), REFUSED),
            ("broken", Status::internal("x"), REFUSED),
        ] {
            check(name, &Answer::of_grpc(&status, &Secrets::default()), want);
        }
    }

    #[test]
    fn statuses_of_http_are_passing_or_final_as_otlp_says() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        for (name, status, retry_after, want) in [
            ("busy", 429, None, Ok(None)),
            ("busy for 3 s", 429, Some("3"), Ok(Some(3_000))),
            ("away until then", 503, Some(date.as_str()), Ok(Some(7_000))),
            ("away, nonsense", 503, Some("soon"), Ok(None)),
            ("a gateway's", 502, None, Ok(None)),
            ("a gateway's", 504, None, Ok(None)),
            ("bad", 400, Some("3"), REFUSED),
            ("not let in", 401, None, REFUSED),
            ("not there", 404, None, REFUSED),
            ("too large", 413, None, REFUSED),
            ("broken", 500, None, REFUSED),
        ] {
            check(
                name,
                &Answer::of_http(status, retry_after, ("x", &Secrets::default()), now),
                want,
            );
        }
    }

    #[test]
    fn a_collector_that_quotes_a_field_is_told_of_without_it() {
        let mut fields = http::HeaderMap::new();
        let mut key = http::HeaderValue::from_static("hunter22");
        key.set_sensitive(true);
        fields.insert("x-key", key);
        let secrets = Secrets::of(&fields);
        let words = format!("{} hunter22", "x".repeat(TEXT_BYTES_MAX - 5)); // where words are cut
        for answer in [
            Answer::of_http(403, None, (&words, &secrets), SystemTime::now()),
            Answer::of_grpc(&Status::permission_denied(&words), &secrets),
            Answer::of_grpc(&Status::unavailable(&words), &secrets),
            Answer::taken(Some((1, words.clone())), &secrets),
        ] {
            let (Answer::Refused { reason: told }
            | Answer::Again { reason: told, .. }
            | Answer::Taken { message: told, .. }) = answer;
            assert!(told.ends_with("xx ***"), "{told}");
        }
    }

    #[test]
    fn what_a_stranger_says_is_one_short_line() {
        let (words, secrets) = ("a\né".repeat(500), Secrets::default());
        let Answer::Refused { reason } =
            Answer::of_http(400, None, (&words, &secrets), SystemTime::now())
        else {
            panic!("not refused")
        };
        assert!(reason.len() < 320 && !reason.contains('\n'), "{reason}");
    }
}
