//! Who runs what when: groups one after the other, the cases of a group at the same time.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use super::event::Event;
use super::repetition::{repeated, retried};
use super::verdict::verdict;
use crate::exec::outcome::Outcome;
use crate::exec::{self, Installed, Slot, Source};
use crate::judge::{Verdict, broken, interrupted, without_running};
use crate::panicked::{self, caught};
use crate::plan::{Case, Environment};
use crate::server::{GivenServer, is_interrupted};

/// A run: the cases, and what they run on.
pub struct Run<'a> {
    /// The cases, in the order of the schedule.
    pub cases: &'a [Case],
    /// Positions of cases that may run at the same time, group after group.
    pub groups: &'a [Vec<usize>],
    /// The installations that cases refer to.
    pub installed: &'a [Installed],
    /// The server that is used instead of those, if there is one.
    pub given: Option<&'a GivenServer>,
    /// Servers at the same time, at least 1.
    pub jobs: usize,
    /// How often each case is run whatever comes of it (`--repeat`), at least 1. More than once, and no failed run is
    /// tried again.
    pub repeat: u32,
    /// What is known of the server of each installation, or of the one that is given.
    pub environments: &'a [Environment],
    /// The directory of goldens.
    pub goldens: &'a Path,
}

/// Runs all cases. Every case ends with [`Event::Finished`], in whatever order they end.
pub fn run(run: &Run, events: &Sender<Event>) {
    let mut slots: Vec<Slot> = (0..run.jobs.max(1)).map(|_| Slot::default()).collect();
    for group in run.groups {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for slot in slots.iter_mut().take(group.len()) {
                let (next, events) = (&next, events.clone());
                scope.spawn(move || {
                    while let Some(&position) = group.get(next.fetch_add(1, Ordering::Relaxed)) {
                        one(run, slot, position, &events);
                    }
                });
            }
        });
    }
}

fn one(run: &Run, slot: &mut Slot, position: usize, events: &Sender<Event>) {
    let case = &run.cases[position];
    // Nobody listening means that the run is being given up.
    if events.send(Event::Started { case: position }).is_err() {
        return;
    }
    let again = |event: Event| drop(events.send(event));
    let once = || once(run, slot, position, events);
    let (outcome, verdict) = match without_running(case) {
        _ if is_interrupted() => (Outcome::default(), interrupted()),
        Some(verdict) => (Outcome::default(), verdict),
        None if run.repeat > 1 => repeated(run.repeat, once, || again(Event::Repeated { case: position })),
        None => retried(case.retries, once, || again(Event::Retried { case: position })),
    };
    let finished = Event::Finished { case: position, outcome: Box::new(outcome), verdict: Box::new(verdict) };
    drop(events.send(finished));
}

/// Runs one case once, whoever is not told of it.
pub fn single(run: &Run, slot: &mut Slot, position: usize) -> (Outcome, Verdict) {
    if let Some(verdict) = without_running(&run.cases[position]) {
        return (Outcome::default(), verdict);
    }
    let (events, _) = channel();
    once(run, slot, position, &events)
}

/// Runs a case once.
fn once(run: &Run, slot: &mut Slot, position: usize, events: &Sender<Event>) -> (Outcome, Verdict) {
    let case = &run.cases[position];
    let source = match run.given {
        Some(given) => Source::Given(given),
        None => Source::Installed(&run.installed[case.installation]),
    };
    // Nobody listening means that the run is being given up; it ends by itself.
    let mut tell = |progress| drop(events.send(Event::Progress { case: position, progress }));
    let started = Instant::now();
    let ended = caught(|| {
        panicked::trial("run", &case.name);
        let outcome = exec::run(slot, source, case, &mut tell);
        let verdict = verdict(case, &outcome, &run.environments[case.installation], run.goldens);
        (outcome, verdict)
    });
    ended.unwrap_or_else(|panicked| {
        slot.discard();
        let elapsed = started.elapsed();
        (Outcome { elapsed, ..Outcome::default() }, Verdict { elapsed, ..broken(panicked) })
    })
}
