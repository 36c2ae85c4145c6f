//! `oom_simulation`: in one call of the workload after the other something else fails, in workers that come and go. And
//! `cancel_storm`: the call is cancelled at another point.
//!
//! ```text
//! Learn   calls as they are: the answer, and which allocations of a call are worth it
//! Count   the same of the first call of a session, and what is held behind it
//! First   a worker for each failure in the first call of a session
//! Later   a worker for all failures in later calls; another one goes on where one has ended
//! Terminate, Behind   a worker that is terminated in a call, and one behind it
//! Later, Terminate    again, alone, of calls that wait for locks, which this session holds against them
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use memcheck_core::harm::Harm;
use memcheck_core::judge::Rules;
use memcheck_core::targets::Loaded;
use memcheck_core::{CheckKind, Finding, ScenarioKind, room};
use pgrx::info;

use super::Scenario;
use super::asked::Asked;
use super::failing::{
    AGAIN, Expected, Fails, Harmed, HeldAt, Part, Said, Until, Usual, Wait, failed, finding, left_behind,
};
use super::task::{Outcome, Task};
use super::worker::{Found, NotRun, SILENCE};
use crate::guc;
use crate::pg::background::{self, Told, Worker};
use crate::pg::errors::Raised;
use crate::pg::process;
use crate::pg::spi::Failure;
use crate::pg::waits::Lock;
use crate::session::Figures;

/// How long a call may take at least before it is said to hang (milliseconds), and how much longer than the slowest one in which nothing
/// fails.
const PATIENCE: u64 = 5000;
const SLOWER: u64 = 20;

/// How much longer a worker may say nothing before it is given up: it ends itself before that, if anything can (milliseconds).
const GIVEN_UP: u64 = 15_000;

/// Sessions that are terminated at most.
const TERMINATED: usize = 8;
/// Calls that are cancelled may take so long together (milliseconds), and for each worker so much longer.
const BUDGET: u64 = 60_000;
const START: u64 = 100;
/// The last time at which a call is cancelled (milliseconds).
const LATEST: u64 = 2048;
/// Times at which other processes cancel at most; at half of them they terminate as well.
const MOMENTS: usize = 4;
/// Locks that calls are made to wait for at most, and those in which sessions are terminated.
const LOCKS: usize = 64;
const LOCKS_OF_ENDS: usize = 2;

/// What a worker has said so far.
#[derive(Default)]
struct Heard {
    fails: Option<Fails>,
    /// How many failures it has come to.
    number: usize,
    is_reached: bool,
    usual: Option<Usual>,
    held: Option<(Vec<HeldAt>, Option<Harmed>)>,
    harmed: Vec<(Harm, Finding)>,
    is_done: bool,
    terminated: Option<Harmed>,
    outcome: Option<Outcome>,
    raised: Option<Raised>,
    is_out_of_time: bool,
}

struct Running {
    worker: Option<Worker>,
    part: Part,
    heard: Heard,
    /// What is to be done for it.
    asked: Asked,
    /// When it was heard of last.
    spoke: Instant,
}

impl Running {
    fn new(worker: Worker, part: Part) -> Self {
        Running { worker: Some(worker), part, heard: Heard::default(), asked: Asked::default(), spoke: Instant::now() }
    }

    /// Takes what has come. Whether anything has.
    fn listen(&mut self) -> bool {
        let Some(worker) = &self.worker else { return false };
        match worker.listen() {
            Told::Nothing => return false,
            Told::Something => {}
            Told::Ours(message) => {
                if let Ok(said) = serde_json::from_slice(&message) {
                    self.asked.takes(&said);
                    self.heard.takes(said);
                }
            }
            Told::Raised(raised) => _ = self.heard.raised.get_or_insert(raised),
            Told::Gone => self.worker = None,
        }
        self.spoke = Instant::now();
        true
    }

    /// Does what it has asked for. How long until there is something to be done again.
    fn serve(&mut self) -> Duration {
        let pid = self.worker.as_ref().and_then(Worker::pid);
        self.asked.serve(pid, self.worker.is_some())
    }

    fn waits_for_us(&self) -> bool {
        let pid = self.worker.as_ref().and_then(Worker::pid);
        !self.asked.is_holding() && pid.is_some_and(background::is_in_the_way_of)
    }

