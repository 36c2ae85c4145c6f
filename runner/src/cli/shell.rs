//! `mcspec shell`

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::somebody_waits;
use super::run::note;
use super::served::Served;
use super::signals;
use crate::config::Config;
use crate::observe::Frame;
use crate::status;

/// Open psql on a private server with the project's extensions and the engine
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,

    /// A spec, whose extensions are created and whose setup is done first
    #[arg(value_name = "SPEC")]
    spec: Option<String>,

    /// Arguments for psql
    #[arg(value_name = "ARGUMENT", last = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// Runs the subcommand.
pub(super) fn shell(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    signals::begin();
    if somebody_waits() {
        status::open();
    }
    let mut ready = arguments.served.prepare(config, arguments.spec.as_deref())?;
    ready.options.create.push("pg_ext_memcheck".to_owned());
    let frame = Frame::start(&ready.installed, &ready.directory, &ready.options)?;
    if let Some(case) = &ready.case {
        frame.set_up(case).map_err(|failure| Complaint::failure(&failure))?;
    }
    status::close();
    note("SELECT ext_memcheck.begin(); opens a check window, SELECT * FROM ext_memcheck.end(); closes it");
    let command: Vec<_> = std::iter::once("psql".into()).chain(arguments.arguments.iter().cloned()).collect();
    Ok(match ready.run(&frame, &command).code() {
        0 => Exit::Ok,
        status => Exit::As(status),
    })
}
