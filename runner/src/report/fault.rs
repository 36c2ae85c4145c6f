//! What is wrong with a case, in lines: the same in every format, in the JSON and in `regression.diffs`.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use memcheck_core::golden::row::Observed;

use super::line::{Line, Tone};
use super::origin;
use crate::exec::failure::Failure;
use crate::golden::Difference;
use crate::hint;
use crate::judge::{Fault, Verdict};
use crate::plan::{Case, Place};
use crate::results::Seen;

/// How many scenarios or permutations are named that something holds for.
const NAMED: usize = 10;

/// How many lines of a difference between runs are shown.
const SHOWN: usize = 100;

/// Everything that is wrong with a case. `name` is what `mcspec bless` takes.
pub fn lines(verdict: &Verdict, name: &str) -> Vec<Line> {
    let all: Vec<Line> = verdict.faults.iter().flat_map(|fault| fault_lines(fault, verdict)).collect();
    let mut lines = without_repetition(all);
    let recordable = |fault: &Fault| matches!(fault, Fault::Differs { .. } | Fault::NotRecorded { .. });
    let only_record = verdict.faults.iter().all(recordable);
    if only_record && !verdict.faults.is_empty() {
        lines.push(Line::new(Tone::Hint, 2, format!("HINT:  intended? run \"{}\"", hint::mcspec(&["bless", name]))));
    }
    lines
}

/// Several violations may come from one place: its callers are named once. So is every hint.
fn without_repetition(lines: Vec<Line>) -> Vec<Line> {
    let mut said: HashSet<&[Line]> = HashSet::new();
    let together = |a: &Line, b: &Line| a.tone == Tone::Origin && b.tone == Tone::Origin;
    let mut kept = Vec::new();
    for group in lines.chunk_by(together) {
        let again = !said.insert(group);
        let callers = group.iter().position(|line| line.text.trim_start().starts_with("from "));
        let shown = match group[0].tone {
            Tone::Origin if again => &group[..callers.unwrap_or(group.len())],
            Tone::Hint if again => &[],
            _ => group,
        };
        kept.extend_from_slice(shown);
    }
    kept
}

fn fault_lines(fault: &Fault, verdict: &Verdict) -> Vec<Line> {
    if let Fault::Unsupported(problem) = fault {
        return problem.render(false).lines().map(|line| Line::new(Tone::Plain, 2, line)).collect();
    }
    let described = describe(fault, verdict);
    let headline = match &described.place {
        Some(place) => format!("{place}: {}", described.message),
        None => described.message,
    };
    std::iter::once(Line::new(Tone::Headline, 2, headline)).chain(described.details).collect()
}

/// A fault, taken apart for the formats that have a field for each part.
#[derive(Debug, Clone)]
pub struct Described {
    /// What kind of fault it is, for machines.
    pub kind: &'static str,
    /// The clause or statement that it is about.
    pub place: Option<Place>,
    /// What is wrong, in a line.
    pub message: String,
    /// The lines that follow.
    pub details: Vec<Line>,
}

