//! `mcspec run` from end to end: on a real server with the engine, in small projects.

mod blind;
mod crash;
mod damage;
mod encodings;
mod interrupt;
mod isolation;
mod part;
mod roles;
mod sessions;
mod verdict;

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use mcspec::report::json::RunReport;
use mcspec::server::Server;
use nix::sys::signal::Signal;
use regex::Regex;

use crate::project::{Project, assert_golden, end, send, wait};

const LEAKY: &str = "\
extension leak_shapes
scenario growth_benchmark context_top
  iterations 50
  workload { SELECT leak_shapes.context_top(); }
  expect context_leak in 'LeakShapesScratch'
";
const GOOD: &str = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";
const ENDLESS: &str =
    "golden none\nscenario window\n  workload { DO 'BEGIN PERFORM pg_sleep(600); END' }\n  expect none\n";

const KILLED: &str = "\
golden none
extension leak_shapes
scenario window
  warmup 0
  workload { SELECT leak_shapes.kill_self() }
  expect none
";
const LATE: &str = "golden none\ntimeout 5s\nscenario window\n  workload { SELECT pg_sleep(600) }\n  expect none\n";

/// Takes out of a report what differs from run to run and from version to version.
fn normalized(text: &str) -> String {
    let rules = [
        (r" # time=\d+ms\b", " TIME"),
        (r" +\d+(\.\d)? m?s\b", " TIME"),
        (r"\bbackend \d+", "backend PID"),
        // 17 and earlier say "server process".
        (r"(server process|client backend) \(PID \d+\)", "client backend (PID N)"),
        (r"the postmaster \(PID \d+\)", "the postmaster (PID N)"),
        (r"\(pg \d+, \w+, \w+\)", "(SERVER)"),
        // The server's functions among the callers.
        (r"(?m)^#  +(from|<-) .*\n", ""),
        (r"leak_shapes\.c:\d+", "leak_shapes.c:LINE"),
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
    assert_eq!(unrecorded.code, 0, "{}", unrecorded.stdout);
    assert!(unrecorded.stdout.contains("(no golden: 1 violation is not recorded)\n"), "{}", unrecorded.stdout);
    assert_eq!(end(project.mcspec("bless")).code, 0);
    let recorded = project.run("");
    assert_eq!(recorded.code, 0, "{}", recorded.stdout);
    assert!(!recorded.stdout.contains("golden"), "{}", recorded.stdout);

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
fn a_traced_failure_names_functions_and_lines() {
    let traced = "extension leak_shapes\ngolden none\nscenario growth_benchmark\n  iterations 20\n  \
                  workload { SELECT leak_shapes.top_100(); }\n  expect none\n";
    let project = Project::new(&[("specs/traced.mcspec", traced), ("schedule", "test: traced\n")]);
    let ended = project.run("--report tap --report json=report.json");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let origin = Regex::new(
        r"(?m)^#      allocated at  allocate_in_top  leak_shapes\.c:[0-9]+\n#              from  top_100 <- ",
    );
    assert!(origin.unwrap().is_match(&ended.stdout), "{}", ended.stdout);

    let report = RunReport::parse(&project.read("report.json")).unwrap();
    let site = report.cases[0].scenarios[0].findings[0].site.clone().unwrap();
    let lines = |function: &str| {
        site.stack.iter().filter(|f| f.address.symbol.as_deref() == Some(function) && f.line.is_some()).count()
    };
    assert_eq!((lines("allocate_in_top"), lines("top_100")), (1, 1), "{site:?}");
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
    assert_eq!(ended.code, 2);
    assert!(ended.stdout.ends_with("\nBail out!  1 error in the specs\n"), "{}", ended.stdout);
    assert_golden("run/misspelt.txt", &ended.stderr);

    let ended = project.run("good -t nosuch");
    assert_eq!(ended.code, 4);
    assert!(ended.stdout.ends_with("\nBail out!  no spec is selected\n"), "{}", ended.stdout);
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
        ("specs/killed.mcspec", KILLED),
        ("specs/late.mcspec", LATE),
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
    assert_eq!(ended.code, 130, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.ends_with("mcspec: interrupted\n"), "{}", ended.stderr);
    project.assert_nothing_left();
}

#[test]
fn a_killed_run_leaves_no_process() {
    let project = Project::new(&[("specs/endless.mcspec", ENDLESS), ("schedule", "test: endless\n")]);
    let mut child = project.start("");
    child.kill().unwrap();
    child.wait().unwrap();
    crate::project::eventually("the servers end", || project.processes().is_empty());
    // Nobody was left to remove the directory: the next run does.
    assert_eq!(fs::read_dir(project.temporary()).unwrap().count(), 1);
    project.write("schedule", "test: good\n");
    project.write("specs/good.mcspec", GOOD);
    assert_eq!(project.run("").code, 0);
}

/// What a killed run cannot end: a stopped server, and a backend in an endless loop of its own.
#[test]
fn the_next_run_ends_what_a_killed_run_has_left() {
    let project = Project::new(&[
        ("specs/endless.mcspec", ENDLESS),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: endless\n"),
    ]);
    let mut child = project.start("");
    project.processes().into_iter().for_each(|pid| send(Signal::SIGSTOP, pid));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!project.processes().is_empty());
    project.write("schedule", "test: good\n");
    assert_eq!(project.run("").code, 0);
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
    assert_eq!(project.run("").code, 0);
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

#[test]
fn directories_may_be_called_as_nobody_should() {
    let project =
        Project::new(&[("specs/leaky.mcspec", &format!("golden none\n{LEAKY}")), ("schedule", "test: leaky\n")]);
    let odd = |name: &str| {
        let path = project.temporary().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    };
    let (temporary, sources) = (odd("it's $HOME 50% #1"), odd("my \"project\" é"));
    for name in ["mcspec.toml", "schedule", "specs"] {
        std::os::unix::fs::symlink(project.path(name), sources.join(name)).unwrap();
    }
    let mut command = project.command("");
    command.env("TMPDIR", &temporary).current_dir(&sources);
    let ended = end(command);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.starts_with("mcspec: nothing can be built below TMPDIR \""), "{}", ended.stderr);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_report_that_cannot_be_written_takes_nothing_from_the_others() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n")]);
    let ended = project.run("--report json=/dev/full --report tap --report junit=r.xml");
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert_eq!(
        ended.stderr.matches("mcspec: error: could not write \"/dev/full\": No space left on device").count(),
        1
    );
    assert!(ended.stdout.contains("\nok 1 - good ") && project.read("r.xml").ends_with("</testsuites>\n"));
    assert!(project.read("results/run.json").contains("\"good\""));
}

/// The databases of a server.
fn databases(server: &Server) -> String {
    let sql = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database";
    server.connect("postgres").unwrap().query_one(sql, &[]).unwrap().get(0)
}

const NO_OTHERS: &str = "postgres template0 template1";

#[test]
fn a_server_that_is_there_already_is_used_and_left_as_it_was() {
    let project = Project::new(&[
        ("specs/leaky.mcspec", &format!("golden none\n{LEAKY}")),
        ("specs/conf.mcspec", &format!("conf {{ work_mem = '1MB' }}\n{GOOD}")),
        ("specs/preload.mcspec", &format!("preload buggy_pg_ext\n{GOOD}")),
        ("specs/killed.mcspec", KILLED),
        ("specs/late.mcspec", LATE),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: leaky\ntest: conf\ntest: preload\ntest: killed\ntest: late\ntest: good\n"),
    ]);
    let (server, uri) = project.server(true);
    let ended = end(project.on(&uri, ""));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_golden("run/given_server.txt", &normalized(&ended.stdout));
    server.wait_ready().unwrap();
    assert_eq!(databases(&server), NO_OTHERS);
}

#[test]
fn an_interrupted_run_leaves_no_database() {
    let project = Project::new(&[("specs/endless.mcspec", ENDLESS), ("schedule", "test: endless\n")]);
    let (server, uri) = project.server(true);
    let child = project.on(&uri, "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::project::eventually("the spec runs", || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        server.connect("postgres").unwrap().query_one(sql, &[]).unwrap().get::<_, i64>(0) == 1
    });
    assert_ne!(databases(&server), NO_OTHERS);
    send(Signal::SIGINT, child.id().try_into().unwrap());
    assert_eq!(wait(child).code, 130);
    assert_eq!(databases(&server), NO_OTHERS);
}

