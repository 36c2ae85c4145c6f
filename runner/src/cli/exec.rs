//! `mcspec exec`

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::{ReportTo, beside};
use super::prepare;
use super::record::Recorder;
use super::run::{ended, note};
use super::served::{Ready, Served};
use super::signals;
use crate::config::Config;
use crate::exec::outcome::ServerFacts;
use crate::golden::Directory;
use crate::observe::{Ended, Frame, Place, Told, Wanted, run, tell};
use crate::report::Reports;
use crate::results::{Axes, make_directory};
use crate::run::record_of;

/// The name of the results where none is given.
const NAME: &str = "exec";

/// Run a command on a private server with the project's extensions, every session of it observed, and report what leaks
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,

    /// Compare what is found with the golden of this name, which "mcspec bless NAME" writes; without it nothing is to be found
    #[arg(long, value_name = "NAME")]
    golden: Option<String>,

    /// Report growth from so many bytes on; default: any of a statement, and 8192 of several statements together
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,

    /// Report as pretty, tap, json, junit, github or markdown, also into a file; default: pretty on the standard error; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]")]
    report: Vec<ReportTo>,

    /// Show only what went wrong
    #[arg(short, long)]
    quiet: bool,

    /// The command, which finds the server by its environment: PGHOST, PGPORT, PGUSER, PGDATABASE, PG_CONFIG, PATH
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the subcommand.
pub(super) fn exec(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    make_directory(&config.project.results)?;
    let (reporters, files) = beside(&arguments.report, arguments.quiet)?;
    signals::begin();
    let mut ready = arguments.served.prepare(config, None)?;
    ready.options.observes = true;
    let frame = Frame::start(&ready.installed, &ready.directory, &ready.options)?;
    let begun = Instant::now();
    let command = run(&frame, &arguments.command, signals::attend);
    if let Ended::NotStarted(error) = &command {
        note(&format!("error: could not run \"{}\": {error}", Path::new(&arguments.command[0]).display()));
    }
    let Told { case, outcome, verdict } = seen(arguments, config, frame, &ready, &command, begun)?;
    let mut recorder = Recorder::begin(&config.project.results, 1)?;
    recorder.case(0, &case, &outcome, &verdict);
    let unrecorded = recorder.end().err();
    let cases = [case];
    let mut reports = Reports::new(reporters, &cases);
    reports.verdict(&cases[0], &outcome, &verdict);
    let exit = ended(reports.end(begun.elapsed()), files, unrecorded.into_iter().collect());
    Ok(match (command.code(), exit) {
        (0, exit) => exit,
        (status, _) => Exit::As(status),
    })
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
    let installation = ready.installed.stage.installation();
    let mut symbols = frame.symbols();
    let sights = frame.end()?;
    let server = ServerFacts { version: installation.version.text.clone(), ..ServerFacts::default() };
    let axes = Axes {
        major: installation.version.major(),
        assertions: server.assertions,
        arch: std::env::consts::ARCH.to_owned(),
    };
    let wanted = Wanted {
        name: arguments.golden.clone().unwrap_or_else(|| NAME.to_owned()),
        targets: ready.options.targets.clone(),
        least: arguments.min_bytes,
        has_golden: arguments.golden.is_some(),
        allowances: prepare::allowances(config, prepare::today()?),
    };
    let record = record_of(&Directory::of(&config.project).path, &wanted.name, &axes);
    let place = Place { server, axes, record };
    Ok(tell(&sights, &wanted, place, &mut symbols, Some(command), begun.elapsed()))
}
