//! Addresses of servers that lbproxy asks: URLs of HTTP without anything that would be lost on the way,
//! shown where it must not be, or sent to whoever writes it down.
//!
//! The one rule for `urls`, `dashboards.url`, `otlp.endpoint` and the URLs of the command line. No word
//! here repeats the text, since it may hold a secret.

use url::Url;

/// What no address has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Another scheme, or no host.
    NoAddress,
    /// A user or a password.
    Credentials,
    /// A query.
    Query,
    /// A fragment.
    Fragment,
}

impl Unfit {
    /// What is wrong, to follow the name of the key or flag.
    pub const fn problem(self) -> &'static str {
        match self {
            Self::NoAddress => "is not http://host:port or https://host:port",
            Self::Credentials => "holds credentials",
            Self::Query => "has a query, which would not be sent",
            Self::Fragment => "has a fragment, which would not be sent",
        }
    }

    /// What to do about a query or fragment; credentials have their own keys in each place.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::NoAddress => "write scheme, host and port",
            Self::Credentials => "take them out",
            Self::Query | Self::Fragment => {
                "leave it out; a key that a gateway asks for belongs into credentials or a file"
            }
        }
    }
}

/// Whether a URL is an address.
///
/// # Errors
/// The first thing that it should not have.
pub fn check(url: &Url) -> Result<(), Unfit> {
    let faults = [
        (!matches!(url.scheme(), "http" | "https") || !url.has_host(), Unfit::NoAddress),
        (!url.username().is_empty() || url.password().is_some(), Unfit::Credentials),
        (url.query().is_some(), Unfit::Query),
        (url.fragment().is_some(), Unfit::Fragment),
    ];
    faults.into_iter().find(|(is_so, _)| *is_so).map_or(Ok(()), |(_, unfit)| Err(unfit))
}

/// Whether a text can be shown where it is no URL at all: nothing that could begin a secret is in it.
pub fn is_harmless(text: &str) -> bool {
    !text.contains(['@', '?', '#', '='])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_port_and_path() {
        for (text, want) in [
            ("http://h:1", Ok(())),
            ("https://[::1]/es/", Ok(())),
            ("ftp://h", Err(Unfit::NoAddress)),
            ("data:text", Err(Unfit::NoAddress)),
            ("http://u@h", Err(Unfit::Credentials)),
            ("http://:p@h", Err(Unfit::Credentials)),
            ("http://h/?key=secret", Err(Unfit::Query)),
            ("http://h?", Err(Unfit::Query)),
            ("http://h/#secret", Err(Unfit::Fragment)),
        ] {
            assert_eq!(check(&text.parse().unwrap()), want, "{text}");
        }
    }
}
