//! Developer chores: build the engine, write its install script, fetch test servers and libclang.

mod engine;
mod error;
mod libclang;
mod script;
mod servers;
mod wheel;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    },
    /// Run clippy on the engine as it is built for one PostgreSQL
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
    let workspace = Workspace::locate();
    match chore {
        Chore::Engine { pg_config, release } => engine::build(&workspace, &pg_config, release),
        Chore::LintEngine { pg_config } => engine::lint(&workspace, &pg_config),
        Chore::TestEngine { pg_config } => engine::test(&workspace, &pg_config),
        Chore::Servers { majors } => majors.into_iter().try_for_each(|major| servers::fetch(&workspace, major)),
    }
}
