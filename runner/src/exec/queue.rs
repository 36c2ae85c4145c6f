//! Who runs what when: groups one after the other, the cases of a group at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use super::case;
use super::event::Event;
use super::outcome::Outcome;
use super::pool::{Installed, Slot, Source};
use crate::judge::{Repeats, Status, Verdict, without_running};
use crate::plan::Case;
use crate::server::GivenServer;

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
    /// Says what an outcome means.
    pub judge: &'a (dyn Fn(&Case, &Outcome) -> Verdict + Sync),
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
    let (outcome, verdict) = match without_running(case) {
        Some(verdict) => (Outcome::default(), verdict),
        None if run.repeat > 1 => repeated(run, slot, position, events),
        None => retried(run, slot, position, events),
    };
    let finished = Event::Finished { case: position, outcome: Box::new(outcome), verdict: Box::new(verdict) };
    drop(events.send(finished));
}

/// Runs a case until it does not fail, as often as its `retries` allow.
fn retried(run: &Run, slot: &mut Slot, position: usize, events: &Sender<Event>) -> (Outcome, Verdict) {
    let mut attempts = 1;
    loop {
        let (outcome, verdict) = once(run, slot, position, events);
        if verdict.status != Status::Failed || attempts > run.cases[position].retries {
            return (outcome, Verdict { attempts, ..verdict });
        }
        attempts += 1;
        drop(events.send(Event::Retried { case: position }));
    }
}

/// Runs a case as often as `--repeat` says. The first failed run speaks for all; without one, the last.
fn repeated(run: &Run, slot: &mut Slot, position: usize, events: &Sender<Event>) -> (Outcome, Verdict) {
    let mut kept = once(run, slot, position, events);
    let mut failed = u32::from(kept.1.status == Status::Failed);
    for _ in 1..run.repeat {
        drop(events.send(Event::Repeated { case: position }));
        let next = once(run, slot, position, events);
        failed += u32::from(next.1.status == Status::Failed);
        if kept.1.status != Status::Failed {
            kept = next;
        }
    }
    kept.1.repeats = Some(Repeats { runs: run.repeat, failed });
    kept
}

fn once(run: &Run, slot: &mut Slot, position: usize, events: &Sender<Event>) -> (Outcome, Verdict) {
    let case = &run.cases[position];
    let source = match run.given {
        Some(given) => Source::Given(given),
        None => Source::Installed(&run.installed[case.installation]),
    };
    let outcome = case::run(slot, source, case, position, events);
    let verdict = (run.judge)(case, &outcome);
    (outcome, verdict)
}
