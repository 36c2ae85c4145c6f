//! What an outcome comes to, in the form in which it is recorded.

use std::sync::Arc;

use memcheck_core::golden::row::Policy;

use super::Owned;
use super::allowed::{findings, in_scenario};
use crate::exec::outcome::{Outcome, PermutationRun, ScenarioOutcome};
use crate::golden::{self, Block};
use crate::plan::{Allowance, Case};
use crate::results::{Allowed, Known, Seen};

/// What is recorded of the scenarios and permutations that ran to their end, in the order of the spec.
pub(super) fn seen(case: &Case, outcome: &Outcome) -> Vec<Seen> {
    let scenarios = outcome.scenarios.iter().filter(|scenario| scenario.failure.is_none());
    let scenarios = scenarios.map(|found| of_scenario(case, found));
    let permutations = outcome.permutations.iter().filter(|permutation| permutation.failure.is_none());
    let permutations = permutations.filter_map(|found| {
        let title = &case.sessions.permutations[found.permutation].title;
        let see = |run: &PermutationRun| {
            let trace = golden::trace(&case.sessions, &run.happenings);
            observed(case, Seen { title: title.clone(), trace, ..Seen::default() }, &findings(case, run))
        };
        usual(found.runs.iter().map(see).collect())
    });
    scenarios.chain(permutations).collect()
}

/// What is recorded of a scenario.
pub fn of_scenario(case: &Case, found: &ScenarioOutcome) -> Seen {
    let scenario = &case.scenarios[found.scenario];
    let findings = in_scenario(case, scenario, &found.findings);
    observed(case, Seen { title: scenario.title.clone(), ..Seen::default() }, &findings)
}

/// Enters what was found: what counts, and what is known and allowed, by what allows it.
fn observed(case: &Case, seen: Seen, findings: &[Owned]) -> Seen {
    let policy = policy(case);
    let observe = |findings: &[Owned]| golden::observe(findings.iter().map(Owned::pair), &case.normalize, policy);
    let (known, counted): (Vec<Owned>, Vec<Owned>) = findings.iter().partition(|owned| owned.is_allowed());
    let mut by: Vec<(&Arc<Allowance>, Vec<Owned>)> = Vec::new();
    for (owned, allowance) in known.iter().filter_map(|owned| Some((*owned, owned.allowance?))) {
        match by.iter_mut().find(|(other, _)| Arc::ptr_eq(other, allowance)) {
            Some((_, findings)) => findings.push(owned),
            None => by.push((allowance, vec![owned])),
        }
    }
    let allowed = by.iter().flat_map(|(allowance, findings)| {
        let by = Known::from(&***allowance);
        observe(findings).into_iter().map(move |observed| Allowed { observed, by: by.clone() })
    });
    Seen { rows: observe(&counted), allowed: allowed.collect(), ..seen }
}

/// How violations are shown, where nothing is recorded too.
pub(super) fn policy(case: &Case) -> Policy {
    if case.golden == Policy::None { Policy::Auto } else { case.golden }
}

/// What most of the runs of a permutation came to. If not all did, it says so.
fn usual(runs: Vec<Seen>) -> Option<Seen> {
    let like = |seen: &Seen| {
        let block = Block::from(seen);
        runs.iter().filter(|other| golden::differences(Some(&block), other).is_empty()).count()
    };
    let mut best: Option<(usize, &Seen)> = None;
    for seen in &runs {
        let count = like(seen);
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, seen));
        }
        // As most permutations are: the same every time.
        if count == runs.len() {
            break;
        }
    }
    let (count, seen) = best?;
    let mut seen = seen.clone();
    if count < runs.len() {
        seen.trace.push(format!("{count}/{} runs", runs.len()));
    }
    Some(seen)
}
