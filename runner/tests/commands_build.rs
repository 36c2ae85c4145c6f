//! Repositories that are built by cmake, meson or a script: from the sources as they are to specs and to their own suites.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::project::{Ended, Project, end};

/// An extension in C and C++: one function leaks, one does not.
const SOURCE: &str = r#"
#ifdef __cplusplus
extern "C" {
#endif
#include "postgres.h"
#include "fmgr.h"
#include "utils/memutils.h"
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(foreign_leak);
Datum foreign_leak(PG_FUNCTION_ARGS)
{
	MemoryContextAlloc(TopMemoryContext, 200);
	PG_RETURN_INT32(1);
}
PG_FUNCTION_INFO_V1(foreign_clean);
Datum foreign_clean(PG_FUNCTION_ARGS)
{
	pfree(MemoryContextAlloc(TopMemoryContext, 200));
	PG_RETURN_INT32(1);
}
#ifdef __cplusplus
}
#endif
"#;

const SCRIPT: &str = "\
CREATE FUNCTION foreign_leak() RETURNS int LANGUAGE C AS '$libdir/foreign';
CREATE FUNCTION foreign_clean() RETURNS int LANGUAGE C AS '$libdir/foreign';
";

/// Writes the name of the control file when it is configured; nothing in the sources is called so.
const CMAKE: &str = r#"
cmake_minimum_required(VERSION 3.16)
project(strange LANGUAGES C)
set(NAME foreign)
find_program(PG_CONFIG pg_config)
foreach(what pkglibdir sharedir includedir-server bindir pgxs)
  execute_process(COMMAND ${PG_CONFIG} --${what} OUTPUT_VARIABLE ${what} OUTPUT_STRIP_TRAILING_WHITESPACE)
endforeach()
add_library(${NAME} MODULE source.c)
set_target_properties(${NAME} PROPERTIES PREFIX "")
target_include_directories(${NAME} PRIVATE ${includedir-server})
configure_file(control.in ${NAME}.control)
configure_file(script.in ${NAME}--1.0.sql COPYONLY)
install(TARGETS ${NAME} LIBRARY DESTINATION ${pkglibdir})
install(FILES ${CMAKE_BINARY_DIR}/${NAME}.control ${CMAKE_BINARY_DIR}/${NAME}--1.0.sql DESTINATION ${sharedir}/extension)
file(WRITE ${CMAKE_SOURCE_DIR}/made_by_cmake "")
enable_testing()
get_filename_component(makefiles ${pgxs} DIRECTORY)
add_test(NAME regress COMMAND ${makefiles}/../test/regress/pg_regress --temp-instance=${CMAKE_BINARY_DIR}/tmp
  --bindir=${bindir} --inputdir=${CMAKE_SOURCE_DIR}/t --outputdir=${CMAKE_BINARY_DIR} --load-extension foreign clean leak)
add_test(NAME lint COMMAND sh -c true)
"#;

const MESON: &str = r#"
project('strange', 'cpp')
pg_config = find_program('pg_config')
libdir = run_command(pg_config, '--pkglibdir', check: true).stdout().strip()
sharedir = run_command(pg_config, '--sharedir', check: true).stdout().strip()
include = run_command(pg_config, '--includedir-server', check: true).stdout().strip()
bindir = run_command(pg_config, '--bindir', check: true).stdout().strip()
pgxs = run_command(pg_config, '--pgxs', check: true).stdout().strip()
shared_module('foreign', 'source.cpp', name_prefix: '', cpp_args: ['-isystem', include], install: true, install_dir: libdir)
control = configure_file(input: 'control.in', output: 'foreign.control', copy: true)
script = configure_file(input: 'script.in', output: 'foreign--1.0.sql', copy: true)
install_data(control, script, install_dir: sharedir / 'extension')
test('regress', find_program(import('fs').parent(pgxs) / '../test/regress/pg_regress'), args: ['--bindir', bindir, '--inputdir',
  meson.current_source_dir() / 't', '--load-extension', 'foreign', 'clean', 'leak'], env: ['PGDATABASE=none'])
"#;

