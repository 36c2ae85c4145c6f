//! Interrupted runs: what there is is reported, what was set up is torn down, and the rest is told to be not run.

use std::process::Stdio;

use mcspec::report::json::RunReport;
use nix::sys::signal::Signal;

use crate::project::{Project, eventually, send, wait};

const GOOD: &str = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
const ENDLESS: &str = "\
golden none
setup { CREATE ROLE guest }
teardown { DROP ROLE guest }
scenario window first
  setup { CREATE ROLE visitor }
  teardown { DROP ROLE visitor }
  workload { DO 'BEGIN PERFORM pg_sleep(600); END' }
  expect none
scenario window second
  workload { SELECT 1 }
  expect none
";
const BLOCKED: &str = "\
golden none
setup { CREATE ROLE guest }
teardown { DROP ROLE guest }
session one
  setup { CREATE ROLE visitor }
  teardown { DROP ROLE visitor }
  step sleep { SELECT pg_sleep(600) }
  step more { SELECT 1 }
permutation sleep more
  expect none
";

#[test]
fn an_interrupted_run_reports_what_there_is() {
    let project = Project::new(&[
        ("specs/good.mcspec", GOOD),
        ("specs/endless.mcspec", ENDLESS),
        ("specs/later.mcspec", GOOD),
        ("schedule", "test: good\ntest: endless\ntest: later\n"),
    ]);
    let formats = ["json", "junit", "markdown", "github"].map(|format| format!("--report {format}=r.{format}"));
    let child = project.start(&format!("-j 1 --report tap {}", formats.join(" ")));
    send(Signal::SIGINT, child.id().try_into().unwrap());
    let ended = wait(child);
    assert_eq!(ended.code, 130, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.ends_with("mcspec: interrupted\n"), "{}", ended.stderr);
    project.assert_nothing_left();

    let said = [
        "\nok 1 - good ",
        "\nok 2 - endless # SKIP interrupted: warm-up 1 was interrupted\n",
        "#  specs/endless.mcspec:7:14: warm-up 1 was interrupted\n",
    ];
    let rest = ["#  not run:\n#    scenario window second\n", "\nok 3 - later # SKIP not run: interrupted\n"];
    assert!(said.iter().chain(&rest).all(|text| ended.stdout.contains(text)), "{}", ended.stdout);
    let json = RunReport::parse(&project.read("r.json")).unwrap();
    let statuses: Vec<&str> = json.cases.iter().map(|case| case.status.as_str()).collect();
    assert_eq!(statuses, ["passed", "skipped", "skipped"]);
    assert_eq!(json.cases[2].reason.as_deref(), Some("not run: interrupted"));
    let junit = project.read("r.junit");
    assert!(junit.contains("<skipped message=\"not run: interrupted\"/>"), "{junit}");
    assert!(junit.ends_with("</testsuites>\n"), "{junit}");
    let markdown = project.read("r.markdown");
    assert!(markdown.contains("* later: skipped: not run: interrupted\n"), "{markdown}");
    assert!(!project.read("r.github").contains("::error"));
    // What was run can be asked about, and of the rest nothing is known.
    assert!(project.read("results/good.json").contains("\"passed\""));
    assert!(
        !project.read("results/run.json").contains("\"endless\"") && !project.path("results/endless.json").exists()
    );
}

