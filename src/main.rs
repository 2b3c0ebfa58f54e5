//! The `countersign` program.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A fifth to a third less processor time on the token path than with the allocator of glibc (ADR 66).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    countersign::cli::main()
}
