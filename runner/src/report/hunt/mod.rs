//! What is shown of hunts when they are over, one file for each format.

mod html;
mod markdown;
pub(super) mod whole;

use std::io::{self, Write};

pub use self::whole::{FORMAT, HuntReport};
use super::{Checkout, sarif};

/// A way of showing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HuntFormat {
    /// [`HuntReport`]
    Json,
    /// What code scanning services and editors read.
    Sarif,
    /// To be pasted or published.
    Markdown,
    /// A page that stands alone.
    Html,
}

impl HuntFormat {
    /// All of them, by the name on the command line.
    pub const ALL: [(&'static str, HuntFormat); 4] = [
        ("json", HuntFormat::Json),
        ("sarif", HuntFormat::Sarif),
        ("markdown", HuntFormat::Markdown),
        ("html", HuntFormat::Html),
    ];

    /// Writes it.
    ///
    /// # Errors
    ///
    /// Why that is not possible.
    pub fn write(self, out: &mut dyn Write, report: &HuntReport) -> io::Result<()> {
        match self {
            HuntFormat::Json => {
                serde_json::to_writer_pretty(&mut *out, report)?;
                writeln!(out)?;
            }
            HuntFormat::Sarif => sarif::hunts(out, Checkout::here(), report)?,
            HuntFormat::Markdown => out.write_all(markdown::text(report).as_bytes())?,
            HuntFormat::Html => out.write_all(html::page(report).as_bytes())?,
        }
        out.flush()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use memcheck_core::census::SiteId;
    use memcheck_core::path::ContextPath;
    use memcheck_core::{CheckKind, Finding, Frame, Line, MarkPoint, Severity, Site};

    use super::super::NotRun;
    use super::*;
    use crate::hunt::found::{Bug, State, Stock, Wrong};
    use crate::hunt::record::{BugRecord, HuntRecord, Hunted};
    use crate::hunt::script::Script;
    use crate::hunt::shape::Shape;
    use crate::hunt::subject::SetAside;

    /// Two bugs, one of them with everything that there may be, and texts that a format could take for markup.
    pub(in crate::report) fn report() -> HuntReport {
        let line = Some(Line { file: "/w/src/odd.c".into(), number: 46 });
        let frame =
            Frame { library: "odd".into(), offset: 1, symbol: Some("lose<T>".into()), line, ..Frame::default() };
        let site = Site { id: SiteId(0), frame: frame.clone(), stack: vec![frame] };
        let finding = Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Error,
            path: ContextPath::new(vec!["TopMemoryContext".to_owned()]),
            bytes: 5600,
            objects: 0,
            iterations: 100,
            bytes_per_iter: 56.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: "odd".to_owned(),
            site: Some(site),
            marks: (0..5).map(|at| MarkPoint { iteration: at * 25, used: at * 1400, objects: 1 }).collect(),
            detail: "grows & grows".to_owned(),
            access: None,
        };
        let bug = |wrong| Bug {
            what: "odd(text)".to_owned(),
            shape: Shape::Plain,
            wrong,
            script: Script::repeated(vec!["SELECT odd('<b>|`')".to_owned()]),
            stock: Some(Stock::Growth { executions: 5000, contexts: 79.0, resident: 80.0 }),
        };
        let crash = Wrong::Crash { end: "was terminated by signal 11".to_owned(), words: vec!["PANIC: x".to_owned()] };
        let bugs = [bug(Wrong::Violation(Box::new(finding))), Bug { stock: None, ..bug(crash) }];
        let records = bugs.iter().map(|bug| BugRecord::of(bug, "specs/hunt/odd.mcspec".to_owned())).collect();
        let mut state = State { calls: 12, executions: 3456, ..State::default() };
        state.aside.push(SetAside { what: "handler()".to_owned(), why: "the server calls it".to_owned() });
        state.passing.push("odd('') (plain): once".to_owned());
        let hunted = Hunted { extension: "odd", version: "1.0", server: "15.20", subjects: 7 };
        let record = HuntRecord::of(hunted, &state, records, Duration::from_secs(3), str::to_owned);
        HuntReport::of(vec![record], None)
    }

    fn written(format: HuntFormat, report: &HuntReport) -> String {
        let mut out = Vec::new();
        format.write(&mut out, report).expect("a vector takes it");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn what_is_written_is_read_again() {
        let report = report();
        let read: HuntReport = serde_json::from_str(&written(HuntFormat::Json, &report)).expect("it is JSON");
        assert_eq!(read, report);
    }

    #[test]
    fn each_format_says_why_there_was_no_hunt() {
        let why = NotRun {
            message: "extension \"x\" is not installed".to_owned(),
            hint: Some("install it".to_owned()),
            problems: Vec::new(),
            exit: 2,
        };
        let report = HuntReport::of(Vec::new(), Some(&why));
        for (name, format) in HuntFormat::ALL {
            let text = written(format, &report);
            for expected in ["is not installed", "install it"] {
                assert!(text.contains(expected), "{name}: {text}");
            }
        }
    }
}
