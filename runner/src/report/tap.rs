//! Test Anything Protocol, version 14. What is wrong with a case follows its line as comments.

use std::io::{self, Write};

use super::{Reporter, Summary, fault, result_line};
use crate::exec::event::Event;
use crate::judge::Verdict;
use crate::plan::Case;

/// Writes TAP.
pub struct Tap<W> {
    out: W,
}

impl<W: Write> Tap<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Tap { out }
    }
}

impl<W: Write> Reporter for Tap<W> {
    fn begin(&mut self, cases: &[Case]) -> io::Result<()> {
        writeln!(self.out, "TAP version 14\n1..{}", cases.len())?;
        self.out.flush()
    }

    fn event(&mut self, _cases: &[Case], _event: &Event) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, number: usize, case: &Case, verdict: &Verdict) -> io::Result<()> {
        writeln!(self.out, "{}", result_line(number, case, verdict))?;
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
