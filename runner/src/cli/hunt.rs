//! `mcspec hunt`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use memcheck_core::like::Like;

use super::complaint::Complaint;
use super::complaint::note;
use super::exit::Exit;
use super::output::Stdout;
use super::prepare::{self, major};
use super::{complete, init, signals};
use crate::atomic;
use crate::config::{Config, ExtensionSource, FILE_NAME};
use crate::exec::Installed;
use crate::exec::probe::{Prober, targets_of};
use crate::hunt::corpus::{Corpus, Known};
use crate::hunt::found::{Bug, Shared};
use crate::hunt::hunter::{Hunter, Quarry};
use crate::hunt::pool::Pool;
use crate::hunt::script::{Head, Script, case};
use crate::hunt::subject::{self, SetAside, Subject};
use crate::hunt::{proof, writing};
use crate::init::calls::made_of;
use crate::init::harvest::Harvest;
use crate::init::surroundings::{self, Needs};
use crate::init::trial::{Refused, Trial};
use crate::init::{hooks, repository};
use crate::language::number;
use crate::plan::Environment;
use crate::server::{Installation, RunDirectory};

/// Look for memory bugs in everything that an extension has, and write a spec for each
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Extensions that are installed; default: those of the repository in the current directory
    #[arg(value_name = "EXTENSION")]
    extensions: Vec<String>,

    /// How long to look, for each extension
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    time: Duration,

    /// What chance begins with: the same seed chooses the same arguments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Only what is called like that, as in SQL's LIKE
    #[arg(long, value_name = "LIKE")]
    only: Option<String>,

    /// How many servers look at the same time; default: as many as there are processors
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,

    /// Write the text of a report to those who maintain the extension as well, beside each spec
    #[arg(long)]
    issue: bool,

    /// Major version of PostgreSQL to look on; default: the first one found
    #[arg(long, value_name = "N", value_parser = major, add = complete::majors(), conflicts_with = "pg_config")]
    pg: Option<u32>,

    /// Look on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// A time as PostgreSQL's parameters have it, or with m behind it.
fn time(text: &str) -> Result<Duration, String> {
    let is_short = text.strip_suffix('m').is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit()));
    let text = if is_short { format!("{text}in") } else { text.to_owned() };
    number::duration(&text).map_err(|error| error.to_string())
}

/// An extension that is hunted.
struct Game {
    name: String,
    /// The libraries that come with its source; none of an installed one.
    libraries: Vec<String>,
    needs: Needs,
}

/// Runs the subcommand.
pub(super) fn hunt(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    signals::begin();
    let majors: Vec<u32> = arguments.pg.into_iter().collect();
    let installation = prepare::installations(&majors, arguments.pg_config.as_ref(), config)?.swap_remove(0);
    let directory = RunDirectory::create()?;
    let harvest = surroundings::harvest(Path::new("."));
    let Ground { installed, games, sections, toml } = ground(arguments, &installation, &directory, config)?;
    // Without it there is less to say of what is found.
    let stock = prepare::stage(&installation, &directory, &sections, config, false).ok();
    let mut exit = Exit::Ok;
    for game in games {
        if one(arguments, config, &installation, &installed, stock.as_ref(), game, &harvest)? {
            exit = Exit::Failed;
            // What was written is to be run.
            if let Some(toml) = toml.as_ref().filter(|_| !Path::new(FILE_NAME).exists()) {
                write(Path::new(FILE_NAME), toml)?;
            }
        }
    }
    Ok(exit)
}

/// Where one hunts.
struct Ground {
    installed: Installed,
    games: Vec<Game>,
    /// What is built.
    sections: Vec<ExtensionSource>,
    /// The `mcspec.toml` that a repository does not have.
    toml: Option<String>,
}

