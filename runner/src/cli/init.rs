//! `mcspec init`

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::{Stdout, somebody_waits};
use super::prepare::major;
use super::run::note;
use super::{Arguments as All, Command, complete, prepare, run, signals};
use crate::atomic;
use crate::config::{Config, FILE_NAME};
use crate::exec::Installed;
use crate::hint;
use crate::init::calls::{self, Calls};
use crate::init::catalog::{self, Objects};
use crate::init::draft::{Project, Spec};
use crate::init::harvest::Harvest;
use crate::init::repository::{self, Control, Source, Way};
use crate::init::surroundings::{self, Needs, hinted};
use crate::init::trial::{How, Refused, Trial};
use crate::server::{Installation, RunDirectory, ServerError};
use crate::status;

/// Write mcspec.toml and first specs for the extensions of a repository, and run them once
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The repository, of PGXS, pgrx, cmake, meson or autoconf; default: the current directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Show what would be written, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Write only, and do not run what was written
    #[arg(long)]
    no_run: bool,

    /// Major version of PostgreSQL to look on; default: the first one found
    #[arg(long, value_name = "N", value_parser = major, add = complete::majors(), conflicts_with = "pg_config")]
    pg: Option<u32>,

    /// Look on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// How often a server is started anew because something was found that it needs.
const RESTARTS: usize = 5;

/// Where results go: `results` is pg_regress's.
const RESULTS: &str = "mcspec-results";

/// Runs the subcommand.
pub(super) fn init(arguments: &Arguments, user: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    signals::begin();
    if std::io::stdout().is_terminal() && somebody_waits() {
        status::open();
    }
    // Absolute, since the directory may be another one soon.
    let pg_config = arguments.pg_config.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    if let Some(directory) = &arguments.directory {
        std::env::set_current_dir(directory).map_err(|error| Complaint::Argument {
            message: format!("could not enter \"{}\": {error}", directory.display()),
            hint: None,
        })?;
    }
    let top = Path::new(".");
    refuse_to_overwrite(&[FILE_NAME.into()])?;
    let sources = repository::find(top);
    if sources.is_empty() {
        let hint = "what is looked for: control files and a Makefile of PGXS, a Cargo.toml with pgrx, CMakeLists.txt, meson.build or \
                    configure; a file mcspec.toml can be written by hand, as in docs/extensions.md";
        let message = "no extension was found here".to_owned();
        return Err(Complaint::Argument { message, hint: Some(hint.to_owned()) });
    }
    let names: Vec<String> = sources.iter().flat_map(spec_names).collect();
    refuse_to_overwrite(&names.iter().map(|name| spec_file(name)).collect::<Vec<_>>())?;

    let majors: Vec<u32> = arguments.pg.into_iter().collect();
    let mut found = prepare::installations(&majors, pg_config.as_ref(), user)?;
    let installation = found.swap_remove(0);
    let harvest = surroundings::harvest(top);
    let mut written = {
        let directory = RunDirectory::create()?;
        let (built, left_out) = build(sources, &installation, &directory, user)?;
        let schedule = schedule();
        let mut written = vec![(PathBuf::from(FILE_NAME), toml(&built.sources, &left_out))];
        let mut about = Vec::new();
        for source in &built.sources {
            let others = built.sources.iter().filter(|other| *other != source);
            let others: Vec<String> = others.flat_map(|other| other.names().map(str::to_owned)).collect();
            about.extend(specs(source, &built.installed, &installation, &others, &harvest));
        }
        let mut scheduled = Vec::new();
        for (name, text, lines) in about {
            say(&lines)?;
            if let Some(text) = text {
                scheduled.push(name.clone());
                written.push((spec_file(&name), text));
            }
        }
        if let Some(schedule) = schedule {
            written.push((schedule.into(), format!("test: {}\n", scheduled.join(" "))));
        }
        written
    };
    written.push((Path::new(RESULTS).join(".gitignore"), "# Written by every run\n*\n".to_owned()));
    if written.len() < 3 {
        let message = "nothing could be tried, so there is no spec to write".to_owned();
        return Err(Complaint::Argument { message, hint: None });
    }
    if arguments.dry_run {
        return dry_run(&written);
    }
    let paths: Vec<PathBuf> = written.iter().map(|(path, _)| path.clone()).collect();
    refuse_to_overwrite(&paths)?;
    write(&written)?;
    say(&paths.iter().map(|path| format!("created    {}", path.display())).collect::<Vec<_>>())?;
    if arguments.no_run {
        return Ok(Exit::Ok);
    }
    run_once(arguments.pg, pg_config.as_deref())
}

