//! Suites that no Makefile speaks of: those of pgrx crates, and files that lie as pg_regress wants them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{Kind, Options, Part, Settings, Suite};

/// How far below the top suites are looked for, in directories.
const DEPTH: usize = 4;

/// How a suite is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// `make installcheck`.
    Make {
        /// Whether pgxs.mk makes that goal; with `NO_INSTALLCHECK` what it would do is done all the same.
        has_goal: bool,
    },
    /// pg_regress as `cargo pgrx regress` calls it.
    Crate {
        /// The script that makes the database ready, where nobody expects anything of its output.
        setup: Option<PathBuf>,
    },
    /// pg_regress or its twin for isolation specs with the options of a test that ctest or meson would run.
    Program {
        /// What is set for it besides.
        environment: Vec<(String, String)>,
    },
    /// pg_regress with all files that have an expected output.
    Files {
        /// A script to run before the first file.
        fixture: Option<PathBuf>,
    },
}

/// What lies at the side of `tests/pg_regress` in a directory of a crate.
const OF_CRATE: &str = "tests/pg_regress";

/// Scripts beside `sql/` that make the database ready.
const FIXTURES: [&str; 3] = ["fixtures.sql", "setup.sql", "init.sql"];

/// The suites of the pgrx crates at or below `top` (cargo-pgrx, regress.rs): what is called `setup` first, then by name, in a
/// database of their own.
pub(super) fn of_crates(top: &Path) -> Vec<Suite> {
    let crates = directories(top).into_iter().filter(|directory| top.join(directory).join("Cargo.toml").is_file());
    let suites = crates.filter_map(|directory| {
        let input = directory.join(OF_CRATE);
        let mut tests = names(&top.join(&input));
        let is_setup = |name: &String| name.ends_with("setup");
        let sql = top.join(&input).join("sql");
        let setup = stems(&sql, ".sql").into_iter().find(is_setup);
        let mut script = None;
        if let Some(setup) = setup {
            match tests.iter().position(|test| *test == setup) {
                Some(position) => tests[..=position].rotate_right(1),
                None => script = Some(Path::new("sql").join(format!("{setup}.sql"))),
            }
        }
        let name = extension_of(&top.join(&directory))?;
        let options = Options::read(&["--use-existing".to_owned(), format!("--dbname={name}_regress")]);
        let lines = vec!["client_min_messages = warning".to_owned()];
        let settings = Settings { lines, ..Settings::default() };
        (!tests.is_empty()).then(|| suite(&input, tests, options, Launch::Crate { setup: script }, settings))
    });
    suites.collect()
}

/// The first directory whose `sql/` and `expected/` have files of the same names. Where none of them creates an extension, those
/// under test are loaded before.
pub(super) fn of_files(top: &Path, extensions: &[String]) -> Vec<Suite> {
    let found = directories(top).into_iter().find_map(|input| {
        let tests = names(&top.join(&input));
        (!tests.is_empty()).then_some((input, tests))
    });
    let suite = found.map(|(input, tests)| {
        let own = top.join(&input);
        let fixture = FIXTURES.iter().map(|name| own.join(name)).find(|path| path.is_file());
        let files = tests.iter().map(|test| own.join(format!("sql/{test}.sql"))).chain(fixture.clone());
        let creates = |file: PathBuf| {
            let text = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&text).to_ascii_lowercase().contains("create extension")
        };
        let mut options = vec!["--dbname=contrib_regression".to_owned()];
        if !files.into_iter().any(creates) {
            options.extend(extensions.iter().map(|name| format!("--load-extension={name}")));
        }
        // What it has made is to stay.
        options.extend(fixture.as_ref().map(|_| "--use-existing".to_owned()));
        let fixture = fixture.and_then(|path| path.strip_prefix(&own).map(Path::to_owned).ok());
        suite(&input, tests, Options::read(&options), Launch::Files { fixture }, Settings::default())
    });
    suite.into_iter().collect()
}

fn suite(input: &Path, tests: Vec<String>, options: Options, launch: Launch, settings: Settings) -> Suite {
    let groups = tests.into_iter().map(|test| vec![test]).collect();
    let (input, output) = (input.to_owned(), input.to_owned());
    let directory = input.clone();
    let part = Part { kind: Kind::Regress, input, output, groups, options };
    Suite { label: directory.clone(), directory, launch, parts: vec![part], settings }
}

/// The names of the files in `sql/` that have an output in `expected/`, or one for another platform, by name.
fn names(input: &Path) -> Vec<String> {
    let expected = stems(&input.join("expected"), ".out");
    stems(&input.join("sql"), ".sql").into_iter().filter(|name| expected.contains(name)).collect()
}

/// The names of the files in a directory that end so, without that.
fn stems(directory: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(ending)?.to_owned())).collect()
}

/// What `cargo pgrx` takes for the extension's name: that of the control file.
fn extension_of(directory: &Path) -> Option<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .ok()?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".control")?.to_owned()))
        .collect();
    names.sort();
    names.into_iter().next()
}

/// The directories at and below `top` in which suites may be.
pub(super) fn directories(top: &Path) -> Vec<PathBuf> {
    directories_without(top, &["target", "node_modules", "results"])
}

/// The directories at and below `top`, from above to below and by name, without those of these names and those that are hidden.
pub(crate) fn directories_without(top: &Path, others: &[&str]) -> Vec<PathBuf> {
    let is_searched = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || others.contains(&&*name))
    };
    let walk = WalkDir::new(top).max_depth(DEPTH).sort_by_file_name().into_iter().filter_entry(is_searched);
    let mut found: Vec<(usize, PathBuf)> = walk
        .flatten()
        .filter(|entry| entry.file_type().is_dir())
        .map(|entry| (entry.depth(), entry.path().strip_prefix(top).unwrap_or(Path::new("")).to_owned()))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}
