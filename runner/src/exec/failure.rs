//! Why a case did not run to its end.

use std::fmt;
use std::time::Duration;

use memcheck_core::FAULT_SQLSTATE;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::language::sql::COPY_HINT;
use crate::panicked::{self, Panicked};
use crate::plan::Place;
use crate::server::Crash;
use crate::server::connect::NO_DATA;

/// What was going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A server was made, started or connected to.
    Server,
    /// A database is made ready.
    Database,
    /// A database is made or dropped, by this statement.
    Administration(String),
    /// `CREATE EXTENSION`, or the update to the version under test.
    Extension(String),
    /// The catalogs were asked for the libraries under test.
    Targets,
    /// `set`
    Setting(String),
    /// `setup`
    Setup,
    /// An execution of the workload before the window, from 1.
    WarmUp(u64),
    /// A worker is waited for, or watched.
    Worker(String),
    /// A call of the engine.
    Engine(&'static str),
    /// An iteration of the window, from 1.
    Iteration(u64),
    /// A step of a ladder: the number of rows.
    Rows(u64),
    /// `teardown`
    Teardown,
    /// A step of a session.
    SessionStep(String),
    /// The steps of a permutation as a whole.
    Permutation,
    /// Between the two runs of a permutation, sessions are made what they were.
    Renewal,
    /// The same in the second run of a permutation, where the first one came by it.
    Again(Box<Step>),
    /// A program of the user's on a server for it.
    Command,
    /// A spec as a whole.
    Spec,
    /// A scenario as a whole.
    Scenario,
    /// The time after a scenario, before the next begins.
    AfterScenario,
    /// A session is opened.
    SessionStart,
    /// A session has been told to end.
    SessionEnd,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Server => f.write_str("the server"),
            Step::Database => f.write_str("making the database"),
            Step::Extension(name) => write!(f, "creating extension \"{name}\""),
            Step::Targets => f.write_str("finding the libraries of the extensions"),
            Step::Setting(name) => write!(f, "setting \"{name}\""),
            Step::Setup => f.write_str("setup"),
            Step::WarmUp(n) => write!(f, "warm-up {n}"),
            Step::Worker(name) => write!(f, "worker \"{name}\""),
            Step::Engine(function) => write!(f, "ext_memcheck.{function}()"),
            Step::Iteration(n) => write!(f, "iteration {n}"),
            Step::Rows(n) => write!(f, "the workload at {n} rows"),
            Step::Teardown => f.write_str("teardown"),
            Step::SessionStep(name) => write!(f, "step \"{name}\""),
            Step::Permutation => f.write_str("the permutation"),
            Step::Renewal => f.write_str("giving back what sessions kept of the permutation"),
            Step::Again(step) => write!(f, "{step}, in the second run of the permutation,"),
            Step::Administration(sql) => f.write_str(sql),
            Step::Command => f.write_str("the command"),
            Step::Spec => f.write_str("the spec"),
            Step::Scenario => f.write_str("the scenario"),
            Step::AfterScenario => f.write_str("after the scenario"),
            Step::SessionStart => f.write_str("the start of a session"),
            Step::SessionEnd => f.write_str("the end of the session"),
        }
    }
}

impl Step {
    /// `setup` or `teardown`
    pub(super) fn fixture(what: &str) -> Self {
        if what == "setup" { Step::Setup } else { Step::Teardown }
    }

    /// When something happened.
    fn during(&self) -> String {
        match self {
            Step::SessionStart | Step::SessionEnd => format!("at {self}"),
            Step::Again(step) => format!("{}, in the second run of the permutation", step.during()),
            Step::Renewal => format!("while {self}"),
            Step::AfterScenario => self.to_string(),
            Step::Command => format!("under {self}"),
            Step::Database | Step::Extension(_) | Step::Targets | Step::Setting(_) => format!("while {self}"),
            _ => format!("in {self}"),
        }
    }
}