#[test]
fn a_server_that_goes_away_is_not_waited_for_long_and_what_is_left_there_is_named() {
    let project = Project::new(&[
        ("specs/endless.mcspec", ENDLESS),
        ("specs/a.mcspec", GOOD),
        ("specs/b.mcspec", GOOD),
        ("schedule", "test: endless\ntest: a\ntest: b\n"),
    ]);
    let (server, uri) = project.server(true);
    let child = project.on(&uri, "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::project::eventually("the spec runs", || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        server.connect("postgres").unwrap().query_one(sql, &[]).unwrap().get::<_, i64>(0) == 1
    });
    let started = std::time::Instant::now();
    server.stop();
    let ended = wait(child);
    // Not for each spec and each database.
    assert!(started.elapsed().as_secs() < 25, "{:?}\n{}", started.elapsed(), ended.stdout);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let named = Regex::new(
        "mcspec: warning: could not drop database \"(mcspec_\\w+)\": .*\n\
         mcspec: hint: once the server is back: DROP DATABASE IF EXISTS (mcspec_\\w+) WITH \\(FORCE\\);\n",
    );
    let named = named.unwrap().captures(&ended.stderr).unwrap_or_else(|| panic!("{}", ended.stderr));
    assert_eq!(named[1], named[2]);
}

