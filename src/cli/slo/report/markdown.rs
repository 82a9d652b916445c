//! A report as Markdown; pictures are left out.

use std::fmt::Write as _;

use super::super::source::Found;
use super::parts::{ReportPart, parts};
use crate::base::visible::visible;

pub(super) fn write(found: &Found) -> anyhow::Result<String> {
    let mut text = String::new();
    for part in parts(found) {
        match part {
            ReportPart::Heading(level, words) => {
                writeln!(text, "{} {}\n", "#".repeat(usize::from(level)), plain(&words))?;
            }
            ReportPart::Sentence(words) => writeln!(text, "{}\n", plain(&words))?,
            ReportPart::Table(head, rows) => {
                let names = head.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
                writeln!(text, "{}", row(&names))?;
                let rule =
                    head.iter().map(|(_, is_figure)| if *is_figure { "---:" } else { "---" });
                writeln!(text, "|{}|", rule.collect::<Vec<_>>().join("|"))?;
                for cells in rows {
                    writeln!(text, "{}", row(&cells))?;
                }
                writeln!(text)?;
            }
            ReportPart::Picture(_) => (),
        }
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| plain(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// A text that is no markup, on one line.
fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut plain = String::with_capacity(text.len());
    for c in visible(text.as_bytes()).to_string().chars() {
        if matches!(c, '|' | '<' | '>' | '*' | '_' | '`' | '\\' | '[' | ']' | '#') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_no_markup() {
        for (text, want) in [
            ("/a|b", "/a\\|b"),
            ("<b>x</b>", "\\<b\\>x\\</b\\>"),
            ("two\n lines", "two lines"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(plain(text), want);
        }
    }
}
