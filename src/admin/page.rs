//! The live page's files, embedded: HTML, style sheet, modules.
//!
//! What they may do is bounded by the policy below: nothing from elsewhere, no inline script or style,
//! in no frame. Compressed once, at the first request; told apart by what they hold (`ETag`), so that
//! a new version is seen at once. Not here: figures (`api`, `events`).

use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Declares files by their paths.
macro_rules! files {
    ($($path:literal $kind:ident;)*) => {
        &[$(File { path: $path, kind: $kind, bytes: include_bytes!(concat!("page/", $path)) }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Every file of the page.
const FILES: &[File] = files! {
    "index.html" HTML;
    "style.css" CSS;
    "icon.svg" SVG;
    "app.js" JS;
    "before.js" JS;
    "budget.js" JS;
    "chart.js" JS;
    "discover.js" JS;
    "dom.js" JS;
    "empty.js" JS;
    "filter.js" JS;
    "format.js" JS;
    "objective.js" JS;
    "overview.js" JS;
    "process.js" JS;
    "record.js" JS;
    "requests.js" JS;
    "service.js" JS;
    "services.js" JS;
    "shipping.js" JS;
    "slo.js" JS;
    "stream.js" JS;
    "table.js" JS;
    "verdict.js" JS;
    "vendor/uPlot.min.css" CSS;
    "vendor/uPlot.iife.min.js" JS;
};

/// A file as it is embedded.
struct File {
    /// Below the root.
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// A file as it is sent.
struct Sent {
    file: &'static File,
    /// Compressed.
    gzip: Vec<u8>,
    tag: String,
}

/// All files, compressed once.
static SENT: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let sent = |file: &'static File| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to a Vec cannot fail.
        let _ = gzip.write_all(file.bytes);
        let tag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(file.bytes), file.bytes.len());
        Sent { file, gzip: gzip.finish().unwrap_or_default(), tag }
    };
    FILES.iter().map(sent).collect()
});

/// The routes of all files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for (index, file) in FILES.iter().enumerate() {
        let answer = async move |headers: HeaderMap| answer(index, &headers);
        let path =
            if file.path == "index.html" { "/".to_owned() } else { format!("/{}", file.path) };
        router = router.route(&path, get(answer));
    }
    router
}

fn answer(index: usize, headers: &HeaderMap) -> Response {
    let Some(Sent { file, gzip, tag }) = SENT.get(index) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let has = |name, text: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains(text))
    };
    let fields = [
        (header::CONTENT_TYPE, file.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
        (header::ETAG, tag),
    ];
    if has(header::IF_NONE_MATCH, tag) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    if has(header::ACCEPT_ENCODING, "gzip") {
        return (fields, [(header::CONTENT_ENCODING, "gzip")], gzip.as_slice()).into_response();
    }
    (fields, file.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the page needs nothing that the policy forbids, and stays light. Method: the files as text.
    #[test]
    fn the_page_is_light_and_has_nothing_inline_or_from_elsewhere() {
        let html = std::str::from_utf8(FILES[0].bytes).unwrap();
        for forbidden in
            ["style=", "onclick", "onload", "<style", "javascript:", "http://", "https://"]
        {
            assert!(!html.contains(forbidden), "index.html has {forbidden}");
        }
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("<script src=\"/").count(), scripts, "every script is a file");
        for file in FILES.iter().filter(|file| !file.path.starts_with("vendor/")) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let forbidden =
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("];
            for forbidden in forbidden {
                assert!(!text.contains(forbidden), "{} has {forbidden}", file.path);
            }
        }
        let bytes: usize = SENT.iter().map(|sent| sent.gzip.len()).sum();
        assert!(bytes < 100 * 1024, "{bytes} bytes compressed");
    }
}