/// The schedule, where the usual name is taken.
fn schedule() -> Option<&'static str> {
    Path::new("schedule").exists().then_some("mcspec-schedule")
}

/// `mcspec.toml` for what the repository in the current directory has.
pub(super) fn toml(sources: &[Source], left_out: &[(String, String)]) -> String {
    let goldens = if is_taken(Path::new("."), "goldens") { "mcspec-goldens" } else { "goldens" };
    Project { sources, left_out, goldens, results: RESULTS, schedule: schedule() }.toml()
}

/// What was built of a repository.
pub(super) struct Built {
    pub(super) sources: Vec<Source>,
    pub(super) installed: Installed,
}

/// Builds everything. What cannot be built is left out where there is something else.
pub(super) fn build(
    mut sources: Vec<Source>,
    installation: &Installation,
    directory: &RunDirectory,
    user: &Config,
) -> Result<(Built, Vec<(String, String)>), Complaint> {
    let mut left_out: Vec<(String, String)> = Vec::new();
    loop {
        let project =
            Project { sources: &sources, left_out: &[], goldens: "goldens", results: RESULTS, schedule: None };
        let config = Config { engine: user.engine.clone(), ..Config::parse(&project.toml(), Path::new(FILE_NAME))? };
        let extensions: Vec<_> = config.extensions.values().cloned().collect();
        match prepare::stage(installation, directory, &extensions, &config, true) {
            Ok(installed) => {
                learn(&mut sources, &installed, installation);
                return Ok((Built { sources, installed }, left_out));
            }
            Err(Complaint::Server(error)) if sources.len() > 1 && not_built(&error).is_some() => {
                let name = not_built(&error).unwrap_or_default().to_owned();
                note(&format!("warning: \"{name}\" is left out: {error}"));
                sources.retain(|source| source.name() != Some(&name));
                left_out.push((name, error.to_string().lines().next().unwrap_or_default().to_owned()));
            }
            Err(complaint) => return Err(complaint),
        }
    }
}

/// Finds out what came of commands, which may install anything.
fn learn(sources: &mut [Source], installed: &Installed, original: &Installation) {
    let stage = installed.stage.installation();
    let known: BTreeSet<String> = sources.iter().flat_map(|source| source.names().map(str::to_owned)).collect();
    let directory = stage.extension_dir();
    let new = new_files(&directory, &original.extension_dir(), ".control");
    let control = |name: &String| {
        let text = fs::read_to_string(directory.join(format!("{name}.control"))).unwrap_or_default();
        Control::read(name, &text)
    };
    for source in sources.iter_mut().filter(|source| matches!(source.build, Way::Command(_))) {
        let is_its = |name: &&String| source.names().any(|own| own == *name) || !known.contains(*name);
        let extensions: Vec<Control> = new.iter().filter(is_its).map(control).collect();
        let libraries = new_files(&stage.pkglib_dir, &original.pkglib_dir, ".so");
        let libraries = libraries.into_iter().filter(|name| is_its(&name)).collect();
        source.has_installed(extensions, libraries);
    }
}

/// The extension that could not be built, where that is what is wrong.
fn not_built(error: &ServerError) -> Option<&str> {
    match error {
        ServerError::Build { extension, .. } | ServerError::Source { extension, .. } => Some(extension),
        _ => None,
    }
}