/// An error as the server reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// SQLSTATE
    pub code: String,
    /// The primary message.
    pub message: String,
    /// `DETAIL`
    pub detail: Option<String>,
    /// `HINT`
    pub hint: Option<String>,
    /// `CONTEXT`
    pub context: Option<String>,
    /// Where in the text that was sent, in characters from 1.
    pub position: Option<u32>,
    /// The process that has ended with it, where it has.
    pub backend: Option<i32>,
}

impl From<&DbError> for SqlError {
    fn from(error: &DbError) -> Self {
        let asks_for_rows = error.message().ends_with(NO_DATA);
        SqlError {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().or(asks_for_rows.then_some(COPY_HINT)).map(str::to_owned),
            context: error.where_().map(str::to_owned),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
            backend: None,
        }
    }
}

impl SqlError {
    /// Whether it is a fault of a library, of which the engine has made an ERROR: the session goes on.
    pub fn is_landed_fault(&self) -> bool {
        self.code.as_bytes() == FAULT_SQLSTATE && !self.is_fatal()
    }

    /// Whether the session ended with it.
    pub fn is_fatal(&self) -> bool {
        self.severity != "ERROR"
    }

    /// The lines psql prints, with the SQLSTATE.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}:  {} ({})", self.severity, self.message, self.code)];
        let rest = [("DETAIL", &self.detail), ("HINT", &self.hint), ("CONTEXT", &self.context)];
        for (name, text) in rest {
            if let Some(text) = text {
                let mut text = text.lines();
                lines.push(format!("{name}:  {}", text.next().unwrap_or_default()));
                lines.extend(text.map(|line| format!("  {line}")));
            }
        }
        lines
    }
}

/// What it took to stop a session that did not come back in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stopped {
    /// A cancel request.
    Cancelled,
    /// SIGTERM
    Terminated,
    /// SIGKILL
    Killed,
    /// Nothing did.
    Left,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::Cancelled => "it was cancelled",
            Stopped::Terminated => "it ignored the cancel request and was terminated",
            Stopped::Killed => "it ignored the cancel request and SIGTERM and was killed",
            Stopped::Left => "it could not be stopped",
        })
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No server, or no connection to it.
    Server {
        /// What failed, with the server's own words.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A statement failed.
    Sql(Box<SqlError>),
    /// A statement failed with another error than the expected one.
    OtherError {
        /// The SQLSTATE of `expect error`.
        expected: String,
        /// What came instead.
        found: Box<SqlError>,
    },
    /// An iteration that should have failed did not.
    NoError {
        /// The SQLSTATE of `expect error`.
        expected: String,
    },
    /// A process of the server crashed, this session's own or another one.
    Crash(Box<Crash>),
    /// The postmaster is gone, with all of its processes.
    PostmasterGone(String),
    /// The backend went away, and nothing of the server has crashed as far as is known.
    ConnectionLost {
        /// Its process id.
        pid: i32,
        /// What it has written about its end.
        log: Vec<String>,
    },
    /// The time was up.
    Timeout {
        /// The time it had.
        limit: Duration,
        /// What it took to stop it.
        stopped: Stopped,
    },
    /// The run was interrupted.
    Interrupted {
        /// What it took to stop it.
        stopped: Stopped,
    },
    /// A program of the user's did not end well: how, in a sentence.
    Program(String),
    /// The engine, or the connection, answered something that cannot be used.
    Protocol(String),
    /// The fault is mcspec's own.
    Panicked(Box<Panicked>),
}

/// Why a case did not run to its end: one message, with the server's own error.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was going on.
    pub step: Step,
    /// The clause or statement, where there is one.
    pub place: Option<Place>,
    /// What went wrong.
    pub cause: Cause,
    /// What went wrong after it, such as in the teardown.
    pub later: Vec<Failure>,
}

impl Failure {
    /// A failure of no particular statement.
    pub fn new(step: Step, cause: Cause) -> Self {
        Self::at(step, None, cause)
    }

