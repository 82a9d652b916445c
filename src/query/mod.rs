//! Questions to records: names of fields, the filter language, figures over many records.
//!
//! One language for `lbproxy log` and for pages that show records. A record is looked at in its
//! binary form, as a [`Row`]; no document is made for it. Pure: no I/O, no clock.
//! Not here: where records come from (`journal`), how answers are printed (`cli`).

mod field;
mod filter;
mod glob;
mod parse;
mod row;
mod show;
mod summary;

pub use field::{FIELD_NAMES, Field, Kind, UnknownField, fields};
pub use filter::Filter;
pub use parse::FilterError;
pub use row::Row;
pub use show::show;
pub use summary::{Group, Groups, Lane, Sequences};
