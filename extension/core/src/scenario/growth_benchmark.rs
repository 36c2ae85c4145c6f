//! Growth over log-spaced checkpoints.

use super::{Call, Clause, Description, Execution, Iterations, Runs, wrong_context_probe};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Evidence, GoingOn};

pub(super) static DESCRIPTION: Description = Description {
    name: "growth_benchmark",
    catches: "contexts that pile up or grow with every iteration",
    clauses: &[Clause::Worker],
    iterations: Iterations {
        // From ten on there are three checkpoints after the first: at 1, the half, and the last iteration. From a hundred on
        // there are enough to leave what happens once out of the rate.
        fewest: 10,
        settled: Some(100),
        ..Description::COMMON.iterations
    },
    checks: &[
        CheckKind::ContextLeak,
        CheckKind::CtxBloat,
        CheckKind::WrongCtxAlloc,
        CheckKind::DsmLeak,
        CheckKind::MallocLeak,
        CheckKind::ResourceLeak,
    ],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "growth of each context at log-spaced checkpoints",
            runs: Runs::Repeated,
            judge_in_window: |evidence| {
                let mut findings = judge(evidence);
                // A plain window reports what lands in a global context under that name as well.
                let misplaced = wrong_context_probe::judge(evidence).into_iter();
                findings.extend(misplaced.filter(|finding| finding.check == CheckKind::WrongCtxAlloc));
                findings
            },
        }),
    },
    ..Description::COMMON
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    crate::judge::judge(&GoingOn { standing: CheckKind::CtxBloat }, evidence)
}
