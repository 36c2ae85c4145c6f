//! `mcspec compare` between an extension with bugs and the same with the bugs mended: it names the bugs, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::project::{Ended, Project, end};

/// Each with a bug; the last has none in either.
const SPECS: &str = "\
extension mem_corpus

scenario growth_benchmark chunk
  iterations 50
  workload   { SELECT mem_corpus.d01_bad(1000); }
  expect none

scenario growth_benchmark context
  iterations 50
  workload   { SELECT mem_corpus.d04_bad(); }
  expect none

scenario growth_benchmark heap
  iterations 50
  workload   { SELECT mem_corpus.d13_bad('a(b|c)*d'); }
  expect none

scenario query_peak peak
  rows       in (50, 100, 200)
  workload   { SELECT mem_corpus.d15_bad(:rows); }
  expect none

scenario growth_benchmark fine
  iterations 50
  workload   { SELECT mem_corpus.n7_malloc(1000); }
  expect none
";

/// The bugs: scenario, check, and where.
const BUGS: [(&str, &str, &str); 4] = [
    ("chunk", "ctx_bloat", "TopMemoryContext"),
    ("context", "context_leak", "dev scratch"),
    ("heap", "malloc_leak", "malloc"),
    ("peak", "query_bloat", "SPI TupTable"),
];

/// A project with a copy of the sources of `mem_corpus`.
fn project() -> Project {
    let project = Project::new(&[("specs/pairs.mcspec", SPECS)]);
    let toml = project.read("mcspec.toml");
    let engine: String = toml.lines().take(2).map(|line| format!("{line}\n")).collect();
    project.write("mcspec.toml", &format!("{engine}[extension.mem_corpus]\npath = \"ext\"\n"));
    for entry in fs::read_dir("../tests/corpus").unwrap().flatten() {
        let path = entry.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if ["c", "h", "sql", "control"].contains(&suffix) || path.ends_with("Makefile") {
            let name = format!("ext/{}", entry.file_name().to_str().unwrap());
            project.write(&name, &fs::read_to_string(&path).unwrap());
        }
    }
    project
}

/// Has every function with a bug be the one in which it is mended.
fn mended(script: &str) -> String {
    let mend = |statement: &str| match statement.trim_start().strip_prefix("CREATE FUNCTION ") {
        Some(rest) if rest.split('(').next().unwrap().contains("_bad") => {
            let symbol = rest.split('(').next().unwrap().replace("_bad", "_ok");
            statement.replace("'MODULE_PATHNAME'", &format!("'MODULE_PATHNAME', '{symbol}'"))
        }
        _ => statement.to_owned(),
    };
    script.split_inclusive('\n').map(mend).collect()
}

/// What has changed, in the words of the comparison.
fn changes(project: &Project, sides: &str, report: &str) -> (i32, String) {
    let Ended { code, stdout, stderr } = end(project.mcspec(&format!("compare {sides} --report {report}")));
    assert!(stderr.is_empty(), "{stderr}");
    (code, stdout)
}

/// Scenario, check and change of everything that is compared.
fn compared(json: &str) -> BTreeSet<(String, String, String)> {
    let value: Value = serde_json::from_str(json).unwrap();
    let all = value["findings"].as_array().unwrap_or_else(|| panic!("{json}"));
    let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_else(|| panic!("{key}: {one}")).to_owned();
    let name = |one: &Value| word(one, "scenario").rsplit(' ').next().unwrap().to_owned();
    all.iter().map(|one| (name(one), word(one, "check"), word(one, "change"))).collect()
}

#[test]
fn a_comparison_of_twins_names_the_bugs_and_nothing_else() {
    let project = project();
    let keep = |name: &str| {
        let ended = end(project.mcspec(&format!("report --save {name}")));
        assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    };
    assert_eq!(project.run("").code, 1);
    keep("bad");
    assert_eq!(project.run("").code, 1);
    keep("again");
    let script = "ext/mem_corpus--1.0.sql";
    project.write(script, &mended(&project.read(script)));
    let ended = project.run("");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    keep("ok");

    let expected = |change: &str| -> BTreeSet<(String, String, String)> {
        BUGS.iter().map(|(title, check, _)| ((*title).to_owned(), (*check).to_owned(), change.to_owned())).collect()
    };
    for (sides, change, code) in [("bad ok", "gone", 0), ("ok bad", "new", 1), ("bad again", "unchanged", 0)] {
        let (exit, json) = changes(&project, sides, "json");
        assert_eq!((exit, compared(&json)), (code, expected(change)), "{sides}: {json}");
        for format in ["pretty", "markdown", "html"] {
            let (exit, text) = changes(&project, sides, format);
            assert_eq!(exit, code, "{sides} {format}");
            assert!(text.contains(&format!("4 {change}")), "{sides} {format}: {text}");
            for (title, _, place) in BUGS.iter().filter(|_| change != "unchanged") {
                assert!(text.contains(title) && text.contains(place), "{sides} {format}: {title}: {text}");
            }
            assert!(!text.contains("fine"), "{sides} {format}: {text}");
        }
    }
    let (code, text) = changes(&project, "ok ok", "pretty");
    assert_eq!(code, 0);
    assert!(text.contains("nothing was found on either side"), "{text}");

    let Ended { code, stdout, .. } = end(project.mcspec("compare --trend bad again ok"));
    assert_eq!((code, stdout.matches("gone").count()), (0, 4), "{stdout}");
}
