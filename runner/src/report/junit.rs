//! The XML that CI systems read: a test suite for each version, a test case for each spec.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::fault::{describe, lines};
use super::matrix::version;
use super::{Reporter, Summary, notes};
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Status, Verdict};
use crate::plan::Case;

/// The name of the only suite of a run on one version, and of all suites together.
const NAME: &str = "mcspec";

/// Writes JUnit's XML when the run is over.
pub struct Junit<W> {
    out: W,
    suites: Vec<TestSuite>,
}

impl<W: Write> Junit<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Junit { out, suites: Vec::new() }
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        let name = if case.label == case.name { NAME } else { version(case) };
        let position = self.suites.iter().position(|suite| suite.name.as_str() == name).unwrap_or_else(|| {
            let mut suite = TestSuite::new(name);
            suite.set_time(std::time::Duration::ZERO);
            self.suites.push(suite);
            self.suites.len() - 1
        });
        let suite = &mut self.suites[position];
        suite.set_time(suite.time.unwrap_or_default() + verdict.elapsed);
        let mut test_case = TestCase::new(case.name.as_str(), status(case, verdict));
        test_case.set_classname(name).set_time(verdict.elapsed);
        let notes = notes(case, verdict);
        if !notes.is_empty() {
            test_case.set_system_out(notes.join("\n"));
        }
        suite.add_test_case(test_case);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let mut report = quick_junit::Report::new(NAME);
        report.set_time(summary.elapsed).add_test_suites(std::mem::take(&mut self.suites));
        let text = report.to_string().map_err(io::Error::other)?;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn status(case: &Case, verdict: &Verdict) -> TestCaseStatus {
    match &verdict.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Skipped(reason) | Status::Interrupted(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        Status::ExpectedFailure(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("failed as expected: {reason}"));
            status
        }
        Status::Failed | Status::Unsupported => non_success(case, verdict),
    }
}

/// A case that did not come to its end is an error, one that found something else than it should is a failure.
fn non_success(case: &Case, verdict: &Verdict) -> TestCaseStatus {
    let stopped = |fault: &Fault| matches!(fault, Fault::Failure(_) | Fault::Unsupported(_));
    let kind = if verdict.faults.iter().any(stopped) { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let mut status = TestCaseStatus::non_success(kind);
    if let Some(first) = verdict.faults.first() {
        let first = describe(first, verdict);
        let place = first.place.map_or(String::new(), |place| format!("{place}: "));
        status.set_type(first.kind).set_message(format!("{place}{}", first.message));
    }
    let lines: Vec<String> = lines(verdict, &case.name).into_iter().map(|line| line.text).collect();
    status.set_description(lines.join("\n"));
    status
}
