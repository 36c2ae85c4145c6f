//! Segments of dynamic shared memory that stay mapped, and those that outlive the sessions that have made them.

use super::{Call, Description, Execution, Iterations, Runs};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Evidence, GoingOn};

pub(super) static DESCRIPTION: Description = Description {
    name: "dsm_lifecycle_check",
    catches: "dynamic shared memory that stays mapped, and that is there after the session has ended",
    iterations: Iterations { default: 20, fewest: 5, settled: Some(10) },
    warms_up: false,
    makes_transactions: true,
    needs_trace: true,
    checks: &[CheckKind::DsmLeak],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "dynamic shared memory that stays mapped, and that is there after the session has ended",
            runs: Runs::InSessions,
            judge_in_window: judge,
        }),
    },
    ..Description::COMMON
};

/// What is left behind otherwise is for other scenarios.
fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut found = crate::judge::judge(&GoingOn { standing: CheckKind::CtxBloat }, evidence);
    found.retain(|finding| finding.check == CheckKind::DsmLeak);
    found
}
