//! Where output goes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;

use super::complaint::{Complaint, OfFile};
use super::exit::Exit;
use crate::atomic::Draft;
use crate::report::{Checkout, Github, Html, Json, Junit, Markdown, Pretty, Reporter, Sarif, Tap};
use crate::server::is_interrupted;
use crate::status;

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
    // Curves, flame graphs, chunks: a page to look at.
    Format { name: "html", open: |to| Ok(Box::new(Html::new(to.out))) },
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
        let formats = FORMATS.iter().map(|format| (format.name, format));
        format_and_file(text, formats).map(|(format, file)| ReportTo { format, file })
    }
}

/// A format by its name, and the file that may stand behind it.
pub(super) fn format_and_file<F>(
    text: &str,
    formats: impl Iterator<Item = (&'static str, F)> + Clone,
) -> Result<(F, Option<String>), String> {
    let (name, file) = match text.split_once('=') {
        Some((name, file)) => (name, Some(file.to_owned())),
        None => (text, None),
    };
    let known = || formats.clone().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let (_, format) = formats
        .clone()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("unknown format \"{name}\"; formats are {}", known()))?;
    Ok((format, file))
}

/// Where a command is reported. Whatever keeps it from running is reported too, before the command ends by it.
#[derive(Default)]
pub(super) struct Outlet {
    /// Until somebody has taken them for a run.
    reporters: Vec<Box<dyn Reporter>>,
    files: Files,
}

impl Outlet {
    /// That of a run. Without any format asked for: for people on a terminal, TAP elsewhere.
    pub(super) fn open(wanted: &[ReportTo], quiet: bool) -> Result<Self, Complaint> {
        let default = if io::stdout().is_terminal() { PRETTY } else { TAP };
        let default = FORMATS.iter().find(|format| format.name == default).filter(|_| wanted.is_empty());
        let default = default.map(|format| ReportTo { format, file: None });
        let mut outlet = Outlet::default();
        for ReportTo { format, file } in default.iter().chain(wanted) {
            let out: Box<dyn Write> = match file {
                None => Box::new(Stdout::new()),
                Some(file) => Box::new(outlet.files.begin(file)?),
            };
            outlet.reporters.push((format.open)(To { out, is_stdout: file.is_none(), quiet })?);
        }
        if io::stdout().is_terminal() {
            show_status(default.iter().chain(wanted), quiet);
        }
        Ok(outlet)
    }

    /// That of a command whose output is somebody else's. Without any format asked for: for people on the standard error.
    pub(super) fn beside(wanted: &[ReportTo], quiet: bool) -> Result<Self, Complaint> {
        if !wanted.is_empty() {
            return Self::open(wanted, quiet);
        }
        show_status([].iter(), quiet);
        Ok(Outlet { reporters: vec![Box::new(Pretty::new(anstream::stderr(), quiet))], files: Files::default() })
    }

    /// Does what is reported here.
    pub(super) fn of(mut self, run: impl FnOnce(&mut Self) -> Result<Exit, Complaint>) -> Result<Exit, Complaint> {
        let ended = run(&mut self);
        let Err(complaint) = &ended else { return ended };
        if !is_interrupted() {
            let why = complaint.not_run();
            let unwritten = self.reporters.iter_mut().filter_map(|reporter| reporter.not_run(&why).err());
            let unwritten: Vec<Complaint> = unwritten.map(Complaint::stdout).chain(self.files.finish()).collect();
            unwritten.iter().for_each(Complaint::print);
        }
        ended
    }

    /// The reporters, for a run that has begun.
    pub(super) fn reporters(&mut self) -> Vec<Box<dyn Reporter>> {
        std::mem::take(&mut self.reporters)
    }

    /// The files that they write to.
    pub(super) fn files(&mut self) -> Files {
        std::mem::take(&mut self.files)
    }
}

/// Says on the standard error what is under way, where somebody waits there for it and it is in no report's way.
fn show_status<'r>(mut reports: impl Iterator<Item = &'r ReportTo>, quiet: bool) {
    if !quiet && reports.all(|report| report.format.name == PRETTY || report.file.is_some()) && somebody_waits() {
        status::open();
    }
}

/// Whether there is a terminal on the standard error whose lines can be rewritten, and somebody before it.
pub(super) fn somebody_waits() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = || std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !is_dumb() && !is_set("CI")
}

/// The files of the reports.
#[derive(Default)]
pub(super) struct Files(Vec<ReportFile>);

/// A file that a report is written to, by a reporter that does not know it.
#[derive(Clone)]
pub(super) struct ReportFile {
    name: String,
    draft: Rc<RefCell<Draft>>,
}

impl Files {
    /// A file that is written when all of it is there.
    pub(super) fn begin(&mut self, name: &str) -> Result<ReportFile, Complaint> {
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

/// The report for people: in color where it goes to a terminal.
fn pretty(To { out, is_stdout, quiet }: To) -> Box<dyn Reporter> {
    match is_stdout {
        true => Box::new(Pretty::new(Stdout::colored(), quiet)),
        false => Box::new(Pretty::new(anstream::StripStream::new(out), quiet).alone()),
    }
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
