//! What the last run would change in the goldens, block by block, for a person to decide on.

use std::path::PathBuf;

use super::bless::{Proposal, golden_of, propose};
use super::compare::{Difference, differences};
use super::file::{Block, Golden};
use super::{Directory, GoldenError, Seen, record};
use crate::results::schema::CaseResult;

/// A golden that a run would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The golden.
    pub file: PathBuf,
    /// What would change, in the order of the spec.
    pub hunks: Vec<Hunk>,
    /// As it is now; none if there is no such file.
    now: Option<Golden>,
    /// As it would be if everything were accepted.
    proposed: Golden,
}

/// One block of a golden that a run would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Hunk {
    /// The scenario or permutation.
    pub title: String,
    /// How; nothing for a block without violations in a golden that is new.
    pub differences: Vec<Difference>,
}

/// What there is to decide about one golden.
#[derive(Debug, Clone, PartialEq)]
pub enum Pending {
    /// These hunks.
    Changed(Changed),
    /// Nothing: the results are not to become a golden.
    Refused {
        /// The case.
        label: String,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// What these results would change.
pub fn pending(goldens: &Directory, results: &[CaseResult]) -> Vec<Pending> {
    let decide = |proposal| match proposal {
        Proposal::Change { file, old, new, observed } => {
            let hunks = hunks(old.as_ref(), &new, &observed);
            let changed = Changed { file, hunks, now: old, proposed: new };
            (!changed.hunks.is_empty()).then_some(Pending::Changed(changed))
        }
        Proposal::Refused { label, reason, hint } => Some(Pending::Refused { label, reason, hint }),
    };
    propose(goldens, results).into_iter().filter_map(decide).collect()
}

/// The blocks that differ. Of a golden that is new, all.
fn hunks(old: Option<&Golden>, new: &Golden, observed: &[Seen]) -> Vec<Hunk> {
    let recorded = |title: &str| old.and_then(|old| old.block(title));
    let found = observed
        .iter()
        .map(|seen| Hunk { title: seen.title.clone(), differences: differences(recorded(&seen.title), seen) });
    let gone = old.into_iter().flat_map(|old| &old.blocks).filter(|block| new.block(&block.title).is_none());
    let gone = gone.map(|block| {
        let nothing = Seen { title: block.title.clone(), ..Seen::default() };
        Hunk { title: block.title.clone(), differences: differences(Some(block), &nothing) }
    });
    found.chain(gone).filter(|hunk| old.is_none() || !hunk.differences.is_empty()).collect()
}

impl Changed {
    /// Whether a result is one of those that would change it.
    pub fn is_of(&self, result: &CaseResult, goldens: &Directory) -> bool {
        golden_of(goldens, result) == self.file
    }

    /// Writes one hunk into the golden, and no other.
    ///
    /// # Errors
    ///
    /// The golden cannot be written.
    pub fn accept(&mut self, hunk: usize) -> Result<(), GoldenError> {
        let title = &self.hunks[hunk].title;
        let now = self.now.take().unwrap_or_else(|| Golden { spec: self.proposed.spec.clone(), blocks: Vec::new() });
        let is_kept = |block: &&Block| block.title != *title && self.proposed.block(&block.title).is_none();
        let of_spec = self.proposed.blocks.iter().filter_map(|block| match block.title == *title {
            true => Some(block),
            false => now.block(&block.title),
        });
        let blocks = of_spec.chain(now.blocks.iter().filter(is_kept)).cloned().collect();
        let golden = Golden { spec: self.proposed.spec.clone(), blocks };
        record(&self.file, &golden)?;
        self.now = Some(golden);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Project;
    use crate::golden::write;
    use crate::results::schema::{RowResult, ScenarioResult, ServerRecord};

    fn scenario(title: &str, rows: &[&str]) -> ScenarioResult {
        ScenarioResult {
            title: title.into(),
            iterations: 1,
            warmup: 10,
            workloads: Vec::new(),
            trace: vec![],
            failure: None,
            rows: rows
                .iter()
                .map(|&row| RowResult {
                    row: row.into(),
                    bytes_per_iter: 100.0,
                    site: None,
                    access: None,
                    allowed: None,
                })
                .collect(),
            findings: vec![],
            windows: vec![],
            messages: vec![],
            elapsed_ms: 0,
        }
    }

    fn result(scenarios: Vec<ScenarioResult>) -> CaseResult {
        CaseResult {
            format: CaseResult::FORMAT,
            case: "knn".into(),
            label: "knn".into(),
            spec: "specs/knn.mcspec".into(),
            status: "failed".into(),
            reason: None,
            refusal: None,
            faults: vec![],
            golden: None,
            server: ServerRecord::default(),
            elapsed_ms: 0,
            scenarios,
            not_run: vec![],
            left_out: vec![],
            not_selected: vec![],
        }
    }

    const OLD: &str = "mcspec golden 1\nspec knn\n\n\
        scenario window a\nctx_bloat|INFO|a|64B..128B/iter|-|-\n(1 violation)\n\n\
        scenario window b\nctx_bloat|INFO|b|64B..128B/iter|-|-\n(1 violation)\n\n\
        scenario window gone\nctx_bloat|INFO|g|-|-|-\n(1 violation)\n";

    fn directory(path: &std::path::Path) -> Directory {
        Directory::of(&Project { expected: path.to_owned(), says_expected: true, ..Project::default() })
    }

    /// The golden after accepting these hunks of a run with other rows in `a` and `b`, and the titles of all hunks.
    fn after(old: Option<&str>, accepted: &[usize]) -> (Vec<String>, Option<String>) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("knn.out");
        if let Some(old) = old {
            write(&file, old).unwrap();
        }
        let found = result(vec![
            scenario("scenario window a", &["ctx_bloat|INFO|a2|64B..128B/iter|-|-"]),
            scenario("scenario window same", &[]),
            scenario("scenario window b", &["ctx_bloat|INFO|b2|64B..128B/iter|-|-"]),
        ]);
        let mut pending = pending(&directory(root.path()), &[found]);
        let Some(Pending::Changed(mut changed)) = pending.pop() else { panic!("{pending:?}") };
        for &hunk in accepted {
            changed.accept(hunk).unwrap();
        }
        (changed.hunks.into_iter().map(|hunk| hunk.title).collect(), std::fs::read_to_string(&file).ok())
    }

    #[test]
    fn only_what_is_accepted_is_written() {
        let (titles, text) = after(Some(OLD), &[]);
        assert_eq!(titles, ["scenario window a", "scenario window b", "scenario window gone"]);
        assert_eq!(text.as_deref(), Some(OLD));

        assert_eq!(after(Some(OLD), &[1]).1.unwrap(), OLD.replace("INFO|b|", "INFO|b2|"));
        let (_, text) = after(Some(OLD), &[2, 0]);
        let without = OLD.split("\nscenario window gone").next().unwrap().replace("INFO|a|", "INFO|a2|");
        assert_eq!(text.unwrap(), without);
    }

    #[test]
    fn a_new_golden_grows_block_by_block_in_the_order_of_the_spec() {
        let (titles, text) = after(None, &[]);
        assert_eq!((titles.len(), text), (3, None));
        let (_, text) = after(None, &[2, 0]);
        let (a, b) = ("ctx_bloat|INFO|a2|64B..128B/iter|-|-", "ctx_bloat|INFO|b2|64B..128B/iter|-|-");
        let expected = format!(
            "mcspec golden 1\nspec knn\n\nscenario window a\n{a}\n(1 violation)\n\nscenario window b\n{b}\n(1 violation)\n"
        );
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let found = result(vec![scenario("scenario window a", &[])]);
        let Some(Pending::Changed(mut changed)) = pending(&directory(root.path()), &[found]).pop() else { panic!() };
        write(&root.path().join("knn.out"), "SELECT 1;\n").unwrap();
        assert!(matches!(changed.accept(0), Err(GoldenError::Foreign { .. })));
        assert_eq!(std::fs::read_to_string(root.path().join("knn.out")).unwrap(), "SELECT 1;\n");
    }

    #[test]
    fn what_is_not_to_be_recorded_is_not_offered() {
        let refused = CaseResult { refusal: Some("violations were lost".into()), ..result(vec![]) };
        let pending = pending(&directory("/nonexistent".as_ref()), &[refused]);
        assert!(matches!(&pending[..], [Pending::Refused { reason, .. }] if reason == "violations were lost"));
    }
}
