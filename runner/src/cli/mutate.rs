//! `mcspec mutate`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::complaint::{Complaint, note};
use super::coverage::libraries;
use super::exit::Exit;
use super::hunt::time;
use super::output::{Files, Stdout};
use super::prepare::{self, major};
use super::select::Selection;
use super::{complete, signals};
use crate::atomic;
use crate::config::Config;
use crate::golden::Directory;
use crate::mutate::{MutationRecord, Release, Wanted, plans, text, try_all};
use crate::plan::{Outside, Overrides};
use crate::results::make_directory;
use crate::run::Run;
use crate::server::{PlacesDirectory, RunDirectory, is_interrupted};
use crate::status;

/// The file in `results/`.
const FILE_NAME: &str = "mutations.json";

/// Leave out calls that give memory back, one at a time, and see whether a spec fails
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Stop after that time and report what was tried; default: when all is tried
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<Duration>,

    /// What the order begins with, in which calls are left out
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Only calls whose function, file or called function matches; repeatable
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,

    /// Write what came of it as JSON into a file
    #[arg(long, value_name = "FILE")]
    json: Option<String>,

    /// Major version of PostgreSQL; default: the first of the configured ones, or the first one found
    #[arg(long, value_name = "N", value_parser = one_major, add = complete::majors(), conflicts_with = "pg_config")]
    pg: Option<u32>,

    /// Run on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn mutate(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    let only = globs(&arguments.only)?;
    let mut files = Files::default();
    let file = arguments.json.as_ref().map(|name| files.begin(name)).transpose()?;
    let specs = arguments.selection.load(config)?;
    let mut wanted: Vec<u32> = arguments.pg.into_iter().collect();
    wanted.extend(config.profile.pg.first().filter(|_| arguments.pg.is_none()));
    let mut installations = prepare::installations(&wanted, arguments.pg_config.as_ref(), config)?;
    installations.truncate(1);
    let environments = [prepare::environment(&installations[0], config)];
    let overrides = Overrides::new(BTreeMap::new());
    let mut plan = prepare::plan(&specs, &environments, &overrides, &Outside::default(), config, false)?;

    make_directory(&config.project.results)?;
    signals::begin();
    let directory = RunDirectory::create()?;
    let mut installed = match prepare::install(&installations, &directory, &mut plan.cases, config, true) {
        // Which main() says.
        Err(_) if is_interrupted() => return Ok(Exit::Ok),
        prepared => prepared?,
    };
    let libraries = libraries(&installed[0], plan.cases.iter());
    let mut places = PlacesDirectory::create(&directory, plans(&libraries))?;
    installed[0].stage.look_at(places.path());
    let run = Run {
        cases: &plan.cases,
        groups: &plan.groups,
        installed: &installed,
        given: None,
        jobs: 1,
        repeat: 1,
        environments: &environments,
        goldens: &Directory::of(&config.project).path,
    };
    let is_wanted = |release: &Release| fits(&only, release);
    let wanted = Wanted { is_wanted: &is_wanted, seed: arguments.seed, time: arguments.time };
    let task = status::watched("mutate".to_owned());
    let mutations = try_all(&run, &libraries, &mut places, &wanted, &mut |what| task.comes_to(what.to_owned()))?;
    drop(task);
    if mutations.fates.is_empty() && is_interrupted() {
        // What an earlier run has found stays.
        return Ok(Exit::Ok);
    }

    let mut out = Stdout::new();
    text(&mutations).iter().try_for_each(|line| writeln!(out, "{line}")).map_err(Complaint::stdout)?;
    let record = serde_json::to_string_pretty(&MutationRecord::new(&mutations, arguments.seed)).expect("JSON") + "\n";
    if let Some(mut file) = file {
        file.write_all(record.as_bytes()).map_err(Complaint::stdout)?;
    }
    let path = config.project.results.join(FILE_NAME);
    let shown = || path.display().to_string();
    let written = atomic::write(&path, record.as_bytes()).map_err(|error| Complaint::file(&shown(), error));
    let unwritten: Vec<Complaint> = written.err().into_iter().chain(files.finish()).collect();
    unwritten.iter().for_each(Complaint::print);
    if !unwritten.is_empty() {
        return Ok(Exit::CouldNotRun);
    }
    if mutations.fates.is_empty() {
        note("no library of these specs has a call that gives something back, or none that is wanted");
        return Ok(Exit::NothingSelected);
    }
    let is_wrong = mutations.have_survivors() || mutations.have_failing();
    Ok(if is_wrong { Exit::Failed } else { Exit::Ok })
}

/// A major version: a call is left out on one at a time.
fn one_major(text: &str) -> Result<u32, String> {
    match text.contains(',') {
        true => Err("calls are left out on one version at a time; run it once for each".to_owned()),
        false => major(text),
    }
}

fn globs(texts: &[String]) -> Result<GlobSet, Complaint> {
    let mut globs = GlobSetBuilder::new();
    let invalid = |text: &str, error: &globset::Error| Complaint::Argument {
        message: format!("invalid glob \"{text}\": {}", error.kind()),
        hint: None,
    };
    for text in texts {
        globs.add(Glob::new(text).map_err(|error| invalid(text, &error))?);
    }
    globs.build().map_err(|error| invalid(&texts.join(" "), &error))
}

/// Whether a call is meant, by one of its names.
fn fits(only: &GlobSet, release: &Release) -> bool {
    let place = &release.place;
    let file = place.file.rsplit('/').next().unwrap_or_default();
    only.is_empty() || [&*place.function, &*place.file, file, &*place.callee].iter().any(|name| only.is_match(name))
}
