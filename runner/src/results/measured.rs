//! What was measured, in the form in which results and the JSON report have it.

use std::time::Duration;

use memcheck_core::Finding;
use memcheck_core::judge::tree::Branch;
use memcheck_core::targets::Loaded;
use memcheck_core::wire::FindingRecord;

use super::axes::Axes;
use super::schema::{
    BranchResult, ConfirmationResult, RowResult, ScenarioResult, ServerRecord, TargetResult, WindowResult,
};
use super::seen::Seen;
use crate::exec::failure::Failure;
use crate::exec::outcome::{Confirmation, Outcome, PermutationOutcome, ScenarioOutcome, Window};
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
        extensions: facts.extensions,
        libraries: facts.libraries,
    }
}

/// What its scenarios and permutations found. `seen` is what those came to that ran to their end, in the order of the spec.
pub fn scenarios(case: &Case, outcome: &Outcome, seen: &[Seen]) -> Vec<ScenarioResult> {
    let mut seen = seen.iter().peekable();
    let mut of = |title: &str| seen.next_if(|seen| seen.title == title);
    let mut results = Vec::new();
    for found in &outcome.scenarios {
        results.push(scenario(case, found, of(&case.scenarios[found.scenario].title)));
    }
    for found in &outcome.permutations {
        results.push(permutation(case, found, of(&case.sessions.permutations[found.permutation].title)));
    }
    results
}

fn scenario(case: &Case, found: &ScenarioOutcome, seen: Option<&Seen>) -> ScenarioResult {
    let scenario = &case.scenarios[found.scenario];
    ScenarioResult {
        title: scenario.title.clone(),
        iterations: scenario.iterations,
        warmup: scenario.warmup,
        workloads: vec![(String::new(), scenario.workload.joined())],
        trace: Vec::new(),
        failure: found.failure.as_ref().map(failure_text),
        rows: rows(seen),
        findings: findings(&found.findings),
        windows: found.windows.iter().map(|one| window(None, one)).collect(),
        messages: found.messages.iter().map(|message| format!("{}:  {}", message.severity, message.text)).collect(),
        elapsed_ms: milliseconds(found.elapsed),
    }
}

fn permutation(case: &Case, found: &PermutationOutcome, seen: Option<&Seen>) -> ScenarioResult {
    let permutation = &case.sessions.permutations[found.permutation];
    let windows = || found.runs.iter().flat_map(|run| &run.windows);
    let name = |session: usize| case.sessions.sessions[session].name.clone();
    ScenarioResult {
        title: permutation.title.clone(),
        iterations: 1,
        warmup: 1,
        workloads: steps(case, found.permutation),
        trace: seen.map_or(Vec::new(), |seen| seen.trace.clone()),
        failure: found.failure.as_ref().map(failure_text),
        rows: rows(seen),
        findings: windows().flat_map(|(_, window)| findings(&window.findings)).collect(),
        windows: windows().map(|(session, one)| window(Some(name(*session)), one)).collect(),
        messages: Vec::new(),
        elapsed_ms: milliseconds(found.elapsed),
    }
}

/// The steps of a permutation, each once, with their sessions.
fn steps(case: &Case, permutation: usize) -> Vec<(String, String)> {
    let sessions = &case.sessions;
    let mut steps: Vec<(String, String)> = Vec::new();
    for launch in &sessions.permutations[permutation].launches {
        let step = &sessions.steps[launch.step];
        let name = format!("{}: {}", sessions.sessions[step.session].name, step.name);
        if !steps.iter().any(|(known, _)| *known == name) {
            steps.push((name, step.batch.sql.clone()));
        }
    }
    steps
}

fn rows(seen: Option<&Seen>) -> Vec<RowResult> {
    let counted = seen.iter().flat_map(|seen| &seen.rows).map(RowResult::from);
    counted.chain(seen.iter().flat_map(|seen| &seen.allowed).map(RowResult::from)).collect()
}

fn window(session: Option<String>, window: &Window) -> WindowResult {
    WindowResult {
        session,
        phase: window.phase.map(|phase| phase.to_string()),
        findings: findings(&window.findings),
        statistics: window.statistics.clone(),
        targets: window.targets.iter().map(target).collect(),
        contexts: branches(window),
        confirmation: window.confirmation.as_ref().map(confirmation),
    }
}

fn confirmation(found: &Confirmation) -> ConfirmationResult {
    ConfirmationResult {
        iterations: found.iterations,
        taken_back: findings(&found.taken_back),
        unconfirmed: found.unconfirmed.clone(),
    }
}

/// Branches of a window that are kept at most: results are for many windows.
const BRANCHES: usize = 64;

fn branches(window: &Window) -> Vec<BranchResult> {
    let branch =
        |one: &Branch| BranchResult { path: one.path.names().to_vec(), bytes: one.bytes, contexts: one.contexts };
    window.contexts.iter().take(BRANCHES).map(branch).collect()
}

fn target(loaded: &Loaded) -> TargetResult {
    TargetResult { target: loaded.target.clone(), library: loaded.library.clone() }
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