/// The specs of a source: one for each extension, or for each library where there is none.
fn spec_names(source: &Source) -> Vec<String> {
    if source.extensions.is_empty() {
        return source.libraries.clone();
    }
    source.extensions.iter().map(|control| control.name.clone()).collect()
}

fn spec_file(name: &str) -> PathBuf {
    Path::new("specs").join(format!("{name}.mcspec"))
}

/// Tries what a source has. For each spec its name, its text, and what there is to say.
fn specs(
    source: &Source,
    installed: &Installed,
    original: &Installation,
    others: &[String],
    harvest: &Harvest,
) -> Vec<(String, Option<String>, Vec<String>)> {
    let libraries = libraries_of(source, installed, original, others);
    let own = Path::new(".").join(&source.directory);
    let needs = surroundings::needs(&own, &libraries);
    if source.extensions.is_empty() {
        return libraries.iter().map(|library| of_library(library, installed, &needs)).collect();
    }
    let one = |name: &str| of_extension(name, &libraries, installed, needs.clone(), harvest);
    source.extensions.iter().map(|control| one(&control.name)).collect()
}

/// The libraries of a source, as they are staged.
pub(super) fn libraries_of(
    source: &Source,
    installed: &Installed,
    original: &Installation,
    others: &[String],
) -> Vec<String> {
    let stage = installed.stage.installation();
    let is_there = |name: &String| stage.pkglib_dir.join(format!("{name}.so")).is_file();
    let mut libraries = source.libraries.clone();
    libraries.extend(source.extensions.iter().map(|control| control.name.clone()));
    libraries.retain(is_there);
    // Whose names nobody has written down.
    if libraries.is_empty() || matches!(source.build, Way::Command(_)) {
        let new = new_files(&stage.pkglib_dir, &original.pkglib_dir, ".so");
        libraries.extend(new.into_iter().filter(|name| !others.contains(name)));
    }
    let mut known = BTreeSet::new();
    libraries.retain(|name| known.insert(name.clone()));
    libraries
}

/// The names before `ending` of files in one directory that are not those of the other, nor links or copies of them, which keep their
/// times.
fn new_files(staged: &Path, original: &Path, ending: &str) -> Vec<String> {
    let files = fs::read_dir(staged).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let modified = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let mut names: Vec<String> = names
        .filter(|name| modified(original.join(name)).is_none_or(|time| modified(staged.join(name)) != Some(time)))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .filter(|name| name != crate::server::ENGINE && !name.contains("--"))
        .collect();
    names.sort();
    names
}

/// Whether a library does something when it is loaded: its `_PG_init` may set hooks.
pub(super) fn has_hooks(installed: &Installed, library: &str) -> bool {
    let file = installed.stage.installation().pkglib_dir.join(format!("{library}.so"));
    fs::read(file).is_ok_and(|bytes| bytes.windows(9).any(|part| part == b"\0_PG_init"))
}

fn of_library(library: &str, installed: &Installed, needs: &Needs) -> (String, Option<String>, Vec<String>) {
    let mut preload: Vec<String> = needs.preload.iter().filter(|name| *name == library).cloned().collect();
    let load = |preload: &[String]| {
        let mut trial = Trial::new(installed, preload, &needs.conf);
        trial.create(&[])?;
        match trial.those_that_work(&[vec![format!("LOAD '{library}'")]], 1) {
            (_, Some(refused)) => Err(refused),
            _ => Ok(()),
        }
    };
    let mut loaded = load(&preload);
    if loaded.as_ref().is_err_and(Refused::wants_preload) && preload.is_empty() {
        preload.push(library.to_owned());
        loaded = load(&preload);
    }
    if let Err(refused) = loaded {
        return (library.to_owned(), None, vec![format!("{library}: no spec: {}", refused.message)]);
    }
    let calls = Calls::default();
    let spec = Spec {
        name: library,
        extension: None,
        preload: &preload,
        conf: &needs.conf,
        target: Some(library),
        hooks: Some(library),
        calls: &calls,
    };
    let how = if preload.is_empty() { "loaded by LOAD" } else { "preloaded" };
    (
        library.to_owned(),
        Some(spec.text()),
        vec![format!("{library}: a library, {how}: statements of every kind go through it")],
    )
}

