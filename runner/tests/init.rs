//! `mcspec init` in throw-away repositories, on a real server.

use std::fs;

use crate::project::{Ended, Project, end};

const PGXS: &str = "PG_CONFIG ?= pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";

/// An extension with something of every kind. Of its functions in C one leaks, and one takes the server down.
const C: &str = r#"
#include "postgres.h"
#include "fmgr.h"
#include "utils/memutils.h"
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(mine_add);
Datum mine_add(PG_FUNCTION_ARGS) { PG_RETURN_INT32(PG_GETARG_INT32(0) + PG_GETARG_INT32(1)); }
PG_FUNCTION_INFO_V1(mine_loses);
Datum mine_loses(PG_FUNCTION_ARGS) { MemoryContextAlloc(TopMemoryContext, 100); PG_RETURN_INT32(1); }
PG_FUNCTION_INFO_V1(mine_faults);
Datum mine_faults(PG_FUNCTION_ARGS) { *(volatile char *) 8 = 1; PG_RETURN_INT32(1); }
"#;

const SQL: &str = r#"
CREATE FUNCTION mine_add(int, int) RETURNS int LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION mine_loses() RETURNS int LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION mine_faults() RETURNS int LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION mine_inner(internal) RETURNS int LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'mine_add';
CREATE FUNCTION mine_terminate() RETURNS bool LANGUAGE sql AS 'SELECT pg_terminate_backend(pg_backend_pid())';
CREATE FUNCTION mine_takes_long() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(600)';
CREATE FUNCTION mine_wants(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN IF code !~ '^[A-Z]{3}-\d$' THEN RAISE 'code % is not one', code; END IF; RETURN code; END $$;
CREATE FUNCTION mine_never(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'it never works'; END $$;
CREATE FUNCTION mine_once() RETURNS void LANGUAGE sql AS 'CREATE TABLE mine_made ()';
CREATE FUNCTION mine_any(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION mine_many(VARIADIC text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT unnest($1)';
CREATE FUNCTION mine_default(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2';
CREATE FUNCTION mine_out(a int, OUT b int, OUT c text) LANGUAGE sql AS 'SELECT $1, $1::text';
CREATE FUNCTION mine_rows(text) RETURNS SETOF record LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE $1; END $$;
CREATE PROCEDURE mine_proc(a int) LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION mine_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN coalesce(NEW, OLD); END $$;
CREATE TYPE mine_mood AS ENUM ('so', 'la la');
CREATE TYPE mine_pair AS (a int, b mine_mood);
CREATE DOMAIN mine_code AS text CHECK (VALUE ~ '^[A-Z]{3}-\d$');
CREATE FUNCTION mine_of(mine_pair, mine_code, mine_mood[]) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
CREATE AGGREGATE mine_sum(int) (SFUNC = mine_add, STYPE = int, INITCOND = '0');
CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = mine_add);
"#;

const PRELOADED: &str = r#"
#include "postgres.h"
#include "fmgr.h"
#include "miscadmin.h"
PG_MODULE_MAGIC;
static bool is_ready = false;
void _PG_init(void);
void _PG_init(void) { is_ready = process_shared_preload_libraries_in_progress; }
PG_FUNCTION_INFO_V1(early_value);
Datum early_value(PG_FUNCTION_ARGS) {
  if (!is_ready) ereport(ERROR, (errmsg("early must be loaded via \"shared_preload_libraries\"")));
  PG_RETURN_INT32(1);
}
"#;

const HOOK: &str = r#"
#include "postgres.h"
#include "fmgr.h"
#include "executor/executor.h"
PG_MODULE_MAGIC;
static ExecutorEnd_hook_type before = NULL;
static void at_end(QueryDesc *desc) { if (before) before(desc); else standard_ExecutorEnd(desc); }
void _PG_init(void);
void _PG_init(void) { before = ExecutorEnd_hook; ExecutorEnd_hook = at_end; }
"#;

/// Built by a script that is called as those of autoconf are.
const CONFIGURE: &str = r#"#!/bin/sh
# --with-pgconfig=FILE
for argument; do case $argument in --with-pgconfig=*) config=${argument#*=};; esac; done
echo "configured for $config"
echo "PG_CONFIG = $config" > Makefile
cat Makefile.in >> Makefile
"#;

/// Repositories of every kind that takes nothing but a compiler, each in a folder.
fn repository() -> Project {
    let makefile = |text: &str| format!("{text}{PGXS}");
    let control = "default_version = '1.0'\nmodule_pathname = '$libdir/mine'\ncomment = 'of every kind'\n";
    let suffixed = "default_version = '1.2'\nmodule_pathname = '$libdir/late-1.2'\nrequires = 'mine'\n";
    let value = |name: &str, body: &str| {
        format!(
            "extern \"C\" {{\n#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\nPG_FUNCTION_INFO_V1({name});\n}}\n\
             extern \"C\" Datum {name}(PG_FUNCTION_ARGS) {{ {body} }}\n"
        )
    };
    let late = value("late_value", "PG_RETURN_INT32(2);")
        .replace("extern \"C\" {\n", "")
        .replace(";\n}\n", ";\n")
        .replace("extern \"C\" Datum", "Datum");
    let function = |name: &str| format!("CREATE FUNCTION {name}() RETURNS int LANGUAGE C AS 'MODULE_PATHNAME';\n");
    let project = Project::new(&[
        ("mine/Makefile", &makefile("EXTENSION = mine\nMODULES = mine\nDATA = mine--1.0.sql\nREGRESS = mine\n")),
        ("mine/mine.control", control),
        ("mine/mine--1.0.sql", SQL),
        ("mine/mine.c", C),
        ("mine/sql/mine.sql", "SELECT mine_wants('ABC-1');\nSELECT * FROM mine_rows('SELECT 1') AS t(a int);\n"),
        ("early/Makefile", &makefile("EXTENSION = early\nMODULES = early\nDATA = early--1.sql\n")),
        ("early/early.control", "default_version = '1'\nmodule_pathname = '$libdir/early'\n"),
        ("early/early--1.sql", &function("early_value")),
        ("early/early.c", PRELOADED),
        ("late/Makefile", &makefile("EXTENSION = late\nMODULE_big = late-1.2\nOBJS = late.o\nDATA = late--1.2.sql\n")),
        ("late/late.control", suffixed),
        ("late/late--1.2.sql", &function("late_value")),
        ("late/late.c", &late),
        ("hook/Makefile", &makefile("MODULES = hook\n")),
        ("hook/hook.c", HOOK),
        ("script/configure", CONFIGURE),
        ("script/Makefile.in", &makefile("EXTENSION = script\nMODULES = script\nDATA = script--1.sql\n")),
        ("script/script.control", "default_version = '1'\nmodule_pathname = '$libdir/script'\n"),
        ("script/script--1.sql", &function("late_value")),
        ("script/script.c", &late),
        ("broken/Makefile", &makefile("EXTENSION = broken\nMODULES = broken\n")),
        ("broken/broken.control", ""),
        ("broken/broken.c", "no C\n"),
    ]);
    fs::remove_file(project.path("mcspec.toml")).unwrap();
    project
}

fn mcspec(project: &Project, arguments: &str) -> Ended {
    end(project.mcspec(arguments))
}

#[test]
fn a_repository_gets_specs_that_run() {
    let project = repository();
    let pg_config = project.pg_config().display().to_string();
    let before = project.files();
    let shown = mcspec(&project, &format!("init early --dry-run --pg-config {pg_config}"));
    assert_eq!(shown.code, 0, "{}{}", shown.stdout, shown.stderr);
    assert_eq!(project.files(), before, "nothing is written");
    for line in ["==> mcspec.toml <==", "[extension.early]", "==> specs/early.mcspec <==", "preload   'early'"] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line}\n{}", shown.stdout);
    }

    let ended = mcspec(&project, &format!("init --pg-config {pg_config}"));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    project.assert_nothing_left();
    for path in ["mcspec.toml", "specs/mine.mcspec", "mcspec-results/.gitignore"] {
        assert!(ended.stdout.contains(&format!("created    {path}\n")) && project.path(path).is_file(), "{path}");
    }
    let now = project.files();
    assert!(before.iter().all(|(name, text)| now.get(name) == Some(text)), "no file of the repository is changed");
    assert!(ended.stderr.contains("\"broken\" is left out"), "{}", ended.stderr);

    // What it has, called as it has to be.
    let spec = project.read("specs/mine.mcspec");
    for part in [
        "scenario growth_benchmark mine_add\n",
        "SELECT mine_add(1, 1);",
        "SELECT 1 <+> 1;",
        "SELECT mine_wants('ABC-1');",
        "SELECT mine_any(1, ARRAY[3, 1, 2]);",
        "SELECT * FROM mine_many(VARIADIC ",
        "SELECT mine_default(1);",
        "SELECT * FROM mine_out(1);",
        "SELECT * FROM mine_rows('SELECT 1') AS t(a int);",
        "CALL mine_proc(1);",
        "EXECUTE FUNCTION mine_trigger();",
        "'la la'::mine_mood::text",
        "SELECT mine_of(ROW(1, 'so'::mine_mood)::mine_pair, 'ABC-1'::mine_code, ARRAY['so'::mine_mood",
        "SELECT mine_sum(1) FROM generate_series(1, 3);",
        "BEGIN;\n    SELECT mine_once();\n    ROLLBACK;",
    ] {
        assert!(spec.contains(part), "{part}\n{spec}");
    }
    let not_called = spec.split("# Not called:").nth(1).unwrap();
    for part in [
        "# it never works\n#     mine_never(integer)\n",
        "it did not come back within 3 s\n#     mine_takes_long()\n",
        "because of \"terminate\" in its name\n#     mine_terminate()\n",
        "with internal arguments\n#     mine_inner(internal)\n",
        "# it took the server down when it was tried: ",
    ] {
        assert!(not_called.contains(part), "{part}\n{not_called}");
    }
    assert!(
        ended.stdout.contains("WARNING:  mine_faults() took the server down when it was called"),
        "{}",
        ended.stdout
    );

    let early = project.read("specs/early.mcspec");
    assert!(early.contains("\npreload   'early'\n") && early.contains("SELECT early_value();"), "{early}");
    assert!(early.contains("hooks_select") && !early.contains("LOAD"), "{early}");
    let hook = project.read("specs/hook.mcspec");
    assert!(hook.contains("target 'hook'") && hook.contains("LOAD 'hook';"), "{hook}");
    assert!(project.read("specs/late.mcspec").contains("SELECT late_value();"));
    assert!(project.read("specs/script.mcspec").contains("SELECT late_value();"));
    let toml = project.read("mcspec.toml");
    assert!(
        toml.contains("./configure --with-pgconfig=\"$PG_CONFIG\"") && toml.contains("# [extension.broken]"),
        "{toml}"
    );
    assert!(toml.contains("provides = [\"late-1.2\"]"), "{toml}");

    // It ran, and found the one that leaks.
    for line in ["not ok", "ctx_bloat", "mine_loses", "mine/mine.c:9", "found by this first run"] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("\nnot ok ").count(), 1, "{}", ended.stdout);
    let checked = mcspec(&project, "check");
    assert_eq!((checked.code, checked.stdout.as_str()), (0, "5 specs, no errors\n"), "{}", checked.stderr);
    let formatted = mcspec(&project, "fmt --check");
    assert_eq!((formatted.code, formatted.stdout.as_str()), (0, ""));
    let one = project.run("mine/mine_add mine/type* --report tap");
    assert_eq!(one.code, 0, "{}{}", one.stdout, one.stderr);

    // Nothing is written over.
    let again = mcspec(&project, "init");
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("\"mcspec.toml\" is there already"), "{}", again.stderr);
}

#[test]
fn what_is_there_stays() {
    let project =
        Project::new(&[("x/Makefile", PGXS), ("x/mine.control", ""), ("specs/mine.mcspec", "of somebody else")]);
    fs::remove_file(project.path("mcspec.toml")).unwrap();
    let before = project.files();
    let ended = mcspec(&project, "init");
    assert_eq!(ended.code, 2);
    for line in ["\"specs/mine.mcspec\" is there already", "hint: move it out of the way, as by: mv specs/mine.mcspec"]
    {
        assert!(ended.stderr.contains(line), "{}", ended.stderr);
    }
    assert_eq!(project.files(), before);

    fs::remove_file(project.path("x/mine.control")).unwrap();
    let ended = mcspec(&project, "init x");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.starts_with("mcspec: error: no extension was found here\n"), "{}", ended.stderr);
    let ended = mcspec(&project, "init nowhere");
    assert!(ended.code == 2 && ended.stderr.contains("could not enter \"nowhere\""), "{}", ended.stderr);
}
