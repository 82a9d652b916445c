//! From the host of a request to its service: exact name, else the longest `*.suffix`, else `*`.
//!
//! Built once; a look-up is one hash of the name and, for suffixes, one more per label.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::config::Domain;

/// Routes of all services, as indices.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Whole names, lower case.
    exact: HashMap<Box<str>, usize>,
    /// Suffixes with their leading dot.
    suffix: HashMap<Box<str>, usize>,
    /// The service for every other host.
    any: Option<usize>,
}

impl Routes {
    /// Routes for services given by their domains, in order; the first of equals wins.
    pub(super) fn new<'a>(services: impl Iterator<Item = &'a [Domain]>) -> Self {
        let mut routes = Self::default();
        for (index, domains) in services.enumerate() {
            for domain in domains {
                match domain {
                    Domain::Exact(name) => {
                        routes.exact.entry(name.as_str().into()).or_insert(index);
                    }
                    Domain::Suffix(name) => {
                        routes.suffix.entry(name.as_str().into()).or_insert(index);
                    }
                    Domain::Any => {
                        routes.any.get_or_insert(index);
                    }
                }
            }
        }
        routes
    }

    /// The service for `host`, the value of a `Host` field.
    pub(super) fn find(&self, host: &str) -> Option<usize> {
        let name = lower(name_of(host));
        if let Some(&index) = self.exact.get(name.as_ref()) {
            return Some(index);
        }
        if !self.suffix.is_empty() {
            let dots = name.match_indices('.').map(|(at, _)| at).filter(|&at| at > 0);
            for at in dots {
                if let Some(&index) = name.get(at..).and_then(|suffix| self.suffix.get(suffix)) {
                    return Some(index);
                }
            }
        }
        self.any
    }
}

/// The name in a `Host` value: without port and without the dot that ends an absolute name.
pub(super) fn name_of(host: &str) -> &str {
    let name = match host.rfind(']') {
        Some(end) => host.get(..=end).unwrap_or(host), // IPv6 in brackets
        None => host.split(':').next().unwrap_or(host),
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Lower case; copies only if there is something to change.
fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_pattern_wins() {
        let exact = |name: &str| Domain::Exact(name.into());
        let suffix = |name: &str| Domain::Suffix(name.into());
        let services = [
            vec![Domain::Any],
            vec![exact("shop.example.com"), exact("[::1]")],
            vec![suffix(".example.com")],
            vec![suffix(".a.example.com")],
        ];
        let routes = Routes::new(services.iter().map(Vec::as_slice));
        for (host, want) in [
            ("shop.example.com", 1),
            ("SHOP.Example.com:8080", 1),
            ("shop.example.com.", 1),
            ("[::1]:80", 1),
            ("x.example.com", 2),
            ("x.y.example.com", 2),
            ("b.a.example.com", 3),
            ("example.com", 0),
            ("", 0),
        ] {
            assert_eq!(routes.find(host), Some(want), "{host}");
        }
        assert_eq!(Routes::new(services.iter().skip(1).map(Vec::as_slice)).find("other"), None);
    }
}
