//! A report for the terminal: verdicts, the curve of each site over the marks, and what allocates, as a tree.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use memcheck_core::check::{Measure, Per};
use memcheck_core::wire::FindingRecord;
use memcheck_core::{CheckKind, ScenarioKind};

use super::frame::frame;
use super::json::{CaseRecord, RunReport};
use crate::results::schema::ScenarioResult;

/// Levels of a bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where there are no such letters.
const ASCII_BARS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
/// Parts of less than this are put together.
const LEAST: f64 = 1.0;
/// Columns that a line takes at least, however narrow the terminal is.
const NARROWEST: usize = 24;

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Nothing but ASCII is drawn.
    pub ascii: bool,
    /// Columns that lines are wrapped at; none where they are as long as they are.
    pub width: Option<usize>,
}

impl Look {
    /// A bar for each value.
    pub(crate) fn sparkline(self, values: &[u64]) -> String {
        let bars = if self.ascii { ASCII_BARS } else { BARS };
        let most = values.iter().copied().max().unwrap_or(0).max(1);
        let level = |value: u64| (u128::from(value) * (bars.len() as u128 - 1)).div_ceil(u128::from(most)) as usize;
        values.iter().map(|&value| bars[level(value)]).collect()
    }

    /// A line on as many lines as it takes: none of it is left out. What goes on is indented, and begins behind a space where there is one.
    pub(crate) fn wrapped(self, line: &str) -> String {
        let Some(width) = self.width.map(|width| width.max(NARROWEST)) else { return line.to_owned() };
        let indent = (line.len() - line.trim_start().len() + 4).min(width / 2);
        let mut wrapped = String::new();
        let mut rest = line;
        let mut room = width;
        while let Some((end, _)) = rest.char_indices().nth(room) {
            // A word that is too long by itself is broken where the line ends; what stands before the first word is no place to break at.
            let start = rest.len() - rest.trim_start().len();
            let space = rest[..end].rfind(' ').filter(|&at| at > start);
            let at = if rest[end..].starts_with(' ') { end } else { space.unwrap_or(end) };
            wrapped += &rest[..at];
            wrapped.push('\n');
            wrapped += &" ".repeat(indent);
            rest = rest[at..].trim_start();
            room = width - indent;
        }
        wrapped + rest
    }
}

/// Text as it grows, line by line.
struct Lines {
    text: String,
    look: Look,
}

impl Lines {
    fn new(look: Look) -> Self {
        Lines { text: String::new(), look }
    }

    fn push(&mut self, style: Style, line: &str) {
        // Nothing that is written into memory fails.
        let _ = writeln!(self.text, "{style}{}{style:#}", self.look.wrapped(line));
    }

    fn plain(&mut self, line: &str) {
        self.push(Style::new(), line);
    }
}

/// Verdicts: a line for each case, and how many ended how.
pub fn verdicts(report: &RunReport, look: Look) -> String {
    let mut lines = Lines::new(look);
    if let Some(error) = &report.error {
        lines.push(AnsiColor::Red.on_default(), &format!("nothing was run: {}", error.message));
    }
    let width = report.cases.iter().map(|case| case.label.chars().count()).max().unwrap_or(0);
    for case in &report.cases {
        let found: usize = case.scenarios.iter().map(|scenario| scenario.rows.len()).sum();
        let found = match found {
            0 => String::new(),
            1 => "  1 finding".to_owned(),
            number => format!("  {number} findings"),
        };
        let style = match case.status.as_str() {
            "passed" => AnsiColor::Green.on_default(),
            "failed" | "unsupported" => AnsiColor::Red.on_default().bold(),
            _ => AnsiColor::Yellow.on_default(),
        };
        lines.push(style, &format!("{:<width$}  {}{found}", case.label, case.status));
    }
    let summary = &report.summary;
    lines.push(
        Style::new().bold(),
        &format!(
            "{} passed, {} failed, {} skipped in {}",
            summary.passed,
            summary.failed + summary.unsupported,
            summary.skipped,
            super::duration(std::time::Duration::from_millis(summary.elapsed_ms))
        ),
    );
    lines.text
}

