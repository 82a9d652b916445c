//! What one request asks the mock to do: the table of keys and how their values are read.
//!
//! A key stands in the query as `lb_delay=50ms` or in a header as `x-lb-delay: 50ms`; the header
//! wins where both do. Values are percent-decoded in both places. A wrong value is answered with 400
//! and the reason, never ignored: a test that asks for something must get it.

use std::time::Duration;

use crate::base::units;

/// Longest delay, so that a slip of the finger does not hold a connection for days.
const DELAY_MAX: Duration = Duration::from_mins(10);
/// Most parts of a body.
const CHUNKS_MAX: u64 = 1_000_000;

/// Every key with its value's form and its meaning: the help text is made from it.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("status", "503", "status of the answer, 200 to 599"),
    ("delay", "50ms", "wait before the answer begins"),
    ("size", "64KiB", "body of this many bytes instead of the JSON echo"),
    ("chunks", "10", "body in this many parts"),
    ("chunk_delay", "10ms", "wait before each part but the first"),
    ("chunked", "true", "chunked coding instead of Content-Length"),
    ("header", "Name:value", "further header field; repeatable"),
    ("trailer", "Name:value", "trailer field after a chunked body; repeatable"),
    ("informational", "103", "interim response before the answer, 102 to 199; repeatable"),
    ("connection", "close", "close after the answer; `drop` closes without saying so"),
    ("read", "none", "answer without reading the request body"),
    ("read_delay", "50ms", "wait before reading the request body"),
    ("fault", "FAULT", "break off, see below"),
    ("cut", "100B", "body bytes sent before the fault; default half of them"),
    ("raw", "HTTP/1.1%20200...", "send exactly these bytes, then close"),
];

/// What the mock does to a request. Empty: answers 200 with the JSON echo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Status of the answer.
    pub status: Option<u16>,
    /// Wait before the answer begins.
    pub delay: Duration,
    /// Body of this many bytes instead of the echo.
    pub size: Option<u64>,
    /// Parts of the body.
    pub chunks: Option<u64>,
    /// Wait before each part but the first.
    pub chunk_delay: Duration,
    /// Chunked coding instead of a length.
    pub chunked: bool,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// Interim responses.
    pub informational: Vec<u16>,
    /// What becomes of the connection after the answer.
    pub after: After,
    /// Whether the request body is left unread.
    pub is_unread: bool,
    /// Wait before the request body is read.
    pub read_delay: Duration,
    /// How it breaks off.
    pub fault: Option<Fault>,
    /// Body bytes before the fault.
    pub cut: Option<u64>,
    /// Exact bytes instead of an answer.
    pub raw: Option<Vec<u8>>,
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    /// It stays open.
    #[default]
    KeepAlive,
    /// `Connection: close`, and closed.
    Close,
    /// Closed without a word: what a pooled connection meets when its endpoint restarts.
    Drop,
}

/// How an answer breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub manner: Manner,
    /// After how much.
    pub place: Place,
}

/// What happens at a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing more, and the connection stays open until the peer leaves.
    Hang,
    /// The connection is closed (FIN).
    Close,
    /// The connection is reset (RST).
    Reset,
    /// A head that is no HTTP, then close.
    Malformed,
}

/// How much is sent before a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Nothing,
    /// Half of the head.
    Head,
    /// The head and `cut` bytes of the body.
    Body,
}

