//! What was measured, in the form in which results and the JSON report have it.

use std::time::Duration;

use memcheck_core::Finding;
use memcheck_core::wire::FindingRecord;

use crate::exec::failure::Failure;
use crate::exec::outcome::{Outcome, PermutationOutcome, ScenarioOutcome, Window};
use crate::golden::Axes;
use crate::golden::results::{RowResult, ScenarioResult, ServerRecord, WindowResult};
use crate::judge::observed;
use crate::plan::Case;

/// The server that a case ran on.
pub fn server(outcome: &Outcome, axes: &Axes) -> ServerRecord {
    let facts = outcome.server.clone().unwrap_or_default();
    ServerRecord {
        major: axes.major,
        assertions: axes.assertions,
        arch: axes.arch.clone(),
        version: facts.version,
        engine: facts.engine,
        settings: facts.settings,
    }
}

/// What its scenarios and permutations found.
pub fn scenarios(case: &Case, outcome: &Outcome) -> Vec<ScenarioResult> {
    let scenarios = outcome.scenarios.iter().map(|found| scenario(case, found, outcome));
    scenarios.chain(outcome.permutations.iter().map(|found| permutation(case, found, outcome))).collect()
}

fn scenario(case: &Case, found: &ScenarioOutcome, outcome: &Outcome) -> ScenarioResult {
    let scenario = &case.scenarios[found.scenario];
    let seen = observed(case, outcome).into_iter().find(|seen| seen.title == scenario.title).unwrap_or_default();
    ScenarioResult {
        title: scenario.title.clone(),
        iterations: scenario.iterations,
        warmup: scenario.warmup,
        trace: Vec::new(),
        failure: found.failure.as_ref().map(failure_text),
        rows: seen.rows.iter().map(RowResult::from).collect(),
        findings: findings(&found.findings),
        windows: found.windows.iter().map(|one| window(None, one)).collect(),
        messages: found.messages.iter().map(|message| format!("{}:  {}", message.severity, message.text)).collect(),
        elapsed_ms: milliseconds(found.elapsed),
    }
}

fn permutation(case: &Case, found: &PermutationOutcome, outcome: &Outcome) -> ScenarioResult {
    let permutation = &case.sessions.permutations[found.permutation];
    let seen = observed(case, outcome).into_iter().find(|seen| seen.title == permutation.title).unwrap_or_default();
    let windows = || found.runs.iter().flat_map(|run| &run.windows);
    let name = |session: usize| case.sessions.sessions[session].name.clone();
    ScenarioResult {
        title: permutation.title.clone(),
        iterations: 1,
        warmup: 1,
        trace: seen.trace,
        failure: found.failure.as_ref().map(failure_text),
        rows: seen.rows.iter().map(RowResult::from).collect(),
        findings: windows().flat_map(|(_, window)| findings(&window.findings)).collect(),
        windows: windows().map(|(session, one)| window(Some(name(*session)), one)).collect(),
        messages: Vec::new(),
        elapsed_ms: milliseconds(found.elapsed),
    }
}

fn window(session: Option<String>, window: &Window) -> WindowResult {
    WindowResult {
        session,
        phase: window.phase.map(|phase| phase.to_string()),
        findings: findings(&window.findings),
        statistics: window.statistics.clone(),
    }
}

fn findings(findings: &[Finding]) -> Vec<FindingRecord> {
    findings.iter().map(FindingRecord::from).collect()
}

fn failure_text(failure: &Failure) -> String {
    let particulars = failure.particulars();
    std::iter::once(failure.headline()).chain(particulars).collect::<Vec<_>>().join("\n")
}

/// Whole milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
