//! What is wrong with a case, in lines: the same in every format, in the JSON and in `regression.diffs`.

use std::fmt::Display;

use crate::exec::failure::Failure;
use crate::golden::Difference;
use crate::judge::{Fault, Verdict};
use crate::plan::Place;

/// What a line is, for those who color it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Says what is wrong.
    Headline,
    /// Says more.
    Plain,
    /// A source line or its carets.
    Source,
    /// A recorded row that was not found.
    Missing,
    /// A row that is not recorded.
    Unexpected,
    /// What to do about it.
    Hint,
}

/// A line of text, indented, without newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub tone: Tone,
    /// The text.
    pub text: String,
}

impl Line {
    fn new(tone: Tone, indent: usize, text: impl AsRef<str>) -> Self {
        Line { tone, text: format!("{:indent$}{}", "", text.as_ref()) }
    }
}

/// Everything that is wrong with a case. `name` is what `mcspec bless` takes.
pub fn lines(verdict: &Verdict, name: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = verdict.faults.iter().flat_map(|fault| fault_lines(fault, verdict)).collect();
    let recordable = |fault: &Fault| matches!(fault, Fault::Differs { .. } | Fault::NotRecorded { .. });
    let only_record = verdict.faults.iter().all(recordable);
    if only_record && !verdict.faults.is_empty() {
        lines.push(Line::new(Tone::Hint, 2, format!("HINT:  intended? run \"mcspec bless {name}\"")));
    }
    lines
}

fn fault_lines(fault: &Fault, verdict: &Verdict) -> Vec<Line> {
    let headline = |text: String| Line::new(Tone::Headline, 2, text);
    let hint = |text: &str| Line::new(Tone::Hint, 2, format!("HINT:  {text}"));
    match fault {
        Fault::Unsupported(problem) => {
            problem.render(false).lines().map(|line| Line::new(Tone::Plain, 2, line)).collect()
        }
        Fault::Failure(failure) => failure_lines(failure),
        Fault::Unmet { place, length, closest } => {
            let mut lines = vec![headline(format!("{place}: expectation not met"))];
            lines.extend(excerpt(place, *length, closest));
            lines
        }
        Fault::Differs { title, differences } => {
            let golden = verdict.golden.as_ref().map_or(String::new(), |path| path.display().to_string());
            let axes = verdict.axes.as_ref().map_or(String::new(), |axes| format!(" ({axes})"));
            let mut lines = vec![headline(format!("{golden}: {title}: {}{axes}", counts(differences)))];
            lines.extend(difference_lines(differences));
            lines
        }
        Fault::NotRecorded { path, blocks, has_expect } => {
            let path = path.display();
            let mut lines = vec![headline(if *has_expect {
                format!("no golden: \"{path}\" does not exist")
            } else {
                format!("no expectation: the spec has no \"expect\" and \"{path}\" does not exist")
            })];
            for block in blocks {
                lines.push(Line::new(Tone::Plain, 4, &block.title));
                let happened = block.trace.iter().cloned().chain(block.rows.iter().map(ToString::to_string));
                lines.extend(happened.map(|line| Line::new(Tone::Unexpected, 4, format!("+ {line}"))));
                if block.rows.is_empty() {
                    lines.push(Line::new(Tone::Plain, 4, "(0 violations)"));
                }
            }
            lines
        }
        Fault::NoExpectation => vec![
            headline(
                "no expectation: the spec has no \"expect\", and with \"golden none\" nothing is recorded".to_owned(),
            ),
            hint("\"expect none\" says that no violation is to be found"),
        ],
        Fault::Golden(error) => {
            let mut lines = vec![headline(error.to_string())];
            lines.extend(error.hint().map(hint));
            lines
        }
        Fault::Transcript { expected, result, difference } => {
            let mut lines = vec![headline(format!("{} differs from {}", result.display(), expected.display()))];
            lines.extend(difference.lines().skip(3).map(|line| {
                let tone = match line.as_bytes().first() {
                    Some(b'-') => Tone::Missing,
                    Some(b'+') => Tone::Unexpected,
                    _ => Tone::Plain,
                };
                Line::new(tone, 4, line)
            }));
            lines
        }
        Fault::Lost(1) => vec![headline("1 violation was lost: the engine's ring was full".to_owned())],
        Fault::Lost(n) => vec![headline(format!("{n} violations were lost: the engine's ring was full"))],
        Fault::Passed { reason } => {
            vec![headline(format!("passed, but is marked \"xfail\": {reason}")), hint("remove the \"xfail\" clause")]
        }
    }
}

fn failure_lines(failure: &Failure) -> Vec<Line> {
    let mut lines = Vec::new();
    match &failure.place {
        Some(place) => {
            lines.push(Line::new(Tone::Headline, 2, format!("{place}: {}", failure.headline())));
            lines.extend(excerpt(place, 1, ""));
        }
        None => lines.push(Line::new(Tone::Headline, 2, failure.headline())),
    }
    lines.extend(failure.particulars().iter().map(|line| {
        let tone = if line.starts_with("HINT:") { Tone::Hint } else { Tone::Plain };
        Line::new(tone, 4, line)
    }));
    lines
}

/// The source line of a place, with carets under at most `length` bytes of it and a label after them.
fn excerpt(place: &Place, length: usize, label: &str) -> [Line; 2] {
    let (number, column) = place.source.line_column(place.offset);
    let line = place.source.line(number);
    let rest: String = line.chars().skip(column - 1).collect();
    let carets = rest[..rest.floor_char_boundary(length)].trim_end().chars().count().max(1);
    // A tab in front of the carets is as wide as the one in the line above.
    let before: String = line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let carets = format!("{:>7} | {before}{} {label}", "", "^".repeat(carets));
    [
        Line::new(Tone::Source, 0, format!("{number:>7} | {line}").trim_end()),
        Line::new(Tone::Source, 0, carets.trim_end()),
    ]
}

/// `1 changed, 2 missing`
fn counts(differences: &[Difference]) -> String {
    let is_missing =
        |difference: &Difference| matches!(difference, Difference::Missing(_) | Difference::NotHappened(_));
    let is_changed = |difference: &Difference| matches!(difference, Difference::Changed { .. });
    let missing = differences.iter().filter(|difference| is_missing(difference)).count();
    let changed = differences.iter().filter(|difference| is_changed(difference)).count();
    let unexpected = differences.len() - missing - changed;
    let counts = [(changed, "changed"), (missing, "missing"), (unexpected, "unexpected")];
    let present = counts.iter().filter(|(count, _)| *count > 0);
    present.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// `- recorded`, `+ found`
pub fn difference_lines(differences: &[Difference]) -> Vec<Line> {
    let missing = |row: &dyn Display| Line::new(Tone::Missing, 4, format!("- {row}"));
    let unexpected = |row: &dyn Display| Line::new(Tone::Unexpected, 4, format!("+ {row}"));
    differences
        .iter()
        .flat_map(|difference| match difference {
            Difference::Missing(row) => vec![missing(row)],
            Difference::Unexpected(row) => vec![unexpected(row)],
            Difference::Changed { golden, observed } => vec![missing(golden), unexpected(observed)],
            Difference::NotHappened(line) => vec![missing(line)],
            Difference::Happened(line) => vec![unexpected(line)],
        })
        .collect()
}
