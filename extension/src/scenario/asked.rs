//! What a worker of a sweep has asked its session for: a lock that is held against it, and signals.

use std::time::{Duration, Instant};

use super::failing::{Said, Wait};
use super::worker::SILENCE;
use crate::pg::{background, process};

/// How long something may take that is looked at again and again.
const STEP: Duration = Duration::from_millis(2);
/// How long a worker waits before it gets a signal.
const WAITS: Duration = Duration::from_millis(30);
/// When it gets one though it does not seem to wait.
const LONGEST: Duration = Duration::from_secs(1);

/// What one has asked for, and what of it was done.
#[derive(Default)]
pub(super) struct Asked {
    wanted: Option<Wait>,
    held: Option<Held>,
    /// When a signal is due, and whether it ends the worker.
    signal: Option<(Instant, bool)>,
}

/// A lock that is held against it.
struct Held {
    wait: Wait,
    since: Instant,
    /// Since when it waits for it.
    waits: Option<Instant>,
    /// Whether what ends the wait was sent.
    is_ended: bool,
}

impl Asked {
    /// It has asked for something, perhaps.
    pub(super) fn takes(&mut self, said: &Said) {
        match said {
            Said::Hold(wait) => self.wanted = Some(*wait),
            Said::LetGo => self.let_go(),
            Said::Signal(milliseconds, ends) => {
                self.signal = Some((Instant::now() + Duration::from_millis(*milliseconds), *ends));
            }
            _ => {}
        }
    }

    /// Whether something is held against it.
    pub(super) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    fn let_go(&mut self) {
        self.wanted = None;
        if let Some(held) = self.held.take() {
            held.wait.lock.release();
        }
    }

    /// Does what is to be done for a worker, while there is one. How long until it is to be looked at again.
    pub(super) fn serve(&mut self, pid: Option<i32>, is_there: bool) -> Duration {
        if !is_there {
            self.let_go();
            return Duration::ZERO;
        }
        if let (Some(pid), Some((due, ends))) = (pid, self.signal)
            && Instant::now() >= due
        {
            process::cancel(pid, ends);
            self.signal = None;
        }
        if let Some(wait) = self.wanted
            && wait.lock.hold()
        {
            self.wanted = None;
            self.held = Some(Held { wait, since: Instant::now(), waits: None, is_ended: false });
        }
        if let (Some(pid), Some(held)) = (pid, &mut self.held)
            && let Some(ends) = held.wait.until.signal()
            && !held.is_ended
        {
            if held.waits.is_none() && background::is_in_the_way_of(pid) {
                held.waits = Some(Instant::now());
            }
            if held.waits.is_some_and(|since| since.elapsed() > WAITS) || held.since.elapsed() > LONGEST {
                process::cancel(pid, ends);
                held.is_ended = true;
            }
        }
        match self.wanted.is_some() || self.held.is_some() || self.signal.is_some() {
            true => STEP,
            false => SILENCE,
        }
    }
}
