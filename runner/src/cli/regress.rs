//! `mcspec exec --regress`

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Outlet;
use super::record::Recorder;
use super::run::{ended, note};
use super::served::{Ready, Served};
use super::signals;
use super::telling::{Telling, place};
use crate::config::{Build, Config, ExtensionSource};
use crate::exec::replay::Replayed;
use crate::hint::{self, Need};
use crate::observe::{Frame, Options, Told};
use crate::regress::{self, Counted, Done, Programs, Ran, Repeats, Repetition};
use crate::report::{Reports, duration};
use crate::results;
use crate::server::{Installation, Server, ServerOptions, Workplace, is_interrupted};
use crate::status;
use crate::suite::{self, Found, Kind, Make, Settings, Suite};

/// The name of the results where none is given; the tests' are behind it.
const NAME: &str = "regress";

/// How `--regress` repeats statements.
#[derive(Debug, Args)]
#[command(next_help_heading = "Regression suites")]
pub(super) struct Regress {
    /// Run the extension's own regression suite, as "make installcheck" or "cargo pgrx regress" does, and then each of its
    /// statements again and again
    #[arg(long)]
    regress: bool,

    /// How often a statement is repeated after the suite has run; 0 for not at all
    #[arg(long, value_name = "N", default_value_t = 300, requires = "regress")]
    repeat: u64,

    /// Seconds that the repetitions of one statement may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "regress", value_parser = clap::value_parser!(u64).range(1..))]
    repeat_limit: u64,
}

/// The repository of an extension, and what it tests.
struct Repository<'a> {
    source: &'a ExtensionSource,
    place: Workplace,
    make: Make,
    suites: Vec<Suite>,
}