/// What is hunted, and where it is installed.
fn ground(
    arguments: &Arguments,
    installation: &Installation,
    directory: &RunDirectory,
    config: &Config,
) -> Result<Ground, Complaint> {
    let top = Path::new(".");
    let sources = match config.extensions.is_empty() && arguments.extensions.is_empty() {
        true => repository::find(top),
        false => Vec::new(),
    };
    if !sources.is_empty() {
        let (built, left_out) = init::build(sources, installation, directory, config)?;
        let mut games = Vec::new();
        for source in &built.sources {
            let libraries = init::libraries_of(source, &built.installed, installation, &[]);
            let needs = surroundings::needs(&top.join(&source.directory), &libraries);
            games.extend(source.extensions.iter().map(|control| Game {
                name: control.name.clone(),
                libraries: libraries.clone(),
                needs: needs.clone(),
            }));
        }
        let toml = init::toml(&built.sources, &left_out);
        let sections = Config::parse(&toml, Path::new(FILE_NAME))?.extensions.into_values().collect();
        return Ok(Ground { installed: built.installed, games, sections, toml: Some(toml) });
    }
    let names: Vec<String> = match arguments.extensions.as_slice() {
        [] => config.extensions.keys().cloned().collect(),
        names => names.to_vec(),
    };
    if names.is_empty() {
        let hint = "name an extension that is installed, as in: mcspec hunt hstore";
        let message = "no extension was found here".to_owned();
        return Err(Complaint::Argument { message, hint: Some(hint.to_owned()) });
    }
    let sections: Vec<ExtensionSource> = config.extensions.values().cloned().collect();
    let installed = prepare::stage(installation, directory, &sections, config, true)?;
    let stage = installed.stage.installation();
    let game = |name: String| {
        if !stage.extension_dir().join(format!("{name}.control")).is_file() {
            let message = format!("extension \"{name}\" is not installed on PostgreSQL {}", installation.version.text);
            let hint = format!("its control file would be \"{}.control\"", stage.extension_dir().join(&name).display());
            return Err(Complaint::Argument { message, hint: Some(hint) });
        }
        let libraries = vec![name.clone()];
        let needs = surroundings::needs(top, &libraries);
        Ok(Game { name, libraries, needs })
    };
    let games = names.into_iter().map(game).collect::<Result<_, _>>()?;
    Ok(Ground { installed, games, sections, toml: None })
}

/// Hunts an extension. Whether there were bugs.
fn one(
    arguments: &Arguments,
    config: &Config,
    installation: &Installation,
    installed: &Installed,
    stock: Option<&Installed>,
    game: Game,
    harvest: &Harvest,
) -> Result<bool, Complaint> {
    let Game { name, libraries, mut needs } = game;
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let found = init::on_server(&name, &libraries, installed, &mut needs, |trial, objects| {
        let (mut subjects, mut aside) = subject::callable(objects);
        let pool = Pool::of(&subjects, trial, harvest, &mut random);
        let (made, not) = made_of(trial, objects, harvest);
        subjects.extend(made.iter().map(subject::of_call));
        aside.extend(not.into_iter().map(|not| SetAside { what: not.what, why: not.why }));
        Ok((subjects, aside, pool))
    });
    let (objects, (mut subjects, aside, pool)) = found.map_err(|why| refused(&name, &why))?;
    let own = init::own_libraries(&name, &libraries, &objects, &needs.preload);
    if let Some(library) = own.into_iter().find(|library| init::has_hooks(installed, library)) {
        let calls = hooks::calls(library, needs.preload.contains(library));
        subjects.extend(calls.iter().map(|(call, _)| {
            let mut call = call.clone();
            call.setup.insert(0, format!("DROP TABLE IF EXISTS mcspec_rows; {}", hooks::SETUP.trim_end_matches(';')));
            call.comment = format!("{}: {}", call.comment, call.name);
            subject::of_call(&call)
        }));
    }
    if let Some(like) = arguments.only.as_ref().map(Like::new) {
        subjects.retain(|subject| like.matches(&subject.what) || like.matches(&subject.call));
    }
    let head =
        Head { extension: Some(name.clone()), preload: needs.preload.clone(), conf: needs.conf.clone(), target: None };
    let environment: Environment = prepare::environment(installation, config);
    let until = Instant::now() + arguments.time;
    note(&format!(
        "{name} {} on PostgreSQL {}: {} subjects, {} set aside",
        objects.version,
        installation.version.text,
        subjects.len(),
        aside.len()
    ));
    let quarry = Quarry { head, environment, subjects, pool, harvest, until };
    let shared = Shared::default();
    let kept = Path::new("hunt").join(format!("{name}.json"));
    {
        let mut state = shared.lock();
        state.aside = aside;
        state.corpus = Corpus::read(&kept).map_err(|error| Complaint::file(&kept.display().to_string(), error))?;
    }
    let jobs = prepare::jobs(arguments.jobs, config).min(quarry.subjects.len().max(1));
    let started = Instant::now();
    thread::scope(|scope| {
        for job in 0..jobs {
            let (quarry, shared, needs, name) = (&quarry, &shared, &needs, &name);
            let seed = arguments.seed.wrapping_add(job as u64);
            scope.spawn(move || {
                let subjects: Vec<usize> = (job..quarry.subjects.len()).step_by(jobs).collect();
                if let Err(why) = work(quarry, shared, installed, stock, needs, name, seed, &subjects) {
                    note(&format!("warning: {}", why.message));
                }
            });
        }
    });
    let elapsed = started.elapsed();
    let mut state = shared.lock();
    let day = prepare::today()?.to_string();
    let mut bugs = 0;
    let mut out = Stdout::new();
    let mut say = |line: String| writeln!(out, "{line}").map_err(Complaint::stdout);
    for bug in std::mem::take(&mut state.bugs) {
        let bug = &bug;
        let mut free = writing::name(&name, bug);
        let is_taken = |name: &str| state.corpus.bugs.iter().any(|known| known.spec == name);
        let first = free.clone();
        let mut number = 1;
        while is_taken(&free) {
            number += 1;
            free = format!("{first}_{number}");
        }
        let (kind, place) = bug.wrong.key(&bug.what);
        state.corpus.bugs.push(Known { kind, place, spec: free.clone() });
        bugs += 1;
        let path = Path::new("specs/hunt").join(format!("{free}.mcspec"));
        write(&path, &writing::spec(&quarry.head, bug, &day))?;
        if arguments.issue {
            let server = format!("PostgreSQL {}", installation.version.text);
            let text = writing::issue(&name, &objects.version, &server, &quarry.head, bug);
            write(&path.with_extension("md"), &text)?;
        }
        say(format!("found      {}", bug.wrong.words()))?;
        let place = bug.wrong.place();
        if !place.is_empty() {
            say(format!("           in {place}"))?;
        }
        say(format!("           {}", bug.script.workload.join("; ")))?;
        if let Some(shown) = writing::shown(bug) {
            say(format!("           {shown}"))?;
        }
        say(format!("           {}", path.display()))?;
    }
    for aside in &state.aside {
        say(format!("set aside  {}: {}", aside.what, aside.why))?;
    }
    for passing in &state.passing {
        say(format!("passing    {passing}"))?;
    }
    for known in
        state.corpus.bugs.iter().filter(|bug| state.seen_again.contains(&(bug.kind.clone(), bug.place.clone())))
    {
        say(format!("known      {}: specs/hunt/{}.mcspec", known.kind, known.spec))?;
    }
    state.corpus.write(&kept).map_err(|error| Complaint::file(&kept.display().to_string(), error))?;
    say(format!(
        "{name}: {} of {} subjects, {} calls, {} executions in {:.0} s: {bugs} new bugs, {} known",
        state.called.len(),
        quarry.subjects.len(),
        state.calls,
        state.executions,
        elapsed.as_secs_f64(),
        state.seen_again.len()
    ))?;
    Ok(bugs > 0 || !state.seen_again.is_empty())
}