#[test]
fn a_server_without_the_engine_is_refused() {
    let project = Project::new(&[("specs/good.mcspec", GOOD), ("schedule", "test: good\n")]);
    let (_server, uri) = project.server(false);
    let ended = end(project.on(&uri, ""));
    assert_eq!(ended.code, 2);
    let expected = "cannot be used: it does not have the extension \"pg_ext_memcheck\"\nmcspec: hint: install the files of its engine";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);

    let ended = end(project.on("host=/nonexistent", ""));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.starts_with("mcspec: error: could not connect to database"), "{}", ended.stderr);
    let ended = end(project.on("postgresql://[", ""));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("cannot connect: an IPv6 address"), "{}", ended.stderr);
}

#[test]
fn failed_specs_are_run_again_and_flaky_ones_are_found() {
    let bad = "golden none\nscenario window\n  workload { SELECT 1 / (1 - :bad) }\n  expect none\n";
    // Fails in every other run, which only something outside of its database can remember.
    let unsteady = "\
retries 1
golden none
setup { DO $$ BEGIN IF (SELECT count(*) FROM pg_roles WHERE rolname = 'seen') = 0 THEN
          CREATE ROLE seen; COMMIT; RAISE 'once';
        ELSE DROP ROLE seen; END IF; END $$ }
scenario window
  workload { SELECT 1 }
  expect none
";
    let project = Project::new(&[
        ("specs/good.mcspec", GOOD),
        ("specs/bad.mcspec", bad),
        ("specs/unsteady.mcspec", unsteady),
        ("schedule", "test: good bad unsteady\n"),
    ]);
    let ended = project.run("-v bad=1");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("(flaky: passed at attempt 2)\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("# 2 passed, 1 failed, 1 flaky in "), "{}", ended.stdout);

    let again = end(project.command("--failed -v bad=0 -n"));
    assert_eq!((again.code, again.stdout.as_str()), (0, "bad\n"));
    let again = project.run("--failed -v bad=0");
    assert_eq!(again.code, 0, "{}", again.stdout);
    assert!(again.stdout.contains("\n1..1\nok 1 - bad "), "{}", again.stdout);
    let nothing = project.run("--failed -v bad=0");
    assert_eq!(nothing.code, 4);
    assert!(nothing.stderr.contains("none of these specs failed in the last run"), "{}", nothing.stderr);

    let repeated = project.run("unsteady good --repeat 4");
    assert_eq!(repeated.code, 1);
    assert!(repeated.stdout.contains("(flaky: failed in 2 of 4 runs)"), "{}", repeated.stdout);
    assert!(repeated.stdout.contains("(4 runs)"), "{}", repeated.stdout);
}

#[test]
fn shards_share_the_specs() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let project = Project::new(&[("schedule", "test: a b c d e f\n")]);
    for name in names {
        project.write(&format!("specs/{name}.mcspec"), GOOD);
    }
    let of = |shard: &str| end(project.command(&format!("-n --shard {shard}"))).stdout;
    let all = of("1/1");
    assert_eq!(all, "a\nb\nc\nd\ne\nf\n");
    let parts: Vec<String> = (1..=3).map(|part| of(&format!("{part}/3"))).collect();
    let mut lines: Vec<&str> = parts.iter().flat_map(|part| part.lines()).collect();
    lines.sort_unstable();
    assert_eq!(lines, names);
    // An empty shard is none of the user's mistakes.
    let empty = (1..=50).find(|part| of(&format!("{part}/50")).is_empty()).unwrap();
    let ended = project.run(&format!("--shard {empty}/50"));
    assert_eq!((ended.code, ended.stdout.lines().nth(1)), (0, Some("1..0 # SKIP there is nothing to run")));
}

