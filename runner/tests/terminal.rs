//! What a terminal shows while somebody waits, and that nothing of it stays or gets into anything else.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::project::{Project, end};
use nix::pty::{OpenptyResult, Winsize, openpty};

/// Two specs, each for a server of its own.
const FILES: [(&str, &str); 2] = [
    (
        "specs/first.mcspec",
        "extension leak_shapes\npreload leak_shapes\nscenario window one\n  iterations 1\n  warmup 0\n  workload { SELECT pg_sleep(0.5) }\n  expect none\n\
         scenario window \"a name that is much longer than any line of a terminal of forty columns, and of eighty\"\n  iterations 1\n  \
         warmup 0\n  workload { SELECT pg_sleep(0.5) }\n  expect none\n",
    ),
    (
        "specs/second.mcspec",
        "scenario window two\n  iterations 1\n  warmup 0\n  workload { SELECT pg_sleep(0.5) }\n  expect none\n",
    ),
];

/// Lines of the terminals.
const LINES: NonZero<u16> = NonZero::new(50).unwrap();

/// A program on a terminal, and what that has shown.
struct Terminal {
    child: Child,
    master: File,
    bytes: Receiver<Vec<u8>>,
    columns: u16,
}

/// What a program has left on its terminal.
struct Shown {
    code: i32,
    bytes: String,
    /// Every last line that there was.
    last: Vec<String>,
    screen: String,
}

impl Terminal {
    /// Starts a command on a terminal that is its controlling one.
    fn start(command: &Command, columns: u16, output: Option<Stdio>) -> Self {
        let size = Winsize { ws_row: LINES.get(), ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        let other = |slave: &OwnedFd| Stdio::from(slave.try_clone().unwrap());
        let mut setsid = Command::new("setsid");
        setsid.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        setsid.current_dir(command.get_current_dir().unwrap()).env_remove("CI").env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => setsid.env(name, value),
                None => setsid.env_remove(name),
            };
        }
        setsid.stdin(other(&slave)).stdout(output.unwrap_or_else(|| other(&slave))).stderr(other(&slave));
        let child = setsid.spawn().unwrap();
        drop((setsid, slave));
        let master = File::from(master);
        let (sender, bytes) = channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let _ = sender.send(buffer[..n].to_vec());
            }
        });
        Terminal { child, master, bytes, columns }
    }

    /// Waits for its end; a text that is shown is answered by keys, once.
    fn end(mut self, mut answer: Option<(&str, &[u8])>) -> Shown {
        let mut screen = vt100::Parser::new(LINES, NonZero::new(self.columns).unwrap(), 0);
        let (mut all, mut last, started) = (Vec::new(), Vec::new(), Instant::now());
        loop {
            match self.bytes.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => {
                    screen.process(&bytes);
                    all.extend(bytes);
                    let text = screen.screen().contents();
                    last.push(text.lines().last().unwrap_or_default().to_owned());
                    if answer.is_some_and(|(asked, _)| text.contains(asked)) {
                        self.master.write_all(answer.take().unwrap().1).unwrap();
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(_) => assert!(started.elapsed() < Duration::from_secs(120), "{}", screen.screen().contents()),
            }
        }
        let code = self.child.wait().unwrap().code().unwrap();
        Shown { code, bytes: String::from_utf8(all).unwrap(), last, screen: screen.screen().contents() }
    }
}

fn show(command: &Command, columns: u16) -> Shown {
    Terminal::start(command, columns, None).end(None)
}

/// A project whose extension has not been built yet.
fn project() -> Project {
    Project::new(&FILES)
}

fn run(project: &Project, arguments: &str) -> Command {
    let mut command = project.command(arguments);
    command.env("XDG_CACHE_HOME", project.path("cache"));
    command
}

