//! `mcspec exec --regress` in throw-away repositories: the suite's own verdicts, and what its files leave behind.

use std::fs;
use std::process::Command;

use crate::project::{Ended, Project, end};
use mcspec::server::{RunDirectory, Stage};

const SOURCE: &str = r#"
#include "postgres.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

static List *kept = NIL;

PG_FUNCTION_INFO_V1(tiny_leak);
Datum
tiny_leak(PG_FUNCTION_ARGS)
{
	MemoryContextAlloc(TopMemoryContext, 200);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tiny_clean);
Datum
tiny_clean(PG_FUNCTION_ARGS)
{
	pfree(MemoryContextAlloc(TopMemoryContext, 200));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tiny_keep);
Datum
tiny_keep(PG_FUNCTION_ARGS)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	kept = lappend(kept, palloc(200));
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tiny_forget);
Datum
tiny_forget(PG_FUNCTION_ARGS)
{
	list_free_deep(kept);
	kept = NIL;
	PG_RETURN_VOID();
}
"#;

const SCRIPT: &str = "\
CREATE FUNCTION tiny_leak() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION tiny_clean() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION tiny_keep() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION tiny_forget() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
";

const SETUP: &str = "CREATE EXTENSION tiny;\n";

/// A file that calls a function. What says nothing is expected to be what was sent (psql -a).
fn calls(function: &str) -> String {
    format!("DO $$ BEGIN PERFORM tiny_{function}(); END $$;\n")
}

/// The repository of an extension, with these lines in its Makefile and these files.
fn repository(makefile: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::new(files);
    let engine: String = project.read("mcspec.toml").lines().take(2).map(|line| format!("{line}\n")).collect();
    project.write("mcspec.toml", &format!("{engine}[extension.tiny]\n"));
    let top = "MODULES = tiny\nEXTENSION = tiny\nDATA = tiny--1.0.sql\n";
    let include = "PG_CONFIG ?= pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";
    project.write("Makefile", &format!("{top}{makefile}\n{include}"));
    project.write("tiny.c", SOURCE);
    project.write("tiny.control", "default_version = '1.0'\nmodule_pathname = '$libdir/tiny'\n");
    project.write("tiny--1.0.sql", SCRIPT);
    project
}

/// A test of a suite whose results are as expected where nothing is said.
fn test(project: &Project, input: &str, name: &str, sql: &str) {
    project.write(&format!("{input}sql/{name}.sql"), sql);
    project.write(&format!("{input}expected/{name}.out"), sql);
}

