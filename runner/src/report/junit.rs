//! The XML that CI systems read, as Jenkins' schema has it (junit-10.xsd of its xUnit plugin): a test suite for each version, a
//! test case for each spec.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::fault::{describe, lines};
use super::json::{CaseRecord, FaultRecord, RunReport, WarningRecord};
use super::matrix::version;
use super::{NotRun, Reporter, Summary, allowed, not_run, notes, warnings};
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Status, Verdict};
use crate::plan::Case;

/// The name of the only suite of a run on one version, and of all suites together.
const NAME: &str = "mcspec";

/// Writes JUnit's XML when the run is over.
pub struct Junit<W> {
    out: W,
    suites: Vec<Suite>,
}

/// The cases of a version.
struct Suite {
    name: String,
    cases: Vec<TestCase>,
}

/// A spec.
struct TestCase {
    name: String,
    time: Duration,
    ending: Ending,
    /// What is worth knowing besides.
    output: String,
}

/// How a spec ended.
enum Ending {
    Passed,
    Skipped {
        message: String,
    },
    /// It found something else than it should.
    Failure(Message),
    /// It did not come to its end.
    Error(Message),
}

/// What is wrong.
struct Message {
    kind: String,
    headline: String,
    text: String,
}

/// How many cases ended how.
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    time: Duration,
}

impl Counts {
    fn of(cases: &[TestCase]) -> Self {
        let count = |is: fn(&Ending) -> bool| cases.iter().filter(|case| is(&case.ending)).count();
        Counts {
            tests: cases.len(),
            failures: count(|ending| matches!(ending, Ending::Failure(_))),
            errors: count(|ending| matches!(ending, Ending::Error(_))),
            skipped: count(|ending| matches!(ending, Ending::Skipped { .. })),
            time: cases.iter().map(|case| case.time).sum(),
        }
    }

    /// The attributes of a suite.
    fn attributes(&self, name: &str) -> [(&'static str, String); 6] {
        [
            ("name", name.to_owned()),
            ("tests", self.tests.to_string()),
            ("failures", self.failures.to_string()),
            ("errors", self.errors.to_string()),
            ("skipped", self.skipped.to_string()),
            ("time", seconds(self.time)),
        ]
    }
}

impl<W: Write> Junit<W> {
    /// A report to be written there.
    pub fn new(out: W) -> Self {
        Junit { out, suites: Vec::new() }
    }

    fn suite(&mut self, name: &str) -> &mut Suite {
        let position = self.suites.iter().position(|suite| suite.name == name).unwrap_or_else(|| {
            self.suites.push(Suite { name: name.to_owned(), cases: Vec::new() });
            self.suites.len() - 1
        });
        &mut self.suites[position]
    }