    /// Gives up a worker that has not come back for so long that it never will: it does not even end. One that waits for somebody else
    /// will.
    fn give_up(&mut self) {
        let Some(patience) = self.part.patience() else { return };
        let has_time = self.spoke.elapsed() < Duration::from_millis(patience + GIVEN_UP);
        let pid = self.worker.as_ref().and_then(Worker::pid);
        let (Some(pid), Some(fails), false) = (pid, self.heard.fails, has_time) else { return };
        if background::is_blocked(pid) {
            return;
        }
        let is_first_call = matches!(self.part, Part::First { .. });
        let what =
            format!("the process has not come back after {} s, and cannot be ended", self.spoke.elapsed().as_secs());
        let finding = finding(Harm::Hang, fails, &failed(fails, None, is_first_call), None, &what);
        room::push(&mut self.heard.harmed, (Harm::Hang, finding));
        self.worker = None;
    }
}

impl Heard {
    fn takes(&mut self, said: Said) {
        match said {
            Said::Fails(fails) => {
                (self.fails, self.is_reached) = (Some(fails), true);
                self.number += 1;
            }
            Said::NotReached => self.is_reached = false,
            Said::OutOfTime => self.is_out_of_time = true,
            Said::Hold(_) | Said::LetGo | Said::Signal(..) => {}
            Said::Usual(usual) => self.usual = Some(usual),
            Said::Held(held, failed) => self.held = Some((held, failed)),
            Said::Harmed(harmed) => {
                if let (Some(harm), Some(finding)) = (harmed.harm(), harmed.finding()) {
                    room::push(&mut self.harmed, (harm, finding));
                }
            }
            Said::Done => self.is_done = true,
            Said::Terminated(at) => (self.is_done, self.terminated) = (true, Some(at)),
            Said::Closed(outcome) => self.outcome = serde_json::from_value(outcome).ok(),
        }
    }
}

/// What is known so far.
#[derive(Default)]
struct Sweep {
    findings: Vec<Finding>,
    figures: Figures,
    targets: Vec<Loaded>,
    /// What is held behind the first two calls of a session in which nothing fails.
    held: Vec<HeldAt>,
    failed: u64,
    /// What was to be tried, and was not.
    not_tried: u64,
    /// Whether a call has not come back.
    hangs: bool,
}

/// In another order, in which what comes first lies far apart: wherever it ends, nothing large between two of them is left out.
fn spread<T: Copy>(all: &[T]) -> Vec<T> {
    let mut spread = Vec::new();
    let mut step = all.len().next_power_of_two();
    while step > 0 {
        // Those that no larger step has come to.
        let is_new = |&number: &usize| number % (step * 2) != 0 || step == all.len().next_power_of_two();
        for number in (0..all.len()).step_by(step).filter(is_new) {
            room::push(&mut spread, all[number]);
        }
        step /= 2;
    }
    spread
}

