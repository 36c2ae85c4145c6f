//! A run that is interrupted or killed at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::case::{Case, Choice};
use crate::cluster::Cluster;
use crate::project::{Ended, Project, end, wait};
use crate::sound::send;
use crate::traces::Before;

const SCHEDULE: &str = "test: leaky many\ntest: sessions quiet\n";

const LEAKY: &str = "\
extension leak_shapes

scenario growth_benchmark context_top
  iterations 50
  workload { SELECT leak_shapes.context_top(); }
  expect context_leak in 'LeakShapesScratch'

scenario tx_abort_loop
  iterations 20
  workload { SELECT leak_shapes.xact_abort(); }
";

const SESSIONS: &str = "\
extension leak_shapes

setup    { CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL); INSERT INTO account VALUES (1, 0); }
teardown { DROP TABLE account; }

session leaker
setup        { BEGIN; }
step leak    { SELECT leak_shapes.top_8k() FROM generate_series(1, 20); }
step deposit { UPDATE account SET balance = balance + 1 WHERE id = 1; }
step commit1 { COMMIT; }

session clean
setup         { BEGIN; }
step withdraw { UPDATE account SET balance = balance - 1 WHERE id = 1; }
step commit2  { COMMIT; }

permutation leak deposit withdraw commit1 commit2
permutation withdraw leak deposit commit2 commit1
";

const QUIET: &str = "scenario window\n  workload { SELECT pg_sleep(0.01) }\n  expect none\n";

const SIGNALS: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL, Signal::SIGKILL];

/// A project whose specs pass, with what it takes to know that they still would.
pub(crate) struct Passing {
    pub(crate) project: Project,
    /// Its goldens and all else that no run changes, by name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Passing {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let many: String = (1..40)
            .map(|n| {
                format!(
                    "scenario window w{n}\n  workload {{ SELECT leak_shapes.top_8k() FROM generate_series(1, {n}) }}\n"
                )
            })
            .collect();
        let files = [
            ("schedule", SCHEDULE),
            ("specs/leaky.mcspec", LEAKY),
            ("specs/many.mcspec", &format!("extension leak_shapes\n{many}")),
            ("specs/sessions.mcspec", SESSIONS),
            ("specs/quiet.mcspec", QUIET),
        ];
        let project = Project::of(&cluster.installation, &files);
        let first = project.run("schedule");
        assert_eq!(first.code, 1, "{}{}", first.stdout, first.stderr);
        let blessed = end(project.mcspec("bless"));
        assert_eq!(blessed.code, 0, "{}{}", blessed.stdout, blessed.stderr);
        let files = project.files();
        Passing { project, files }
    }

    /// Fails where a file is not what it was, or there is another one.
    #[track_caller]
    pub(crate) fn assert_same_files(&self) {
        let now = self.project.files();
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&now), names(&self.files));
        for (name, text) in &self.files {
            assert!(now[name] == *text, "{name} is now:\n{}", String::from_utf8_lossy(&now[name]));
        }
    }
}

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let passing = Passing::new(cluster);
    let passes = || {
        let passed = passing.project.run("schedule");
        assert_eq!(passed.code, 0, "{}{}", passed.stdout, passed.stderr);
    };
    let started = Instant::now();
    passes();
    let took = started.elapsed();
    choice.each(name, cluster.installation.version.major(), count, |case| interrupt(&passing, took, case));
    passes();
    passing.assert_same_files();
}

fn interrupt(passing: &Passing, took: Duration, case: &mut Case) {
    let project = &passing.project;
    let before = Before::now(&[project.temporary()]);
    let signal = *case.pick(&SIGNALS);
    let most = u64::try_from(took.as_micros()).expect("a time");
    let delay = Duration::from_micros(case.below(most * 11 / 10));
    let again = (case.below(4) == 0).then(|| Duration::from_millis(case.below(1500)));
    let is_for_all = case.below(2) == 0;
    case.tell(&format!(
        "{signal} after {delay:?} of {took:?}, again after {again:?}, for the whole group {is_for_all}"
    ));
    let mut command = project.command("-j 2 --report tap --report json=results.json --report junit=results.xml");
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let pid = i32::try_from(child.id()).expect("a pid");
    let target = if is_for_all { -pid } else { pid };
    let ended = thread::scope(|scope| {
        let ends = scope.spawn(|| wait(child));
        for delay in [Some(delay), again].into_iter().flatten() {
            let deadline = Instant::now() + delay;
            while Instant::now() < deadline && !ends.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            if !ends.is_finished() {
                send(target, signal);
            }
        }
        ends.join().expect("it has ended")
    });
    if signal == Signal::SIGKILL {
        // The next run clears away what is left.
        let next = project.command("specs/quiet.mcspec").output().expect("it has run");
        assert!(next.status.success(), "{}", String::from_utf8_lossy(&next.stdout));
    } else {
        assert_ended_by(&ended, signal);
    }
    before.assert_nothing_left();
    // What is there is whole.
    let reports = [("results.json", "}\n"), ("results.xml", "</testsuites>\n")];
    for (report, end) in reports {
        if let Ok(text) = fs::read_to_string(project.path(report)) {
            assert!(text.ends_with(end), "{report}: {text}");
            fs::remove_file(project.path(report)).expect("removed");
        }
    }
    for entry in fs::read_dir(project.path("results")).expect("results").flatten() {
        let text = fs::read_to_string(entry.path()).expect("read");
        let is_json = entry.path().extension().is_some_and(|end| end == "json");
        assert!(!is_json || serde_json::from_str::<Value>(&text).is_ok(), "{}: {text}", entry.path().display());
        assert!(!text.contains("\"failed\"") || text.contains("interrupted"), "{}: {text}", entry.path().display());
    }
    passing.assert_same_files();
    // What a run has found that did not come to its end changes no golden.
    end(project.mcspec("bless"));
    passing.assert_same_files();
}

/// The run was interrupted, or had come to its end before. No spec fails for any other reason.
fn assert_ended_by(ended: &Ended, signal: Signal) {
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    if ended.code == 0 {
        assert!(!said.contains("not ok"), "{said}");
        return;
    }
    let code = if signal == Signal::SIGINT { 130 } else { 128 + signal as i32 };
    assert_eq!(ended.code, code, "{said}");
    assert!(ended.stderr.ends_with("mcspec: interrupted\n"), "{said}");
    let mut failures = ended.stdout.split("\nnot ok ").skip(1);
    assert!(failures.all(|failure| failure.contains("interrupted")), "{said}");
}
