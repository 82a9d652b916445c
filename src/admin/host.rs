//! `Host` and `Origin`, parsed whole: what is not exactly an authority is refused, never guessed at.
//!
//! ```text
//! authority = host [ ":" port ]     host = "[" IPv6 "]" | IPv4 | name     port = 1..65535
//! ```
//! Names are letters, digits, `-`, `_` and dots between (RFC 9110 §7.2 allows more, which no browser
//! sends for an admin page). Not here: which hosts may ask (`guard`).

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, Uri, Version, header};

/// Longest name of DNS.
const NAME_BYTES_MAX: usize = 253;

/// A host with its port, if it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

impl Authority {
    /// Whether it cannot be a name of somebody else: an address, or `localhost`.
    pub(super) fn is_literal(&self) -> bool {
        match &self.host {
            Host::Address(_) => true,
            Host::Name(name) => name == "localhost",
        }
    }

    /// The same with the port that a scheme means when none is named.
    fn with_port(mut self, default: u16) -> Self {
        self.port.get_or_insert(default);
        self
    }

    /// # Errors
    /// Why it is none.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, rest) = if let Some(inside) = text.strip_prefix('[') {
            let (address, rest) = inside.split_once(']').ok_or("a [ has no ]")?;
            let address = address.parse::<Ipv6Addr>();
            (Host::Address(address.map_err(|_| "between [ and ] is no IPv6 address")?.into()), rest)
        } else {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Self::name(name)?, rest)
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err("something stands behind the address"),
            Some(digits) => {
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let port = digits.parse::<u16>().ok().filter(|&port| is_number && port > 0);
                Some(port.ok_or("its port is no number from 1 to 65535")?)
            }
        };
        Ok(Self { host, port })
    }

    /// # Errors
    /// Why it is none.
    fn name(text: &str) -> Result<Host, &'static str> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Host::Address(address));
        }
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() {
            return Err("it names no host");
        }
        if text.len() > NAME_BYTES_MAX || !text.bytes().all(is_byte) {
            return Err("it has characters that no host has, or too many");
        }
        // The dot of the root may stand at the end.
        if text.strip_suffix('.').unwrap_or(text).split('.').any(str::is_empty) {
            return Err("a part of its name is empty");
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

/// Whom a request asks for: its absolute target's authority, else its `Host`. `None` when it says
/// nothing, as HTTP/1.0 may.
///
/// # Errors
/// What is wrong with it: none in HTTP/1.1, several, or one that is no authority.
pub(super) fn asked(
    version: Version,
    target: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Authority>, &'static str> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err("there are two of them");
    }
    let field = match field {
        Some(value) => {
            let text = value.to_str().map_err(|_| "it has characters that no host has")?;
            Some(Authority::parse(text)?)
        }
        None if version >= Version::HTTP_11 => return Err("there is none"),
        None => None,
    };
    let Some(authority) = target.authority() else { return Ok(field) };
    let named = Authority::parse(authority.as_str())?;
    match field {
        Some(field) if field != named => Err("it contradicts the target"),
        _ => Ok(Some(named)),
    }
}

/// Whether an `Origin` is that of a page which came from `asked`.
pub(super) fn is_same_origin(origin: &str, asked: &Authority) -> bool {
    let (rest, port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (_, Some(rest)) => (rest, 443),
        _ => return false,
    };
    Authority::parse(rest)
        .is_ok_and(|origin| origin.with_port(port) == asked.clone().with_port(port))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[&[u8]], target: &str) -> Result<Option<bool>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in fields {
            headers.append(header::HOST, axum::http::HeaderValue::from_bytes(value).unwrap());
        }
        let asked = asked(Version::HTTP_11, &target.parse().unwrap(), &headers);
        asked.map(|asked| asked.map(|asked| asked.is_literal()))
    }

    /// Goal: what is no host is refused, and no name passes for an address. Method: hostile rows;
    /// `Some(true)` is an address or localhost, `Some(false)` a name.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
    fn a_host_is_parsed_whole() {
        for (host, want) in [
            ("127.0.0.1", Some(true)),
            ("127.0.0.1:9901", Some(true)),
            ("[::1]", Some(true)),
            ("[::1]:9901", Some(true)),
            ("[0:0::0001]:1", Some(true)),
            ("LocalHost:65535", Some(true)),
            ("evil.example", Some(false)),
            ("evil.example.:80", Some(false)),
            ("127.0.0.1.evil.example", Some(false)),
            ("localhost.evil.example", Some(false)),
            ("127.1", Some(false)),
            ("2130706433", Some(false)),
            ("0x7f.0.0.1", Some(false)),
            ("[::1]evil.example", None),
            ("[::1]evil.example:9901", None),
            ("[::1].evil.example", None),
            ("[::1", None),
            ("::1", None),
            ("::1:9901", None),
            ("[]", None),
            ("[127.0.0.1]", None),
            ("[fe80::1%25eth0]", None),
            ("[::1]:", None),
            ("[::1]]:80", None),
            ("", None),
            (":9901", None),
            ("localhost:", None),
            ("localhost:0", None),
            ("localhost:+80", None),
            ("localhost:65536", None),
            ("localhost:80x", None),
            ("localhost:80:80", None),
            ("localhost:80@evil.example", None),
            ("user@localhost", None),
            ("user:pass@localhost", None),
            ("localhost evil.example", None),
            ("localhost,evil.example", None),
            ("localhost/evil", None),
            ("localhost#", None),
            ("localhost?x", None),
            ("local%68ost", None),
            ("a..b", None),
            (".localhost", None),
            ("localhost\t", None),
            ("http://localhost", None),
        ] {
            assert_eq!(check(&[host.as_bytes()], "/").ok().flatten(), want, "{host:?}");
        }
        for (name, fields, target, want) in [
            ("none", &[][..], "/", Err("there is none")),
            ("two", &[&b"localhost"[..], b"localhost"], "/", Err("there are two of them")),
            ("bytes over 127", &[b"localhost\xff"], "/", Err("it has characters that no host has")),
            ("an absolute target", &[b"localhost:1"], "http://localhost:1/", Ok(Some(true))),
            (
                "a target of somebody else",
                &[b"localhost"],
                "http://evil.example/",
                Err("it contradicts the target"),
            ),
            (
                "a target with a user",
                &[b"localhost"],
                "http://a@localhost/",
                Err("it has characters that no host has, or too many"),
            ),
        ] {
            assert_eq!(check(fields, target), want, "{name}");
        }
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        assert!(check(&[long.as_bytes()], "/").is_err());
    }

    #[test]
    fn an_origin_is_compared_by_scheme_host_and_port() {
        let asked = |text| Authority::parse(text).unwrap();
        for (origin, host, want) in [
            ("http://127.0.0.1:9901", "127.0.0.1:9901", true),
            ("https://lb", "lb", true),
            ("https://lb", "lb:443", true),
            ("http://LB:80", "lb", true),
            ("http://[::1]:9901", "[0::1]:9901", true),
            ("http://lb", "lb:443", false),
            ("http://127.0.0.1", "127.0.0.1:9901", false),
            ("http://127.0.0.1:9901.evil.example", "127.0.0.1:9901", false),
            ("http://127.0.0.1:9901@evil.example", "127.0.0.1:9901", false),
            ("null", "127.0.0.1:9901", false),
            ("file://", "127.0.0.1:9901", false),
            ("", "127.0.0.1:9901", false),
        ] {
            assert_eq!(is_same_origin(origin, &asked(host)), want, "{origin} of {host}");
        }
    }
}
