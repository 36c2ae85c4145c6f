//! `tx_abort_loop`: how the workload is undone, and which findings depend on it.

use memcheck_core::{Finding, Phase};

use crate::exec::outcome::Window;

/// What is sent around every execution of the workload.
#[derive(Debug, Clone, Copy)]
pub(in crate::exec) struct Wrapping {
    /// Before the workload.
    pub(in crate::exec) before: &'static [&'static str],
    /// A statement that must fail, after the workload.
    pub(in crate::exec) fails: Option<&'static str>,
    /// At the end.
    pub(in crate::exec) after: &'static [&'static str],
}

/// No wrapping: the workload's statements are all that is sent.
pub(in crate::exec) const BARE: Wrapping = Wrapping { before: &[], fails: None, after: &[] };

/// The control of `tx_abort_loop`: the workload commits.
pub(in crate::exec) const COMMITTED: Wrapping = Wrapping { before: &["BEGIN"], fails: None, after: &["COMMIT"] };

/// The workload undone.
pub(in crate::exec) fn undone(phase: Phase) -> Wrapping {
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
pub(in crate::exec) fn merge(windows: &[Window]) -> Vec<Finding> {
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
