//! All tests of the runner, and of the engine by the runner, but those that do harm (`torture.rs`): one program, which is built
//! and linked once. Each file is a module here; `cargo test -p mcspec --test all NAME::` runs one.

#![recursion_limit = "256"]
// Outside of the test functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ask;
mod attribution;
mod builds;
mod charged;
mod cli;
mod cluster;
mod commands;
mod commands_build;
mod company;
mod completions;
mod coverage;
mod crates;
mod docs;
mod doctor;
mod documented;
mod drop_in;
mod editors;
mod exec;
mod faults;
mod fmt;
mod given;
mod grammars;
mod growth;
mod guard;
mod help;
mod hunt;
mod init;
mod installing;
mod kept;
mod known;
mod ledger;
mod links;
mod manual;
mod memory;
mod merging;
mod not_run;
mod origin;
mod outside;
mod pages;
mod pairs;
mod privileges;
mod project;
mod regress;
mod report;
mod run;
mod sections;
mod server;
mod shmem;
mod sql_api;
mod squatting;
mod survived;
mod terminal;
mod trace;
mod transcript;
mod ui;
mod unprivileged;
mod update;
mod watch;
mod whole_files;
mod window;
mod workers;

use std::fs;
use std::path::Path;

/// A file that is no module here would compile nowhere, and never fail.
#[test]
fn every_file_is_a_module() {
    let here = include_str!("all.rs");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = fs::read_dir(directory).expect("the tests").flatten().map(|entry| entry.path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let name = file.file_stem().expect("a name").to_str().expect("UTF-8");
        let is_program = ["all", "torture"].contains(&name);
        assert!(
            is_program || here.contains(&format!("\nmod {name};\n")),
            "{name}.rs is in none of the programs of tests"
        );
    }
}
