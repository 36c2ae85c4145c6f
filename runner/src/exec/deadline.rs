//! Stops a session that does not come back in time: by a cancel request, by SIGTERM, by SIGKILL.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::failure::Stopped;
use crate::server::Backend;
use crate::server::connect::Canceller;

/// How long a session has to react before the next means.
const GRACE: Duration = Duration::from_secs(2);

/// What stops a session, one after the other.
const MEANS: [Stopped; 4] = [Stopped::Cancelled, Stopped::Terminated, Stopped::Killed, Stopped::Left];

/// Watches a session until it is dropped.
#[derive(Debug)]
pub(super) struct Deadline {
    limit: Duration,
    started: Instant,
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Nobody is to be stopped any more.
    over: bool,
    /// The last means that was used.
    stopped: Option<Stopped>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; false if the deadline is over before the time is.
    fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl Deadline {
    /// Gives a backend that long.
    pub(super) fn start(limit: Duration, cancel: Canceller, backend: Backend) -> Self {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let watcher = thread::spawn(move || watch(&watched, limit, &cancel, &backend));
        Deadline { limit, started: Instant::now(), shared, watcher: Some(watcher) }
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

    /// The time that was given and what was done when it was up; none while it is not.
    pub(super) fn passed(&self) -> Option<(Duration, Stopped)> {
        self.shared.lock().stopped.map(|stopped| (self.limit, stopped))
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

fn watch(shared: &Shared, limit: Duration, cancel: &Canceller, backend: &Backend) {
    let mut wait = limit;
    for means in MEANS {
        if !shared.wait(wait) {
            return;
        }
        wait = GRACE;
        // Set first, so that whoever sees the effect also sees the cause.
        shared.lock().stopped = Some(means);
        match means {
            // A backend that is already gone cannot be stopped, and need not be.
            Stopped::Cancelled => drop(cancel.cancel()),
            Stopped::Terminated => backend.terminate(),
            Stopped::Killed => backend.kill(),
            Stopped::Left => {}
        }
    }
}
