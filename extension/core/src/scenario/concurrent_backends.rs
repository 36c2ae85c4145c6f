//! The workload in several sessions at once.

use super::{Call, Clause, Description, Execution, Iterations, Runs};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Evidence, GoingOn};

pub(super) static DESCRIPTION: Description = Description {
    name: "concurrent_backends",
    catches: "what grows, is overrun, or stands still where sessions work side by side",
    clauses: &[Clause::Workers, Clause::Probe, Clause::Workloads],
    iterations: Iterations { fewest: 10, settled: Some(100), ..Description::COMMON.iterations },
    warms_up: false,
    makes_transactions: true,
    needs_trace: true,
    checks: &[
        CheckKind::ContextLeak,
        CheckKind::CtxBloat,
        CheckKind::ShmemOverrun,
        CheckKind::DsmLeak,
        CheckKind::MallocLeak,
        CheckKind::ResourceLeak,
        CheckKind::UseAfterFree,
        CheckKind::UseAfterReset,
        CheckKind::BufferOverrun,
        CheckKind::DoubleFree,
        CheckKind::DataRace,
        CheckKind::Crash,
        CheckKind::Timeout,
    ],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "what grows, is overrun, or stands still where sessions work side by side",
            runs: Runs::Together,
            judge_in_window: judge,
        }),
    },
    ..Description::COMMON
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    crate::judge::judge(&GoingOn { standing: CheckKind::CtxBloat }, evidence)
}