/// What one of those who take part does, on a server of its own.
#[allow(clippy::too_many_arguments)]
fn work(
    quarry: &Quarry,
    shared: &Shared,
    installed: &Installed,
    stock: Option<&Installed>,
    needs: &Needs,
    name: &str,
    seed: u64,
    subjects: &[usize],
) -> Result<(), Refused> {
    let mut trial = Trial::new(installed, &needs.preload, &needs.conf);
    trial.create(&[name])?;
    trial.those_that_work(&[], 0);
    let (server, database) = trial.place()?;
    Prober::new(server, database, Default::default())
        .send(&["CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog".to_owned()])
        .map_err(|_| Refused {
            message: "the engine could not be created".to_owned(),
            hint: String::new(),
            how: crate::init::trial::How::Error,
        })?;
    let nothing = Script::repeated(vec!["SELECT 1".to_owned()]);
    let case = case(&quarry.head, &nothing, &quarry.environment, 1).expect("it can be written");
    let targets = targets_of(server, database, &case).map_err(|failure| Refused {
        message: failure.headline(),
        hint: String::new(),
        how: crate::init::trial::How::Error,
    })?;
    let mut other: Option<Trial> = None;
    let mut bear_out = |prober: &mut Prober, _: &Subject, bug: Bug| {
        let mut bug = proof::again(quarry, prober, bug)?;
        if let Some(stock) = stock {
            let trial = other.get_or_insert_with(|| {
                let mut trial = Trial::new(stock, &needs.preload, &needs.conf);
                // Where it cannot be created there is nothing to show.
                let _ = trial.create(&[name]);
                trial
            });
            if let Ok((server, database)) = trial.place() {
                let mut plain = Prober::new(server, database, Default::default());
                bug.proof.stock = Some(proof::stock(&mut plain, &bug.script, &bug.wrong));
            }
        }
        Some(bug)
    };
    let prober = Prober::new(server, database, targets);
    Hunter::new(quarry, shared, prober, seed, &mut bear_out).hunt(subjects);
    Ok(())
}

fn refused(name: &str, why: &Refused) -> Complaint {
    let hint = (!why.hint.is_empty()).then(|| why.hint.clone());
    Complaint::Argument { message: format!("extension \"{name}\" cannot be created: {}", why.message), hint }
}

fn write(path: &Path, text: &str) -> Result<(), Complaint> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    atomic::write_below(path, text.as_bytes()).map_err(|error| Complaint::file(&path.display().to_string(), error))
}
