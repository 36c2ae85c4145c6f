//! What was expected and recorded against what was found: the verdict on a case.

mod allowed;
mod expectation;
mod note;
mod rehearsal;
mod seen;
mod steps;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memcheck_core::Finding;
use memcheck_core::golden::row::{Policy, Row};
use memcheck_core::golden::size::Size;

use self::allowed::findings;
use self::expectation::{Found, miss};
use self::note::notes;
use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::outcome::{Outcome, PermutationOutcome, Window};
use crate::golden::{self, Block, Difference, GoldenError, Recorded};
use crate::language::ast::{Expect, Expectation};
use crate::panicked::Panicked;
use crate::plan::{Allowance, Case, NotBuilt};
use crate::results::{Axes, Seen};

pub use allowed::{Use, used};
pub use memcheck_core::gap::{GAPS, Gap};
pub use seen::of_scenario;
pub use verdict::{Fault, Repeats, Status, Verdict};

/// What is recorded for a case, as far as it can be known.
#[derive(Debug)]
pub enum Record {
    /// A golden.
    Found(Recorded),
    /// None; it would be written there.
    Missing {
        /// The file.
        path: PathBuf,
        /// Whether a file of others is there.
        is_taken: bool,
    },
    /// The spec has `golden none`.
    NotWanted,
    /// One that cannot be used.
    Unusable(GoldenError),
}

impl Record {
    /// Whether there is a record of a scenario or permutation.
    fn has(&self, title: &str) -> bool {
        matches!(self, Record::Found(recorded) if recorded.golden.block(title).is_some())
    }
}

/// A finding, whose it is, and whether it is known.
#[derive(Debug, Clone, Copy)]
struct Owned<'a> {
    /// The session in whose window it was found; none outside permutations.
    owner: Option<&'a str>,
    finding: &'a Finding,
    /// What allows it, or has allowed it as long as it was in force.
    allowance: Option<&'a Arc<Allowance>>,
}

impl<'a> Owned<'a> {
    /// A finding as `observe` takes it.
    fn pair(&self) -> (Option<&'a str>, &'a Finding) {
        (self.owner, self.finding)
    }

    fn is_allowed(&self) -> bool {
        self.allowance.is_some_and(|allowance| !allowance.is_over)
    }
}

/// The verdict on a case that is not run; none if it is to be run.
pub fn without_running(case: &Case) -> Option<Verdict> {
    let (status, faults) = if let Some(reason) = &case.skip {
        (Status::Skipped(reason.clone()), Vec::new())
    } else if !case.unsupported.is_empty() {
        (Status::Unsupported, case.unsupported.iter().cloned().map(Fault::Unsupported).collect())
    } else {
        let NotBuilt { message, hint } = case.not_built.clone()?;
        let failure = Failure::new(Step::Server, Cause::Server { message, hint });
        (Status::Failed, vec![Fault::Failure(failure)])
    };
    Some(not_run(status, faults))
}

/// The verdict on a case of which no more is known than that the fault is not its own. No `xfail` excuses that.
pub fn broken(panicked: Panicked) -> Verdict {
    let failure = Failure::new(Step::Spec, Cause::Panicked(panicked.into()));
    Verdict { attempts: 1, ..not_run(Status::Failed, vec![Fault::Failure(failure)]) }
}

/// The verdict on a case to which an interrupted run has not come.
pub fn interrupted() -> Verdict {
    not_run(Status::Interrupted("not run: interrupted".to_owned()), Vec::new())
}

