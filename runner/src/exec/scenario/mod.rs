//! Runs a scenario. What the client does for each kind of scenario stands in a file of its own where that is not the plain
//! loop: a [`Way`], with its line in [`WAYS`].

mod abort;
mod cold_warm_cold;
mod confirm;
mod ladder;
mod server;
mod way;
mod worker;

use std::ops::RangeInclusive;
use std::time::Instant;

use memcheck_core::check::Measure;
use memcheck_core::judge::growth::marks;
use memcheck_core::{Phase, ScenarioKind};
use serde_json::json;

use self::confirm::{Asked, confirm};
use self::way::{Client, Way};
use super::engine;
use super::failure::{Failure, Step};
use super::outcome::{ScenarioOutcome, Targets, Window};
use super::session::Session;
use super::workload::{BARE, Workload, Wrapping};
use crate::language::ast::Iterate;
use crate::plan::{Case, Scenario};
use crate::server::Server;

/// The kinds of scenarios that the client repeats in a way of their own.
const WAYS: &[(ScenarioKind, &dyn Way)] = &[
    (ScenarioKind::TxAbortLoop, &abort::Undone),
    (ScenarioKind::QueryPeak, &ladder::Ladder),
    (ScenarioKind::ColdWarmCold, &cold_warm_cold::StartedTwice),
];

/// How a scenario is repeated: as its clauses say, which may take it out of the client's hands, or else as its kind is.
fn way(scenario: &Scenario) -> &'static dyn Way {
    if scenario.worker.is_some() {
        return &worker::Watched;
    }
    if scenario.iterate == Iterate::Server {
        return &server::ByServer;
    }
    WAYS.iter().find(|(kind, _)| *kind == scenario.kind).map_or(&Plain, |&(_, way)| way)
}

/// Runs the scenario at that position of the case. `progress` is told how many of how many executions are done.
pub(super) fn run(
    server: &Server,
    database: &str,
    case: &Case,
    position: usize,
    targets: &Targets,
    progress: &mut dyn FnMut(u64, u64),
) -> ScenarioOutcome {
    let started = Instant::now();
    let scenario = &case.scenarios[position];
    let way = way(scenario);
    let mut client = Client::new(server, database, case, scenario, targets, way.executions(scenario), progress);
    let mut windows = Vec::new();
    let failure = way.run(&mut client, &mut windows).err();
    let findings = way.findings(&windows);
    // A fault that no window has found has to be told all the same.
    let fault =
        client.fault.take().filter(|_| !findings.iter().any(|finding| finding.check.measure() == Measure::Nothing));
    ScenarioOutcome {
        scenario: position,
        findings,
        windows,
        messages: client.messages,
        left: client.left,
        failure: failure.or(fault),
        elapsed: started.elapsed(),
    }
}

/// Repeats the workload of a scenario in a session that is there already, and stays. Gives what its window has found.
pub(super) fn repeat_in(
    server: &Server,
    session: &mut Session,
    case: &Case,
    scenario: &Scenario,
    wrapping: Wrapping,
) -> Result<Window, Failure> {
    let (targets, mut nobody) = (Targets::default(), |_, _| {});
    let executions = scenario.warmup + scenario.iterations;
    let mut client = Client::new(server, &case.database, case, scenario, &targets, executions, &mut nobody);
    repeat(&mut client, session, None, wrapping)
}

/// The plain loop: one window, in which the workload is repeated as it is.
struct Plain;

impl Way for Plain {
    fn executions(&self, scenario: &Scenario) -> u64 {
        scenario.warmup + scenario.iterations
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| repeat(client, session, None, BARE))?);
        Ok(())
    }
}

/// Warms up, opens a window, repeats the workload with marks in between, and says what the window has found. Goes on where that
/// is thin.
fn repeat(
    client: &mut Client,
    session: &mut Session,
    phase: Option<Phase>,
    wrapping: Wrapping,
) -> Result<Window, Failure> {
    let scenario = client.scenario;
    let workload = Workload::new(session, scenario, wrapping)?;
    let took = client.as_iterated(session, |client, session| {
        for n in 1..=scenario.warmup {
            client.execute(session, &workload, &Step::WarmUp(n), None)?;
        }
        let started = Instant::now();
        look(client, session, &workload, phase, 1..=scenario.iterations)?;
        Ok(started.elapsed())
    })?;
    let asked = Asked { iterations: scenario.iterations, took, most: u64::MAX };
    let mut window = engine::window(session, phase)?;
    confirm(client, session, &asked, &mut window, |client, session, more| {
        client.as_iterated(session, |client, session| {
            look(client, session, &workload, phase, asked.iterations + 1..=asked.iterations + more)
        })?;
        engine::window(session, phase)
    })?;
    Ok(window)
}

/// Does these iterations in a window, with marks in between.
fn look(
    client: &mut Client,
    session: &mut Session,
    workload: &Workload,
    phase: Option<Phase>,
    iterations: RangeInclusive<u64>,
) -> Result<(), Failure> {
    let phase = phase.map(|phase| ("phase", json!(phase.as_str())));
    engine::begin(session, client.scenario, phase.as_slice())?;
    let before = iterations.start() - 1;
    let mut marks = marks(iterations.end() - before).into_iter().peekable();
    for n in iterations {
        client.execute(session, workload, &Step::Iteration(n), None)?;
        if marks.next_if_eq(&(n - before)).is_some() {
            engine::mark(session, n - before)?;
        }
    }
    engine::end(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Defaults, Environment, Overrides, cases, load};

    #[test]
    fn a_kind_has_one_way() {
        for (position, (kind, _)) in WAYS.iter().enumerate() {
            assert!(WAYS[..position].iter().all(|(other, _)| other != kind), "{kind}");
        }
    }

    #[test]
    fn what_will_be_executed_is_known_beforehand() {
        let table = [
            ("growth_benchmark", "iterations 20 warmup 5", 25),
            ("cursor_leak", "iterations 20 warmup 5", 25),
            ("growth_benchmark", "iterations 20 warmup 5 iterate transaction", 25),
            ("growth_benchmark", "iterations 20 warmup 5 iterate server", 0),
            ("tx_abort_loop", "iterations 20 warmup 5", 100),
            ("tx_abort_loop", "iterations 20 warmup 5 abort rollback", 50),
            ("tx_abort_loop", "iterations 20 warmup 5 iterate server", 0),
            ("query_peak", "iterations 2 warmup 5 rows in (10, 20, 30)", 11),
        ];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.mcspec");
        for (kind, clauses, expected) in table {
            let workload = if kind == "query_peak" { "SELECT :rows" } else { "SELECT 1" };
            let text = format!("target 'mine'\nscenario {kind} {clauses} workload {{ {workload} }} expect none\n");
            std::fs::write(&path, text).unwrap();
            let loaded = load("x", &path).unwrap();
            let environment = Environment::nominal(180_000);
            let planned = cases(&loaded, &environment, &Overrides::default(), Defaults::default()).unwrap();
            let scenario = &planned[0].scenarios[0];
            assert_eq!(way(scenario).executions(scenario), expected, "{kind} {clauses}");
        }
    }
}