/// Runs the sweep.
pub(super) fn run(scenario: &Scenario, rules: &Rules) -> Result<Found, NotRun> {
    let mut sweep = Sweep::default();
    let first = u32::try_from(scenario.iterations).unwrap_or(u32::MAX);
    let cancels = scenario.kind == ScenarioKind::CancelStorm;
    let usual = sweep.learn(scenario, Part::Learn { first, cancels })?;
    let libraries = usual.libraries;
    let at_first = sweep.learn(scenario, Part::Count { first, cancels, libraries: libraries.clone() })?;
    // One that depends on how often it was asked for is not compared.
    let answer = usual.answer.filter(|answer| at_first.answer == Some(*answer));
    let patience = PATIENCE + SLOWER * usual.slowest;
    let expected = Expected { answer, patience, budget: cancels.then_some(BUDGET) };

    let limit = guc::sweep_limit();
    let failures = |chosen: &[u64]| -> (Vec<Fails>, usize) {
        let mut failures: Vec<Fails> = match scenario.limit {
            Some(bytes) => vec![Fails::Beyond(bytes)],
            None if cancels => chosen.iter().copied().map(Fails::Cancel).collect(),
            None => chosen.iter().flat_map(|&number| [Fails::One(number), Fails::From(number)]).collect(),
        };
        if cancels && usual.slowest * failures.len() as u64 > BUDGET {
            failures = spread(&failures);
        }
        let more = failures.len().saturating_sub(limit);
        failures.truncate(limit);
        (failures, more)
    };
    let ((in_first, more), (mut in_later, more_later)) = (failures(&at_first.chosen), failures(&usual.chosen));
    sweep.not_tried = (more + more_later) as u64 + at_first.not_chosen + usual.not_chosen;
    let mut parts_tried = (in_first.len(), in_later.len());
    if !cancels && scenario.limit.is_none() {
        // Each of them twice.
        parts_tried = (parts_tried.0.div_ceil(2), parts_tried.1.div_ceil(2));
    }
    let times = || {
        let powers = std::iter::successors(Some(1), |time| Some(time * 2));
        powers.take_while(|&time| time <= usual.slowest.min(LATEST))
    };
    let moments: Vec<u64> = std::iter::once(0).chain(times()).collect();
    let step = moments.len().div_ceil(MOMENTS);
    if cancels {
        in_later.extend(times().map(Fails::After));
        in_later.extend(moments.iter().step_by(step).copied().map(Fails::Signal));
    }
    let mut parts: VecDeque<Part> = VecDeque::new();
    if !in_later.is_empty() {
        parts.push_back(Part::Later { fails: in_later, expected });
    }
    let terminate = |fails: Fails| Part::Terminate { libraries: libraries.clone(), fails, expected };
    if cancels {
        let step = usual.chosen.len().div_ceil(TERMINATED).max(1);
        parts.extend(usual.chosen.iter().step_by(step).map(|&number| terminate(Fails::Terminate(number))));
        parts.extend(moments.iter().step_by(2 * step).map(|&time| terminate(Fails::EndingSignal(time))));
    }
    parts.extend(in_first.iter().map(|&fails| Part::First { libraries: libraries.clone(), fails, times: 1, expected }));
    let deadline = cancels.then(|| Duration::from_millis(2 * BUDGET + START * parts.len() as u64));
    sweep.all(scenario, parts, scenario.workers, deadline)?;
    let locks: &[Lock] = if cancels { &usual.locks } else { &[] };
    sweep.waits(scenario, locks, expected, terminate)?;

    let all = at_first.allocations + usual.allocations;
    let figures = &mut sweep.figures;
    if cancels {
        let tried = (parts_tried.0 + parts_tried.1) as u64;
        (figures.cancelled, figures.not_cancelled) = (tried, all.saturating_sub(tried));
    } else if scenario.limit.is_none() {
        let tried = (parts_tried.0 + parts_tried.1) as u64;
        (figures.failed, figures.not_failed) = (tried, all.saturating_sub(tried));
    } else {
        figures.failed = sweep.failed;
    }
    figures.traced = 1;
    figures.not_tried = sweep.not_tried;
    info!(
        "{}: {} of {all}, at {} places{}{}{}",
        if cancels { "Points at which calls were cancelled" } else { "Failed allocations" },
        figures.failed + figures.cancelled,
        usual.sites.max(at_first.sites),
        if scenario.limit.is_none() && !cancels { ", each alone and with all behind it" } else { "" },
        match locks.len() {
            0 => String::new(),
            1 => ", and in the wait for a lock".to_owned(),
            number => format!(", and in waits for {number} locks"),
        },
        if answer.is_none() { "; answers were not compared: they are not always the same" } else { "" },
    );
    let Sweep { mut findings, figures, targets, .. } = sweep;
    // What is found at a place is found at a time as well, whichever it is.
    let places: Vec<_> = findings.iter().filter(|finding| finding.site.is_some()).map(kind_of).collect();
    findings.retain(|finding| finding.site.is_some() || !places.contains(&kind_of(finding)));
    findings.retain(|finding| !rules.without.contains(&finding.check));
    memcheck_core::finding::sort(&mut findings);
    Ok(Found { findings, looked_at: vec![(figures, targets)], failure: None })
}

/// What has gone wrong, wherever that is.
fn kind_of(finding: &Finding) -> (CheckKind, memcheck_core::ContextPath) {
    (finding.check, finding.path.clone())
}

fn start(scenario: &Scenario, part: &Part) -> Result<Worker, NotRun> {
    let task = Task {
        scenario: scenario.kind.to_string(),
        iterations: scenario.iterations,
        reset_every: scenario.reset_every,
        workload: scenario.workload.clone(),
        seat: None,
        failing: Some(part.clone()),
    };
    Ok(Worker::start(&serde_json::to_vec(&task).unwrap_or_default())?)
}

