//! Names of alerts: the same from the first notice to the last, over restarts and whoever evaluates.

use ring::digest::{SHA256, digest};

use super::objective::{Dimension, Severity};
use crate::base::hex::hex;

/// Which alert of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlertKind {
    /// The budget burns: all rows of a severity are one alert.
    Burn(Severity),
    /// There are no events.
    Absent,
}

/// `lbproxy/` and the first 32 hex digits of the SHA-256 of objective, kind and group.
pub(super) fn alert_key(objective: &str, kind: AlertKind, group: &[(Dimension, String)]) -> String {
    let kind = match kind {
        AlertKind::Burn(severity) => severity.as_str(),
        AlertKind::Absent => "no_data",
    };
    let mut text = format!("{objective}\0{kind}");
    for (dimension, value) in group {
        text = format!("{text}\0{}={value}", dimension.as_str());
    }
    key_of(&text)
}

/// `lbproxy/` and the first 32 hex digits of the SHA-256 of a text: the form that every key has.
pub fn key_of(text: &str) -> String {
    format!("lbproxy/{}", hex(&digest(&SHA256, text.as_bytes()).as_ref()[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a new version does not forget the alerts of an old one. Method: keys as they were first
    /// made, by `printf 'availability\0page' | sha256sum`.
    #[test]
    fn keys_never_change_and_tell_alerts_apart() {
        let group = |value: &str| vec![(Dimension::Service, value.to_owned())];
        for (kind, group, want) in [
            (AlertKind::Burn(Severity::Page), vec![], "6b4dbde7218a8f7ce883896fc3da6ccb"),
            (AlertKind::Burn(Severity::Ticket), vec![], "54946a2cb724750b1c3e8aa4c987c9c7"),
            (AlertKind::Absent, vec![], "de4f161d1a9ba25c8c121504096bf717"),
            (AlertKind::Burn(Severity::Page), group("shop"), "0685f547197ba29ae65ee7ee1aca61f4"),
        ] {
            assert_eq!(alert_key("availability", kind, &group), format!("lbproxy/{want}"));
        }
    }
}
