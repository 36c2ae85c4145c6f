//! One HTML page with everything that is known of a run, which needs nothing beside itself: no network, and for all but the
//! search and the filters no script.
//!
//! It is made from the structure of the JSON report, so that it can be made afterwards, and of several runs.

mod access;
mod case;
mod chart;
mod contexts;
mod flame;
mod lines;
mod once;
mod source;
mod steps;
#[cfg(test)]
mod tests;
mod verdicts;

use std::io::{self, Write};

use maud::{Markup, html};

use self::source::Sources;
use super::document::document;
use super::json::{CaseRecord, Collected, RunReport};
use super::{Checkout, NotRun, Reporter, Summary};
use crate::exec::outcome::Outcome;
use crate::judge::Verdict;
use crate::plan::Case;

/// How it looks, besides what it shares with other pages.
const STYLE: &str = include_str!("run.css");
/// The search, the filters, boxes of flame graphs that are enlarged.
const SCRIPT: &str = include_str!("run.js");

/// Writes the page when the run is over.
pub struct Html<W> {
    out: W,
    collected: Collected,
}

impl<W: Write> Html<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Html { out, collected: Collected::default() }
    }

    fn write(&mut self, report: &RunReport) -> io::Result<()> {
        self.out.write_all(page(report, &[]).as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Reporter for Html<W> {
    fn verdict(&mut self, case: &Case, outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.collected.add(case, outcome, verdict);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let report = self.collected.end(summary);
        self.write(&report)
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        self.write(&RunReport::of_no_run(why))
    }
}

/// The page of a run, or of several, with what is to be said of those.
pub fn page(report: &RunReport, remarks: &[String]) -> String {
    let mut sources = Sources::new(Checkout::here());
    let title = title(report);
    let body = html! {
        a.skip href="#specs" { "Skip to the specs" }
        header {
            h1 { (title) }
            p.soft { "mcspec " (report.mcspec) " in " (time(report.summary.elapsed_ms)) }
            (figures(report))
        }
        main {
            @if let Some(error) = &report.error { (no_run(error)) }
            (failed(&report.cases))
            @if !report.cases.is_empty() {
                (verdicts::table(&report.cases))
                (not_checked(report, remarks))
                (flame::graphs(&report.cases))
                h2 #specs { "Specs" }
                @for case in &report.cases { (case::section(case, &mut sources)) }
                (sources.once.section())
            }
        }
    };
    document(&title, STYLE, Some(SCRIPT), &body)
}

/// `mcspec: 1 of 206 specs failed`
fn title(report: &RunReport) -> String {
    let summary = &report.summary;
    let all = report.cases.len();
    let specs = if all == 1 { "spec" } else { "specs" };
    match (&report.error, summary.failed + summary.unsupported, summary.passed) {
        (Some(_), _, _) => "mcspec: nothing was run".to_owned(),
        (None, 0, passed) => format!("mcspec: {passed} of {all} {specs} passed"),
        (None, failed, _) => format!("mcspec: {failed} of {all} {specs} failed"),
    }
}

/// How many specs ended how.
fn figures(report: &RunReport) -> Markup {
    let summary = &report.summary;
    let figures = [
        (summary.passed as u64, "passed", "good"),
        (summary.failed as u64, "failed", "bad"),
        (summary.expected_failures as u64, "failed as expected", "warn"),
        (summary.skipped as u64, "skipped", "soft"),
        (summary.unsupported as u64, "not supported", "bad"),
        (summary.flaky as u64, "flaky", "warn"),
        (summary.allowed, "violations allowed", "soft"),
    ];
    html! {
        ul.figures {
            @for (number, what, tone) in figures.into_iter().filter(|(number, what, _)| *number > 0 || *what == "failed") {
                li { b class=(if number == 0 { "soft" } else { tone }) { (number) } " " (what) }
            }
        }
    }
}

/// Cases that are listed at most, of those that have failed.
const FAILED: usize = 50;

/// What failed, before anything else, with the first that is wrong.
fn failed(cases: &[CaseRecord]) -> Markup {
    let failed: Vec<&CaseRecord> = cases.iter().filter(|case| is_bad(case)).collect();
    let more = failed.len().saturating_sub(FAILED);
    html! {
        @if !failed.is_empty() {
            h2 { "Failed" }
            ul.failed {
                @for case in failed.iter().take(FAILED) {
                    li {
                        a href={ "#" (anchor(&case.label)) } { (case.label) }
                        @if let Some(fault) = case.faults.first() { ": " (fault.message) }
                    }
                }
                @if more > 0 { li.soft { "and " (more) " more" } }
            }
        }
    }
}

/// Whether a case makes the run fail.
fn is_bad(case: &CaseRecord) -> bool {
    matches!(case.status.as_str(), "failed" | "unsupported")
}

fn no_run(error: &super::json::ErrorRecord) -> Markup {
    html! {
        p.bad { (error.message) }
        @if let Some(hint) = &error.hint { p { "HINT: " (hint) } }
        @if !error.problems.is_empty() {
            ul {
                @for problem in &error.problems {
                    li {
                        code { (problem.at.file) ":" (problem.at.line) ":" (problem.at.column) } " " (problem.at.message)
                        @if let Some(hint) = &problem.hint { br; "HINT: " (hint) }
                    }
                }
            }
        }
    }
}

/// What a green run says nothing about.
fn not_checked(report: &RunReport, more: &[String]) -> Markup {
    let mut remarks: Vec<(String, String)> = more.iter().map(|remark| (String::new(), remark.clone())).collect();
    remarks.extend(
        report.summary.untraced.iter().map(|why| (String::new(), format!("Allocations were not traced: {why}"))),
    );
    for warning in &report.warnings {
        remarks.push((format!("{}:{}:{}", warning.file, warning.line, warning.column), warning.message.clone()));
    }
    for case in &report.cases {
        let skipped = (case.status == "skipped").then(|| case.reason.clone().unwrap_or_default());
        remarks.extend(skipped.map(|why| (case.label.clone(), format!("skipped: {why}"))));
        let lists =
            [("not run", &case.not_run), ("not for this server", &case.left_out), ("not selected", &case.not_selected)];
        for (what, titles) in lists.into_iter().filter(|(_, titles)| !titles.is_empty()) {
            remarks.push((case.label.clone(), format!("{what}: {}", titles.join(", "))));
        }
    }
    html! {
        @if !remarks.is_empty() {
            details.remarks {
                summary { "What was not checked (" (remarks.len()) ")" }
                ul { @for (place, words) in &remarks { li { @if !place.is_empty() { code { (place) } " " } (words) } } }
            }
        }
    }
}

/// `239 ms`, `4.1 s`
fn time(milliseconds: u64) -> String {
    super::duration(std::time::Duration::from_millis(milliseconds))
}

/// What an element is called in links to it: the same for the same name, and different for others.
fn anchor(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c.to_string() } else { format!("-{:x}-", u32::from(c)) }
    };
    format!("spec-{}", name.chars().map(plain).collect::<String>())
}

/// `8192`, `8.0 kB`, `1.5 MB`
fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match UNITS.iter().find(|(size, _)| number >= *size * 10) {
        Some((size, unit)) => format!("{:.1} {unit}", number as f64 / *size as f64),
        None => format!("{number} B"),
    }
}
