//! The `mcspec` command.

fn main() {}