impl Regress {
    /// Whether it is asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.regress
    }

    /// Runs the suites.
    pub(super) fn run(
        &self,
        served: &Served,
        telling: &Telling,
        config: &Config,
        outlet: &mut Outlet,
    ) -> Result<Exit, Complaint> {
        let extensions = served.extensions(config)?;
        if extensions.is_empty() {
            return Err(Complaint::Argument {
                message: "mcspec.toml has no extension whose regression suite could be run".to_owned(),
                hint: Some("\"mcspec init\" writes one for the repository in the current directory".to_owned()),
            });
        }
        results::make_directory(&config.project.results)?;
        signals::begin();
        let begun = Instant::now();
        let mut ready = served.prepare(config, None)?;
        ready.options.observes = true;
        let installation = ready.installed.stage.installation().clone();
        let repositories = repositories(&ready, &installation, &extensions)?;
        let settings = settings(&repositories, &installation, &ready.options);
        ready.options.preload.extend(settings.preload);
        ready.options.conf.splice(0..0, settings.lines);

        let frame = Frame::start(&ready.installed, &ready.directory, &ready.options)?;
        let mut symbols = frame.symbols();
        let original = ready.installed.stage.original();
        let mut done = self.as_they_are(&frame, &repositories, original, &installation, &config.project.results)?;
        let sights = frame.end()?;
        if self.repeat > 0 {
            self.again(&ready, &installation, &repositories, &mut done)?;
        }

        let wanted = telling.wanted(NAME, &ready, config)?;
        let told = regress::tell(&done, sights, &wanted, |name| place(config, &ready, name), &mut symbols);
        let mut recorder = Recorder::begin(&config.project.results, told.len())?;
        for (position, Told { case, outcome, verdict }) in told.iter().enumerate() {
            recorder.case(position, case, outcome, verdict);
        }
        let unrecorded = recorder.end().err();
        let (cases, others): (Vec<_>, Vec<_>) =
            told.into_iter().map(|Told { case, outcome, verdict }| (case, (outcome, verdict))).unzip();
        let mut reports = Reports::new(outlet.reporters(), &cases);
        for (case, (outcome, verdict)) in cases.iter().zip(&others) {
            reports.verdict(case, outcome, verdict);
        }
        let exit = ended(reports.end(begun.elapsed()), outlet.files(), unrecorded.into_iter().collect());
        let failed = done.iter().filter_map(|done| done.ran.as_ref()).find(|ran| !ran.status.success());
        Ok(match (exit, failed) {
            (Exit::Ok, Some(ran)) => {
                note(&format!("error: the suite has failed: {}", ran.status));
                Exit::Failed
            }
            // Nobody may take it for a suite that has passed.
            (Exit::Ok, None) if done.iter().any(|done| !done.left_out.is_empty()) => Exit::CouldNotRun,
            (exit, _) => exit,
        })
    }

    /// Runs all suites as their own builds do.
    fn as_they_are<'a>(
        &self,
        frame: &Frame,
        repositories: &'a [Repository],
        original: &Installation,
        installation: &Installation,
        results: &Path,
    ) -> Result<Vec<Done<'a>>, Complaint> {
        let programs = Programs::of(installation);
        let originals = Programs::of(original);
        let mut all = Vec::new();
        for (repository, suite) in suites(repositories) {
            let Repository { source, place, make, .. } = repository;
            let missing = originals.missing(suite);
            for (kind, program) in &missing {
                complain(&source.name, *kind, program, original);
            }
            let left_out: Vec<Kind> = missing.into_iter().map(|(kind, _)| kind).collect();
            let ran = match left_out.len() == suite.parts.len() {
                true => None,
                false => {
                    let _running = status::phase(format!("running the suite of {}", source.name));
                    let ran = regress::run(frame, place, make, &programs, suite, &left_out, say);
                    Some(ran.map_err(|error| Complaint::Argument {
                        message: format!("could not run the suite of \"{}\": {error}", source.name),
                        hint: None,
                    })?)
                }
            };
            let kept = results.join("suite").join(&source.name).join(&suite.label);
            if let Some(ran) = &ran {
                keep(place, suite, &kept, ran)?;
            }
            all.push(Done { suite, ran, left_out, sources: &source.path, kept, repeats: Repeats::default() });
        }
        Ok(all)
    }

    /// Repeats the statements of all suites, each on a server that nobody has used.
    fn again(
        &self,
        ready: &Ready,
        installation: &Installation,
        repositories: &[Repository],
        done: &mut [Done],
    ) -> Result<(), Complaint> {
        let Options { preload_first, preload, conf, targets, .. } = ready.options.clone();
        let options = ServerOptions { preload_first, preload, conf, name: "repeat".to_owned() };
        let limit = Duration::from_secs(self.repeat_limit);
        let repetition = Repetition { iterations: self.repeat, limit, targets };
        for ((repository, suite), done) in suites(repositories).zip(done) {
            let has_files = suite.parts.iter().any(|part| part.kind == Kind::Regress);
            if is_interrupted() || !has_files {
                continue;
            }
            let server = Server::start(&ready.installed.stage, &ready.installed.template, &options)?;
            let _repeating = status::phase(format!("repeating the statements of {}", repository.source.name));
            let add = |name: &str, replayed: Replayed, took| {
                note(&format!("repeated {name}: {} in {}", Counted::of([&replayed]), duration(took)));
                done.repeats.files.push((name.to_owned(), replayed));
            };
            let sources = &repository.source.path;
            let repeated = regress::repeat(&server, installation, &repository.place, sources, suite, &repetition, add);
            repeated.map_err(|failure| Complaint::failure(&failure))?;
        }
        Ok(())
    }
}

/// Says that a part of a suite is not run as it is, and how it could be.
fn complain(extension: &str, kind: Kind, program: &Path, original: &Installation) {
    let (tests, goes_on) = match kind {
        Kind::Isolation => ("isolation tests", ""),
        _ => ("regression tests", ", only their statements are repeated"),
    };
    let program = program.display();
    note(&format!("error: the {tests} of \"{extension}\" are not run{goes_on}: there is no \"{program}\""));
    let hint = hint::completed(Need::Client(original.version.major()), &original.pg_config);
    note(&format!("hint: {hint}\nor name another installation's pg_config with --pg-config"));
}