    /// Writes the document.
    fn write(&mut self, time: Duration, warnings: &[String]) -> io::Result<()> {
        let all: Vec<Counts> = self.suites.iter().map(|suite| Counts::of(&suite.cases)).collect();
        let sum = |of: fn(&Counts) -> usize| all.iter().map(of).sum::<usize>().to_string();
        let attributes = [
            ("name", NAME.to_owned()),
            ("tests", sum(|counts| counts.tests)),
            ("failures", sum(|counts| counts.failures)),
            ("errors", sum(|counts| counts.errors)),
            ("time", seconds(time)),
        ];
        let mut xml = Writer::new_with_indent(&mut self.out, b' ', 4);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        element(&mut xml, "testsuites", &attributes, |xml| {
            self.suites.iter().zip(&all).try_for_each(|(suite, counts)| {
                element(xml, "testsuite", &counts.attributes(&suite.name), |xml| {
                    suite.cases.iter().try_for_each(|case| write_case(xml, &suite.name, case))?;
                    match warnings.is_empty() {
                        true => Ok(()),
                        false => element(xml, "system-err", &[], |xml| text(xml, &warnings.join("\n"))),
                    }
                })
            })
        })?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        let name = if case.label == case.name { NAME } else { version(case) };
        let allowed = allowed::lines(verdict);
        let test_case = TestCase {
            name: case.name.clone(),
            time: verdict.elapsed,
            ending: ending(case, verdict),
            output: notes(case, verdict)
                .into_iter()
                .chain(allowed.iter().map(|line| line.text.clone()))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        self.suite(name).cases.push(test_case);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let warnings: Vec<String> =
            warnings(summary).map(|(place, warning)| format!("{place}: warning: {warning}")).collect();
        self.write(summary.elapsed, &warnings)
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        let error = |name: String, headline: String, text: String| TestCase {
            name,
            time: Duration::ZERO,
            ending: Ending::Error(Message { kind: "not run".to_owned(), headline, text }),
            output: String::new(),
        };
        let mut files: Vec<&Path> = why.problems.iter().map(|problem| problem.source.path.as_path()).collect();
        files.dedup();
        let of_file = |file: &Path| {
            let problems = why.problems.iter().filter(|problem| problem.source.path == file);
            let lines: Vec<String> = problems.flat_map(not_run::problem).collect();
            error(file.display().to_string(), lines[0].clone(), lines.join("\n"))
        };
        let mut cases: Vec<TestCase> = files.into_iter().map(of_file).collect();
        if cases.is_empty() {
            cases.push(error(NAME.to_owned(), why.headline().to_owned(), why.lines().join("\n")));
        }
        self.suite(NAME).cases = cases;
        self.write(Duration::ZERO, &[])
    }
}

/// The document of a report.
pub fn document(report: &RunReport) -> String {
    let mut junit = Junit::new(Vec::new());
    for case in &report.cases {
        let name = case.version().unwrap_or(NAME);
        junit.suite(name).cases.push(TestCase {
            name: case.name.clone(),
            time: Duration::from_millis(case.elapsed_ms),
            ending: ending_of(case),
            output: case.notes.join("\n"),
        });
    }
    if let Some(error) = &report.error {
        let message =
            Message { kind: "not run".to_owned(), headline: error.message.clone(), text: error.message.clone() };
        junit.suite(NAME).cases.push(TestCase {
            name: NAME.to_owned(),
            time: Duration::ZERO,
            ending: Ending::Error(message),
            output: String::new(),
        });
    }
    let warning = |at: &WarningRecord| format!("{}:{}:{}: warning: {}", at.file, at.line, at.column, at.message);
    let warnings: Vec<String> = report.warnings.iter().map(warning).collect();
    // Nothing that is written into memory fails.
    let _ = junit.write(Duration::from_millis(report.summary.elapsed_ms), &warnings);
    String::from_utf8(junit.out).unwrap_or_default()
}

/// How a case of a report ended.
fn ending_of(case: &CaseRecord) -> Ending {
    let reason = || case.reason.clone().unwrap_or_default();
    let place = |fault: &FaultRecord| match (&fault.file, fault.line, fault.column) {
        (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
        _ => String::new(),
    };
    let lines = |fault: &FaultRecord| {
        std::iter::once(format!("  {}{}", place(fault), fault.message))
            .chain(fault.details.iter().cloned())
            .collect::<Vec<_>>()
    };
    match case.status.as_str() {
        "passed" => Ending::Passed,
        "skipped" => Ending::Skipped { message: reason() },
        "expected failure" => Ending::Skipped { message: format!("failed as expected: {}", reason()) },
        _ => {
            let message = Message {
                kind: case.faults.first().map_or("failed".to_owned(), |fault| fault.kind.clone()),
                headline: case
                    .faults
                    .first()
                    .map_or(String::new(), |fault| format!("{}{}", place(fault), fault.message)),
                text: case.faults.iter().flat_map(lines).collect::<Vec<_>>().join("\n"),
            };
            let stopped = |fault: &FaultRecord| matches!(fault.kind.as_str(), "failure" | "unsupported");
            if case.faults.iter().any(stopped) { Ending::Error(message) } else { Ending::Failure(message) }
        }
    }
}

fn write_case<W: Write>(xml: &mut Writer<W>, suite: &str, case: &TestCase) -> io::Result<()> {
    let attributes = [("name", case.name.clone()), ("classname", suite.to_owned()), ("time", seconds(case.time))];
    element(xml, "testcase", &attributes, |xml| {
        match &case.ending {
            Ending::Passed => {}
            Ending::Skipped { message } => {
                let attribute = ("message", &*characters(message));
                xml.create_element("skipped").with_attribute(attribute).write_empty()?;
            }
            Ending::Failure(message) => write_message(xml, "failure", message)?,
            Ending::Error(message) => write_message(xml, "error", message)?,
        }
        if !case.output.is_empty() {
            element(xml, "system-out", &[], |xml| text(xml, &case.output))?;
        }
        Ok(())
    })
}

fn write_message<W: Write>(xml: &mut Writer<W>, name: &str, message: &Message) -> io::Result<()> {
    let attributes = [("message", message.headline.clone()), ("type", message.kind.clone())];
    element(xml, name, &attributes, |xml| text(xml, &message.text))
}

/// Writes an element and what is in it.
fn element<W: Write>(
    xml: &mut Writer<W>,
    name: &str,
    attributes: &[(&str, String)],
    inner: impl FnOnce(&mut Writer<W>) -> io::Result<()>,
) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes.iter().map(|(name, value)| (*name, characters(value))).collect();
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    xml.create_element(name).with_attributes(attributes).write_inner_content(inner)?;
    Ok(())
}

fn text<W: Write>(xml: &mut Writer<W>, text: &str) -> io::Result<()> {
    xml.write_event(Event::Text(BytesText::new(&characters(text))))
}

/// A text in which every character is one that XML 1.0 has (`Char`); others are written as escapes.
fn characters(text: &str) -> String {
    let is_one = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => out.push_str("\\r"),
            c if is_one(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// `67.683`
fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn ending(case: &Case, verdict: &Verdict) -> Ending {
    match &verdict.status {
        Status::Passed => Ending::Passed,
        Status::Skipped(reason) | Status::Interrupted(reason) => Ending::Skipped { message: reason.clone() },
        Status::ExpectedFailure(reason) => Ending::Skipped { message: format!("failed as expected: {reason}") },
        Status::Failed | Status::Unsupported => {
            let stopped = |fault: &Fault| matches!(fault, Fault::Failure(_) | Fault::Unsupported(_));
            let message = message(case, verdict);
            if verdict.faults.iter().any(stopped) { Ending::Error(message) } else { Ending::Failure(message) }
        }
    }
}

fn message(case: &Case, verdict: &Verdict) -> Message {
    let (kind, headline) = verdict.faults.first().map_or(("failed".to_owned(), String::new()), |first| {
        let first = describe(first, verdict);
        let place = first.place.map_or(String::new(), |place| format!("{place}: "));
        (first.kind.to_owned(), format!("{place}{}", first.message))
    });
    let lines: Vec<String> = lines(verdict, &case.name).into_iter().map(|line| line.text).collect();
    Message { kind, headline, text: lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_one_of_xml() {
        for (text, expected) in [
            ("a\tb\nc", "a\tb\nc"),
            ("\u{1b}[31m\r", "\\u{1b}[31m\\r"),
            ("\0\u{fffe}\u{ffff}\u{10ffff}", "\\u{0}\\u{fffe}\\u{ffff}\u{10ffff}"),
        ] {
            assert_eq!(characters(text), expected);
        }
    }
}
