//! Builds an extension under test and installs it in a staged copy.

mod again;
mod cargo;
mod command;
mod files;
mod make;
mod overlay;
mod place;
mod shell;
mod trees;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

pub(super) use self::again::Before;
pub use self::trees::Tree;
pub(super) use self::trees::Trees;
use super::error::ServerError;
use super::installation::Installation;
use super::process::{Kind, Process};
use super::run_directory::RunDirectory;
use super::tree;
use crate::bounded;
use crate::config::{Build, ExtensionSource};
use crate::status;

/// How much of a failed build's output is shown, in lines.
const OUTPUT_LINES: usize = 30;

/// A staged copy that extensions are installed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// What was copied.
    pub(super) original: &'a Installation,
    /// The copy.
    pub(super) staged: &'a Installation,
    /// The directory that stands for the root of the file system in it.
    pub(super) top: &'a Path,
    pub(super) run: &'a RunDirectory,
    /// What was installed in it before.
    pub(super) before: &'a Before,
    /// Where they were built.
    pub(super) trees: &'a Trees,
}

/// Whether there is what an extension is built from, or what was built already. This is looked at before anything is done.
///
/// # Errors
///
/// What is missing.
pub fn is_ready(source: &ExtensionSource, installation: &Installation) -> Result<(), ServerError> {
    // An empty path is the current directory.
    let path = Path::new(".").join(&source.path);
    if !path.is_dir() {
        return Err(unusable(source, format!("there is no directory \"{}\"", source.path.display())));
    }
    match &source.build {
        Build::Make { .. } => make::is_ready(source, &path, installation),
        Build::Command { .. } => Ok(()),
        Build::Cargo(_) => cargo::is_ready(source, installation),
        Build::Files { library, control, sql, tree } => {
            files::is_ready(source, &path, &files::Patterns { library, control, sql, tree }, installation)
        }
    }
}

/// Installs `source` in a staged copy.
pub(super) fn install(source: &ExtensionSource, site: Site) -> Result<(), ServerError> {
    is_ready(source, site.original)?;
    let doing = if matches!(source.build, Build::Files { .. }) { "installing" } else { "building" };
    let _doing = status::phase(format!("{doing} {} for PostgreSQL {}", source.name, site.original.version.major()));
    let path = Path::new(".").join(&source.path);
    for name in source.names() {
        remove_installed(name, site.staged)?;
    }
    match &source.build {
        Build::Make { arguments } => make::build(source, &path, arguments, site),
        Build::Command { lines } => command::build(source, &path, lines, site),
        Build::Cargo(wanted) => again::of_cargo(source, &path, site, |target, found| {
            cargo::build(source, &path, wanted, target, found, site)
        }),
        Build::Files { library, control, sql, tree } => {
            if !tree.is_empty() {
                site.before.add(None);
            }
            files::install(source, &path, &files::Patterns { library, control, sql, tree }, site)
        }
    }
}

/// The directory in which `source` was built: in this run, in an earlier one, or now, where neither is there any more. None where
/// it is not built by programs that leave one.
pub(super) fn tree(source: &ExtensionSource, site: Site) -> Result<Option<Tree>, ServerError> {
    let treatment = match &source.build {
        Build::Make { .. } => make::treatment,
        Build::Command { .. } => command::treatment,
        Build::Cargo(_) | Build::Files { .. } => return Ok(None),
    };
    let path = Path::new(".").join(&source.path);
    let known = site.trees.of_this_run(source, site);
    if let Some(tree) = known.or_else(|| trees::of_an_earlier_run(source, &path, site, treatment)) {
        return Ok(Some(tree));
    }
    let copy = shell::copy(source, &path, site.run, treatment)?;
    site.trees.add(source, &copy, site, treatment);
    match &source.build {
        Build::Make { arguments } => make::install(source, &copy, arguments, site)?,
        Build::Command { lines } => command::install(source, &copy, lines, site)?,
        Build::Cargo(_) | Build::Files { .. } => {}
    }
    Ok(site.trees.of_this_run(source, site))
}

/// That a source is not as it should be.
fn unusable(source: &ExtensionSource, reason: String) -> ServerError {
    ServerError::Source { extension: source.name.clone(), reason, hint: None }
}

/// Takes extension `name` out of a copy, so that no file of a version that the system has installed is mixed with those
/// of the one under test.
pub(super) fn remove_installed(name: &str, installation: &Installation) -> Result<(), ServerError> {
    tree::remove_if_there(&installation.pkglib_dir.join(format!("{name}.so")))?;
    let directory = installation.extension_dir();
    let files: Vec<PathBuf> = fs::read_dir(&directory)
        .map_err(ServerError::file("read", &directory))?
        .flatten()
        .filter(|entry| belongs_to(&entry.file_name().to_string_lossy(), name))
        .map(|entry| entry.path())
        .collect();
    files.iter().try_for_each(|file| tree::remove_if_there(file))
}

/// `NAME.control`, `NAME--1.0.sql`, `NAME--1.0--1.1.sql`, `NAME--1.0.control`.
fn belongs_to(file: &str, extension: &str) -> bool {
    file.strip_prefix(extension).is_some_and(|rest| rest == ".control" || rest.starts_with("--"))
}

/// Runs a program to its end, with its messages in the file `log`, and in `output`, or there too, what it writes to its standard output.
pub(super) fn run_logged(
    mut command: Command,
    account: Option<&super::account::Account>,
    log: &Path,
    output: Option<&Path>,
) -> Result<ExitStatus, ServerError> {
    let errors = File::create(log).map_err(ServerError::file("create", log))?;
    let output = match output {
        Some(output) => File::create(output).map_err(ServerError::file("create", output))?,
        None => errors.try_clone().map_err(ServerError::file("create", log))?,
    };
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    Process::start(command, account, Kind::Job)?.wait()
}

/// The last `lines` lines of a log file; empty where it cannot be read.
pub(super) fn log_tail(path: &Path, lines: usize) -> String {
    let log = bounded::log(path, 0).unwrap_or_default();
    let all: Vec<_> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_an_extension() {
        for (file, expected) in [
            ("hstore.control", true),
            ("hstore--1.4.sql", true),
            ("hstore--1.4--1.5.sql", true),
            ("hstore_plperl.control", false),
            ("hstore_plperl--1.0.sql", false),
            ("hstore", false),
            ("xhstore.control", false),
        ] {
            assert_eq!(belongs_to(file, "hstore"), expected, "{file}");
        }
    }

    #[test]
    fn tails() {
        let log = tempfile::NamedTempFile::new().expect("temporary file");
        fs::write(log.path(), "1\n2\n3\n").expect("written");
        assert_eq!(log_tail(log.path(), 2), "2\n3");
        assert_eq!(log_tail(log.path(), 9), "1\n2\n3");
        assert_eq!(log_tail(Path::new("/nonexistent"), 9), "");
    }
}
