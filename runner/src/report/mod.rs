//! What is shown of a run. A reporter sees events and verdicts and nothing else; verdicts come in the order of the
//! schedule, whatever the order in which the cases ended.

pub mod fault;
mod github;
pub mod json;
mod junit;
mod markdown;
mod matrix;
pub mod measured;
mod origin;
mod pretty;
mod tap;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use memcheck_core::words::UnknownWord;

use crate::exec::event::Event;
use crate::judge::{Repeats, Status, Verdict};
use crate::plan::Case;

pub use github::Github;
pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub(crate) use origin::function;
pub use pretty::Pretty;
pub(crate) use pretty::tone;
pub use tap::Tap;

/// Shows a run in one format.
pub trait Reporter {
    /// The run begins.
    fn begin(&mut self, cases: &[Case]) -> io::Result<()>;

    /// Something happened. Only worth showing to somebody who waits.
    fn event(&mut self, cases: &[Case], event: &Event) -> io::Result<()>;

    /// A case is over. `number` counts from 1.
    fn verdict(&mut self, number: usize, case: &Case, verdict: &Verdict) -> io::Result<()>;

    /// The run is over.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// `--report FORMAT`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// Test Anything Protocol, version 14.
    Tap,
    /// Everything, for programs.
    Json,
    /// The XML that CI systems read.
    Junit,
    /// Annotations and a job summary of GitHub Actions.
    Github,
    /// A table and what is wrong, to be pasted or published.
    Markdown,
}

impl Format {
    /// All formats.
    pub const ALL: &'static [Format] =
        &[Format::Pretty, Format::Tap, Format::Json, Format::Junit, Format::Github, Format::Markdown];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Pretty => "pretty",
            Format::Tap => "tap",
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Github => "github",
            Format::Markdown => "markdown",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWord { what: "format", word: word.to_owned() };
        Format::ALL.iter().copied().find(|format| format.as_str() == word).ok_or_else(unknown)
    }
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// As they should.
    pub passed: usize,
    /// Not as they should.
    pub failed: usize,
    /// Badly, as an `xfail` says.
    pub expected_failures: usize,
    /// Not run, by a condition.
    pub skipped: usize,
    /// Not run, because they ask for what is not supported.
    pub unsupported: usize,
    /// Passed or failed, but not always.
    pub flaky: usize,
    /// Wall-clock time of the run.
    pub elapsed: Duration,
}

impl Summary {
    /// Counts one more case.
    pub fn count(&mut self, verdict: &Verdict) {
        self.flaky += usize::from(verdict.flaky().is_some());
        *match verdict.status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::ExpectedFailure(_) => &mut self.expected_failures,
            Status::Skipped(_) => &mut self.skipped,
            Status::Unsupported => &mut self.unsupported,
        } += 1;
    }
}

/// `3 passed, 1 failed, 2 skipped in 4.1 s`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        let others = [
            (self.expected_failures, "failed as expected"),
            (self.skipped, "skipped"),
            (self.unsupported, "not supported"),
            (self.flaky, "flaky"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        write!(f, " in {}", duration(self.elapsed))
    }
}

/// `239 ms`, `4.1 s`
pub(crate) fn duration(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// The line that says how a case ended, without color: pg_regress's, with the directives of TAP.
fn result_line(number: usize, case: &Case, verdict: &Verdict) -> String {
    let ok = match verdict.status {
        Status::Passed | Status::Skipped(_) => "ok",
        Status::Failed | Status::ExpectedFailure(_) | Status::Unsupported => "not ok",
    };
    let head = format!("{ok} {number} - {}", case.label);
    match &verdict.status {
        Status::Skipped(reason) => format!("{head} # SKIP {reason}"),
        Status::ExpectedFailure(reason) => format!("{head} # TODO {reason}"),
        _ => {
            let line = format!("{head:<60} {:>8}", duration(verdict.elapsed));
            let notes = notes(case, verdict);
            if notes.is_empty() { line } else { format!("{line} ({})", notes.join("; ")) }
        }
    }
}

/// What is worth knowing about a case besides how it ended.
fn notes(case: &Case, verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    match (verdict.flaky(), verdict.repeats) {
        (Some(flaky), _) => notes.push(format!("flaky: {flaky}")),
        (None, Some(Repeats { runs, failed: 0 })) => notes.push(format!("{runs} runs")),
        (None, Some(Repeats { runs, .. })) => notes.push(format!("failed in all {runs} runs")),
        (None, None) => {}
    }
    notes.extend(variant(case, verdict).map(|file| format!("golden {file}")));
    notes
}

/// The name of the golden that was used, where it is not the one for all servers.
fn variant<'v>(case: &Case, verdict: &'v Verdict) -> Option<&'v str> {
    let file = verdict.golden.as_ref()?.file_name()?.to_str()?;
    let stem = case.name.rsplit('/').next().unwrap_or(&case.name);
    (file.strip_suffix(".out") != Some(stem)).then_some(file)
}

