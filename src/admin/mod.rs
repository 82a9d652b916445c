//! admin: under construction.
