//! Who runs what when: groups one after the other, the cases of a group at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use super::case;
use super::event::Event;
use super::outcome::Outcome;
use super::pool::{Installed, Slot};
use crate::judge::{Status, Verdict, without_running};
use crate::plan::Case;

/// A run: the cases, and what they run on.
pub struct Run<'a> {
    /// The cases, in the order of the schedule.
    pub cases: &'a [Case],
    /// Positions of cases that may run at the same time, group after group.
    pub groups: &'a [Vec<usize>],
    /// The installations that cases refer to.
    pub installed: &'a [Installed],
    /// Servers at the same time, at least 1.
    pub jobs: usize,
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
        None => {
            let mut attempts = 1;
            loop {
                let outcome = case::run(slot, &run.installed[case.installation], case, position, events);
                let verdict = Verdict { attempts, ..(run.judge)(case, &outcome) };
                if verdict.status != Status::Failed || attempts > case.retries {
                    break (outcome, verdict);
                }
                attempts += 1;
                drop(events.send(Event::Retried { case: position }));
            }
        }
    };
    let finished = Event::Finished { case: position, outcome: Box::new(outcome), verdict: Box::new(verdict) };
    drop(events.send(finished));
}