#[test]
fn phases_are_shown_and_leave_nothing() {
    for (columns, jobs) in [(80, "1"), (40, "2")] {
        let project = project();
        let major = project.major();
        let shown = show(&run(&project, &format!("--jobs {jobs}")), columns);
        assert_eq!(shown.code, 0, "{}", shown.screen);
        let is_shown = |text: &str| shown.last.iter().any(|line| line.starts_with(text));
        for phase in [
            format!("building leak_shapes for PostgreSQL {major}"),
            format!("making a data directory of PostgreSQL {major}"),
            format!("scenario 0/3, starting PostgreSQL {major}"),
        ] {
            let begin: String = phase.chars().take(usize::from(columns) - 4).collect();
            assert!(is_shown(&begin), "{phase}\n{:?}", shown.last);
        }
        assert!(is_shown("scenario 1/3, first: window one") || jobs == "2", "{:?}", shown.last);
        assert!(is_shown("scenario 3/3, ") || jobs == "2", "{:?}", shown.last);
        // Only the report, each line of it whole.
        let report: String = shown.screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.contains("ok 1 - first ") && report.contains("ok 2 - second "), "{}", shown.screen);
        assert!(shown.screen.contains("2 passed, 0 failed in "), "{}", shown.screen);
        for phase in ["/3", "building", "starting", "making", "…"] {
            assert!(!shown.screen.contains(phase), "{phase}\n{}", shown.screen);
        }
        // No line of it wraps.
        let widest =
            shown.last.iter().filter(|line| line.starts_with("scenario ")).map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= usize::from(columns) - 3, "{:?}", shown.last);
        project.assert_nothing_left();
    }
}

#[test]
fn nothing_of_it_is_anywhere_else() {
    let project = project();
    for (arguments, variable) in [
        ("", Some(("TERM", "dumb"))),
        ("", Some(("CI", "true"))),
        ("-q", None),
        ("--report tap", None),
        ("--report json", None),
        ("--report pretty --report tap", None),
    ] {
        let mut command = run(&project, &format!("second --color never {arguments}"));
        command.envs(variable);
        let shown = show(&command, 80);
        assert_eq!(shown.code, 0, "{}", shown.screen);
        assert!(!shown.bytes.contains('\x1b'), "{arguments} {variable:?}\n{:?}", shown.bytes);
        assert!(!shown.bytes.contains("starting PostgreSQL"), "{arguments} {variable:?}\n{:?}", shown.bytes);
    }
    // The report goes to a file, and errors to the terminal.
    let output = File::create(project.path("report")).unwrap();
    let shown = Terminal::start(&run(&project, "second"), 80, Some(output.into())).end(None);
    assert_eq!((shown.code, shown.bytes.contains('\x1b')), (0, false), "{:?}", shown.bytes);
    let plain = end(run(&project, "second"));
    assert!(!plain.stderr.contains('\x1b') && !plain.stdout.contains('\x1b'));
    // Where it is shown at all.
    let shown = show(&run(&project, "second --report tap=report.tap"), 80);
    assert!(shown.bytes.contains("starting PostgreSQL"), "{:?}", shown.bytes);
    let tap = project.read("report.tap");
    assert!(tap.starts_with("TAP version 13\n1..1\nok 1 - second # time="), "{tap}");
    assert!(!tap.contains('\x1b') && !tap.contains("starting"), "{tap}");
}

#[test]
fn an_interrupt_leaves_nothing_of_it() {
    let project = Project::new(&[(
        "specs/long.mcspec",
        "scenario window forever\n  iterations 1\n  warmup 0\n  workload { SELECT pg_sleep(100) }\n  expect none\n",
    )]);
    let terminal = Terminal::start(&run(&project, ""), 80, None);
    let shown = terminal.end(Some(("scenario 1/1, long: window forever", b"\x03")));
    assert_eq!(shown.code, 130, "{}", shown.screen);
    assert!(!shown.screen.contains("scenario 1/1") && !shown.screen.contains("^C"), "{}", shown.screen);
    assert!(shown.screen.trim_end().ends_with("mcspec: interrupted"), "{}", shown.screen);
    project.assert_nothing_left();
}

/// What the command writes comes byte for byte, from the first one on.
#[test]
fn the_output_of_a_command_is_its_own() {
    let project = project();
    let mut command = project.mcspec("exec --extension leak_shapes");
    command.env("XDG_CACHE_HOME", project.path("cache")).arg("--pg-config").arg(project.pg_config());
    command.args(["--", "sh", "-c", "printf '<\\033[31m\\007'; sleep 0.5; printf 'x>' >&2; sleep 0.5; printf '\\n'"]);
    let shown = show(&command, 80);
    // No session has come to the server.
    assert_eq!(shown.code, 1, "{}", shown.screen);
    assert!(shown.last.iter().any(|line| line.starts_with("building leak_shapes")), "{:?}", shown.last);
    assert!(shown.bytes.contains("<\x1b[31m\x07x>\r\n"), "{:?}", shown.bytes);
    let before = &shown.bytes[..shown.bytes.find('<').unwrap()];
    assert!(before.ends_with("\r\x1b[J"), "{before:?}");
    let after = &shown.bytes[shown.bytes.find("x>").unwrap()..];
    assert!(!after.contains("\x1b[J") && after.contains("0 passed, 1 failed"), "{after:?}");
}
