//! What was expected and recorded against what was found: the verdict on a case.

mod expectation;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use memcheck_core::golden::row::{Observed, Policy, Row};
use memcheck_core::golden::size::Size;
use memcheck_core::{Finding, Site};

use self::expectation::miss;
use crate::exec::failure::Failure;
use crate::exec::outcome::{Outcome, PermutationRun, Window};
use crate::golden::{self, Axes, Block, Difference, GoldenError, Recorded, Seen};
use crate::plan::{Case, Place, Problem};
use crate::spec::ast::{Expect, Expectation};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It found what it should.
    Passed,
    /// It did not.
    Failed,
    /// It did not, as its `xfail` says.
    ExpectedFailure(String),
    /// It was not run: a condition does not hold.
    Skipped(String),
    /// It was not run: it asks for something that is not supported.
    Unsupported,
}

/// What became of a case.
#[derive(Debug)]
pub struct Verdict {
    /// How it ended.
    pub status: Status,
    /// What is wrong, in the order of the spec; also where an `xfail` excuses it.
    pub faults: Vec<Fault>,
    /// The golden it was compared with.
    pub golden: Option<PathBuf>,
    /// The server it ran on, as goldens name it.
    pub axes: Option<Axes>,
    /// How often it was run: more than once where its `retries` allow it and it failed at first.
    pub attempts: u32,
    /// What came of `--repeat`; none without it.
    pub repeats: Option<Repeats>,
    /// Wall-clock time of the last attempt.
    pub elapsed: Duration,
}

/// How often a case was run on purpose, and how often it failed. One failure makes a failed case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Runs.
    pub runs: u32,
    /// Those that failed.
    pub failed: u32,
}

impl Verdict {
    /// Why the case is known to be flaky: its runs did not all end in the same way.
    pub fn flaky(&self) -> Option<String> {
        match self.repeats {
            Some(Repeats { runs, failed }) if 0 < failed && failed < runs => {
                Some(format!("failed in {failed} of {runs} runs"))
            }
            _ if self.status == Status::Passed && self.attempts > 1 => {
                Some(format!("passed at attempt {}", self.attempts))
            }
            _ => None,
        }
    }
}

/// Something that makes a case fail.
#[derive(Debug)]
pub enum Fault {
    /// The spec asks for something that is not supported.
    Unsupported(Problem),
    /// It did not run to its end.
    Failure(Failure),
    /// An `expect` clause is not met.
    Unmet {
        /// What it is about.
        place: Place,
        /// How long that is, in bytes.
        length: usize,
        /// What was found instead.
        closest: String,
        /// Where that was allocated, where that is known.
        site: Option<Site>,
    },
    /// The run differs from its golden.
    Differs {
        /// The scenario or permutation.
        title: String,
        /// How.
        differences: Vec<Difference>,
    },
    /// With `golden exact`, a violation whose size is only known as a range.
    Inexact {
        /// The scenario.
        title: String,
        /// The violations.
        rows: Vec<Row>,
    },
    /// There is no golden.
    NotRecorded {
        /// Where it would be.
        path: PathBuf,
        /// What would be in it.
        blocks: Vec<Seen>,
        /// Whether the spec has an `expect`.
        has_expect: bool,
    },
    /// Neither an `expect` nor a golden.
    NoExpectation,
    /// The golden cannot be used.
    Golden(GoldenError),
    /// A transcript is none of the expected ones.
    Transcript {
        /// The closest of them, or where there should be one.
        expected: PathBuf,
        /// The transcript.
        result: PathBuf,
        /// How they differ, as `diff -U3` shows it.
        difference: String,
    },
    /// The engine had no room for some violations.
    Lost(i64),
    /// It passed although its `xfail` says that it does not.
    Passed {
        /// The reason given for the `xfail`.
        reason: String,
    },
}

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
    Some(Verdict { status, faults, golden: None, axes: None, attempts: 0, repeats: None, elapsed: Duration::ZERO })
}

