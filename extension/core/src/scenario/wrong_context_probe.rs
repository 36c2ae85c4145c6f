//! Allocations that land in contexts that live as long as the backend.

use super::{Call, Clause, Description, Execution, Iterations, Runs};
use crate::census::{Live, Totals};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Contexts, Evidence, Reading, traced, untraced};

pub(super) static DESCRIPTION: Description = Description {
    name: "wrong_context_probe",
    catches: "memory and contexts put into contexts that live as long as the backend",
    clauses: &[Clause::Worker],
    iterations: Iterations { settled: None, ..Description::COMMON.iterations },
    checks: &[CheckKind::WrongCtxAlloc, CheckKind::DsmLeak, CheckKind::MallocLeak, CheckKind::ResourceLeak],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "allocations in contexts that live as long as the backend",
            runs: Runs::Repeated,
            judge_in_window: judge,
        }),
    },
    ..Description::COMMON
};

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    crate::judge::judge(&Misplaced, evidence)
}

/// Growth of global contexts. There are marks to tell a cache that fills once from what goes on.
struct Misplaced;

impl Reading for Misplaced {
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        untraced::wrong_context(evidence, contexts, true).into_iter().collect()
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, piles_up: bool) -> Vec<Finding> {
        traced::wrong_context(evidence, contexts, piles_up, true).into_iter().collect()
    }
}