impl Fault {
    /// Every fault by name.
    pub const ALL: [(&'static str, Self); 10] = {
        const fn fault(manner: Manner, place: Place) -> Fault {
            Fault { manner, place }
        }
        [
            ("hang", fault(Manner::Hang, Place::Nothing)),
            ("hang-head", fault(Manner::Hang, Place::Head)),
            ("hang-body", fault(Manner::Hang, Place::Body)),
            ("close", fault(Manner::Close, Place::Nothing)),
            ("close-head", fault(Manner::Close, Place::Head)),
            ("close-body", fault(Manner::Close, Place::Body)),
            ("reset", fault(Manner::Reset, Place::Nothing)),
            ("reset-head", fault(Manner::Reset, Place::Head)),
            ("reset-body", fault(Manner::Reset, Place::Body)),
            ("malformed", fault(Manner::Malformed, Place::Head)),
        ]
    };
}

/// A key or value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lb_{key}: {problem}")]
pub struct Mistake {
    /// The key, without prefix.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Script {
    /// Reads the keys of a query string; pairs without the prefix `lb_` are not ours.
    ///
    /// # Errors
    /// The first key or value that cannot be used.
    pub fn apply_query(&mut self, query: &str) -> Result<(), Mistake> {
        for pair in query.split('&') {
            if let Some(pair) = pair.strip_prefix("lb_") {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                self.apply(key, value)?;
            }
        }
        Ok(())
    }

    /// Reads the `x-lb-*` fields of a request, lower-case names as parsed.
    ///
    /// # Errors
    /// The first key or value that cannot be used.
    pub fn apply_headers(&mut self, headers: &http::HeaderMap) -> Result<(), Mistake> {
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix("x-lb-") {
                let key = key.replace('-', "_");
                self.apply(&key, &String::from_utf8_lossy(value.as_bytes()))?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, key: &str, value: &str) -> Result<(), Mistake> {
        let bytes = percent_decode(value);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mistake = |problem: String| Mistake { key: key.to_owned(), problem };
        let value = Value { text: &text };
        let outcome = match key {
            "status" => value.number(200, 599).map(|n| self.status = u16::try_from(n).ok()),
            "delay" => value.delay().map(|delay| self.delay = delay),
            "size" => value.bytes().map(|size| self.size = Some(size)),
            "chunks" => value.number(1, CHUNKS_MAX).map(|n| self.chunks = Some(n)),
            "chunk_delay" => value.delay().map(|delay| self.chunk_delay = delay),
            "chunked" => {
                value.one_of(&[("true", true), ("false", false)]).map(|is| self.chunked = is)
            }
            "header" => value.field().map(|field| self.headers.push(field)),
            "trailer" => value.field().map(|field| self.trailers.push(field)),
            "informational" => {
                value.number(102, 199).map(|n| self.informational.extend(u16::try_from(n).ok()))
            }
            "connection" => value
                .one_of(&[
                    ("close", After::Close),
                    ("drop", After::Drop),
                    ("keep-alive", After::KeepAlive),
                ])
                .map(|after| self.after = after),
            "read" => value.one_of(&[("none", true), ("all", false)]).map(|is| self.is_unread = is),
            "read_delay" => value.delay().map(|delay| self.read_delay = delay),
            "fault" => value.one_of(&Fault::ALL).map(|fault| self.fault = Some(fault)),
            "cut" => value.bytes().map(|cut| self.cut = Some(cut)),
            "raw" => {
                self.raw = Some(bytes.clone());
                Ok(())
            }
            _ => Err(format!("no such key; known are {}", names(KEYS.iter().map(|row| row.0)))),
        };
        outcome.map_err(mistake)
    }

    /// Whether the answer needs bytes that an HTTP library would not send.
    pub(super) fn needs_raw(&self) -> bool {
        self.fault.is_some()
            || self.raw.is_some()
            || !self.informational.is_empty()
            || !self.trailers.is_empty()
            || self.after == After::Drop
    }
}

/// The text of a value with the forms it can have.
struct Value<'a> {
    /// Decoded.
    text: &'a str,
}

impl Value<'_> {
    /// A whole number in a range.
    fn number(&self, least: u64, most: u64) -> Result<u64, String> {
        let number = self.text.parse().ok().filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| format!("{:?} is no number from {least} to {most}", self.text))
    }

    fn delay(&self) -> Result<Duration, String> {
        match units::parse_duration(self.text) {
            Some(delay) if delay <= DELAY_MAX => Ok(delay),
            Some(_) => Err(format!("{} is more than 10m", self.text)),
            None => Err(format!("{:?} is no duration; write 50ms or 2s", self.text)),
        }
    }

    fn bytes(&self) -> Result<u64, String> {
        units::parse_bytes(self.text)
            .ok_or_else(|| format!("{:?} is no size; write 100B or 64KiB", self.text))
    }

    fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, String> {
        words.iter().find(|(word, _)| *word == self.text).map(|&(_, value)| value).ok_or_else(
            || format!("{:?} is none of {}", self.text, names(words.iter().map(|row| row.0))),
        )
    }

    fn field(&self) -> Result<(String, String), String> {
        let (name, value) = self
            .text
            .split_once(':')
            .ok_or_else(|| format!("{:?} has no colon; write Name:value", self.text))?;
        let value = value.trim_start();
        if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err()
        {
            return Err(format!("{:?} is no header field; use lb_raw for a broken one", self.text));
        }
        Ok((name.to_owned(), value.to_owned()))
    }
}

