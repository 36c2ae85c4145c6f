//! Developer chores: build the engine, write its install script, fetch test servers and libclang, lay the manual out as a book.

mod book;
mod engine;
mod error;
mod libclang;
mod packages;
mod servers;
mod update;
mod wheel;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::{ENGINE, ENGINE_WITH_TEST_LINKS, Profile, RUST_CORPUS};
use crate::error::Error;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the engine for one PostgreSQL and lay its files out in target/engine/MAJOR
    Engine {
        /// The pg_config of the PostgreSQL to build for
        #[arg(long, value_name = "PATH")]
        pg_config: PathBuf,
        /// Build with optimizations
        #[arg(long)]
        release: bool,
        /// Build it with the links of the allocator chain that only tests ask for, and lay it out in target/engine-links/MAJOR
        #[arg(long, conflicts_with = "release")]
        test_links: bool,
        /// Lay its files out in this directory instead
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// The directory for what cargo builds, instead of target/engine-build
        #[arg(long, value_name = "DIR")]
        target_dir: Option<PathBuf>,
    },
    /// Build the Rust extension with known memory bugs for one PostgreSQL and lay it out in target/rust_corpus/MAJOR
    RustCorpus {
        /// The pg_config of the PostgreSQL to build for
        #[arg(long, value_name = "PATH")]
        pg_config: PathBuf,
    },
    /// Run clippy on the engine and on the Rust extension with known memory bugs, as they are built for one PostgreSQL, and on what writes their install scripts
    LintEngine {
        /// The pg_config of the PostgreSQL to build for
        #[arg(long, value_name = "PATH")]
        pg_config: PathBuf,
    },
    /// Run the engine's unit tests, which need no server, as it is built for one PostgreSQL
    TestEngine {
        /// The pg_config of the PostgreSQL to build for
        #[arg(long, value_name = "PATH")]
        pg_config: PathBuf,
    },
    /// Lay the manual out as a book, as mdBook takes it
    Book {
        /// The directory that gets book.toml and src
        #[arg(long, value_name = "DIR", default_value = "target/book")]
        output: PathBuf,
        /// The runner, which says what its commands are
        #[arg(long, value_name = "PATH", default_value = "target/debug/mcspec")]
        mcspec: PathBuf,
    },
    /// Fetch PostgreSQL servers for tests into target/servers/MAJOR
    Servers {
        /// Major versions
        #[arg(required = true, value_name = "MAJOR")]
        majors: Vec<u32>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("HINT: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<(), Error> {
    let mut workspace = Workspace::locate();
    match chore {
        Chore::Engine { pg_config, release, test_links, output, target_dir } => {
            if let Some(directory) = target_dir {
                workspace.build_in(directory);
            }
            let (package, profile) = match (test_links, release) {
                (true, _) => (ENGINE_WITH_TEST_LINKS, Profile::Checked),
                (false, true) => (ENGINE, Profile::Release),
                (false, false) => (ENGINE, Profile::Debug),
            };
            engine::build(&workspace, &package, &pg_config, profile, output)
        }
        Chore::RustCorpus { pg_config } => engine::build(&workspace, &RUST_CORPUS, &pg_config, Profile::Release, None),
        Chore::LintEngine { pg_config } => [ENGINE, ENGINE_WITH_TEST_LINKS, RUST_CORPUS]
            .iter()
            .try_for_each(|package| engine::lint(&workspace, package, &pg_config))
            .and_then(|()| engine::lint_script(&workspace)),
        Chore::TestEngine { pg_config } => engine::test(&workspace, &pg_config),
        Chore::Book { output, mcspec } => book::write(workspace.root(), &output, &mcspec),
        Chore::Servers { majors } => majors.into_iter().try_for_each(|major| servers::fetch(&workspace, major)),
    }
}
