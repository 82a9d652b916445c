//! mock: under construction.
