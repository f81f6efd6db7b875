//! The binary. Everything is in the library; `src/lib.rs` is its table of contents.

use std::process::ExitCode;

/// glibc's allocator keeps the pages of connections that closed; this one gives them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorbell::cli::run(doorbell::server::kept_secret)
}