    /// A failure at a place of the spec.
    pub fn at(step: Step, place: Option<&Place>, cause: Cause) -> Self {
        Failure { step, place: place.cloned(), cause, later: Vec::new() }
    }

    /// The failure, there unless it has a place of its own.
    #[must_use]
    pub fn or_at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// This failure, with what went wrong after it.
    #[must_use]
    pub fn then(mut self, later: Option<Failure>) -> Self {
        if let Some(mut failure) = later {
            let rest = std::mem::take(&mut failure.later);
            self.later.push(failure);
            self.later.extend(rest);
        }
        self
    }

    /// Whether it came before anything that the spec asks for: there is no server, or the extension cannot be created.
    pub fn is_before_the_spec(&self) -> bool {
        let is_before = matches!(
            self.step,
            Step::Server | Step::Database | Step::Administration(_) | Step::Extension(_) | Step::Targets
        );
        is_before && !matches!(self.cause, Cause::Crash(_))
    }

    /// Whether it is a fault of a library of which the engine has made an ERROR.
    pub fn is_landed_fault(&self) -> bool {
        match &self.cause {
            Cause::Sql(error) | Cause::OtherError { found: error, .. } => error.is_landed_fault(),
            _ => false,
        }
    }

    /// This failure and those after it.
    pub fn all(&self) -> impl Iterator<Item = &Failure> {
        std::iter::once(self).chain(&self.later)
    }

    /// In a run that is being interrupted: what comes of servers that go away, and of what is cancelled, is the interrupt's. What a
    /// statement says for itself is not.
    pub(super) fn of_interrupt(mut self) -> Self {
        let is_cancelled = |error: &SqlError| error.is_fatal() || error.code == "57014";
        let is_of_it = match &self.cause {
            Cause::Sql(error) => is_cancelled(error),
            Cause::OtherError { found, .. } => is_cancelled(found),
            Cause::Interrupted { .. } | Cause::NoError { .. } => false,
            _ => true,
        };
        if is_of_it {
            self.cause = Cause::Interrupted { stopped: Stopped::Terminated };
        }
        self.later = self.later.into_iter().map(Failure::of_interrupt).collect();
        self
    }

    /// Whether the session is gone, and perhaps the whole server.
    pub fn lost_the_session(&self) -> bool {
        match &self.cause {
            Cause::ConnectionLost { .. } | Cause::Crash(_) | Cause::PostmasterGone(_) => true,
            Cause::Sql(error) | Cause::OtherError { found: error, .. } => error.is_fatal(),
            Cause::Timeout { stopped, .. } | Cause::Interrupted { stopped } => *stopped > Stopped::Cancelled,
            _ => false,
        }
    }

    /// Whether the server ends all sessions for it, also such as are opened before it knows: a process has crashed, or was killed by this run.
    pub fn ended_all_sessions(&self) -> bool {
        match &self.cause {
            Cause::Crash(_) | Cause::PostmasterGone(_) => true,
            Cause::Timeout { stopped, .. } | Cause::Interrupted { stopped } => *stopped >= Stopped::Killed,
            _ => false,
        }
    }

    /// Whether there was no server that could be connected to.
    pub fn found_no_server(&self) -> bool {
        match self.cause {
            Cause::Server { .. } => true,
            Cause::PostmasterGone(_) => self.step == Step::SessionStart,
            _ => false,
        }
    }

    /// Whether this, or what went wrong after it, accounts for that crash: it is the crash, or this run has killed the process.
    pub fn accounts_for(&self, crash: &Crash) -> bool {
        self.all().any(|failure| match &failure.cause {
            Cause::Crash(known) => known.pid == crash.pid,
            Cause::Timeout { stopped, .. } | Cause::Interrupted { stopped } => *stopped == Stopped::Killed,
            _ => false,
        })
    }