/// `mcspec exec --regress`, which writes nothing into the repository but results.
fn regress(project: &Project, arguments: &str) -> Ended {
    let before = project.files();
    let usual = if arguments.contains("--repeat") { "" } else { "--repeat 50 --repeat-limit 20" };
    let mut command = project.mcspec(&format!("exec --regress {usual}"));
    command.arg("--pg-config").arg(project.pg_config()).args(arguments.split_whitespace());
    let ended = end(command);
    project.assert_nothing_left();
    assert_eq!(project.files().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    ended
}

fn all(ended: &Ended) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

#[test]
fn a_suite_that_passes_leaks_in_one_file() {
    let project = repository("REGRESS = setup clean leak keep", &[]);
    test(&project, "", "setup", SETUP);
    test(&project, "", "clean", &calls("clean"));
    test(&project, "", "leak", &format!("-- Once.\n{}", calls("leak")));
    test(&project, "", "keep", &(calls("keep") + &calls("forget")));
    let ended = regress(&project, "");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    assert!(ended.stdout.contains("All 4 tests passed"), "{}", all(&ended));
    for said in ["regress/leak", "repeated sql/leak.sql:2 DO $1", "tiny_leak  tiny.c:15", "1 of 1 statements repeated"]
    {
        assert!(ended.stderr.contains(said), "{said}\n{}", all(&ended));
    }
    for other in ["not ok 1 - ", "not ok 2 - ", "not ok 4 - ", "repeated sql/keep.sql", "repeated sql/clean.sql:"] {
        assert!(!ended.stderr.contains(other), "{other}\n{}", all(&ended));
    }
    // Its verdict alone, and without the file.
    assert_eq!(regress(&project, "--repeat 0").code, 0);
}

/// A golden of each test and no other, all written by the name that was given.
#[test]
fn a_suite_is_compared_with_the_goldens_of_its_tests() {
    let project = repository("REGRESS = setup leak", &[]);
    test(&project, "", "setup", SETUP);
    test(&project, "", "leak", &calls("leak"));
    let golden = "--golden suite --repeat 50 --repeat-limit 20";
    let missing = regress(&project, golden);
    assert_eq!(missing.code, 1, "{}", all(&missing));
    assert!(
        missing.stderr.contains("0 passed, 2 failed") && !missing.stderr.contains("suite.out"),
        "{}",
        all(&missing)
    );
    // One by the HINT, as it is to be pasted; then all by their name.
    let hint = "\n  HINT:  intended? run \"mcspec bless suite/leak\"\n";
    assert!(missing.stderr.contains(hint), "{}", all(&missing));
    let one = end(project.mcspec("bless suite/leak"));
    assert!(one.code == 0 && one.stdout.contains("created    goldens/suite/leak.out\n"), "{}", all(&one));
    assert!(
        project.read("goldens/suite/leak.out").contains("ctx_bloat|INFO|TopMemoryContext|200 x1/iter|linear|tiny\n")
    );
    let rest = end(project.mcspec("bless suite"));
    for said in ["created    goldens/suite/setup.out\n", "unchanged  goldens/suite/leak.out\n"] {
        assert!(rest.code == 0 && rest.stdout.contains(said), "{said}\n{}", all(&rest));
    }
    let same = regress(&project, golden);
    assert_eq!(same.code, 0, "{}", all(&same));
    test(&project, "", "leak", &calls("clean"));
    let mended = regress(&project, golden);
    assert!(mended.code == 1 && mended.stderr.contains("suite/leak.out: repeated sql/leak.sql:1"), "{}", all(&mended));
}

/// It would pass whatever the library does.
#[test]
fn a_suite_that_never_loads_the_library_is_not_ok() {
    let project = repository("REGRESS = idle", &[]);
    test(&project, "", "idle", "DO $$ BEGIN END $$;\n");
    let idle = regress(&project, "--repeat 20");
    assert_eq!(idle.code, 1, "{}", all(&idle));
    for said in
        ["ok 1 - regress/idle", "not ok 2 - regress ", "no library under test was loaded", "\"--preload LIBRARY\""]
    {
        assert!(idle.stderr.contains(said), "{said}\n{}", all(&idle));
    }
    // What the HINT says.
    assert_eq!(regress(&project, "--repeat 0 --preload tiny").code, 0);
}

#[test]
fn a_suite_that_fails_by_itself_fails() {
    let project = repository("REGRESS = setup clean", &[]);
    test(&project, "", "setup", SETUP);
    test(&project, "", "clean", &calls("clean"));
    project.write("expected/clean.out", "another\n");
    let ended = regress(&project, "--report tap");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    assert!(ended.stdout.contains("1 of 2 tests failed"), "{}", all(&ended));
    assert!(
        ended.stdout.contains("ok 1 - regress/setup") && ended.stdout.contains("not ok 2 - regress/clean"),
        "{}",
        all(&ended)
    );
    assert!(ended.stdout.contains("-another"), "{}", all(&ended));
    assert!(project.read("results/suite/tiny/regression.diffs").contains("-another"));

    test(&project, "", "clean", &calls("clean"));
    let ended = regress(&project, "");
    assert_eq!(ended.code, 0, "{}", all(&ended));
    assert_eq!(project.read("results/suite/tiny/regression.diffs"), "");
}

#[test]
fn the_server_is_as_the_suite_wants_it() {
    let options = "REGRESS = settings\nREGRESS_OPTS = --inputdir=test --schedule=test/serial --load-extension=tiny \
                   --temp-config=$(top_srcdir)/contrib/tiny/tiny.conf --temp-instance=./tmp_check --port=1\nNO_INSTALLCHECK = 1";
    let project = repository(options, &[]);
    project.write("tiny.conf", "shared_preload_libraries = 'tiny'\nwork_mem = 7MB\n");
    project.write("test/serial", "# first\ntest: one two\n");
    test(&project, "test/", "one", &calls("clean"));
    test(&project, "test/", "two", "\\set n 1\n\\if :n\nDO $$ BEGIN PERFORM 1; END $$;\n\\else\nnonsense;\n\\endif\n");
    let settings = "DO $$ BEGIN\n  ASSERT current_setting('work_mem') = '7MB';\n  \
                    ASSERT current_setting('shared_preload_libraries') LIKE '%tiny%';\nEND $$;\n";
    test(&project, "test/", "settings", settings);
    let ended = regress(&project, "");
    assert_eq!(ended.code, 0, "{}", all(&ended));
    assert!(ended.stdout.contains("parallel group (2 tests)"), "{}", all(&ended));
    for said in
        ["ok 1 - regress/one", "ok 2 - regress/two", "ok 3 - regress/settings", "1 are in a branch that is not taken"]
    {
        assert!(ended.stderr.contains(said), "{said}\n{}", all(&ended));
    }
}

#[test]
fn isolation_specs_are_run_too() {
    let options = "REGRESS = setup\nISOLATION = race\nISOLATION_OPTS = --load-extension=tiny";
    let project = repository(options, &[]);
    test(&project, "", "setup", SETUP);
    let step = calls("clean");
    project.write("specs/race.spec", &format!("session s1\nstep a {{ {} }}\n", step.trim()));
    let expected = format!("Parsed test spec with 1 sessions\n\nstarting permutation: a\nstep a: {step}");
    project.write("expected/race.out", &expected);
    let ended = regress(&project, "");
    assert_eq!(ended.code, 0, "{}", all(&ended));
    assert!(ended.stderr.contains("ok 2 - regress/isolation/race"), "{}", all(&ended));
}

#[test]
fn a_file_may_end_its_session() {
    let project = repository("REGRESS = setup gone clean", &[]);
    test(&project, "", "setup", SETUP);
    let gone = calls("clean") + "SELECT pg_terminate_backend(pg_backend_pid());\n" + &calls("leak");
    test(&project, "", "gone", &gone);
    test(&project, "", "clean", &("\\c -\n".to_owned() + &calls("clean")));
    let ended = regress(&project, "");
    // psql ends with its session, and the test fails; the one after it does not.
    assert_eq!(ended.code, 1, "{}", all(&ended));
    assert!(ended.stdout.contains("1 of 3 tests failed"), "{}", all(&ended));
    for said in ["not ok 2 - regress/gone", "come after the end of the session", "repeated clean: 1 of 1 statements"] {
        assert!(ended.stderr.contains(said), "{said}\n{}", all(&ended));
    }
    assert!(!ended.stderr.contains("repeated sql/gone.sql"), "{}", all(&ended));
}

#[test]
fn a_crate_of_pgrx_has_a_suite_of_its_own() {
    let project = repository("", &[("Cargo.toml", "[package]\nname = \"tiny\"\n")]);
    let input = "tests/pg_regress/";
    test(&project, input, "setup", SETUP);
    test(&project, input, "apple", &calls("leak"));
    let ended = regress(&project, "");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    assert!(ended.stdout.contains("All 2 tests passed"), "{}", all(&ended));
    assert!(ended.stderr.contains("repeated tests/pg_regress/sql/apple.sql:1 DO $1"), "{}", all(&ended));
}

#[test]
fn without_a_suite_it_says_what_to_do() {
    let project = repository("", &[]);
    let ended = regress(&project, "");
    assert_eq!(ended.code, 4, "{}", all(&ended));
    assert!(ended.stderr.contains("no regression suite of PGXS, pgrx, ctest or meson"), "{}", all(&ended));
    assert!(ended.stderr.contains("hint: \"mcspec exec\""), "{}", all(&ended));
}

/// An installation without some of its programs: a copy that its `pg_config` describes.
fn installation_without(project: &Project, programs: &[&str]) -> (Stage, RunDirectory) {
    let (stage, run) = project.stage(false);
    let installation = stage.installation();
    let tests = installation.pgxs.parent().unwrap().parent().unwrap().join("test");
    // It is a link into the original.
    let link = tests.ancestors().find(|path| path.is_symlink()).unwrap().to_owned();
    let original = fs::canonicalize(&link).unwrap();
    fs::remove_file(&link).unwrap();
    let done = Command::new("cp").arg("-R").args([&original, &link]).status().unwrap();
    assert!(done.success());
    for program in programs {
        let places = [installation.bin_dir.join(program), tests.join(program)];
        fs::remove_file(places.iter().find(|path| path.is_file()).unwrap()).unwrap();
    }
    (stage, run)
}

#[test]
fn what_runs_a_suite_and_is_not_there_is_named_with_the_way_to_it() {
    let options = "REGRESS = setup leak\nISOLATION = race\nISOLATION_OPTS = --load-extension=tiny";
    let project = repository(options, &[]);
    test(&project, "", "setup", SETUP);
    test(&project, "", "leak", &calls("clean"));
    project.write("specs/race.spec", "session s1\nstep a { SELECT 1; }\n");
    project.write("expected/race.out", "Parsed test spec with 1 sessions\n\nstarting permutation: a\nstep a: SELECT 1;\n?column?\n--------\n       1\n(1 row)\n\n");
    let run = |programs: &[&str]| {
        let (stage, _run) = installation_without(&project, programs);
        let mut command = project.mcspec("exec --regress --repeat 50 --report tap --pg-config");
        let ended = end({
            command.arg(&stage.installation().pg_config);
            command
        });
        project.assert_nothing_left();
        let way = "mcspec: hint: \"make install\" in the sources that this PostgreSQL was built from installs that too\n\
                   or name another installation's pg_config with --pg-config\n";
        assert!(ended.stderr.contains(way), "{}", all(&ended));
        ended
    };
    // The other part runs, and nobody takes it for the whole.
    let ended = run(&["isolation/isolationtester"]);
    assert_eq!(ended.code, 2, "{}", all(&ended));
    let said = "error: the isolation tests of \"tiny\" are not run: there is no \"";
    assert!(ended.stderr.contains(said) && ended.stderr.contains("/isolationtester\"\n"), "{}", all(&ended));
    for said in
        ["All 2 tests passed", "ok 1 - regress/setup", "ok 3 - regress/isolation/race # SKIP what runs it is not there"]
    {
        assert!(ended.stdout.contains(said), "{said}\n{}", all(&ended));
    }
    // Statements can be repeated without, and lose what they lose.
    for (program, function, code) in [("psql", "clean", 2), ("regress/pg_regress", "leak", 1)] {
        test(&project, "", "leak", &calls(function));
        let ended = run(&[program]);
        assert_eq!(ended.code, code, "{}", all(&ended));
        let said =
            "error: the regression tests of \"tiny\" are not run, only their statements are repeated: there is no \"";
        assert!(ended.stderr.contains(said) && ended.stderr.contains(&format!("/{program}\"\n")), "{}", all(&ended));
        assert_eq!(ended.stdout.contains("repeated sql/leak.sql:1 DO $1"), code == 1, "{}", all(&ended));
    }
}
