//! Scenarios that run inside one call of `run_scenario()`.
//!
//! All of it happens in one message and one transaction, so memory that lives that long counts as growth here. The marks
//! leave out the first iteration where there are more: it is the one that fills caches.

mod workload;

use memcheck_core::census::Moment;
use memcheck_core::judge::growth::checkpoints;
use memcheck_core::judge::{Mark, Rules};
use memcheck_core::{Finding, ScenarioKind};

use crate::shmem::ring;
use crate::{statement, window};
use workload::Workload;

/// A call of `run_scenario()`.
pub(crate) struct Scenario {
    /// Which one.
    pub(crate) kind: ScenarioKind,
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
        match scenario.kind {
            ScenarioKind::TxAbortLoop => workload.execute_and_roll_back(),
            _ => workload.execute(),
        }
        if checkpoints.binary_search(&iteration).is_ok() {
            marks.push(mark(iteration));
        }
    }
    let findings = findings(scenario.kind, &marks);
    ring::push(&findings);
    window::add_scenario(findings);
}

fn findings(kind: ScenarioKind, marks: &[Mark]) -> Vec<Finding> {
    let around = window::rules();
    let in_plain_window = around.as_ref().is_some_and(|rules| rules.scenario == ScenarioKind::Window);
    let rules = Rules { scenario: kind, ..around.unwrap_or_else(window::plain_rules) };
    let mut findings = window::judged(marks, &rules);
    // A plain window reports what lands in a global context under that name as well; this part of it is left to us, because
    // the window does not count what the engine's own statements do.
    if kind == ScenarioKind::GrowthBenchmark && in_plain_window {
        let probe = Rules { scenario: ScenarioKind::WrongContextProbe, ..rules };
        findings.extend(window::judged(marks, &probe));
    }
    findings
}

fn mark(iteration: u64) -> Mark {
    let moment = Moment { message: Some(0), transaction: Some(statement::transaction()), portals: true };
    let census = statement::with_walker(|walker| walker.census(moment));
    Mark { iteration, census, ..Mark::default() }
}
