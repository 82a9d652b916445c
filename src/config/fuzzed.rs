//! What must hold of a configuration, whatever its text: every mistake has a place, and no message shows
//! a secret, is without end, or has power over a terminal.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};

use super::{Finding, parse};

/// What secrets of seeds hold. It counts as one where it stands once in the text, and in such a place.
const SECRET: &str = "hunter2";
/// Keys whose texts are secrets.
const SECRET_KEYS: [&str; 7] =
    ["password", "api_key", "bearer", "token", "value", "routing_key", "sign"];
/// Keys whose URLs may hold credentials, and a `-` for items of lists.
const URL_KEYS: [&str; 5] = ["url", "urls", "endpoint", "proxy", "-"];
/// Longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Whether [`SECRET`] stands as a secret below a key.
fn holds_secret(key: &str, yaml: &Yaml<'_>) -> bool {
    match yaml {
        Yaml::Mapping(map) => map.iter().any(|(key, value)| {
            matches!(key, Yaml::Value(Scalar::String(key)) if holds_secret(key, value))
        }),
        Yaml::Sequence(items) => items.iter().any(|item| {
            let key = if URL_KEYS.contains(&key) { key } else { "" };
            holds_secret(key, item)
        }),
        Yaml::Value(Scalar::String(text)) => {
            let is_user = |at: usize| text[..at].contains("://") && text[at..].contains('@');
            SECRET_KEYS.contains(&key) && text.contains(SECRET)
                || URL_KEYS.contains(&key) && text.find(SECRET).is_some_and(is_user)
        }
        _ => false,
    }
}

/// A message says where, what and how to mend it, and nothing else.
pub(crate) fn check(finding: &Finding, text: &str, is_secret: bool) {
    let shown = finding.to_string();
    let lines = text.split(['\n', '\r']).count();
    assert!(finding.line <= lines + 1, "line {} of {lines}: {shown}", finding.line);
    assert!(!finding.problem.is_empty() && !finding.cure.is_empty(), "{shown}");
    assert!(shown.chars().count() <= MESSAGE_CHARS_MAX, "without end: {shown:.200}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(!is_secret || !shown.contains(SECRET), "{shown}");
}

/// The text of a file.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_secret = text.matches(SECRET).count() == 1
        && !text.contains('&') // else it may stand elsewhere by its anchor
        && Yaml::load_from_str(text).is_ok_and(|yaml| yaml.iter().any(|yaml| holds_secret("", yaml)));
    match parse("f.yaml", text, &|name| (name == "SET").then(|| "value".to_owned())) {
        Ok(config) => {
            let shown = format!("{config:?}");
            assert!(!is_secret || !shown.contains(SECRET), "{shown}");
            config.warnings.iter().for_each(|warning| check(warning, text, is_secret));
        }
        Err(report) => {
            assert!(!report.findings.is_empty(), "refused without a word");
            report.findings.iter().for_each(|finding| check(finding, text, is_secret));
        }
    }
}
