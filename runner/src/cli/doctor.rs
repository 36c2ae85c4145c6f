//! `mcspec doctor`: what `mcspec run` does until it has a server, by the same functions, and what becomes of each step.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use super::prepare::major;
use super::prepare::{self, Plan};
use super::select::Selection;
use super::{complete, signals};
use crate::config::{Build, Config, ConfigError, ExtensionSource, SUPPORTED_MAJORS};
use crate::exec::Installed;
use crate::hint;
use crate::judge::without_running;
use crate::plan::{Case, Environment, Outside, Overrides};
use crate::server::{
    EngineFiles, Installation, Probe, RunDirectory, Server, ServerError, ServerOptions, extension_is_ready,
};

/// Rehearse `mcspec run`: say what it needs, what of that is missing, and the command that mends it
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Major versions of PostgreSQL, as for run
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = major, add = complete::majors(), conflicts_with = "pg_config")]
    pg: Vec<u32>,

    /// The installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// Room that a server takes besides a copy of its first data directory: write-ahead log, statistics, a spec's database.
const ROOM: u64 = 48 << 20;

/// Dynamic shared memory that parallel workers of a few servers take.
const SHARED: u64 = 4 << 20;

/// Why something is not as it should be.
struct Lack {
    why: String,
    hint: Option<String>,
}

impl From<ServerError> for Lack {
    fn from(error: ServerError) -> Self {
        Lack { hint: error.hint(), why: error.to_string() }
    }
}

impl From<Complaint> for Lack {
    fn from(complaint: Complaint) -> Self {
        let hint = match &complaint {
            Complaint::Specs(_) => Some("\"mcspec check\" shows them".to_owned()),
            _ => complaint.hint(),
        };
        Lack { why: complaint.to_string(), hint }
    }
}

/// Whether nothing runs without it, as things are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Needed,
    Spare,
}

/// Says what becomes of each thing, and counts what is missing.
struct Report {
    out: Stdout,
    missing: usize,
    spare: usize,
}

impl Report {
    /// One line for a thing, and a hint below it.
    fn say(&mut self, what: &str, need: Need, result: Result<String, Lack>) -> Result<bool, Complaint> {
        let is_there = result.is_ok();
        let text = match result {
            Ok(text) => format!("ok       {what}: {text}"),
            Err(Lack { why, hint }) => {
                *(if need == Need::Needed { &mut self.missing } else { &mut self.spare }) += 1;
                let mark = if need == Need::Needed { "missing" } else { "-" };
                let hint = hint.map_or(String::new(), |hint| {
                    format!("\n         HINT: {}", hint.replace('\n', "\n               "))
                });
                format!("{mark:7}  {what}: {why}{hint}")
            }
        };
        writeln!(self.out, "{text}").map_err(Complaint::stdout)?;
        Ok(is_there)
    }

    fn needed(&mut self, what: &str, result: Result<String, Lack>) -> Result<bool, Complaint> {
        self.say(what, Need::Needed, result)
    }

    fn end(mut self) -> Result<Exit, Complaint> {
        let text = match (self.missing, self.spare) {
            (0, 0) => "\"mcspec run\" would start".to_owned(),
            (0, _) => "\"mcspec run\" would start; \"-\" is for what it would not use".to_owned(),
            (n, _) => format!(
                "\"mcspec run\" would not start: {n} of these {}",
                if n == 1 { "is missing" } else { "are missing" }
            ),
        };
        writeln!(self.out, "\n{text}").map_err(Complaint::stdout)?;
        Ok(if self.missing == 0 { Exit::Ok } else { Exit::CouldNotRun })
    }
}

/// Runs the subcommand.
pub(super) fn doctor(arguments: &Arguments, config: Result<Config, ConfigError>) -> Result<Exit, Complaint> {
    signals::handle()?;
    let mut report = Report { out: Stdout::new(), missing: 0, spare: 0 };
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            report.needed("mcspec.toml", Err(Lack { why: error.listing(), hint: None }))?;
            return report.end();
        }
    };
    let file = config.file.as_ref().map_or("there is none; the defaults are in force".to_owned(), shown);
    report.needed("mcspec.toml", Ok(file))?;
    let installations = servers(arguments, &config, &mut report)?;
    let plan = specs(arguments, &installations, &config, &mut report)?;
    let used = plan.as_ref().filter(|_| !installations.is_empty()).map(|plan| used(plan, &installations, &config));
    for source in config.extensions.values() {
        let need = used.as_ref().is_none_or(|used| used.contains(source.name.as_str()));
        extension(source, need, &installations, &mut report)?;
    }
    results(&config, &mut report)?;
    goldens(&config, &mut report)?;
    rehearse(&installations, used.as_ref(), &config, &mut report)?;
    report.end()
}