fn of_extension(
    name: &str,
    libraries: &[String],
    installed: &Installed,
    mut needs: Needs,
    harvest: &Harvest,
) -> (String, Option<String>, Vec<String>) {
    let found = on_server(name, libraries, installed, &mut needs, |trial, objects| {
        let found = calls::find(trial, objects, harvest);
        found.wants_preload.clone().map_or(Ok(found), Err)
    });
    let (objects, found) = match found {
        Ok(found) => found,
        Err(why) => {
            let hint = if why.hint.is_empty() { String::new() } else { format!("\n  HINT:  {}", why.hint) };
            return (name.to_owned(), None, vec![format!("{name}: no spec: {}{hint}", why.message)]);
        }
    };
    let Needs { preload, conf } = &needs;
    let own = own_libraries(name, libraries, &objects, preload);
    let hooks = own.into_iter().find(|library| has_hooks(installed, library)).map(String::as_str);
    if found.calls.is_empty() && hooks.is_none() {
        let mut about = summary(name, &objects.version, preload, hooks, &found);
        about.push(format!("{name}: no spec: there is nothing that could be called"));
        return (name.to_owned(), None, about);
    }
    let spec = Spec { name, extension: Some(name), preload, conf, target: None, hooks, calls: &found };
    (name.to_owned(), Some(spec.text()), summary(name, &objects.version, preload, hooks, &found))
}

/// Does something where an extension is, on servers that have more and more of what it is found to need.
pub(super) fn on_server<T>(
    name: &str,
    libraries: &[String],
    installed: &Installed,
    needs: &mut Needs,
    mut act: impl FnMut(&mut Trial, &Objects) -> Result<T, Refused>,
) -> Result<(Objects, T), Refused> {
    // What one call asks for in vain is no reason to leave out all others.
    let mut is_heard = true;
    for _ in 0..RESTARTS {
        let mut trial = Trial::new(installed, &needs.preload, &needs.conf);
        trial.hears_of_preload = is_heard;
        let objects = match trial.create(&[name]).and_then(|()| catalog::read(&mut trial, name)) {
            Ok(objects) => objects,
            Err(refused) => match amended(&refused, name, libraries, &mut needs.preload, &mut needs.conf) {
                true => continue,
                false => return Err(refused),
            },
        };
        let _trying = status::phase(format!("trying what {name} has"));
        // Of an extension without functions nobody has loaded the library yet.
        if let Some(library) = unseen(name, libraries, &objects)
            && let (_, Some(refused)) = trial.those_that_work(&[vec![format!("LOAD '{library}'")]], 1)
            && amended(&refused, name, libraries, &mut needs.preload, &mut needs.conf)
        {
            continue;
        }
        match act(&mut trial, &objects) {
            Ok(done) => return Ok((objects, done)),
            Err(refused) => {
                is_heard = amended(&refused, name, libraries, &mut needs.preload, &mut needs.conf);
            }
        }
    }
    let message = "its server needs more than could be found out".to_owned();
    Err(Refused { message, hint: String::new(), how: How::Error })
}

/// Tries what there is on a server that has a library preloaded, and no extension.
pub(super) fn with_library<T>(
    library: &str,
    installed: &Installed,
    needs: &mut Needs,
    mut act: impl FnMut(&mut Trial, &Objects) -> Result<T, Refused>,
) -> Result<(Objects, T), Refused> {
    if !needs.preload.iter().any(|name| name == library) {
        needs.preload.push(library.to_owned());
    }
    let mut trial = Trial::new(installed, &needs.preload, &needs.conf);
    trial.create(&[])?;
    let _trying = status::phase(format!("trying what {library} does"));
    let objects = Objects { version: "(library)".to_owned(), ..Objects::default() };
    let done = act(&mut trial, &objects)?;
    Ok((objects, done))
}

