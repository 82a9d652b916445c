//! Rows with aligned columns. Widths come from the first rows; later ones are never cut, at worst
//! they stand out. Memory is bounded by those first rows.

use std::io::Write;

/// Rows that are looked at for widths.
const ROWS_MEASURED: usize = 1_000;
/// Widest column that later columns wait for, in characters.
const WIDTH_MAX: usize = 60;

/// A table on its way out.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    /// Head and rows that are not yet written.
    waiting: Vec<Vec<String>>,
    /// Which columns are figures, put at the right side.
    figures: Vec<bool>,
    /// Widths in characters, once they are settled.
    widths: Option<Vec<usize>>,
}

impl Table {
    /// A table with this head; `figures` says which columns are.
    pub(in crate::cli) fn new(head: Vec<String>, figures: Vec<bool>) -> Self {
        Self { waiting: vec![head], figures, widths: None }
    }

    /// Adds a row, and writes it as soon as widths are settled.
    pub(in crate::cli) fn row(
        &mut self,
        out: &mut impl Write,
        cells: Vec<String>,
    ) -> std::io::Result<()> {
        self.waiting.push(cells);
        if self.widths.is_some() || self.waiting.len() > ROWS_MEASURED {
            self.finish(out)?;
        }
        Ok(())
    }

    pub(in crate::cli) fn finish(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        let widths = self.widths.get_or_insert_with(|| {
            let width = |column: usize| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(WIDTH_MAX)
            };
            (0..self.figures.len()).map(width).collect()
        });
        for row in rows {
            let mut line = String::new();
            for ((cell, &width), &is_figure) in row.iter().zip(&*widths).zip(&self.figures) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let room = " ".repeat(width.saturating_sub(cell.chars().count()));
                line += &if is_figure { room + cell } else { cell.clone() + &room };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_is_cut() {
        let mut out = Vec::new();
        let text = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let mut table = Table::new(text(["name", "ms", "why"]), vec![false, true, false]);
        table.row(&mut out, text(["a", "1.2", "x"])).unwrap();
        table.row(&mut out, text(["\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "120", ""])).unwrap();
        assert!(out.is_empty(), "widths wait for the rows");
        table.finish(&mut out).unwrap();
        table.row(&mut out, text(["a name of length", "1", "x"])).unwrap();
        let want = "name    ms  why\n\
                    a      1.2  x\n\
                    \u{e9}\u{e9}\u{e9}\u{e9}\u{e9}  120\n\
                    a name of length    1  x\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
