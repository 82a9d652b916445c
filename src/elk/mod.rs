//! elk: under construction.
