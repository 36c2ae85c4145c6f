//! `mcspec run` from end to end: on a real server with the engine, in small projects.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod project;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use nix::sys::signal::Signal;
use regex::Regex;

use project::{Project, assert_golden, end, send, wait};

const LEAKY: &str = "\
extension leak_shapes
scenario growth_benchmark context_top
  iterations 50
  workload { SELECT leak_shapes.context_top(); }
  expect context_leak in 'LeakShapesScratch'
";
const GOOD: &str = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
const ENDLESS: &str = "golden none\nscenario window\n  workload { SELECT pg_sleep(600) }\n  expect none\n";

/// Takes out of a report what differs from run to run and from version to version.
fn normalized(text: &str) -> String {
    let rules = [
        (r" +\d+(\.\d)? m?s\b", " TIME"),
        (r"\bbackend \d+", "backend PID"),
        // 17 and earlier say "server process".
        (r"(server process|client backend) \(PID \d+\)", "client backend (PID N)"),
        (r"\(pg \d+, \w+, \w+\)", "(SERVER)"),
        (r#""/[^"]*/"#, "\"DIRECTORY/"),
        // 18 has a search path instead.
        (r".* DETAIL:  Could not open extension control file .*\n", ""),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, replacement)| {
        Regex::new(pattern).unwrap().replace_all(&text, *replacement).into_owned()
    })
}

#[test]
fn a_changed_digit_of_a_golden_is_shown() {
    let project = Project::new(&[("specs/leaky.mcspec", LEAKY), ("schedule", "test: leaky\n")]);
    let unrecorded = project.run("");
    assert_eq!(unrecorded.code, 1, "{}", unrecorded.stdout);
    assert_eq!(end(project.mcspec("bless")).code, 0);
    let recorded = project.run("");
    assert_eq!(recorded.code, 0, "{}", recorded.stdout);

    let golden = project.read("expected/leaky.out");
    let changed = golden.replace(" x1/iter", " x2/iter");
    assert_ne!(golden, changed);
    project.write("expected/leaky.out", &changed);
    let differing = project.run("");
    assert_eq!(differing.code, 1);
    assert_golden("run/changed_digit.txt", &normalized(&differing.stdout));
    assert_eq!(project.read("expected/leaky.out"), changed, "a run does not write goldens");
}

#[test]
fn bad_input_starts_no_server() {
    let misspelt = "scenario window\n  iteratons 5\n  workload { SELECT 1 }\n";
    let project = Project::new(&[
        ("specs/misspelt.mcspec", misspelt),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: good\ntest: misspelt\n"),
    ]);
    let ended = project.run("");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_golden("run/misspelt.txt", &ended.stderr);

    let ended = project.run("good -t nosuch");
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(ended.stderr.starts_with("mcspec: error: no spec is selected\nmcspec: hint: "), "{}", ended.stderr);
}

#[test]
fn every_failure_is_one_message_and_the_rest_still_runs() {
    let project = Project::new(&[
        (
            "specs/sql.mcspec",
            "golden none\nscenario window\n  workload { SELECT 1; SELECT * FROM nosuch }\n  expect none\n",
        ),
        (
            "specs/setup.mcspec",
            "golden none\nsetup { CREATE TABLE t (a nosuch) }\nscenario window\n  workload { SELECT 1 }\n  expect none\n",
        ),
        ("specs/extension.mcspec", &format!("extension nosuch\n{GOOD}")),
        ("specs/conf.mcspec", &format!("conf {{ max_connections = lots }}\n{GOOD}")),
        ("specs/preload.mcspec", &format!("preload nosuch\n{GOOD}")),
        (
            "specs/killed.mcspec",
            "golden none\nextension leak_shapes\nscenario window\n  warmup 0\n  workload { SELECT leak_shapes.kill_self() }\n  expect none\n",
        ),
        (
            "specs/late.mcspec",
            "golden none\ntimeout 500ms\nscenario window\n  workload { SELECT pg_sleep(600) }\n  expect none\n",
        ),
        ("specs/good.mcspec", GOOD),
        (
            "schedule",
            "test: sql setup\ntest: extension\ntest: conf\ntest: preload\ntest: killed\ntest: late\ntest: good\n",
        ),
    ]);
    let ended = project.run("-j 2");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_golden("run/failures.txt", &normalized(&ended.stdout));
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let project = Project::new(&[("specs/endless.mcspec", ENDLESS), ("schedule", "test: endless\n")]);
    let child = project.start("");
    send(Signal::SIGINT, child.id().try_into().unwrap());
    let ended = wait(child);
    assert_eq!(ended.code, 130);
    assert!(ended.stderr.ends_with("mcspec: interrupted\n"), "{}", ended.stderr);
    project.assert_nothing_left();
}

#[test]
fn a_killed_run_leaves_no_process() {
    let project = Project::new(&[("specs/endless.mcspec", ENDLESS), ("schedule", "test: endless\n")]);
    let mut child = project.start("");
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody was left to remove the directory; the project does.
    project::eventually("the servers end", || project.processes().is_empty());
}

#[test]
fn a_killed_postmaster_affects_its_own_spec_only() {
    let project = Project::new(&[
        ("specs/endless.mcspec", ENDLESS),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: endless\ntest: good\n"),
    ]);
    let child = project.start("-j 1");
    let postmasters = project.postmasters();
    assert_eq!(postmasters.len(), 1);
    send(Signal::SIGKILL, postmasters[0]);
    let ended = wait(child);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert_golden("run/killed_postmaster.txt", &normalized(&ended.stdout));
    project.assert_nothing_left();
}

#[test]
fn two_runs_of_one_checkout_do_not_meet() {
    let project = Project::new(&[("specs/leaky.mcspec", LEAKY), ("schedule", "test: leaky\n")]);
    assert_eq!(project.run("").code, 1);
    assert_eq!(end(project.mcspec("bless")).code, 0);
    let runs = [1, 2].map(|_| project.command(""));
    let ended = thread::scope(|scope| runs.map(|run| scope.spawn(|| end(run))).map(|run| run.join().unwrap()));
    for ended in ended {
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    }
    project.assert_nothing_left();
}

#[test]
fn results_that_cannot_be_written_are_reported() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n"), ("results", "a file")]);
    let ended = project.run("");
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("mcspec: error: could not create \"results\": File exists"), "{}", ended.stderr);
    assert_eq!(project.read("results"), "a file");
}

#[test]
fn a_temporary_directory_may_have_a_long_path() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n")]);
    let long = project.temporary().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    fs::set_permissions(&long, Permissions::from_mode(0o755)).unwrap();
    let mut command = project.command("");
    command.env("TMPDIR", &long);
    let ended = end(command);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
}
