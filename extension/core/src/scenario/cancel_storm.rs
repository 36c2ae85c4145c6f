//! The workload cancelled at each of its interruptible points, and at growing points in time.

use super::{Call, Clause, Description, Execution, Iterations, Runs, judged_by_accesses};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "cancel_storm",
    catches: "what a cancelled workload leaves, and sessions that do not answer any more",
    clauses: &[Clause::Workers],
    // Of each place at which it can be cancelled.
    iterations: Iterations { default: 3, fewest: 1, settled: None },
    warms_up: false,
    makes_transactions: true,
    needs_trace: true,
    checks: &[CheckKind::CancelUnsafe, CheckKind::Timeout, CheckKind::Crash],
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "what a cancelled workload leaves, and sessions that do not answer any more",
            runs: Runs::Failing,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