/// Everything that was found, scenario by scenario.
pub fn text(report: &RunReport, look: Look) -> String {
    let mut lines = Lines::new(look);
    for case in &report.cases {
        for scenario in case.scenarios.iter().filter(|scenario| !scenario.findings.is_empty()) {
            lines.push(Style::new().bold(), &format!("{}: {}", heading(case), scenario.title));
            scenario.findings.iter().for_each(|finding| curve(&mut lines, finding, scenario));
            for (title, per) in [("at the end", Per::Iteration), ("at the peak", Per::Row)] {
                let root = Node::of(&scenario.findings, per);
                if root.bytes > 0 {
                    lines.plain(&format!("  {title}: {} bytes", root.bytes));
                    branches(&mut lines, &root, root.bytes, 2);
                }
            }
            lines.plain("");
        }
    }
    lines.text + &verdicts(report, look)
}

/// The tree of all that was found, without a heading; empty where nothing of it has a stack.
pub(super) fn of_all(cases: &[CaseRecord], per: Per) -> String {
    let mut lines = Lines::new(Look::default());
    let findings = cases.iter().flat_map(|case| &case.scenarios).flat_map(|scenario| &scenario.findings);
    let root = Node::of(findings, per);
    if root.bytes > 0 {
        branches(&mut lines, &root, root.bytes, 0);
    }
    lines.text
}

fn heading(case: &CaseRecord) -> String {
    match (case.version(), &case.server) {
        (None, Some(server)) => format!("{} (PostgreSQL {})", case.label, server.major),
        _ => case.label.clone(),
    }
}

/// A finding with its curve, where it has one.
fn curve(lines: &mut Lines, finding: &FindingRecord, scenario: &ScenarioResult) {
    let place = finding.site.as_ref().map_or(String::new(), |site| format!(" by {}", frame(&site.frame)));
    let phase = finding.phase.as_ref().map_or(String::new(), |phase| format!("@{phase}"));
    let style = match finding.severity.as_str() {
        "ERROR" => AnsiColor::Red.on_default(),
        "WARNING" => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    };
    let what = format!("  {} {}{phase} in {}{place}", finding.severity, finding.check, finding.context_path.join("/"));
    lines.push(style, &what);
    let counts = finding.marks.iter().all(|mark| mark[1] == 0);
    let values: Vec<u64> = finding.marks.iter().map(|mark| if counts { mark[2] } else { mark[1] }).collect();
    let Some(&last) = values.last().filter(|_| values.len() > 1) else { return };
    let unit = match finding.check.parse::<CheckKind>().map(CheckKind::measure) {
        Ok(Measure::Memory(Per::Row)) => "rows",
        _ if scenario.title.split(' ').nth(1) == Some(ScenarioKind::ColdWarmCold.as_str()) => "phases",
        _ => "iterations",
    };
    let end = if unit == "phases" { values.len() as u64 - 1 } else { finding.marks[finding.marks.len() - 1][0] };
    let what = if counts { "objects" } else { "bytes" };
    let shape = finding.shape.as_deref().unwrap_or("-");
    let bars = lines.look.sparkline(&values);
    lines.plain(&format!("    {bars}  {last} {what} after {end} {unit}, {shape}"));
}

/// What a call has allocated, itself and by those that it has called.
#[derive(Default)]
struct Node {
    bytes: u64,
    callees: BTreeMap<String, Node>,
}

impl Node {
    /// The tree of findings, callers first; empty where nothing of them has a stack.
    fn of<'f>(findings: impl IntoIterator<Item = &'f FindingRecord>, per: Per) -> Self {
        let mut root = Node::default();
        for finding in findings {
            let is_of = finding.check.parse::<CheckKind>().is_ok_and(|check| check.measure() == Measure::Memory(per));
            let Some(site) = finding.site.as_ref().filter(|_| is_of && finding.bytes > 0) else { continue };
            let mut calls: Vec<String> = site.stack.iter().rev().map(frame).collect();
            if calls.is_empty() {
                calls.push(frame(&site.frame));
            }
            root.bytes += finding.bytes;
            let mut node = &mut root;
            for call in calls {
                node = node.callees.entry(call).or_default();
                node.bytes += finding.bytes;
            }
        }
        root
    }
}

