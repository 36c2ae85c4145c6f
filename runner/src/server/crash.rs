//! Processes of a server that ended as none should, as its postmaster reports them in the log.

use std::fmt;
use std::path::Path;

use memcheck_core::Site;

/// A process that has crashed: the postmaster ended all others because of it, or it was ended by a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// What kind of process it was, in the postmaster's words: `client backend`, `background worker "launcher"`, ...
    pub process: String,
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub end: End,
    /// The statement that it ran, where it did.
    pub statement: Option<String>,
    /// What the process, or a library in it, wrote about its end: a PANIC, a failed assertion, a backtrace.
    pub words: Vec<String>,
    /// What the engine has kept of it, where it has.
    pub culprit: Option<Culprit>,
}

/// What the engine has kept of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// What it is called: the signal, or the function that ended the process.
    pub what: String,
    /// What happened, in a clause.
    pub detail: String,
    /// What the process held.
    pub holding: Option<String>,
    /// Where it happened, and how it came to it: the library that is charged with it.
    pub site: Option<Site>,
}

/// `SIGSEGV in mine.so+0x1234 (decode, mine.c:88) holding LWLock "x"`
impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(Site { frame, .. }) = &self.site {
            let suffix = if frame.library == "postgres" { "" } else { ".so" };
            write!(f, " in {}{suffix}+{:#x}", frame.library, frame.offset)?;
            let line = frame.line.as_ref().map(|line| {
                let path = Path::new(&line.file);
                let file = if path.is_absolute() { path.file_name().map(Path::new) } else { None };
                format!("{}:{}", file.unwrap_or(path).display(), line.number)
            });
            let known: Vec<&str> = frame.symbol.iter().chain(&line).map(String::as_str).collect();
            if !known.is_empty() {
                write!(f, " ({})", known.join(", "))?;
            }
        }
        self.holding.iter().try_for_each(|holding| write!(f, " {holding}"))
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By a signal.
    Signal {
        /// Its number.
        number: i32,
        /// The system's words for it.
        name: String,
    },
    /// By itself, with this exit code.
    Code(i32),
    /// As the postmaster says.
    Other(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Signal { number, name } if name.is_empty() => write!(f, "was terminated by signal {number}"),
            End::Signal { number, name } => write!(f, "was terminated by signal {number} ({name})"),
            End::Code(code) => write!(f, "ended with exit code {code}"),
            End::Other(words) => f.write_str(words),
        }
    }
}

impl Crash {
    /// Whether it was a session's backend.
    pub fn is_backend(&self) -> bool {
        // "server process" before 18.
        matches!(self.process.as_str(), "server process" | "client backend")
    }
}

/// What is said about the end of all other processes (postmaster.c, HandleChildCrash).
const OTHERS: &str = "terminating any other active server processes";

/// What a line of a report ends with: the statement (postmaster.c, LogChildExit).
const RUNNING: &str = "Failed process was running: ";

/// So many lines of last words are enough.
const WORDS: usize = 40;

/// The crashes in a log, in their order.
pub(super) fn crashes(log: &str) -> Vec<Crash> {
    let lines: Vec<&str> = log.lines().collect();
    let reports = (0..lines.len()).filter_map(|at| Some((at, report(lines[at])?)));
    let mut crashes: Vec<Crash> = Vec::new();
    let mut after = 0;
    for (at, (process, pid, end)) in reports {
        let mut rest = at + 1;
        let statement = lines.get(rest).and_then(|line| message(line, "DETAIL")?.strip_prefix(RUNNING)).map(|first| {
            let more = lines[rest + 1..].iter().map_while(|line| line.strip_prefix('\t'));
            let statement: Vec<&str> = std::iter::once(first).chain(more).collect();
            rest += statement.len();
            statement.join("\n")
        });
        let ended_others = lines.get(rest).is_some_and(|line| line.ends_with(OTHERS));
        if ended_others || matches!(end, End::Signal { .. }) {
            let words = last_words(&lines[after..at], pid);
            crashes.push(Crash { process, pid, end, statement, words, culprit: None });
        }
        after = rest;
    }
    crashes
}

/// Whether the end of a process is reported in a log, and which and how (postmaster.c, LogChildExit).
fn report(line: &str) -> Option<(String, i32, End)> {
    let text = message(line, "LOG")?;
    let (process, rest) = text.split_once(" (PID ")?;
    let (pid, end) = rest.split_once(") ")?;
    let end = if let Some(signal) = end.strip_prefix("was terminated by signal ") {
        let (number, name) = signal.split_once(": ").unwrap_or((signal, ""));
        End::Signal { number: number.parse().ok()?, name: name.to_owned() }
    } else if let Some(code) = end.strip_prefix("exited with exit code ") {
        End::Code(code.parse().ok()?)
    } else if end.starts_with("exited with ") {
        End::Other(end.to_owned())
    } else {
        return None;
    };
    Some((process.to_owned(), pid.parse().ok()?, end))
}

/// The message of a line of that level, whatever is in front of it.
fn message<'l>(line: &'l str, level: &str) -> Option<&'l str> {
    let marker = format!("{level}:  ");
    let at = line.find(&marker)?;
    Some(&line[at + marker.len()..])
}

/// Levels of messages that a process ends with, or says why it does.
const FATAL: [&str; 3] = ["PANIC:  ", "FATAL:  ", "WARNING:  process ended by exit("];

