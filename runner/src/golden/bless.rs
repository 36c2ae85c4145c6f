//! Accepting what the last run found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::compare::merge;
use super::file::{Block, Golden};
use super::{GoldenError, Recorded, Seen, base_file, differences, read, write};
use crate::results::schema::CaseResult;

/// What became of a golden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blessed {
    /// There was none.
    Created(PathBuf),
    /// It was written anew.
    Updated(PathBuf),
    /// It already records what was found.
    Unchanged(PathBuf),
    /// The results are not to become a golden.
    Refused {
        /// The case.
        label: String,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Writes the goldens of these results. Rows that still record what was found stay as they are, and so do the blocks of
/// scenarios that are not for this server.
///
/// Results of several servers for one golden have to agree; where they do not, nothing is written for the case.
///
/// # Errors
///
/// A golden cannot be read or written.
pub fn bless(expected: &Path, results: &[CaseResult]) -> Result<Vec<Blessed>, GoldenError> {
    let accept = |proposal| match proposal {
        Proposal::Change { file, old, new, .. } if old.as_ref() != Some(&new) => {
            let existed = file.exists();
            write(&file, &new.to_string())?;
            Ok(if existed { Blessed::Updated(file) } else { Blessed::Created(file) })
        }
        Proposal::Change { file, .. } => Ok(Blessed::Unchanged(file)),
        Proposal::Refused { label, reason, hint } => Ok(Blessed::Refused { label, reason, hint }),
    };
    propose(expected, results)?.into_iter().map(accept).collect()
}

/// What the results of a run would make of a golden.
#[derive(Debug)]
pub(super) enum Proposal {
    /// This.
    Change {
        /// The file.
        file: PathBuf,
        /// What it holds; none if it does not exist or is not a golden.
        old: Option<Golden>,
        /// What it would hold.
        new: Golden,
        /// What was found, scenario by scenario.
        observed: Vec<Seen>,
    },
    /// Nothing; see [`Blessed::Refused`].
    Refused { label: String, reason: String, hint: Option<String> },
}

/// What these results would make of their goldens, golden by golden.
pub(super) fn propose(expected: &Path, results: &[CaseResult]) -> Result<Vec<Proposal>, GoldenError> {
    let mut by_file: BTreeMap<PathBuf, Vec<&CaseResult>> = BTreeMap::new();
    for result in results {
        by_file.entry(golden_of(expected, result)).or_default().push(result);
    }
    by_file.into_iter().map(|(file, results)| propose_file(file, &results)).collect()
}

/// The golden that a result was compared with, or would be.
pub(super) fn golden_of(expected: &Path, result: &CaseResult) -> PathBuf {
    result.golden.clone().unwrap_or_else(|| base_file(expected, &result.case))
}

fn propose_file(file: PathBuf, results: &[&CaseResult]) -> Result<Proposal, GoldenError> {
    let old = match read(&file) {
        Ok(Recorded { golden, .. }) => Some(golden),
        Err(GoldenError::File { .. }) if !file.exists() => None,
        // To be written anew.
        Err(GoldenError::Bad { .. }) => None,
        Err(error) => return Err(error),
    };
    let refused = |result: &CaseResult, reason: String, hint: Option<String>| {
        Ok(Proposal::Refused { label: result.label.clone(), reason, hint })
    };
    let mut first = None;
    for result in results {
        if let Some(reason) = &result.refusal {
            return refused(result, reason.clone(), None);
        }
        let observed = match result.observed() {
            Ok(observed) => observed,
            Err(reason) => return refused(result, format!("its results cannot be read: {reason}"), None),
        };
        match &first {
            None => first = Some((*result, merged(old.as_ref(), result, &observed), observed)),
            Some((_, golden, _)) if agrees(golden, &observed) => {}
            Some((first, ..)) => {
                let reason = format!("pg {} and pg {} differ", first.server.major, result.server.major);
                let variant = file.with_extension(format!("pg{}.out", result.server.major));
                let hint = format!("copy \"{}\" to \"{}\" and run again", file.display(), variant.display());
                return refused(result, reason, Some(hint));
            }
        }
    }
    let (_, new, observed) = first.expect("a golden is proposed by at least one result");
    Ok(Proposal::Change { file, old, new, observed })
}

fn agrees(golden: &Golden, observed: &[Seen]) -> bool {
    observed.iter().all(|seen| differences(golden.block(&seen.title), seen).is_empty())
}

/// The golden that records a result.
fn merged(old: Option<&Golden>, result: &CaseResult, observed: &[Seen]) -> Golden {
    let old_block = |title: &str| old.and_then(|golden| golden.block(title));
    let mut blocks: Vec<Block> = observed
        .iter()
        .map(|seen| {
            let rows = merge(old_block(&seen.title).map_or(&[][..], |block| &block.rows), &seen.rows);
            Block::new(seen.title.clone(), seen.trace.clone(), rows)
        })
        .collect();
    blocks.extend(result.left_out.iter().filter_map(|title| old_block(title)).cloned());
    Golden { spec: result.case.clone(), blocks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::schema::{RowResult, ScenarioResult, ServerRecord};

    fn result(label: &str, major: u32, rows: &[(&str, f64)]) -> CaseResult {
        let rows = rows
            .iter()
            .map(|&(row, bytes_per_iter)| RowResult { row: row.into(), bytes_per_iter, site: None })
            .collect();
        CaseResult {
            format: CaseResult::FORMAT,
            case: "knn".into(),
            label: label.into(),
            spec: "specs/knn.mcspec".into(),
            status: "failed".into(),
            refusal: None,
            faults: vec![],
            golden: None,
            server: ServerRecord { major, ..ServerRecord::default() },
            elapsed_ms: 0,
            scenarios: vec![ScenarioResult {
                title: "scenario window w".into(),
                iterations: 1,
                warmup: 10,
                trace: vec![],
                failure: None,
                rows,
                findings: vec![],
                windows: vec![],
                messages: vec![],
                elapsed_ms: 0,
            }],
            not_run: vec![],
            left_out: vec!["scenario window only15".into()],
        }
    }

    const OLD: &str = "mcspec golden 1\nspec knn\n\n\
        scenario window w\nctx_bloat|INFO|a|64B..128B/iter|-|-\n(1 violation)\n\n\
        scenario window only15\nctx_bloat|INFO|z|-|-|-\n(1 violation)\n\n\
        scenario window gone\n(0 violations)\n";

    /// Blesses and returns what was done and what the file holds then.
    fn run(old: Option<&str>, results: &[CaseResult]) -> (String, Option<String>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("knn.out");
        if let Some(old) = old {
            write(&file, old).unwrap();
        }
        let done = match bless(directory.path(), results).unwrap().remove(0) {
            Blessed::Created(_) => "created".to_owned(),
            Blessed::Updated(_) => "updated".to_owned(),
            Blessed::Unchanged(_) => "unchanged".to_owned(),
            Blessed::Refused { label, reason, .. } => format!("{label}: {reason}"),
        };
        (done, std::fs::read_to_string(&file).ok())
    }

    #[test]
    fn what_was_found_becomes_the_golden() {
        let found = result("knn", 18, &[("ctx_bloat|INFO|a|128B..256B/iter|-|-", 140.0)]);
        let (done, text) = run(None, std::slice::from_ref(&found));
        assert_eq!(done, "created");
        assert!(text.unwrap().contains("ctx_bloat|INFO|a|128B..256B/iter|-|-\n(1 violation)\n"));

        // The old row admits 140 bytes, the block for another server stays, that of a removed scenario goes.
        let (done, text) = run(Some(OLD), &[found]);
        assert_eq!(done, "updated");
        assert_eq!(text.unwrap(), OLD.replace("\nscenario window gone\n(0 violations)\n", ""));
    }

    #[test]
    fn a_golden_that_still_records_the_run_is_left_alone() {
        let old = OLD.replace("\nscenario window gone\n(0 violations)\n", "");
        let found = result("knn", 18, &[("ctx_bloat|INFO|a|128B..256B/iter|-|-", 140.0)]);
        assert_eq!(run(Some(&old), &[found]), ("unchanged".to_owned(), Some(old.clone())));
    }

    #[test]
    fn servers_that_differ_and_runs_with_faults_are_refused() {
        let one = result("knn@pg15", 15, &[("ctx_bloat|INFO|a|64B..128B/iter|-|-", 100.0)]);
        let same = result("knn@pg18", 18, &[("ctx_bloat|INFO|a|128B..256B/iter|-|-", 150.0)]);
        let other = result("knn@pg18", 18, &[]);
        let lost = CaseResult { refusal: Some("3 violations were lost".into()), ..one.clone() };
        assert_eq!(run(None, &[one.clone(), same]).0, "created");
        assert_eq!(run(None, &[one, other]), ("knn@pg18: pg 15 and pg 18 differ".to_owned(), None));
        assert_eq!(run(None, &[lost]), ("knn@pg15: 3 violations were lost".to_owned(), None));
    }
}
