//! A table of how every spec ended, and what is wrong with those that failed.

use std::io::{self, Write};

use super::matrix::Matrix;
use super::{NotRun, Reporter, Summary, allowed, fault, notes, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Status, Verdict};
use crate::plan::Case;

/// Writes Markdown when the run is over.
pub struct Markdown<W> {
    out: W,
    document: Document,
}

impl<W: Write> Markdown<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Markdown { out, document: Document::default() }
    }
}

impl<W: Write> Reporter for Markdown<W> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.document.add(case, verdict);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.write_all(self.document.text(summary).as_bytes())?;
        self.out.flush()
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        self.out.write_all(not_run(why).as_bytes())?;
        self.out.flush()
    }
}

/// The document where there is no run.
pub(super) fn not_run(why: &NotRun) -> String {
    let lines = why.lines().join("\n");
    let fence = fence(&lines);
    format!("## mcspec: nothing was run\n\n{fence}text\n{lines}\n{fence}\n")
}

/// The document as far as the run has come.
#[derive(Debug, Default)]
pub(super) struct Document {
    matrix: Matrix,
    /// An item for each case about which there is more to know than how it ended.
    remarks: String,
    /// A section for each failed case.
    failures: String,
}

impl Document {
    /// Enters a case.
    pub(super) fn add(&mut self, case: &Case, verdict: &Verdict) {
        self.matrix.add(case, verdict);
        let remark = match &verdict.status {
            Status::Skipped(reason) | Status::Interrupted(reason) => format!("skipped: {reason}"),
            Status::ExpectedFailure(reason) => format!("failed as expected: {reason}"),
            Status::Passed | Status::Failed | Status::Unsupported => notes(case, verdict).join("; "),
        };
        if !remark.is_empty() {
            self.remarks += &format!("* {}: {}\n", text(&case.label), text(&remark));
        }
        for group in allowed::groups(verdict) {
            self.remarks += &format!("* {}: {}\n", text(&case.label), text(&group.headline()));
            let rows = group.found.iter().map(|(_, observed)| format!("  * {}\n", text(&observed.row.to_string())));
            self.remarks.extend(rows);
        }
        if verdict.is_bad() {
            let lines: Vec<String> =
                fault::lines(verdict, &case.name).into_iter().map(|line| line.text.trim_end().to_owned()).collect();
            let lines = lines.join("\n");
            let fence = fence(&lines);
            self.failures += &format!("\n### {}\n\n{fence}text\n{lines}\n{fence}\n", text(&case.label));
        }
    }

    /// The whole document.
    pub(super) fn text(&self, summary: &Summary) -> String {
        format!("{}{}", self.table(summary), self.failures)
    }

    /// The document without what is wrong with the failed cases.
    pub(super) fn table(&self, summary: &Summary) -> String {
        let mut out = format!("## mcspec: {summary}\n\n");
        for (i, row) in self.matrix.cells().iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| text(cell)).collect();
            out += &format!("| {} |\n", cells.join(" | "));
            if i == 0 {
                out += &format!("|{}\n", " --- |".repeat(row.len()));
            }
        }
        let warnings = warnings(summary).map(|(place, warning)| {
            let (place, warning) = (text(&place.to_string()), text(&warning));
            format!("* {place}: warning: {warning}\n")
        });
        let remarks: String = std::iter::once(self.remarks.clone()).chain(warnings).collect();
        if !remarks.is_empty() {
            out += &format!("\n{remarks}");
        }
        out
    }
}

/// Text in which no character is taken for markup.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            _ => {
                if "\\`*_[]<>|".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out
}

/// A fence that the text does not contain.
pub(super) fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_markup() {
        for (plain, expected) in
            [("a|b", "a\\|b"), ("knn[dims=3]", "knn\\[dims=3\\]"), ("two\nlines", "two lines"), ("<b>", "\\<b\\>")]
        {
            assert_eq!(text(plain), expected);
        }
        assert_eq!(fence("no ticks"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
