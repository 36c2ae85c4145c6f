//! `mcspec engine`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use super::prepare;
use super::prepare::major;
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::engine::Builder;
use crate::hint;
use crate::server::{EngineFiles, Installation};

/// Build the engine, the library that a server preloads, or list what is there of it
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the engines that are found: for which version, built for what, and for which servers they are
    List,
    /// Build the engine for a server, from sources that mcspec has with it; it takes Rust and a C compiler
    #[command(
        after_help = "It is put into ~/.local/share/mcspec, or into \"path\" of [engine] in mcspec.toml, and found there."
    )]
    Build(Building),
}

#[derive(Debug, Args)]
struct Building {
    /// The major versions to build for, such as 15,18; default: those of mcspec.toml, or the first one found
    #[arg(long, value_name = "MAJOR", value_delimiter = ',', value_parser = major, add = complete::majors())]
    pg: Vec<u32>,
    /// The server to build for
    #[arg(long, value_name = "PATH", conflicts_with = "pg")]
    pg_config: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn engine(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    match &arguments.command {
        Command::List => list(config),
        Command::Build(building) => build(building, config),
    }
}

fn build(building: &Building, config: &Config) -> Result<Exit, Complaint> {
    let installations = prepare::installations(&building.pg, building.pg_config.as_ref(), config)?;
    let builder = Builder::prepare()?;
    for installation in installations {
        let engine = builder.build(&installation, config)?;
        let line = format!("PostgreSQL {}: {}", installation.version.text, shown(&engine.library));
        writeln!(Stdout::new(), "{line}").map_err(Complaint::stdout)?;
    }
    Ok(Exit::Ok)
}

fn list(config: &Config) -> Result<Exit, Complaint> {
    let mut out = Stdout::new();
    for major in SUPPORTED_MAJORS {
        let servers = Installation::find(&[major], config).unwrap_or_default();
        let (engines, looked_in) = EngineFiles::all(major, &servers, config);
        let mut lines = Vec::new();
        for engine in &engines {
            let built = engine.built_for().map_or(String::new(), |build| format!(", built for {}", build.version));
            lines.push(format!("PostgreSQL {major}: {}{built}", shown(&engine.library)));
            lines.extend(servers.iter().map(|server| match engine.check(server) {
                Ok(()) => format!("  fits {} of {}", server.version.text, shown(&server.pg_config)),
                Err(error) => format!("  {error}"),
            }));
        }
        if engines.is_empty() {
            let looked_in: Vec<String> = looked_in.iter().map(shown).collect();
            lines.push(format!("PostgreSQL {major}: none in {}", looked_in.join(", ")));
            let pg_config = |server: &Installation| format!("  HINT: {}", hint::rebuild(&server.pg_config));
            lines.extend(servers.iter().map(pg_config));
        }
        for line in lines {
            writeln!(out, "{line}").map_err(Complaint::stdout)?;
        }
    }
    Ok(Exit::Ok)
}

fn shown(path: impl AsRef<Path>) -> String {
    format!("\"{}\"", path.as_ref().display())
}
