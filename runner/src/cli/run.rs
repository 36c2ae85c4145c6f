//! `mcspec run`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use clap::Args;
use memcheck_core::row::Policy;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::{ReportTo, Stdout, reporters};
use super::prepare::{self, Plan};
use super::record::Recorder;
use super::select::Selection;
use super::signals;
use super::transcript::Transcript;
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::exec::event::Event;
use crate::exec::outcome::Outcome;
use crate::exec::{self, Run};
use crate::golden::{self, Axes};
use crate::judge::{Record, Verdict, judge, without_running};
use crate::plan::{Case, Environment, Overrides};
use crate::report::{Reports, Summary};
use crate::server::RunDirectory;

/// Run specs on private servers and compare what they find with what they expect and with their goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Major versions of PostgreSQL to run on; default: the configured ones, or the first one found
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = major, conflicts_with = "pg_config")]
    pg: Vec<u32>,

    /// Run on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,

    /// Servers at the same time; default: the number of processors
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,

    /// Give a variable a value, whatever the spec says; repeatable
    #[arg(short, long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// Show what would run, and run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Keep the temporary directory: server logs, data directories, the staged tree
    #[arg(long)]
    keep: bool,

    /// Report as pretty or tap, also into a file; default: pretty on a terminal, tap elsewhere; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]")]
    report: Vec<ReportTo>,

    /// Show only what went wrong
    #[arg(short, long)]
    quiet: bool,

    /// Run every interleaving of sessions, however many there are
    #[arg(long)]
    all_permutations: bool,

    #[command(flatten)]
    transcript: Transcript,
}

fn major(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| SUPPORTED_MAJORS.contains(number));
    let (first, last) = (SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
    number.ok_or_else(|| format!("supported versions are {first} to {last}"))
}

/// `NAME=VALUE`
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let specs = arguments.selection.load(config)?;
    let installations = prepare::installations(&arguments.pg, arguments.pg_config.as_ref(), config)?;
    let environments: Vec<Environment> =
        installations.iter().map(|installation| prepare::environment(installation, config)).collect();
    let variables: BTreeMap<String, String> = arguments.variables.iter().cloned().collect();
    let transcript = arguments.transcript.is_wanted();
    let all_permutations = arguments.all_permutations || transcript;
    let plan = prepare::plan(&specs, &environments, &Overrides::new(variables), config, all_permutations)?;
    if arguments.dry_run {
        return dry_run(&plan);
    }

    let reporters = reporters(&arguments.report, arguments.quiet)?;
    signals::handle()?;
    let directory = RunDirectory::create()?;
    if arguments.keep {
        directory.keep();
    }
    let account = directory.account();
    if nix::unistd::geteuid().is_root() && !arguments.quiet {
        note(&format!("servers run as user \"{}\"", account.name()));
    }
    let to_run: Vec<Case> = plan.cases.iter().filter(|case| without_running(case).is_none()).cloned().collect();
    let installed = if to_run.is_empty() {
        Vec::new()
    } else {
        prepare::install(&installations, &directory, &to_run, config, !transcript)?
    };

    let judge = |case: &Case, outcome: &Outcome| verdict(case, outcome, &environments[case.installation], config);
    let jobs = arguments.jobs.or(config.profile.jobs).map(|jobs| jobs as usize);
    let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let reports = Reports::begin(reporters, &plan.cases).map_err(Complaint::stdout)?;
    let summary = if transcript {
        arguments.transcript.run(&plan.cases, &environments, &installed, jobs, reports, config)?
    } else {
        let run = Run { cases: &plan.cases, groups: &plan.groups, installed: &installed, jobs, judge: &judge };
        follow(&run, reports, config)?
    };
    if arguments.keep {
        note(&format!("kept \"{}\"", directory.path().display()));
    }
    Ok(match summary {
        Summary { unsupported: 1.., .. } => Exit::CouldNotRun,
        Summary { failed: 1.., .. } => Exit::Failed,
        _ => Exit::Ok,
    })
}

/// Runs the cases while this thread reports and records what happens.
fn follow(run: &Run, mut reports: Reports, config: &Config) -> Result<Summary, Complaint> {
    let started = Instant::now();
    let cases = run.cases;
    let mut recorder = Recorder::begin(&config.project.results, cases.len())?;
    let (events, received) = channel();
    thread::scope(|scope| {
        scope.spawn(move || exec::run(run, &events));
        for event in received {
            reports.event(cases, &event).map_err(Complaint::stdout)?;
            if let Event::Finished { case, outcome, verdict } = event {
                recorder.case(case, &cases[case], &outcome, &verdict)?;
                reports.verdict(cases, case, *verdict).map_err(Complaint::stdout)?;
            }
        }
        Ok::<(), Complaint>(())
    })?;
    recorder.end()?;
    reports.end(started.elapsed()).map_err(Complaint::stdout)
}

/// What an outcome means, with the golden that is for this server.
fn verdict(case: &Case, outcome: &Outcome, environment: &Environment, config: &Config) -> Verdict {
    let axes = Axes {
        major: environment.major(),
        assertions: outcome.server.as_ref().map_or(environment.assertions, |server| server.assertions),
        arch: environment.arch.to_owned(),
    };
    let expected = &config.project.expected;
    let record = match golden::look_up(expected, &case.name, &axes) {
        _ if case.golden == Policy::None => Record::NotWanted,
        Ok(Some(recorded)) => Record::Found(recorded),
        Ok(None) => Record::Missing(golden::base_file(expected, &case.name)),
        Err(error) => Record::Unusable(error),
    };
    judge(case, outcome, &axes, record)
}

fn dry_run(plan: &Plan) -> Result<Exit, Complaint> {
    let mut out = Stdout::new();
    for case in &plan.cases {
        let note = match &case.skip {
            Some(reason) => format!(" # SKIP {reason}"),
            None if !case.unsupported.is_empty() => " # not supported".to_owned(),
            None => String::new(),
        };
        writeln!(out, "{}{note}", case.label).map_err(Complaint::stdout)?;
    }
    Ok(Exit::Ok)
}

fn note(text: &str) {
    // Somebody who closed the standard error does not want to know.
    let _ = writeln!(std::io::stderr(), "mcspec: {text}");
}
