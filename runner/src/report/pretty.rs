//! For people: colored where the output takes color, with a progress bar where somebody waits.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::line::{Line, Tone};
use super::matrix::Matrix;
use super::{Reporter, Summary, allowed, fault, result_line, warnings};
use crate::exec::Progress;
use crate::exec::outcome::Outcome;
use crate::judge::{Status, Verdict};
use crate::plan::Case;
use crate::run::Event;

/// Writes for people. The colors are the writer's to remove where they are not wanted.
pub struct Pretty<W> {
    out: W,
    quiet: bool,
    bar: ProgressBar,
    /// Cases so far.
    cases: usize,
    matrix: Matrix,
}

impl<W: Write> Pretty<W> {
    /// A report to be written there; `quiet` shows only what went wrong. The bar may be a hidden one.
    pub fn new(out: W, quiet: bool, bar: ProgressBar) -> Self {
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}").expect("the template is valid");
        Pretty { out, quiet, bar: bar.with_style(style), cases: 0, matrix: Matrix::default() }
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

/// How far a case has come, in a line.
fn message(case: &Case, progress: Progress) -> String {
    let label = &case.label;
    match progress {
        Progress::Scenario(scenario) => format!("{label}: {}", case.scenarios[scenario].title),
        Progress::Permutation(permutation) => format!("{label}: {}", case.sessions.permutations[permutation].title),
        Progress::Iterations { done, total } => format!("{label}: {done} of {total} iterations"),
    }
}

impl<W: Write> Reporter for Pretty<W> {
    fn begin(&mut self, cases: &[Case]) -> io::Result<()> {
        self.bar.set_length(cases.len() as u64);
        Ok(())
    }

    fn event(&mut self, cases: &[Case], event: &Event) -> io::Result<()> {
        match event {
            Event::Started { case } => self.bar.set_message(cases[*case].label.clone()),
            Event::Progress { case, progress } => self.bar.set_message(message(&cases[*case], *progress)),
            Event::Retried { case } => self.bar.set_message(format!("{}: failed, once more", cases[*case].label)),
            Event::Repeated { case } => self.bar.set_message(format!("{}: once more", cases[*case].label)),
            Event::Finished { .. } => self.bar.inc(1),
        }
        Ok(())
    }

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
        self.bar.suspend(|| {
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
        self.bar.finish_and_clear();
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
}