impl Sweep {
    /// Has one worker do something that comes to the end, unless the workload fails by itself.
    fn learn(&mut self, scenario: &Scenario, part: Part) -> Result<Usual, NotRun> {
        let mut running = Running::new(start(scenario, &part)?, part);
        while running.worker.is_some() {
            if !running.listen() && !process::wait(SILENCE) && running.waits_for_us() {
                return Err(NotRun::InTheWay);
            }
        }
        let Heard { usual, held, raised, outcome, .. } = running.heard;
        if let Some(raised) = raised {
            return Err(NotRun::Workload(Failure::Raised(raised)));
        }
        self.looked_at(outcome.as_ref());
        self.held = held.unwrap_or_default().0;
        usual.ok_or(NotRun::Silent)
    }

    /// Has workers do all of it, so many at a time, as long as there is time for it.
    fn all(
        &mut self,
        scenario: &Scenario,
        mut parts: VecDeque<Part>,
        workers: u32,
        deadline: Option<Duration>,
    ) -> Result<(), NotRun> {
        let began = Instant::now();
        let mut all: Vec<Running> = Vec::new();
        while !parts.is_empty() || !all.is_empty() {
            if deadline.is_some_and(|deadline| began.elapsed() > deadline) {
                self.not_tried += parts.iter().map(Part::failures).sum::<u64>();
                parts.clear();
            }
            while all.len() < workers as usize
                && let Some(part) = parts.pop_front()
            {
                room::push(&mut all, Running::new(start(scenario, &part)?, part));
            }
            let heard = all.iter_mut().map(Running::listen).filter(|&has_spoken| has_spoken).count();
            let pause = all.iter_mut().map(Running::serve).min().unwrap_or(SILENCE);
            all.iter_mut().for_each(Running::give_up);
            while let Some(over) = all.iter().position(|running| running.worker.is_none()) {
                let Running { part, heard, .. } = all.swap_remove(over);
                if let Some(rest) = self.is_over(part, heard) {
                    parts.push_front(rest);
                }
                if self.hangs {
                    // Each of them takes long, and most say no more.
                    parts.clear();
                }
            }
            if heard == 0 && !process::wait(pause) && pause == SILENCE && all.iter().any(Running::waits_for_us) {
                return Err(NotRun::InTheWay);
            }
        }
        Ok(())
    }

    /// Has calls wait for what they take, each lock by itself. Nothing else is under way.
    fn waits(
        &mut self,
        scenario: &Scenario,
        locks: &[Lock],
        expected: Expected,
        terminate: impl Fn(Fails) -> Part,
    ) -> Result<(), NotRun> {
        if self.hangs || locks.is_empty() {
            return Ok(());
        }
        self.not_tried += locks.len().saturating_sub(LOCKS) as u64;
        let waits = |until: Until| move |&lock: &Lock| Fails::Wait(Wait { lock, until });
        let locks = &locks[..locks.len().min(LOCKS)];
        let fails = Until::CALLS.iter().flat_map(|&until| locks.iter().map(waits(until))).collect();
        let ends = locks.iter().take(LOCKS_OF_ENDS).map(waits(Until::EndingSignal)).map(terminate);
        let later = Part::Later { fails, expected };
        self.all(scenario, std::iter::once(later).chain(ends).collect(), 1, None)
    }

