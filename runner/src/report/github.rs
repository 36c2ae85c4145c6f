//! GitHub Actions: annotations at the line of the spec for every fault and at the lines that allocate, and the job's summary.
//!
//! The syntax is that of workflow commands: `::error file=F,line=L,col=C,title=T::message`, with `%`, CR and LF escaped
//! everywhere and `:` and `,` also in the parameters. GitHub shows the first ten of each level of a step: the worst come first.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use memcheck_core::Severity;
use memcheck_core::golden::row::Observed;

use super::fault::{describe, place, violations};
use super::markdown::{self, Document};
use super::{Checkout, NotRun, Reporter, Summary, allowed, unrecorded, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Verdict};
use crate::plan::{Case, Place};

/// The longest summary of a step, in bytes; a longer one is not shown at all.
const SUMMARY_LIMIT: usize = 1 << 20;

/// Writes workflow commands and the summary when the run is over.
pub struct Github<W, S> {
    out: W,
    summary: Option<S>,
    checkout: Checkout,
    annotations: Vec<Annotation>,
    document: Document,
}

/// How bad an annotation is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error(Rank),
    Warning,
    Notice,
}

/// What comes first of several errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What did not run to its end.
    Stopped,
    /// A violation.
    Violation(std::cmp::Reverse<Severity>),
    /// What is missing.
    Other,
}

/// A workflow command.
#[derive(Debug)]
struct Annotation {
    level: Level,
    /// None where it is about no file.
    file: Option<String>,
    line: usize,
    column: Option<usize>,
    title: String,
    message: String,
}

impl<W: Write, S: Write> Github<W, S> {
    /// Commands to be written to `out`, about files of that checkout, and the summary, where there is a file for it.
    pub fn new(out: W, summary: Option<S>, checkout: Checkout) -> Self {
        Github { out, summary, checkout, annotations: Vec::new(), document: Document::default() }
    }

    /// Annotates a place of a spec.
    fn at_place(&mut self, level: Level, place: &Place, title: String, message: String) {
        let (line, column) = place.source.line_column(place.offset);
        // What was seen of a command is in no file.
        let file = place.source.path.extension().map(|_| self.file(&place.source.path));
        self.annotations.push(Annotation { level, file, line, column: Some(column), title, message });
    }

    /// A file as the repository has it.
    fn file(&self, path: &Path) -> String {
        self.checkout.file(path).unwrap_or_else(|| path.to_string_lossy().into_owned())
    }

    /// Annotates what is wrong with a case: lines that allocate, and the clause that they speak against.
    fn faults(&mut self, case: &Case, verdict: &Verdict) {
        let title = format!("mcspec: {}", case.label);
        let mut said = HashSet::new();
        for fault in &verdict.faults {
            let found = violations(fault);
            let rank = rank(fault, &found);
            for (scenario, observed) in found {
                let place = observed.site.as_ref().and_then(|site| self.checkout.place(site));
                let row = observed.row.to_string();
                if let Some(place) = place.filter(|place| said.insert((place.clone(), row.clone()))) {
                    self.annotations.push(Annotation {
                        level: Level::Error(rank_of(observed)),
                        file: Some(place.file),
                        line: place.line as usize,
                        column: None,
                        title: title.clone(),
                        message: message(scenario, observed),
                    });
                }
            }
            let described = describe(fault, verdict);
            let details = described.details.iter().map(|line| line.text.trim_end());
            let message: Vec<&str> = std::iter::once(described.message.as_str()).chain(details).collect();
            let place = place(fault, &described, case).unwrap_or_else(|| case.place(0));
            self.at_place(Level::Error(rank), &place, title.clone(), message.join("\n"));
        }
    }
}

