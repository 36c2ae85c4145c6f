//! What a run leaves in `results/`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use memcheck_core::golden::row::Policy;

use super::complaint::Complaint;
use crate::exec::failure::{Cause, Failure};
use crate::exec::outcome::Outcome;
use crate::golden::{self, GoldenError};
use crate::judge::{Fault, Status, Verdict};
use crate::plan::Case;
use crate::report::fault;
use crate::results::schema::{CaseResult, RunIndex, Shard};
use crate::results::{self, Axes, Pending, milliseconds};
use crate::server::is_interrupted;

/// Writes results as cases end, and makes them those of the last run.
pub(super) struct Recorder {
    pending: Pending,
    /// For each case of the run its label and how it differs from its golden; none for a case that was not run.
    ended: Vec<Option<(String, String)>>,
    /// Labels of cases that a condition kept from running.
    skipped: Vec<String>,
    /// Which part of all specs they are.
    shard: Option<Shard>,
    /// The first result that could not be written.
    failed: Option<Complaint>,
}

impl Recorder {
    /// Begins the results of a run. Until it is over, the last run is the one before.
    pub(super) fn begin(directory: &Path, cases: usize) -> Result<Self, Complaint> {
        let pending = Pending::begin(directory)?;
        Ok(Recorder { pending, ended: vec![None; cases], skipped: Vec::new(), shard: None, failed: None })
    }

    /// The same where these are the cases of one shard.
    pub(super) fn of_shard(self, shard: Option<Shard>) -> Self {
        Recorder { shard, ..self }
    }

    /// Writes the results of a case.
    pub(super) fn case(&mut self, position: usize, case: &Case, outcome: &Outcome, verdict: &Verdict) {
        // What was cut short says nothing.
        let axes = verdict.axes.as_ref().filter(|_| !matches!(verdict.status, Status::Interrupted(_)));
        let Some(axes) = axes else {
            if matches!(verdict.status, Status::Skipped(_)) {
                self.skipped.push(case.label.clone());
            }
            return;
        };
        let lines: Vec<String> =
            fault::lines(verdict, &case.name).into_iter().map(|line| line.text.trim_end().to_owned()).collect();
        let differs = matches!(verdict.status, Status::Failed);
        let differences = if differs { format!("{}\n{}\n\n", case.label, lines.join("\n")) } else { String::new() };
        self.ended[position] = Some((case.label.clone(), differences));
        let directory = self.pending.path();
        let write = || {
            golden::write_found(directory, &case.name, &case.label, &verdict.seen)?;
            Ok(case_result(case, outcome, verdict, axes, lines).write_aside(directory)?)
        };
        if self.failed.is_none() {
            self.failed = write().err();
        }
    }

    /// Makes the results those of the last run, if there are any; of a run that was interrupted before anything was run there are
    /// none.
    pub(super) fn end(self) -> Result<(), Complaint> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (cases, differences): (Vec<String>, Vec<String>) = self.ended.into_iter().flatten().unzip();
        if cases.is_empty() && is_interrupted() {
            return Ok(());
        }
        let index = RunIndex { format: CaseResult::FORMAT, ended, cases, skipped: self.skipped, shard: self.shard };
        Ok(self.pending.publish(&index, &differences.concat())?)
    }
}

fn case_result(case: &Case, outcome: &Outcome, verdict: &Verdict, axes: &Axes, faults: Vec<String>) -> CaseResult {
    CaseResult {
        format: CaseResult::FORMAT,
        case: case.name.clone(),
        label: case.label.clone(),
        spec: case.source.path.clone(),
        status: verdict.status.as_str().to_owned(),
        reason: verdict.status.reason().map(str::to_owned),
        refusal: refusal(case, verdict),
        faults,
        golden: verdict.golden.clone().or_else(|| unreadable(verdict)),
        server: results::server(outcome, axes),
        elapsed_ms: milliseconds(outcome.elapsed),
        scenarios: results::scenarios(case, outcome, &verdict.seen),
        not_run: outcome.not_run(case).map(str::to_owned).collect(),
        left_out: case.left_out.clone(),
        not_selected: case.not_selected.clone(),
    }
}

