//! What was expected and recorded against what was found: the verdict on a case.

mod expectation;
mod note;
mod seen;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use memcheck_core::Finding;
use memcheck_core::golden::row::{Policy, Row};
use memcheck_core::golden::size::Size;

use self::expectation::miss;
use self::note::notes;
use self::seen::findings;
use crate::exec::outcome::{Outcome, Window};
use crate::golden::{self, Block, Difference, GoldenError, Recorded};
use crate::language::ast::{Expect, Expectation};
use crate::plan::Case;
use crate::results::{Axes, Seen};

pub use memcheck_core::gap::{GAPS, Gap};
pub use verdict::{Fault, Repeats, Status, Verdict};

/// What is recorded for a case, as far as it can be known.
#[derive(Debug)]
pub enum Record {
    /// A golden.
    Found(Recorded),
    /// None; it would be written there.
    Missing(PathBuf),
    /// The spec has `golden none`.
    NotWanted,
    /// One that cannot be used.
    Unusable(GoldenError),
}

/// The verdict on a case that is not run; none if it is to be run.
pub fn without_running(case: &Case) -> Option<Verdict> {
    let (status, faults) = if let Some(reason) = &case.skip {
        (Status::Skipped(reason.clone()), Vec::new())
    } else if !case.unsupported.is_empty() {
        (Status::Unsupported, case.unsupported.iter().cloned().map(Fault::Unsupported).collect())
    } else {
        return None;
    };
    Some(Verdict {
        status,
        faults,
        seen: Vec::new(),
        idle: Vec::new(),
        untraced: None,
        golden: None,
        axes: None,
        attempts: 0,
        repeats: None,
        notes: Vec::new(),
        elapsed: Duration::ZERO,
    })
}

/// The verdict on a case that was run.
pub fn judge(case: &Case, outcome: &Outcome, axes: &Axes, record: Record) -> Verdict {
    let mut faults: Vec<Fault> = outcome.failure.iter().cloned().map(Fault::Failure).collect();
    let mut idle = Vec::new();
    let all: Vec<&Window> = outcome.windows().collect();
    let mut looked_at = |title: &str, windows: Vec<&Window>, faults: &mut Vec<Fault>| {
        faults.extend(target::unloaded(&outcome.targets, title, &windows, &all));
        if target::is_idle(&outcome.targets, &windows) {
            idle.push(title.to_owned());
        }
    };
    for found in &outcome.scenarios {
        match &found.failure {
            Some(failure) => faults.push(Fault::Failure(failure.clone())),
            None => {
                let findings: Vec<(Option<&str>, &Finding)> =
                    found.findings.iter().map(|finding| (None, finding)).collect();
                let scenario = &case.scenarios[found.scenario];
                faults.extend(unmet(case, &scenario.expects, &findings));
                looked_at(&scenario.title, found.windows.iter().collect(), &mut faults);
            }
        }
    }
    for found in &outcome.permutations {
        faults.extend(found.failure.iter().cloned().map(Fault::Failure));
        let expects = &case.sessions.permutations[found.permutation].expects;
        let mut missed: Vec<Fault> = Vec::new();
        for run in &found.runs {
            // Met is what is met in every run; one run that misses it is enough to say.
            for fault in unmet(case, expects, &findings(case, run)) {
                if !missed.iter().any(|other| is_same_place(other, &fault)) {
                    missed.push(fault);
                }
            }
        }
        faults.extend(missed);
        if found.failure.is_none() {
            let windows = found.runs.iter().flat_map(|run| &run.windows).map(|(_, window)| window);
            looked_at(&case.sessions.permutations[found.permutation].title, windows.collect(), &mut faults);
        }
    }
    let titles: Vec<String> = outcome.not_run(case).map(str::to_owned).collect();
    if !titles.is_empty() {
        faults.push(Fault::NotRun { titles });
    }
    let gaps = GAPS.iter().map(|gap| (gap, outcome.figure(gap.figure)));
    faults.extend(gaps.filter(|&(_, count)| count != 0).map(|(gap, count)| Fault::Incomplete { gap, count }));
    let seen = seen::seen(case, outcome);
    if case.golden == Policy::Exact {
        faults.extend(seen.iter().filter_map(inexact));
    }
    let complete = outcome.first_failure().is_none();
    let golden = match &record {
        Record::Found(recorded) => Some(recorded.path.clone()),
        _ => None,
    };
    faults.extend(compare(case, &seen, record, complete));

    let status = match (&case.xfail, faults.is_empty()) {
        (None, true) => Status::Passed,
        (None, false) => Status::Failed,
        (Some(reason), false) => Status::ExpectedFailure(reason.clone()),
        (Some(reason), true) => {
            faults.push(Fault::Passed { reason: reason.clone() });
            Status::Failed
        }
    };
    let untraced = note::untraced(case, outcome);
    let (axes, elapsed) = (Some(axes.clone()), outcome.elapsed);
    Verdict {
        status,
        faults,
        seen,
        idle,
        golden,
        axes,
        attempts: 1,
        repeats: None,
        notes: notes(outcome),
        untraced,
        elapsed,
    }
}