/// Interrupts a run as soon as `is_time`, in which nothing may have been said: one line, no verdicts, no results.
fn interrupted_before_anything(project: &Project, signal: Signal, is_time: impl Fn() -> bool) {
    project.write("r.tap", "before");
    let mut command = project.command("--report tap --report json --report tap=r.tap");
    // Nothing is kept from other runs: initdb runs.
    let _ = std::fs::remove_dir_all(project.path("cache"));
    command.env("XDG_CACHE_HOME", project.path("cache"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it is time", &is_time);
    send(signal, child.id().try_into().unwrap());
    let ended = wait(child);
    assert_eq!(ended.code, 128 + signal as i32, "{}\n{}", ended.stdout, ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with("mcspec: servers run as")).collect();
    assert_eq!((ended.stdout.as_str(), lines), ("", vec!["mcspec: interrupted"]));
    project.assert_nothing_left();
    assert_eq!(project.read("r.tap"), "before");
    assert!(!project.path("results/run.json").exists());
}

#[test]
fn a_run_that_is_interrupted_before_anything_was_run_says_so_and_no_more() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n")]);
    let there = |name: &str| {
        let mut directories = std::fs::read_dir(project.temporary()).unwrap().flatten();
        directories.any(|run| run.path().join(name).exists())
    };
    // While the tree is staged, initdb runs, the template is copied, and the server starts.
    for (signal, name) in [
        (Signal::SIGINT, "pg15-0"),
        (Signal::SIGTERM, "template-1/global"),
        (Signal::SIGHUP, "data-2"),
        (Signal::SIGINT, "data-2.log"),
    ] {
        interrupted_before_anything(&project, signal, || there(&name.replace("15", &project.major().to_string())));
    }
}

/// The servers that initdb starts, one after the other: their pids.
fn servers_of_initdb(project: &Project) -> Vec<i32> {
    let line = |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_server = |pid: &i32| {
        [&b"--boot"[..], b"--single"].iter().any(|word| line(pid).split(|&c| c == 0).any(|part| part == *word))
    };
    project.processes().into_iter().filter(is_server).collect()
}

#[test]
fn a_server_of_initdb_that_does_not_end_leaves_no_shared_memory() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n")]);
    let stopped = std::cell::RefCell::new(Vec::new());
    let segments = std::cell::RefCell::new(String::new());
    interrupted_before_anything(&project, Signal::SIGTERM, || {
        for pid in servers_of_initdb(&project) {
            send(Signal::SIGSTOP, pid);
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            if maps.contains("/dev/shm/PostgreSQL.") {
                stopped.borrow_mut().push(pid);
                *segments.borrow_mut() = maps;
                return true;
            }
            send(Signal::SIGCONT, pid);
        }
        false
    });
    for line in segments.borrow().lines() {
        let segment = line.find("/dev/shm/PostgreSQL.").map(|at| &line[at..]);
        assert!(segment.is_none_or(|segment| !std::path::Path::new(segment).exists()), "{line}");
    }
    let list = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let has = |line: &&str| line.split_whitespace().nth(4) == Some(&stopped.borrow()[0].to_string());
    assert_eq!(list.lines().find(has), None);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let spec = "extension slow\ngolden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
    let project = Project::new(&[
        ("specs/slow.mcspec", spec),
        ("schedule", "test: slow\n"),
        ("slow/slow.control", "default_version = '1.0'\n"),
        ("slow/slow--1.0.sql", ""),
        // As a compiler does: a file of its own in TMPDIR, and no time to remove it.
        ("slow/Makefile", "install:\n\ttouch $$TMPDIR/cc1.s; touch begun; sleep 60\n"),
    ]);
    project.write("mcspec.toml", &(project.read("mcspec.toml") + "[extension.slow]\npath = \"slow\"\n"));
    let begun = || {
        let runs = std::fs::read_dir(project.temporary()).unwrap().flatten();
        runs.flat_map(|run| std::fs::read_dir(run.path()).into_iter().flatten().flatten())
            .any(|entry| entry.path().join("begun").exists())
    };
    interrupted_before_anything(&project, Signal::SIGTERM, begun);
}

#[test]
fn an_interrupted_run_tears_down_what_it_has_set_up() {
    for spec in [ENDLESS, BLOCKED] {
        let project = Project::new(&[("specs/endless.mcspec", spec), ("schedule", "test: endless\n")]);
        let (server, uri) = project.server(true);
        let count = |sql: &str| server.connect("postgres").unwrap().query_one(sql, &[]).unwrap().get::<_, i64>(0);
        let roles = "SELECT count(*) FROM pg_roles WHERE rolname IN ('guest', 'visitor')";
        let child = project.on(&uri, "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("the workload runs", || {
            let running =
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active'
                              AND pid <> pg_backend_pid()";
            count(running) == 1
        });
        assert!(count(roles) >= 1);
        send(Signal::SIGINT, child.id().try_into().unwrap());
        let ended = wait(child);
        assert_eq!(ended.code, 130, "{}", ended.stdout);
        assert!(ended.stdout.contains("was interrupted"), "{}", ended.stdout);
        assert_eq!(count(roles), 0, "{}", ended.stdout);
        assert_eq!(count("SELECT count(*) FROM pg_database WHERE datname LIKE 'mcspec%'"), 0);
    }
}

#[test]
fn a_second_signal_does_not_wait_for_teardown() {
    let slow = ENDLESS.replace("DROP ROLE visitor", "SELECT pg_sleep(600)");
    let project = Project::new(&[("specs/endless.mcspec", &slow), ("schedule", "test: endless\n")]);
    let child = project.start("--report tap --report junit=r.xml");
    let pid = child.id().try_into().unwrap();
    send(Signal::SIGINT, pid);
    std::thread::sleep(std::time::Duration::from_millis(500));
    send(Signal::SIGTERM, pid);
    let ended = wait(child);
    assert_eq!(ended.code, 130, "{}\n{}", ended.stdout, ended.stderr);
    assert!(project.read("r.xml").ends_with("</testsuites>\n"));
    project.assert_nothing_left();
}
