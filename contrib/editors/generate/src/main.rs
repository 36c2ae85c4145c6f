//! Makes `src/parser.c` and what is beside it from `grammar.js`, as `tree-sitter generate` does; node has to be there.

use std::fmt::Write;
use std::fs;
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
        Ok(()) => match record(&grammar) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The files that are one: what is made of the first of them, and that.
const FILES: [&str; 4] = ["grammar.js", "src/grammar.json", "src/node-types.json", "src/parser.c"];

/// Writes down what was made of what, which `runner/tests/editors.rs` holds the files to.
fn record(grammar: &Path) -> std::io::Result<()> {
    let mut sums = String::new();
    for file in FILES {
        let sum = fnv(&fs::read(grammar.join(file))?);
        let _ = writeln!(sums, "{sum:016x}  {file}");
    }
    fs::write(grammar.join("src/sums"), sums)
}

/// FNV-1a, of 64 bits: nobody means to deceive here.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
