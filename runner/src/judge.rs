//! What was expected and recorded against what was found: the verdict on a case.

use std::path::PathBuf;
use std::time::Duration;

use memcheck_core::like::Like;
use memcheck_core::row::{Observed, Policy, Row};
use memcheck_core::{Finding, bucket};

use crate::exec::failure::Failure;
use crate::exec::outcome::Outcome;
use crate::golden::{self, Axes, Difference, GoldenError, Recorded};
use crate::plan::{Case, Place, Problem, admits};
use crate::spec::ast::{Expect, Expectation, ExpectedViolation, Rate};

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
    /// Wall-clock time.
    pub elapsed: Duration,
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
        /// The clause.
        place: Place,
        /// How long the clause is, in bytes.
        length: usize,
        /// What was found instead.
        closest: String,
    },
    /// The run differs from its golden.
    Differs {
        /// The scenario.
        title: String,
        /// How.
        differences: Vec<Difference>,
    },
    /// There is no golden.
    NotRecorded {
        /// Where it would be.
        path: PathBuf,
        /// What would be in it, with the scenarios' titles.
        rows: Vec<(String, Vec<Row>)>,
        /// Whether the spec has an `expect`.
        has_expect: bool,
    },
    /// Neither an `expect` nor a golden.
    NoExpectation,
    /// The golden cannot be used.
    Golden(GoldenError),
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
    Some(Verdict { status, faults, golden: None, axes: None, elapsed: Duration::ZERO })
}

