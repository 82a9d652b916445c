//! "Did you mean": the known name that is most like the one somebody typed.

/// How alike two names must be (Jaro-Winkler, 0 to 1) before one is offered for the other.
const LIKENESS_MIN: f64 = 0.7;
/// Longest name that can be a slip, in bytes; comparing takes as long as both lengths multiplied.
const TYPED_BYTES_MAX: usize = 64;

/// The most alike of `known`, if any is alike enough; capitals count as small letters.
pub fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if typed.len() > TYPED_BYTES_MAX {
        return None;
    }
    let typed = typed.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(name, &typed), name))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["status", "service", "duration"];
        for (typed, want) in [
            ("statsu", Some("status")),
            ("Duration", Some("duration")),
            ("servce", Some("service")),
            ("xyzzy", None),
            ("", None),
            (&"status".repeat(20), None),
        ] {
            assert_eq!(nearest(typed, known), want, "{typed}");
        }
    }
}
