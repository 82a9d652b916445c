//! A request as the mock reads it: path and parameters decoded, body within its limit and unpacked.
//!
//! Not here: what is answered (`answer`).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body as _;
use hyper::body::Incoming;

use super::refusal::Refusal;
use super::{Credentials, Product};

/// A body that cannot be had.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is longer than allowed; it was read to its end all the same.
    TooLong,
    /// The caller has left, or what came is no gzip. The real servers close the connection then.
    Broken,
}

/// Reads `body` to its end, `bytes_max` of it at most.
pub(super) async fn read(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, Unread> {
    let mut read = BytesMut::new();
    let mut is_too_long = false;
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        is_too_long |= read.len() + data.len() > bytes_max;
        if !is_too_long {
            read.extend_from_slice(&data);
        }
    }
    if is_too_long { Err(Unread::TooLong) } else { Ok(read.freeze()) }
}

/// Unpacks `body` when its fields say so. Other codings than gzip are not looked at, as in the real
/// servers.
pub(super) fn unpack(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, Unread> {
    if text(headers, &CONTENT_ENCODING) != Some("gzip") {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoder = flate2::read::MultiGzDecoder::new(&body[..]).take(limit);
    decoder.read_to_end(&mut unpacked).map_err(|_| Unread::Broken)?;
    if unpacked.len() > bytes_max { Err(Unread::TooLong) } else { Ok(unpacked.into()) }
}

/// The value of a field, when it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Checks that the format of a body, and of the answer that is wanted, are known to `product`.
pub(super) fn check_format(
    product: Product,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<(), Refusal> {
    if headers.get_all(CONTENT_TYPE).iter().count() > 1 {
        let kind = match product {
            Product::OpenSearch => "content_type_header_exception",
            Product::Elasticsearch | Product::ElasticsearchReduced => "media_type_header_exception",
        };
        return Err(Refusal::exception(400, kind, "only one Content-Type should be provided"));
    }
    let found = text(headers, &CONTENT_TYPE).unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    let is_versioned = |text: &str| text.contains("application/vnd.elasticsearch+");
    let accept = text(headers, &ACCEPT).unwrap_or("");
    // OpenSearch never looks at what is accepted.
    if product != Product::OpenSearch && (is_versioned(accept) || is_versioned(found)) {
        let is_known = |text: &str| {
            let text = text.replace(' ', "");
            ["compatible-with=8", "compatible-with=7"].iter().any(|known| text.contains(known))
        };
        return if is_known(accept) && (is_known(found) || !has_body) {
            Ok(())
        } else {
            let reason = "Invalid media-type value on headers [Accept, Content-Type]";
            Err(Refusal::exception(400, "media_type_header_exception", reason))
        };
    }
    if has_body && !["application/json", "application/x-ndjson"].contains(&essence) {
        return Err(Refusal::content_type(found));
    }
    Ok(())
}

/// Whether a caller proves what is `wanted`.
pub(super) fn is_allowed(wanted: Option<&Credentials>, headers: &HeaderMap) -> bool {
    let Some(wanted) = wanted else { return true };
    let found = text(headers, &AUTHORIZATION).and_then(|value| value.split_once(' '));
    let Some((scheme, found)) = found else { return false };
    let (name, value) = match wanted {
        Credentials::Basic { user, password } => {
            ("Basic", STANDARD.encode(format!("{user}:{password}")))
        }
        Credentials::ApiKey(key) => ("ApiKey", key.clone()),
        Credentials::Bearer(token) => ("Bearer", token.clone()),
    };
    scheme.eq_ignore_ascii_case(name) && found.trim() == value
}

/// Path and parameters of a request, decoded.
#[derive(Debug)]
pub(super) struct Target {
    /// Segments of the path; none for `/`.
    pub(super) segments: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
}

impl Target {
    /// Reads it off `uri`.
    pub(super) fn new(uri: &http::Uri) -> Self {
        let segments = uri.path().split('/').filter(|segment| !segment.is_empty());
        let parameters = uri.query().unwrap_or("").as_bytes();
        Self {
            segments: segments.map(decoded).collect(),
            parameters: url::form_urlencoded::parse(parameters).into_owned().collect(),
        }
    }

    /// The value of the parameter `name`.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the parameter `name` is set: `name`, `name=true`.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| value != "false")
    }
}

/// A segment of a path without its percent signs.
fn decoded(segment: &str) -> String {
    // Parameters are decoded in the same way, but for the plus sign.
    let segment = segment.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(segment.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// Parameters of `_bulk` that both products know.
const BULK_PARAMETERS: [&str; 14] = [
    "filter_path",
    "refresh",
    "timeout",
    "pipeline",
    "routing",
    "require_alias",
    "wait_for_active_shards",
    "error_trace",
    "pretty",
    "human",
    "format",
    "_source",
    "_source_includes",
    "_source_excludes",
];
/// Those that only Elasticsearch knows.
const BULK_PARAMETERS_ELASTIC: [&str; 3] =
    ["require_data_stream", "include_source_on_error", "list_executed_pipelines"];

/// Checks the parameters of a bulk request.
pub(super) fn check_bulk_parameters(
    product: Product,
    path: &str,
    target: &Target,
) -> Result<(), Refusal> {
    let is_known = |name: &str| {
        BULK_PARAMETERS.contains(&name)
            || (product != Product::OpenSearch && BULK_PARAMETERS_ELASTIC.contains(&name))
    };
    match target.parameters.iter().find(|(name, _)| !is_known(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::illegal(&format!(
            "request [{path}] contains unrecognized parameter: [{name}]"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded() {
        let target = Target::new(&"/a%2Ab/_c+d//?x=1%2C2&y&z=false".parse().unwrap());
        assert_eq!(target.segments, ["a*b", "_c+d"]);
        assert_eq!(target.parameter("x"), Some("1,2"));
        assert!(target.is_set("y") && !target.is_set("z") && !target.is_set("w"));
    }

    #[test]
    fn credentials_are_compared_by_scheme_and_value() {
        let basic = Credentials::Basic { user: "u".to_owned(), password: "p:q".to_owned() };
        let key = Credentials::ApiKey("abc".to_owned());
        for (name, wanted, sent, want) in [
            ("nothing wanted", None, None, true),
            ("nothing sent", Some(&basic), None, false),
            ("right", Some(&basic), Some("Basic dTpwOnE="), true),
            ("wrong password", Some(&basic), Some("Basic dTpw"), false),
            ("wrong scheme", Some(&key), Some("Bearer abc"), false),
            ("scheme in lower case", Some(&key), Some("apikey abc"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(AUTHORIZATION, sent.parse().unwrap());
            }
            assert_eq!(is_allowed(wanted, &headers), want, "{name}");
        }
    }
}
