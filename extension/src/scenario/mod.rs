//! Scenarios that run inside one call of `run_scenario()`.
//!
//! All of it happens in one message and one transaction, so memory that lives that long counts as growth here. The marks
//! leave out the first iteration where there are more: it is the one that fills caches.

mod workload;

use memcheck_core::census::Moment;
use memcheck_core::judge::Mark;
use memcheck_core::judge::growth::checkpoints;
use memcheck_core::scenario::Call;
use memcheck_core::{Finding, ScenarioKind};

use crate::shmem::ring;
use crate::{statement, window};
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
pub(crate) fn run(scenario: &Scenario) {
    statement::is_own();
    let workload = Workload::new(&scenario.workload);
    let mut marks = Vec::new();
    if scenario.iterations == 1 {
        marks.push(mark(0));
    }
    let checkpoints = checkpoints(scenario.iterations);
    for iteration in 1..=scenario.iterations {
        if scenario.call.rolls_back {
            workload.execute_and_roll_back();
        } else {
            workload.execute();
        }
        if checkpoints.binary_search(&iteration).is_ok() {
            marks.push(mark(iteration));
        }
    }
    let findings = findings(scenario, &marks);
    ring::push(&findings);
    window::add_scenario(findings);
}

fn findings(scenario: &Scenario, marks: &[Mark]) -> Vec<Finding> {
    let around = window::terms();
    let in_plain_window = around.as_ref().is_some_and(|terms| terms.scenario == ScenarioKind::Window);
    let rules = around.unwrap_or_else(window::plain_terms).rules;
    window::judged(marks, &[], &rules, |evidence| match in_plain_window {
        true => (scenario.call.judge_in_window)(evidence),
        false => scenario.kind.judge(evidence),
    })
}

fn mark(iteration: u64) -> Mark {
    let moment = Moment { message: Some(0), transaction: Some(statement::transaction()), portals: true };
    let census = statement::with_walker(|walker| walker.census(moment));
    Mark { iteration, census, ..Mark::default() }
}
