//! Scenarios that run inside one call of `run_scenario()`.
//!
//! All of it happens in one message and one transaction, so memory that lives that long counts as growth here. The marks
//! leave out the first iteration where there are more: it is the one that fills caches.

mod workload;

use memcheck_core::judge::growth;
use memcheck_core::judge::{Evidence, Mark};
use memcheck_core::scenario::Call;
use memcheck_core::{Finding, ScenarioKind};

use crate::pg::spi::Failure;
use crate::session;
use crate::shmem::ring;
use workload::Workload;

/// A call of `run_scenario()`.
pub(crate) struct Scenario {
    /// Which one.
    pub(crate) kind: ScenarioKind,
    /// What a call of it does.
    pub(crate) call: &'static Call,
    /// How often the workload runs; at least once.
    pub(crate) iterations: u64,
    /// SQL, any number of statements that SPI can run.
    pub(crate) workload: String,
}

/// Runs a scenario, and puts what it finds into the ring and into the window it runs in.
///
/// # Errors
///
/// What of the workload cannot be run.
pub(crate) fn run(scenario: &Scenario) -> Result<(), Failure> {
    session::with(|session| session.is_called());
    let workload = Workload::new(&scenario.workload);
    let mut marks = Vec::new();
    if scenario.iterations == 1 {
        marks.push(mark(0));
    }
    let marked = growth::marks(scenario.iterations);
    for iteration in 1..=scenario.iterations {
        if scenario.call.rolls_back {
            workload.execute_and_roll_back()?;
        } else {
            workload.execute()?;
        }
        if marked.binary_search(&iteration).is_ok() {
            marks.push(mark(iteration));
        }
    }
    let findings = findings(scenario, &marks);
    ring::push(&findings);
    session::with(|session| session.add_scenario(findings));
    Ok(())
}

fn findings(scenario: &Scenario, marks: &[Mark]) -> Vec<Finding> {
    let around = session::with(|session| session.window_terms());
    let in_plain_window = around.as_ref().is_some_and(|terms| terms.scenario == ScenarioKind::Window);
    let rules = around.unwrap_or_else(session::plain_terms).rules;
    let judge = |evidence: &Evidence| scenario.kind.judge_call(in_plain_window, evidence);
    session::with(|session| session.judge_scenario(marks, &rules, judge))
}

fn mark(iteration: u64) -> Mark {
    session::with(|session| session.scenario_mark(iteration))
}
