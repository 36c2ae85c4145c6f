//! `mcspec report` of several runs, and `mcspec compare`: what becomes of what does not fit together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use crate::project::{Project, end, schemas};

fn mcspec(directory: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    command.args(line.split_whitespace()).current_dir(directory).env("LC_ALL", "C").env_remove("CI");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A case with one finding of so many bytes for each iteration.
fn case(name: &str, status: &str, bytes: u64) -> Value {
    let row = format!("ctx_bloat|INFO|TopMemoryContext|{bytes} x1/iter|linear|mine");
    json!({
        "name": name, "label": name, "spec": "x.mcspec", "tags": [], "status": status, "reason": null, "flaky": null,
        "attempts": 1, "repeats": null, "golden": null, "faults": [], "elapsed_ms": 10, "left_out": [],
        "server": {"major": 18, "assertions": false, "arch": "x86_64", "version": "", "engine": "", "settings": {}},
        "scenarios": [{
            "title": "scenario growth_benchmark a", "iterations": 100, "warmup": 10, "failure": null, "elapsed_ms": 5,
            "rows": [{"row": row, "bytes_per_iter": bytes}], "windows": [], "messages": [],
            "findings": [{
                "check": "ctx_bloat", "severity": "INFO", "context_path": ["TopMemoryContext"], "bytes": bytes * 100,
                "objects": 100, "iterations": 100, "bytes_per_iter": bytes, "objects_per_iter": 1.0, "shape": "linear",
                "phase": null, "source_lib": "mine", "site": null, "detail": "", "marks": [[0, 0, 0], [100, bytes * 100, 100]],
            }],
        }],
    })
}

fn report(directory: &Path, file: &str, shard: Option<(u64, u64)>, cases: &[Value]) {
    let summary = json!({"passed": 0, "failed": 0, "expected_failures": 0, "skipped": 0, "unsupported": 0, "flaky": 0, "elapsed_ms": 20});
    let mut report = json!({"format": 1, "mcspec": "1.0", "summary": summary, "cases": cases});
    if let Some((part, of)) = shard {
        report["shard"] = json!({"part": part, "of": of});
    }
    fs::write(directory.join(file), report.to_string()).unwrap();
}

#[test]
fn shards_become_one_report_one_junit_and_one_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    report(at, "1.json", Some((1, 3)), &[case("a", "passed", 100)]);
    report(at, "2.json", Some((2, 3)), &[case("b", "failed", 100)]);
    report(at, "3.json", Some((3, 3)), &[]);
    let (code, _, said) = mcspec(at, "report 1.json 2.json 3.json --html all.html --junit all.xml --json all.json");
    assert_eq!((code, said.as_str()), (1, ""));
    let text = |file: &str| fs::read_to_string(at.join(file)).unwrap();
    assert!(text("all.html").contains("<title>mcspec: 1 of 2 specs failed</title>"));
    assert_eq!(text("all.xml").matches("<testcase").count(), 2);
    assert!(text("all.xml").contains("<testsuites name=\"mcspec\" tests=\"2\" failures=\"1\""), "{}", text("all.xml"));
    let whole: Value = serde_json::from_str(&text("all.json")).unwrap();
    assert_eq!((&whole["summary"]["passed"], &whole["summary"]["failed"]), (&json!(1), &json!(1)));

    // One alone is looked at for itself.
    let (code, _, said) = mcspec(at, "report 1.json");
    assert_eq!((code, said.as_str()), (0, "mcspec: warning: shards 2/3, 3/3 are missing\n"));
    assert_eq!(mcspec(at, "report 2.json").0, 1);

    let (code, _, said) = mcspec(at, "report 1.json 3.json --html some.html");
    assert_eq!((code, said.as_str()), (2, "mcspec: warning: shard 2/3 is missing\n"));
    assert!(text("some.html").contains("shard 2/3 is missing"));

    report(at, "again.json", None, &[case("a", "failed", 100)]);
    let (code, shown, said) = mcspec(at, "report 1.json 2.json 3.json again.json");
    assert_eq!((code, said.as_str()), (1, "mcspec: warning: a: passed in \"1.json\", failed in \"again.json\"\n"));
    assert!(shown.starts_with("a  failed  1 finding\nb  failed  1 finding\n0 passed, 2 failed"), "{shown}");
}

