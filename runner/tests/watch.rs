//! `mcspec run --watch`: what a change touches is run again, and nothing else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mcspec::config::{Config, SUPPORTED_MAJORS};
use mcspec::server::{EngineFiles, Installation};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SPEC: &str = "scenario window\n  workload { SELECT 1 }\n  expect none\n";

fn toml() -> Option<String> {
    let config = Config::load().unwrap();
    let wanted = std::env::var("MCSPEC_TEST_PG").ok();
    let is_wanted =
        |major: &u32| wanted.as_ref().is_none_or(|majors| majors.split(' ').any(|word| word == major.to_string()));
    let find = |major: u32| {
        let installation = Installation::find(&[major], &config).ok()?.remove(0);
        EngineFiles::find(&installation, &config).is_ok().then_some(installation)
    };
    let pg_config = SUPPORTED_MAJORS.filter(is_wanted).find_map(find)?.pg_config.canonicalize().unwrap();
    let engine = config.engine.path.clone().unwrap().canonicalize().unwrap();
    let (engine, pg_config) = (engine.display(), pg_config.display());
    Some(format!("[engine]\npath = \"{engine}\"\n[profile.default]\npg_config = [\"{pg_config}\"]\n"))
}

/// A run that is watched, and the lines that it writes.
struct Watched {
    child: Child,
    lines: Receiver<String>,
}

impl Watched {
    fn start(project: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
        command.args(["run", "--watch", "--report", "tap"]).current_dir(project).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        Self { child, lines }
    }

    /// What is written until it waits again.
    fn until_it_waits(&self) -> Vec<String> {
        let (mut seen, started) = (Vec::new(), Instant::now());
        while !seen.iter().any(|line: &String| line.starts_with("mcspec: watching ")) {
            assert!(started.elapsed() < Duration::from_secs(120), "{seen:?}");
            seen.extend(self.lines.recv_timeout(Duration::from_millis(500)));
        }
        // What comes by the other stream.
        thread::sleep(Duration::from_millis(200));
        seen.extend(self.lines.try_iter());
        seen
    }
}

#[test]
fn a_change_runs_what_depends_on_it() {
    let Some(toml) = toml() else { return };
    let project = tempfile::tempdir().unwrap();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(project.path().join("specs")).unwrap();
    let write = |name: &str, text: &str| fs::write(project.path().join(name), text).unwrap();
    write("mcspec.toml", &toml);
    write("specs/first.mcspec", SPEC);
    write("specs/second.mcspec", &format!("include 'tables.inc'\n{SPEC}"));
    write("specs/tables.inc", "setup { SELECT 1 }\n");
    let mut watched = Watched::start(project.path());
    let ran = |lines: &[String], spec: &str| lines.iter().any(|line| line.contains("ok ") && line.contains(spec));
    let seen = watched.until_it_waits();
    assert!(ran(&seen, "first") && ran(&seen, "second"), "{seen:?}");

    // As editors do who write another file and rename it.
    write("specs/.first.swp", "x");
    write("specs/first.new", &format!("# changed\n{SPEC}"));
    fs::rename(project.path().join("specs/first.new"), project.path().join("specs/first.mcspec")).unwrap();
    let seen = watched.until_it_waits();
    assert!(seen.iter().any(|line| line == "mcspec: changed: specs/first.mcspec"), "{seen:?}");
    assert!(ran(&seen, "first") && !ran(&seen, "second"), "{seen:?}");

    // A file that one of them includes.
    write("specs/tables.inc", "setup { SELECT 2 }\n");
    let seen = watched.until_it_waits();
    assert!(!ran(&seen, "first") && ran(&seen, "second"), "{seen:?}");

    // An error is said, and when it is mended the spec is run.
    write("specs/first.mcspec", "scenari\n");
    let seen = watched.until_it_waits();
    assert!(seen.iter().any(|line| line.contains("mcspec: error: 1 error in the specs")), "{seen:?}");
    write("specs/first.mcspec", SPEC);
    let seen = watched.until_it_waits();
    assert!(ran(&seen, "first"), "{seen:?}");

    // Its own results are no change.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(watched.lines.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    kill(Pid::from_raw(watched.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(watched.child.wait().unwrap().code(), Some(143));
}
