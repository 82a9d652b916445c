//! Questions to records: names of fields, the filter language, figures over many records.
//!
//! One language for `lbproxy log` and for pages that show records; its [`Lexer`] reads the filters of
//! boards too. A record is looked at in its binary form, as a [`Row`]; no document is made for it. No
//! clock, and no I/O but what a journal's reader does in `records`. Not here: which journal, how
//! answers are shown (`cli`, `admin`).

mod field;
mod filter;
mod given;
mod glob;
mod in_order;
mod lexer;
mod newest;
mod parse;
mod possible;
mod records;
mod row;
mod show;
mod summary;

pub use field::{FIELD_NAMES, Field, Kind, UnknownField, fields};
pub use filter::Filter;
pub(crate) use glob::Glob;
pub use in_order::{InOrder, VisitRaw};
pub use lexer::Lexer;
pub use newest::Newest;
pub use parse::FilterError;
pub use possible::NothingLeft;
pub use records::{PASS_BYTES, Records, Visit, until_end};
pub use row::Row;
pub use show::show;
pub use summary::{Group, Groups, Lane, Sequences};

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::filter::fuzzed::filter;
}