/// Knows where it was run.
const CONFIGURE: &str = r#"#!/bin/sh
set -e
test -n "$PG_CONFIG"
cp control.in foreign.control
cp script.in foreign--1.0.sql
cat > Makefile <<END
here = $PWD
MODULES = foreign
EXTENSION = foreign
DATA = foreign--1.0.sql
REGRESS = clean leak
REGRESS_OPTS = --inputdir=$PWD/t --load-extension=foreign
PG_CONFIG = $PG_CONFIG
PGXS := $($PG_CONFIG --pgxs)
include \$(PGXS)
installcheck: \$(here)/foreign.control
END
cp source.c foreign.c
"#;

fn repository(files: &[(&str, &str)]) -> Project {
    let project = Project::new(files);
    project.write("control.in", "default_version = '1.0'\n");
    project.write("script.in", SCRIPT);
    for name in ["clean", "leak"] {
        let sql = format!("DO $$ BEGIN PERFORM foreign_{name}(); END $$;\n");
        project.write(&format!("t/sql/{name}.sql"), &sql);
        project.write(&format!("t/expected/{name}.out"), &sql);
    }
    project
}

/// Whether a program is there; without, nothing that it builds can be tried.
fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    let is_there = command.arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("not tried: there is no {program}");
    }
    is_there
}

fn mcspec(project: &Project, arguments: &str) -> Ended {
    let mut command = project.mcspec(arguments);
    command.arg("--pg-config").arg(project.pg_config());
    let ended = end(command);
    project.assert_nothing_left();
    ended
}

fn all(ended: &Ended) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

/// `mcspec init` in a repository in which nobody has written about mcspec, and then what it has written is run and the suite of the
/// repository twice: what the first run has built, the second one has not.
fn adopt(project: &Project, says: &[&str]) {
    std::fs::remove_file(project.path("mcspec.toml")).expect("removed");
    let before = project.files();
    let ended = mcspec(project, "init --no-run");
    assert_eq!(ended.code, 0, "{}", all(&ended));
    assert!(ended.stdout.contains("foreign 1.0: 2 of 2 functions called"), "{}", all(&ended));
    let toml = project.read("mcspec.toml");
    assert!(toml.contains("[extension.foreign]\n"), "{toml}");
    let sources = || -> BTreeMap<String, Vec<u8>> {
        let is_ours = |name: &str| name.starts_with("specs/") || name.starts_with("mcspec");
        project.files().into_iter().filter(|(name, _)| !is_ours(name)).collect()
    };
    assert_eq!(sources(), before);

    let ended = mcspec(project, "run --report tap");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    let place = ["foreign_leak  source.c:12", "foreign_leak  source.cpp:12", "foreign_leak  foreign.c:12"];
    assert!(place.iter().any(|place| ended.stdout.contains(place)), "{}", all(&ended));
    for _ in 0..2 {
        let ended = mcspec(project, "exec --regress --repeat 50 --repeat-limit 20");
        assert_eq!(ended.code, 1, "{}", all(&ended));
        for said in
            says.iter().chain(&["All 2 tests passed", "ok 1 - regress/clean", "repeated t/sql/leak.sql:1 DO $1"])
        {
            assert!(all(&ended).contains(said), "{said}\n{}", all(&ended));
        }
        assert!(!all(&ended).contains("repeated t/sql/clean.sql:"), "{}", all(&ended));
    }
    assert_eq!(sources(), before);
}

#[test]
fn by_cmake() {
    if is_there("cmake") {
        let project = repository(&[("CMakeLists.txt", CMAKE), ("source.c", SOURCE)]);
        adopt(&project, &["that are not run, since they do not run pg_regress: lint"]);
    }
}

#[test]
fn by_meson_and_in_another_language() {
    if is_there("meson") {
        adopt(&repository(&[("meson.build", MESON), ("source.cpp", SOURCE)]), &[]);
    }
}

#[test]
fn by_a_script_that_writes_the_makefile() {
    let project = repository(&[("configure", CONFIGURE), ("configure.ac", "# PG_CONFIG"), ("source.c", SOURCE)]);
    adopt(&project, &[]);
}
