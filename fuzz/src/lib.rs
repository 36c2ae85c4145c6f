//! Whatever reads an input from outside, as a function of that input. None of them may panic, hang or ask for memory out of
//! proportion; what is said about an input that was read is checked besides.
//!
//! libFuzzer calls them by way of the programs in `fuzz_targets/`, and a test over the corpora.

mod languages;
mod records;
mod symbols;
mod wires;

pub use languages::{config, isolation, schedule, spec};
pub use records::{golden, like, results};
pub use symbols::symbols;
pub use wires::wire;

/// What is done with an input.
pub type Target = fn(&[u8]);

/// All of them by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("spec", spec),
    ("isolation", isolation),
    ("golden", golden),
    ("schedule", schedule),
    ("config", config),
    ("results", results),
    ("wire", wire),
    ("symbols", symbols),
    ("like", like),
];

/// An input as text; what is not UTF-8 is refused where files are read.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