impl<W: Write, S: Write> Reporter for Github<W, S> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.document.add(case, verdict);
        let (whole, title) = (case.place(0), format!("mcspec: {}", case.label));
        if let Some(flaky) = verdict.flaky() {
            self.at_place(Level::Warning, &whole, title.clone(), format!("flaky: {flaky}"));
        }
        if let Some(unrecorded) = unrecorded(verdict) {
            self.at_place(Level::Notice, &whole, title.clone(), unrecorded);
        }
        for allowance in allowed::over(verdict) {
            self.at_place(Level::Warning, &allowance.place, title.clone(), allowed::is_over(allowance));
        }
        for group in allowed::groups(verdict) {
            let details = group.details();
            let lines: Vec<&str> = details.iter().map(|line| line.text.trim_end()).collect();
            let message = format!("{}\n{}", group.headline(), lines.join("\n"));
            let file = Some(self.file(Path::new(&group.by.file)));
            let (line, column) = (group.by.line, Some(group.by.column));
            let title = title.clone();
            self.annotations.push(Annotation { level: Level::Notice, file, line, column, title, message });
        }
        if verdict.is_bad() {
            self.faults(case, verdict);
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        for (place, warning) in warnings(summary) {
            self.at_place(Level::Warning, place, "mcspec".to_owned(), warning);
        }
        self.annotations.sort_by_key(|annotation| annotation.level);
        for annotation in &self.annotations {
            writeln!(self.out, "{}", annotation.command())?;
        }
        self.out.flush()?;
        let Some(out) = &mut self.summary else { return Ok(()) };
        let whole = self.document.text(summary);
        let text = if whole.len() > SUMMARY_LIMIT { self.document.table(summary) } else { whole };
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        for problem in &why.problems {
            let hint = problem.diagnostic.hint.iter().map(|hint| format!("\nHINT:  {hint}"));
            let message = std::iter::once(problem.diagnostic.message.clone()).chain(hint).collect();
            self.at_place(Level::Error(Rank::Stopped), &problem.place(), "mcspec".to_owned(), message);
        }
        for annotation in &self.annotations {
            writeln!(self.out, "{}", annotation.command())?;
        }
        if why.problems.is_empty() {
            writeln!(self.out, "::error title=mcspec::{}", data(&why.lines().join("\n")))?;
        }
        self.out.flush()?;
        let Some(out) = &mut self.summary else { return Ok(()) };
        out.write_all(markdown::not_run(why).as_bytes())?;
        out.flush()
    }
}

impl Annotation {
    /// The workflow command for it.
    fn command(&self) -> String {
        let level = match self.level {
            Level::Error(_) => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        let (title, message) = (parameter(&self.title), data(&self.message));
        let column = self.column.map_or(String::new(), |column| format!(",col={column}"));
        let place = |file: &String| format!("file={},line={}{column},", parameter(file), self.line);
        let place = self.file.as_ref().map_or(String::new(), place);
        format!("::{level} {place}title={title}::{message}")
    }
}

/// How bad a violation is, of those that speak against a case.
fn rank_of(observed: &Observed) -> Rank {
    Rank::Violation(std::cmp::Reverse(observed.row.severity.map_or(Severity::Warning, |(_, high)| high)))
}

fn rank(fault: &Fault, found: &[(&str, &Observed)]) -> Rank {
    match fault {
        Fault::Failure(_) | Fault::Unsupported(_) => Rank::Stopped,
        _ => found.iter().map(|(_, observed)| rank_of(observed)).min().unwrap_or(Rank::Other),
    }
}

/// What is said at the line that allocates.
fn message(scenario: &str, observed: &Observed) -> String {
    let lines: Vec<String> = super::origin::of(observed, 0).into_iter().map(|line| line.text).collect();
    format!("{}\n{scenario}\n{}", observed.row, lines.join("\n"))
}

/// Escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a parameter.
fn parameter(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped() {
        assert_eq!(data("50%, a:b\r\n"), "50%25, a:b%0D%0A");
        assert_eq!(parameter("50%, a:b\n"), "50%25%2C a%3Ab%0A");
    }

    #[test]
    fn the_worst_comes_first() {
        let violation = |severity| Level::Error(Rank::Violation(std::cmp::Reverse(severity)));
        let levels = [
            Level::Error(Rank::Stopped),
            violation(Severity::Error),
            violation(Severity::Warning),
            violation(Severity::Info),
            Level::Error(Rank::Other),
            Level::Warning,
            Level::Notice,
        ];
        assert!(levels.is_sorted());
    }
}
