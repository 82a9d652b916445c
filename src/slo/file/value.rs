//! Values of an objective: texts of bounded length and without power over a terminal, links, shares,
//! spans of whole minutes. Not here: which keys have them.

use std::time::Duration;

use crate::base::visible::visible;
use crate::config::tree::Item;
use crate::slo::objective;

/// The whole, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// One line of `most` characters at most.
pub(super) fn line(item: &Item<'_, '_>, most: usize) -> Option<String> {
    let text = item.text()?;
    let count = text.chars().count();
    let problem = if text.trim() != text || text.is_empty() {
        "is empty, or begins or ends with a space".to_owned()
    } else if text.contains(char::is_control) || visible(text.as_bytes()).to_string() != text {
        "holds a line end or a character that cannot be seen".to_owned()
    } else if count > most {
        format!("has {count} characters")
    } else {
        return Some(text);
    };
    item.note(&problem, &format!("write one line of {most} characters at most"));
    None
}

/// Some lines of `most` characters at most together.
pub(super) fn lines(item: &Item<'_, '_>, most: usize) -> Option<String> {
    let text = item.text()?;
    let count = text.chars().count();
    let is_shown = |line: &str| visible(line.as_bytes()).to_string() == line;
    let problem = if count > most {
        format!("has {count} characters")
    } else if text.split('\n').all(is_shown) {
        return Some(text.trim_end().to_owned());
    } else {
        "holds a character that cannot be seen".to_owned()
    };
    item.note(&problem, &format!("write plain text of {most} characters at most"));
    None
}

/// What can be clicked on.
pub(super) fn link(item: &Item<'_, '_>) -> Option<String> {
    let text = line(item, 1_024)?;
    let is_link = url::Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if is_link {
        return Some(text);
    }
    item.note("is no link", "write one with scheme and host: https://wiki.example.com/runbook");
    None
}

/// A share in parts per million: `0.02` or `2%`. Exact: what is finer is none.
pub(super) fn share(text: &str) -> Option<u32> {
    match text.strip_suffix('%') {
        Some(percent) => decimal(percent, 4),
        None => decimal(text, 6),
    }
}

/// A decimal number as a whole number of its last place, up to the whole.
pub(super) fn decimal(text: &str, places: usize) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > places || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let number: u64 = format!("{whole}{part:0<places$}").parse().ok()?;
    u32::try_from(number).ok().filter(|number| *number <= WHOLE_PPM)
}

/// A share in percent, as [`share`] reads it.
pub(super) fn percent(ppm: u32) -> String {
    objective::percent(ppm) + "%"
}

/// A span of whole minutes within limits.
pub(super) fn minutes(
    item: &Item<'_, '_>,
    least: Duration,
    most: Duration,
    example: &str,
) -> Option<Duration> {
    let span = item.span(least, most, example)?;
    if span.as_secs().is_multiple_of(60) && span.subsec_nanos() == 0 {
        return Some(span);
    }
    item.note("is no whole number of minutes", &format!("write {example}"));
    None
}
