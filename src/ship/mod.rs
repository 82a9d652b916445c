//! ship: under construction.
