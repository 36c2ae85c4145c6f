//! Peak memory against the number of rows.

use super::{Call, Clause, Description, Execution, Iterations, Runs};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::Evidence;
use crate::judge::peak::judge_peaks;

pub(super) static DESCRIPTION: Description = Description {
    name: "query_peak",
    catches: "peak memory that grows with the rows, though nothing is left afterwards",
    clauses: &[Clause::Rows, Clause::Growth],
    iterations: Iterations { default: 1, ..Description::COMMON.iterations },
    needs_trace: true,
    shows_all_marks: true,
    checks: &[CheckKind::QueryBloat, CheckKind::ResourceLeak],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "peak memory that grows with the number of rows, which the workload has as :rows",
            runs: Runs::OnALadder,
            judge_in_window: judge,
        }),
    },
    ..Description::COMMON
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    match evidence.places {
        Some(places) => judge_peaks(evidence.paths, evidence.ladder, evidence.rules, places),
        None => Vec::new(),
    }
}
