//! `mcspec exec`

use std::ffi::OsString;
use std::time::Instant;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Outlet;
use super::record::Recorder;
use super::regress::Regress;
use super::run::ended;
use super::served::{Ready, Served};
use super::signals;
use super::telling::{Telling, place};
use crate::config::{Config, ConfigError};
use crate::observe::{Ended, Frame, Told, tell};
use crate::report::Reports;
use crate::results::make_directory;
use crate::status;

/// The name of the results where none is given.
const NAME: &str = "exec";

/// Run a command on a private server with the project's extensions, every session of it observed, and report what leaks
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,

    #[command(flatten)]
    regress: Regress,

    #[command(flatten)]
    telling: Telling,

    /// The command, which finds the server by its environment: PGHOST, PGPORT, PGUSER, PGDATABASE, PG_CONFIG, PATH
    #[arg(value_name = "COMMAND", last = true, required_unless_present = "regress", conflicts_with = "regress")]
    command: Vec<OsString>,
}

/// Runs the subcommand.
pub(super) fn exec(arguments: &Arguments, config: Result<Config, ConfigError>) -> Result<Exit, Complaint> {
    signals::handle()?;
    let outlet = Outlet::beside(&arguments.telling.report, arguments.telling.quiet)?;
    outlet.of(|outlet| match arguments.regress.is_wanted() {
        true => arguments.regress.run(&arguments.served, &arguments.telling, &config?, outlet),
        false => reported(arguments, &config?, outlet),
    })
}

fn reported(arguments: &Arguments, config: &Config, outlet: &mut Outlet) -> Result<Exit, Complaint> {
    make_directory(&config.project.results)?;
    signals::begin();
    let mut ready = arguments.served.prepare(config, None)?;
    ready.options.observes = true;
    let frame = Frame::start(&ready.installed, &ready.directory, &ready.options)?;
    let begun = Instant::now();
    // From now on, the terminal is the command's.
    status::close();
    let command = ready.run(&frame, &arguments.command);
    let Told { case, outcome, verdict } = seen(arguments, config, frame, &ready, &command, begun)?;
    let mut recorder = Recorder::begin(&config.project.results, 1)?;
    recorder.case(0, &case, &outcome, &verdict);
    let unrecorded = recorder.end().err();
    let cases = [case];
    let mut reports = Reports::new(outlet.reporters(), &cases).of_command(command.code());
    reports.verdict(&cases[0], &outcome, &verdict);
    Ok(ended(reports.end(begun.elapsed()), outlet.files(), unrecorded.into_iter().collect()))
}

/// What was seen, with the golden if one is wanted.
fn seen(
    arguments: &Arguments,
    config: &Config,
    frame: Frame,
    ready: &Ready,
    command: &Ended,
    begun: Instant,
) -> Result<Told, Complaint> {
    let mut symbols = frame.symbols();
    let sights = frame.end()?;
    let wanted = arguments.telling.wanted(NAME, ready, config)?;
    let place = place(config, ready, &wanted.name);
    Ok(tell(&sights, &wanted, place, &mut symbols, Some(command), begun.elapsed()))
}