/// The library of an extension without functions.
fn unseen<'l>(name: &str, libraries: &'l [String], objects: &Objects) -> Option<&'l String> {
    let is_named = |library: &&String| **library == name || library.starts_with(&format!("{name}-"));
    libraries.iter().find(is_named).filter(|_| objects.libraries.is_empty())
}

/// Those of the libraries that are an extension's.
pub(super) fn own_libraries<'l>(
    name: &str,
    libraries: &'l [String],
    objects: &Objects,
    preload: &[String],
) -> Vec<&'l String> {
    let unseen = unseen(name, libraries, objects);
    let is_own = |library: &&String| {
        let is_its = |file: &String| file.trim_end_matches(".so").ends_with(&format!("/{library}")) || file == *library;
        objects.libraries.iter().any(is_its) || preload.contains(library) || unseen == Some(*library)
    };
    libraries.iter().filter(is_own).collect()
}

/// Adds what a server needs by what it says; whether there was something to add.
fn amended(
    refused: &Refused,
    extension: &str,
    libraries: &[String],
    preload: &mut Vec<String>,
    conf: &mut Vec<String>,
) -> bool {
    if let Some(line) = hinted(&refused.hint).filter(|line| !conf.contains(line)) {
        let parameter = |line: &str| line.split(['=', ' ']).next().unwrap_or_default().to_owned();
        conf.retain(|known| parameter(known) != parameter(&line));
        conf.push(line);
        return true;
    }
    if !refused.wants_preload() {
        return false;
    }
    let new = || libraries.iter().filter(|library| !preload.contains(library));
    let named = new().find(|library| refused.message.contains(library.as_str()));
    let library = named.or_else(|| new().find(|library| *library == extension)).or_else(|| new().next());
    match library.cloned() {
        Some(library) => {
            preload.push(library);
            true
        }
        None => false,
    }
}

/// What there is to say about an extension.
fn summary(name: &str, version: &str, preload: &[String], hooks: Option<&str>, found: &Calls) -> Vec<String> {
    let counts: Vec<String> =
        found.counts.iter().map(|(kind, (working, all))| format!("{working} of {all} {kind}")).collect();
    let mut line = format!("{name} {version}: ");
    line +=
        &if counts.is_empty() { "no object of its own".to_owned() } else { format!("{} called", counts.join(", ")) };
    if !preload.is_empty() {
        line += &format!("; preloaded: {}", preload.join(", "));
    }
    if hooks.is_some() {
        line += "; statements of every kind go through its library";
    }
    let mut lines = vec![line];
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for not in &found.not_called {
        match reasons.iter_mut().find(|(why, _)| *why == not.why) {
            Some((_, number)) => *number += 1,
            None => reasons.push((&not.why, 1)),
        }
    }
    reasons.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    lines.extend(reasons.iter().map(|(why, number)| {
        let why = why.lines().next().unwrap_or_default();
        format!("  not called: {number}: {why}")
    }));
    for crashed in found.not_called.iter().filter(|not| not.crashed) {
        lines.push(format!("  WARNING:  {} took the server down when it was called", crashed.what));
    }
    lines
}

fn say(lines: &[String]) -> Result<(), Complaint> {
    let mut out = Stdout::new();
    status::aside(|| lines.iter().try_for_each(|line| writeln!(out, "{line}"))).map_err(Complaint::stdout)
}

/// Complains of the first file that is there.
fn refuse_to_overwrite(paths: &[PathBuf]) -> Result<(), Complaint> {
    match paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(there) => Err(Complaint::Argument {
            message: format!("\"{}\" is there already, and is not written over", there.display()),
            hint: Some(if *there == Path::new(FILE_NAME) {
                "\"mcspec run\" runs what there is; \"mcspec init\" is for a repository without it".to_owned()
            } else {
                format!("move it out of the way, as by: {}", hint::move_away(there))
            }),
        }),
    }
}