/// Why this result is not to become a golden.
fn refusal(case: &Case, verdict: &Verdict) -> Option<String> {
    let reason = verdict.faults.iter().find_map(|fault| match fault {
        Fault::Failure(Failure { cause: Cause::Program(_), .. }) => Some("the command failed"),
        Fault::Failure(_) => Some("it did not run to its end"),
        Fault::NotRun { .. } => Some("not all of it was run"),
        Fault::NotRepeated { .. } => Some("a permutation differs from its warm-up"),
        Fault::Unloaded { .. } => Some("a target was not loaded"),
        Fault::Incomplete { gap, .. } => Some(gap.refusal),
        Fault::Unmet { .. } => Some("an \"expect\" is not met"),
        Fault::Inexact { .. } => Some("the spec has \"golden exact\" and a size is not exact"),
        Fault::Golden(GoldenError::Bad { .. }) => None,
        Fault::Golden(GoldenError::Format { .. }) => Some("its golden has another format"),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use memcheck_core::{CheckKind, ContextPath, Severity};

    use super::*;
    use crate::exec::failure::{Cause, Failure, Step};
    use crate::exec::happening::Happening;
    use crate::exec::outcome::{PermutationOutcome, PermutationRun, Window};
    use crate::golden::OBSERVED;
    use crate::judge::{Record, judge};
    use crate::plan::{Defaults, Environment, Overrides, cases, load};
    use crate::report::{Json, Reports};

    /// As many as a spec may have without being asked for by name.
    const PERMUTATIONS: usize = 500;

    /// A case with that many permutations, each of which found growth in a context of its own.
    fn many_permutations() -> (Case, Outcome) {
        let mut text = "session s\n".to_owned();
        let steps = || 0..PERMUTATIONS;
        steps().for_each(|n| text += &format!("  step s{n} {{ SELECT {n} }}\n"));
        steps().for_each(|n| text += &format!("permutation s{n}\n"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("many.mcspec");
        std::fs::write(&path, text).unwrap();
        let loaded = load("many", &path).unwrap();
        let environment = Environment::nominal(180_000);
        let planned = cases(&loaded, &environment, &Overrides::default(), Defaults::default());
        let permutations = steps().map(|n| {
            let windows = vec![(0, Window { findings: vec![finding(n)], ..Window::default() })];
            let happenings = vec![Happening::Completed { step: n, waited: false }];
            let runs = vec![PermutationRun { warm_up: happenings.clone(), happenings, windows }];
            PermutationOutcome { permutation: n, runs, ..PermutationOutcome::default() }
        });
        let outcome = Outcome { permutations: permutations.collect(), ..Outcome::default() };
        (planned.unwrap().remove(0), outcome)
    }

    fn finding(n: usize) -> memcheck_core::Finding {
        memcheck_core::Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Info,
            path: ContextPath::new([format!("ctx {n}")]),
            bytes: 100,
            objects: 0,
            iterations: 1,
            bytes_per_iter: 100.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    #[test]
    fn an_outcome_is_judged_once_whoever_wants_to_know() {
        let (case, outcome) = many_permutations();
        let directory = tempfile::tempdir().unwrap();
        let axes = Axes { major: 18, assertions: false, arch: "x86_64".into() };
        OBSERVED.set(0);

        let verdict =
            judge(&case, &outcome, &axes, Record::Missing { path: "expected/many.out".into(), is_taken: false });
        let mut recorder = Recorder::begin(directory.path(), 1).unwrap();
        recorder.case(0, &case, &outcome, &verdict);
        recorder.end().unwrap();
        let mut reports = Reports::new(vec![Box::new(Json::new(std::io::sink()))], std::slice::from_ref(&case));
        reports.verdict(&case, &outcome, &verdict);
        assert!(reports.end(Duration::ZERO).unwrap().1.is_empty());
        assert_eq!(OBSERVED.get(), PERMUTATIONS, "once for each permutation");

        // Each permutation has its own rows.
        let result = CaseResult::read(directory.path(), "many").unwrap();
        assert_eq!(result.scenarios.len(), PERMUTATIONS);
        for (n, scenario) in result.scenarios.iter().enumerate() {
            let rows: Vec<&str> = scenario.rows.iter().map(|row| row.row.as_str()).collect();
            assert_eq!(scenario.title, format!("permutation s{n}"));
            assert_eq!(rows, [format!("s: ctx_bloat|INFO|ctx {n}|64B..128B/iter|-|-")]);
            assert_eq!(scenario.trace, [format!("s{n}"), "no overlap".to_owned()]);
        }
    }

    #[test]
    fn what_failed_has_no_rows_and_takes_none_from_the_others() {
        let (case, mut outcome) = many_permutations();
        outcome.permutations.truncate(3);
        let failure = Failure::new(Step::Permutation, Cause::Protocol("stuck".into()));
        outcome.permutations[1].failure = Some(failure);
        let axes = Axes { major: 18, assertions: false, arch: "x86_64".into() };
        let verdict = judge(&case, &outcome, &axes, Record::NotWanted);
        let rows: Vec<usize> =
            results::scenarios(&case, &outcome, &verdict.seen).iter().map(|scenario| scenario.rows.len()).collect();
        assert_eq!(rows, [1, 0, 1]);
    }
}
