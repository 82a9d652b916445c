//! Prometheus text exposition format 0.0.4: families grouped, `# HELP` and `# TYPE` once each.
//!
//! Not here: which metrics exist (`table`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Family;

/// Collects samples and prints them grouped by family, in name order.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Lines of each family, by name.
    families: BTreeMap<&'static str, (Family, String)>,
}

impl Exposition {
    /// Adds one sample. `labels` are pairs beside the constant labels of the row.
    pub fn sample(&mut self, family: Family, labels: &[(&str, &str)], value: u64) {
        self.line(family, "", labels, value, family.divisor);
    }

    /// Adds a histogram: how many values are in the bucket of each bound and not in an earlier one, the last
    /// one without a bound, and the sum of all.
    pub fn histogram(
        &mut self,
        family: Family,
        labels: &[(&str, &str)],
        bounds: &[&str],
        counts: &[u64],
        sum: u64,
    ) {
        let mut total = 0;
        for (bound, count) in bounds.iter().chain(&["+Inf"]).zip(counts) {
            total += count;
            self.line(family, "_bucket", &[labels, &[("le", *bound)]].concat(), total, 1);
        }
        self.line(family, "_sum", labels, sum, family.divisor);
        self.line(family, "_count", labels, total, 1);
    }

    /// Adds a line: the family's name with this end.
    fn line(
        &mut self,
        family: Family,
        end: &str,
        labels: &[(&str, &str)],
        value: u64,
        divisor: u64,
    ) {
        let (_, lines) = self.families.entry(family.name).or_insert((family, String::new()));
        lines.push_str(family.name);
        lines.push_str(end);
        if !labels.is_empty() || !family.labels.is_empty() {
            lines.push('{');
            lines.push_str(family.labels);
            for (index, (name, text)) in labels.iter().enumerate() {
                if index > 0 || !family.labels.is_empty() {
                    lines.push(',');
                }
                let _ = write!(lines, "{name}=\"{}\"", escape(text));
            }
            lines.push('}');
        }
        let _ = match divisor {
            1 => writeln!(lines, " {value}"),
            divisor => {
                let (whole, part) = (value / divisor, value % divisor);
                let places = divisor.ilog10() as usize;
                writeln!(lines, " {whole}.{part:0places$}")
            }
        };
    }

    /// Each family with its lines.
    pub fn families(&self) -> impl Iterator<Item = (&Family, &str)> {
        self.families.values().map(|(family, lines)| (family, lines.as_str()))
    }

    /// The whole page.
    pub fn finish(self) -> String {
        let mut page = String::new();
        for (name, (family, lines)) in self.families {
            let kind = family.kind.as_str();
            let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            page.push_str(&lines);
        }
        page
    }
}

/// Label values: backslash, quote and newline escaped, as the format asks.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn groups_samples_of_a_family_under_one_head() {
        let family = |labels| Family {
            name: "x_total",
            labels,
            help: "xs",
            kind: Kind::Counter,
            divisor: 1,
        };
        let mut page = Exposition::default();
        page.sample(family("class=\"2xx\""), &[("worker", "0")], 3);
        page.sample(family(""), &[("name", "a\"b")], 4);
        page.sample(Family { divisor: 1_000, ..family("") }, &[], 2_050);
        assert_eq!(
            page.finish(),
            "# HELP x_total xs\n# TYPE x_total counter\n\
             x_total{class=\"2xx\",worker=\"0\"} 3\nx_total{name=\"a\\\"b\"} 4\nx_total 2.050\n"
        );
    }
}
