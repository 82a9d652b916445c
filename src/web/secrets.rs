//! Secrets of a request, taken out of what is said to it: a server, or what stands before it, may quote
//! the fields that it was sent.
//!
//! Invariant: words of a stranger pass here before they are cut to length, logged or kept. Not here: what
//! is no word but a value that a program looks at.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::header::HeaderMap;
use url::form_urlencoded::byte_serialize;

/// Shorter ones protect nothing, and to mask them would tear words apart.
const SECRET_BYTES_MIN: usize = 4;

/// What must not be repeated; the longest come first.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// The fields that are marked as sensitive: the whole value, what follows the scheme in it, and the
    /// password or key that is packed in that.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut known = Vec::new();
        for value in fields.values().filter(|value| value.is_sensitive()) {
            let Ok(value) = value.to_str() else { continue };
            known.push(value.to_owned());
            let Some((_scheme, packed)) = value.split_once(' ') else { continue };
            known.push(packed.to_owned());
            let pair = STANDARD.decode(packed).ok().and_then(|pair| String::from_utf8(pair).ok());
            if let Some((_name, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
                known.push(secret.to_owned());
            }
        }
        Self::default().and(known)
    }

    /// These as well: what is sent in a URL or in a body. Each in the forms in which it may come back, too:
    /// Base64, percent-encoded, within JSON.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = String>) -> Self {
        for secret in more.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            self.0.extend(encoded(&secret));
            self.0.push(secret);
        }
        self.0.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
        self.0.dedup();
        self
    }

    /// Words of a stranger, without the secrets.
    pub fn mask(&self, words: &str) -> String {
        self.0.iter().fold(words.to_owned(), |words, secret| words.replace(secret, "***"))
    }
}

/// The forms of a secret that are not the secret itself.
fn encoded(secret: &str) -> Vec<String> {
    let form: String = byte_serialize(secret.as_bytes()).collect();
    let json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let json_of_some = json.replace('/', "\\/");
    let mut forms = vec![form.replace('+', "%20"), form, json, json_of_some];
    // Without the padding, which some leave out.
    forms.extend([STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
    forms.retain(|form| form != secret);
    forms
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn words_hold_no_secret_of_the_request() {
        // lbproxy:hunter22, and the same of an API key.
        const PACKED: &str = "bGJwcm94eTpodW50ZXIyMg==";
        for (name, field, words, want) in [
            ("a token", "Bearer hunter22", "no Bearer hunter22!", "no ***!"),
            ("without its scheme", "Bearer hunter22", "hunter22 and hunter22", "*** and ***"),
            ("of no scheme", "hunter22", "x-key: hunter22", "x-key: ***"),
            ("basic", &format!("Basic {PACKED}"), &format!("got {PACKED}"), "got ***"),
            ("its password", &format!("Basic {PACKED}"), "lbproxy:hunter22", "lbproxy:***"),
            ("a key", &format!("ApiKey {PACKED}"), "key hunter22", "key ***"),
            ("nothing of it", "Bearer hunter22", "hunter2", "hunter2"),
            ("too short to be one", "a", "a man", "a man"),
        ] {
            let mut value = HeaderValue::from_str(field).unwrap();
            value.set_sensitive(true);
            let mut fields = HeaderMap::new();
            fields.insert("accept", HeaderValue::from_static("application"));
            fields.insert("x", value);
            assert_eq!(Secrets::of(&fields).mask(words), want, "{name}");
            assert_eq!(Secrets::of(&fields).mask("application"), "application", "{name}");
        }
    }

    #[test]
    fn words_hold_no_secret_in_another_form() {
        // The secret, and user and password of AUTH PLAIN.
        let secrets =
            Secrets::default().and(["hunter \\\"/22".to_owned(), "\0u\0pass word".to_owned()]);
        for (name, words, want) in [
            ("itself", "hunter \\\"/22.", "***."),
            ("Base64", "aHVudGVyIFwiLzIy.", "***."),
            ("login by mail", "AUTH PLAIN AHUAcGFzcyB3b3Jk", "AUTH PLAIN ***"),
            ("of a form", "hunter+%5C%22%2F22.", "***."),
            ("of a URL", "hunter%20%5C%22%2F22.", "***."),
            ("of JSON", r#"hunter \\\"/22."#, "***."),
            ("of JSON with its oblique", r#"hunter \\\"\/22."#, "***."),
        ] {
            assert_eq!(secrets.mask(words), want, "{name}");
        }
    }
}
