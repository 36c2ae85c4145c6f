//! Builds an extension under test and installs it in a staged copy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use globset::Glob;
use walkdir::{DirEntry, WalkDir};

use super::error::ServerError;
use super::installation::Installation;
use super::process::{Kind, Process};
use super::run_directory::RunDirectory;
use super::tree::{self, Placement, Treatment};
use crate::bounded;
use crate::config::{Build, ExtensionSource};

/// How much of a failed build's output is shown, in lines.
const OUTPUT_LINES: usize = 30;

/// Installs `source` in the staged copy `installation`.
pub(super) fn install(
    source: &ExtensionSource,
    installation: &Installation,
    run: &RunDirectory,
) -> Result<(), ServerError> {
    let missing = |reason: String| ServerError::Source { extension: source.name.clone(), reason };
    // An empty path is the current directory.
    let path = Path::new(".").join(&source.path);
    if !path.is_dir() {
        return Err(missing(format!("there is no directory \"{}\"", source.path.display())));
    }
    remove_installed(&source.name, installation)?;
    match &source.build {
        Build::Make { arguments } => {
            if !["GNUmakefile", "makefile", "Makefile"].iter().any(|name| path.join(name).is_file()) {
                return Err(missing(format!("there is no Makefile in \"{}\"", source.path.display())));
            }
            make(source, &path, arguments, installation, run)
        }
        Build::Files { library, control, sql } => {
            let major = installation.version.major().to_string();
            let matching = |pattern: &str| matching(source, &path, &pattern.replace("{major}", &major));
            for pattern in library {
                for file in matching(pattern)? {
                    let name = installed_library_name(&file, &source.name);
                    tree::install(&file, &installation.pkglib_dir, name.as_deref())?;
                }
            }
            for pattern in control.iter().chain(sql) {
                for file in matching(pattern)? {
                    tree::install(&file, &installation.extension_dir(), None)?;
                }
            }
            Ok(())
        }
    }
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

/// Builds on a copy of the sources: the checkout gets no files of another user or another version, and two runs do not
/// get in each other's way.
fn make(
    source: &ExtensionSource,
    path: &Path,
    arguments: &[String],
    installation: &Installation,
    run: &RunDirectory,
) -> Result<(), ServerError> {
    if !installation.can_build_extensions() {
        return Err(ServerError::NoPgxs {
            major: installation.version.major(),
            pg_config: installation.pg_config.clone(),
            extension: source.name.clone(),
        });
    }
    let copy = run.subdirectory(&format!("build-{}", source.name))?;
    tree::rebuild(path, &copy, Placement::Copy, None, treatment)?;

    let log = copy.with_extension("log");
    let mut make = Command::new("make");
    make.current_dir(&copy)
        .arg(format!("PG_CONFIG={}", installation.pg_config.display()))
        // The bitcode for the JIT would need the very clang that PostgreSQL was built with.
        .args(["USE_PGXS=1", "with_llvm=no"])
        .args(arguments)
        .arg("install")
        // This run may itself be a recipe of make, whose options and job server are not for this one.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .env_remove("MFLAGS")
        .env_remove("MAKEOVERRIDES")
        .env_remove("DESTDIR")
        .env("COPT", debug_options(&copy, &source.path))
        .env("LC_ALL", "C")
        .env("TMPDIR", run.temporary());
    let status = run_logged(make, None, &log)?;
    if status.success() {
        return Ok(());
    }
    Err(ServerError::Build { extension: source.name.clone(), status, output: log_tail(&log, OUTPUT_LINES) })
}

/// The caller's `COPT`, with which PGXS compiles, and debug information that names the sources instead of the copy.
fn debug_options(copy: &Path, sources: &Path) -> String {
    let map = format!("-fdebug-prefix-map={}={}", copy.display(), sources.display());
    let is_plain = map.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.=+,".contains(c));
    let map = if is_plain { map } else { String::new() };
    format!("{} -g {map}", std::env::var("COPT").unwrap_or_default()).trim().to_owned()
}

/// What make may have left from another build, and what is no source at all, stays behind.
fn treatment(entry: &DirEntry) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    let skipped = match entry.file_type().is_dir() {
        true => matches!(&*name, ".git" | "target" | "results" | ".deps"),
        false => [".o", ".so", ".bc"].iter().any(|suffix| name.ends_with(suffix)),
    };
    if skipped { Treatment::Skip } else { Treatment::Each }
}