/// The verdict on a case that was run.
pub fn judge(case: &Case, outcome: &Outcome, axes: &Axes, record: Record) -> Verdict {
    let mut faults: Vec<Fault> = outcome.failure.iter().cloned().map(Fault::Failure).collect();
    for found in &outcome.scenarios {
        match &found.failure {
            Some(failure) => faults.push(Fault::Failure(failure.clone())),
            None => {
                let findings: Vec<(Option<&str>, &Finding)> =
                    found.findings.iter().map(|finding| (None, finding)).collect();
                faults.extend(unmet(case, &case.scenarios[found.scenario].expects, &findings));
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
    }
    match outcome.violations_lost() {
        0 => {}
        lost => faults.push(Fault::Lost(lost)),
    }
    if case.golden == Policy::Exact {
        faults.extend(inexact(case, outcome));
    }
    let complete = outcome.first_failure().is_none();
    let golden = match &record {
        Record::Found(recorded) => Some(recorded.path.clone()),
        _ => None,
    };
    faults.extend(compare(case, outcome, record, complete));

    let status = match (&case.xfail, faults.is_empty()) {
        (None, true) => Status::Passed,
        (None, false) => Status::Failed,
        (Some(reason), false) => Status::ExpectedFailure(reason.clone()),
        (Some(reason), true) => {
            faults.push(Fault::Passed { reason: reason.clone() });
            Status::Failed
        }
    };
    Verdict { status, faults, golden, axes: Some(axes.clone()), attempts: 1, repeats: None, elapsed: outcome.elapsed }
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

/// The findings of a run of a permutation with the sessions that own them.
fn findings<'a>(case: &'a Case, run: &'a PermutationRun) -> Vec<(Option<&'a str>, &'a Finding)> {
    let owner = |session: usize| Some(case.sessions.sessions[session].name.as_str());
    let of_window =
        |(session, window): &'a (usize, Window)| window.findings.iter().map(move |finding| (owner(*session), finding));
    run.windows.iter().flat_map(of_window).collect()
}

/// Violations without an exact size.
fn inexact(case: &Case, outcome: &Outcome) -> Vec<Fault> {
    let is_range = |row: &Row| matches!(row.size, Size::Range { .. });
    let fault = |seen: Seen| {
        let rows: Vec<Row> = seen.rows.into_iter().map(|observed| observed.row).filter(is_range).collect();
        (!rows.is_empty()).then_some(Fault::Inexact { title: seen.title, rows })
    };
    observed(case, outcome).into_iter().filter_map(fault).collect()
}

/// What is compared with the golden: the scenarios that ran to their end.
fn compare(case: &Case, outcome: &Outcome, record: Record, complete: bool) -> Vec<Fault> {
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
            vec![Fault::NotRecorded { path, blocks: observed(case, outcome), has_expect }]
        }
        Record::Found(recorded) => {
            let mut faults = Vec::new();
            for seen in observed(case, outcome) {
                let differences = golden::differences(recorded.golden.block(&seen.title), &seen);
                if !differences.is_empty() {
                    faults.push(Fault::Differs { title: seen.title, differences });
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

/// What is recorded of the scenarios and permutations that ran to their end, in the order of the spec.
pub fn observed(case: &Case, outcome: &Outcome) -> Vec<Seen> {
    let policy = if case.golden == Policy::None { Policy::Auto } else { case.golden };
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

/// What most of the runs of a permutation came to. If not all did, it says so.
fn usual(runs: Vec<Seen>) -> Option<Seen> {
    let like = |seen: &Seen| {
        let row = |observed: &Observed| observed.row.clone();
        let block = Block::new("", seen.trace.clone(), seen.rows.iter().map(row).collect());
        runs.iter().filter(|other| golden::differences(Some(&block), other).is_empty()).count()
    };
    let mut best: Option<(usize, &Seen)> = None;
    for seen in &runs {
        let count = like(seen);
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, seen));
        }
    }
    let (count, seen) = best?;
    let mut seen = seen.clone();
    if count < runs.len() {
        seen.trace.push(format!("{count}/{} runs", runs.len()));
    }
    Some(seen)
}
