//! Pointers kept across resets of the calling context.

use super::{ACCESSES, Call, Clause, Description, Execution, Iterations, Runs, judged_by_accesses};

pub(super) static DESCRIPTION: Description = Description {
    name: "context_reset_storm",
    catches: "pointers kept across resets of the calling context",
    clauses: &[Clause::ResetEvery, Clause::Workers],
    iterations: Iterations { default: 50, ..Description::COMMON.iterations },
    warms_up: false,
    makes_transactions: true,
    needs_trace: true,
    needs_pages: true,
    checks: ACCESSES,
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "pointers kept across resets of the calling context",
            runs: Runs::InWorkers,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
