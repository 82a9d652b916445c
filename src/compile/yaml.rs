//! Lines of YAML. Texts stand in JSON's form, which is one of YAML's.

/// A text, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Lines of a mapping, each after `indent` spaces; what has no value or an empty one is left out.
pub(super) fn mapping(indent: usize, pairs: &[(&str, Option<&str>)]) -> String {
    let known =
        pairs.iter().filter_map(|(key, value)| Some((key, value.filter(|text| !text.is_empty())?)));
    let lines = known.map(|(key, value)| format!("{:indent$}{key}: {}\n", "", quoted(value)));
    lines.collect::<Vec<_>>().concat()
}