fn not_run(status: Status, faults: Vec<Fault>) -> Verdict {
    Verdict {
        status,
        faults,
        seen: Vec::new(),
        idle: Vec::new(),
        untraced: None,
        golden: None,
        axes: None,
        attempts: 0,
        repeats: None,
        unrecorded: Vec::new(),
        allowances: Vec::new(),
        notes: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

/// The verdict on a case that was run.
pub fn judge(case: &Case, outcome: &Outcome, axes: &Axes, record: Record) -> Verdict {
    let mut faults: Vec<Fault> = failures(outcome.failure.as_ref()).collect();
    let (mut idle, mut judged) = (Vec::new(), 0);
    let all: Vec<&Window> = outcome.windows().collect();
    let mut looked_at = |title: &str, windows: Vec<&Window>, faults: &mut Vec<Fault>| {
        judged += 1;
        let all = (!case.is_part()).then_some(all.as_slice());
        faults.extend(target::unloaded(&outcome.targets, title, &windows, all));
        if target::is_idle(&outcome.targets, &windows) {
            idle.push(title.to_owned());
        }
    };
    for found in &outcome.scenarios {
        faults.extend(failures(found.failure.as_ref()));
        match &found.failure {
            Some(_) => {}
            None => {
                let scenario = &case.scenarios[found.scenario];
                let findings = allowed::in_scenario(case, scenario, &found.findings);
                faults.extend(unmet(case, &scenario.title, &scenario.expects, &findings, &record));
                looked_at(&scenario.title, found.windows.iter().collect(), &mut faults);
            }
        }
    }
    for found in &outcome.permutations {
        faults.extend(failures(found.failure.as_ref()));
        let permutation = &case.sessions.permutations[found.permutation];
        let mut missed: Vec<Fault> = Vec::new();
        for run in &found.runs {
            // Met is what is met in every run; one run that misses it is enough to say.
            for fault in unmet(case, &permutation.title, &permutation.expects, &findings(case, run), &record) {
                if !missed.iter().any(|other| is_same_place(other, &fault)) {
                    missed.push(fault);
                }
            }
        }
        faults.extend(missed);
        faults.extend(rehearsal::differs(case, &permutation.title, &found.runs));
        faults.extend(steps::cancelled(case, found));
        if found.failure.is_none() {
            let windows = found.runs.iter().flat_map(|run| &run.windows).map(|(_, window)| window);
            looked_at(&permutation.title, windows.collect(), &mut faults);
        }
    }
    let titles: Vec<String> = outcome.not_run(case).map(str::to_owned).collect();
    if !titles.is_empty() {
        faults.push(Fault::NotRun { titles });
    }
    // One may be there to compare with. Where another part of the spec may be the one that loads it, or it was cut short, nobody knows.
    let is_whole = !case.is_part() && outcome.first_failure().is_none();
    let has_findings = all.iter().any(|window| !window.findings.is_empty());
    let is_of_expect = |fault: &Fault| matches!(fault, Fault::Unmet { .. });
    if idle.len() == judged && is_whole && !has_findings && faults.iter().all(is_of_expect) {
        faults.extend(target::idle(&outcome.targets, std::mem::take(&mut idle), &all));
    }
    let gaps = GAPS.iter().map(|gap| (gap, outcome.figure(gap.figure)));
    faults.extend(gaps.filter(|&(_, count)| count != 0).map(|(gap, count)| Fault::Incomplete { gap, count }));
    let seen = seen::seen(case, outcome);
    if case.golden == Policy::Exact {
        faults.extend(seen.iter().filter_map(inexact));
    }
    let (unrecorded, vague): (Vec<&Seen>, Vec<&Seen>) =
        seen.iter().filter(|seen| !record.has(&seen.title)).partition(|seen| has_expect(case, &seen.title));
    // A run that was cut short is not worth recording: the failure is what there is to say.
    if outcome.first_failure().is_none() {
        faults.extend(no_expectation(case, &vague, &record));
    }
    let golden = match &record {
        Record::Found(recorded) => Some(recorded.path.clone()),
        _ => None,
    };
    let unrecorded = match record {
        Record::NotWanted => Vec::new(),
        _ => unrecorded.into_iter().map(|seen| seen.title.clone()).collect(),
    };
    faults.extend(compare(case, &seen, record));

    let is_vague = |fault: &Fault| matches!(fault, Fault::NoExpectation { .. });
    let is_untried = |fault: &Fault| matches!(fault, Fault::Failure(failure) if failure.is_before_the_spec());
    let status = match &case.xfail {
        _ if let Some(reason) = interrupt(&faults) => Status::Interrupted(reason),
        None if faults.is_empty() => Status::Passed,
        None => Status::Failed,
        // The rest may be what fails.
        Some(_) if faults.is_empty() && case.is_part() => Status::Passed,
        Some(reason) if faults.is_empty() => {
            faults.push(Fault::Passed { reason: reason.clone() });
            Status::Failed
        }
        // What is to fail has to say what would be right, and to be tried.
        Some(_) if faults.iter().all(is_vague) || faults.iter().any(is_untried) => Status::Failed,
        Some(reason) => Status::ExpectedFailure(reason.clone()),
    };
    let unrecorded = if status == Status::Passed { unrecorded } else { Vec::new() };
    let allowances = allowed::used(case, outcome);
    let untraced = note::untraced(case, outcome);
    let mut notes = notes(case, outcome);
    let of_unrecorded =
        |found: &&PermutationOutcome| unrecorded.contains(&case.sessions.permutations[found.permutation].title);
    let failed =
        outcome.permutations.iter().filter(of_unrecorded).flat_map(|found| steps::failed(&case.sessions, found));
    notes.extend(failed);
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
        unrecorded,
        allowances,
        notes,
        untraced,
        elapsed,
    }
}

/// What the interrupt has cut short, where that is all that is wrong.
fn interrupt(faults: &[Fault]) -> Option<String> {
    let is_of_it = |fault: &Fault| match fault {
        Fault::Failure(failure) => matches!(failure.cause, Cause::Interrupted { .. }),
        // A window that was not closed has no figures.
        Fault::NotRun { .. } | Fault::Incomplete { .. } => true,
        _ => false,
    };
    let first = faults.iter().find_map(|fault| match fault {
        Fault::Failure(failure) => Some(failure.headline()),
        _ => None,
    });
    first.filter(|_| faults.iter().all(is_of_it)).map(|headline| format!("interrupted: {headline}"))
}

/// A failure and those after it, a fault each.
fn failures(first: Option<&Failure>) -> impl Iterator<Item = Fault> {
    first.into_iter().flat_map(Failure::all).cloned().map(Fault::Failure)
}

/// The `expect` clauses of a scenario or permutation that these findings do not meet. What was found is shown with the last
/// of them, unless the golden will.
fn unmet(case: &Case, title: &str, expects: &[Expect], findings: &[Owned], record: &Record) -> Vec<Fault> {
    if expects.is_empty() {
        return Vec::new();
    }
    let rows =
        |findings: &[Owned]| golden::observe(findings.iter().map(Owned::pair), &case.normalize, seen::policy(case));
    let found: Vec<Found> = findings.iter().map(|&owned| Found::new(owned, &case.normalize)).collect();
    let failed = |expect: &Expect| {
        let miss = miss(&expect.what, &found)?;
        // What the clause is about, not all of it.
        let span = match &expect.what {
            Expectation::No { check, .. } => &check.span,
            Expectation::Violation(expected) => &expected.check.span,
            _ => &expect.span,
        };
        let unwanted: Vec<Owned> = miss.unwanted.iter().map(|found| found.owned).collect();
        Some(Fault::Unmet {
            title: title.to_owned(),
            place: case.place(span.start),
            length: span.len(),
            closest: miss.closest,
            site: miss.site,
            rows: rows(&unwanted),
        })
    };
    let mut unmet: Vec<Fault> = expects.iter().filter_map(failed).collect();
    if let Some(Fault::Unmet { rows: shown, .. }) = unmet.last_mut()
        && shown.is_empty()
        && !record.has(title)
    {
        let counted: Vec<Owned> = findings.iter().filter(|owned| !owned.is_allowed()).copied().collect();
        *shown = rows(&counted);
    }
    unmet
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

/// Whether an `expect` clause of a scenario or permutation applies.
fn has_expect(case: &Case, title: &str) -> bool {
    let scenarios = case.scenarios.iter().filter(|scenario| scenario.title == title);
    let permutations = case.sessions.permutations.iter().filter(|permutation| permutation.title == title);
    scenarios.into_iter().any(|scenario| scenario.expected_error.is_some() || !scenario.expects.is_empty())
        || permutations.into_iter().any(|permutation| !permutation.expects.is_empty())
}

/// What is wrong with those about which neither the spec nor a golden says anything.
fn no_expectation(case: &Case, vague: &[&Seen], record: &Record) -> Option<Fault> {
    let path = match record {
        _ if vague.is_empty() => return None,
        // No golden is made of it, whatever is found.
        _ if case.xfail.is_some() => None,
        Record::NotWanted => None,
        Record::Unusable(_) => return None,
        Record::Missing { path, is_taken } => Some((path, *is_taken)),
        Record::Found(recorded) => Some((&recorded.path, false)),
    };
    Some(match path {
        Some((path, is_taken)) => {
            Fault::NotRecorded { path: path.clone(), is_taken, blocks: vague.iter().copied().cloned().collect() }
        }
        None => {
            let clause = if case.golden == Policy::None { "golden none" } else { "xfail" };
            Fault::NoExpectation { clause, titles: vague.iter().map(|seen| seen.title.clone()).collect() }
        }
    })
}

/// What is compared with the golden: the scenarios that ran to their end, as far as it has them.
fn compare(case: &Case, seen: &[Seen], record: Record) -> Vec<Fault> {
    match record {
        Record::Unusable(error) => vec![Fault::Golden(error)],
        Record::NotWanted | Record::Missing { .. } => Vec::new(),
        Record::Found(recorded) => {
            let mut faults = Vec::new();
            for seen in seen {
                let Some(block) = recorded.golden.block(&seen.title) else { continue };
                let differences = golden::differences(Some(block), seen);
                if !differences.is_empty() {
                    faults.push(Fault::Differs { title: seen.title.clone(), differences });
                }
            }
            // What the golden knows and the spec does not.
            let is_empty = |block: &Block| block.rows.is_empty() && block.trace.is_empty();
            for block in recorded.golden.blocks.into_iter().filter(|block| !is_empty(block)) {
                let known = case.scenarios.iter().any(|scenario| scenario.title == block.title)
                    || case.sessions.permutations.iter().any(|permutation| permutation.title == block.title)
                    || case.left_out.contains(&block.title)
                    || case.not_selected.contains(&block.title);
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
