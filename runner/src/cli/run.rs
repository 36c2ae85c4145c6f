//! `mcspec run`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::complaint::Complaint;
pub(super) use super::complaint::note;
use super::complete;
use super::coverage::{CoverageOutlet, CoverageTo, Looking};
use super::exit::Exit;
use super::narrow::Narrowing;
use super::output::{Files, Outlet, ReportTo, Stdout};
use super::outside::FromOutside;
use super::prepare::{self, Plan};
use super::record::Recorder;
use super::sections;
use super::select::Selection;
use super::signals;
use super::transcript::Transcript;
use crate::config::{Config, ConfigError};
use crate::exec::Installed;
use crate::golden::Directory;
use crate::judge::without_running;
use crate::language::ast::Trace;
use crate::language::sql::BUILT_IN;
use crate::plan::{Case, Environment, Overrides};
use crate::report::{Live, Reported, Reports, Summary};
use crate::results::make_directory;
use crate::run::{self, Event, InOrder, Run};
use crate::server::{GivenServer, RunDirectory, is_interrupted};

/// Run specs on private servers and compare what they find with what they expect and with their goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    narrowing: Narrowing,

    /// Major versions of PostgreSQL to run on; default: the configured ones, or the first one found
    // What is no version is found when it is to be reported.
    #[arg(long, value_name = "N", value_delimiter = ',', add = complete::majors(), conflicts_with = "pg_config")]
    pg: Vec<String>,

    /// Run on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,

    /// Run on a server that is there already and has the engine, in databases of its own; specs with "conf" are skipped. A URI or
    /// keywords as libpq takes them, completed from the environment (docs/other-servers.md)
    #[arg(long, value_name = "URI", conflicts_with_all = ["pg", "pg_config", "keep"])]
    server: Option<String>,

    /// Servers at the same time; default: the number of processors, with --server 1
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,

    /// Give a variable a value, whatever the spec says; repeatable
    #[arg(short, long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// Trace allocations so, whatever specs say; what they find is not compared with goldens
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(["on", "off", "stacks"]).map(|level| traced(&level)))]
    trace: Option<Trace>,

    /// Run again what a change touches: of specs, of files that they include, of goldens, of extensions
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,

    /// Show what would run, and run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Keep the temporary directory: server logs, data directories, the staged tree
    #[arg(long)]
    keep: bool,

    /// Run every spec that often and report those that do not always end in the same way as flaky
    #[arg(long, value_name = "N", default_value = "1", hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// Report as pretty, tap, json, junit, sarif, github or markdown, also into a file; default: pretty on a terminal, tap
    /// elsewhere; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", add = complete::formats())]
    report: Vec<ReportTo>,

    /// Show only what went wrong
    #[arg(short, long)]
    quiet: bool,

    /// Run every interleaving of sessions and every combination of matrices, also where there are more than 500
    #[arg(long)]
    all_permutations: bool,

    /// Say which of the places that allocate were reached, and write it into a file as lcov:FILE or json:FILE; repeatable
    // (docs/coverage.md)
    #[arg(long, value_name = "FORMAT:FILE", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["server", "transcript"])]
    coverage: Vec<CoverageTo>,

    #[command(flatten)]
    transcript: Transcript,

    #[command(flatten)]
    outside: FromOutside,
}

impl Arguments {
    /// What is selected, where it is to be watched.
    pub(super) fn watched(&self) -> Option<&Selection> {
        self.watch.then_some(&self.selection)
    }
}

/// `--trace LEVEL`
fn traced(level: &str) -> Trace {
    match level {
        "off" => Trace::Off,
        "stacks" => Trace::Stacks,
        _ => Trace::On,
    }
}

