//! Exit codes and messages of what needs no server.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const GOOD: &str = "title 'good'\ntags fast, demo\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
const SLOW: &str = "tags slow\nscenario window\n  workload { SELECT 1 }\n  expect none\n";

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

fn usual() -> TempDir {
    project(&[
        ("specs/good.mcspec", GOOD),
        ("specs/sub/slow.mcspec", SLOW),
        ("specs/alone.mcspec", GOOD),
        ("schedule", "test: sub/slow good\n"),
    ])
}

/// Exit code, standard output and standard error.
fn mcspec(directory: &Path, arguments: &str) -> (i32, String, String) {
    mcspec_with(directory, &arguments.split_whitespace().collect::<Vec<_>>())
}

/// The same, of arguments with blanks in them.
fn mcspec_with(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    let output = command.current_dir(directory).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What a run says that is none, in TAP; other commands say nothing.
#[track_caller]
fn assert_bails_out(stdout: &str, is_run: bool) {
    let is_tap = stdout.starts_with("TAP version 13\n1..1\nnot ok 1 - mcspec\n") && stdout.contains("\nBail out!  ");
    assert!(if is_run { is_tap } else { stdout.is_empty() }, "{stdout}");
}

#[test]
fn the_help_documents_the_exit_codes() {
    let (code, stdout, stderr) = mcspec(usual().path(), "--help");
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in
        ["    0  every spec passed", "    1  a spec failed", "    2  bad input", "    4  no spec", "  130  interrupted"]
    {
        assert!(stdout.contains(&format!("\n{line}")), "{line}\n{stdout}");
    }
}

#[test]
fn bad_arguments_are_bad_input() {
    let project = usual();
    for (arguments, message) in [
        ("", "Usage: mcspec [OPTIONS] <COMMAND>"),
        ("rum", "unrecognized subcommand 'rum'"),
        ("run --pg 14", "mcspec: error: invalid version \"14\" for --pg: supported versions are 15 to 19"),
        ("run -v x", "invalid value 'x' for '--var <NAME=VALUE>': write NAME=VALUE"),
        (
            "run --report xml",
            "unknown format \"xml\"; formats are pretty, tap, json, junit, sarif, github, html, markdown",
        ),
        ("run --shard 5/4", "invalid value '5/4' for '--shard <N/M>': write N/M with N from 1 to M, such as 1/4"),
        ("run --repeat 0", "invalid value '0' for '--repeat <N>'"),
        ("run specs/nosuch.mcspec", "mcspec: error: spec file \"specs/nosuch.mcspec\" does not exist"),
        ("run [", "mcspec: error: invalid glob \"[\""),
        ("run --pg-config /nosuch/pg_config", "mcspec: error: "),
    ] {
        let (code, stdout, stderr) = mcspec(project.path(), arguments);
        assert_eq!(code, 2, "{arguments}");
        assert_bails_out(&stdout, message.contains("mcspec: error: "));
        assert!(stderr.contains(message), "{arguments}\n{stderr}");
    }
}

#[test]
fn list_shows_the_selection_in_the_order_of_the_schedule() {
    let project = usual();
    for (arguments, expected) in [
        ("list", "sub/slow  [slow]\ngood      [fast, demo]  good\n"),
        ("list schedule", "sub/slow  [slow]\ngood      [fast, demo]  good\n"),
        ("list alone good", "good   [fast, demo]  good\n\nalone  [fast, demo]  good\n"),
        ("list *o*", "sub/slow  [slow]\ngood      [fast, demo]  good\n\nalone     [fast, demo]  good\n"),
        ("list --skip sub/*", "good  [fast, demo]  good\n"),
        ("list -t demo -t nosuch", "good  [fast, demo]  good\n"),
        ("list -t !demo", "sub/slow  [slow]\n"),
        ("list specs/good.mcspec", "good  [fast, demo]  good\n"),
    ] {
        assert_eq!(mcspec(project.path(), arguments), (0, expected.to_owned(), String::new()), "{arguments}");
    }
}

#[test]
fn list_has_a_form_for_programs() {
    let (code, stdout, stderr) = mcspec(usual().path(), "list --json");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let groups: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let expected = serde_json::json!([[
        {"name": "sub/slow", "path": "specs/sub/slow.mcspec", "title": null, "tags": ["slow"], "scenarios": ["scenario window"]},
        {"name": "good", "path": "specs/good.mcspec", "title": "good", "tags": ["fast", "demo"], "scenarios": ["scenario window"]},
    ]]);
    assert_eq!(groups, expected);
}

#[test]
fn an_empty_selection_has_its_own_exit_code() {
    let project = usual();
    for (arguments, message) in [
        (
            "run -t nosuch",
            "mcspec: error: no spec is selected\nmcspec: hint: \"mcspec list\" shows the specs and their tags\n",
        ),
        ("run xyzzy", "mcspec: error: no spec matches \"xyzzy\"\n"),
        ("run godo", "mcspec: error: no spec matches \"godo\"\nmcspec: hint: did you mean \"good\"?\n"),
        ("list zz*", "mcspec: error: no spec matches \"zz*\"\n"),
    ] {
        let (code, stdout, stderr) = mcspec(project.path(), arguments);
        assert_eq!((code, stderr.as_str()), (4, message), "{arguments}");
        assert_bails_out(&stdout, arguments.starts_with("run"));
    }
}

#[test]
fn a_misspelt_clause_is_shown_where_it_is() {
    let project = project(&[
        ("specs/bad.mcspec", "scenario window\n  iteratons 5\n  workload { SELECT 1 }\n"),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: good bad\n"),
    ]);
    for arguments in ["run", "check", "check specs/bad.mcspec", "list"] {
        let (code, stdout, stderr) = mcspec(project.path(), arguments);
        assert_eq!(code, 2, "{arguments}");
        assert_bails_out(&stdout, arguments == "run");
        for part in
            ["unknown clause \"iteratons\"", "specs/bad.mcspec:2:3", "^^^^^^^^^", "did you mean \"iterations\"?"]
        {
            assert!(stderr.contains(part), "{arguments}: {part}\n{stderr}");
        }
        assert!(stderr.ends_with("mcspec: error: 1 error in the specs\n"), "{stderr}");
    }
    assert_eq!(mcspec(project.path(), "check specs/good.mcspec").0, 0);
}

#[test]
fn check_names_what_is_not_supported() {
    let project = project(&[(
        "specs/s.mcspec",
        "trace off\nscenario window\n  workload { SELECT 1 }\n  expect ctx_bloat at 'f'\n",
    )]);
    let (code, _, stderr) = mcspec(project.path(), "check");
    assert_eq!(code, 2);
    assert!(stderr.contains("\"at\" needs allocations that are traced"), "{stderr}");
}

#[test]
fn a_configuration_from_outside_leaves_to_the_runner_what_is_its() {
    let spec = ("specs/s.spec", "session s1 step a { SELECT 1 } permutation a");
    let table = [
        ("# port = 1\nwork_mem = 5MB # port\n", None),
        ("work_mem = 5MB\nPORT = 1\n", Some("\"given.conf\": parameter \"port\" is set by mcspec")),
        ("shared_preload_libraries = 'x'\n", Some("hint: write \"preload NAME\" into the header")),
        ("include 'other.conf'\n", Some("\"given.conf\": \"conf\" cannot take in other files")),
    ];
    for (text, expected) in table {
        let project = project(&[spec, ("given.conf", text)]);
        let (code, _, stderr) = mcspec(project.path(), "run --dry-run --conf given.conf specs/s.spec");
        assert_eq!(code, if expected.is_some() { 2 } else { 0 }, "{text}{stderr}");
        assert!(stderr.contains(expected.unwrap_or_default()), "{text}{stderr}");
    }
}

#[test]
fn schedules_are_checked() {
    for (schedule, message) in [
        ("tset: good\n", "mcspec: error: schedule:1: syntax error in schedule: \"tset: good\"\n"),
        (
            "test: good\ntest: godo\n",
            "mcspec: error: schedule:2: spec \"godo\" does not exist\nmcspec: hint: did you mean \"good\"?\n",
        ),
    ] {
        let project = project(&[("specs/good.mcspec", GOOD), ("schedule", schedule)]);
        for arguments in ["run", "check"] {
            let (code, _, stderr) = mcspec(project.path(), arguments);
            assert_eq!(code, 2, "{arguments}");
            assert!(stderr.starts_with(message), "{stderr}");
        }
        // What is named needs no schedule.
        assert_eq!(mcspec(project.path(), "list good").0, 0);
    }
    // One that is asked for has to be there.
    for (toml, arguments) in [("", "run schedule"), ("[project]\nschedule = \"schedule\"\n", "run")] {
        let without = project(&[("specs/good.mcspec", GOOD), ("mcspec.toml", toml)]);
        let (code, _, stderr) = mcspec(without.path(), arguments);
        assert_eq!(code, 2);
        assert!(stderr.starts_with("mcspec: error: could not read schedule \"schedule\": No such file"), "{stderr}");
        assert!(stderr.ends_with("mcspec: hint: \"mcspec run '*'\" runs all specs, without a schedule\n"), "{stderr}");
    }
}

#[test]
fn without_a_schedule_all_specs_run_at_the_same_time() {
    let without = project(&[("specs/b.mcspec", GOOD), ("specs/a.mcspec", GOOD), ("specs/sub/c.mcspec", GOOD)]);
    // Groups have an empty line between them.
    for (arguments, expected) in
        [("list", &["a", "b", "sub/c"][..]), ("list sub/c a", &["a", "sub/c"]), ("list --skip b", &["a", "sub/c"])]
    {
        let (code, stdout, stderr) = mcspec(without.path(), arguments);
        let names: Vec<&str> = stdout.lines().map(|line| line.split("  ").next().unwrap()).collect();
        assert_eq!((code, names.as_slice(), stderr.as_str()), (0, expected, ""), "{arguments}");
    }
    let none = project(&[]);
    let (code, _, stderr) = mcspec(none.path(), "run");
    assert_eq!(code, 4);
    assert!(
        stderr.starts_with("mcspec: error: there are no specs in \"specs\"\nmcspec: hint: \"mcspec init\" "),
        "{stderr}"
    );
}

#[test]
fn a_scenario_is_selected_by_its_name() {
    const SEVERAL: &str = "scenario window one\n  workload { SELECT 1 }\n  expect none\nscenario window two\n  \
                           workload { SELECT 1 }\n  expect none\nscenario growth_benchmark\n  workload { SELECT 1 }\n  \
                           expect none\n";
    const SESSIONS: &str = "session s1\nstep a { SELECT 1 }\nsession s2\nstep b { SELECT 1 }\n";
    let project = project(&[
        ("specs/several.mcspec", SEVERAL),
        ("specs/several/two.mcspec", GOOD),
        ("specs/sub/several.mcspec", SEVERAL),
        ("specs/sessions.mcspec", SESSIONS),
        ("x.spec", SESSIONS),
    ]);
    let one = "several\n  scenario window one\n";
    for (arguments, expected) in [
        (&["several/one"][..], one),
        (&["several/window one"], one),
        (&["specs/several.mcspec/one"], one),
        // A spec comes before a scenario.
        (&["several/two"], "several/two\n"),
        (&["several/growth_benchmark"], "several\n  scenario growth_benchmark\n"),
        (&["several/window"], "several\n  scenario window one\n  scenario window two\n"),
        (&["several/o*", "several/growth*"], "several\n  scenario window one\n  scenario growth_benchmark\n"),
        (&["several/one", "several"], "several\n"),
        (&["sub/several/one"], "sub/several\n  scenario window one\n"),
        (&["*several/one"], "several\n  scenario window one\nsub/several\n  scenario window one\n"),
        (&["sessions/a b"], "sessions\n  permutation a b\n"),
        (&["x.spec/b a"], "x\n  permutation b a\n"),
        (&["x.spec/permutation*"], "x\n"),
    ] {
        let run = |command: &[&str]| mcspec_with(project.path(), &[command, arguments].concat());
        let dry_run = run(&["run", "--dry-run"]);
        assert_eq!(dry_run, (0, expected.to_owned(), String::new()), "{arguments:?}");
        let (code, stdout, stderr) = run(&["list"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        let scenarios = |text: &str| text.lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n");
        assert_eq!(scenarios(&stdout), scenarios(expected), "{arguments:?}");
    }
    for (arguments, message) in [
        ("run several/tow", "spec \"several\" has no scenario \"tow\"\nmcspec: hint: did you mean \"two\"?\n"),
        ("list several/x", "spec \"several\" has no scenario \"x\"\nmcspec: hint: it has one, two, growth_benchmark\n"),
        ("run several/one several/x", "spec \"several\" has no scenario \"x\""),
        ("run sessions/c", "spec \"sessions\" has no scenario \"c\"\nmcspec: hint: it has a b, b a\n"),
        ("run nosuch/one", "no spec matches \"nosuch/one\""),
    ] {
        let (code, _, stderr) = mcspec(project.path(), arguments);
        assert_eq!(code, 4, "{arguments}");
        assert!(stderr.starts_with(&format!("mcspec: error: {message}")), "{stderr}");
    }
}

#[test]
fn the_configuration_is_checked() {
    let project = usual();
    fs::write(project.path().join("mcspec.toml"), "[project]\nspec = \"x\"\n").unwrap();
    let (code, _, stderr) = mcspec(project.path(), "list");
    assert_eq!(code, 2);
    let expected = "ERROR: unknown key \"spec\" in [project]\n --> mcspec.toml:2:1\n  |\n2 | spec = \"x\"\n  | ^^^^\n  |\n  \
                    = HINT: did you mean \"specs\"?\n\nmcspec: error: 1 error in mcspec.toml\n";
    assert_eq!(stderr, expected);
}

#[test]
fn blessing_and_comparing_need_results() {
    let project = usual();
    for arguments in ["bless", "diff good"] {
        let expected = "mcspec: error: no results in \"results\"\nmcspec: hint: \"mcspec run\" writes the results\n";
        assert_eq!(mcspec(project.path(), arguments), (2, String::new(), expected.to_owned()));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = usual();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcspec"))
        .current_dir(project.path())
        .arg("list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything can be written.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// The names that `list` shows, group by group, and what it says else.
fn listed(directory: &Path, arguments: &[&OsStr]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    let output = command.current_dir(directory).arg("list").args(arguments).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    (names.join(" "), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn no_file_is_dropped() {
    let project = project(&[
        ("specs/one.mcspec", GOOD),
        ("specs/sub/two.mcspec", GOOD),
        ("specs/sub/both.spec", "session s\nstep a { SELECT 1; }\n"),
        ("specs/sub/both.mcspec", GOOD),
        ("specs/.hidden.mcspec", GOOD),
        ("a/x.spec", "session s\nstep a { SELECT 1; }\n"),
        ("b/x.spec", "session s\nstep a { SELECT 1; }\n"),
        ("b/one.mcspec", GOOD),
        ("c/three.mcspec", GOOD),
        ("deep/b/x.spec", "session s\nstep a { SELECT 1; }\n"),
        ("schedule", "test: one sub/two\n"),
    ]);
    let root = project.path();
    symlink("../b/one.mcspec", root.join("specs/linked.mcspec")).unwrap();
    // Each leads to the other.
    symlink("../../c", root.join("specs/sub/loop")).unwrap();
    symlink("../specs", root.join("c/back")).unwrap();
    // An editor's lock, and no spec.
    symlink("user@host.1", root.join("specs/.#one.mcspec")).unwrap();
    let odd = OsStr::from_bytes(b"specs/odd\xff.mcspec");
    fs::write(root.join(odd), GOOD).unwrap();

    let here = root.canonicalize().unwrap();
    let absolute = here.join("specs/sub/two.mcspec");
    let table: &[(&[&str], &str)] = &[
        (&["a/x.spec"], "x"),
        (&["a/x.spec", "b/x.spec"], "a/x b/x"),
        (&["b/x.spec", "deep/b/x.spec"], "b/x deep/b/x"),
        (&["a/x.spec", "./a/x.spec", "a/../a/x.spec"], "x"),
        (&["one", "b/one.mcspec"], "one b/one"),
        (&["b/one.mcspec"], "one"),
        (&["schedule", "b/one.mcspec"], "one sub/two b/one"),
        (&["./specs/sub/two.mcspec", absolute.to_str().unwrap(), "sub/two"], "sub/two"),
        (&["specs/sub/both.spec", "sub/both"], "sub/both sub/both-spec"),
        (&["specs/sub/both.spec"], "sub/both"),
        (&["specs/linked.mcspec", "b/one.mcspec"], "one linked"),
        (&["*"], "one sub/two .hidden linked odd%FF sub/both sub/loop/three"),
    ];
    for (arguments, expected) in table {
        let (names, stderr) = listed(root, &arguments.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!(names, *expected, "{arguments:?}\n{stderr}");
    }
    assert_eq!(listed(root, &[odd, OsStr::new("one")]).0, "one odd%FF");
    let (code, _, stderr) = mcspec(root, "list --json *");
    assert_eq!(code, 0, "{stderr}");

    // One that somebody has linked to nowhere is missed.
    symlink("nowhere.mcspec", root.join("specs/gone.mcspec")).unwrap();
    let (_, stderr) = listed(root, &[OsStr::new("*")]);
    assert!(
        stderr.contains("ERROR: could not read the file: No such file") && stderr.contains("gone.mcspec"),
        "{stderr}"
    );
}

#[test]
fn two_specs_of_one_name_are_refused() {
    let project = project(&[("specs/odd%FF.mcspec", GOOD)]);
    fs::write(project.path().join(OsStr::from_bytes(b"specs/odd\xff.mcspec")), GOOD).unwrap();
    let (code, _, stderr) = mcspec(project.path(), "list *");
    assert_eq!(code, 2);
    assert!(stderr.contains("are both called \"odd%FF\""), "{stderr}");
}

#[test]
fn a_spec_that_the_schedule_does_not_have_is_missed() {
    let project = project(&[
        ("specs/one.mcspec", GOOD),
        ("specs/sub/two.mcspec", GOOD),
        ("specs/three.mcspec", GOOD),
        ("schedule", "test: one\ninclude: more\n"),
        ("more", "test: three\n"),
    ]);
    let (code, stdout, stderr) = mcspec(project.path(), "check");
    assert_eq!((code, stdout.as_str()), (0, "3 specs, no errors, 1 warning\n"));
    assert!(
        stderr.contains("WARNING[W013]") && stderr.contains("HINT: add a line \"test: sub/two\" to the schedule"),
        "{stderr}"
    );
    // So does a run of all there is, and no other.
    let missing = "warning: schedule \"schedule\" does not have spec \"sub/two\"\n";
    for (arguments, warns) in
        [("run -n", true), ("run -n schedule", true), ("run -n one", false), ("run -n more", false)]
    {
        let (code, _, stderr) = mcspec(project.path(), arguments);
        assert_eq!((code, stderr.matches(missing).count()), (0, usize::from(warns)), "{arguments}\n{stderr}");
    }
    // Without a schedule nothing is missed, nor of files that are named.
    assert_eq!(mcspec(project.path(), "check specs/sub/two.mcspec").1, "1 spec, no errors\n");
    fs::remove_file(project.path().join("schedule")).unwrap();
    assert_eq!(mcspec(project.path(), "check").1, "3 specs, no errors\n");
}

#[test]
fn a_checklist_is_held_against_what_is_required() {
    let project = usual();
    let at = project.path();
    fs::write(at.join("mcspec.toml"), "[checklist]\npg = [18]\n").unwrap();
    let report = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/json.json");
    fs::copy(report, at.join("report.json")).unwrap();
    // The report has specs that have failed.
    let (code, stdout, stderr) = mcspec(at, "checklist report.json");
    assert_eq!((code, stderr.as_str()), (1, ""));
    assert!(stdout.starts_with("# Release checklist\n"), "{stdout}");
    assert!(stdout.contains("\n- [ ] no spec fails or could not be run: 12 specs do not pass\n"), "{stdout}");
    assert!(stdout.contains("\n- [x] specs have run on 18: 18\n"), "{stdout}");
    let (code, stdout, stderr) = mcspec(at, "checklist report.json --markdown list.md --json list.json");
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("mcspec: missing: no spec fails or could not be run: 12 specs do not pass\n"), "{stderr}");
    let list: serde_json::Value = serde_json::from_str(&fs::read_to_string(at.join("list.json")).unwrap()).unwrap();
    assert_eq!((list["format"].as_u64(), list["holds"].as_bool()), (Some(1), Some(false)));
    assert!(fs::read_to_string(at.join("list.md")).unwrap().starts_with("# Release checklist\n"));
    for (arguments, toml, message) in [
        ("checklist", "", "no results in \"results\""),
        ("checklist nowhere.json", "", "could not read \"nowhere.json\""),
        ("checklist mcspec.toml", "", "\"mcspec.toml\": not a report of mcspec"),
        ("checklist report.json --since v9", "", "there is no tag \"v9\""),
        ("checklist report.json", "since = \"v8\"", "there is no tag \"v8\""),
    ] {
        fs::write(at.join("mcspec.toml"), format!("[checklist]\n{toml}\n")).unwrap();
        let (code, stdout, stderr) = mcspec(at, arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}: {stderr}");
        assert!(stderr.starts_with(&format!("mcspec: error: {message}")), "{arguments}: {stderr}");
    }
    fs::write(at.join("mcspec.toml"), "[checklist]\ncoverage = 80\n").unwrap();
    fs::create_dir_all(at.join("results")).unwrap();
    fs::write(at.join("results/coverage.json"), "{}").unwrap();
    let (code, _, stderr) = mcspec(at, "checklist report.json");
    assert_eq!(code, 2);
    assert!(stderr.starts_with("mcspec: error: \"results/coverage.json\" has no reached\nmcspec: hint: "), "{stderr}");
}
