//! The workload undone by ROLLBACK, ROLLBACK TO SAVEPOINT and a statement error.

use super::{Built, Call, Clause, Description};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Evidence, GoingOn};

pub(super) static DESCRIPTION: Description = Description {
    name: "tx_abort_loop",
    catches: "what stays when the workload is undone",
    clauses: &[Clause::Abort],
    makes_transactions: true,
    checks: &[CheckKind::ContextLeak, CheckKind::DsmLeak, CheckKind::MallocLeak, CheckKind::ResourceLeak],
    built: Some(Built {
        judge,
        call: Some(Call {
            description: "what the workload leaves behind when it is rolled back to a savepoint",
            rolls_back: true,
            judge_in_window: judge,
        }),
    }),
    ..Description::COMMON
};

/// An abort should have undone all growth, so whatever stays is a leak.
fn judge(evidence: &Evidence) -> Vec<Finding> {
    crate::judge::judge(&GoingOn { standing: CheckKind::ContextLeak }, evidence)
}
