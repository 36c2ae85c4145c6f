//! One table for a run on several versions: spec by version.

use crate::judge::{Status, Verdict};
use crate::plan::Case;

/// How every spec ended on every version, in the order of the schedule.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    versions: Vec<String>,
    /// Names, and for each of the versions so far how the spec ended.
    rows: Vec<(String, Vec<&'static str>)>,
}

impl Matrix {
    /// Enters a case.
    pub(super) fn add(&mut self, case: &Case, verdict: &Verdict) {
        let column =
            position(&mut self.versions, |version| version == self::version(case), || version(case).to_owned());
        let row = position(&mut self.rows, |(name, _)| *name == case.name, || (case.name.clone(), Vec::new()));
        let cells = &mut self.rows[row].1;
        cells.resize(cells.len().max(column + 1), "");
        cells[column] = word(verdict);
    }

    /// Whether the run had several versions.
    pub(super) fn has_versions(&self) -> bool {
        self.versions.len() > 1
    }

    /// The table with its heading, all rows of one length.
    pub(super) fn cells(&self) -> Vec<Vec<&str>> {
        let versions = self.versions.iter().map(String::as_str);
        let heading: Vec<&str> = std::iter::once("spec").chain(versions).collect();
        let mut table = vec![heading];
        for (name, cells) in &self.rows {
            let missing = self.versions.len() - cells.len();
            let cells = cells.iter().copied().chain(std::iter::repeat_n("", missing));
            table.push(std::iter::once(name.as_str()).chain(cells).collect());
        }
        table
    }

    /// The table as text.
    pub(super) fn lines(&self) -> Vec<String> {
        let cells = self.cells();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.versions.len()).map(width).collect();
        let line = |row: &Vec<&str>| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        cells.iter().map(line).collect()
    }
}

/// The position of an item, which is added where it is not there.
fn position<T>(items: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    items.iter().position(is).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}

/// The version a case is for, as its label says: `pg18`; `result` where the run has one version.
pub(super) fn version(case: &Case) -> &str {
    case.label.strip_prefix(&case.name).and_then(|rest| rest.strip_prefix('@')).unwrap_or("result")
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict.status {
        Status::Failed => "FAILED",
        _ if verdict.flaky().is_some() => "flaky",
        Status::Passed => "ok",
        Status::ExpectedFailure(_) => "xfail",
        Status::Skipped(_) | Status::Interrupted(_) => "skipped",
        Status::Unsupported => "not supported",
    }
}
