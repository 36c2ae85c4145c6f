//! A plain check window around the workload: what `begin()` and `end()` see.

use super::{Clause, Description, Execution, Iterations};
use crate::census::{Live, Totals};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::{Contexts, Curve, Evidence, Reading, judge, traced, untraced};

pub(super) static DESCRIPTION: Description = Description {
    name: "window",
    catches: "what is there after the workload and was not before, steps included",
    clauses: &[Clause::Worker],
    iterations: Iterations { default: 1, fewest: 1, settled: None },
    compares_ends: true,
    reports_allowed: true,
    checks: &[
        CheckKind::ContextLeak,
        CheckKind::WrongCtxAlloc,
        CheckKind::DsmLeak,
        CheckKind::MallocLeak,
        CheckKind::ResourceLeak,
    ],
    execution: Execution { judge: |evidence| judge(&Difference, evidence), call: None },
    ..Description::COMMON
};

/// From the first mark to the last.
struct Difference;

impl Reading for Difference {
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        let leak = untraced::difference(evidence, contexts);
        leak.into_iter().chain(untraced::wrong_context(evidence, contexts, false)).collect()
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, piles_up: bool) -> Vec<Finding> {
        let leak = traced::difference(evidence, contexts).or_else(|| match piles_up {
            // The totals have more to say of them.
            true => None,
            false => traced::empty_contexts(evidence, contexts),
        });
        leak.into_iter().chain(traced::wrong_context(evidence, contexts, piles_up, false)).collect()
    }

    fn is_lost(&self, curve: &Curve<Live>) -> bool {
        curve.bytes_added() > 0
    }

    /// What is there and was not before is reported, however often it may come again.
    fn is_sure(&self, _pile: &Finding) -> bool {
        true
    }
}
