//! The `mcspec` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcspec::cli::main().into()
}