/// What begins a line of the server's log behind its prefix, with [`FATAL`] (elog.c, error_severity and send_message_to_server_log).
const LEVELS: [&str; 16] = [
    "DEBUG:  ",
    "DEBUG1:  ",
    "DEBUG2:  ",
    "DEBUG3:  ",
    "DEBUG4:  ",
    "DEBUG5:  ",
    "LOG:  ",
    "INFO:  ",
    "NOTICE:  ",
    "WARNING:  ",
    "ERROR:  ",
    "DETAIL:  ",
    "HINT:  ",
    "CONTEXT:  ",
    "STATEMENT:  ",
    "LOCATION:  ",
];

/// What a process wrote before it ended: its last message that ends a process, with the lines that follow; and what was
/// written past the log, as the C library, assertions and sanitizers do.
pub(super) fn last_words(lines: &[&str], pid: i32) -> Vec<String> {
    // As log_line_prefix makes it.
    let prefix = format!("[{pid}] ");
    let mut own: Vec<String> = Vec::new();
    let mut past: Vec<String> = Vec::new();
    // Whether the last message is one of those, and its line a part of it.
    let (mut is_last_word, mut is_wanted) = (false, false);
    for line in lines {
        if let Some(continued) = line.strip_prefix('\t') {
            if is_wanted {
                own.push(format!("  {continued}"));
            }
        } else if let Some(text) = line.strip_prefix(&prefix) {
            let is_more =
                ["DETAIL:", "HINT:", "CONTEXT:", "BACKTRACE:", "LOCATION:"].iter().any(|m| text.starts_with(m));
            if FATAL.iter().any(|level| text.starts_with(level)) {
                own.clear();
                is_last_word = true;
            } else if !is_more && !text.starts_with("STATEMENT:") {
                is_last_word = false;
            }
            is_wanted = is_last_word && !text.starts_with("STATEMENT:");
            if is_wanted {
                own.push(text.to_owned());
            }
        } else {
            is_wanted = false;
            let is_logged = FATAL.iter().chain(&LEVELS).any(|level| line.contains(level));
            if !is_logged && !line.trim().is_empty() {
                past.push((*line).to_owned());
            }
        }
    }
    own.extend(past);
    own.truncate(WORDS);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[7] LOG:  database system is ready to accept connections
[42] ERROR:  division by zero
[42] STATEMENT:  SELECT 1/0
[7] LOG:  server process (PID 42) was terminated by signal 9: Killed
[7] DETAIL:  Failed process was running: SELECT 1,
\t2
[7] LOG:  terminating any other active server processes
[7] LOG:  all server processes terminated; reinitializing
";

    fn segfault() -> End {
        End::Signal { number: 11, name: "Segmentation fault".into() }
    }

    #[test]
    fn a_crash_is_read_from_the_log() {
        let killed = Crash {
            process: "server process".into(),
            pid: 42,
            end: End::Signal { number: 9, name: "Killed".into() },
            statement: Some("SELECT 1,\n2".into()),
            words: Vec::new(),
            culprit: None,
        };
        assert_eq!(crashes(LOG), [killed]);
        assert_eq!(crashes(""), []);
    }

    #[test]
    fn every_kind_of_process_has_a_name() {
        let table = [
            (
                "LOG:  client backend (PID 5) was terminated by signal 11: Segmentation fault",
                Some(("client backend", segfault())),
            ),
            (
                "2026 UTC [7] LOG:  background worker \"a (b)\" (PID 5) was terminated by signal 11",
                Some(("background worker \"a (b)\"", End::Signal { number: 11, name: String::new() })),
            ),
            (
                "LOG:  checkpointer process (PID 5) exited with exit code 2",
                Some(("checkpointer process", End::Code(2))),
            ),
            (
                "LOG:  archiver (PID 5) exited with unrecognized status 7",
                Some(("archiver", End::Other("exited with unrecognized status 7".into()))),
            ),
            ("LOG:  still waiting for backend with PID 5 to accept ProcSignalBarrier", None),
            ("ERROR:  x (PID 5) was terminated by signal 11", None),
            ("LOG:  x (PID y) was terminated by signal 11", None),
        ];
        for (line, expected) in table {
            let found = report(line);
            let found = found.as_ref().map(|(process, pid, end)| {
                assert_eq!(*pid, 5);
                (process.as_str(), end.clone())
            });
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn an_end_that_harms_nobody_is_no_crash() {
        let worker = "[7] LOG:  background worker \"w\" (PID 5) exited with exit code 1\n";
        assert_eq!(crashes(worker), []);
        let ends_others = format!("{worker}[7] LOG:  terminating any other active server processes\n");
        assert_eq!(crashes(&ends_others)[0].end, End::Code(1));
    }

    #[test]
    fn last_words_are_those_of_the_process_and_of_its_libraries() {
        let log = "\
[42] WARNING:  something
[42] DETAIL:  else
[41] PANIC:  not this one
[42] PANIC:  no space
\tleft
[42] CONTEXT:  in a function
[42] STATEMENT:  SELECT 1
\tFROM t
free(): invalid pointer
[7] LOG:  server process (PID 42) was terminated by signal 6: Aborted
";
        let words = ["PANIC:  no space", "  left", "CONTEXT:  in a function", "free(): invalid pointer"];
        assert_eq!(crashes(log)[0].words, words);
        // Whatever the prefix is, a message is none that was written past the log.
        assert_eq!(crashes(&log.replace('[', "pid "))[0].words, ["free(): invalid pointer"]);
    }
}
