//! `mcspec hunt` on an extension that goes wrong for one value, or in one way, only; and on its twin without those bugs.

use std::fs;
use std::path::Path;

use crate::project::{Ended, Project, end};
use mcspec::hunt::record::BugRecord;
use mcspec::report::hunt::HuntReport;

/// What the extension has.
const SUBJECTS: [&str; 10] = [
    "empty_text",
    "largest_integer",
    "empty_array",
    "four_bytes",
    "failing",
    "second_call",
    "abandoned",
    "rolled_back",
    "misread",
    "unlike",
];

/// A repository as its maintainer has it, without a `mcspec.toml`.
fn repository(name: &str) -> Project {
    let project = Project::new(&[]);
    fs::remove_file(project.path("mcspec.toml")).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(name);
    let files =
        |directory: &Path| fs::read_dir(directory).into_iter().flatten().flatten().filter(|one| one.path().is_file());
    for (below, directory) in [("", sources.clone()), ("sql/", sources.join("sql"))] {
        for entry in files(&directory) {
            let path = project.path(&format!("{below}{}", entry.file_name().to_str().unwrap()));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(entry.path(), path).unwrap();
        }
    }
    project
}

/// The specs that were written.
fn specs(project: &Project) -> Vec<String> {
    let written = fs::read_dir(project.path("specs/hunt")).unwrap().flatten();
    written.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect()
}

fn hunt(project: &Project, arguments: &str) -> Ended {
    let pg_config = project.pg_config().display().to_string();
    let ended = end(project.mcspec(&format!("hunt --seed 1 --pg-config {pg_config} {arguments}")));
    project.assert_nothing_left();
    ended
}

#[test]
fn each_bug_is_found_and_nothing_in_the_twin() {
    let project = repository("hunted");
    let reports = "--report json=hunt.json --report sarif=hunt.sarif --report html=hunt.html --report markdown=hunt.md";
    let ended = hunt(&project, &format!("--time 10m --rounds 3 {reports}"));
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let specs = specs(&project);
    for subject in SUBJECTS {
        let is_shown = specs.iter().any(|spec| spec.contains(&format!("{subject}(")));
        assert!(is_shown, "{subject}\n{}", ended.stdout);
    }
    assert!(!specs.iter().any(|spec| spec.contains("_fixed(")), "{}", ended.stdout);
    for line in [
        "hunted_fixed: 19 of 20 subjects",
        "not called takes_an_enum(anyenum): ",
        "calls that take too long to be repeated",
    ] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("\nknown "), "{}", ended.stdout);

    reported(&project, &specs);

    // What was written is what shows it: it fails, as it is expected to.
    let run = project.run("");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("10 failed as expected"), "{}", run.stdout);

    // What is known is not found again.
    let again = hunt(&project, "--rounds 1 --only empty_text(%");
    assert!(again.stdout.contains(" 0 new bugs"), "{}", again.stdout);
    assert_eq!(again.code, 1, "it is there still");
}

/// Finding nothing says nothing there.
#[test]
fn where_no_call_comes_through_it_is_said() {
    let project = repository("hunted");
    let ended = hunt(&project, "--rounds 1 --only takes_an_enum(%");
    assert_eq!(ended.code, 4, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("no call came to one of its functions"), "{}", ended.stderr);
    assert!(!project.path("mcspec.toml").exists());
}

