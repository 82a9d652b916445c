//! What is on the screen and what keys do: no clock, no terminal, no network.
//!
//! Not here: how it looks (`picture`).

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::fetch::Problem;
use super::figures::{Figures, Shown};
use super::paint::Palette;
use super::rows::{Column, Key, Order, Row, rows};

const FILTER_CHARS_MAX: usize = 60;
/// Rows that a page key goes.
const PAGE: isize = 10;

/// Everything that a picture is made of.
#[derive(Debug)]
pub(super) struct State {
    /// Whom it asks.
    pub(super) place: String,
    pub(super) palette: Palette,
    pub(super) figures: Option<Figures>,
    /// Set while the proxy does not answer.
    pub(super) gone: Option<Gone>,
    /// The service whose endpoints are shown; `None` for all services.
    pub(super) service: Option<Shown>,
    pub(super) mode: Mode,
    pub(super) sort: Column,
    /// Whether the other way round.
    pub(super) is_reversed: bool,
    /// Only rows that contain this.
    pub(super) filter: String,
    /// Whether new figures are left aside.
    pub(super) is_paused: bool,
    /// The row that keys act on; the first where there is none such.
    pub(super) selected: Option<Key>,
    /// First row that is seen.
    pub(super) offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    /// The filter that is typed.
    Filter,
    /// The help, which covers the picture until the next key.
    Help,
}

/// A proxy that does not answer.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub(super) problem: Problem,
    /// Since when, in milliseconds since 1970.
    pub(super) since_ms: u64,
    /// When it is asked again.
    pub(super) retry_ms: u64,
}

/// What a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Another picture.
    Draw,
    /// The signal of Ctrl-Z.
    AskToStop,
    /// The terminal as it was, and no picture until [`After::GoOn`].
    Stop,
    /// The terminal taken anew.
    GoOn,
    Quit,
}

impl State {
    pub(super) fn new(place: String, palette: Palette) -> Self {
        Self {
            place,
            palette,
            figures: None,
            gone: None,
            service: None,
            mode: Mode::Table,
            sort: Column::Trouble,
            is_reversed: false,
            filter: String::new(),
            is_paused: false,
            selected: None,
            offset: 0,
        }
    }

    pub(super) fn answered(&mut self, figures: Figures) {
        self.gone = None;
        if !self.is_paused || self.figures.is_none() {
            self.figures = Some(figures);
        }
    }

    /// The proxy has not answered.
    pub(super) fn failed(&mut self, problem: Problem, now_ms: u64, retry_ms: u64) {
        let since_ms = self.gone.as_ref().map_or(now_ms, |gone| gone.since_ms);
        self.gone = Some(Gone { problem, since_ms, retry_ms });
    }

    /// The rows that are shown.
    pub(super) fn rows(&self) -> Vec<Row> {
        let order = Order {
            sort: self.sort,
            is_reversed: self.is_reversed,
            filter: &self.filter,
            only: self.service.as_ref(),
        };
        self.figures.as_ref().map_or_else(Vec::new, |figures| rows(figures, order))
    }

    /// Index of the selected row.
    pub(super) fn selected_index(&self, rows: &[Row]) -> usize {
        let index = rows.iter().position(|row| Some(&row.key) == self.selected.as_ref());
        index.unwrap_or(0)
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> After {
        if key.kind == KeyEventKind::Release {
            return After::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => After::Quit,
                KeyCode::Char('z') => After::AskToStop,
                _ => After::Draw,
            };
        }
        if self.mode == Mode::Filter {
            self.type_filter(key.code);
            return After::Draw;
        }
        let is_help = std::mem::replace(&mut self.mode, Mode::Table) == Mode::Help;
        match key.code {
            KeyCode::Char('q') => return After::Quit,
            // Any other key only ends the help.
            _ if is_help => {}
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('j') | KeyCode::Down => self.go(1),
            KeyCode::Char('k') | KeyCode::Up => self.go(-1),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::Char('g') | KeyCode::Home => self.go(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.go(isize::MAX),
            KeyCode::Enter => self.enter(),
            KeyCode::Esc if self.service.is_some() => self.service = None,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char(letter) => self.sort = Column::of_letter(letter).unwrap_or(self.sort),
            _ => {}
        }
        After::Draw
    }

    /// A key of the filter.
    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.mode = Mode::Table;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    /// Selects the row so many further down.
    fn go(&mut self, by: isize) {
        let rows = self.rows();
        let to = self.selected_index(&rows).saturating_add_signed(by);
        let row = rows.get(to.min(rows.len().saturating_sub(1)));
        self.selected = row.map(|row| row.key.clone());
    }

    /// Goes into the service of the selected row.
    fn enter(&mut self) {
        let rows = self.rows();
        if let Some(row) = rows.get(self.selected_index(&rows)) {
            self.service = Some(row.key.service.clone());
            self.selected = Some(row.key.clone());
        }
    }
}
