//! `mcspec hunt`

mod outlet;
mod quest;
mod tell;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::outlet::{Outlet, ReportTo};
use super::complaint::Complaint;
use super::exit::Exit;
use super::output::somebody_waits;
use super::prepare::{self, major};
use super::run::note;
use super::{complete, init, signals};
use crate::config::{Build, Config, ExtensionSource, FILE_NAME};
use crate::exec::Installed;
use crate::hunt::record::HuntRecord;
use crate::init::harvest::Harvest;
use crate::init::surroundings::{self, Needs};
use crate::init::{ground, repository};
use crate::language::{SourceFile, number};
use crate::server::{Installation, RunDirectory, Workplace, is_interrupted};
use crate::status;
use crate::suite::{self, Kind, Make};

/// Look for memory bugs in everything that an extension has, and write a spec for each
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Extensions that are installed; default: those of the repository in the current directory
    #[arg(value_name = "EXTENSION")]
    extensions: Vec<String>,

    /// How long to look, for each extension
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    time: Duration,

    /// At most so many rounds over everything, after a first look at it: the same number does the same however fast the machine is
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,

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

    /// Report what came of it as json, sarif, markdown or html, also into a file; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", add = complete::hunt_formats())]
    report: Vec<ReportTo>,

    /// Major version of PostgreSQL to look on; default: the first one found
    #[arg(long, value_name = "N", value_parser = major, add = complete::majors(), conflicts_with = "pg_config")]
    pg: Option<u32>,

    /// Look on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// A time as PostgreSQL's parameters have it, or with m behind it.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let is_short = text.strip_suffix('m').is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit()));
    let text = if is_short { format!("{text}in") } else { text.to_owned() };
    number::duration(&text).map_err(|error| error.to_string())
}

/// An extension that is hunted.
struct Game {
    name: String,
    /// The libraries that may be its own.
    libraries: Vec<String>,
    needs: Needs,
    /// Whether it is a library without an extension.
    is_library: bool,
}

impl Game {
    /// What it is, for messages.
    fn kind(&self) -> &'static str {
        if self.is_library { "library" } else { "extension" }
    }
}

/// Where it is hunted: with the engine, and without.
#[derive(Clone, Copy)]
struct Places<'a> {
    installed: &'a Installed,
    stock: Option<&'a Installed>,
    /// Whether it is told on the standard output what is found.
    is_told: bool,
}

/// What the tests of a repository say.
struct Repository {
    /// What they call, with what.
    harvest: Harvest,
    /// What they make before that.
    ground: Vec<String>,
}

impl Repository {
    /// Reads what there is: the files of its suites in the order in which they are run, and then others.
    fn read(installation: &Installation, installed: &Installed, sections: &[ExtensionSource]) -> Self {
        let top = Path::new(".");
        let others = surroundings::tests(top);
        let mut texts: Vec<String> = Vec::new();
        let names: Vec<String> = sections.iter().map(|section| section.name.clone()).collect();
        for section in sections {
            let arguments = match &section.build {
                Build::Make { arguments } => arguments.clone(),
                _ => Vec::new(),
            };
            let make = Make { pg_config: installation.pg_config.clone(), arguments };
            // Without an order there is that of their names.
            let Ok(place) = Workplace::copy(section, &installed.stage) else { continue };
            let suites = suite::find(place.path(), &make, &names).map(|found| found.suites).unwrap_or_default();
            let parts = suites.iter().flat_map(|suite| &suite.parts).filter(|part| part.kind == Kind::Regress);
            let files = parts.flat_map(|part| part.tests().map(|test| place.path().join(part.file(test))));
            texts.extend(files.filter_map(|file| SourceFile::read(file).ok()).map(|source| source.text));
        }
        let ground = ground::statements(texts.iter().chain(&others).map(String::as_str));
        Repository { harvest: surroundings::harvest(top), ground }
    }
}

