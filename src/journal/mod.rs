//! journal: under construction.