/// Whether a directory is somebody else's.
fn is_taken(top: &Path, name: &str) -> bool {
    fs::read_dir(top.join(name)).is_ok_and(|mut entries| entries.next().is_some())
}

/// Writes all of the files, or none.
fn write(files: &[(PathBuf, String)]) -> Result<(), Complaint> {
    for (position, (path, text)) in files.iter().enumerate() {
        if let Err(error) = atomic::write_below(path, text.as_bytes()) {
            for (path, _) in &files[..position] {
                // What cannot be removed is at least whole.
                let _ = fs::remove_file(path);
            }
            for directory in ["specs", RESULTS] {
                // Unless it has something else.
                let _ = fs::remove_dir(directory);
            }
            return Err(Complaint::file(&path.display().to_string(), error));
        }
    }
    Ok(())
}

fn dry_run(files: &[(PathBuf, String)]) -> Result<Exit, Complaint> {
    status::close();
    let mut out = Stdout::new();
    for (path, text) in files {
        writeln!(out, "==> {} <==\n{text}", path.display()).map_err(Complaint::stdout)?;
    }
    Ok(Exit::Ok)
}

/// Runs what was written. What it finds is no fault of this command.
fn run_once(pg: Option<u32>, pg_config: Option<&Path>) -> Result<Exit, Complaint> {
    let mut words: Vec<std::ffi::OsString> = vec!["mcspec".into(), "run".into()];
    if let Some(pg) = pg {
        words.extend(["--pg".into(), pg.to_string().into()]);
    }
    if let Some(pg_config) = pg_config {
        words.extend(["--pg-config".into(), pg_config.into()]);
    }
    let Ok(All { command: Command::Run(arguments), .. }) = All::try_parse_from(words) else {
        unreachable!("these are arguments of run");
    };
    let exit = run::run(&arguments, Config::load())?;
    let next = match exit {
        Exit::Ok => "nothing was found; \"mcspec run\" runs it again",
        Exit::Failed => "what is not ok above was found by this first run; \"mcspec run\" runs it again",
        _ => return Ok(exit),
    };
    say(&[next.to_owned()])?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::calls::plain;
    use crate::init::trial::How;

    fn refused(message: &str, hint: &str) -> Refused {
        Refused { message: message.to_owned(), hint: hint.to_owned(), how: How::Error }
    }

    #[test]
    fn what_a_server_needs_is_taken_from_what_it_says() {
        let libraries = ["other".to_owned(), "pg_cron".to_owned()];
        let (mut preload, mut conf) = (Vec::new(), vec!["cron.database_name = postgres".to_owned()]);
        let mut amend = |refused: Refused| {
            let amended = amended(&refused, "cron", &libraries, &mut preload, &mut conf);
            (amended, preload.clone(), conf.clone())
        };
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let old = owned(&["cron.database_name = postgres"]);
        assert_eq!(
            amend(refused("pg_cron can only be loaded via shared_preload_libraries", "")),
            (true, owned(&["pg_cron"]), old.clone())
        );
        assert_eq!(amend(refused("syntax error", "")), (false, owned(&["pg_cron"]), old));
        let line = owned(&["cron.database_name = :'database'"]);
        let hint = "Add cron.database_name = 'x' in postgresql.conf to use the current database.";
        assert_eq!(
            amend(refused("can only create extension in database postgres", hint)),
            (true, owned(&["pg_cron"]), line.clone())
        );
        assert_eq!(amend(refused("the same", hint)), (false, owned(&["pg_cron"]), line.clone()));
        assert_eq!(
            amend(refused("x must be in shared_preload_libraries", "")),
            (true, owned(&["pg_cron", "other"]), line)
        );
    }

    #[test]
    fn specs_are_called_as_extensions_are() {
        assert_eq!(spec_file("uuid-ossp"), Path::new("specs/uuid-ossp.mcspec"));
        assert_eq!(plain("uuid-ossp"), "uuid_ossp");
    }
}