/// Takes a fault apart.
pub fn describe(fault: &Fault, verdict: &Verdict) -> Described {
    let with = |kind, message: String, details: Vec<Line>| Described { kind, place: None, message, details };
    let hint = |text: &str| Line::new(Tone::Hint, 2, format!("HINT:  {text}"));
    match fault {
        Fault::Unsupported(problem) => Described {
            kind: "unsupported",
            place: Some(Place { source: Arc::clone(&problem.source), offset: problem.diagnostic.span.start }),
            message: problem.diagnostic.message.clone(),
            details: problem.diagnostic.hint.iter().map(|text| hint(text)).collect(),
        },
        Fault::Failure(failure) => described_failure(failure),
        Fault::Found { title, rows } => {
            let number = rows.iter().map(|observed| observed.row.times).sum::<u64>();
            let message = format!("{title}: {number} violation{}", if number == 1 { "" } else { "s" });
            with("violation", message, rows.iter().flat_map(found).chain(hints(rows.iter())).collect())
        }
        Fault::Unmet { title, place, length, closest, site, rows } => {
            let excerpt = excerpt(place, *length, closest).into_iter();
            let site = site.as_ref().filter(|_| rows.is_empty());
            let origin = site.into_iter().flat_map(|site| origin::lines(site, 6)).chain(site.and_then(origin::hint));
            Described {
                kind: "expectation",
                place: Some(place.clone()),
                message: format!("{title}: expectation not met"),
                details: excerpt.chain(origin).chain(rows.iter().flat_map(found)).chain(hints(rows.iter())).collect(),
            }
        }
        Fault::Differs { title, differences } => {
            let golden = verdict.golden.as_ref().map_or(String::new(), |path| path.display().to_string());
            let axes = verdict.axes.as_ref().map_or(String::new(), |axes| format!(" ({axes})"));
            let message = format!("{golden}: {title}: {}{axes}", counts(differences));
            with("golden", message, difference_lines(differences))
        }
        Fault::Inexact { title, rows } => {
            let mut details: Vec<Line> =
                rows.iter().map(|row| Line::new(Tone::Unexpected, 4, format!("+ {row}"))).collect();
            details.push(hint("with \"golden auto\" a size that is not exact is recorded as a range"));
            with("inexact", format!("golden exact: {title}: sizes are only known as ranges"), details)
        }
        Fault::NotRecorded { path, is_taken, blocks } => {
            let lacks = match verdict.golden {
                Some(_) => "has no block for it",
                None if *is_taken => "is not a golden of mcspec",
                None => "does not exist",
            };
            let message = format!("no expectation: no \"expect\" applies, and \"{}\" {lacks}", path.display());
            let mut details = Vec::new();
            for block in blocks {
                details.push(Line::new(Tone::Plain, 4, &block.title));
                details.extend(block.trace.iter().map(|line| Line::new(Tone::Unexpected, 4, format!("+ {line}"))));
                details.extend(block.rows.iter().flat_map(found));
                if block.rows.is_empty() {
                    details.push(Line::new(Tone::Plain, 4, "(0 violations)"));
                }
            }
            details.extend(hints(blocks.iter().flat_map(|block| &block.rows)));
            with("not recorded", message, details)
        }
        Fault::NoExpectation { clause, titles } => {
            let message = format!("no expectation: no \"expect\" applies, and with \"{clause}\" nothing is recorded");
            let hint = hint("\"expect none\" says that no violation is to be found");
            with("no expectation", message, named(titles).chain([hint]).collect())
        }
        Fault::Golden(error) => {
            with("unusable golden", error.to_string(), error.hint().into_iter().map(hint).collect())
        }
        Fault::Transcript { expected, result, difference } => {
            let details = difference.lines().skip(3).map(changed).collect();
            with("transcript", format!("{} differs from {}", result.display(), expected.display()), details)
        }
        Fault::NotRun { titles } => with("not run", "not run:".to_owned(), named(titles).collect()),
        Fault::NotRepeated { title, difference } => {
            let mut details: Vec<Line> = difference.lines().take(SHOWN).map(changed).collect();
            let more = difference.lines().count().saturating_sub(SHOWN);
            details.extend((more > 0).then(|| Line::new(Tone::Plain, 4, format!("and {more} more lines"))));
            details.push(hint(
                "both begin with sessions that have nothing: what is made outside of sessions, \"teardown\" has to undo; values \
                 that are others each time are made equal by \"normalize\"",
            ));
            with("not repeated", format!("{title}: the run that is checked (+) differs from the warm-up (-)"), details)
        }
        Fault::Unloaded { title, message, hint: text } => {
            with("not loaded", format!("{title}: {message}"), vec![hint(text)])
        }
        Fault::Incomplete { gap, count } => {
            with(gap.kind, gap.message(*count), gap.remedy.map(hint).into_iter().collect())
        }
        Fault::Passed { reason } => with(
            "xfail passed",
            format!("passed, but is marked \"xfail\": {reason}"),
            vec![hint("remove the \"xfail\" clause")],
        ),
    }
}

