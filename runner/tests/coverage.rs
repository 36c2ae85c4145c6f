//! What specs have reached, on a real server, against a count by hand; and whether they can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use crate::project::{Project, end, eventually, schemas, send, wait};
use mcspec::coverage::{CoverageRecord, FileRecord};
use mcspec::mutate::MutationRecord;
use nix::sys::signal::Signal;

/// The places of two files, counted by hand from their sources: function, line, what is called, and whether the spec below comes by.
const ABORT: &[(&str, u32, &str, bool)] = &[
    ("d11_bad", 46, "malloc", false),
    ("d11_ok", 58, "malloc", true),
    ("d12_register", 158, "RegisterXactCallback", true),
    ("d12_register", 159, "RegisterSubXactCallback", true),
    ("d12_register", 160, "RegisterSubXactCallback", true),
    ("d12_bad", 171, "MemoryContextAllocZero", false),
    ("d12_ok", 182, "MemoryContextAllocZero", true),
];
const QUERY: &[(&str, u32, &str, bool)] = &[
    ("d08_bad_sfunc", 50, "MemoryContextAllocZero", false),
    ("d08_bad_sfunc", 53, "pg_detoast_datum_packed", false),
    ("d08_bad_sfunc", 55, "MemoryContextAlloc", false),
    ("d08_bad_final", 75, "cstring_to_text_with_len", false),
    ("d08_ok_sfunc", 89, "makeStringInfo", true),
    ("d08_ok_sfunc", 94, "pg_detoast_datum_packed", true),
    ("d08_ok_sfunc", 96, "appendBinaryStringInfo", true),
    ("d08_ok_final", 109, "cstring_to_text_with_len", true),
    ("d09_bad", 125, "init_MultiFuncCall", false),
    ("d09_bad", 132, "MemoryContextAllocZero", false),
    // Only the fixture calls it.
    ("d09_ok", 146, "init_MultiFuncCall", true),
    ("d09_ok", 153, "palloc0", true),
];

const REACHING: &str = "\
extension mem_corpus

setup { SELECT count(*) FROM mem_corpus.d09_ok(2); }

scenario window calls
  iterations 2
  workload   { SELECT mem_corpus.d11_ok(1), mem_corpus.d12_ok(100); SELECT mem_corpus.d08_ok(v) FROM (VALUES ('a'), ('b')) x (v); }
  expect none
";

const NOTICING: &str = "\
extension mem_corpus

scenario growth_benchmark calls
  iterations 20
  workload   { SELECT mem_corpus.d01_ok(100), mem_corpus.d04_empty_ok(), mem_corpus.d11_ok(1), mem_corpus.d15_ok(2); }
  expect none
";

/// It calls what it does not look at.
const BLIND: &str = "\
extension mem_corpus

setup { SELECT mem_corpus.n6_contexts(); }

scenario growth_benchmark nothing
  iterations 20
  setup      { LOAD 'mem_corpus'; }
  workload   { SELECT 1; }
  expect none
";

fn project() -> Project {
    let specs =
        [("specs/reaching.mcspec", REACHING), ("specs/noticing.mcspec", NOTICING), ("specs/blind.mcspec", BLIND)];
    Project::new(&specs)
}

/// The places of a file, as the hand count has them.
fn places(file: &FileRecord) -> BTreeSet<(&str, u32, &str, bool)> {
    let mut places = BTreeSet::new();
    for function in &file.functions {
        for place in &function.all {
            places.insert((function.name.as_str(), place.line.unwrap_or(0), place.callee.as_str(), place.reached));
        }
    }
    places
}