/// How a case ended, in a word for programs.
pub fn status_word(status: &Status) -> &'static str {
    match status {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::ExpectedFailure(_) => "expected failure",
        Status::Skipped(_) => "skipped",
        Status::Unsupported => "unsupported",
    }
}

/// Why a case was skipped or expected to fail.
fn reason(status: &Status) -> Option<&str> {
    match status {
        Status::ExpectedFailure(reason) | Status::Skipped(reason) => Some(reason),
        Status::Passed | Status::Failed | Status::Unsupported => None,
    }
}

/// All reporters of a run.
pub struct Reports {
    reporters: Vec<Box<dyn Reporter>>,
    /// Cases that are over before an earlier one is.
    waiting: BTreeMap<usize, Verdict>,
    next: usize,
    summary: Summary,
}

impl Reports {
    /// Begins the reports of a run.
    pub fn begin(mut reporters: Vec<Box<dyn Reporter>>, cases: &[Case]) -> io::Result<Self> {
        for reporter in &mut reporters {
            reporter.begin(cases)?;
        }
        Ok(Reports { reporters, waiting: BTreeMap::new(), next: 0, summary: Summary::default() })
    }

    /// Passes an event on.
    pub fn event(&mut self, cases: &[Case], event: &Event) -> io::Result<()> {
        self.reporters.iter_mut().try_for_each(|reporter| reporter.event(cases, event))
    }

    /// Takes the verdict on a case and passes on those whose turn it is.
    pub fn verdict(&mut self, cases: &[Case], position: usize, verdict: Verdict) -> io::Result<()> {
        self.summary.count(&verdict);
        self.waiting.insert(position, verdict);
        while let Some(verdict) = self.waiting.remove(&self.next) {
            let case = &cases[self.next];
            self.next += 1;
            for reporter in &mut self.reporters {
                reporter.verdict(self.next, case, &verdict)?;
            }
        }
        Ok(())
    }

    /// Ends the reports.
    pub fn end(mut self, elapsed: Duration) -> io::Result<Summary> {
        self.summary.elapsed = elapsed;
        for reporter in &mut self.reporters {
            reporter.end(&self.summary)?;
        }
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let table =
            [(0, "0 ms"), (239, "239 ms"), (999, "999 ms"), (1000, "1.0 s"), (4120, "4.1 s"), (61_000, "61.0 s")];
        for (ms, text) in table {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn the_summary_leaves_out_what_did_not_happen() {
        let mut summary = Summary { elapsed: Duration::from_secs(2), ..Summary::default() };
        assert_eq!(summary.to_string(), "0 passed, 0 failed in 2.0 s");
        let verdict = |status, attempts| Verdict {
            status,
            faults: vec![],
            golden: None,
            axes: None,
            attempts,
            repeats: None,
            elapsed: Duration::ZERO,
        };
        let endings =
            [(Status::Passed, 1), (Status::Skipped(String::new()), 0), (Status::Unsupported, 0), (Status::Passed, 2)];
        for (status, attempts) in endings {
            summary.count(&verdict(status, attempts));
        }
        assert_eq!(summary.to_string(), "2 passed, 0 failed, 1 skipped, 1 not supported, 1 flaky in 2.0 s");
    }
}
