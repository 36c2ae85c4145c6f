//! The regression suites of a repository, as its own build runs them: which files in which order, with which options, on what
//! server. Nothing is run here but make, to say what its Makefile means.

mod configuration;
mod layout;
mod makefile;
mod options;
mod programs;
mod schedule;
mod verdicts;
mod words;

use std::path::{Path, PathBuf};

pub use configuration::Settings;
pub use layout::Launch;
pub(crate) use layout::directories_without;
pub use makefile::{Make, Variables};
pub use options::Options;
pub use verdicts::{Verdict, verdicts};

use crate::language::SourceFile;

/// Tests that one command runs.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The directory in which the command runs, from the top of the repository.
    pub directory: PathBuf,
    /// What is before the names of its tests, where there may be several suites.
    pub label: PathBuf,
    /// How it is run.
    pub launch: Launch,
    /// What it runs, in this order.
    pub parts: Vec<Part>,
    /// What it needs of its server.
    pub settings: Settings,
}

/// The tests of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which program that is.
    pub kind: Kind,
    /// Where `sql/` or `specs/` and `expected/` are, from the top of the repository.
    pub input: PathBuf,
    /// Where it writes its results.
    pub output: PathBuf,
    /// Names of tests; those of a group run at the same time.
    pub groups: Vec<Vec<String>>,
    /// Its options.
    pub options: Options,
}

/// What runs tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// pg_regress: psql with a file.
    Regress,
    /// pg_isolation_regress: isolationtester with a spec.
    Isolation,
    /// prove: programs that start servers of their own.
    Tap,
}

impl Part {
    /// The names of all tests, in order.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flatten().map(String::as_str)
    }

    /// The file of a test, from the top of the repository.
    pub fn file(&self, test: &str) -> PathBuf {
        match self.kind {
            Kind::Isolation => self.input.join("specs").join(format!("{test}.spec")),
            _ => self.input.join("sql").join(format!("{test}.sql")),
        }
    }
}

/// What a repository has.
#[derive(Debug, Default)]
pub struct Found {
    /// Its suites.
    pub suites: Vec<Suite>,
    /// The names of tests that its build knows and that run something else than pg_regress.
    pub others: Vec<String>,
}

/// Finds the suites of the repository whose copy is at `top`: those of its Makefile or of the Makefiles in sub-directories, of a
/// pgrx crate, what ctest or meson would run, or else files that lie as pg_regress wants them. `extensions` are those under test.
///
/// # Errors
///
/// What make or ctest says where it cannot tell, and there is nothing else.
pub fn find(top: &Path, make: &Make, extensions: &[String]) -> Result<Found, String> {
    let (mut suites, mut others, mut complaint) = (Vec::new(), Vec::new(), None);
    for directory in makefile::directories(top) {
        match make.variables(&top.join(&directory)) {
            Ok(variables) if variables.has_tests() => {
                suites.push(of_makefile(top, &directory, &variables));
                // What lies below is its own business.
                if directory.as_os_str().is_empty() {
                    break;
                }
            }
            Ok(_) => {}
            Err(said) => complaint = complaint.or(Some(said)),
        }
    }
    if suites.is_empty() {
        suites = layout::of_crates(top);
    }
    if suites.is_empty() {
        match programs::find(top) {
            Ok(known) => (suites, others) = (known.suites, known.others),
            Err(said) => complaint = complaint.or(Some(said)),
        }
    }
    if suites.is_empty() {
        suites = layout::of_files(top, extensions);
    }
    match complaint {
        Some(said) if suites.is_empty() => Err(said),
        _ => Ok(Found { suites, others }),
    }
}

/// The tests that options name, and `named` ones; a schedule is sought from the directory in which the program runs.
fn groups(directory: &Path, options: &Options, named: &[String]) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    for schedule in &options.schedules {
        let text = SourceFile::read(directory.join(schedule)).map(|source| source.text).unwrap_or_default();
        groups.extend(schedule::groups(&text));
    }
    groups.extend(options.tests.iter().chain(named).map(|test| vec![test.clone()]));
    groups
}

