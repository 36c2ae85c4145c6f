//! The server of `mcspec exec` and `mcspec shell`, as the command line has it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::complaint::Complaint;
use super::complete;
use super::outside::lines;
use super::prepare;
use super::run::note;
use super::signals;
use crate::config::{Config, ExtensionSource};
use crate::exec::Installed;
use crate::hint;
use crate::observe::{self, Ended, Frame, Options};
use crate::plan::{Case, ConfLine};
use crate::server::RunDirectory;

/// What the server has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Served {
    /// Build and install only this extension of mcspec.toml, and not all of them; repeatable
    #[arg(long, value_name = "NAME", add = complete::extensions())]
    extension: Vec<String>,

    /// Create an extension in the database first; repeatable
    #[arg(long, value_name = "NAME", add = complete::extensions())]
    create: Vec<String>,

    /// Preload a library, after the engine; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    preload: Vec<String>,

    /// Preload a library before the engine; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    preload_first: Vec<String>,

    /// Charge this library, and not all that extensions have brought; a name or a LIKE pattern; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    target: Vec<String>,

    /// Add the lines of a file to the server's postgresql.conf; repeatable
    #[arg(long, value_name = "FILE", visible_alias = "temp-config")]
    conf: Vec<PathBuf>,

    /// Major version of PostgreSQL; default: the first of the configured ones, or the first one found
    #[arg(long, value_name = "N", add = complete::majors(), conflicts_with = "pg_config")]
    pg: Option<String>,

    /// Run on the installation that this pg_config describes
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,

    /// Keep the temporary directory: server log, data directory, the staged tree
    #[arg(long)]
    keep: bool,
}

/// An installation that is ready to start a server from.
pub(super) struct Ready {
    /// What the spec comes to, where there is one.
    pub(super) case: Option<Case>,
    pub(super) installed: Installed,
    pub(super) options: Options,
    /// Goes last: what else is here is in it.
    pub(super) directory: RunDirectory,
}

impl Ready {
    /// Runs a program of the user's on a server of it, in the foreground, and says where it cannot be started.
    pub(super) fn run(&self, frame: &Frame, command: &[OsString]) -> Ended {
        let ended = observe::run(frame, command, signals::attend);
        if let (Ended::NotStarted { .. }, Some(program)) = (&ended, command.first()) {
            note(&format!("error: {ended}"));
            let original = self.installed.stage.original();
            let hint = program.to_str().map(|name| hint::program(name, original.version.major(), &original.pg_config));
            if let Some(hint) = hint.flatten() {
                note(&format!("hint: {hint}"));
            }
        }
        ended
    }
}

impl Served {
    /// Builds and stages everything; what a spec asks for as well, and no other extensions, where there is one.
    pub(super) fn prepare(&self, config: &Config, spec: Option<&str>) -> Result<Ready, Complaint> {
        prepare::warn_of_allowances(config);
        let mut conf = Vec::new();
        for file in &self.conf {
            conf.extend(lines(file)?.into_iter().map(|ConfLine { text, .. }| text));
        }
        let mut wanted = prepare::majors(self.pg.as_slice())?;
        wanted.extend(config.profile.pg.first().filter(|_| self.pg.is_none()));
        let mut found = prepare::installations(&wanted, self.pg_config.as_ref(), config)?;
        let installation = found.swap_remove(0);
        let case = spec.map(|name| prepare::case_of(name, &installation, config)).transpose()?;
        let extensions = match &case {
            Some(case) if self.extension.is_empty() => {
                prepare::extensions(std::slice::from_ref(case), &installation, config)
            }
            _ => self.extensions(config)?,
        };
        let directory = RunDirectory::create()?;
        if self.keep {
            directory.keep();
            note(&format!("kept \"{}\"", directory.path().display()));
        }
        let installed = prepare::stage(&installation, &directory, &extensions, config, true)?;
        let mut options = Options {
            preload_first: self.preload_first.clone(),
            preload: self.preload.clone(),
            conf,
            targets: self.target.clone(),
            create: self.create.clone(),
            observes: false,
        };
        if let Some(case) = &case {
            options.preload_first.extend(case.preload_first.iter().cloned());
            options.preload.extend(case.preload.iter().cloned());
            options.conf.extend(case.conf.iter().map(|line| line.text.clone()));
            options.targets.extend(case.targets.iter().cloned());
        }
        Ok(Ready { case, installed, options, directory })
    }

    /// Those that are asked for, or all.
    pub(super) fn extensions(&self, config: &Config) -> Result<Vec<ExtensionSource>, Complaint> {
        if self.extension.is_empty() {
            return Ok(config.extensions.values().cloned().collect());
        }
        let named = |name: &String| {
            let known = || config.extensions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            config.extensions.get(name).cloned().ok_or_else(|| Complaint::Argument {
                message: format!("there is no [extension.{name}] in mcspec.toml"),
                hint: (!config.extensions.is_empty()).then(|| format!("it has {}", known())),
            })
        };
        self.extension.iter().map(named).collect()
    }
}
