//! A text read word by word: what the languages of filters share, that of `lbproxy log` and that of
//! boards.
//!
//! Invariants: never panics, whatever the text and the place; nesting is bounded. Not here: any
//! grammar (`parse`, `kql` of `tools/boards`).

/// Most `not` and `(` within each other.
pub(super) const DEPTH_MAX: usize = 64;

/// What was read of a text.
#[derive(Debug)]
pub struct Lexer<'t> {
    /// The text.
    pub text: &'t str,
    /// First byte not read.
    pub at: usize,
    /// What ends a word, beside white space.
    is_mark: fn(char) -> bool,
    /// `not` and `(` around this place.
    depth: usize,
}

impl<'t> Lexer<'t> {
    /// At the beginning of a text whose words end before white space and before marks.
    pub const fn new(text: &'t str, is_mark: fn(char) -> bool) -> Self {
        Self { text, at: 0, is_mark, depth: 0 }
    }

    /// What is left, without white space before it.
    pub fn rest(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// Takes `token` if it is next.
    pub fn takes(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        self.at += if is_next { token.len() } else { 0 };
        is_next
    }

    /// The next word, not yet taken; empty before a mark and at the end.
    pub fn word(&mut self) -> &'t str {
        let (rest, is_mark) = (self.rest(), self.is_mark);
        let end = rest.find(|c: char| c.is_whitespace() || is_mark(c));
        end.map_or(rest, |end| &rest[..end])
    }

    /// Whether `keyword` is the next word, in any case.
    pub fn is_next(&mut self, keyword: &str) -> bool {
        self.word().eq_ignore_ascii_case(keyword)
    }

    /// Takes `keyword` if it is the next word.
    pub fn keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.is_next(keyword);
        self.at += if is_next { keyword.len() } else { 0 };
        is_next
    }

    /// Goes one level deeper, to be followed by [`leave`](Self::leave); false where that is too deep.
    pub const fn enters(&mut self) -> bool {
        let is_room = self.depth <= DEPTH_MAX;
        self.depth += 1;
        is_room
    }

    /// Comes back from a level.
    pub const fn leave(&mut self) {
        self.depth -= 1;
    }
}
