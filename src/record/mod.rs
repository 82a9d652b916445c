//! record: under construction.
