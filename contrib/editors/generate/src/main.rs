//! Makes `src/parser.c` and what is beside it from `grammar.js`, as `tree-sitter generate` does; node has to be there.

use std::path::Path;
use std::process::ExitCode;

use tree_sitter_generate::{OptLevel, generate_parser_in_directory};

/// The version of the interface between parser and library, which editors have had for years.
const ABI: usize = 14;

fn main() -> ExitCode {
    let grammar = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tree-sitter-mcspec");
    let mut diagnostics = Vec::new();
    let out = None::<&Path>;
    let optimizations = OptLevel::default();
    match generate_parser_in_directory(&grammar, out, out, ABI, None, Some("node"), true, optimizations, &mut diagnostics) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