#[test]
fn places_that_were_reached_are_those_of_a_count_by_hand() {
    let project = project();
    let toml = project.read("mcspec.toml");
    let ended = project.run("reaching --coverage=lcov:all.info");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let record: CoverageRecord = serde_json::from_str(&project.read("results/coverage.json")).unwrap();
    for (name, counted) in [("abort.c", ABORT), ("query.c", QUERY)] {
        let is_it = |file: &&FileRecord| file.file.as_deref().is_some_and(|path| path.ends_with(name));
        let file = record.files.iter().find(is_it).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(places(file), counted.iter().copied().collect(), "{name}");
    }
    let called: BTreeMap<&str, Option<bool>> =
        record.functions.iter().map(|member| (member.function.as_str(), member.called)).collect();
    for (function, expected) in [
        ("mem_corpus.d11_ok(integer)", Some(true)),
        ("mem_corpus.d08_ok_sfunc(internal,text)", Some(true)),
        ("mem_corpus.d09_ok(integer)", Some(true)),
        ("mem_corpus.d11_bad(integer)", Some(false)),
    ] {
        assert_eq!(called.get(function), Some(&expected), "{function}: {called:?}");
    }
    let lcov = project.read("all.info");
    assert!(lcov.contains("\nFNDA:3,d12_register\n") && lcov.contains("\nDA:46,0\n"), "{lcov}");
    assert!(ended.stderr.contains("never called: mem_corpus.d11_bad(integer) of mem_corpus"), "{}", ended.stderr);
    assert!(record.holds && record.least.is_none());

    project.write("mcspec.toml", &format!("{toml}[coverage]\nleast = 99\n"));
    let ended = project.run("reaching --coverage");
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("error: coverage is less than 99 %"), "{}", ended.stderr);
}