/// Runs a program to its end, with its output in the file `log`.
pub(super) fn run_logged(
    mut command: Command,
    account: Option<&super::account::Account>,
    log: &Path,
) -> Result<ExitStatus, ServerError> {
    let output = File::create(log).map_err(ServerError::file("create", log))?;
    let errors = output.try_clone().map_err(ServerError::file("create", log))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    Process::start(command, account, Kind::Job)?.wait()
}

/// The last `lines` lines of a log file; empty where it cannot be read.
pub(super) fn log_tail(path: &Path, lines: usize) -> String {
    let log = bounded::log(path, 0).unwrap_or_default();
    let all: Vec<_> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The files that `pattern` matches, at least one.
fn matching(source: &ExtensionSource, path: &Path, pattern: &str) -> Result<Vec<PathBuf>, ServerError> {
    let unusable = |reason| ServerError::Source { extension: source.name.clone(), reason };
    let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| unusable(error.to_string()))?;
    let files = matching_files(path, &glob);
    if files.is_empty() {
        return Err(unusable(format!("no file \"{pattern}\" in \"{}\"", source.path.display())));
    }
    Ok(files)
}

/// Only directories that lead to a match are entered, because a checkout may hold a large build directory.
fn matching_files(path: &Path, glob: &Glob) -> Vec<PathBuf> {
    let pattern = glob.glob();
    let fixed_parts = pattern.split('/').take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
    let fixed: PathBuf = fixed_parts.collect();
    let start = path.join(&fixed);
    let depth = if pattern.contains("**") { usize::MAX } else { pattern.split('/').count() };
    let matcher = glob.compile_matcher();
    let mut files: Vec<_> = WalkDir::new(&start)
        .max_depth(depth)
        .follow_links(true)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().components().as_path().to_owned())
        .filter(|file| file.strip_prefix(path).is_ok_and(|relative| matcher.is_match(relative)))
        .collect();
    files.sort();
    files
}

/// Cargo calls the library `libNAME.so`, PostgreSQL wants `NAME.so`.
fn installed_library_name(file: &Path, extension: &str) -> Option<String> {
    (file.file_name()? == format!("lib{extension}.so").as_str()).then(|| format!("{extension}.so"))
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
    fn patterns() {
        let top = tempfile::tempdir().expect("temporary directory");
        tree::make_directories(top.path(), &top.path().join("sql/old")).expect("created");
        for file in ["x.control", "sql/x--1.sql", "sql/x--1--2.sql", "sql/old/x--0.sql", "sql/y.txt"] {
            fs::write(top.path().join(file), "").expect("written");
        }
        for (pattern, expected) in [
            ("x.control", vec!["x.control"]),
            ("sql/x--*.sql", vec!["sql/x--1--2.sql", "sql/x--1.sql"]),
            ("sql/**/x--*.sql", vec!["sql/old/x--0.sql", "sql/x--1--2.sql", "sql/x--1.sql"]),
            ("*.sql", vec![]),
            ("*/*.txt", vec!["sql/y.txt"]),
            ("sql", vec![]),
        ] {
            let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build().expect("a pattern");
            let expected: Vec<_> = expected.iter().map(|file| top.path().join(file)).collect();
            assert_eq!(matching_files(top.path(), &glob), expected, "{pattern}");
        }
    }

    #[test]
    fn debug_information_names_the_sources() {
        let options = |sources: &str| debug_options(Path::new("/tmp/run/build-x"), Path::new(sources));
        assert!(options("src/x").ends_with("-g -fdebug-prefix-map=/tmp/run/build-x=src/x"));
        // The shell of a recipe would take it apart.
        assert!(options("my sources").ends_with("-g"));
    }

    #[test]
    fn library_names() {
        for (file, name) in [("target/release/libx.so", Some("x.so")), ("x.so", None), ("liby.so", None)] {
            assert_eq!(installed_library_name(Path::new(file), "x").as_deref(), name, "{file}");
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