#[test]
fn shards_that_were_run_are_as_good_as_the_whole() {
    let good = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
    let bad = good.replace("expect none", "expect context_leak");
    let later = format!("xfail 'later'\n{bad}");
    let project = Project::new(&[
        ("schedule", "test: a b c d e f\n"),
        ("specs/a.mcspec", good),
        ("specs/b.mcspec", good),
        ("specs/c.mcspec", &bad),
        ("specs/d.mcspec", good),
        ("specs/e.mcspec", &later),
        ("specs/f.mcspec", good),
    ]);
    let moved = |name: &str| fs::rename(project.path("results"), project.path(name)).unwrap();
    let whole = project.run("").code;
    moved("whole");
    // One of them may have nothing to run.
    let codes: Vec<i32> = (1..=4)
        .map(|part| {
            let code = project.run(&format!("--shard {part}/4")).code;
            moved(&format!("part{part}"));
            code
        })
        .collect();
    assert_eq!((whole, codes.iter().sum::<i32>()), (1, 1), "{codes:?}");

    let report = |line: &str| {
        let ended = end(project.mcspec(&format!("report {line}")));
        (ended.code, ended.stdout, ended.stderr)
    };
    let parts = "part1 part2 part3 part4 --html parts.html --junit parts.xml --json parts.json";
    assert_eq!(report(parts), (1, String::new(), String::new()));
    assert_eq!(report("whole --html whole.html --junit whole.xml --json whole.json").0, 1);
    for (part, code) in (1..).zip(codes) {
        let (alone, _, said) = report(&format!("part{part}"));
        assert!(alone == code && said.contains("are missing"), "{part}: {alone} {said}");
    }
    let title = |file: &str| project.read(file).split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!((title("parts.html"), title("whole.html")), ("mcspec: 1 of 6 specs failed".into(), title("parts.html")));
    let verdicts = |file: &str| -> BTreeMap<String, (Value, Value)> {
        let report: Value = serde_json::from_str(&project.read(file)).unwrap();
        assert_eq!((&report["summary"]["passed"], &report["summary"]["expected_failures"]), (&json!(4), &json!(1)));
        let cases = report["cases"].as_array().unwrap().iter();
        cases
            .map(|case| (case["label"].as_str().unwrap().to_owned(), (case["status"].clone(), case["faults"].clone())))
            .collect()
    };
    assert_eq!(verdicts("parts.json"), verdicts("whole.json"));
    let times = Regex::new(" time=\"[^\"]*\"").unwrap();
    let junit = |file: &str| {
        let text = times.replace_all(&project.read(file), "").into_owned();
        let mut cases: Vec<String> =
            text.split("<testcase").filter_map(|case| Some(case.split("</testcase>").next()?.to_owned())).collect();
        cases.sort_unstable();
        cases
    };
    let (parts, whole) = (junit("parts.xml"), junit("whole.xml"));
    assert_eq!(parts.len(), 7);
    assert_eq!(parts, whole);
    assert!(parts.concat().contains("failed as expected: later"), "{parts:#?}");
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("half.json"), "{\"format\": 1, \"mcspec\": \"1.0\", \"summ").unwrap();
    fs::write(at.join("later.json"), "{\"format\": 2}").unwrap();
    fs::create_dir_all(at.join("empty")).unwrap();
    fs::create_dir_all(at.join("old")).unwrap();
    fs::write(at.join("old/run.json"), "{\"format\": 9, \"ended\": 0, \"cases\": []}").unwrap();
    for (file, expected) in [
        ("half.json", "\"half.json\": not a report of mcspec: EOF while parsing"),
        ("later.json", "\"later.json\": report of format 2; this version reads format 1"),
        ("empty", "no results in \"empty\""),
        ("old", "\"old/run.json\" is not the result of a run: it is of format 9; this version reads format 1"),
        ("nowhere.json", "could not read \"nowhere.json\""),
    ] {
        for line in [format!("report {file}"), format!("report {file} --html x.html")] {
            let (code, shown, said) = mcspec(at, &line);
            assert!(code == 2 && shown.is_empty() && said.contains(expected), "{line}: {code} {said}");
        }
        assert!(!at.join("x.html").exists());
    }
}

#[test]
fn the_tree_is_drawn_as_the_terminal_can() {
    let directory = tempfile::tempdir().unwrap();
    report(directory.path(), "1.json", None, &[case("a", "passed", 100)]);
    let (code, shown, _) = mcspec(directory.path(), "report 1.json --tree");
    assert_eq!(code, 0);
    assert!(shown.contains("_#  10000 bytes after 100 iterations, linear") && shown.is_ascii(), "{shown}");

    let all: String = shown.split_whitespace().collect();
    let tree = |settings: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
        command.args(["report", "1.json", "--tree"]).current_dir(directory.path()).env("LC_ALL", "C");
        let output = command.envs(settings.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for columns in [40, 80] {
        // Nothing of it is left out where it does not fit, and nothing but it is written into a pipe.
        for more in [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")] {
            let shown = tree(&[("COLUMNS", &columns.to_string()), more]);
            assert!(shown.lines().all(|line| line.len() <= columns) && !shown.contains('\x1b'), "{shown}");
            assert_eq!(shown.split_whitespace().collect::<String>(), all);
        }
    }
}

#[test]
fn what_was_saved_is_compared_and_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (file, bytes) in [("1.json", 100), ("2.json", 100), ("3.json", 250)] {
        report(at, file, None, &[case("a", "passed", bytes)]);
    }
    assert_eq!(mcspec(at, "report 1.json --save v1").0, 0);
    assert_eq!(mcspec(at, "report 2.json --save v2").0, 0);
    assert_eq!(mcspec(at, "report 2.json --save ../v2").0, 2);
    let (code, shown, _) = mcspec(at, "compare v1 v2");
    assert_eq!((code, shown.as_str()), (0, "v1 -> v2: 1 unchanged\n"));
    let (code, shown, _) = mcspec(at, "compare v2 3.json");
    assert!(code == 1 && shown.contains("1 worse") && shown.contains("(2.50x)"), "{shown}");
    let (_, shown, _) = mcspec(at, "compare v2 3.json --report json");
    schemas::validate("compare", &shown, "comparison");
    let (_, shown, _) = mcspec(at, "compare --trend v1 v2 3.json --report json");
    schemas::validate("trend", &shown, "trend");
    let (code, shown, _) = mcspec(at, "compare --trend v1 v2 3.json");
    assert!(code == 0 && shown.contains("2.50x  a: scenario growth_benchmark a"), "{shown}");
    let (code, shown, _) = mcspec(at, "compare --trend --report html");
    assert!(code == 0 && shown.contains("<title>v1 to v2: 1 violations in 2 runs</title>"), "{shown}");
    let (code, _, said) = mcspec(at, "compare");
    assert!(code == 2 && said.contains("a comparison takes what was, and what is"), "{said}");
}
