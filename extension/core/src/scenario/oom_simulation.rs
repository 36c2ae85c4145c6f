//! Every allocation of the target made to fail in turn.

use super::{Call, Clause, Description, Execution, Iterations, Runs, judged_by_accesses};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "oom_simulation",
    catches: "failed allocations that crash, leak, corrupt or wedge the session",
    clauses: &[Clause::Workers, Clause::Limit],
    // Of each place that allocates.
    iterations: Iterations { default: 3, fewest: 1, settled: None },
    warms_up: false,
    makes_transactions: true,
    needs_trace: true,
    checks: &[CheckKind::OomUnsafe, CheckKind::Crash],
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "failed allocations that crash, leak, corrupt or wedge the session",
            runs: Runs::Failing,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
