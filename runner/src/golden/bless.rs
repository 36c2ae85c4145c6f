//! Accepting what the last run found.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::compare::merge;
use super::file::{Block, Golden};
use super::{Directory, GoldenError, Recorded, Seen, base_file, differences, read, record};
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
/// scenarios that are not for this server or were not selected.
///
/// Results of several servers for one golden have to agree; where they do not, nothing is written for the case.
///
/// One that cannot be written keeps no other from being written.
pub fn bless(goldens: &Directory, results: &[CaseResult]) -> Vec<Result<Blessed, GoldenError>> {
    let accept = |proposal| match proposal {
        Proposal::Change { file, old, new, .. } if old.as_ref() != Some(&new) => {
            let existed = file.exists();
            record(&file, &new)?;
            Ok(if existed { Blessed::Updated(file) } else { Blessed::Created(file) })
        }
        Proposal::Change { file, .. } => Ok(Blessed::Unchanged(file)),
        Proposal::Refused { label, reason, hint } => Ok(Blessed::Refused { label, reason, hint }),
    };
    propose(goldens, results).into_iter().map(accept).collect()
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
pub(super) fn propose(goldens: &Directory, results: &[CaseResult]) -> Vec<Proposal> {
    let mut by_file: BTreeMap<PathBuf, Vec<&CaseResult>> = BTreeMap::new();
    for result in results {
        by_file.entry(golden_of(goldens, result)).or_default().push(result);
    }
    by_file.into_iter().map(|(file, results)| propose_file(file, &results, goldens)).collect()
}

/// The golden that a result was compared with, or would be.
pub(super) fn golden_of(goldens: &Directory, result: &CaseResult) -> PathBuf {
    result.golden.clone().unwrap_or_else(|| base_file(&goldens.path, &result.case))
}

fn propose_file(file: PathBuf, results: &[&CaseResult], goldens: &Directory) -> Proposal {
    let refused = |result: &CaseResult, reason: String, hint: Option<String>| Proposal::Refused {
        label: result.label.clone(),
        reason,
        hint,
    };
    let old = match read(&file) {
        Ok(Recorded { golden, .. }) => Some(golden),
        Err(GoldenError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
        // To be written anew.
        Err(GoldenError::Bad { .. }) => None,
        Err(error) => {
            let hint = match &error {
                GoldenError::Foreign { .. } => Some(goldens.hint.clone()),
                error => error.hint().map(str::to_owned),
            };
            return refused(results[0], error.to_string(), hint);
        }
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
    Proposal::Change { file, old, new, observed }
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
    let old_blocks = old.map_or(&[][..], |golden| &golden.blocks);
    let is_kept = |block: &Block| result.left_out.contains(&block.title) || result.not_selected.contains(&block.title);
    for (position, kept) in old_blocks.iter().enumerate().filter(|(_, block)| is_kept(block)) {
        // Behind the one that it is behind of, as far as that is still there.
        let place = |before: &Block| blocks.iter().position(|block| block.title == before.title);
        let after = old_blocks[..position].iter().rev().find_map(place);
        blocks.insert(after.map_or(0, |after| after + 1), kept.clone());
    }
    Golden { spec: result.case.clone(), blocks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Project;
    use crate::golden::write;
    use crate::results::schema::{RowResult, ScenarioResult, ServerRecord};

    fn result(label: &str, major: u32, rows: &[(&str, f64)]) -> CaseResult {
        let rows = rows
            .iter()
            .map(|&(row, bytes_per_iter)| RowResult {
                row: row.into(),
                bytes_per_iter,
                site: None,
                access: None,
                allowed: None,
            })
            .collect();
        CaseResult {
            format: CaseResult::FORMAT,
            case: "knn".into(),
            label: label.into(),
            spec: "specs/knn.mcspec".into(),
            status: "failed".into(),
            reason: None,
            refusal: None,
            faults: vec![],
            golden: None,
            server: ServerRecord { major, ..ServerRecord::default() },
            elapsed_ms: 0,
            scenarios: vec![ScenarioResult {
                title: "scenario window w".into(),
                iterations: 1,
                warmup: 10,
                workloads: Vec::new(),
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
            not_selected: vec![],
        }
    }

    const OLD: &str = "mcspec golden 1\nspec knn\n\n\
        scenario window w\nctx_bloat|INFO|a|64B..128B/iter|-|-\n(1 violation)\n\n\
        scenario window only15\nctx_bloat|INFO|z|-|-|-\n(1 violation)\n\n\
        scenario window gone\n(0 violations)\n";

    /// Blesses and returns what was done and what the file holds then.
    fn run(old: Option<&str>, results: &[CaseResult]) -> (String, Option<String>) {
        let root = tempfile::tempdir().unwrap();
        let project = Project { expected: root.path().to_owned(), says_expected: true, ..Project::default() };
        let file = root.path().join("knn.out");
        if let Some(old) = old {
            write(&file, old).unwrap();
        }
        let done = match bless(&Directory::of(&project), results).remove(0).unwrap() {
            Blessed::Created(_) => "created".to_owned(),
            Blessed::Updated(_) => "updated".to_owned(),
            Blessed::Unchanged(_) => "unchanged".to_owned(),
            Blessed::Refused { label, reason, .. } => {
                format!("{label}: {reason}").replace(&format!("{}/", root.path().display()), "")
            }
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
    fn what_was_not_selected_stays_where_it_is() {
        let block =
            |name: &str, row: &str| format!("\nscenario window {name}\nctx_bloat|INFO|{row}|-|-|-\n(1 violation)\n");
        let head = "mcspec golden 1\nspec knn\n";
        let old = format!("{head}{}{}{}", block("v", "1"), block("w", "2"), block("x", "3"));
        let rest = ["scenario window v".to_owned(), "scenario window x".to_owned(), "scenario window new".to_owned()];
        let found = CaseResult {
            not_selected: rest.to_vec(),
            left_out: vec![],
            ..result("knn", 18, &[("ctx_bloat|INFO|b|-|-|-", 1.0)])
        };
        let (done, text) = run(Some(&old), std::slice::from_ref(&found));
        assert_eq!(done, "updated");
        assert_eq!(text.unwrap(), format!("{head}{}{}{}", block("v", "1"), block("w", "b"), block("x", "3")));
        // What neither the run nor the spec knows goes.
        let other = CaseResult { not_selected: rest[..1].to_vec(), ..found };
        assert_eq!(run(Some(&old), &[other]).1.unwrap(), format!("{head}{}{}", block("v", "1"), block("w", "b")));
    }

    #[test]
    fn what_is_no_golden_of_this_format_is_left_alone() {
        let found = result("knn", 18, &[]);
        for (text, expected) in [
            ("CREATE EXTENSION knn;\n", "knn: \"knn.out\" is not a golden of mcspec"),
            ("", "knn: \"knn.out\" is not a golden of mcspec, but empty"),
            (
                "mcspec golden 2\nspec knn\n",
                "knn: \"knn.out\" is a golden of format 2; this version of mcspec has format 1",
            ),
        ] {
            let (done, left) = run(Some(text), std::slice::from_ref(&found));
            assert_eq!((done.as_str(), left.as_deref()), (expected, Some(text)));
        }
        // One that cannot be understood is written anew.
        for text in ["mcspec golden 1\nspec knn\n<<<<<<< HEAD\n", "mcspec golden 1\n", "mcspec golden 1\nspec \u{fffd}"]
        {
            assert_eq!(run(Some(text), std::slice::from_ref(&found)).0, "updated", "{text}");
        }
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
