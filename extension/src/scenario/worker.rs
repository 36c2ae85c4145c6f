//! Scenarios that run in background workers: what a worker finds is this session's, and so is an ERROR of the workload.

use std::time::Duration;

use memcheck_core::judge::Rules;
use memcheck_core::targets::Loaded;
use memcheck_core::{Finding, room};

use super::Scenario;
use super::task::{Outcome, Task};
use crate::pg::background::{self, Refused, Told, Worker};
use crate::pg::company::Parting;
use crate::pg::errors::Raised;
use crate::pg::process;
use crate::pg::spi::Failure;
use crate::session::Figures;

/// How long nothing may come from workers before it is looked what they wait for.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Why a scenario was not run to its end.
pub(crate) enum NotRun {
    /// By the workload.
    Workload(Failure),
    /// There is no place for a background worker. So many may there be.
    NoPlace(i32),
    /// There is no segment of shared memory for one.
    NoSegment,
    /// A worker waits for a lock that this transaction holds.
    InTheWay,
    /// A worker has ended without a word.
    Silent,
}

impl From<Failure> for NotRun {
    fn from(failure: Failure) -> Self {
        NotRun::Workload(failure)
    }
}

impl From<Refused> for NotRun {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoPlace => NotRun::NoPlace(background::most_workers()),
            Refused::NoSegment => NotRun::NoSegment,
        }
    }
}

/// What has come of a worker.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) outcome: Option<Outcome>,
    raised: Option<Raised>,
}

impl Ended {
    /// It was told to end, and why is known.
    pub(super) fn was_told_to(&mut self) {
        self.raised = None;
        self.outcome.get_or_insert_default();
    }

    /// Whether it has ended by an ERROR of the workload, or without a word.
    pub(super) fn has_failed(&self) -> bool {
        self.raised.is_some() || self.outcome.is_none()
    }
}

/// A worker, and what has come of it so far.
pub(super) struct Running {
    worker: Option<Worker>,
    so_far: Ended,
}

/// What workers have found.
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    /// How much each has looked at, and what its targets were.
    pub(super) looked_at: Vec<LookedAt>,
    /// Why not all of it was done.
    pub(super) failure: Option<NotRun>,
}

/// How much was looked at in a window, and which libraries its targets were.
pub(crate) type LookedAt = (Figures, Vec<Loaded>);

/// Runs a scenario in as many workers as it wants, at the same time.
pub(super) fn run(scenario: &Scenario, rules: &Rules) -> Result<Found, NotRun> {
    let task = Task {
        scenario: scenario.kind.to_string(),
        iterations: scenario.iterations,
        reset_every: scenario.reset_every,
        workload: scenario.workload.clone(),
        failing: None,
        seat: None,
    };
    let mut tasks = Vec::new();
    for _ in 0..scenario.workers {
        room::push(&mut tasks, task.clone());
    }
    Ok(gathered(work(&tasks)?, rules))
}

/// Has workers do these tasks, all at the same time, and waits until they are gone.
pub(super) fn work(tasks: &[Task]) -> Result<Vec<Ended>, NotRun> {
    work_together(tasks, SILENCE, None, |_| true)
}

/// Workers, and what ends those of them that wait for each other, which is dropped first.
struct Team {
    _parting: Option<Parting>,
    all: Vec<Running>,
}

/// The same. `look` is shown them again and again, after so long at the latest, and says whether to go on waiting.
pub(super) fn work_together(
    tasks: &[Task],
    silence: Duration,
    parting: Option<Parting>,
    mut look: impl FnMut(&[Running]) -> bool,
) -> Result<Vec<Ended>, NotRun> {
    let mut team = Team { _parting: parting, all: Vec::new() };
    let all = &mut team.all;
    for task in tasks {
        let text = serde_json::to_vec(task).unwrap_or_default();
        let worker = Worker::start(&text)?;
        room::push(all, Running { worker: Some(worker), so_far: Ended::default() });
    }
    while all.iter().any(|running| running.worker.is_some()) {
        // Each of them is listened to.
        let heard = all.iter_mut().map(Running::listen).filter(|&has_spoken| has_spoken).count();
        if heard == 0 && !process::wait(silence) && all.iter().any(Running::waits_for_us) {
            return Err(NotRun::InTheWay);
        }
        if !look(all) {
            break;
        }
    }
    Ok(std::mem::take(all).into_iter().map(|running| running.so_far).collect())
}

/// What workers have found together. What two of them tell of the same is told once.
pub(super) fn gathered(all: Vec<Ended>, rules: &Rules) -> Found {
    let mut findings: Vec<Finding> = Vec::new();
    let (mut failure, mut looked_at) = (None, Vec::new());
    for ended in all {
        let seen = ended.outcome.as_ref().and_then(Outcome::looked_at);
        if let Some(seen) = seen {
            room::push(&mut looked_at, seen);
        }
        let found = ended.outcome.as_ref().map(Outcome::findings);
        let has_ended_by_fault = found.as_ref().is_some_and(|found| !found.is_empty());
        match (ended.raised, &found) {
            // A fault that was landed: the ERROR says no more than the finding does.
            (Some(raised), _) if has_ended_by_fault && raised.is_fault() => {}
            (Some(raised), _) => _ = failure.get_or_insert(NotRun::Workload(Failure::Raised(raised))),
            (None, None) => _ = failure.get_or_insert(NotRun::Silent),
            (None, Some(_)) => {}
        }
        let is_reported = |finding: &Finding| {
            let is_allowed = finding.check.is_in_context() && rules.filter.allows(&finding.path);
            !rules.without.contains(&finding.check) && !is_allowed
        };
        for finding in found.into_iter().flatten().filter(is_reported) {
            if !findings.iter().any(|known| known.is_about_the_same(&finding) && known.site == finding.site) {
                room::push(&mut findings, finding);
            }
        }
    }
    Found { findings, looked_at, failure }
}

impl Running {
    /// Whether it has come to an end before its work has.
    pub(super) fn has_failed(&self) -> bool {
        self.so_far.raised.is_some() || self.worker.is_none() && self.so_far.has_failed()
    }

    /// Takes what has come. Whether anything has.
    fn listen(&mut self) -> bool {
        let Some(worker) = &self.worker else { return false };
        match worker.listen() {
            Told::Nothing => return false,
            Told::Something => {}
            Told::Ours(message) => self.so_far.outcome = serde_json::from_slice(&message).ok(),
            Told::Raised(raised) => _ = self.so_far.raised.get_or_insert(raised),
            Told::Gone => self.worker = None,
        }
        true
    }

    fn waits_for_us(&self) -> bool {
        let pid = self.worker.as_ref().and_then(Worker::pid);
        pid.is_some_and(background::is_in_the_way_of)
    }
}