/// The servers that a run would use, and whether there are others.
fn servers(arguments: &Arguments, config: &Config, report: &mut Report) -> Result<Vec<Installation>, Complaint> {
    let found = prepare::installations(&arguments.pg, arguments.pg_config.as_ref(), config);
    let mut installations = Vec::new();
    match found {
        Ok(found) => installations = found,
        Err(complaint) => {
            let wanted = if arguments.pg.is_empty() { &config.profile.pg } else { &arguments.pg };
            // Each is said by itself, if it is known which.
            if wanted.is_empty() || arguments.pg_config.is_some() {
                report.needed("PostgreSQL", Err(complaint.into()))?;
            }
            for major in wanted {
                match Installation::find(&[*major], config) {
                    Ok(found) => installations.extend(found),
                    Err(error) => drop(report.needed(&format!("PostgreSQL {major}"), Err(error.into()))?),
                }
            }
        }
    }
    for installation in &installations {
        of_installation(installation, Need::Needed, config, report)?;
    }
    if arguments.pg.is_empty() && arguments.pg_config.is_none() {
        let is_used = |major: u32| installations.iter().any(|used| used.version.major() == major);
        for major in SUPPORTED_MAJORS.filter(|major| !is_used(*major) && !config.profile.pg.contains(major)) {
            match Installation::find(&[major], config) {
                Ok(found) => of_installation(&found[0], Need::Spare, config, report)?,
                // Nobody asks how to get it.
                Err(error) => {
                    let lack = Lack { why: error.to_string(), hint: None };
                    report.say(&format!("PostgreSQL {major}"), Need::Spare, Err(lack))?;
                }
            }
        }
    }
    Ok(installations)
}

/// A server, and the engine for it.
fn of_installation(
    installation: &Installation,
    need: Need,
    config: &Config,
    report: &mut Report,
) -> Result<(), Complaint> {
    let what = format!("PostgreSQL {}", installation.version.major());
    let server = format!("{} of {}", installation.version.text, shown(&installation.pg_config));
    report.say(&what, need, Ok(server))?;
    let engine = EngineFiles::find(installation, config).map(|engine| {
        let built = engine.built_for().map_or(String::new(), |build| format!(", built for {}", build.version));
        format!("{}{built}", shown(&engine.library))
    });
    report.say(&format!("{what}, engine"), need, engine.map_err(Lack::from))?;
    Ok(())
}

/// The specs that would run, planned for the servers that there are; none where that does not work.
fn specs(
    arguments: &Arguments,
    installations: &[Installation],
    config: &Config,
    report: &mut Report,
) -> Result<Option<Plan>, Complaint> {
    let planned = arguments.selection.load(config).and_then(|specs| {
        let environments: Vec<Environment> = match installations {
            // What is wrong on every server is known without one.
            [] => vec![Environment::nominal(SUPPORTED_MAJORS.end() * 10_000)],
            _ => installations.iter().map(|installation| prepare::environment(installation, config)).collect(),
        };
        let (overrides, outside) = (Overrides::default(), Outside::default());
        prepare::plan(&specs, &environments, &overrides, &outside, config, false)
    });
    let (plan, result) = match planned {
        Ok(plan) => {
            let names: BTreeSet<&str> = plan.cases.iter().map(|case| case.name.as_str()).collect();
            let count = if names.len() == 1 { "1 spec".to_owned() } else { format!("{} specs", names.len()) };
            let text = format!("{count} in {}", shown(&config.project.specs));
            (Some(plan), Ok(text))
        }
        Err(complaint) => (None, Err(complaint.into())),
    };
    report.needed("specs", result)?;
    Ok(plan)
}

/// The names of the configured extensions that the specs use.
fn used(plan: &Plan, installations: &[Installation], config: &Config) -> BTreeSet<String> {
    let to_run: Vec<Case> = plan.cases.iter().filter(|case| without_running(case).is_none()).cloned().collect();
    let used = installations.iter().flat_map(|installation| prepare::extensions(&to_run, installation, config));
    used.map(|source| source.name).collect()
}

/// What an extension is made from, on each server.
fn extension(
    source: &ExtensionSource,
    is_used: bool,
    installations: &[Installation],
    report: &mut Report,
) -> Result<(), Complaint> {
    let need = if is_used { Need::Needed } else { Need::Spare };
    let what = format!("extension {}", source.name);
    let found = installations.iter().try_for_each(|installation| extension_is_ready(source, installation));
    // The directory is looked at first, and is there or not for all servers.
    let directory = if source.path.as_os_str().is_empty() { Path::new(".") } else { &source.path };
    let there = || format!("in {}", shown(directory));
    let result = found.map(|()| there()).map_err(|error| {
        let hint = error.hint().or_else(|| match &source.build {
            _ if !directory.is_dir() => Some("correct its \"path\" in mcspec.toml".to_owned()),
            Build::Files { .. } => Some("build it first: with build = \"files\" mcspec takes what is there".to_owned()),
            _ => None,
        });
        let text = error.to_string();
        let why = text.strip_prefix(&format!("extension \"{}\": ", source.name)).unwrap_or(&text).to_owned();
        Lack { why, hint }
    });
    report.say(&what, need, result)?;
    Ok(())
}

