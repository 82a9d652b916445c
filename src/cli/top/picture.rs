//! State and figures as cells: pure, so that a test sees what people see.
//!
//! ```text
//! whose, how long, when          table: services, their endpoints
//! verdicts                       reasons, or details of a row
//! tiles                          trust · keys
//! ```
//! The order is that of the live page: are users served, how much, whose fault, how close to the edge,
//! can I trust this. Not here: the words of each part (`words`), rows and columns (`rows`).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::paint::{Palette, Tone, cut};
use super::rows::{Column, Row};
use super::state::{Mode, State};
use super::words;

/// Narrowest and widest column of names.
const NAME_COLUMNS: (u16, u16) = (18, 44);
/// Names up to this width are rather shown whole than beside one more column.
const NAME_KEPT: u16 = 26;
/// Rows of the table that are kept where not all has room: the titles and some rows.
const TABLE_MIN: usize = 5;

/// Who looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Somebody with a keyboard.
    Screen,
    /// A file or a pipe.
    Plain,
}

/// The parts of a picture above and below its table.
struct Parts {
    top: Vec<Line<'static>>,
    /// First line of it that is figures, after whose they are and the sentence.
    tiles: usize,
    rows: Vec<Row>,
    bottom: Vec<Line<'static>>,
    keys: Option<Line<'static>>,
}

/// Makes the parts for a width.
fn parts(state: &State, now_ms: u64, width: u16, form: Form) -> Parts {
    let palette = state.palette;
    let mut top = vec![words::head(state, width)];
    for sentence in words::sentences(state, now_ms) {
        top.extend(palette.flow(&sentence, 1, width));
    }
    let tiles = top.len();
    let rows = state.rows();
    let mut bottom = Vec::new();
    if let Some(figures) = &state.figures {
        top.extend(palette.flow(&words::tiles(figures), 3, width));
        let details = state.service.as_ref().and(rows.get(state.selected_index(&rows)));
        match details {
            Some(row) => bottom.extend(words::details(row, palette, width)),
            None => bottom.extend(palette.flow(&words::reasons(figures), 3, width)),
        }
        bottom.extend(palette.flow(&words::trust(&figures.live.trust), 3, width));
    }
    let keys = (form == Form::Screen).then(|| words::keys(state));
    Parts { top, tiles, rows, bottom, keys }
}

/// Draws the picture of now.
pub(super) fn draw(state: &mut State, now_ms: u64, form: Form, buffer: &mut Buffer) {
    let area = buffer.area;
    if state.mode == Mode::Help {
        let lines = words::help(state.palette);
        write(&lines, area, buffer);
        return;
    }
    let Parts { top, tiles, rows, bottom, keys } = parts(state, now_ms, area.width, form);
    let height = usize::from(area.height);
    let mut left = height.saturating_sub(top.len() + usize::from(keys.is_some()));
    let wanted = rows.len().max(1) + 1;
    // What is below the table gives way first, and blank lines before it.
    let below = bottom.len().min(left.saturating_sub(wanted.min(TABLE_MIN)));
    left -= below;
    let blank = left.saturating_sub(wanted).min(2);
    let table = left.saturating_sub(blank).min(wanted);
    let mut place = area;
    place = write(&top, place, buffer);
    place = skip(place, blank.div_ceil(2));
    let (rows_place, rest) = split(place, table);
    draw_table(state, &rows, rows_place, form, buffer);
    write(&bottom[..below], skip(rest, blank / 2), buffer);
    if state.gone.is_some() {
        fade(state.palette, skip(area, tiles), buffer);
    }
    if let Some(keys) = keys.filter(|_| height > 1) {
        let (_, last) = split(area, height - 1);
        keys.render(last, buffer);
    }
}

/// The picture as lines of text, as high as it needs to be.
pub(super) fn plain(state: &mut State, now_ms: u64, width: u16) -> Vec<String> {
    let Parts { top, rows, bottom, .. } = parts(state, now_ms, width, Form::Plain);
    let height = top.len() + rows.len().max(1) + 1 + bottom.len() + 2;
    let area = Rect::new(0, 0, width, u16::try_from(height).unwrap_or(u16::MAX));
    let mut buffer = Buffer::empty(area);
    draw(state, now_ms, Form::Plain, &mut buffer);
    text(&buffer)
}

