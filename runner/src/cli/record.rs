//! What a run leaves in `results/`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use memcheck_core::golden::row::Policy;

use super::complaint::Complaint;
use crate::exec::outcome::Outcome;
use crate::golden::results::{CaseResult, RunIndex, remove_index, write_case, write_index};
use crate::golden::{Axes, GoldenError};
use crate::judge::{Fault, Status, Verdict, observed};
use crate::plan::Case;
use crate::report::{fault, measured, status_word};

/// Writes results as cases end.
pub(super) struct Recorder<'a> {
    directory: &'a Path,
    /// For each case of the run its label and how it differs from its golden; none for a case that was not run.
    ended: Vec<Option<(String, String)>>,
    /// Labels of cases that a condition kept from running.
    skipped: Vec<String>,
}

impl<'a> Recorder<'a> {
    /// Begins the results of a run. Until it is over there is no last run.
    pub(super) fn begin(directory: &'a Path, cases: usize) -> Result<Self, Complaint> {
        remove_index(directory)?;
        Ok(Recorder { directory, ended: vec![None; cases], skipped: Vec::new() })
    }

    /// Writes the results of a case.
    pub(super) fn case(
        &mut self,
        position: usize,
        case: &Case,
        outcome: &Outcome,
        verdict: &Verdict,
    ) -> Result<(), Complaint> {
        let Some(axes) = &verdict.axes else {
            if matches!(verdict.status, Status::Skipped(_)) {
                self.skipped.push(case.label.clone());
            }
            return Ok(());
        };
        let lines: Vec<String> =
            fault::lines(verdict, &case.name).into_iter().map(|line| line.text.trim_end().to_owned()).collect();
        let differs = matches!(verdict.status, Status::Failed);
        let differences = if differs { format!("{}\n{}\n\n", case.label, lines.join("\n")) } else { String::new() };
        self.ended[position] = Some((case.label.clone(), differences));
        let observed = observed(case, outcome);
        let result = case_result(case, outcome, verdict, axes, lines);
        Ok(write_case(self.directory, &result, observed)?)
    }

    /// Writes what the run was.
    pub(super) fn end(self) -> Result<(), Complaint> {
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (cases, differences): (Vec<String>, Vec<String>) = self.ended.into_iter().flatten().unzip();
        let index = RunIndex { format: CaseResult::FORMAT, ended, cases, skipped: self.skipped };
        Ok(write_index(self.directory, &index, &differences.concat())?)
    }
}

fn case_result(case: &Case, outcome: &Outcome, verdict: &Verdict, axes: &Axes, faults: Vec<String>) -> CaseResult {
    CaseResult {
        format: CaseResult::FORMAT,
        case: case.name.clone(),
        label: case.label.clone(),
        spec: case.source.path.clone(),
        status: status_word(&verdict.status).to_owned(),
        refusal: refusal(case, verdict),
        faults,
        golden: verdict.golden.clone().or_else(|| unreadable(verdict)),
        server: measured::server(outcome, axes),
        elapsed_ms: measured::milliseconds(outcome.elapsed),
        scenarios: measured::scenarios(case, outcome),
        left_out: case.left_out.clone(),
    }
}

/// Why this result is not to become a golden.
fn refusal(case: &Case, verdict: &Verdict) -> Option<String> {
    let reason = verdict.faults.iter().find_map(|fault| match fault {
        Fault::Failure(_) => Some("it did not run to its end"),
        Fault::Lost(_) => Some("violations were lost"),
        Fault::Unmet { .. } => Some("an \"expect\" is not met"),
        Fault::Inexact { .. } => Some("the spec has \"golden exact\" and a size is not exact"),
        Fault::Golden(GoldenError::Bad { .. }) => None,
        Fault::Golden(_) => Some("it is not known which golden is meant"),
        _ => None,
    });
    let reason = reason.or_else(|| case.xfail.as_ref().map(|_| "the spec is marked \"xfail\""));
    let reason = reason.or_else(|| (case.golden == Policy::None).then_some("the spec has \"golden none\""));
    reason.map(str::to_owned)
}

/// The golden that is meant but cannot be read.
fn unreadable(verdict: &Verdict) -> Option<std::path::PathBuf> {
    verdict.faults.iter().find_map(|fault| match fault {
        Fault::Golden(GoldenError::Bad { path, .. }) => Some(path.clone()),
        _ => None,
    })
}