fn branches(lines: &mut Lines, node: &Node, whole: u64, indent: usize) {
    let mut callees: Vec<(&String, &Node)> = node.callees.iter().collect();
    callees.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then(a.0.cmp(b.0)));
    let percent = |bytes: u64| bytes as f64 * 100.0 / whole as f64;
    let (large, small): (Vec<_>, Vec<_>) = callees.into_iter().partition(|(_, callee)| percent(callee.bytes) >= LEAST);
    for (call, callee) in large {
        lines.plain(&format!("{:indent$}->{:05.2}% ({} B) {call}", "", percent(callee.bytes), callee.bytes));
        // A call that has led to one other only is not a branch: it stands below with no figures of its own.
        let mut last = callee;
        while let Some((call, only)) = last.callees.first_key_value().filter(|(_, only)| only.bytes == last.bytes) {
            lines.plain(&format!("{:indent$}| {call}", ""));
            last = only;
        }
        branches(lines, last, whole, indent + 2);
    }
    let rest: u64 = small.iter().map(|(_, callee)| callee.bytes).sum();
    if rest > 0 {
        let number = small.len();
        let words = format!("in {number} more, each below {LEAST}%");
        lines.plain(&format!("{:indent$}->{:05.2}% ({rest} B) {words}", "", percent(rest)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Look = Look { ascii: false, width: None };
    const PLAIN: Look = Look { ascii: true, width: Some(30) };

    #[test]
    fn the_largest_value_is_the_highest_bar_and_only_nothing_the_lowest() {
        assert_eq!(WIDE.sparkline(&[0, 1, 50, 100]), "▁▂▅█");
        assert_eq!(WIDE.sparkline(&[0, 0]), "▁▁");
        assert_eq!(WIDE.sparkline(&[u64::MAX, 1]), "█▂");
        assert_eq!(PLAIN.sparkline(&[0, 1, 50, 100]), "_.=#");
    }

    #[test]
    fn of_a_line_that_is_too_long_nothing_is_lost() {
        let line = "  ->12.50% (1000 B) a_function_of_some_length (lookup.c:84)";
        assert_eq!(WIDE.wrapped(line), line);
        let expected = "  ->12.50% (1000 B)\n      a_function_of_some_length\n      (lookup.c:84)";
        assert_eq!(Look { ascii: true, width: Some(32) }.wrapped(line), expected);
        let words = format!("    {} end", "ä".repeat(40));
        let wrapped = PLAIN.wrapped(&words);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 30), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().collect::<String>(), words.split_whitespace().collect::<String>());
        assert_eq!(wrapped.lines().next().unwrap(), format!("    {}", "ä".repeat(26)));
        let tiny = Look { ascii: false, width: Some(3) };
        assert!(tiny.wrapped(line).lines().all(|line| line.chars().count() <= NARROWEST), "{}", tiny.wrapped(line));
        assert_eq!((tiny.wrapped("short"), tiny.wrapped("")), ("short".to_owned(), String::new()));
    }

    #[test]
    fn callers_come_first_and_small_parts_are_put_together() {
        let leaf = |bytes| Node { bytes, ..Node::default() };
        let caller = Node {
            bytes: 990,
            callees: [(
                "inner".to_owned(),
                Node { bytes: 990, callees: [("a".to_owned(), leaf(600)), ("b".to_owned(), leaf(390))].into() },
            )]
            .into(),
        };
        let callees = [("main".to_owned(), caller), ("x".to_owned(), leaf(6)), ("y".to_owned(), leaf(4))];
        let root = Node { bytes: 1000, callees: callees.into() };
        let mut lines = Lines::new(WIDE);
        branches(&mut lines, &root, root.bytes, 0);
        let expected = "->99.00% (990 B) main\n| inner\n  ->60.00% (600 B) a\n  ->39.00% (390 B) b\n->01.00% (10 B) in 2 more, each below 1%\n";
        assert_eq!(anstream::adapter::strip_str(&lines.text).to_string(), expected);
    }
}
