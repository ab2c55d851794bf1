//! The `docquay` command; everything it does lies in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    docquay::cli::run(std::env::args_os())
}
