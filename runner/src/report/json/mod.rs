//! Everything, for programs: one JSON document, whose structure is [`RunReport`].

mod read;
mod schema;

use std::io::{self, Write};

use super::fault::{describe, place};
use super::{NotRun, Reporter, Summary, notes, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Repeats, Verdict};
use crate::plan::{Case, Place, Problem};
use crate::results::{self, milliseconds};

pub use read::{Merged, merged, read};
pub use schema::{
    BadReport, CaseRecord, ErrorRecord, FORMAT, FaultRecord, ProblemRecord, RepeatsRecord, RunReport, SummaryRecord,
    WarningRecord,
};

/// Writes JSON when the run is over.
pub struct Json<W> {
    out: W,
    collected: Collected,
}

impl<W: Write> Json<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Json { out, collected: Collected::default() }
    }

    fn write(&mut self, report: &RunReport) -> io::Result<()> {
        self.out.write_all(text(report).as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Reporter for Json<W> {
    fn verdict(&mut self, case: &Case, outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.collected.add(case, outcome, verdict);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let report = self.collected.end(summary);
        self.write(&report)
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        self.write(&RunReport::of_no_run(why))
    }
}

/// The document.
pub fn text(report: &RunReport) -> String {
    // A map with keys that are no text, or a number that JSON has not, would fail: there is neither.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// The cases of a run, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Collected(Vec<CaseRecord>);

impl Collected {
    /// Enters a case.
    pub(super) fn add(&mut self, case: &Case, outcome: &Outcome, verdict: &Verdict) {
        self.0.push(CaseRecord {
            name: case.name.clone(),
            label: case.label.clone(),
            spec: case.source.path.clone(),
            tags: case.tags.clone(),
            status: verdict.status.as_str().to_owned(),
            reason: verdict.status.reason().map(str::to_owned),
            flaky: verdict.flaky(),
            attempts: verdict.attempts,
            repeats: verdict.repeats.map(|Repeats { runs, failed }| RepeatsRecord { runs, failed }),
            golden: verdict.golden.clone(),
            notes: notes(case, verdict),
            faults: verdict.faults.iter().map(|fault| fault_record(fault, verdict, case)).collect(),
            elapsed_ms: milliseconds(verdict.elapsed),
            server: verdict.axes.as_ref().map(|axes| results::server(outcome, axes)),
            scenarios: results::scenarios(case, outcome, &verdict.seen),
            not_run: verdict.axes.iter().flat_map(|_| outcome.not_run(case)).map(str::to_owned).collect(),
            left_out: case.left_out.clone(),
            not_selected: case.not_selected.clone(),
        });
    }

    /// The report of the run, which is over. What was collected goes into it.
    pub(super) fn end(&mut self, summary: &Summary) -> RunReport {
        RunReport {
            format: FORMAT,
            mcspec: env!("CARGO_PKG_VERSION").to_owned(),
            summary: SummaryRecord {
                passed: summary.passed,
                failed: summary.failed,
                expected_failures: summary.expected_failures,
                skipped: summary.skipped,
                unsupported: summary.unsupported,
                flaky: summary.flaky,
                elapsed_ms: milliseconds(summary.elapsed),
                untraced: summary.untraced.clone(),
                allowed: summary.allowed,
            },
            warnings: warnings(summary).map(|(place, message)| warning_record(place, message)).collect(),
            cases: std::mem::take(&mut self.0),
            shard: summary.shard,
            ended: None,
            error: None,
        }
    }
}

impl RunReport {
    /// The report where there is no run.
    pub(super) fn of_no_run(why: &NotRun) -> Self {
        RunReport {
            format: FORMAT,
            mcspec: env!("CARGO_PKG_VERSION").to_owned(),
            summary: SummaryRecord::default(),
            cases: Vec::new(),
            warnings: Vec::new(),
            shard: None,
            ended: None,
            error: Some(why.into()),
        }
    }
}

impl From<&NotRun> for ErrorRecord {
    fn from(why: &NotRun) -> Self {
        let problem = |problem: &Problem| ProblemRecord {
            hint: problem.diagnostic.hint.clone(),
            at: warning_record(&problem.place(), problem.diagnostic.message.clone()),
        };
        ErrorRecord {
            message: why.message.clone(),
            hint: why.hint.clone(),
            exit_code: why.exit,
            problems: why.problems.iter().map(problem).collect(),
        }
    }
}

fn warning_record(place: &Place, message: String) -> WarningRecord {
    let (line, column) = place.source.line_column(place.offset);
    WarningRecord { file: place.source.path.display().to_string(), line, column, message }
}

fn fault_record(fault: &Fault, verdict: &Verdict, case: &Case) -> FaultRecord {
    let described = describe(fault, verdict);
    let place = place(fault, &described, case);
    let position = place.as_ref().map(|place| place.source.line_column(place.offset));
    FaultRecord {
        kind: described.kind.to_owned(),
        file: place.map(|place| place.source.path.display().to_string()),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
        message: described.message,
        details: described.details.iter().map(|line| line.text.trim_end().to_owned()).collect(),
    }
}