    /// A worker has ended. Gives what it has left to be done.
    fn is_over(&mut self, part: Part, mut heard: Heard) -> Option<Part> {
        self.looked_at(heard.outcome.as_ref());
        let is_first_call = matches!(part, Part::First { .. });
        if !heard.is_done
            && let Some(fails) = heard.fails
            && !heard.harmed.iter().any(|(harm, _)| matches!(harm, Harm::Crash | Harm::Hang))
        {
            let what = match &heard.raised {
                Some(raised) => format!("the session has ended: {}", raised.said().1),
                None => "the session has ended without a word".to_owned(),
            };
            let finding = finding(Harm::Crash, fails, &failed(fails, None, is_first_call), None, &what);
            room::push(&mut heard.harmed, (Harm::Crash, finding));
        }
        self.failed += u64::from(heard.is_reached);
        let mut again = None;
        if let (Some((held, Some(failed))), Part::First { libraries, fails, times, expected }) =
            (heard.held.take(), &part)
            && self.is_left(failed, &held, *times)
            && *times == 1
        {
            // What stays once may be of use again; what is left each time is lost.
            again = Some(Part::First {
                libraries: libraries.clone(),
                fails: *fails,
                times: 1 + AGAIN,
                expected: *expected,
            });
        }
        self.hangs |= heard.harmed.iter().any(|(harm, _)| *harm == Harm::Hang);
        for (_, finding) in heard.harmed {
            self.add(finding);
        }
        match part {
            Part::Later { fails, .. } if heard.is_out_of_time => {
                self.not_tried += fails.len().saturating_sub(heard.number) as u64;
                None
            }
            Part::Later { mut fails, expected } if heard.number > 0 && heard.number < fails.len() => {
                Some(Part::Later { fails: fails.split_off(heard.number), expected })
            }
            Part::Terminate { expected, .. } => heard.terminated.map(|at| Part::Behind { at, expected }),
            _ => again,
        }
    }

    /// Whether more is held than would be had nothing failed in the first call; it is a leak where it is so each of several times. What a
    /// function of the server leaves of itself where it fails is not its caller's.
    fn is_left(&mut self, failed: Harmed, held: &[HeldAt], times: i64) -> bool {
        let sum = |held: &[HeldAt]| held.iter().fold((0, 0), |sum, one| (sum.0 + one.bytes, sum.1 + one.number));
        let (is, usual) = (sum(held), sum(&self.held));
        if is.0 <= usual.0 && is.1 <= usual.1 {
            // Where another place holds it, it is no more.
            return false;
        }
        let more = |now: &HeldAt| {
            let is_it = |usual: &&HeldAt| (&usual.library, usual.offset) == (&now.library, now.offset);
            let usual = self.held.iter().find(is_it).map_or((0, 0), |usual| (usual.bytes, usual.number));
            (now.bytes - usual.0, now.number - usual.1)
        };
        let is_servers = |now: &HeldAt| !failed.cancels() && failed.place() == Some((&now.library, now.offset));
        let is_left = |now: &&HeldAt| !is_servers(now) && more(now).1 >= times;
        let Some(left) = held.iter().find(is_left) else { return false };
        let (bytes, number) = more(left);
        let what = left_behind(&format!(" of {}", left.function), bytes / times, number / times);
        if times > 1
            && let Some(finding) = failed.comes_to(what).finding()
        {
            self.add(finding);
        }
        true
    }

    /// One finding for what goes wrong at one place in one way.
    fn add(&mut self, finding: Finding) {
        let place = |finding: &Finding| finding.site.as_ref().map(|site| site.frame.offset);
        let is_it = |other: &&mut Finding| other.is_about_the_same(&finding) && place(other) == place(&finding);
        match self.findings.iter_mut().find(is_it) {
            Some(known) => known.objects += 1,
            None => _ = room::push(&mut self.findings, finding),
        }
    }

    /// Adds up what a worker's window was.
    fn looked_at(&mut self, outcome: Option<&Outcome>) {
        let Some((figures, targets)) = outcome.and_then(Outcome::looked_at) else { return };
        self.figures.not_recorded += figures.not_recorded;
        self.figures.inconsistencies += figures.inconsistencies;
        self.figures.out_of_memory += figures.out_of_memory;
        if self.targets.len() < targets.len() {
            self.targets = targets;
        }
        // Bad accesses without a failure are another scenario's, and nobody's here.
        let accesses = outcome.map(Outcome::findings).unwrap_or_default();
        accesses
            .into_iter()
            .filter(|finding| finding.check == CheckKind::OomUnsafe)
            .for_each(|finding| self.add(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn what_comes_first_lies_far_apart() {
        assert_eq!(spread(&[0, 1, 2, 3, 4, 5, 6, 7]), [0, 4, 2, 6, 1, 3, 5, 7]);
        assert_eq!(spread(&[0, 1, 2, 3, 4]), [0, 4, 2, 1, 3]);
        assert_eq!(spread(&[7]), [7]);
        assert!(spread::<u8>(&[]).is_empty());
    }
}