    /// What failed, in one line.
    pub fn headline(&self) -> String {
        match &self.cause {
            Cause::Server { message, .. } => message.lines().next().unwrap_or_default().to_owned(),
            Cause::Sql(error) if let Some(pid) = error.backend => format!("backend {pid} ended {}", self.step.during()),
            Cause::Sql(_) | Cause::Protocol(_) => format!("{} failed", self.step),
            Cause::OtherError { expected, found } => {
                format!("{} failed with {} instead of {expected}", self.step, found.code)
            }
            Cause::NoError { expected } => format!("{} did not fail with {expected}", self.step),
            Cause::Crash(crash) if let Some(culprit) = &crash.culprit => {
                let process = if crash.is_backend() { "backend" } else { &crash.process };
                format!("{process} {} died of {culprit} {}", crash.pid, self.step.during())
            }
            Cause::Crash(crash) if crash.is_backend() => {
                format!("backend {} {} {}", crash.pid, crash.end, self.step.during())
            }
            Cause::Crash(crash) => {
                format!("{} (PID {}) {} {}", crash.process, crash.pid, crash.end, self.step.during())
            }
            Cause::PostmasterGone(message) => {
                format!("{} {}", message.lines().next().unwrap_or_default(), self.step.during())
            }
            Cause::ConnectionLost { pid, .. } => format!("backend {pid} went away {}", self.step.during()),
            Cause::Panicked(panicked) => panicked.to_string(),
            Cause::Program(how) => how.clone(),
            Cause::Interrupted { .. } => format!("{} was interrupted", self.step),
            Cause::Timeout { limit, stopped } => {
                format!("{} was not done after {}: {stopped}", self.step, seconds(*limit))
            }
        }
    }

    /// The server's own words, a line each.
    pub fn particulars(&self) -> Vec<String> {
        let mut lines = self.words();
        if matches!(self.step, Step::Again(_)) && self.place.is_some() {
            let hint = "the first run came by it: what it has made outside of its sessions, \"teardown\" has to undo";
            lines.push(format!("HINT:  {hint}"));
        }
        lines
    }

    fn words(&self) -> Vec<String> {
        match &self.cause {
            Cause::Server { message, hint } => {
                let rest = message.lines().skip(1).map(str::to_owned);
                rest.chain(hint.iter().map(|hint| format!("HINT:  {hint}"))).collect()
            }
            Cause::Sql(error) | Cause::OtherError { found: error, .. } => error.lines(),
            Cause::Crash(crash) => {
                let statement = crash.statement.iter().flat_map(|sql| {
                    let mut lines = sql.lines();
                    let first = format!("DETAIL:  Failed process was running: {}", lines.next().unwrap_or_default());
                    std::iter::once(first).chain(lines.map(|line| format!("  {line}")))
                });
                let detail = crash.culprit.iter().map(|culprit| format!("DETAIL:  {}", culprit.detail));
                detail.chain(crash.words.iter().cloned()).chain(statement).collect()
            }
            Cause::PostmasterGone(message) => message.lines().skip(1).map(str::to_owned).collect(),
            Cause::ConnectionLost { log, .. } => log.clone(),
            Cause::Protocol(message) => vec![message.clone()],
            Cause::Panicked(_) => vec![format!("HINT:  {}", panicked::HINT)],
            Cause::NoError { .. } | Cause::Interrupted { .. } | Cause::Program(_) => Vec::new(),
            Cause::Timeout { .. } => {
                vec!["HINT:  raise \"timeout\" in the scenario or in the header of the spec".to_owned()]
            }
        }
    }
}