/// The `expect` clauses that these findings do not meet.
fn unmet(case: &Case, expects: &[Expect], findings: &[(Option<&str>, &Finding)]) -> Vec<Fault> {
    let failed = |expect: &Expect| {
        let miss = miss(&expect.what, findings)?;
        // What the clause is about, not all of it.
        let span = match &expect.what {
            Expectation::No { check, .. } => &check.span,
            Expectation::Violation(expected) => &expected.check.span,
            _ => &expect.span,
        };
        Some(Fault::Unmet { place: case.place(span.start), length: span.len(), closest: miss.closest, site: miss.site })
    };
    expects.iter().filter_map(failed).collect()
}

fn is_same_place(one: &Fault, other: &Fault) -> bool {
    matches!((one, other), (Fault::Unmet { place, .. }, Fault::Unmet { place: other, .. }) if place.offset == other.offset)
}

/// Violations without an exact size.
fn inexact(seen: &Seen) -> Option<Fault> {
    let is_range = |row: &&Row| matches!(row.size, Size::Range { .. });
    let rows: Vec<Row> = seen.rows.iter().map(|observed| &observed.row).filter(is_range).cloned().collect();
    (!rows.is_empty()).then(|| Fault::Inexact { title: seen.title.clone(), rows })
}

/// What is compared with the golden: the scenarios that ran to their end.
fn compare(case: &Case, seen: &[Seen], record: Record, complete: bool) -> Vec<Fault> {
    let has_expect =
        case.scenarios.iter().any(|scenario| scenario.expected_error.is_some() || !scenario.expects.is_empty())
            || case.sessions.permutations.iter().any(|permutation| !permutation.expects.is_empty());
    match record {
        Record::Unusable(error) => vec![Fault::Golden(error)],
        Record::NotWanted if !has_expect => vec![Fault::NoExpectation],
        Record::NotWanted => Vec::new(),
        // A run that was cut short is not worth recording: the failure is what there is to say.
        Record::Missing(_) if !complete => Vec::new(),
        Record::Missing(path) => {
            vec![Fault::NotRecorded { path, blocks: seen.to_vec(), has_expect }]
        }
        Record::Found(recorded) => {
            let mut faults = Vec::new();
            for seen in seen {
                let differences = golden::differences(recorded.golden.block(&seen.title), seen);
                if !differences.is_empty() {
                    faults.push(Fault::Differs { title: seen.title.clone(), differences });
                }
            }
            // What the golden knows and the spec does not.
            let is_empty = |block: &Block| block.rows.is_empty() && block.trace.is_empty();
            for block in recorded.golden.blocks.into_iter().filter(|block| !is_empty(block)) {
                let known = case.scenarios.iter().any(|scenario| scenario.title == block.title)
                    || case.sessions.permutations.iter().any(|permutation| permutation.title == block.title)
                    || case.left_out.contains(&block.title);
                if !known {
                    let trace = block.trace.into_iter().map(Difference::NotHappened);
                    let differences = trace.chain(block.rows.into_iter().map(Difference::Missing)).collect();
                    faults.push(Fault::Differs { title: block.title, differences });
                }
            }
            faults
        }
    }
}
