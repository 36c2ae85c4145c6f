//! The commands around a run: fmt, check, explain, completions, review and bless --prune, without a server.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::tcgetattr;
use nix::unistd::Pid;
use tempfile::TempDir;

const GOOD: &str = "scenario window\n  workload   { SELECT 1; }\n  expect none\n";

/// A project with these files besides `mcspec.toml`, which keeps one further up from being found.
fn project(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("mcspec.toml", "")].iter().chain(files) {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// Exit code, standard output and standard error.
fn mcspec(directory: &Path, arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    command.current_dir(directory).args(arguments.split_whitespace()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn fmt_writes_what_differs_and_nothing_else() {
    let project = project(&[
        ("specs/good.mcspec", GOOD),
        ("specs/sub/odd.mcspec", "scenario window\nworkload { SELECT 1; }\n# why\nexpect  none\n"),
        ("specs/tables.mcspec.inc", "setup  { SELECT 1; }\n"),
        ("other.spec", "session s1\nstep  a { }\n"),
    ]);
    let odd = project.path().join("specs/sub/odd.mcspec");
    let (code, stdout, stderr) = mcspec(project.path(), "fmt --check");
    assert_eq!((code, stderr.as_str()), (1, ""));
    for line in ["--- specs/sub/odd.mcspec", "-workload { SELECT 1; }", "+  workload   { SELECT 1; }", "+  # why"] {
        assert!(stdout.lines().any(|shown| shown == line), "{line}\n{stdout}");
    }
    assert!(stdout.contains("--- specs/tables.mcspec.inc") && !stdout.contains("good.mcspec"), "{stdout}");
    assert!(fs::read_to_string(&odd).unwrap().contains("\nworkload {"));

    let (code, stdout, _) = mcspec(project.path(), "fmt");
    assert_eq!((code, stdout.as_str()), (0, "formatted  specs/sub/odd.mcspec\nformatted  specs/tables.mcspec.inc\n"));
    let expected = "scenario window\n  workload   { SELECT 1; }\n  # why\n  expect none\n";
    assert_eq!(fs::read_to_string(&odd).unwrap(), expected);
    assert_eq!(mcspec(project.path(), "fmt --check"), (0, String::new(), String::new()));

    assert_eq!(mcspec(project.path(), "fmt other.spec").1, "formatted  other.spec\n");
    assert_eq!(fs::read_to_string(project.path().join("other.spec")).unwrap(), "session s1\nstep a { }\n");
}

#[test]
fn fmt_leaves_files_with_errors_alone() {
    let bad = "scenario window\n workload { SELECT 1; }\n expcet none\n";
    let project = project(&[("specs/bad.mcspec", bad), ("specs/odd.mcspec", "title  'x'\n")]);
    let (code, stdout, stderr) = mcspec(project.path(), "fmt");
    assert_eq!((code, stdout.as_str()), (2, "formatted  specs/odd.mcspec\n"));
    assert!(stderr.contains("specs/bad.mcspec:3:2") && stderr.contains("did you mean \"expect\"?"), "{stderr}");
    assert_eq!(fs::read_to_string(project.path().join("specs/bad.mcspec")).unwrap(), bad);
    assert_eq!(mcspec(project.path(), "fmt nosuch.mcspec").0, 2);
}

#[test]
fn warnings_do_not_change_the_exit_code() {
    let doubtful =
        "var x = 1\nvar y = 2\ninclude 'tables.inc'\nscenario window\n  workload file 'w.sql'\n  expect none\n";
    let project = project(&[
        ("specs/doubtful.mcspec", doubtful),
        ("specs/good.mcspec", GOOD),
        ("specs/tables.inc", "setup { SELECT :x; }"),
        ("specs/w.sql", "SELECT 1;"),
    ]);
    let (code, stdout, stderr) = mcspec(project.path(), "check");
    assert_eq!((code, stdout.as_str()), (0, "2 specs, no errors, 1 warning\n"));
    for part in ["WARNING[W007]: variable \"y\" is not used", "doubtful.mcspec:2:5", "\"mcspec explain W007\""] {
        assert!(stderr.contains(part), "{part}\n{stderr}");
    }
    assert_eq!(mcspec(project.path(), "check specs/good.mcspec"), (0, "1 spec, no errors\n".into(), String::new()));
}

#[test]
fn explain_knows_checks_scenarios_and_codes() {
    let project = project(&[("mcspec.toml", "this is wrong")]);
    for (word, parts) in [
        ("ctx_bloat", &["# ctx_bloat: ", "## What to do"][..]),
        ("w010", &["# W010: "]),
        ("growth_benchmark", &["# scenario growth_benchmark: ", "\nIt finds contexts that pile up or grow"]),
        ("use_after_reset", &["# use_after_reset: ", "# scenario use_after_reset: "]),
        ("", &["Checks:\n  context_leak  ", "Scenarios:\n  window  ", "\n  W001  "]),
    ] {
        let (code, stdout, stderr) = mcspec(project.path(), &format!("explain {word}"));
        assert_eq!((code, stderr.as_str()), (0, ""), "{word}");
        assert!(parts.iter().all(|part| stdout.contains(part)), "{word}\n{stdout}");
    }
    let (code, stdout, stderr) = mcspec(project.path(), "explain ctx_blaot");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("\"ctx_blaot\" is no check") && stderr.contains("did you mean \"ctx_bloat\"?"), "{stderr}");
}

#[test]
fn there_are_completions_for_shells() {
    let project = project(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = mcspec(project.path(), &format!("completions {shell}"));
        assert_eq!(code, 0);
        assert!(stdout.contains("MCSPEC_COMPLETE"), "{shell}");
    }
}

/// The result of a case with one scenario that found this row.
fn result(case: &str, status: &str, row: &str) -> String {
    format!(
        r#"{{"format": 1, "case": "{case}", "label": "{case}", "spec": "specs/{case}.mcspec", "status": "{status}",
            "refusal": null, "faults": [], "golden": null, "elapsed_ms": 1, "left_out": [],
            "server": {{"major": 18, "assertions": false, "arch": "x86_64", "version": "", "engine": "", "settings": {{}}}},
            "scenarios": [{{"title": "scenario window", "iterations": 1, "warmup": 10, "failure": null, "findings": [],
                "windows": [], "messages": [], "elapsed_ms": 1,
                "rows": [{{"row": "{row}", "bytes_per_iter": 100.0}}]}}]}}"#
    )
}

