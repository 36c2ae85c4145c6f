//! A comparison, to be read.

use std::fmt::Write;

use serde::Serialize;

use super::record::{ComparisonRecord, TrendRecord};
use super::words::{headline, remarks, sizes, what};
use super::{Change, Compared, Comparison, Course, Side, Trend, page};
use crate::report::tree::Look;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Pretty,
    /// For a comment or a release note.
    Markdown,
    /// For programs.
    Json,
    /// A page.
    Html,
}

/// Every format with its name.
pub const FORMATS: [(&str, Format); 4] =
    [("pretty", Format::Pretty), ("markdown", Format::Markdown), ("json", Format::Json), ("html", Format::Html)];

/// Shows it.
pub fn show(comparison: &Comparison, old: &Side, new: &Side, format: Format) -> String {
    match format {
        Format::Pretty => pretty(comparison, old, new),
        Format::Markdown => markdown(comparison, old, new),
        Format::Json => json_text(&ComparisonRecord::new(comparison, old, new)),
        Format::Html => page::comparison(comparison, old, new),
    }
}

fn pretty(comparison: &Comparison, old: &Side, new: &Side) -> String {
    let mut text = format!("{} -> {}: {}\n", old.name, new.name, headline(comparison));
    for change in Change::ALL.into_iter().filter(|change| *change != Change::Unchanged) {
        for compared in comparison.of(change) {
            let violation = compared.shown();
            let _ = writeln!(text, "\n{:<9} {}: {}", change.as_str(), violation.case, violation.title);
            let _ = writeln!(text, "          {}\n          {}", what(violation), sizes(compared));
        }
    }
    for (words, titles) in remarks(comparison) {
        let _ = writeln!(text, "\n{words}:");
        titles.iter().for_each(|title| _ = writeln!(text, "  {title}"));
    }
    text
}

/// A text as a cell of a table has it.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn markdown(comparison: &Comparison, old: &Side, new: &Side) -> String {
    let mut text = format!("## {} to {}: {}\n", cell(&old.name), cell(&new.name), headline(comparison));
    let shown: Vec<&Compared> = Change::ALL
        .into_iter()
        .filter(|change| *change != Change::Unchanged)
        .flat_map(|change| comparison.of(change))
        .collect();
    if !shown.is_empty() {
        text += "\n| | spec | scenario | violation | size |\n|---|---|---|---|---|\n";
    }
    for compared in shown {
        let violation = compared.shown();
        let cells =
            [compared.change.as_str(), &violation.case, &violation.title, &what(violation), &sizes(compared)].map(cell);
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    for (words, titles) in remarks(comparison) {
        let _ = writeln!(text, "\n{words}:\n");
        titles.iter().for_each(|title| _ = writeln!(text, "* {}", cell(title)));
    }
    text
}

/// There is nothing in it that JSON has no form for.
fn json_text(record: &impl Serialize) -> String {
    serde_json::to_string_pretty(record).unwrap_or_default() + "\n"
}

/// Shows a trend. Sizes are drawn as they can be.
pub fn show_trend(trend: &Trend, format: Format, look: Look) -> String {
    match format {
        Format::Pretty => pretty_trend(trend, look),
        Format::Markdown => markdown_trend(trend),
        Format::Json => json_text(&TrendRecord::from(trend)),
        Format::Html => page::trend(trend),
    }
}

/// A bar for each run; where it has not looked there is a gap.
fn bars(course: &Course, look: Look) -> String {
    let size = |size: &Option<f64>| size.map_or(0, |size| size.ceil() as u64);
    let bars = look.sparkline(&course.sizes.iter().map(size).collect::<Vec<_>>());
    bars.chars().zip(&course.sizes).map(|(bar, size)| if size.is_some() { bar } else { ' ' }).collect()
}

fn pretty_trend(trend: &Trend, look: Look) -> String {
    let mut text = format!("{}\n", trend.names.join(" -> "));
    let width = trend.courses.iter().map(|course| course.word().len()).max().unwrap_or(0);
    for course in &trend.courses {
        let violation = &course.violation;
        let head =
            format!("{}  {:<width$}  {}: {}", bars(course, look), course.word(), violation.case, violation.title);
        let _ = writeln!(text, "{}\n{}", look.wrapped(&head), look.wrapped(&format!("    {}", what(violation))));
    }
    if trend.courses.is_empty() {
        text += "nothing was found in any of them\n";
    }
    text
}

fn markdown_trend(trend: &Trend) -> String {
    let mut text = format!("## {}\n", cell(&trend.names.join(" to ")));
    text += "\n| spec | scenario | violation | bytes per iteration | |\n|---|---|---|---|---|\n";
    for course in &trend.courses {
        let violation = &course.violation;
        let size = |size: &Option<f64>| size.map_or("-".to_owned(), |size| format!("{size:.0}"));
        let sizes = course.sizes.iter().map(size).collect::<Vec<_>>().join(", ");
        let cells =
            [&violation.case, &violation.title, &what(violation), &sizes, &course.word()].map(|text| cell(text));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}
