//! What is known: which `allow` clause is about what was found.

use std::sync::Arc;

use memcheck_core::{ContextPath, Finding};

use super::Owned;
use crate::exec::outcome::{Outcome, PermutationRun, Window};
use crate::golden;
use crate::plan::{Allowance, Case, Scenario};

/// An `allow` clause, and what came of it in a case.
#[derive(Debug, Clone)]
pub struct Use {
    /// The clause.
    pub allowance: Arc<Allowance>,
    /// Whether something was found that it is about.
    pub is_used: bool,
    /// Whether nothing was found although everything was run that it is for.
    pub is_unused: bool,
}

/// The findings of a scenario.
pub(super) fn in_scenario<'a>(case: &'a Case, scenario: &'a Scenario, findings: &'a [Finding]) -> Vec<Owned<'a>> {
    let owned = |finding| Owned { owner: None, finding, allowance: about(case, &scenario.allowances, finding) };
    findings.iter().map(owned).collect()
}

/// The findings of a run of a permutation with the sessions that own them.
pub(super) fn findings<'a>(case: &'a Case, run: &'a PermutationRun) -> Vec<Owned<'a>> {
    let of_window = |(session, window): &'a (usize, Window)| {
        let session = &case.sessions.sessions[*session];
        window.findings.iter().map(move |finding| {
            let allowance = about(case, &session.allowances, finding);
            Owned { owner: Some(session.name.as_str()), finding, allowance }
        })
    };
    run.windows.iter().flat_map(of_window).collect()
}

/// The first clause that is about a finding, its own before those of the file: one that is in force, or else one that was.
fn about<'a>(case: &'a Case, own: &'a [Arc<Allowance>], finding: &Finding) -> Option<&'a Arc<Allowance>> {
    if own.is_empty() && case.allowances.is_empty() {
        return None;
    }
    let Ok(path): Result<ContextPath, _> = golden::subject(finding, &case.normalize).parse();
    let all = || own.iter().chain(&case.allowances).filter(|allowance| allowance.is_about(finding, &path));
    all().find(|allowance| !allowance.is_over).or_else(|| all().next())
}

/// What came of the clauses of a case.
pub fn used(case: &Case, outcome: &Outcome) -> Vec<Use> {
    let own = case.scenarios.iter().map(|scenario| &scenario.allowances);
    let own: Vec<_> = own.chain(case.sessions.sessions.iter().map(|session| &session.allowances)).flatten().collect();
    if own.is_empty() && case.allowances.is_empty() {
        return Vec::new();
    }
    let scenarios =
        outcome.scenarios.iter().flat_map(|found| in_scenario(case, &case.scenarios[found.scenario], &found.findings));
    let runs = outcome.permutations.iter().flat_map(|found| &found.runs);
    let found: Vec<&Arc<Allowance>> =
        scenarios.chain(runs.flat_map(|run| findings(case, run))).filter_map(|owned| owned.allowance).collect();
    let is_whole = outcome.first_failure().is_none() && outcome.not_run(case).next().is_none();
    let of = |allowance: &Arc<Allowance>, is_whole: bool| {
        let is_used = found.iter().any(|other| Arc::ptr_eq(other, allowance));
        Use { allowance: Arc::clone(allowance), is_used, is_unused: is_whole && !is_used }
    };
    // What is left out, on this server or in this run, may be what a clause of the file is for.
    let is_all = is_whole && case.left_out.is_empty() && case.not_selected.is_empty();
    let of_file = case.allowances.iter().map(|allowance| of(allowance, is_all));
    let mut uses: Vec<Use> = of_file.collect();
    for allowance in own {
        // Copies of a session have the same.
        let one = of(allowance, is_whole);
        match uses.iter_mut().find(|other| other.allowance == one.allowance) {
            Some(other) => {
                other.is_used |= one.is_used;
                other.is_unused &= one.is_unused;
            }
            None => uses.push(one),
        }
    }
    uses
}
