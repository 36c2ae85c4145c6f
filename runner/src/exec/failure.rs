//! Why a case did not run to its end.

use std::fmt;
use std::time::Duration;

use postgres::error::{DbError, ErrorPosition};

use crate::plan::Place;

/// What was going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A server was made, started or connected to.
    Server,
    /// The spec's database was made.
    Database,
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
}

impl From<&DbError> for SqlError {
    fn from(error: &DbError) -> Self {
        SqlError {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context: error.where_().map(str::to_owned),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
        }
    }
}

impl SqlError {
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
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::Cancelled => "it was cancelled",
            Stopped::Terminated => "it ignored the cancel request and was terminated",
            Stopped::Killed => "it ignored the cancel request and SIGTERM and was killed",
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
    /// The backend went away.
    ConnectionLost {
        /// Its process id.
        pid: i32,
        /// What the server's log says about it.
        log: Vec<String>,
    },
    /// The time was up.
    Timeout {
        /// The time it had.
        limit: Duration,
        /// What it took to stop it.
        stopped: Stopped,
    },
    /// The engine, or the connection, answered something that cannot be used.
    Protocol(String),
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
}

impl Failure {
    /// A failure of no particular statement.
    pub fn new(step: Step, cause: Cause) -> Self {
        Failure { step, place: None, cause }
    }

    /// Whether the session is gone, and perhaps the whole server.
    pub fn lost_the_session(&self) -> bool {
        match &self.cause {
            Cause::ConnectionLost { .. } => true,
            Cause::Sql(error) | Cause::OtherError { found: error, .. } => error.is_fatal(),
            Cause::Timeout { stopped, .. } => *stopped > Stopped::Cancelled,
            _ => false,
        }
    }

    /// Whether there was no server that could be connected to.
    pub fn found_no_server(&self) -> bool {
        matches!(self.cause, Cause::Server { .. })
    }

    /// What failed, in one line.
    pub fn headline(&self) -> String {
        match &self.cause {
            Cause::Server { message, .. } => message.lines().next().unwrap_or_default().to_owned(),
            Cause::Sql(_) | Cause::Protocol(_) => format!("{} failed", self.step),
            Cause::OtherError { expected, found } => {
                format!("{} failed with {} instead of {expected}", self.step, found.code)
            }
            Cause::NoError { expected } => format!("{} did not fail with {expected}", self.step),
            Cause::ConnectionLost { pid, .. } => format!("backend {pid} went away in {}", self.step),
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
            Cause::ConnectionLost { log, .. } => log.clone(),
            Cause::Protocol(message) => vec![message.clone()],
            Cause::NoError { .. } => Vec::new(),
            Cause::Timeout { .. } => {
                vec!["HINT:  raise \"timeout\" in the scenario or in the header of the spec".to_owned()]
            }
        }
    }
}

/// An error of the client with the causes below it.
pub(super) fn sentence(error: &postgres::Error) -> String {
    use std::error::Error;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// `60 s`, `0.5 s`
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        };
        let table = [
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
                Failure::new(
                    Step::Iteration(7),
                    Cause::ConnectionLost {
                        pid: 42,
                        log: vec!["server process (PID 42) was terminated by signal 9: Killed".into()],
                    },
                ),
                "backend 42 went away in iteration 7\nserver process (PID 42) was terminated by signal 9: Killed",
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
