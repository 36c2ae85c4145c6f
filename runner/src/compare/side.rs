//! One side of a comparison, and where it comes from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use memcheck_core::CheckKind;
use memcheck_core::check::Measure;
use memcheck_core::golden::row::Row;
use memcheck_core::wire::SiteRecord;

use super::{Violation, saved};
use crate::golden::{self, Golden};
use crate::report::json::{self, BadReport, CaseRecord, RunReport};
use crate::results::schema::{RowResult, ScenarioResult};

/// What was looked at, and found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// What it is, as the user has named it.
    pub name: String,
    /// Cases with their scenarios and permutations, those left out that did not run to their end.
    pub looked_at: BTreeSet<(String, String)>,
    /// What was found there; what is allowed is left out.
    pub violations: Vec<Violation>,
    /// When the run ended, in seconds since 1970; none where that is not known.
    pub ended: Option<u64>,
}

/// Why there is no such side.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// A report or results that cannot be read.
    #[error("{0}")]
    Report(#[from] BadReport),
    /// Neither a file nor a directory, nor a commit.
    #[error("\"{name}\" is no file, no directory, nothing that was saved, and no commit of this repository")]
    Unknown {
        /// As it was named.
        name: String,
        /// What git says.
        git: String,
    },
    /// A commit without goldens.
    #[error("there is no golden in \"{}\" at {commit}", directory.display())]
    NoGoldens {
        /// The commit.
        commit: String,
        /// Where they were looked for.
        directory: PathBuf,
    },
    /// A golden of a commit that is none.
    #[error("\"{file}\" at {commit}: {reason}")]
    Golden {
        /// The commit.
        commit: String,
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl SideError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SideError::Report(error) => error.hint(),
            SideError::Unknown { .. } => Some(
                "a side is a JSON report, a directory of results, a name that a run was kept under by \"mcspec report --save before\", or what \"git rev-parse\" knows, such as a tag",
            ),
            SideError::NoGoldens { .. } | SideError::Golden { .. } => Some("\"mcspec bless\" writes goldens"),
        }
    }
}

impl Side {
    /// The side of that name: a file, a directory, what is kept under it in `results`, or else a commit, whose goldens are in
    /// `expected`.
    ///
    /// # Errors
    ///
    /// See [`SideError`].
    pub fn of(name: &str, results: &Path, expected: &Path) -> Result<Self, SideError> {
        let kept = saved::file(results, name).ok();
        match [Some(PathBuf::from(name)), kept].into_iter().flatten().find(|path| path.exists()) {
            Some(path) => Ok(Side::of_report(name, &json::read(&path)?)),
            None => Side::of_commit(name, expected),
        }
    }

    /// Whether it has looked for that violation.
    pub(super) fn has_looked_at(&self, violation: &Violation) -> bool {
        self.looked_at.contains(&(violation.case.clone(), violation.title.clone()))
    }

    /// What a report has.
    pub fn of_report(name: &str, report: &RunReport) -> Self {
        let mut side = Side { name: name.to_owned(), ended: report.ended, ..Side::default() };
        for case in &report.cases {
            for scenario in case.scenarios.iter().filter(|scenario| scenario.failure.is_none()) {
                side.looked_at.insert((case.label.clone(), scenario.title.clone()));
                let rows = scenario.rows.iter().filter(|row| row.allowed.is_none());
                side.violations.extend(rows.filter_map(|row| violation(case, scenario, row)));
            }
        }
        side
    }

    /// What the goldens of a commit have.
    fn of_commit(name: &str, expected: &Path) -> Result<Self, SideError> {
        let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
            .map_err(|git| SideError::Unknown { name: name.to_owned(), git })?;
        let commit = commit.trim();
        let list = git(&["ls-tree", "-r", "-z", "--name-only", commit, "--", &format!("{}/", expected.display())]);
        let mut side = Side { name: name.to_owned(), ..Side::default() };
        let files = list.unwrap_or_default();
        for file in files.split('\0').filter(|file| file.ends_with(".out")) {
            let text = git(&["show", &format!("{commit}:./{file}")]).unwrap_or_default();
            // There may be goldens of pg_regress as well.
            if !golden::is_one(&text) {
                continue;
            }
            let golden: Golden = text.parse().map_err(|bad: golden::BadGolden| SideError::Golden {
                commit: name.to_owned(),
                file: file.to_owned(),
                reason: bad.to_string(),
            })?;
            side.add_golden(&golden);
        }
        if side.looked_at.is_empty() {
            return Err(SideError::NoGoldens { commit: name.to_owned(), directory: expected.to_owned() });
        }
        Ok(side)
    }

    /// What a golden has. Of variants each counts once.
    pub(super) fn add_golden(&mut self, golden: &Golden) {
        for block in &golden.blocks {
            self.looked_at.insert((golden.spec.clone(), block.title.clone()));
            for row in &block.rows {
                let violation = of_row(&golden.spec, &block.title, row);
                if !self.violations.contains(&violation) {
                    self.violations.push(violation);
                }
            }
        }
    }

    /// Whether its cases tell versions apart.
    pub(super) fn has_versions(&self) -> bool {
        self.looked_at.iter().any(|(case, _)| without_version(case) != case)
    }

    /// The same with versions taken together: what is found on several counts once.
    pub(super) fn without_versions(&self) -> Self {
        let name = |case: &str| without_version(case).to_owned();
        let mut side = Side { name: self.name.clone(), ended: self.ended, ..Side::default() };
        side.looked_at = self.looked_at.iter().map(|(case, title)| (name(case), title.clone())).collect();
        for violation in &self.violations {
            let violation = Violation { case: name(&violation.case), ..violation.clone() };
            let is_same =
                |other: &Violation| *other == Violation { bytes_per_iter: other.bytes_per_iter, ..violation.clone() };
            if !side.violations.iter().any(is_same) {
                side.violations.push(violation);
            }
        }
        side
    }
}

/// The name of a case without the version that its label has in a run on several.
fn without_version(label: &str) -> &str {
    label.rsplit_once("@pg").map_or(label, |(name, _)| name)
}

/// A row of a report; none where it is no row.
fn violation(case: &CaseRecord, scenario: &ScenarioResult, result: &RowResult) -> Option<Violation> {
    let row: Row = result.row.parse().ok()?;
    let site = result.site.as_ref().or_else(|| result.access.as_ref()?.at.as_ref());
    Some(Violation {
        bytes_per_iter: matches!(row.check.measure(), Measure::Memory(_)).then_some(result.bytes_per_iter),
        function: site.and_then(function),
        ..of_row(&case.label, &scenario.title, &row)
    })
}

/// What a golden says.
fn of_row(case: &str, title: &str, row: &Row) -> Violation {
    let owner = row.owner.as_ref().map_or(String::new(), |owner| format!("{owner}: "));
    let phase = row.phase.map_or(String::new(), |phase| format!("@{phase}"));
    let times = if row.times > 1 { format!(" x{}", row.times) } else { String::new() };
    Violation {
        case: case.to_owned(),
        title: title.to_owned(),
        check: format!("{owner}{}{phase}", CheckKind::as_str(row.check)),
        subject: row.subject.clone(),
        library: row.library.clone(),
        severity: row.severity.map(|(_, high)| high),
        size: format!("{}{times}", row.size),
        bytes_per_iter: row.size.bytes(),
        function: None,
    }
}

fn function(site: &SiteRecord) -> Option<String> {
    site.frame.address.symbol.clone()
}

/// What git prints, or why it prints nothing.
fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
