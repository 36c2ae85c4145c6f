//! Developer chores: build the engine, write its install script, fetch test servers.

fn main() {}
