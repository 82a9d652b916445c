//! The program: runs the command line and turns its result into an exit code.

use std::process::ExitCode;

/// Gives memory back and fragments less over months.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    lbproxy::cli::run()
}
