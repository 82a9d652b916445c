//! Names with `*` in them, as index patterns and index expressions have.

/// Whether `name` fits `pattern`, in which `*` stands for any text.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(end)
}

/// Whether `name` fits one of the patterns in `expression`, which stand between commas.
pub(super) fn any_fits(expression: &str, name: &str) -> bool {
    expression == "_all" || expression.split(',').any(|pattern| fits(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, want) in [
            ("logs", "logs", true),
            ("logs", "logs-a", false),
            ("*", "", true),
            ("logs-*", "logs-", true),
            ("logs-*-default", "logs-a-b-default", true),
            ("logs-*-default", "logs-default", false),
            ("*a*b*", "xaybz", true),
            ("*a*b*", "xbyaz", false),
            ("a*a", "a", false),
            ("x,logs-*", "logs-1", false),
        ] {
            assert_eq!(fits(pattern, name), want, "{pattern} {name}");
        }
        assert!(any_fits("x,logs-*", "logs-1") && any_fits("_all", "x") && !any_fits("x,y", "z"));
    }
}
