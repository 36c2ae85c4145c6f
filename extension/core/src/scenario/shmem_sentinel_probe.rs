//! Writes past the end of shared memory segments.

use super::{Call, Clause, Description, Execution, Runs, judged_by_accesses};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "shmem_sentinel_probe",
    catches: "writes past the end of shared memory segments",
    clauses: &[Clause::Probe],
    checks: &[CheckKind::ShmemOverrun],
    execution: Execution {
        judge: judged_by_accesses,
        call: Some(Call {
            description: "writes past the end of shared memory segments",
            runs: Runs::Repeated,
            judge_in_window: judged_by_accesses,
        }),
    },
    ..Description::COMMON
};
