//! Where output goes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::complaint::{Complaint, OfFile};
use crate::atomic::Draft;
use crate::report::{Checkout, Github, Json, Junit, Markdown, Pretty, Reporter, Sarif, Tap};

/// The standard output. When nobody reads it any more, what is written is dropped: a run goes on, since its results and
/// its exit code still matter.
pub(super) struct Stdout {
    gone: bool,
}

impl Stdout {
    /// The standard output, not buffered beyond a line.
    pub(super) fn new() -> Self {
        Stdout { gone: false }
    }

    /// The standard output with the colors that are written to it, where it takes any.
    pub(super) fn colored() -> Box<dyn Write> {
        match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => {
                Box::new(anstream::StripStream::new(Box::new(Stdout::new()) as Box<dyn Write>))
            }
            _ => Box::new(Stdout::new()),
        }
    }

    fn unless_gone<T>(&mut self, otherwise: T, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.gone {
            return Ok(otherwise);
        }
        match write() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(otherwise)
            }
            other => other,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), || io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), || io::stdout().flush())
    }
}

/// What a report is made from.
struct To {
    out: Box<dyn Write>,
    is_stdout: bool,
    /// Show only what went wrong, in the formats that are shown as specs end.
    quiet: bool,
}

/// A format of a report.
#[derive(Debug)]
struct Format {
    /// The name on the command line.
    name: &'static str,
    open: fn(To) -> Result<Box<dyn Reporter>, Complaint>,
}

/// The formats, in the order in which they are named to the user.
const FORMATS: &[Format] = &[
    // For people.
    Format { name: PRETTY, open: |to| Ok(pretty(to)) },
    // Test Anything Protocol, version 13.
    Format { name: TAP, open: |to| Ok(Box::new(Tap::new(to.out, to.quiet))) },
    // Everything, for programs.
    Format { name: "json", open: |to| Ok(Box::new(Json::new(to.out))) },
    // The XML that CI systems read.
    Format { name: "junit", open: |to| Ok(Box::new(Junit::new(to.out))) },
    // What code scanning services and editors read.
    Format { name: "sarif", open: |to| Ok(Box::new(Sarif::new(to.out, Checkout::here()))) },
    // Annotations and a job summary of GitHub Actions.
    Format { name: "github", open: |to| Ok(Box::new(Github::new(to.out, job_summary()?, Checkout::here()))) },
    // A table and what is wrong, to be pasted or published.
    Format { name: "markdown", open: |to| Ok(Box::new(Markdown::new(to.out))) },
];

/// What the formats are called.
pub(super) fn format_names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.name)
}

/// The formats that a run is reported in where none is asked for: on a terminal, and elsewhere.
const PRETTY: &str = "pretty";
const TAP: &str = "tap";

/// `--report FORMAT[=FILE]`
#[derive(Debug, Clone)]
pub(super) struct ReportTo {
    format: &'static Format,
    file: Option<String>,
}

impl std::str::FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file.to_owned())),
            None => (text, None),
        };
        let known = || format_names().collect::<Vec<_>>().join(", ");
        let named = FORMATS.iter().find(|known| known.name == format);
        let format = named.ok_or_else(|| format!("unknown format \"{format}\"; formats are {}", known()))?;
        Ok(ReportTo { format, file })
    }
}

/// The reporters of a run, and the files that they write to. Without any asked for: for people on a terminal, TAP elsewhere.
pub(super) fn reporters(wanted: &[ReportTo], quiet: bool) -> Result<(Vec<Box<dyn Reporter>>, Files), Complaint> {
    let mut files = Files(Vec::new());
    let default = if io::stdout().is_terminal() { PRETTY } else { TAP };
    let default = FORMATS.iter().filter(|format| format.name == default && wanted.is_empty());
    let default = default.map(|format| (format, None));
    let wanted = wanted.iter().map(|report| (report.format, report.file.as_deref()));
    let mut reporters = Vec::new();
    for (format, file) in default.chain(wanted) {
        let out: Box<dyn Write> = match file {
            None => Box::new(Stdout::new()),
            Some(file) => Box::new(files.begin(file)?),
        };
        reporters.push((format.open)(To { out, is_stdout: file.is_none(), quiet })?);
    }
    Ok((reporters, files))
}

/// The same for a command whose output is somebody else's: without any asked for, for people on the standard error.
pub(super) fn beside(wanted: &[ReportTo], quiet: bool) -> Result<(Vec<Box<dyn Reporter>>, Files), Complaint> {
    if !wanted.is_empty() {
        return reporters(wanted, quiet);
    }
    let pretty: Box<dyn Reporter> = Box::new(Pretty::new(anstream::stderr(), quiet, ProgressBar::hidden()));
    Ok((vec![pretty], Files(Vec::new())))
}

/// The files of the reports.
pub(super) struct Files(Vec<ReportFile>);

/// A file that a report is written to, by a reporter that does not know it.
#[derive(Clone)]
struct ReportFile {
    name: String,
    draft: Rc<RefCell<Draft>>,
}

impl Files {
    fn begin(&mut self, name: &str) -> Result<ReportFile, Complaint> {
        let draft = Draft::begin(Path::new(name)).map_err(|error| Complaint::file(name, error))?;
        let file = ReportFile { name: name.to_owned(), draft: Rc::new(RefCell::new(draft)) };
        self.0.push(file.clone());
        Ok(file)
    }

    /// Writes those that are written when they are complete; whatever fails fails alone.
    pub(super) fn finish(self) -> impl Iterator<Item = Complaint> {
        let finish = |file: ReportFile| file.draft.borrow_mut().finish().err().map(|error| (file.name.clone(), error));
        self.0.into_iter().filter_map(finish).map(|(name, error)| Complaint::file(&name, error))
    }
}

impl ReportFile {
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| io::Error::new(error.kind(), OfFile { name: self.name.clone(), error }))
    }
}

impl Write for ReportFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.named(self.draft.borrow_mut().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.named(self.draft.borrow_mut().flush())
    }
}

/// The report for people: in color and with a bar where it goes to a terminal.
fn pretty(To { out, is_stdout, quiet }: To) -> Box<dyn Reporter> {
    if !is_stdout {
        return Box::new(Pretty::new(anstream::StripStream::new(out), quiet, ProgressBar::hidden()));
    }
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    Box::new(Pretty::new(Stdout::colored(), quiet, ProgressBar::with_draw_target(None, target)))
}

/// The file that a step of GitHub Actions adds its part of the job's summary to; none elsewhere.
fn job_summary() -> Result<Option<Box<dyn Write>>, Complaint> {
    let file = std::env::var("GITHUB_STEP_SUMMARY").ok().filter(|file| !file.is_empty());
    let open = |name: String| {
        // What others have written there stays.
        let file =
            File::options().append(true).create(true).open(&name).map_err(|error| Complaint::file(&name, error))?;
        Ok(Box::new(BufWriter::new(file)) as Box<dyn Write>)
    };
    file.map(open).transpose()
}