fn suites<'a, 'b>(repositories: &'a [Repository<'b>]) -> impl Iterator<Item = (&'a Repository<'b>, &'a Suite)> {
    repositories.iter().flat_map(|repository| repository.suites.iter().map(move |suite| (repository, suite)))
}

/// Finds the suites of all extensions. Several extensions may come from one repository.
fn repositories<'a>(
    ready: &Ready,
    installation: &Installation,
    extensions: &'a [ExtensionSource],
) -> Result<Vec<Repository<'a>>, Complaint> {
    let mut repositories: Vec<Repository> = Vec::new();
    let mut complaints = Vec::new();
    let names: Vec<String> = extensions.iter().map(|source| source.name.clone()).collect();
    for source in extensions {
        if repositories.iter().any(|repository| repository.source.path == source.path) {
            continue;
        }
        let place = Workplace::copy(source, &ready.installed.stage)?;
        let arguments = match &source.build {
            Build::Make { arguments } => arguments.clone(),
            _ => Vec::new(),
        };
        let make = Make { pg_config: installation.pg_config.clone(), arguments };
        match suite::find(place.path(), &make, &names) {
            Ok(Found { suites, others }) => {
                if !others.is_empty() {
                    let names = others.join(", ");
                    note(&format!(
                        "tests of \"{}\" that are not run, since they do not run pg_regress: {names}",
                        source.name
                    ));
                }
                repositories.push(Repository { source, place, make, suites });
            }
            Err(said) => complaints.push(said),
        }
    }
    if repositories.iter().all(|repository| repository.suites.is_empty()) {
        let said = complaints.into_iter().next().map_or(String::new(), |said| format!(": {said}"));
        let message = format!("there is no regression suite of PGXS, pgrx, ctest or meson{said}");
        let hint = "\"mcspec exec\" runs whatever else tests it, as \"mcspec help exec\" says";
        return Err(Complaint::Nothing { message, hint: Some(hint.to_owned()) });
    }
    Ok(repositories)
}

/// What the server needs that all suites run on. Libraries that look at how they are loaded are preloaded where nobody says so.
fn settings(repositories: &[Repository], installation: &Installation, options: &Options) -> Settings {
    let mut settings = Settings::default();
    for (_, suite) in suites(repositories) {
        settings.merge(suite.settings.clone());
    }
    let is_given =
        |library: &String| options.preload_first.iter().chain(&options.preload).any(|given| given == library);
    settings.preload.retain(|library| !is_given(library));
    let says_nothing = options.preload_first.is_empty() && options.preload.is_empty() && settings.preload.is_empty();
    if says_nothing {
        let names = repositories.iter().flat_map(|repository| repository.source.names().map(str::to_owned));
        settings.preload = names.filter(|name| regress::wants_preload(installation, name)).collect();
        if !settings.preload.is_empty() {
            note(&format!("preloading {}, as its library looks at that", settings.preload.join(", ")));
        }
    }
    settings
}

/// Keeps what the suite has written where the user finds it: all output, and how results differ.
fn keep(place: &Workplace, suite: &Suite, directory: &Path, ran: &Ran) -> Result<(), Complaint> {
    results::write(&directory.join("output.log"), &ran.output)?;
    let mut all = String::new();
    for file in regress::differences(place, suite) {
        let text = std::fs::read(place.path().join(&file)).unwrap_or_default();
        all.push_str(&String::from_utf8_lossy(&text));
    }
    // What is there of an earlier run is no longer true.
    Ok(results::write(&directory.join("regression.diffs"), &all)?)
}

fn say(line: &str) {
    // Somebody who has closed the standard output does not want to know.
    let _ = status::aside(|| writeln!(io::stdout(), "{line}"));
}
