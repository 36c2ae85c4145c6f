//! What was measured, in the form in which results and the JSON report have it.

use std::time::Duration;

use memcheck_core::Finding;

use crate::exec::outcome::{Outcome, ScenarioOutcome};
use crate::golden::Axes;
use crate::golden::results::{FindingResult, RowResult, ScenarioResult, ServerRecord, WindowResult};
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

/// What its scenarios found.
pub fn scenarios(case: &Case, outcome: &Outcome) -> Vec<ScenarioResult> {
    outcome.scenarios.iter().map(|found| scenario(case, found, outcome)).collect()
}

fn scenario(case: &Case, found: &ScenarioOutcome, outcome: &Outcome) -> ScenarioResult {
    let scenario = &case.scenarios[found.scenario];
    let rows = observed(case, outcome).into_iter().find(|(title, _)| *title == scenario.title);
    let findings = |findings: &[Finding]| findings.iter().map(FindingResult::from).collect();
    ScenarioResult {
        title: scenario.title.clone(),
        iterations: scenario.iterations,
        warmup: scenario.warmup,
        failure: found.failure.as_ref().map(|failure| {
            let particulars = failure.particulars();
            std::iter::once(failure.headline()).chain(particulars).collect::<Vec<_>>().join("\n")
        }),
        rows: rows.iter().flat_map(|(_, rows)| rows).map(RowResult::from).collect(),
        findings: findings(&found.findings),
        windows: found
            .windows
            .iter()
            .map(|window| WindowResult {
                phase: window.phase.map(|phase| phase.to_string()),
                findings: findings(&window.findings),
                statistics: window.statistics.clone(),
            })
            .collect(),
        messages: found.messages.iter().map(|message| format!("{}:  {}", message.severity, message.text)).collect(),
        elapsed_ms: milliseconds(found.elapsed),
    }
}

/// Whole milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
