//! The workload undone by ROLLBACK, ROLLBACK TO SAVEPOINT and a statement error.

use super::{Call, Clause, Description, Execution, Runs};
use crate::check::CheckKind;
use crate::finding::{Finding, Phase};
use crate::judge::{Evidence, GoingOn};

pub(super) static DESCRIPTION: Description = Description {
    name: "tx_abort_loop",
    catches: "what stays when the workload is undone",
    clauses: &[Clause::Abort],
    makes_transactions: true,
    checks: &[CheckKind::ContextLeak, CheckKind::DsmLeak, CheckKind::MallocLeak, CheckKind::ResourceLeak],
    execution: Execution {
        judge,
        call: Some(Call {
            description: "what the workload leaves behind when it is rolled back to a savepoint, and when an error undoes it",
            runs: Runs::Undone,
            judge_in_window: judge,
        }),
    },
    ..Description::COMMON
};

/// An abort should have undone all growth, so whatever stays is a leak.
fn judge(evidence: &Evidence) -> Vec<Finding> {
    crate::judge::judge(&GoingOn { standing: CheckKind::ContextLeak }, evidence)
}

/// The findings of several ways of undoing the workload, each with the way. What stays whichever way it is has none.
pub fn by_way(ways: Vec<(Phase, Vec<Finding>)>) -> Vec<Finding> {
    let found_by: Vec<Vec<Finding>> = ways.iter().map(|(_, found)| found.clone()).collect();
    let is_found = |finding: &Finding, found: &Vec<Finding>| found.iter().any(|it| it.is_about_the_same(finding));
    let mut all: Vec<Finding> = Vec::new();
    for (phase, found) in ways {
        for finding in found {
            let always = found_by.iter().all(|found| is_found(&finding, found));
            let is_there = all.iter().any(|it| it.phase.is_none() && it.is_about_the_same(&finding));
            if !(always && is_there) {
                all.push(Finding { phase: (!always).then_some(phase), ..finding });
            }
        }
    }
    all
}
