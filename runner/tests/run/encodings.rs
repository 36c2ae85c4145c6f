//! What sessions say in other encodings than UTF8.

use crate::project::{Project, end};

/// A session that wants Latin 1, as regression tests do that were written for it.
const LATIN1: &str = "\
session s1
step latin  { SET client_encoding = 'LATIN1'; }
step shown  { SELECT U&'gr\\00fcn' AS word, 'plain' AS plain; }
step told   { DO $$ BEGIN RAISE NOTICE '%', U&'gr\\00fcn'; END $$; }
step failed { DO $$ BEGIN RAISE EXCEPTION '%', U&'gr\\00fcn'; END $$; }
step named  { SELECT 1 AS U&\"gr\\00fcn\"; }
step after  { SELECT 'goes on' AS more; }
permutation latin shown told failed named after
";

#[test]
fn sessions_may_speak_another_encoding() {
    let project = Project::new(&[("t/latin1.spec", LATIN1)]);
    let checked = project.run("t/latin1.spec");
    for row in ["+ latin\n", "+ shown\n", "+ told\n", "+ failed ERROR P0001\n", "+ named\n", "+ after\n"] {
        assert!(checked.stdout.contains(row), "{row}: {}{}", checked.stdout, checked.stderr);
    }
    let transcribed = project.run("--transcript t/latin1.spec");
    assert_eq!(transcribed.code, 1, "{}{}", transcribed.stdout, transcribed.stderr);
    let transcript = project.read("results/latin1.out");
    for line in ["|plain\n", "s1: NOTICE:  gr\u{fffd}n\n", "ERROR:  gr\u{fffd}n\n", "goes on\n"] {
        assert!(transcript.contains(line), "{line}: {transcript}");
    }
}

/// A function that returns what is not UTF-8, as one in C may by mistake.
#[test]
fn a_hunt_goes_on_where_a_function_returns_no_utf8() {
    let function = "CREATE FUNCTION latin(int) RETURNS text AS \
                    $$ SELECT set_config('client_encoding', 'LATIN1', false); SELECT U&'gr\\00fcn'; $$ LANGUAGE sql STRICT;\n";
    let makefile = "EXTENSION = latin\nDATA = latin--1.0.sql\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";
    let project = Project::new(&[
        ("latin--1.0.sql", function),
        ("latin.control", "default_version = '1.0'\nrelocatable = true\n"),
        ("Makefile", makefile),
    ]);
    let toml = project.read("mcspec.toml");
    let engine: Vec<&str> = toml.lines().take(2).collect();
    project.write("mcspec.toml", &format!("{}\n[extension.latin]\npath = \".\"\n", engine.join("\n")));
    let pg_config = project.pg_config().display().to_string();
    let ended = end(project.mcspec(&format!("hunt --time 5s --rounds 1 --jobs 1 --pg-config {pg_config}")));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("internal error"), "{}", ended.stderr);
    project.assert_nothing_left();
}
