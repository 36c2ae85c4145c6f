//! Scenarios that run inside one call of `run_scenario()`.
//!
//! All of it happens in one message and one transaction, so memory that lives that long counts as growth here. The marks
//! leave out the first iteration where there are more: it is the one that fills caches.
//!
//! What may end the process that does it is done in background workers ([`worker`]).

mod asked;
mod company;
mod failing;
mod lifecycle;
mod races;
mod sweep;
mod task;
mod worker;
mod workload;

use memcheck_core::judge::growth;
use memcheck_core::judge::peak::Rung;
use memcheck_core::judge::{Evidence, Mark, Rules};
use memcheck_core::scenario::{Call, Runs, by_way};
use memcheck_core::{Phase, ScenarioKind, room, rows};

use crate::pg::spi::Failure;
use crate::session;
use crate::session::overruns::{self, Since};
pub(crate) use task::begin_workers;
use worker::Found;
pub(crate) use worker::{LookedAt, NotRun};
use workload::Workload;

/// A call of `run_scenario()`.
pub(crate) struct Scenario {
    /// Which one.
    pub(crate) kind: ScenarioKind,
    /// What a call of it does.
    pub(crate) call: &'static Call,
    /// How often the workload runs; at least once.
    pub(crate) iterations: u64,
    /// SQL, any number of statements.
    pub(crate) workload: String,
    /// Several of them, dealt to workers that run together; where there are none, all run the one.
    pub(crate) workloads: Vec<String>,
    /// What chance begins with, where something is left to it.
    pub(crate) seed: u64,
    /// How many workers run it at the same time, where it runs in workers.
    pub(crate) workers: u32,
    /// How much the targets may hold together (bytes), where something is to fail by that.
    pub(crate) limit: Option<u64>,
    /// After how many iterations the context is reset that they run in, where it is.
    pub(crate) reset_every: u64,
}

/// The ways in which a transaction block undoes a part of itself.
const WAYS: [Phase; 2] = [Phase::Savepoint, Phase::Error];
/// Numbers of rows.
const LADDER: [u64; 3] = [500, 1000, 2000];

/// Runs a scenario, and puts what it finds into the ring and into the window it runs in. Gives how much was looked at elsewhere.
///
/// # Errors
///
/// Why it cannot be run, or what of the workload cannot.
pub(crate) fn run(scenario: &Scenario) -> Result<Vec<LookedAt>, NotRun> {
    session::with(|session| session.is_called());
    let around = session::with(|session| session.window_terms());
    let in_plain_window = around.as_ref().is_some_and(|terms| terms.scenario == ScenarioKind::Window);
    let rules = around.unwrap_or_else(session::plain_terms).rules;
    let overruns = Since::now();
    let done = watch(scenario, &rules, in_plain_window);
    // What was found before it failed is kept.
    let (mut findings, looked_at, failure) = match done {
        Ok(Found { findings, looked_at, failure }) => (findings, looked_at, failure),
        Err(failure) => (Vec::new(), Vec::new(), Some(failure)),
    };
    overruns::add(&mut findings, overruns.findings(&rules));
    session::report(&findings);
    if failure.is_none() || !findings.is_empty() || !looked_at.is_empty() {
        session::with(|session| session.add_scenario(findings, &looked_at));
    }
    failure.map_or(Ok(looked_at), Err)
}

/// Does what the scenario does, and gives what is found by that.
fn watch(scenario: &Scenario, rules: &Rules, in_plain_window: bool) -> Result<Found, NotRun> {
    let judged = |marks: &[Mark], ladder: &[Rung], rules: &Rules| {
        let judge = |evidence: &Evidence| scenario.kind.judge_call(in_plain_window, evidence);
        session::with(|session| session.judge_scenario(marks, ladder, rules, judge))
    };
    let workload = Workload::new(&scenario.workload);
    let findings = match scenario.call.runs {
        Runs::Repeated => judged(&repeat(scenario.iterations, || workload.execute())?, &[], rules),
        Runs::Undone => {
            let is_asked_for = |way: &Phase| rules.phase.is_none_or(|phase| phase == *way || !WAYS.contains(&phase));
            let mut ways = Vec::new();
            for way in WAYS.into_iter().filter(is_asked_for) {
                let marks = repeat(scenario.iterations, || workload.execute_and_undo(way))?;
                ways.push((way, judged(&marks, &[], &Rules { phase: Some(way), ..rules.clone() })));
            }
            by_way(ways)
        }
        Runs::OnALadder => judged(&[], &climb(scenario)?, rules),
        Runs::InWorkers => return worker::run(scenario, rules),
        Runs::InSessions => return lifecycle::run(scenario, rules),
        Runs::Failing => return sweep::run(scenario, rules),
        Runs::Together => return company::run(scenario, rules),
    };
    Ok(Found { findings, looked_at: Vec::new(), failure: None })
}

/// Runs something again and again, and sets marks.
fn repeat(iterations: u64, execute: impl Fn() -> Result<(), Failure>) -> Result<Vec<Mark>, Failure> {
    let mut marks = Vec::new();
    if iterations == 1 {
        add_mark(&mut marks, 0);
    }
    let marked = growth::marks(iterations);
    for iteration in 1..=iterations {
        execute()?;
        if marked.binary_search(&iteration).is_ok() {
            add_mark(&mut marks, iteration);
        }
    }
    Ok(marks)
}

/// Runs the workload at more and more rows.
fn climb(scenario: &Scenario) -> Result<Vec<Rung>, Failure> {
    let at = |number| Workload::new(&rows::bind(&scenario.workload, number).unwrap_or_default());
    // What is cached for each row is there before the ladder is climbed.
    for number in [LADDER[0], LADDER[LADDER.len() - 1]] {
        at(number).execute()?;
    }
    session::with(|session| session.scenario_step(0));
    let mut ladder = Vec::new();
    for number in LADDER {
        let workload = at(number);
        for _ in 0..scenario.iterations {
            workload.execute()?;
        }
        ladder.extend(session::with(|session| session.scenario_step(number)));
    }
    Ok(ladder)
}

/// Sets a mark, if there is room for it.
fn add_mark(marks: &mut Vec<Mark>, iteration: u64) {
    let mark = session::with(|session| session.scenario_mark(iteration));
    if mark.is_whole() {
        room::push(marks, mark);
    }
}
