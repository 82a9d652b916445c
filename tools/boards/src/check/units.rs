//! How often people read the unit of a number: once, in the number, at the axis or in the label.
//!
//! OpenSearch Dashboards: `src/plugins/data/common/field_formats/converters/duration.ts`, which knows no short
//! suffix: it writes the English name of the output format. Kibana:
//! `src/platform/plugins/shared/field_formats/common/converters/duration.ts`.

use serde_json::Value;

use super::super::Product;
use super::Findings;

/// A number as a format writes it.
fn written(product: Product, format: &Value) -> String {
    let params = &format["params"];
    match format["id"].as_str() {
        Some("bytes") => "240B".to_owned(),
        Some("percent") => "99.9%".to_owned(),
        Some("duration") => duration(product, params),
        _ => "240".to_owned(),
    }
}

/// A time as a format writes it.
fn duration(product: Product, params: &Value) -> String {
    let output = params["outputFormat"].as_str().unwrap_or_default();
    let (long, short) = match output {
        "asMilliseconds" => ("Milliseconds", "ms"),
        "asSeconds" => ("Seconds", "s"),
        "humanize" => ("Human Readable", ""),
        _ => ("Human Readable", "d"),
    };
    let number = match output {
        "humanize" => "3 days".to_owned(),
        "humanizePrecise" if product == Product::OpenSearch => "Invalid".to_owned(),
        _ => {
            let precision = usize::try_from(params["outputPrecision"].as_u64().unwrap_or(2));
            format!("{:.*}", precision.unwrap_or(0), 240.0)
        }
    };
    let is_short = product == Product::Elasticsearch && params["useShortSuffix"] == true;
    match (params["showSuffix"] == true, is_short) {
        (false, _) => number,
        (true, true) => format!("{number} {short}"),
        (true, false) => format!("{number} {long}"),
    }
}

/// Whether a number says its unit.
fn says(text: &str) -> bool {
    text.contains(|c: char| c == '%' || c.is_alphabetic())
}

/// Checks the formats of a view.
pub(super) fn formats(product: Product, attributes: &Value, findings: &mut Findings) {
    for (path, format) in attributes["fieldFormatMap"].as_object().into_iter().flatten() {
        let text = written(product, format);
        let long = ["Milliseconds", "Seconds", "Human Readable", "Invalid"];
        findings.require(
            !long.iter().any(|long| text.contains(long)),
            format!("`{path}` is written `{text}`"),
            "leave the suffix out, and say the unit at the axis or in the label",
        );
    }
}

/// Checks an agg-based visualization over a view with these formats.
pub(super) fn agg_based(state: &Value, formats: &Value, findings: &mut Findings) {
    let axis = state["params"]["valueAxes"][0]["title"]["text"].as_str().unwrap_or_default();
    let metrics = state["aggs"].as_array().into_iter().flatten();
    for metric in metrics.filter(|own| own["schema"] == "metric") {
        let params = &metric["params"];
        let Some(format) = formats.get(params["field"].as_str().unwrap_or_default()) else {
            continue;
        };
        let label = params["customLabel"].as_str().unwrap_or_default();
        let text = written(Product::OpenSearch, format);
        let words = [axis, label.rsplit(", ").next().unwrap_or_default()];
        let is_unit = |word: &str| ["ms", "s", "bytes", "%"].contains(&word);
        let count = words.iter().filter(|word| is_unit(word)).count() + usize::from(says(&text));
        findings.require(
            count == 1,
            format!("the unit is read {count} times: `{text}`, `{label}`, `{axis}`"),
            "say it once",
        );
    }
}

const RATE: &str = "an axis does not say that it is a rate";
const RATE_CURE: &str = "write req/s, or of what by the second";

/// Whether a title says that numbers are of each second.
fn says_rate(title: &Value) -> bool {
    title.as_str().is_some_and(|title| title.ends_with("/s") || title == "per second")
}

/// Checks that the axis of a layer of Lens says so where it is by the second.
pub(super) fn rate(layer: &Value, drawn: &Value, findings: &mut Findings) {
    let mut columns = layer["columns"].as_object().into_iter().flat_map(serde_json::Map::values);
    let is_rate = columns.any(|own| own["timeScale"] == "s");
    findings.require(!is_rate || says_rate(&drawn["yTitle"]), RATE, RATE_CURE);
}

/// The same of a specification of Vega's, which divides by the seconds of its buckets.
pub(super) fn rate_of_vega(spec: &Value, findings: &mut Findings) {
    let is_rate = spec["transform"].to_string().contains("/ datum.seconds");
    let mut layers = spec["layer"].as_array().into_iter().flatten();
    let says = layers.any(|own| says_rate(&own["encoding"]["y"]["axis"]["title"]));
    findings.require(!is_rate || says, RATE, RATE_CURE);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_written_as_each_product_does() {
        let of = |output: &str, suffix: bool| {
            json!({ "id": "duration", "params": {
                "inputFormat": "microseconds", "outputFormat": output, "outputPrecision": 1,
                "showSuffix": suffix, "useShortSuffix": true,
            } })
        };
        for (product, output, suffix, want) in [
            (Product::OpenSearch, "asMilliseconds", true, "240.0 Milliseconds"),
            (Product::OpenSearch, "asMilliseconds", false, "240.0"),
            (Product::OpenSearch, "humanize", true, "3 days Human Readable"),
            (Product::OpenSearch, "humanize", false, "3 days"),
            (Product::Elasticsearch, "asMilliseconds", true, "240.0 ms"),
        ] {
            assert_eq!(written(product, &of(output, suffix)), want, "{product:?} {output}");
        }
    }
}
