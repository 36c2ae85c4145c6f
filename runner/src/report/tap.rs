//! Test Anything Protocol, version 14. What is wrong with a case follows its line as comments.

use std::io::{self, Write};

use super::{Reporter, Summary, fault, result_line};
use crate::exec::outcome::Outcome;
use crate::judge::Verdict;
use crate::plan::Case;

/// Writes TAP.
pub struct Tap<W> {
    out: W,
    /// Cases so far.
    cases: usize,
}

impl<W: Write> Tap<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Tap { out, cases: 0 }
    }
}

impl<W: Write> Reporter for Tap<W> {
    fn begin(&mut self, cases: &[Case]) -> io::Result<()> {
        writeln!(self.out, "TAP version 14\n1..{}", cases.len())?;
        self.out.flush()
    }

    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.cases += 1;
        writeln!(self.out, "{}", result_line(self.cases, case, verdict))?;
        for line in fault::lines(verdict, &case.name) {
            writeln!(self.out, "#{}", line.text)?;
        }
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        writeln!(self.out, "# {summary}")?;
        self.out.flush()
    }
}
