//! Test Anything Protocol, version 13, in the part of it that a reader of version 14 takes in the same way. The time of a case
//! stands behind its line as `# time=N`, and what is to be known about it follows as comments.

use std::io::{self, Write};

use memcheck_core::line;

use super::{NotRun, Reporter, Summary, allowed, fault, notes, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Status, Verdict};
use crate::plan::Case;
use crate::results::milliseconds;

/// Writes TAP.
pub struct Tap<W> {
    out: W,
    /// Only what went wrong, with a plan for that.
    quiet: bool,
    /// Cases that were written so far.
    cases: usize,
    /// Whether some were not run, or not to their end, for that reason.
    is_interrupted: bool,
}

impl<W: Write> Tap<W> {
    /// A report to be written there; `quiet` has only what went wrong.
    pub fn new(out: W, quiet: bool) -> Self {
        Tap { out, quiet, cases: 0, is_interrupted: false }
    }

    /// Writes the number of cases, and why there are none.
    fn plan(&mut self, cases: usize, nothing: &str) -> io::Result<()> {
        match cases {
            0 => writeln!(self.out, "1..0 # SKIP {}", reason(nothing)),
            cases => writeln!(self.out, "1..{cases}"),
        }
    }

    /// Writes comments, each of them on a line.
    fn comment(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "#{}", shown(line)))
    }
}

impl<W: Write> Reporter for Tap<W> {
    fn begin(&mut self, cases: &[Case]) -> io::Result<()> {
        writeln!(self.out, "TAP version 13")?;
        if !self.quiet {
            self.plan(cases.len(), "there is nothing to run")?;
        }
        self.out.flush()
    }

    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.is_interrupted |= matches!(verdict.status, Status::Interrupted(_));
        if self.quiet && !verdict.is_bad() {
            return Ok(());
        }
        self.cases += 1;
        writeln!(self.out, "{}", test_line(self.cases, case, verdict))?;
        let notes = notes(case, verdict).join("; ");
        if verdict.status.reason().is_none() && !notes.is_empty() {
            self.comment(&format!("  ({notes})"))?;
        }
        for line in fault::lines(verdict, &case.name).iter().chain(&allowed::lines(verdict)) {
            self.comment(&line.text)?;
        }
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        // Behind a plan for nothing nothing is read.
        if self.is_interrupted {
            writeln!(self.out, "Bail out!  interrupted")?;
        }
        if self.quiet {
            self.plan(self.cases, &summary.to_string())?;
        }
        for (place, warning) in warnings(summary) {
            self.comment(&format!(" {place}: warning: {warning}"))?;
        }
        self.comment(&format!(" {summary}"))?;
        self.out.flush()
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        // Without a plan, and a test for it, readers complain of that instead.
        writeln!(self.out, "TAP version 13\n1..1\nnot ok 1 - mcspec")?;
        for line in why.lines() {
            self.comment(&format!(" {line}"))?;
        }
        writeln!(self.out, "Bail out!  {}", shown(why.headline()))?;
        self.out.flush()
    }
}

/// The line of a case.
fn test_line(number: usize, case: &Case, verdict: &Verdict) -> String {
    let ok = if verdict.status.is_ok() { "ok" } else { "not ok" };
    let head = format!("{ok} {number} - {}", description(&case.label));
    match &verdict.status {
        Status::Skipped(why) | Status::Interrupted(why) => format!("{head} # SKIP {}", reason(why)),
        Status::ExpectedFailure(why) => format!("{head} # TODO {}", reason(why)),
        Status::Passed | Status::Failed | Status::Unsupported => {
            format!("{head} # time={}ms", milliseconds(verdict.elapsed))
        }
    }
}

/// What a case is called: `\` and `#` are escaped, so that nothing in it is taken for a directive.
fn description(text: &str) -> String {
    line::escaped(text, &['\\', '#'])
}

/// What stands behind a directive, which goes to the end of the line.
fn reason(text: &str) -> String {
    // Some readers take a brace at the end of a test's line for the beginning of a subtest.
    let text = shown(text);
    if text.ends_with('{') { format!("{text}.") } else { text }
}

/// A text that ends no line and does nothing to a terminal.
fn shown(text: &str) -> String {
    line::escaped(&text.replace('\t', "        "), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_a_directive() {
        for (name, expected) in [
            ("knn[dims=3]", "knn[dims=3]"),
            ("a # SKIP b", "a \\# SKIP b"),
            ("a\\# TODO", "a\\\\\\# TODO"),
            ("two\nlines", "two\\nlines"),
            ("größe", "größe"),
        ] {
            assert_eq!(description(name), expected);
        }
        assert_eq!(reason("not on\r{"), "not on\\r{.");
    }
}
