//! For people: colored where the output takes color.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::line::{Line, Tone};
use super::matrix::Matrix;
use super::{NotRun, Reporter, Summary, allowed, fault, result_line, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Status, Verdict};
use crate::plan::Case;
use crate::status;

/// Writes for people. The colors are the writer's to remove where they are not wanted.
pub struct Pretty<W> {
    out: W,
    quiet: bool,
    /// Whether it is all that is said of a run, and says itself why there was none.
    is_alone: bool,
    /// Cases so far.
    cases: usize,
    matrix: Matrix,
}

impl<W: Write> Pretty<W> {
    /// A report to be written there; `quiet` shows only what went wrong.
    pub fn new(out: W, quiet: bool) -> Self {
        Pretty { out, quiet, is_alone: false, cases: 0, matrix: Matrix::default() }
    }

    /// The same where nobody sees what is said besides it.
    #[must_use]
    pub fn alone(self) -> Self {
        Pretty { is_alone: true, ..self }
    }
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();

/// How a line of this tone looks.
pub(crate) fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Headline => Style::new().bold(),
        Tone::Plain => Style::new(),
        Tone::Source | Tone::Hint => AnsiColor::Cyan.on_default(),
        Tone::Missing => AnsiColor::Red.on_default(),
        Tone::Unexpected => AnsiColor::Green.on_default(),
        Tone::Origin => Style::new().bold(),
        Tone::Allowed => NOTE,
    }
}

fn write_lines(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    lines.iter().try_for_each(|line| {
        let style = tone(line.tone);
        writeln!(out, "{style}{}{style:#}", line.text)
    })
}

impl<W: Write> Reporter for Pretty<W> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.matrix.add(case, verdict);
        self.cases += 1;
        let bad = verdict.is_bad();
        if self.quiet && !bad {
            return Ok(());
        }
        let line = result_line(self.cases, case, verdict);
        let style = match verdict.status {
            Status::Passed => GOOD,
            Status::Failed | Status::Unsupported => BAD,
            Status::ExpectedFailure(_) | Status::Skipped(_) | Status::Interrupted(_) => NOTE,
        };
        let out = &mut self.out;
        status::aside(|| {
            writeln!(out, "{style}{line}{style:#}")?;
            // What an xfail excuses is known.
            if bad {
                write_lines(out, &fault::lines(verdict, &case.name))?;
            }
            write_lines(out, &allowed::lines(verdict))?;
            out.flush()
        })
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        status::close();
        if !self.quiet && self.matrix.has_versions() {
            writeln!(self.out)?;
            for line in self.matrix.lines() {
                writeln!(self.out, "{line}")?;
            }
            writeln!(self.out)?;
        }
        for (place, warning) in warnings(summary) {
            writeln!(self.out, "{NOTE}{place}: warning: {warning}{NOTE:#}")?;
        }
        let style = if summary.failed + summary.unsupported > 0 { BAD } else { GOOD };
        writeln!(self.out, "{style}{summary}{style:#}")?;
        self.out.flush()
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        if self.is_alone {
            why.lines().iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
        }
        self.out.flush()
    }
}
