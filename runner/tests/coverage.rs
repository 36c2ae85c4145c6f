//! What specs have reached, on a real server, against a count by hand; and whether they can fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use crate::project::Project;
use mcspec::coverage::{CoverageRecord, FileRecord};
use mcspec::mutate::MutationRecord;

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
    ("d08_bad_sfunc", 47, "MemoryContextAllocZero", false),
    ("d08_bad_sfunc", 50, "pg_detoast_datum_packed", false),
    ("d08_bad_sfunc", 52, "MemoryContextAlloc", false),
    ("d08_bad_final", 72, "cstring_to_text_with_len", false),
    ("d08_ok_sfunc", 86, "makeStringInfo", true),
    ("d08_ok_sfunc", 91, "pg_detoast_datum_packed", true),
    ("d08_ok_sfunc", 93, "appendBinaryStringInfo", true),
    ("d08_ok_final", 106, "cstring_to_text_with_len", true),
    ("d09_bad", 122, "init_MultiFuncCall", false),
    ("d09_bad", 129, "MemoryContextAllocZero", false),
    // Only the fixture calls it.
    ("d09_ok", 143, "init_MultiFuncCall", true),
    ("d09_ok", 150, "palloc0", true),
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