const ROW: &str = "ctx_bloat|INFO|a|64B..128B/iter|-|-";

#[test]
fn review_needs_a_terminal() {
    let run = r#"{"format": 1, "ended": 1, "cases": ["good"]}"#;
    let project = project(&[
        ("specs/good.mcspec", GOOD),
        ("results/run.json", run),
        ("results/good.json", &result("good", "failed", ROW)),
    ]);
    let (code, stdout, stderr) = mcspec(project.path(), "review");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("no terminal") && stderr.contains("mcspec diff") && stderr.contains("mcspec bless"),
        "{stderr}"
    );
    assert!(!project.path().join("expected/good.out").exists());
}

/// A review of two new blocks on a terminal: what happens after these keys or a signal. Exit code, whether the golden was
/// written, and the exit code of `bless` afterwards.
fn reviewed(keys: &[u8], signal: Option<Signal>) -> (i32, bool, i32) {
    let project = project(&[
        ("specs/good.mcspec", GOOD),
        ("specs/other.mcspec", GOOD),
        ("results/run.json", r#"{"format": 1, "ended": 1, "cases": ["good", "other"]}"#),
        ("results/good.json", &result("good", "failed", ROW)),
        ("results/other.json", &result("other", "failed", ROW)),
    ]);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let flags = || tcgetattr(&slave).unwrap().local_flags;
    let before = flags();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    command.current_dir(project.path()).arg("review").stdin(slave.try_clone().unwrap());
    let mut child = command.stdout(slave.try_clone().unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let mut terminal = File::from(master);
    let mut shown = String::new();
    while !shown.contains("[a/A/r/s/u/?/q]") {
        let mut bytes = [0; 1000];
        let n = terminal.read(&mut bytes).unwrap();
        shown += &String::from_utf8_lossy(&bytes[..n]);
    }
    assert!(shown.contains(&format!("+ {ROW}")), "{shown}");
    // What was run stands above what it found.
    assert!(shown.contains("    | SELECT 1;"), "{shown:?}");
    assert_ne!(flags(), before);
    terminal.write_all(keys).unwrap();
    if let Some(signal) = signal {
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    }
    let code = child.wait().unwrap().code().unwrap();
    assert_eq!(flags(), before);
    let is_written = project.path().join("expected/good.out").exists();
    (code, is_written, mcspec(project.path(), "bless").0)
}

#[test]
fn review_takes_one_key_and_leaves_the_terminal_as_it_was() {
    assert_eq!(reviewed(b"aa", None), (0, true, 0));
    assert_eq!(reviewed(b"A", None), (0, true, 0));
    // What is rejected is not blessed either; what is no answer is passed over.
    assert_eq!(reviewed(b"x\nra", None), (1, false, 1));
    assert_eq!(reviewed(b"ss", None), (1, false, 0));
    assert_eq!(reviewed(b"q", None), (1, false, 0));
    // Both are as if nothing had been decided, however often; at the first one there is nothing to undo.
    assert_eq!(reviewed(b"uauq", None), (1, false, 0));
    assert_eq!(reviewed(b"rusuq", None), (1, false, 0));
    assert_eq!(reviewed(b"ruaq", None), (1, true, 0));
    assert_eq!(reviewed(b"?A", None), (0, true, 0));
    assert_eq!(reviewed(b"", Some(Signal::SIGTERM)), (143, false, 0));
}

#[test]
fn prune_removes_after_a_full_green_run_only() {
    let golden = format!("mcspec golden 1\nspec good\n\nscenario window\n{ROW}\n(1 violation)\n");
    let project = project(&[
        ("specs/good.mcspec", GOOD),
        ("specs/elsewhere.mcspec", &format!("skip 'not here'\n{GOOD}")),
        ("expected/good.out", &golden),
        ("expected/good.pg15.out", &golden),
        ("expected/good.pg16.out", &golden.replace("|a|", "|b|")),
        ("expected/elsewhere.out", &golden),
        ("expected/gone.out", &golden),
    ]);
    let in_expected = || {
        let entries = fs::read_dir(project.path().join("expected")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.join(" ")
    };
    let run = |status: &str, skipped: &str| {
        fs::create_dir_all(project.path().join("results")).unwrap();
        fs::write(project.path().join("results/good.json"), result("good", status, ROW)).unwrap();
        let index = format!(r#"{{"format": 1, "ended": 1, "cases": ["good"], "skipped": [{skipped}]}}"#);
        fs::write(project.path().join("results/run.json"), index).unwrap();
        mcspec(project.path(), "bless --prune")
    };
    let all = in_expected();
    for (status, skipped, reason) in
        [("failed", "\"elsewhere\"", "spec \"good\" failed"), ("passed", "", "spec \"elsewhere\" was not run")]
    {
        let (code, stdout, stderr) = run(status, skipped);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
        assert_eq!(in_expected(), all);
    }
    let (code, stdout, _) = run("passed", "\"elsewhere\"");
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "removed    expected/gone.out: no spec uses it\n\
         removed    expected/good.pg15.out: the golden that stands in for it is the same\n"
    );
    assert_eq!(in_expected(), "elsewhere.out good.out good.pg16.out");
    assert_eq!(run("passed", "\"elsewhere\"").1, "every golden is needed\n");
}

#[test]
fn files_of_others_are_never_written_over_or_removed() {
    let files: &[(&str, &[u8])] = &[
        ("expected/good.out", b"CREATE EXTENSION good;\n"),
        ("expected/empty.out", b""),
        ("expected/binary.out", b"\0\xff\xfe"),
        ("expected/newer.out", b"mcspec golden 2\nspec newer\n"),
        ("expected/unused.out", b"SELECT 1;\n"),
        ("expected/unused_newer.out", b"mcspec golden 2\n"),
    ];
    let names = ["good", "empty", "binary", "newer", "directory", "dangling", "merged"];
    let project = project(&[("specs/good.mcspec", GOOD)]);
    let path = |name: &str| project.path().join(name);
    fs::create_dir_all(path("expected/directory.out")).unwrap();
    fs::create_dir(path("results")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("expected/dangling.out")).unwrap();
    for (name, text) in files {
        fs::write(path(name), text).unwrap();
    }
    fs::write(path("expected/merged.out"), "mcspec golden 1\nspec merged\n<<<<<<< HEAD\n").unwrap();
    for name in names {
        fs::write(path(&format!("results/{name}.json")), result(name, "passed", ROW)).unwrap();
    }
    let index = |names: &[&str]| {
        let text = format!(r#"{{"format": 1, "ended": 1, "cases": ["{}"]}}"#, names.join("\", \""));
        fs::write(path("results/run.json"), text).unwrap();
    };
    index(&names);
    let unchanged = || {
        for (name, text) in files {
            assert_eq!(fs::read(path(name)).unwrap(), *text, "{name}");
        }
        assert!(path("expected/directory.out").is_dir() && path("expected/dangling.out").is_symlink());
    };

    let (code, stdout, _) = mcspec(project.path(), "bless");
    unchanged();
    assert_eq!(code, 1);
    let hint = "HINT:  to keep goldens elsewhere, write into mcspec.toml:\n[project]\nexpected = \"goldens\"\n";
    for line in [
        "refused    good: \"expected/good.out\" is not a golden of mcspec\n",
        "refused    empty: \"expected/empty.out\" is not a golden of mcspec, but empty\n",
        "refused    binary: \"expected/binary.out\" is not a golden of mcspec\n",
        "refused    newer: \"expected/newer.out\" is a golden of format 2; this version of mcspec has format 1\n",
        "refused    directory: \"expected/directory.out\" is not a golden of mcspec, but a directory\n",
        "refused    dangling: \"expected/dangling.out\" is not a golden of mcspec, but a symbolic link to nothing\n",
        "updated    expected/merged.out\n",
        hint,
    ] {
        assert_eq!(stdout.matches(line).count(), 1, "{line}{stdout}");
    }

    index(&["good"]);
    let (code, stdout, _) = mcspec(project.path(), "bless --prune");
    unchanged();
    assert_eq!((code, stdout.as_str()), (0, "removed    expected/merged.out: no spec uses it\n"));

    // What the hint says helps.
    fs::write(path("mcspec.toml"), hint.split_once(":\n").unwrap().1).unwrap();
    let (code, stdout, _) = mcspec(project.path(), "bless");
    unchanged();
    assert_eq!(code, 0);
    assert!(stdout.ends_with("created    goldens/good.out\n") && !stdout.contains("HINT"), "{stdout}");
}

#[test]
fn goldens_do_not_go_where_others_keep_theirs() {
    let project = project(&[
        ("specs/good.mcspec", GOOD),
        ("expected/good.out", "SELECT 1;\n"),
        ("results/run.json", r#"{"format": 1, "ended": 1, "cases": ["good"]}"#),
        ("results/good.json", &result("good", "passed", ROW)),
    ]);
    let bless = || mcspec(project.path(), "bless").1;
    let first = bless();
    assert!(
        first.contains("goldens are kept in \"goldens\", since \"expected/good.out\" is not one\nHINT:  "),
        "{first}"
    );
    assert!(first.ends_with("created    goldens/good.out\n"), "{first}");
    // Said once, and it stays so when the other files go.
    fs::remove_file(project.path().join("expected/good.out")).unwrap();
    let second = bless();
    assert!(second.ends_with(" ago\nunchanged  goldens/good.out\n"), "{second}");
    assert_eq!(mcspec(project.path(), "diff").0, 0);
}
