//! A request head, kept until its answer begins, so that it can be sent again.
//!
//! Each connection has one buffer for all its requests, so that no request allocates for it. hyper
//! keeps the case of names where nobody can read it: a request that is sent again has lower case.
//! Not here: which requests may be sent again (`exchange`).

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Ends a name and a value; can stand in neither.
const END: u8 = b'\n';

/// The fields of the last request of a connection, one after the other.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Kept(Vec<u8>);

impl Kept {
    /// Keeps a copy of these, in the place of those before.
    pub(in crate::proxy) fn keep(&mut self, fields: &HeaderMap) {
        self.0.clear();
        for (name, value) in fields {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                self.0.extend_from_slice(part);
                self.0.push(END);
            }
        }
    }

    /// What was kept.
    pub(in crate::proxy) fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let mut parts = self.0.split(|&byte| byte == END);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                fields.append(name, value);
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_last_request_come_back_whole_and_in_order() {
        let mut kept = Kept::default();
        for fields in [
            &[("host", "a"), ("x-own", "1"), ("accept", "*/*"), ("x-own", "2")][..],
            &[("x-empty", ""), ("x-bytes", "a\tb: \u{e9}")],
            &[],
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            kept.keep(&map);
            let again = kept.fields();
            assert!(again.iter().eq(map.iter()), "{again:?} {map:?}");
        }
    }
}
