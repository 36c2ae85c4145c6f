//! Everything, for programs: one JSON document, whose structure is [`RunReport`].

mod schema;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::fault::{describe, place};
use super::{Reporter, Summary, reason, status_word};
use crate::exec::event::Event;
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Repeats, Verdict};
use crate::plan::Case;
use crate::results::measured::{self, milliseconds};
use crate::results::schema::{ScenarioResult, ServerRecord};

pub use schema::{BadReport, CaseRecord, FORMAT, FaultRecord, RepeatsRecord, RunReport, SummaryRecord};

/// Writes JSON when the run is over.
pub struct Json<W> {
    out: W,
    /// What cases found that are over, by position, until their verdict's turn comes.
    measured: BTreeMap<usize, (Option<ServerRecord>, Vec<ScenarioResult>)>,
    cases: Vec<CaseRecord>,
}

impl<W: Write> Json<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Json { out, measured: BTreeMap::new(), cases: Vec::new() }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn begin(&mut self, _cases: &[Case]) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, cases: &[Case], event: &Event) -> io::Result<()> {
        if let Event::Finished { case, outcome, verdict } = event {
            self.measured.insert(*case, measure(&cases[*case], outcome, verdict));
        }
        Ok(())
    }

    fn verdict(&mut self, number: usize, case: &Case, verdict: &Verdict) -> io::Result<()> {
        let (server, scenarios) = self.measured.remove(&(number - 1)).unwrap_or_default();
        self.cases.push(CaseRecord {
            name: case.name.clone(),
            label: case.label.clone(),
            spec: case.source.path.clone(),
            tags: case.tags.clone(),
            status: status_word(&verdict.status).to_owned(),
            reason: reason(&verdict.status).map(str::to_owned),
            flaky: verdict.flaky(),
            attempts: verdict.attempts,
            repeats: verdict.repeats.map(|Repeats { runs, failed }| RepeatsRecord { runs, failed }),
            golden: verdict.golden.clone(),
            faults: verdict.faults.iter().map(|fault| fault_record(fault, verdict, case)).collect(),
            elapsed_ms: milliseconds(verdict.elapsed),
            server,
            scenarios,
            left_out: case.left_out.clone(),
        });
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let report = RunReport {
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
            },
            cases: std::mem::take(&mut self.cases),
        };
        serde_json::to_writer_pretty(&mut self.out, &report)?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

fn measure(case: &Case, outcome: &Outcome, verdict: &Verdict) -> (Option<ServerRecord>, Vec<ScenarioResult>) {
    let server = verdict.axes.as_ref().map(|axes| measured::server(outcome, axes));
    (server, measured::scenarios(case, outcome))
}

fn fault_record(fault: &Fault, verdict: &Verdict, case: &Case) -> FaultRecord {
    let described = describe(fault, verdict);
    let place = place(fault, &described, case);
    let position = place.as_ref().map(|place| place.source.line_column(place.offset));
    FaultRecord {
        kind: described.kind.to_owned(),
        file: place.map(|place| Path::to_owned(&place.source.path)),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
        message: described.message,
        details: described.details.iter().map(|line| line.text.trim_end().to_owned()).collect(),
    }
}
