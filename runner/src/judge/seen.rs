//! What an outcome comes to, in the form in which it is recorded.

use memcheck_core::golden::row::Policy;

use super::Owned;
use crate::exec::outcome::{Outcome, PermutationRun, Window};
use crate::golden::{self, Block};
use crate::plan::Case;
use crate::results::Seen;

/// What is recorded of the scenarios and permutations that ran to their end, in the order of the spec.
pub(super) fn seen(case: &Case, outcome: &Outcome) -> Vec<Seen> {
    let policy = policy(case);
    let scenarios = outcome.scenarios.iter().filter(|scenario| scenario.failure.is_none()).map(|found| {
        let findings = found.findings.iter().map(|finding| (None, finding));
        let rows = golden::observe(findings, &case.normalize, policy);
        Seen { title: case.scenarios[found.scenario].title.clone(), trace: Vec::new(), rows }
    });
    let permutations = outcome.permutations.iter().filter(|permutation| permutation.failure.is_none());
    let permutations = permutations.filter_map(|found| {
        let title = &case.sessions.permutations[found.permutation].title;
        let see = |run: &PermutationRun| Seen {
            title: title.clone(),
            trace: golden::trace(&case.sessions, &run.happenings),
            rows: golden::observe(findings(case, run), &case.normalize, policy),
        };
        usual(found.runs.iter().map(see).collect())
    });
    scenarios.chain(permutations).collect()
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

/// The findings of a run of a permutation with the sessions that own them.
pub(super) fn findings<'a>(case: &'a Case, run: &'a PermutationRun) -> Vec<Owned<'a>> {
    let owner = |session: usize| Some(case.sessions.sessions[session].name.as_str());
    let of_window =
        |(session, window): &'a (usize, Window)| window.findings.iter().map(move |finding| (owner(*session), finding));
    run.windows.iter().flat_map(of_window).collect()
}
