//! What happens in a permutation, step by step.

use std::time::Duration;

use super::failure::{SqlError, Stopped};
use crate::plan::Batch;

/// Something that happened in a permutation.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A permutation begins.
    Begins {
        /// Its position.
        permutation: usize,
    },
    /// A notice was raised in a session.
    Notice {
        /// The session.
        session: usize,
        /// What was raised.
        notice: SqlError,
    },
    /// A step that is not over is left alone for now.
    Waiting {
        /// The step.
        step: usize,
        /// What it waits for.
        wait: Wait,
    },
    /// A step is over; its outcomes follow.
    Completed {
        /// The step.
        step: usize,
        /// Whether it was reported to be waiting.
        waited: bool,
    },
    /// What a statement of the step that was completed last came to.
    Outcome(Outcome),
    /// What the last result of a setup or teardown was.
    Fixture(Outcome),
    /// Something went wrong that does not end the permutation.
    Forgiven(Halt),
    /// A session that listens was told something.
    Notified {
        /// The session.
        session: usize,
        /// What it was told.
        notification: Notification,
        /// The session that told it, if it was one of these.
        sender: Option<usize>,
    },
    /// The time of a step was up, and it was asked to end.
    Cancelled {
        /// The step.
        step: usize,
        /// How long it had taken.
        after: Duration,
    },
}

/// Why a step is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A lock that another session of the spec holds, or a marker.
    Usual,
    /// A wait event of this kind that stays.
    Event(String),
}

/// The rows of one result, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names.
    pub columns: Vec<String>,
    /// A value for each column.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many more rows there were.
    pub more: usize,
}

/// What one statement of a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, without rows.
    Command,
    /// Rows, perhaps none.
    Rows(Table),
    /// An error.
    Failed(Box<SqlError>),
    /// The connection is gone.
    Lost,
    /// Something that the client library does not understand.
    Unexpected(String),
    /// A fixture, or a statement of the runner's own, that was not over in time.
    TimedOut {
        /// The time it had.
        limit: Duration,
        /// What it took to stop it.
        stopped: Stopped,
    },
}

/// A message of LISTEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// What was sent.
    pub payload: String,
    /// Backend that sent it.
    pub pid: i32,
}

/// Why a permutation cannot go on.
#[derive(Debug, Clone)]
pub enum Halt {
    /// No connection.
    Connection {
        /// 0 for the spec's own, then the sessions.
        number: usize,
        /// What the client or the server says.
        reason: String,
    },
    /// A fixture failed.
    Fixture {
        /// `setup` or `teardown`.
        what: &'static str,
        /// The session; none for the spec's own.
        session: Option<usize>,
        /// The fixture.
        batch: Box<Batch>,
        /// What it came to.
        outcome: Outcome,
    },
    /// A step's session is gone.
    SessionLost {
        /// The step.
        step: usize,
    },
    /// A step did not end although it was cancelled.
    TimedOut {
        /// The step.
        step: usize,
        /// How long it had taken.
        after: Duration,
        /// Steps under way, where one is waited for by the next step of its session.
        active: Vec<usize>,
    },
    /// Only steps that wait for each other are left.
    MutuallyBlocking,
    /// The server does not say who is blocked.
    Unknown(String),
}