/// The first of these titles, a line each.
fn named(titles: &[String]) -> impl Iterator<Item = Line> {
    let more = titles.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    titles.iter().take(NAMED).cloned().chain(more).map(|text| Line::new(Tone::Plain, 4, text))
}

/// A line of a diff.
fn changed(line: &str) -> Line {
    let tone = match line.as_bytes().first() {
        Some(b'-') => Tone::Missing,
        Some(b'+') => Tone::Unexpected,
        _ => Tone::Plain,
    };
    Line::new(tone, 4, line)
}

/// Where a fault shows: where it says, or else at the scenario that it is about.
pub fn place(fault: &Fault, described: &Described, case: &Case) -> Option<Place> {
    let title = match fault {
        Fault::Differs { title, .. } | Fault::Inexact { title, .. } | Fault::Unloaded { title, .. } => title,
        _ => return described.place.clone(),
    };
    case.scenarios.iter().find(|scenario| scenario.title == *title).map(|scenario| scenario.place.clone())
}

/// The violations that speak against a case, each with its scenario or permutation.
pub(super) fn violations<'f>(fault: &'f Fault) -> Vec<(&'f str, &'f Observed)> {
    match fault {
        Fault::Unmet { title, rows, .. } | Fault::Found { title, rows } => {
            rows.iter().map(|observed| (title.as_str(), observed)).collect()
        }
        Fault::Differs { title, differences } => {
            let of = |difference: &'f Difference| match difference {
                Difference::Unexpected(observed) | Difference::Changed { observed, .. } => Some(observed),
                _ => None,
            };
            differences.iter().filter_map(of).map(|observed| (title.as_str(), observed)).collect()
        }
        Fault::NotRecorded { blocks, .. } => {
            let of = |block: &'f Seen| block.rows.iter().map(|observed| (block.title.as_str(), observed));
            blocks.iter().flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

fn described_failure(failure: &Failure) -> Described {
    let mut details = Vec::new();
    if let Some(place) = &failure.place {
        details.extend(excerpt(place, 1, ""));
    }
    details.extend(failure.particulars().iter().map(|line| {
        let tone = if line.starts_with("HINT:") { Tone::Hint } else { Tone::Plain };
        Line::new(tone, 4, line)
    }));
    Described { kind: "failure", place: failure.place.clone(), message: failure.headline(), details }
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
    let lines = differences.iter().flat_map(|difference| match difference {
        Difference::Missing(row) => vec![missing(row)],
        Difference::Unexpected(observed) => found(observed),
        Difference::Changed { golden, observed } => [vec![missing(golden)], found(observed)].concat(),
        Difference::NotHappened(line) => vec![missing(line)],
        Difference::Happened(line) => vec![Line::new(Tone::Unexpected, 4, format!("+ {line}"))],
    });
    let unexpected = differences.iter().filter_map(|difference| match difference {
        Difference::Unexpected(observed) | Difference::Changed { observed, .. } => Some(observed),
        _ => None,
    });
    lines.chain(hints(unexpected)).collect()
}

/// A violation and where it was allocated.
fn found(observed: &Observed) -> Vec<Line> {
    let row = Line::new(Tone::Unexpected, 4, format!("+ {}", observed.row));
    std::iter::once(row).chain(origin::of(observed, 6)).collect()
}

fn hints<'a>(observed: impl Iterator<Item = &'a Observed>) -> Vec<Line> {
    let mut hints: Vec<Line> = observed.filter_map(|observed| origin::hint(observed.site.as_ref()?)).collect();
    hints.dedup();
    hints
}
