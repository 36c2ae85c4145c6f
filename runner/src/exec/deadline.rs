//! Stops a session that does not come back in time, or when the run is interrupted: by a cancel request, by SIGTERM, by SIGKILL.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::failure::{Cause, Stopped};
use crate::server::connect::Canceller;
use crate::server::{Backend, is_interrupted};

/// How long a session has to react before the next means.
const GRACE: Duration = Duration::from_secs(2);

/// What stops a session, one after the other.
const MEANS: [Stopped; 4] = [Stopped::Cancelled, Stopped::Terminated, Stopped::Killed, Stopped::Left];
/// How long a session may take that begins when the run has been interrupted: to tidy up.
pub(super) const TIDYING: Duration = Duration::from_secs(5);

/// How soon an interrupt is noticed.
const NOTICE: Duration = Duration::from_millis(100);

/// Watches a session until it is dropped.
#[derive(Debug)]
pub(super) struct Deadline {
    limit: Duration,
    started: Instant,
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// When the next means is used.
    until: Instant,
    /// Nobody is to be stopped any more.
    over: bool,
    /// The last means that was used.
    stopped: Option<Stopped>,
    /// Whether that was because of an interrupt.
    interrupted: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is time for that means, or until an interrupt where that is heeded; false if the deadline is over before. From
    /// then on the session counts as stopped, so that whoever sees the effect also sees the cause.
    fn wait(&self, means: Stopped, heeds_interrupts: bool) -> bool {
        let mut state = self.lock();
        while !state.over {
            let left = state.until.saturating_duration_since(Instant::now());
            let is_interrupted = heeds_interrupts && is_interrupted();
            state.interrupted |= is_interrupted;
            if is_interrupted || left.is_zero() {
                state.stopped = Some(means);
                state.until = Instant::now() + GRACE;
                return true;
            }
            let left = if heeds_interrupts { left.min(NOTICE) } else { left };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl Deadline {
    /// Gives a backend that long, or less in a run that is being interrupted.
    pub(super) fn start(limit: Duration, cancel: Canceller, backend: Backend) -> Self {
        let limit = if is_interrupted() { limit.min(TIDYING) } else { limit };
        let started = Instant::now();
        let state = State { until: started + limit, over: false, stopped: None, interrupted: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let watched = Arc::clone(&shared);
        let watcher = thread::spawn(move || watch(&watched, &cancel, &backend));
        Deadline { limit, started, shared, watcher: Some(watcher) }
    }

    /// Gives that long again from now on, without another thread that watches; false where it is too late for that.
    pub(super) fn again(&mut self, limit: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.shared.lock();
        if state.stopped.is_some() || is_interrupted() {
            return false;
        }
        let is_sooner = now + limit < state.until;
        state.until = now + limit;
        (self.limit, self.started) = (limit, now);
        if is_sooner {
            self.shared.changed.notify_all();
        }
        true
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    /// The time that was given.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// When a session that no means has stopped is left alone.
    pub(super) fn gives_up(&self) -> Instant {
        // Each means may take as long to be used as it is given to work.
        self.started + self.limit + GRACE * 2 * MEANS.len() as u32
    }

    /// That the session was stopped: the time was up, or the run is being interrupted.
    pub(super) fn passed(&self) -> Option<Cause> {
        let state = self.shared.lock();
        let stopped = state.stopped?;
        let limit = self.limit;
        Some(if state.interrupted { Cause::Interrupted { stopped } } else { Cause::Timeout { limit, stopped } })
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(watcher) = self.watcher.take() {
            // It only fails if it panicked, and then there is nothing left to stop.
            let _ = watcher.join();
        }
    }
}

fn watch(shared: &Shared, cancel: &Canceller, backend: &Backend) {
    // What begins after an interrupt is there to tidy up.
    let mut heeds_interrupts = !is_interrupted();
    for means in MEANS {
        if !shared.wait(means, heeds_interrupts) {
            return;
        }
        heeds_interrupts = false;
        match means {
            // A backend that is already gone cannot be stopped, and need not be.
            Stopped::Cancelled => drop(cancel.cancel()),
            Stopped::Terminated => backend.terminate(),
            Stopped::Killed => backend.kill(),
            Stopped::Left => {}
        }
    }
}
