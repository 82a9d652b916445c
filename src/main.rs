//! The program: runs the command line and turns its result into an exit code.

use std::process::ExitCode;

/// Gives memory back and fragments less over months.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Freed memory goes back to the system after a second instead of ten, from few arenas, by a thread of
/// jemalloc's own: without it nothing goes back while the process is idle, and the peak of a burst stays.
/// jemalloc reads it before `main`.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "the name is jemalloc's own; nothing else defines it")]
// SAFETY: a C string, as the symbol's reader expects, that lives as long as the program.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 78] =
    b"narenas:4,dirty_decay_ms:1000,background_thread:true,max_background_threads:1\0";

fn main() -> ExitCode {
    lbproxy::cli::run()
}