/// `60 s`, `0.5 s`
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use memcheck_core::census::SiteId;
    use memcheck_core::{Frame, Line, Site};

    use super::*;
    use crate::server::{Culprit, End};

    #[test]
    fn every_cause_reads_as_one_message() {
        let error = || SqlError {
            severity: "ERROR".into(),
            code: "42P01".into(),
            message: "relation \"t\" does not exist".into(),
            detail: Some("two\nlines".into()),
            hint: None,
            context: None,
            position: None,
            backend: None,
        };
        let crash = |process: &str| Crash {
            process: process.into(),
            pid: 42,
            end: End::Signal { number: 9, name: "Killed".into() },
            statement: Some("SELECT\n1".into()),
            words: Vec::new(),
            culprit: None,
        };
        let culprit = Culprit {
            what: "SIGSEGV".into(),
            detail: "read at address 0x0, through a null pointer".into(),
            holding: Some("holding LWLock \"x\"".into()),
            site: Some(Site {
                frame: Frame {
                    library: "mine".into(),
                    offset: 0x1234,
                    symbol: Some("decode".into()),
                    line: Some(Line { file: "src/mine.c".into(), number: 88 }),
                    ..Frame::default()
                },
                ..Site::numbered(SiteId(0))
            }),
        };
        let table = [
            (
                Failure::new(
                    Step::Iteration(7),
                    Cause::Crash(Box::new(Crash { culprit: Some(culprit), ..crash("client backend") })),
                ),
                "backend 42 died of SIGSEGV in mine.so+0x1234 (decode, src/mine.c:88) holding LWLock \"x\" in iteration 7\n\
                 DETAIL:  read at address 0x0, through a null pointer\nDETAIL:  Failed process was running: SELECT\n  1",
            ),
            (
                Failure::new(
                    Step::WarmUp(1),
                    Cause::Sql(Box::new(SqlError {
                        severity: "FATAL".into(),
                        detail: None,
                        backend: Some(42),
                        ..error()
                    })),
                ),
                "backend 42 ended in warm-up 1\nFATAL:  relation \"t\" does not exist (42P01)",
            ),
            (
                Failure::new(Step::Iteration(3), Cause::Sql(Box::new(error()))),
                "iteration 3 failed\nERROR:  relation \"t\" does not exist (42P01)\nDETAIL:  two\n  lines",
            ),
            (
                Failure::new(
                    Step::WarmUp(1),
                    Cause::OtherError {
                        expected: "22012".into(),
                        found: Box::new(SqlError { detail: None, ..error() }),
                    },
                ),
                "warm-up 1 failed with 42P01 instead of 22012\nERROR:  relation \"t\" does not exist (42P01)",
            ),
            (
                Failure::new(Step::Iteration(1), Cause::NoError { expected: "22012".into() }),
                "iteration 1 did not fail with 22012",
            ),
            (
                Failure::new(Step::Iteration(7), Cause::Crash(Box::new(crash("client backend")))),
                "backend 42 was terminated by signal 9 (Killed) in iteration 7\nDETAIL:  Failed process was running: SELECT\n  1",
            ),
            (
                Failure::new(
                    Step::Scenario,
                    Cause::Crash(Box::new(Crash { statement: None, ..crash("checkpointer") })),
                ),
                "checkpointer (PID 42) was terminated by signal 9 (Killed) in the scenario",
            ),
            (
                Failure::new(Step::SessionEnd, Cause::ConnectionLost { pid: 42, log: vec!["x".into()] }),
                "backend 42 went away at the end of the session\nx",
            ),
            (
                Failure::new(Step::WarmUp(1), Cause::PostmasterGone("the postmaster is gone\nPANIC".into())),
                "the postmaster is gone in warm-up 1\nPANIC",
            ),
            (
                Failure::new(
                    Step::Setup,
                    Cause::Timeout { limit: Duration::from_millis(1500), stopped: Stopped::Killed },
                ),
                "setup was not done after 1.5 s: it ignored the cancel request and SIGTERM and was killed\n\
                 HINT:  raise \"timeout\" in the scenario or in the header of the spec",
            ),
            (
                Failure::new(
                    Step::Server,
                    Cause::Server {
                        message: "could not start the server\nFATAL:  x".into(),
                        hint: Some("mend it".into()),
                    },
                ),
                "could not start the server\nFATAL:  x\nHINT:  mend it",
            ),
        ];
        for (failure, text) in table {
            let mut lines = vec![failure.headline()];
            lines.extend(failure.particulars());
            assert_eq!(lines.join("\n"), text);
        }
    }
}