#[test]
fn calls_that_are_left_out_are_missed_where_it_matters() {
    let project = project();
    let mut command = project.mcspec("mutate noticing blind --json all.json");
    for only in ["d01_ok", "d04_empty_ok", "d11_ok", "SPI_freetuptable", "n6_contexts", "d11_bad"] {
        command.args(["--only", only]);
    }
    let output = command.arg("--pg-config").arg(project.pg_config()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    schemas::validate("mutations", &project.read("all.json"), "all.json");
    let record: MutationRecord = serde_json::from_str(&project.read("all.json")).unwrap();
    let fates: BTreeMap<(&str, &str), &str> = (record.calls.iter())
        .map(|call| ((call.function.as_str(), call.callee.as_str()), call.fate.as_str()))
        .collect();
    for (call, fate) in [
        (("d01_ok", "pfree"), "caught"),
        (("d04_empty_ok", "MemoryContextDelete"), "caught"),
        (("d11_ok", "free"), "caught"),
        (("d15_ok", "SPI_freetuptable"), "freed anyway"),
        (("n6_contexts", "MemoryContextDelete"), "survived"),
        (("d11_bad", "free"), "not covered"),
    ] {
        assert_eq!(fates.get(&call), Some(&fate), "{call:?}: {stdout}{stderr}");
    }
    assert_eq!((record.caught, record.of), (3, 4), "{stdout}");
    assert!(
        stdout.starts_with("survived, though nothing gives back what stays: 1\n  MemoryContextDelete in n6_contexts"),
        "{stdout}"
    );
    project.assert_nothing_left();
}

/// Calls in the shapes that compilers give them, each of which is made once. Everything in it is the library's own: the server binds what
/// several libraries export to the first of them.
const SHAPES: &str = r#"
#include "postgres.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

#define OWN static __attribute__((noipa))

/* A jump that is only made sometimes. */
extern void *sometimes(Size size) __attribute__((visibility("hidden")));
__asm__(".text\n.hidden sometimes\n.type sometimes, @function\nsometimes:\n"
		"\ttest %rdi, %rdi\n\tjne palloc@PLT\n\tret\n.size sometimes, .-sometimes");

OWN void *tail(Size size) { return palloc0(size); }
OWN void release(void *chunk) { if (chunk) pfree(chunk); }
OWN void *wrapper(Size size) { char *chunk = palloc(size); chunk[0] = 1; return chunk; }
static inline char *inlined(const char *text) { return pstrdup(text); }
OWN int repeated(Size size)
{
	void *a = palloc(size);
	void *b = palloc(size + 1);
	void *c = palloc(size + 2);
	int differ = (a != b) + (b != c);
	pfree(a);
	pfree(b);
	pfree(c);
	return differ;
}

PG_FUNCTION_INFO_V1(shapes);
Datum
shapes(PG_FUNCTION_ARGS)
{
	void *lost = malloc(64);
	int sum = repeated(8);
	if (lost == NULL)
		elog(ERROR, "no memory");
	free(lost);
	release(tail(32));
	release(sometimes(16));
	release(wrapper(8));
	release(inlined("a"));
	release(inlined("b"));
	PG_RETURN_INT32(sum);
}
"#;

/// What of it allocates.
const ALLOCATING: [(&str, &str); 8] = [
    ("inlined", "pstrdup"),
    ("repeated", "palloc"),
    ("repeated", "palloc"),
    ("repeated", "palloc"),
    ("shapes", "malloc"),
    ("sometimes", "palloc"),
    ("tail", "palloc0"),
    ("wrapper", "palloc"),
];

/// Libraries, how they are compiled and how they are linked.
const COMPILED: [(&str, &str, &str); 7] = [
    ("shape_plain", "-O0", ""),
    ("shape_now", "-O2", "-Wl,-z,now"),
    ("shape_slots", "-O2 -fno-plt", ""),
    ("shape_small", "-Os -fno-plt", "-Wl,-z,lazy"),
    ("shape_stubs", "-O2 -fcf-protection=full", "-Wl,-z,ibtplt"),
    ("shape_thunks", "-O2 -fno-plt -mindirect-branch=thunk", ""),
    ("shape_stripped", "-O2 -flto", "-s"),
];

#[test]
fn calls_are_seen_however_they_are_compiled() {
    let project = Project::new(&[]);
    let engine: String = project.read("mcspec.toml").lines().take(2).map(|line| format!("{line}\n")).collect();
    project.write("mcspec.toml", &format!("{engine}[extension.shapes]\npath = \"ext\"\n"));
    let names: Vec<&str> = COMPILED.iter().map(|(name, ..)| *name).collect();
    let mut makefile = format!("MODULES = {}\nEXTENSION = shapes\nDATA = shapes--1.0.sql\n", names.join(" "));
    makefile += "PG_CONFIG = pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";
    let (mut script, mut calls) = (String::new(), String::new());
    for (name, compiled, linked) in COMPILED {
        makefile +=
            &format!("{name}.o: override CFLAGS += {compiled}\n{name}.so: override LDFLAGS += {compiled} {linked}\n");
        project.write(&format!("ext/{name}.c"), SHAPES);
        script += &format!("CREATE FUNCTION {name}() RETURNS int AS '$libdir/{name}', 'shapes' LANGUAGE C;\n");
        calls += &format!("SELECT {name}(); ");
    }
    project.write("ext/Makefile", &makefile);
    project.write("ext/shapes--1.0.sql", &script);
    project.write("ext/shapes.control", "default_version = '1.0'\n");
    let spec = format!(
        "extension shapes\n\nscenario window calls\n  iterations 20\n  workload {{ {calls} }}\n  expect none\n"
    );
    project.write("specs/shapes.mcspec", &spec);

    let ended = project.run("shapes --coverage");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let record: CoverageRecord = serde_json::from_str(&project.read("results/coverage.json")).unwrap();
    for name in names {
        let files = record.files.iter().filter(|file| file.library == name);
        let all: Vec<(&str, &str, bool)> = files
            .flat_map(|file| &file.functions)
            .flat_map(|function| function.all.iter().map(|place| (&*function.name, &*place.callee, place.reached)))
            .collect();
        assert!(all.iter().all(|(.., reached)| *reached), "{name}: {all:?}");
        match name {
            // Of its functions only the names of those are known that it exports, and no lines.
            "shape_stripped" => assert!(all.len() >= 5, "{all:?}"),
            _ => {
                let mut found: Vec<(&str, &str)> =
                    all.iter().map(|(function, callee, _)| (*function, *callee)).collect();
                found.sort_unstable();
                // A jump through a thunk is named and not counted.
                let is_seen = |(function, _): &&(&str, &str)| name != "shape_thunks" || *function != "tail";
                let expected: Vec<(&str, &str)> = ALLOCATING.iter().filter(is_seen).copied().collect();
                assert_eq!(found, expected, "{name}");
            }
        }
    }
    assert!(!ended.stderr.contains("through pointers"), "{}", ended.stderr);
    let said = "shape_thunks: 1 jump through registers, which are not looked at";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);

    // Each is left out as it is compiled, and missed: "malloc" by everybody.
    let mut command = project.mcspec("mutate shapes --json all.json --only free --only release");
    command.arg("--pg-config").arg(project.pg_config());
    let ended = end(command);
    let record: MutationRecord = serde_json::from_str(&project.read("all.json")).unwrap();
    let fates: BTreeMap<(&str, &str), &str> =
        record.calls.iter().map(|call| ((&*call.library, &*call.callee), &*call.fate)).collect();
    for (name, ..) in COMPILED {
        assert_eq!(fates.get(&(name, "free")), Some(&"caught"), "{name}: {}{}", ended.stdout, ended.stderr);
        let released = match name {
            "shape_stripped" => None,
            "shape_thunks" => Some(&"not left out"),
            _ => Some(&"freed anyway"),
        };
        assert_eq!(fates.get(&(name, "pfree")), released, "{name}: {}", ended.stdout);
    }
    assert_eq!((record.caught, record.of, ended.code), (7, 7, 0), "{}{}", ended.stdout, ended.stderr);
}