/// Runs the subcommand.
pub(super) fn hunt(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    signals::handle()?;
    signals::begin();
    if io::stdout().is_terminal() && somebody_waits() {
        status::open();
    }
    let outlet = Outlet::open(&arguments.report)?;
    let mut hunts = Vec::new();
    let gone = all(arguments, config, &outlet, &mut hunts);
    let has_bugs = hunts.iter().any(HuntRecord::has_bugs);
    let unwritten = outlet.finish(hunts, gone.as_ref().err());
    unwritten.iter().for_each(Complaint::print);
    let exit = gone?;
    Ok(match (unwritten.as_slice(), signals::interrupted()) {
        (_, Some(interrupted)) => interrupted,
        ([first, ..], _) => first.exit(),
        ([], _) if has_bugs => Exit::Failed,
        _ => exit,
    })
}

/// Hunts everything there is to hunt.
fn all(
    arguments: &Arguments,
    config: &Config,
    outlet: &Outlet,
    hunts: &mut Vec<HuntRecord>,
) -> Result<Exit, Complaint> {
    let majors: Vec<u32> = arguments.pg.into_iter().collect();
    let installation = prepare::installations(&majors, arguments.pg_config.as_ref(), config)?.swap_remove(0);
    let directory = RunDirectory::create()?;
    let Ground { installed, games, sections, toml } = ground(arguments, &installation, &directory, config)?;
    let repository = Repository::read(&installation, &installed, &sections);
    // Without it there is less to say of what is found.
    let stock = prepare::stage(&installation, &directory, &sections, config, false).ok();
    let mut exit = Exit::Ok;
    let places = Places { installed: &installed, stock: stock.as_ref(), is_told: !outlet.has_stdout() };
    let are_several = games.len() > 1;
    let mut lacking = None;
    for game in games {
        if is_interrupted() {
            break;
        }
        let gone = quest::go(arguments, config, &places, game, &repository, hunts);
        // What was written is to be run.
        let has_bugs = hunts.iter().any(HuntRecord::has_bugs);
        match toml.as_ref().filter(|_| has_bugs) {
            Some(toml) if Path::new(FILE_NAME).exists() => lacking = Some(toml),
            Some(toml) => tell::write(Path::new(FILE_NAME), toml)?,
            None => {}
        }
        match gone {
            Ok(()) => {}
            // One that cannot be hunted does not keep the others from it.
            Err(complaint @ (Complaint::Nothing { .. } | Complaint::Argument { .. })) if are_several => {
                let why = complaint.exit();
                complaint.print();
                if exit == Exit::Ok {
                    exit = why;
                }
            }
            Err(complaint) => return Err(complaint),
        }
    }
    // It is the user's, and stays as it is.
    if let Some(sections) = lacking.and_then(|toml| toml.find("[extension.").map(|from| &toml[from..])) {
        note(&format!("{FILE_NAME} has no extension; for the specs to run, add to it:\n{}", sections.trim_end()));
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
                is_library: false,
            }));
            // What has no control file is a library that is loaded.
            let alone = libraries.iter().filter(|_| source.extensions.is_empty()).take(1);
            games.extend(alone.map(|name| Game {
                name: name.clone(),
                libraries: libraries.clone(),
                needs: needs.clone(),
                is_library: true,
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
        let is_library = stage.pkglib_dir.join(format!("{name}.so")).is_file();
        let is_extension = stage.extension_dir().join(format!("{name}.control")).is_file();
        if !is_extension && !is_library {
            let message = format!("extension \"{name}\" is not installed on PostgreSQL {}", installation.version.text);
            let file = installation.extension_dir().join(format!("{name}.control"));
            let hint = format!("its control file would be \"{}\"", file.display());
            return Err(Complaint::Argument { message, hint: Some(hint) });
        }
        let libraries = vec![name.clone()];
        let needs = surroundings::needs(top, &libraries);
        Ok(Game { name, libraries, needs, is_library: !is_extension })
    };
    let games = names.into_iter().map(game).collect::<Result<_, _>>()?;
    Ok(Ground { installed, games, sections, toml: None })
}