/// Where a run writes what it has found.
fn results(config: &Config, report: &mut Report) -> Result<(), Complaint> {
    let directory = &config.project.results;
    let wanted = Path::new(".").join(directory);
    let there = wanted.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    let result = match access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
        _ if !there.is_dir() => Err(format!("{} is no directory", shown(there))),
        Ok(()) => Ok(format!("go to {}", shown(directory))),
        Err(error) => Err(format!("{} cannot be written to: {}", shown(there), error.desc())),
    };
    let hint = || Some("\"results\" in [project] of mcspec.toml names another directory".to_owned());
    report.needed("results", result.map_err(|why| Lack { why, hint: hint() }))?;
    Ok(())
}

/// Where goldens are: a directory, or nothing yet.
fn goldens(config: &Config, report: &mut Report) -> Result<(), Complaint> {
    let directory = &config.project.expected;
    if directory.exists() && !directory.is_dir() {
        let hint = Some("\"expected\" in [project] of mcspec.toml names another directory".to_owned());
        report.needed("goldens", Err(Lack { why: format!("{} is no directory", shown(directory)), hint }))?;
    }
    Ok(())
}

/// Prepares and starts a server of each version, with what would be loaded into it.
fn rehearse(
    installations: &[Installation],
    used: Option<&BTreeSet<String>>,
    config: &Config,
    report: &mut Report,
) -> Result<(), Complaint> {
    signals::begin();
    let directory = match RunDirectory::create() {
        Ok(directory) => directory,
        Err(error @ ServerError::NoAccount) => {
            report.needed("user of the servers", Err(error.into()))?;
            return Ok(());
        }
        Err(error) => {
            report.needed("directory of a run", Err(error.into()))?;
            return Ok(());
        }
    };
    let path = directory.path();
    let sockets = match directory.sockets().starts_with(path) {
        true => "sockets in it",
        false => "too long a path for sockets, which go to /tmp",
    };
    report.needed("user of the servers", Ok(directory.account().name().to_owned()))?;
    report
        .needed("directory of a run", Ok(format!("below {}, {sockets}", path.parent().map_or(String::new(), shown))))?;
    let is_used = |source: &&ExtensionSource| used.is_none_or(|used| used.contains(&source.name));
    let sources: Vec<&ExtensionSource> = config.extensions.values().filter(is_used).collect();
    let builds = sources.iter().any(|source| matches!(source.build, Build::Make { .. }));
    // What is built already is put in its place as a run does; of what takes a build, whether one works at all.
    let mut extensions: Vec<ExtensionSource> =
        sources.into_iter().filter(|source| matches!(source.build, Build::Files { .. })).cloned().collect();
    let probe = builds.then(|| Probe::write(&directory)).transpose()?;
    extensions.extend(probe.map(|probe| probe.source));
    let mut largest = 0;
    for installation in installations {
        let what = format!("PostgreSQL {}", installation.version.major());
        if builds {
            let built = if installation.can_build_extensions() {
                Ok(format!("by make, {}", shown(&installation.pgxs)))
            } else {
                let (major, pg_config) = (installation.version.major(), installation.pg_config.clone());
                Err(ServerError::NoPgxs { major, pg_config, extension: "of the specs".to_owned() }.into())
            };
            // Without, staging fails for the same reason.
            if !report.needed(&format!("{what}, extensions are built"), built)? {
                continue;
            }
        }
        // That there is no engine is said already.
        let needs_engine = EngineFiles::find(installation, config).is_ok();
        let staged = prepare::stage(installation, &directory, &extensions, config, needs_engine);
        let result = staged.map_err(Lack::from).and_then(|Installed { stage, template, .. }| {
            largest = largest.max(template.size());
            let options = ServerOptions { name: "doctor".to_owned(), ..ServerOptions::default() };
            let server = Server::start(&stage, &template, &options).map_err(Lack::from)?;
            drop(server);
            Ok(if needs_engine { "starts with the engine".to_owned() } else { "starts".to_owned() })
        });
        report.needed(&format!("{what}, server"), result)?;
    }
    let jobs = prepare::jobs(None, config) as u64;
    space(path, jobs * (largest + ROOM), "disk space", "set TMPDIR to a directory on a larger file system", report)?;
    space(Path::new("/dev/shm"), SHARED, "shared memory", &hint::enlarge_shared_memory(), report)
}

/// Whether a file system has room. One that does not say how much it has is not asked.
fn space(path: &Path, wanted: u64, what: &str, hint: &str, report: &mut Report) -> Result<(), Complaint> {
    let Ok(system) = statvfs(path) else { return Ok(()) };
    if system.blocks() == 0 {
        return Ok(());
    }
    let free = system.blocks_available() * system.fragment_size();
    let text =
        format!("{} MB free in {}", free >> 20, shown(path.parent().filter(|_| what == "disk space").unwrap_or(path)));
    let result = match free >= wanted {
        true => Ok(text),
        false => Err(Lack { why: format!("{text}, it takes {} MB", wanted >> 20), hint: Some(hint.to_owned()) }),
    };
    report.needed(what, result)?;
    Ok(())
}

fn shown(path: impl AsRef<Path>) -> String {
    format!("\"{}\"", path.as_ref().display())
}