/// What the server needs that a program with these options would start.
fn settings(directory: &Path, options: &Options) -> Settings {
    let mut settings = Settings::default();
    for file in &options.configurations {
        if let Ok(source) = SourceFile::read(configuration::find(directory, file)) {
            settings.add_file(source);
        }
    }
    if options.starts_server {
        // What pg_regress would write for it (pg_regress.c, regression_main).
        settings.merge(Settings { lines: vec!["max_prepared_transactions = 2".to_owned()], ..Settings::default() });
    }
    settings
}

/// A path as it is from the top of the repository, if it is there.
fn below(top: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(top).unwrap_or(path).to_owned()
}

fn of_makefile(top: &Path, directory: &Path, variables: &Variables) -> Suite {
    let mut parts = Vec::new();
    let mut needs = Settings::default();
    for (kind, tests, options, output) in
        [(Kind::Regress, "REGRESS", "REGRESS_OPTS", ""), (Kind::Isolation, "ISOLATION", "ISOLATION_OPTS", "output_iso")]
    {
        let named = variables.list(tests);
        // A schedule is no use to pgxs.mk where this is empty.
        if named.is_empty() {
            continue;
        }
        let options = Options::read(&words::words(variables.get(options)));
        let own = top.join(directory);
        let groups = groups(&own, &options, &named);
        needs.merge(settings(&own, &options));
        let place = |named: &Option<String>, other: &str| below(top, &own.join(named.as_deref().unwrap_or(other)));
        let (input, output) = (place(&options.input, ""), place(&options.output, output));
        parts.push(Part { kind, input, output, groups, options });
    }
    if !variables.get("TAP_TESTS").is_empty() {
        let (input, output) = (directory.to_owned(), directory.join("tmp_check"));
        parts.push(Part { kind: Kind::Tap, input, output, groups: Vec::new(), options: Options::default() });
    }
    let has_goal = variables.get("NO_INSTALLCHECK").is_empty();
    let directory = directory.to_owned();
    Suite { label: directory.clone(), directory, launch: Launch::Make { has_goal }, parts, settings: needs }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A repository with these files, and its suites.
    fn suites(files: &[(&str, &str)]) -> Result<Vec<Suite>, String> {
        let top = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().expect("a file has one")).expect("created");
            fs::write(path, text).expect("written");
        }
        let make = Make { pg_config: "/nowhere/pg_config".into(), arguments: Vec::new() };
        find(top.path(), &make, &["mine".to_owned()]).map(|found| found.suites)
    }

    fn tests(part: &Part) -> Vec<Vec<&str>> {
        part.groups.iter().map(|group| group.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn of_a_makefile() {
        let makefile = "REGRESS = last\nREGRESS_OPTS = --inputdir=test --schedule=test/serial --temp-config=$(top)/contrib/x/x.conf \
                        --temp-instance=./tmp\nISOLATION = race\nISOLATION_OPTS = --load-extension=x\nTAP_TESTS = 1\nNO_INSTALLCHECK = 1\n";
        let files = [
            ("Makefile", makefile),
            ("test/serial", "test: first\ntest: a b\n"),
            ("x.conf", "shared_preload_libraries = 'x'\n"),
            ("sub/Makefile", "# PGXS\nREGRESS = other\n"),
        ];
        let [suite] = <[Suite; 1]>::try_from(suites(&files).expect("make reads it")).expect("the one of the top");
        assert_eq!(suite.launch, Launch::Make { has_goal: false });
        assert_eq!(suite.settings.preload, ["x"]);
        assert_eq!(suite.settings.lines, ["max_prepared_transactions = 2"]);
        let [regress, isolation, tap] = suite.parts.as_slice() else { panic!("{:?}", suite.parts) };
        assert_eq!(tests(regress), [vec!["first"], vec!["a", "b"], vec!["last"]]);
        assert_eq!(regress.file("a"), Path::new("test/sql/a.sql"));
        assert_eq!(isolation.file("race"), Path::new("specs/race.spec"));
        assert_eq!(isolation.output, Path::new("output_iso"));
        assert_eq!(tap.kind, Kind::Tap);
    }

    #[test]
    fn of_sub_directories() {
        let files = [
            ("Makefile", "SUBDIRS = a b\ninstallcheck:\n"),
            ("a/Makefile", "include $(PGXS)\nREGRESS = one\n"),
            ("a/deeper/Makefile", "# PGXS\n"),
            ("b/Makefile", "# PGXS\nREGRESS = two\n"),
            ("c/Makefile", "all:\nREGRESS = not_of_pgxs\n"),
        ];
        let makefile = files.map(|(name, text)| {
            (name, text.strip_prefix("include $(PGXS)").map_or(text, |_| "# PGXS\nREGRESS = one\n"))
        });
        let found = suites(&makefile).expect("make reads them");
        let directories: Vec<&Path> = found.iter().map(|suite| suite.directory.as_path()).collect();
        assert_eq!(directories, [Path::new("a"), Path::new("b")]);
        assert_eq!(found[0].parts[0].file("one"), Path::new("a/sql/one.sql"));
    }

    #[test]
    fn of_a_crate() {
        let files = [
            ("Cargo.toml", ""),
            ("mine.control", ""),
            ("tests/pg_regress/sql/zebra.sql", ""),
            ("tests/pg_regress/expected/zebra.out", ""),
            ("tests/pg_regress/sql/setup.sql", ""),
            ("tests/pg_regress/expected/setup.out", ""),
            ("tests/pg_regress/sql/apple.sql", ""),
            ("tests/pg_regress/expected/apple.out", ""),
            ("tests/pg_regress/sql/new.sql", ""),
        ];
        let found = suites(&files).expect("found");
        let part = &found[0].parts[0];
        assert_eq!(found[0].launch, Launch::Crate { setup: None });
        assert_eq!(tests(part), [["setup"], ["apple"], ["zebra"]]);
        assert_eq!(part.options.words(), ["--use-existing", "--dbname=mine_regress"]);
        assert_eq!(found[0].settings.lines, ["client_min_messages = warning"]);

        let without =
            files.map(|(name, text)| if name.ends_with("setup.out") { ("README", text) } else { (name, text) });
        let found = suites(&without).expect("found");
        assert_eq!(found[0].launch, Launch::Crate { setup: Some("sql/setup.sql".into()) });
        assert_eq!(tests(&found[0].parts[0]), [["apple"], ["zebra"]]);
    }

    #[test]
    fn of_files_that_lie_as_they_should() {
        let files = [
            ("CMakeLists.txt", ""),
            ("x/test/sql/b.sql", "SELECT 1;"),
            ("x/test/expected/b.out", ""),
            ("x/test/sql/a.sql", "SELECT 1;"),
            ("x/test/expected/a.out", ""),
        ];
        let found = suites(&files).expect("found");
        assert_eq!(found[0].launch, Launch::Files { fixture: None });
        assert_eq!(found[0].directory, Path::new("x/test"));
        assert_eq!(found[0].parts[0].options.extensions, ["mine"]);

        let fixture =
            [("test/fixtures.sql", "CREATE EXTENSION mine;"), ("test/sql/a.sql", ""), ("test/expected/a.out", "")];
        let found = suites(&fixture).expect("found");
        assert_eq!(found[0].launch, Launch::Files { fixture: Some("fixtures.sql".into()) });
        assert_eq!(found[0].parts[0].options.extensions, [""; 0]);
        assert!(found[0].parts[0].options.use_existing);
    }

    #[test]
    fn of_nothing() {
        assert!(suites(&[("README", "")]).expect("nothing is wrong").is_empty());
        assert!(suites(&[("Makefile", "all:\n")]).expect("nothing is wrong").is_empty());
        let said = suites(&[("Makefile", "include nowhere.mk\n")]).expect_err("make cannot read it");
        assert!(said.contains("nowhere.mk"), "{said}");
    }
}