#[test]
fn reports_go_to_files() {
    let leaky = LEAKY.replace("context_leak in 'LeakShapesScratch'", "none");
    let project = Project::new(&[
        ("specs/leaky.mcspec", &leaky),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: leaky good\n"),
    ]);
    let mut command = project.command("--report tap --report json=r.json --report junit=r.xml --report markdown=r.md");
    command.args(["--report", "github=r.txt"]).env("GITHUB_STEP_SUMMARY", project.path("summary.md"));
    assert_eq!(end(command).code, 1);
    let json = RunReport::parse(&project.read("r.json")).unwrap();
    let statuses: Vec<&str> = json.cases.iter().map(|case| case.status.as_str()).collect();
    assert_eq!(statuses, ["failed", "passed"]);
    let finding = &json.cases[0].scenarios[0].findings[0];
    assert_eq!(finding.context_path.last().unwrap(), "LeakShapesScratch");
    assert!(json.cases[0].server.as_ref().unwrap().settings.contains_key("fsync"));
    assert!(project.read("r.xml").contains("<testcase name=\"leaky\" classname=\"mcspec\""));
    assert!(project.read("r.md").contains("| leaky | FAILED |"));
    let github = project.read("r.txt");
    assert!(github.starts_with("::error file=specs/leaky.mcspec,line=5,col=3,title=mcspec%3A leaky::"), "{github}");
    assert_eq!(project.read("summary.md"), project.read("r.md"));

    // Directories are made; a file is none.
    assert_eq!(end(project.command("good --report json=made/for/it/r.json")).code, 0);
    assert!(project.read("made/for/it/r.json").contains("\"passed\""));
    let ended = end(project.command("--report json=schedule/r.json"));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("could not write \"schedule/r.json\""), "{}", ended.stderr);
}

#[test]
fn the_whole_header_is_obeyed() {
    let spec = "\
include 'common.inc'
extension leak_shapes version '1.0'
requires pg >= 15, extension leak_shapes, leak_shapes >= 1.0, bits = 64, not feature nosuch
skip when pg < 15 'too old'
matrix times in (1, 2)
normalize 'LeakShapes(\\w+)' => '$1'
golden auto
scenario growth_benchmark context_top
  iterations 50
  workload { SELECT leak_shapes.context_top() FROM generate_series(1, :times); SELECT :i + :'offset'::int FROM seen }
  expect context_leak in 'Scratch'
  expect no context_leak in 'LeakShapes%'
scenario window later
  when pg >= 99
  workload { SELECT 1 }
  expect none
";
    let project = Project::new(&[
        ("specs/whole.mcspec", spec),
        ("specs/common.inc", "var offset = 5\nset work_mem = '1MB'\nsetup { CREATE TABLE seen AS SELECT 1 }\n"),
        ("specs/bug.mcspec", &format!("xfail 'known bug'\n{}", GOOD.replace("SELECT 1", "SELECT 1/0"))),
        ("specs/old.mcspec", &format!("requires extension nosuch, nosuch >= 2\n{GOOD}")),
        ("schedule", "test: whole bug old\n"),
    ]);
    let first = project.run("");
    assert_eq!(first.code, 0, "{}\n{}", first.stdout, first.stderr);
    assert_eq!(end(project.mcspec("bless whole*")).code, 0);
    for (times, contexts) in [("1", " x1/iter"), ("2", " x2/iter")] {
        let golden = project.read(&format!("expected/whole[times={times}].out"));
        assert!(golden.contains("|Scratch|") && golden.contains(contexts), "{golden}");
    }
    // The golden of one version is preferred, and named.
    let golden = project.read("expected/whole[times=2].out");
    project.write("expected/whole[times=2].pg15+.out", &golden);
    project.write("expected/whole[times=2].out", &golden.replace(" x2/iter", " x3/iter"));
    let ended = project.run("");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_golden("run/header.txt", &normalized(&ended.stdout));
}

/// A file system of that many megabytes on a directory, where this process may mount one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(directory: &'a Path, megabytes: u32) -> Option<Self> {
        let options = format!("size={megabytes}m,mode=755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(directory).output();
        mount.is_ok_and(|output| output.status.success()).then(|| SmallDisk(directory))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_is_reported_in_the_servers_words() {
    let fill = "CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 300000)";
    let project = Project::new(&[
        ("specs/big.mcspec", &GOOD.replace("scenario", &format!("setup {{ {fill} }}\nscenario"))),
        ("specs/good.mcspec", GOOD),
        ("schedule", "test: big\ntest: good\n"),
    ]);
    // Room for no data directory, and for one. Whether the client still hears the backend's last words is a race.
    for (megabytes, code, message) in [(20, 2, "initdb failed"), (150, 1, "#  specs/big.mcspec:2:9: ")] {
        let Some(_disk) = SmallDisk::mount(project.temporary(), megabytes) else {
            // Past what captures the output of tests that pass.
            let _ = writeln!(io::stderr(), "skipped: no file system can be mounted here, which takes root");
            return;
        };
        let mut command = project.command("");
        // No data directory is kept from other runs.
        command.env("XDG_CACHE_HOME", project.path(&format!("cache{megabytes}")));
        let ended = end(command);
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, code, "{text}");
        // Where half a block has found room, the server says so instead (mdextend in md.c).
        let is_full = ["No space left on device", "(53100)"].iter().any(|words| text.contains(words));
        assert!(text.contains(message) && is_full, "{text}");
        assert!(code == 2 || text.contains("\nok 2 - good "), "{text}");
        project.assert_nothing_left();
    }
}