/// Joins names for a message.
fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Decodes `%41` and leaves everything else as it is, a lone `%` included.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_what_is_not_ours_is_left_alone() {
        let mut script = Script::default();
        script
            .apply_query("a=1&lb_delay=50ms&lb_status=503&lb_header=X-A:%20b%3Ac&lb_fault=close-body&lb_cut=7B&x")
            .unwrap();
        let want = Script {
            delay: Duration::from_millis(50),
            status: Some(503),
            headers: vec![("X-A".to_owned(), "b:c".to_owned())],
            fault: Some(Fault { manner: Manner::Close, place: Place::Body }),
            cut: Some(7),
            ..Script::default()
        };
        assert_eq!(script, want);
    }

    #[test]
    fn a_header_wins_over_the_query() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-lb-chunk-delay", "3ms".parse().unwrap());
        headers.insert("x-lb-status", "201".parse().unwrap());
        let mut script = Script::default();
        script.apply_query("lb_status=500").unwrap();
        script.apply_headers(&headers).unwrap();
        assert_eq!((script.status, script.chunk_delay), (Some(201), Duration::from_millis(3)));
    }

    #[test]
    fn a_mistake_names_key_problem_and_cure() {
        for (query, want) in [
            ("lb_status=99", "lb_status: \"99\" is no number from 200 to 599"),
            ("lb_status", "lb_status: \"\" is no number from 200 to 599"),
            ("lb_delay=50", "lb_delay: \"50\" is no duration; write 50ms or 2s"),
            ("lb_delay=1d", "lb_delay: 1d is more than 10m"),
            ("lb_size=9", "lb_size: \"9\" is no size; write 100B or 64KiB"),
            ("lb_read=some", "lb_read: \"some\" is none of none, all"),
            ("lb_header=nocolon", "lb_header: \"nocolon\" has no colon; write Name:value"),
            (
                "lb_header=a%0a:b",
                "lb_header: \"a\\n:b\" is no header field; use lb_raw for a broken one",
            ),
        ] {
            let mistake = Script::default().apply_query(query).unwrap_err();
            assert_eq!(mistake.to_string(), want, "{query}");
        }
        let unknown = Script::default().apply_query("lb_dealy=1s").unwrap_err().to_string();
        assert!(unknown.contains("no such key; known are status, delay,"), "{unknown}");
    }

    #[test]
    fn every_key_of_the_table_is_read() {
        let values = [
            "503", "50ms", "64KiB", "10", "10ms", "true", "A:b", "A:b", "103", "close", "none",
            "50ms", "hang", "100B", "x",
        ];
        assert_eq!(KEYS.len(), values.len());
        for ((key, _, _), value) in KEYS.iter().zip(values) {
            let mut script = Script::default();
            script.apply_query(&format!("lb_{key}={value}")).unwrap();
            assert_ne!(script, Script::default(), "{key} changes nothing");
        }
    }

    #[test]
    fn percent_signs_that_encode_nothing_stay() {
        assert_eq!(percent_decode("%41%zz%4"), b"A%zz%4");
        assert_eq!(percent_decode("%e2%82%ac%"), "€%".as_bytes());
    }
}