/// The verdict on a case that was run.
pub fn judge(case: &Case, outcome: &Outcome, axes: &Axes, record: Record) -> Verdict {
    let mut faults: Vec<Fault> = outcome.failure.iter().cloned().map(Fault::Failure).collect();
    for found in &outcome.scenarios {
        match &found.failure {
            Some(failure) => faults.push(Fault::Failure(failure.clone())),
            None => faults.extend(unmet(case, found.scenario, &found.findings)),
        }
    }
    match outcome.violations_lost() {
        0 => {}
        lost => faults.push(Fault::Lost(lost)),
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
    Verdict { status, faults, golden, axes: Some(axes.clone()), elapsed: outcome.elapsed }
}

/// The `expect` clauses of a scenario that its findings do not meet.
fn unmet(case: &Case, scenario: usize, findings: &[Finding]) -> Vec<Fault> {
    let expects = &case.scenarios[scenario].expects;
    let failed = |expect: &Expect| {
        Some(Fault::Unmet {
            place: case.place(expect.span.start),
            length: expect.span.len(),
            closest: miss(&expect.what, findings)?,
        })
    };
    expects.iter().filter_map(failed).collect()
}

/// What is compared with the golden: the scenarios that ran to their end.
fn compare(case: &Case, outcome: &Outcome, record: Record, complete: bool) -> Vec<Fault> {
    let has_expect =
        case.scenarios.iter().any(|scenario| scenario.expected_error.is_some() || !scenario.expects.is_empty());
    match record {
        Record::Unusable(error) => vec![Fault::Golden(error)],
        Record::NotWanted if !has_expect => vec![Fault::NoExpectation],
        Record::NotWanted => Vec::new(),
        // A run that was cut short is not worth recording: the failure is what there is to say.
        Record::Missing(_) if !complete => Vec::new(),
        Record::Missing(path) => {
            let rows = observed(case, outcome).into_iter();
            let rows = rows.map(|(title, observed)| (title, observed.into_iter().map(|o| o.row).collect())).collect();
            vec![Fault::NotRecorded { path, rows, has_expect }]
        }
        Record::Found(recorded) => {
            let found = observed(case, outcome);
            let mut faults = Vec::new();
            for (title, observed) in &found {
                let rows = recorded.golden.block(title).map_or(&[][..], |block| &block.rows);
                let differences = golden::compare(rows, observed);
                if !differences.is_empty() {
                    faults.push(Fault::Differs { title: title.clone(), differences });
                }
            }
            // Scenarios that the golden knows and the spec does not.
            for block in recorded.golden.blocks.into_iter().filter(|block| !block.rows.is_empty()) {
                let known = case.scenarios.iter().any(|scenario| scenario.title == block.title)
                    || case.left_out.contains(&block.title);
                if !known {
                    let differences = block.rows.into_iter().map(Difference::Missing).collect();
                    faults.push(Fault::Differs { title: block.title, differences });
                }
            }
            faults
        }
    }
}

/// Titles and rows of the scenarios that ran to their end, in the order of the spec.
pub fn observed(case: &Case, outcome: &Outcome) -> Vec<(String, Vec<Observed>)> {
    let ended = outcome.scenarios.iter().filter(|scenario| scenario.failure.is_none());
    let rows = |found: &crate::exec::outcome::ScenarioOutcome| {
        let policy = if case.golden == Policy::None { Policy::Auto } else { case.golden };
        let observed = golden::observe(&found.findings, &case.normalize, policy);
        (case.scenarios[found.scenario].title.clone(), observed)
    };
    ended.map(rows).collect()
}

/// Why an expectation is not met, as what was found instead; none if it is met.
fn miss(expectation: &Expectation, findings: &[Finding]) -> Option<String> {
    match expectation {
        Expectation::Nothing => match findings {
            [] => None,
            [only] => Some(format!("found {}", brief(only))),
            [first, ..] => Some(format!("found {} violations, among them {}", findings.len(), brief(first))),
        },
        Expectation::No { check, contexts } => {
            let contexts: Vec<Like> = contexts.iter().map(|pattern| Like::new(&*pattern.value)).collect();
            let bad = |finding: &&Finding| finding.check == check.value && is_in(finding, &contexts);
            findings.iter().find(bad).map(|finding| format!("found {}", brief(finding)))
        }
        Expectation::Violation(expected) => miss_violation(expected, findings),
        // Met or failed while the scenario ran.
        Expectation::Error(_) | Expectation::Crash => None,
    }
}

fn is_in(finding: &Finding, contexts: &[Like]) -> bool {
    contexts.is_empty() || contexts.iter().any(|pattern| finding.path.matches(pattern))
}

fn miss_violation(expected: &ExpectedViolation, findings: &[Finding]) -> Option<String> {
    let misses: Vec<(&Finding, Vec<String>)> = findings
        .iter()
        .filter(|finding| finding.check == expected.check.value)
        .map(|finding| (finding, differing(expected, finding)))
        .collect();
    let met = misses.iter().filter(|(_, differing)| differing.is_empty()).count();
    let enough = match &expected.count {
        Some(count) => count.value.contains(met as f64),
        None => met > 0,
    };
    if enough {
        return None;
    }
    if met > 0 {
        return Some(format!("found {met}"));
    }
    Some(match misses.into_iter().min_by_key(|(_, differing)| differing.len()) {
        Some((_, differing)) => format!("closest: {}", differing.join(", ")),
        None => match findings {
            [] => "no violation found".to_owned(),
            [first, ..] => format!("no {} found; there is {}", expected.check.value, brief(first)),
        },
    })
}

/// The properties of a finding that are not as expected.
fn differing(expected: &ExpectedViolation, finding: &Finding) -> Vec<String> {
    let mut differing = Vec::new();
    let contexts: Vec<Like> = expected.contexts.iter().map(|pattern| Like::new(&*pattern.value)).collect();
    if !is_in(finding, &contexts) {
        differing.push(format!("in \"{}\"", finding.path));
    }
    if let Some((op, severity)) = &expected.severity
        && !admits(*op, finding.severity.cmp(&severity.value))
    {
        differing.push(finding.severity.to_string());
    }
    if let Some((range, rate)) = &expected.bytes {
        let (bytes, unit) = match rate {
            Rate::Total => (finding.bytes as f64, "B"),
            Rate::PerIteration | Rate::PerRow => (finding.bytes_per_iter, "B/iter"),
        };
        if !range.value.contains(bytes) {
            differing.push(format!("{} {unit}", short(bytes)));
        }
    }
    if let Some(shape) = &expected.shape
        && finding.shape != Some(shape.value)
    {
        differing.push(finding.shape.map_or("no shape".to_owned(), |shape| format!("shape {shape}")));
    }
    if let Some(on) = &expected.on
        && finding.phase != Some(on.value)
    {
        differing.push(finding.phase.map_or("also on commit".to_owned(), |phase| format!("on {phase}")));
    }
    if let Some(detail) = &expected.detail
        && !Like::new(&*detail.value).matches(&finding.detail)
    {
        differing.push(format!("detail \"{}\"", finding.detail));
    }
    differing
}

/// `ctx_bloat ERROR in "TopMemoryContext", 8208 B/iter`
fn brief(finding: &Finding) -> String {
    let size = if finding.iterations > 1 {
        format!("{} B/iter", short(finding.bytes_per_iter))
    } else {
        bucket::bytes(finding.bytes)
    };
    format!("{} {} in \"{}\", {size}", finding.check, finding.severity, finding.path)
}

/// A number with at most one decimal.
fn short(number: f64) -> String {
    if (number - number.round()).abs() < 0.05 { format!("{number:.0}") } else { format!("{number:.1}") }
}
