//! `oom_simulation`: in one call of the workload after the other something else fails, in workers that come and go. And
//! `cancel_storm`: the call is cancelled at another point.
//!
//! ```text
//! Learn   calls as they are: the answer, and which allocations of a call are worth it
//! Count   the same of the first call of a session, and what is held behind it
//! First   a worker for each failure in the first call of a session
//! Later   a worker for all failures in later calls; another one goes on where one has ended
//! Terminate, Behind   a worker that is terminated in a call, and one behind it
//! ```

use std::collections::VecDeque;

use memcheck_core::harm::Harm;
use memcheck_core::judge::Rules;
use memcheck_core::targets::Loaded;
use memcheck_core::{CheckKind, Finding, ScenarioKind, room};
use pgrx::info;

use super::Scenario;
use super::failing::{AGAIN, Expected, Fails, Harmed, HeldAt, Part, Said, Usual, failed, finding, left_behind};
use super::task::{Outcome, Task};
use super::worker::{Found, NotRun, SILENCE};
use crate::pg::background::{self, Told, Worker};
use crate::pg::errors::Raised;
use crate::pg::process;
use crate::pg::spi::Failure;
use crate::session::Figures;

/// How long a call may take at least before it is said to hang (milliseconds), and how much longer than the slowest one in which nothing
/// fails.
const PATIENCE: u64 = 5000;
const SLOWER: u64 = 20;

/// Failures at most, of first calls and of later ones.
const MOST: usize = 4096;

/// Sessions that are terminated at most.
const TERMINATED: usize = 8;
/// Calls that do not come back, behind which no more are tried.
const HANGS: usize = 3;
/// Calls that are cancelled may take so long together (milliseconds), where there are more than
const BUDGET: u64 = 30_000;
/// so many.
const FEWEST: usize = 8;
/// The last time at which a call is cancelled (milliseconds).
const LATEST: u64 = 2048;

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
}

struct Running {
    worker: Option<Worker>,
    part: Part,
    heard: Heard,
}

impl Running {
    /// Takes what has come. Whether anything has.
    fn listen(&mut self) -> bool {
        let Some(worker) = &self.worker else { return false };
        match worker.listen() {
            Told::Nothing => return false,
            Told::Something => {}
            Told::Ours(message) => {
                if let Ok(said) = serde_json::from_slice(&message) {
                    self.heard.takes(said);
                }
            }
            Told::Raised(raised) => _ = self.heard.raised.get_or_insert(raised),
            Told::Gone => self.worker = None,
        }
        true
    }

    fn waits_for_us(&self) -> bool {
        let pid = self.worker.as_ref().and_then(Worker::pid);
        pid.is_some_and(background::is_in_the_way_of)
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
    /// Calls that have not come back.
    hangs: usize,
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
    let expected = Expected { answer, patience: PATIENCE + SLOWER * usual.slowest };

    let failures = |chosen: &[u64]| -> Vec<Fails> {
        match scenario.limit {
            Some(bytes) => vec![Fails::Beyond(bytes)],
            None if cancels => chosen.iter().copied().map(Fails::Cancel).take(MOST).collect(),
            None => chosen.iter().flat_map(|&number| [Fails::One(number), Fails::From(number)]).take(MOST).collect(),
        }
    };
    let (mut in_first, mut in_later) = (failures(&at_first.chosen), failures(&usual.chosen));
    if cancels {
        // Those that are left out of a call that takes long are between others.
        let most = usize::try_from(BUDGET / usual.slowest.max(1)).unwrap_or(MOST).max(FEWEST);
        for points in [&mut in_first, &mut in_later] {
            let step = points.len().div_ceil(most).max(1);
            *points = points.iter().copied().step_by(step).collect();
        }
        let times =
            std::iter::successors(Some(1), |time| Some(time * 2)).take_while(|&time| time <= usual.slowest.min(LATEST));
        in_later.extend(times.map(Fails::After));
    }
    let parts_tried = match cancels {
        true => (in_first.len(), in_later.iter().filter(|fails| matches!(fails, Fails::Cancel(_))).count()),
        false => (at_first.chosen.len(), usual.chosen.len()),
    };
    let mut parts: VecDeque<Part> = VecDeque::new();
    if !in_later.is_empty() {
        parts.push_back(Part::Later { fails: in_later, expected });
    }
    if cancels {
        let step = usual.chosen.len().div_ceil(TERMINATED).max(1);
        let terminated = usual.chosen.iter().step_by(step).map(|&number| {
            let libraries = libraries.clone();
            Part::Terminate { libraries, number, expected }
        });
        parts.extend(terminated);
    }
    parts.extend(in_first.iter().map(|&fails| Part::First { libraries: libraries.clone(), fails, times: 1, expected }));
    sweep.all(scenario, parts)?;

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
    info!(
        "{}: {} of {all}, at {} places{}{}",
        if cancels { "Points at which calls were cancelled" } else { "Failed allocations" },
        figures.failed + figures.cancelled,
        usual.sites.max(at_first.sites),
        if scenario.limit.is_none() && !cancels { ", each alone and with all behind it" } else { "" },
        if answer.is_none() { "; answers were not compared: they are not always the same" } else { "" },
    );
    let Sweep { mut findings, figures, targets, .. } = sweep;
    findings.retain(|finding| !rules.without.contains(&finding.check));
    memcheck_core::finding::sort(&mut findings);
    Ok(Found { findings, looked_at: vec![(figures, targets)], failure: None })
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
        let worker = Some(start(scenario, &part)?);
        let mut running = Running { worker, part, heard: Heard::default() };
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

    /// Has workers do all of it, so many at a time.
    fn all(&mut self, scenario: &Scenario, mut parts: VecDeque<Part>) -> Result<(), NotRun> {
        let mut all: Vec<Running> = Vec::new();
        while !parts.is_empty() || !all.is_empty() {
            while all.len() < scenario.workers as usize
                && let Some(part) = parts.pop_front()
            {
                let worker = Some(start(scenario, &part)?);
                room::push(&mut all, Running { worker, part, heard: Heard::default() });
            }
            let heard = all.iter_mut().map(Running::listen).filter(|&has_spoken| has_spoken).count();
            while let Some(over) = all.iter().position(|running| running.worker.is_none()) {
                let Running { part, heard, .. } = all.swap_remove(over);
                if let Some(rest) = self.is_over(part, heard) {
                    parts.push_front(rest);
                }
                if scenario.kind == ScenarioKind::CancelStorm && self.hangs >= HANGS {
                    // Each takes long, and says no more.
                    parts.clear();
                }
            }
            if heard == 0 && !process::wait(SILENCE) && all.iter().any(Running::waits_for_us) {
                return Err(NotRun::InTheWay);
            }
        }
        Ok(())
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
        let hangs =
            heard.harmed.iter().any(|(harm, _)| *harm == Harm::Hang) && matches!(heard.fails, Some(Fails::After(_)));
        self.hangs += heard.harmed.iter().filter(|(harm, _)| *harm == Harm::Hang).count();
        for (_, finding) in heard.harmed {
            self.add(finding);
        }
        match part {
            Part::Later { mut fails, expected } if heard.number > 0 && heard.number < fails.len() => {
                let mut fails = fails.split_off(heard.number);
                if hangs {
                    // It would at the other times as well.
                    fails.retain(|fails| !matches!(fails, Fails::After(_)));
                }
                (!fails.is_empty()).then_some(Part::Later { fails, expected })
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