/// The lines of a buffer, without spaces at their ends.
pub(super) fn text(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y: u16| {
        let (mut line, mut covered) = (String::new(), 0);
        for x in 0..area.width {
            let symbol = buffer[(x, y)].symbol();
            // A wide character covers the cells behind it.
            if covered == 0 {
                line.push_str(symbol);
                covered = Span::raw(symbol).width().saturating_sub(1);
            } else {
                covered -= 1;
            }
        }
        line.trim_end().to_owned()
    };
    (0..area.height).map(line).collect()
}

/// Draws titles and rows, those around the selected one.
fn draw_table(state: &mut State, rows: &[Row], area: Rect, form: Form, buffer: &mut Buffer) {
    let palette = state.palette;
    let longest = rows.iter().map(|row| Span::raw(row.name()).width()).max().unwrap_or(0);
    let longest = u16::try_from(longest + 1).unwrap_or(u16::MAX);
    let wanted = longest.clamp(NAME_COLUMNS.0, NAME_COLUMNS.1);
    let columns = Column::fitting(area.width, wanted.min(NAME_KEPT));
    let others: u16 = columns.iter().map(|(_, width)| width).sum();
    let name = wanted.min(area.width.saturating_sub(others));
    let (titles, place) = split(area, 1);
    titles_line(state, &columns, name).render(titles, buffer);
    if rows.is_empty() {
        let why = if state.figures.is_none() {
            ""
        } else if state.filter.is_empty() {
            "no service is configured, or none of this name any more"
        } else {
            "nothing contains this filter"
        };
        Line::styled(why, palette.style(Tone::Quiet)).render(place, buffer);
        return;
    }
    let selected = state.selected_index(rows);
    let height = usize::from(place.height);
    state.offset = state.offset.clamp((selected + 1).saturating_sub(height.max(1)), selected);
    state.offset = state.offset.min(rows.len().saturating_sub(height));
    for ((index, row), y) in rows.iter().enumerate().skip(state.offset).zip(place.rows()) {
        row_line(row, &columns, name, palette).render(y, buffer);
        if form == Form::Screen && index == selected {
            buffer.set_style(y, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

/// The titles; the one that rows are sorted by has an arrow.
fn titles_line(state: &State, columns: &[(Column, u16)], name: u16) -> Line<'static> {
    let title = |column: Column, width: u16| {
        let arrow = if state.is_reversed { "▲" } else { "▼" };
        let is_sorted = state.sort == column;
        let text = format!("{}{}", column.title(), if is_sorted { arrow } else { "" });
        let tone = if is_sorted { Tone::Strong } else { Tone::Quiet };
        Span::styled(aligned(&text, width, column), state.palette.style(tone))
    };
    let all = [(Column::Name, name)].into_iter().chain(columns.iter().copied());
    all.map(|(column, width)| title(column, width)).collect()
}

fn row_line(row: &Row, columns: &[(Column, u16)], name: u16, palette: Palette) -> Line<'static> {
    let name_tone = if row.key.endpoint.is_none() { Tone::Strong } else { Tone::Normal };
    let mut line = Line::default();
    line.push_span(Span::styled(
        aligned(&row.name(), name, Column::Name),
        palette.style(name_tone),
    ));
    for &(column, width) in columns {
        let (text, tone) = row.cell(column);
        line.push_span(Span::styled(aligned(&text, width, column), palette.style(tone)));
    }
    line
}

/// A text in a column of this width, cut with `…` where it is longer: names to the left, figures to the
/// right, one space between.
fn aligned(text: &str, width: u16, column: Column) -> String {
    let room = usize::from(width).saturating_sub(1);
    let cut = cut(text, room);
    let space = " ".repeat(usize::from(width) - Span::raw(cut.as_str()).width().min(width.into()));
    if matches!(column, Column::Name | Column::State) { cut + &space } else { space + &cut }
}

/// Writes lines from the top of an area; gives what is left of it.
fn write(lines: &[Line<'static>], area: Rect, buffer: &mut Buffer) -> Rect {
    for (line, place) in lines.iter().zip(area.rows()) {
        line.render(place, buffer);
    }
    skip(area, lines.len())
}

/// An area without its first rows.
fn skip(area: Rect, rows: usize) -> Rect {
    split(area, rows).1
}

/// The first rows of an area, and the others.
fn split(area: Rect, rows: usize) -> (Rect, Rect) {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    let first = Rect { height: rows, ..area };
    (first, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

/// Figures that are not of now.
fn fade(palette: Palette, area: Rect, buffer: &mut Buffer) {
    let style = Style::new().remove_modifier(Modifier::BOLD).add_modifier(Modifier::DIM);
    let grey = if palette.has_colours { style.fg(Color::DarkGray) } else { style };
    buffer.set_style(area, grey);
}

#[cfg(test)]
mod tests;