/// Each report has each bug, with its statements.
fn reported(project: &Project, specs: &[String]) {
    let read = |file: &str| fs::read_to_string(project.path(file)).unwrap();
    let report: HuntReport = serde_json::from_str(&read("hunt.json")).unwrap();
    let bugs: Vec<&BugRecord> = report.hunts.iter().flat_map(|hunt| &hunt.bugs).collect();
    assert_eq!(bugs.len(), specs.len());
    assert!(bugs.iter().all(|bug| project.path(&bug.spec).is_file()));
    assert!(bugs.iter().any(|bug| bug.finding.as_ref().is_some_and(|finding| finding.marks.len() > 1)));
    let sarif: serde_json::Value = serde_json::from_str(&read("hunt.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), specs.len());
    for text in [read("hunt.html"), read("hunt.md")] {
        for subject in SUBJECTS {
            assert!(text.contains(&format!("{subject}(")) || text.contains(&subject.replace('_', "\\_")), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_hunted_is_reported() {
    let project = Project::new(&[]);
    let ended = hunt(&project, "no_such_thing --report json");
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    let report: HuntReport = serde_json::from_str(&ended.stdout).unwrap();
    assert!(report.hunts.is_empty());
    assert!(report.error.unwrap().message.contains("\"no_such_thing\" is not installed"));
    let ended = hunt(&project, "no_such_thing --report tap");
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("unknown format \"tap\"; formats are json, sarif, markdown, html"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_first_look_finds_what_is_lost_in_a_usual_way() {
    for only in ["empty_text%", "failing%", "abandoned%"] {
        let project = repository("hunted");
        let ended = hunt(&project, &format!("--rounds 0 --only {only}"));
        let ends = |of: &str, with: &str| ended.stdout.lines().any(|line| line.starts_with(of) && line.ends_with(with));
        let is_found = ends("hunted: ", ": 1 new bugs, 0 known") && ends("hunted_fixed: ", ": 0 new bugs, 0 known");
        assert!(is_found, "{}{}", ended.stdout, ended.stderr);
        let words = "left out   1 subjects for which there was time for a first look only";
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
}

#[test]
fn what_is_around_a_call_counts() {
    let project = repository("driven");
    let ended = hunt(&project, "--time 10m --rounds 2");
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let specs = specs(&project);
    // What is called, in which way, and what else the spec has.
    for (subject, words) in [
        ("of_name('TABLE things')", "CREATE TABLE things"),
        ("by_key(", "|| :i)"),
        ("by_size(repeat(", "query_peak"),
        ("of_table('mcspec_used'", "DROP TABLE mcspec_used"),
        ("planned()", "DISCARD"),
        ("by_parameter()", "SET driven.parameter"),
        ("CALL refuses(", "EXCEPTION WHEN OTHERS"),
    ] {
        let is_shown = specs.iter().any(|spec| spec.contains(subject) && spec.contains(words));
        assert!(is_shown, "{subject} {words}\n{}{}", ended.stdout, specs.join("\n"));
    }
    assert!(!specs.iter().any(|spec| spec.contains("_fixed(")), "{}", ended.stdout);
    // Of all that the tests make there is what is needed.
    assert!(!specs.iter().any(|spec| spec.contains("TABLE others") || spec.contains("INSERT")), "{}", specs.join("\n"));
    let run = project.run("");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("7 failed as expected"), "{}", run.stdout);
}

/// What is looked at in one hunt, and where it goes wrong in the one extension and not in the other.
fn is_reached(subjects: &[(&str, &str)]) {
    let project = repository("reached");
    for (subjects, place) in subjects {
        let ended = hunt(&project, &format!("--time 10m --rounds 1 --only {subjects}"));
        let is_shown = ended.stdout.lines().any(|line| line.trim_start().starts_with("in ") && line.contains(place));
        assert!(is_shown, "{place}\n{}{}", ended.stdout, ended.stderr);
        assert!(!ended.stdout.contains("specs/hunt/reached_fixed_"), "{}", ended.stdout);
    }
    let run = project.run("");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn what_is_no_function_is_reached() {
    is_reached(&[("%modifiers_of%", "tagged_typmod_in")]);
}

#[test]
#[ignore = "takes minutes"]
fn all_that_is_no_function_is_reached() {
    is_reached(&[
        // First of all: other calls are driven with its parameter changed as well.
        ("SET_reached%", "assign_mode"),
        ("binary_format%", "tagged_recv"),
        ("mcspec_plreached%ended(%", "language_call"),
        ("output_plugin%:_rows", "at_change"),
        ("a_server_of%", "wrapper_validator"),
        ("dictionary%", "dictionary_lexize"),
    ]);
}
