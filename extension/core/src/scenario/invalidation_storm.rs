//! Cache invalidations between and inside calls.

use super::{ACCESSES, Call, Clause, Description, Execution, Iterations, Runs, judged_by_accesses};

pub(super) static DESCRIPTION: Description = Description {
    name: "invalidation_storm",
    catches: "pointers kept into the relation cache or a system cache",
    clauses: &[Clause::Workers],
    iterations: Iterations { default: 50, ..Description::COMMON.iterations },
    needs_trace: true,
    needs_pages: true,
    checks: ACCESSES,
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "pointers kept into the relation cache or a system cache",
            runs: Runs::InWorkers,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
