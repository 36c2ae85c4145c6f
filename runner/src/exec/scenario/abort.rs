//! `tx_abort_loop`: how the workload is undone, and which findings depend on it.

use memcheck_core::{Finding, Phase};

use super::way::{Client, Way};
use crate::exec::failure::Failure;
use crate::exec::outcome::Window;
use crate::exec::workload::Wrapping;
use crate::plan::Scenario;

/// A window for each way of undoing the workload, after one in which it commits.
pub(super) struct Undone;

impl Way for Undone {
    fn executions(&self, scenario: &Scenario) -> u64 {
        (1 + scenario.phases.len() as u64) * (scenario.warmup + scenario.iterations)
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        let phases = client.scenario.phases.iter().map(|&phase| (Some(phase), undone(phase)));
        for (phase, wrapping) in std::iter::once((None, COMMITTED)).chain(phases) {
            windows.push(client.in_session(|client, session| super::repeat(client, session, phase, wrapping))?);
        }
        Ok(())
    }

    /// Those that depend on the way of undoing it, once for each, and those that do not, once.
    fn findings(&self, windows: &[Window]) -> Vec<Finding> {
        match windows {
            // The others were not come to.
            [only] => only.findings.clone(),
            all => merge(all),
        }
    }
}

/// The control of `tx_abort_loop`: the workload commits.
const COMMITTED: Wrapping = Wrapping { before: &["BEGIN"], fails: None, after: &["COMMIT"] };

/// The workload undone.
fn undone(phase: Phase) -> Wrapping {
    match phase {
        Phase::Rollback => Wrapping { before: &["BEGIN"], fails: None, after: &["ROLLBACK"] },
        Phase::Savepoint => Wrapping {
            before: &["BEGIN", "SAVEPOINT mcspec"],
            fails: None,
            after: &["ROLLBACK TO SAVEPOINT mcspec", "COMMIT"],
        },
        // An error that neither the planner nor the executor is asked for: only what the workload does is measured.
        Phase::Error => Wrapping {
            before: &["BEGIN"],
            fails: Some("ROLLBACK TO SAVEPOINT mcspec_raises_an_error"),
            after: &["ROLLBACK"],
        },
    }
}

/// The findings of all windows of a `tx_abort_loop`. What also grows when the workload commits does not depend on the
/// way of undoing it: it is reported once, without a phase, as the committing window measured it. What grows only on
/// commit is another scenario's business.
fn merge(windows: &[Window]) -> Vec<Finding> {
    let same = |a: &Finding, b: &Finding| a.check == b.check && a.path == b.path && a.source_lib == b.source_lib;
    let (control, undone): (Vec<&Window>, Vec<&Window>) = windows.iter().partition(|window| window.phase.is_none());
    let control: Vec<&Finding> = control.iter().flat_map(|window| &window.findings).collect();
    let mut merged: Vec<Finding> = Vec::new();
    for window in undone {
        for finding in &window.findings {
            match control.iter().find(|other| same(other, finding)) {
                Some(control) if merged.iter().any(|seen| seen.phase.is_none() && same(seen, control)) => {}
                Some(control) => merged.push(Finding { phase: None, ..(*control).clone() }),
                None => merged.push(Finding { phase: window.phase, ..finding.clone() }),
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use memcheck_core::{CheckKind, ContextPath, Severity};

    fn finding(context: &str, bytes: u64) -> Finding {
        Finding {
            check: CheckKind::ContextLeak,
            severity: Severity::Info,
            path: ContextPath::new([context]),
            bytes,
            objects: 0,
            iterations: 100,
            bytes_per_iter: bytes as f64 / 100.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    fn window(phase: Option<Phase>, findings: &[(&str, u64)]) -> Window {
        let findings = findings.iter().map(|&(context, bytes)| finding(context, bytes)).collect();
        Window { phase, findings, ..Window::default() }
    }

    #[test]
    fn what_grows_on_commit_too_has_no_phase() {
        let windows = [
            window(None, &[("always", 1000), ("on commit", 9)]),
            window(Some(Phase::Rollback), &[("always", 1001), ("aborted", 500)]),
            window(Some(Phase::Savepoint), &[("always", 1002)]),
            window(Some(Phase::Error), &[("aborted", 501)]),
        ];
        let merged: Vec<(String, Option<Phase>, u64)> = merge(&windows)
            .into_iter()
            .map(|finding| (finding.path.to_string(), finding.phase, finding.bytes))
            .collect();
        let expected = [
            ("always".to_owned(), None, 1000),
            ("aborted".to_owned(), Some(Phase::Rollback), 500),
            ("aborted".to_owned(), Some(Phase::Error), 501),
        ];
        assert_eq!(merged, expected);
    }
}
