//! The workload under guard pages.

use super::{ACCESSES, Call, Clause, Description, Execution, Runs, judged_by_accesses};

pub(super) static DESCRIPTION: Description = Description {
    name: "use_after_reset",
    catches: "accesses to memory that was freed or never allocated",
    clauses: &[Clause::Workers],
    needs_trace: true,
    needs_pages: true,
    checks: ACCESSES,
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "accesses to memory that was freed or never allocated",
            runs: Runs::InWorkers,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