/// It loses something, and expects that it does not.
const FAILING: &str = "\
extension mem_corpus

scenario growth_benchmark calls
  iterations 20
  workload   { SELECT mem_corpus.d01_bad(100), mem_corpus.d01_ok(100); }
  expect none
";

#[test]
fn what_tells_nothing_of_calls_is_said() {
    let project = project();
    project.write("specs/failing.mcspec", FAILING);
    let mutate = |arguments: &str| {
        let mut command = project.mcspec(&format!("mutate {arguments}"));
        if !arguments.contains("--pg ") {
            command.arg("--pg-config").arg(project.pg_config());
        }
        end(command)
    };
    let table = [
        // As it is, nobody knows what the spec would notice.
        ("failing --only d01_ok", 1, "fail as they are, so that they notice nothing: 1\n  failing\nnot covered"),
        ("noticing --only nothing*", 4, "none that is wanted"),
        ("noticing --only [", 2, "invalid glob \"[\""),
        ("noticing --pg 15,18", 2, "calls are left out on one version at a time; run it once for each"),
        ("noticing --time 1ms --only d01_ok", 0, "not tried, for want of time: 1\n  pfree in d01_ok"),
        ("noticing --time soon", 2, "invalid value 'soon' for '--time <TIME>'"),
        ("nothing", 4, "nothing"),
    ];
    for (arguments, code, said) in table {
        let ended = mutate(arguments);
        assert_eq!(ended.code, code, "{arguments}: {}{}", ended.stdout, ended.stderr);
        assert!(
            format!("{}{}", ended.stdout, ended.stderr).contains(said),
            "{arguments}: {}{}",
            ended.stdout,
            ended.stderr
        );
        project.assert_nothing_left();
    }

    let mut child = project.mcspec("mutate noticing");
    child.arg("--pg-config").arg(project.pg_config()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    eventually("a server runs", || !project.postmasters().is_empty());
    send(Signal::SIGINT, child.id().cast_signed());
    let ended = wait(child);
    assert_eq!((ended.code, &*ended.stdout), (130, ""), "{}", ended.stderr);
    project.assert_nothing_left();
    // What was found before is there still.
    let record: MutationRecord = serde_json::from_str(&project.read("results/mutations.json")).unwrap();
    assert_eq!(record.calls.len(), 1);
}
