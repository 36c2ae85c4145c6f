//! A session while it takes part in permutations.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::{Arrival, Connection};
use crate::exec::failure::{SqlError, Step};
use crate::exec::happening::{Notification, Outcome};
use crate::plan::Place;

/// A session: its connection and what has arrived there.
pub(super) struct Lane {
    pub(super) connection: Connection,
    /// Position of the launch that is under way.
    pub(super) active: Option<usize>,
    /// Notices so far.
    pub(super) notices: u32,
    /// The connection is gone.
    pub(super) lost: bool,
    /// Whether it is known why.
    pub(super) told: bool,
    /// What the session did last, and where the spec says so.
    pub(super) did: (Step, Option<Place>),
    /// What came with the first outcome of the active launch and after it.
    held: VecDeque<Arrival>,
    notifications: Vec<Notification>,
}

impl Lane {
    pub(super) fn new(connection: Connection) -> Self {
        Lane {
            connection,
            active: None,
            notices: 0,
            lost: false,
            told: false,
            did: (Step::SessionStart, None),
            held: VecDeque::new(),
            notifications: Vec::new(),
        }
    }

    /// Launches something.
    pub(super) fn launch(&mut self, launch: usize, sql: &str) {
        self.active = Some(launch);
        self.connection.send(sql);
    }

    /// Whether it may be asked for something: it is there, and nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        !self.lost && self.active.is_none()
    }

    /// Whether nothing of what was launched is over. As in libpq, what follows the first outcome is not looked at before
    /// that outcome is reported.
    pub(super) fn is_busy(&self) -> bool {
        self.held.is_empty()
    }

    /// Waits that long for something to arrive. A notice is handed over.
    pub(super) fn wait(&mut self, time: Duration) -> Waited {
        match self.connection.receive(time) {
            Some(arrival) => Waited::Arrived(self.take(arrival)),
            None => Waited::InVain,
        }
    }

    /// Takes what the server has sent so far, as long as nothing is over.
    pub(super) fn catch_up(&mut self, mut notice: impl FnMut(SqlError)) {
        self.connection.catch_up();
        while self.is_busy() {
            match self.connection.receive(Duration::MAX) {
                Some(Arrival::CaughtUp) | None => return,
                Some(arrival) => self.take(arrival).into_iter().for_each(&mut notice),
            }
        }
    }

    fn take(&mut self, arrival: Arrival) -> Option<SqlError> {
        match arrival {
            Arrival::Notice(notice) => {
                self.notices += 1;
                return Some(notice);
            }
            Arrival::Notification(notification) => self.notifications.push(notification),
            // Of an earlier time, when something was over first.
            Arrival::CaughtUp => {}
            arrival => self.held.push_back(arrival),
        }
        None
    }

    /// The next thing the launch came to; none if it is still to arrive.
    pub(super) fn next_end(&mut self) -> Option<End> {
        let end = match self.held.pop_front()? {
            Arrival::Outcome(outcome) => {
                let is_last = matches!(outcome, Outcome::Lost | Outcome::Unexpected(_));
                self.told |= match &outcome {
                    Outcome::Failed(error) => error.is_fatal() && error.severity != "PANIC",
                    Outcome::Unexpected(_) => true,
                    _ => false,
                };
                self.lost |= is_last;
                End::Outcome(outcome)
            }
            _ => End::Over,
        };
        Some(end)
    }

    /// Messages of LISTEN that were not handed over yet.
    pub(super) fn take_notifications(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.notifications)
    }
}

/// What came of waiting.
pub(super) enum Waited {
    /// Something arrived: a notice, or something that is kept.
    Arrived(Option<SqlError>),
    InVain,
}

/// What a launch came to.
pub(super) enum End {
    /// One of its statements.
    Outcome(Outcome),
    /// All of them.
    Over,
}
