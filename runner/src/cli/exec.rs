//! `mcspec exec`

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::run::note;
use super::served::Served;
use super::signals;
use crate::config::Config;
use crate::observe::{Ended, Frame, run};

/// Run a command on a private server with the project's extensions, every session of it observed, and report what leaks
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,

    /// The command, which finds the server by its environment: PGHOST, PGPORT, PGUSER, PGDATABASE, PG_CONFIG, PATH
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the subcommand.
pub(super) fn exec(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    signals::begin();
    let ready = arguments.served.prepare(config)?;
    let frame = Frame::start(&ready.installed, &ready.directory, &ready.options)?;
    let ended = run(&frame, &arguments.command, signals::attend);
    if let Ended::NotStarted(error) = &ended {
        note(&format!("error: could not run \"{}\": {error}", Path::new(&arguments.command[0]).display()));
    }
    Ok(match ended.code() {
        0 => Exit::Ok,
        status => Exit::As(status),
    })
}