/// `NAME=VALUE`
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    // That one is for whoever runs it.
    if name != "seed" && BUILT_IN.contains(&name) {
        return Err(format!("variable \"{name}\" is built in"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments, config: Result<Config, ConfigError>) -> Result<Exit, Complaint> {
    signals::handle()?;
    let outlet = match arguments.dry_run {
        true => Outlet::default(),
        false => Outlet::open(&arguments.report, arguments.quiet)?,
    };
    outlet.of(|outlet| reported(arguments, &config?, outlet))
}

fn reported(arguments: &Arguments, config: &Config, outlet: &mut Outlet) -> Result<Exit, Complaint> {
    prepare::warn_of_allowances(config);
    let mut specs = arguments.selection.load(config)?;
    if let Some(trace) = arguments.trace {
        specs.iter_mut().flatten().for_each(|loaded| loaded.trace(trace));
    }
    warn_of_missing(&arguments.selection.not_scheduled(config)?, config);
    let given = arguments.server.as_deref().map(GivenServer::connect).transpose()?;
    for warning in given.iter().flat_map(|server| &server.warnings) {
        note(&format!("warning: {warning}"));
    }
    let installations = match given {
        Some(_) => Vec::new(),
        None => prepare::installations(&prepare::majors(&arguments.pg)?, arguments.pg_config.as_ref(), config)?,
    };
    let environments: Vec<Environment> = match &given {
        Some(server) => vec![prepare::given_environment(server)],
        None => installations.iter().map(|installation| prepare::environment(installation, config)).collect(),
    };
    let variables: BTreeMap<String, String> = arguments.variables.iter().cloned().collect();
    let transcript = arguments.transcript.is_wanted();
    let all_permutations = arguments.all_permutations || transcript;
    let outside = arguments.outside.read(config)?;
    let overrides = Overrides::new(variables);
    let mut plan = prepare::plan(&specs, &environments, &overrides, &outside, config, all_permutations)?;
    arguments.outside.check(&plan.cases)?;
    arguments.narrowing.apply(&mut plan, &environments, config)?;
    if given.is_some() {
        prepare::skip_own_servers(&mut plan.cases);
    }
    if arguments.dry_run {
        return dry_run(&plan);
    }

    let mut covered = CoverageOutlet::open(&arguments.coverage)?;
    make_directory(&config.project.results)?;
    signals::begin();
    let has_any = plan.cases.iter().any(|case| without_running(case).is_none());
    let (mut kept, mut looking) = (None, None);
    let mut installed = Vec::new();
    if given.is_none() {
        let directory = RunDirectory::create()?;
        if arguments.keep {
            directory.keep();
            kept = Some(directory.path().to_owned());
        }
        if let Some(wanted) = directory.instead_of() {
            let (path, wanted) = (directory.path().display(), wanted.display());
            note(&format!(
                "nothing can be built below TMPDIR \"{wanted}\", whose name make takes apart; using \"{path}\""
            ));
        }
        if nix::unistd::geteuid().is_root() && !arguments.quiet {
            note(&format!("servers run as user \"{}\"", directory.account().name()));
        }
        if has_any {
            installed = match prepare::install(&installations, &directory, &mut plan.cases, config, !transcript) {
                // Which main() says.
                Err(_) if is_interrupted() => return Ok(Exit::Ok),
                prepared => prepared?,
            };
            warn_of_unknown(&plan.cases, &installed, config);
            if covered.is_some() {
                looking = Some(Looking::begin(&mut installed, &plan.cases, &directory)?);
            }
        }
    }

    // What runs at the same time on one server is in each other's way.
    let jobs = match given {
        Some(_) => arguments.jobs.map_or(1, |jobs| jobs as usize),
        None => prepare::jobs(arguments.jobs, config),
    };
    let is_whole = arguments.selection.is_default() && arguments.narrowing.is_none();
    let shard = arguments.narrowing.shard();
    let reports =
        |outlet: &mut Outlet| Reports::new(outlet.reporters(), &plan.cases).of_all_specs(is_whole).of_shard(shard);
    let (reported, recorded) = if transcript {
        let reports = reports(outlet);
        arguments.transcript.run(&plan.cases, &environments, &installed, jobs, reports, config)?
    } else {
        let run = Run {
            cases: &plan.cases,
            groups: &plan.groups,
            installed: &installed,
            given: given.as_ref(),
            jobs,
            repeat: arguments.repeat,
            environments: &environments,
            goldens: &Directory::of(&config.project).path,
        };
        // Only now: as long as nothing runs, the last run is the last one.
        let recorder = Recorder::begin(&config.project.results, plan.cases.len())?.of_shard(shard);
        follow(&run, reports(outlet), recorder)
    };
    if let Some(path) = kept {
        note(&format!("kept \"{}\"", path.display()));
    }
    let (is_enough, unwritten) = match looking.zip(covered.take()) {
        Some((looking, covered)) => looking.end(covered, config),
        None => (true, Vec::new()),
    };
    match ended(reported, outlet.files(), recorded.into_iter().chain(unwritten).collect()) {
        Exit::Ok if !is_enough => Ok(Exit::Failed),
        exit => Ok(exit),
    }
}

/// How a run ends that was reported so. What could not be written is said, and is the worst that can be said.
pub(super) fn ended(reported: Option<Reported>, files: Files, unrecorded: Vec<Complaint>) -> Exit {
    let Some((summary, unreported)) = reported else { return Exit::Ok };
    let unreported = unreported.into_iter().map(Complaint::stdout);
    let unwritten: Vec<Complaint> = unrecorded.into_iter().chain(unreported).chain(files.finish()).collect();
    // What fails while it is written fails again at the end.
    let mut said = BTreeSet::new();
    unwritten.iter().filter(|complaint| said.insert(complaint.to_string())).for_each(|complaint| complaint.print());
    match summary {
        _ if !unwritten.is_empty() => Exit::CouldNotRun,
        Summary { command: 1.., .. } => Exit::As(summary.command),
        Summary { unsupported: 1.., .. } => Exit::CouldNotRun,
        Summary { failed: 1.., .. } => Exit::Failed,
        _ => Exit::Ok,
    }
}

/// Runs the cases while this thread reports and records what happens. Results that cannot be written are no reason to stop.
fn follow(run: &Run, mut reports: Reports, mut recorder: Recorder) -> (Option<Reported>, Vec<Complaint>) {
    let started = Instant::now();
    let cases = run.cases;
    let mut ended = InOrder::default();
    let mut live = Live::new(cases);
    let (events, received) = channel();
    thread::scope(|scope| {
        scope.spawn(move || run::run(run, &events));
        for event in received {
            live.event(&event);
            reports.event(&event);
            if let Event::Finished { case, outcome, verdict } = event {
                recorder.case(case, &cases[case], &outcome, &verdict);
                ended.put(case, (outcome, verdict));
                while let Some((case, (outcome, verdict))) = ended.take() {
                    reports.verdict(&cases[case], &outcome, &verdict);
                }
            }
        }
    });
    let unrecorded = recorder.end().err();
    (reports.end(started.elapsed()), unrecorded.into_iter().collect())
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
        let scenarios = case.scenarios.iter().map(|scenario| &scenario.title);
        let titles = scenarios.chain(case.sessions.permutations.iter().map(|permutation| &permutation.title));
        for title in titles.filter(|_| case.is_part()) {
            writeln!(out, "  {title}").map_err(Complaint::stdout)?;
        }
    }
    Ok(Exit::Ok)
}

/// Says which specs are not in the schedule, so that nobody takes them for checked.
fn warn_of_missing(specs: &[String], config: &Config) {
    if specs.is_empty() {
        return;
    }
    let schedule = config.project.schedule.display();
    let names = specs.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let which = if specs.len() == 1 { "spec" } else { "specs" };
    note(&format!("warning: schedule \"{schedule}\" does not have {which} {names}"));
    note(&format!("hint: \"mcspec run '*'\" runs all specs; without \"{schedule}\", \"mcspec run\" does"));
}

/// Says which extensions nobody has, so far as that is known before they are created.
fn warn_of_unknown(cases: &[Case], installed: &[Installed], config: &Config) {
    for (position, Installed { stage, .. }) in installed.iter().enumerate() {
        let here = cases.iter().filter(|case| case.installation == position);
        for name in sections::unknown(here, stage.installation(), config) {
            let major = stage.installation().version.major();
            note(&format!(
                "warning: no section of mcspec.toml provides extension \"{name}\", nor does PostgreSQL {major}"
            ));
        }
    }
}
