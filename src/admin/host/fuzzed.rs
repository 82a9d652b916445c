//! What must hold of `Host` for any bytes: what is taken for a host is the one that others read.

use axum::http::uri::Authority as Other;
use axum::http::{HeaderMap, HeaderValue, Uri, Version, header};

use super::{asked, is_same_origin};

/// Lines: the target, then values of `Host`.
pub(crate) fn host(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Ok(target) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let mut headers = HeaderMap::new();
    for value in lines.filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(header::HOST, value);
    }
    let fields: Vec<_> = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes).collect();
    let Ok(Some(authority)) = asked(Version::HTTP_11, &target, &headers) else { return };

    assert_eq!(fields.len(), 1, "exactly one field");
    let field = String::from_utf8_lossy(fields[0]);
    let other = field.parse::<Other>();
    assert!(other.is_ok(), "{field:?} is an authority for nobody else");
    let Ok(other) = other else { return };
    assert!(!field.contains('@') && other.port_u16() != Some(0), "{field}");
    let name = other.host().trim_start_matches('[').trim_end_matches(']');
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let is_literal = is_address || name.eq_ignore_ascii_case("localhost");
    assert_eq!(authority.is_literal(), is_literal, "{field}");
    if let Some(named) = target.authority() {
        let is_same = named.host().eq_ignore_ascii_case(other.host()) || is_address;
        assert!(is_same && named.port_u16() == other.port_u16(), "{field} is not {named}");
    }
    assert!(is_same_origin(&format!("http://{field}"), &authority), "its own page");
    assert!(!is_same_origin(&format!("http://a.{field}"), &authority), "a page of somebody else");
}
