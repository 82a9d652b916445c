//! `telemetry.otlp` of the configuration: where spans go.

use std::time::Duration;

use super::map::Map;
use super::read::seconds;
use super::telemetry::{Carrier, bare_url, secret};
use super::tls;
use super::types::{Otlp, OtlpHeader, OtlpProtocol, OtlpTls};
use crate::base::trace::Share;
use crate::base::units;

/// Share of traces that is kept when nothing is said.
const SAMPLE: &str = "0.01";
/// From when on a request is slow when nothing is said.
const SLOW: Duration = seconds(1);
/// Fields that the protocol sets itself.
const OWN_FIELDS: [&str; 4] = ["host", "content-type", "content-length", "te"];

/// `telemetry.otlp`.
pub(super) fn section(map: Map<'_, '_>) -> Option<Otlp> {
    let mut map = map.means(Otlp::DOCS);
    let cure = "write one, such as `endpoint: http://localhost:4317`";
    let endpoint = map.required("endpoint", cure).and_then(|item| {
        let example = "http://host:4317 or https://host:4317";
        bare_url(&item, example, "write them as `headers`, with `value_file`")
    });
    let choices = [("grpc", OtlpProtocol::Grpc), ("http/protobuf", OtlpProtocol::Http)];
    let protocol = map.choice("protocol", OtlpProtocol::Grpc, &choices);
    let sample = map.get("sample");
    map.default("sample", SAMPLE);
    let sample = sample.map_or(share(SAMPLE), |item| {
        item.parse("a share from 0 to 1", "one, such as 0.01 for one in a hundred", share)
    });
    let slow = map.get("slow");
    map.default("slow", units::write_duration(u64::try_from(SLOW.as_micros()).unwrap_or(0)));
    let slow = slow.map_or(Some(Some(SLOW)), |item| {
        item.parse("a duration, or off", "1s, 250ms or `off`", |text| match text {
            "off" | "false" => Some(None),
            text => units::parse_duration(text).map(Some),
        })
    });
    let logs = map.flag("logs", false);
    let headers = map.list("headers").into_iter().filter_map(|item| header(item.map()?)).collect();
    let tls = map.map("tls").map_or_else(OtlpTls::default, tls::otlp);
    let timeout = map.duration("timeout", seconds(10));
    map.end();
    Some(Otlp {
        endpoint: endpoint?,
        protocol,
        sample: sample?,
        slow: slow?,
        logs,
        headers,
        tls,
        timeout,
    })
}

/// A share from 0 to 1.
fn share(text: &str) -> Option<Share> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio))?;
    Some(Share::new(ratio))
}

/// An item of `headers`.
fn header(map: Map<'_, '_>) -> Option<OtlpHeader> {
    let mut map = map.means(OtlpHeader::DOCS).means(&[(
        "value_file",
        "File that holds it; read again at each use, so that it can be rotated.",
    )]);
    let name = map.required("name", "write one, such as `name: authorization`");
    let name = name.and_then(|item| {
        item.parse("a name of a field", "one, such as authorization", |text| {
            let name = text.to_ascii_lowercase();
            let is_byte = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            let is_name = !name.is_empty() && name.len() <= 100 && name.bytes().all(is_byte);
            let is_own = OWN_FIELDS.contains(&name.as_str())
                || name.starts_with("grpc-")
                || name.ends_with("-bin");
            (is_name && !is_own).then_some(name)
        })
    });
    let before = map.found();
    let value = secret(&mut map, "value", "value_file", Carrier::Field);
    if value.is_none() && map.found() == before {
        map.missing("value_file", "write the file that holds the value, or `value`");
    }
    map.end();
    Some(OtlpHeader { name: name?, value: value? })
}
