//! Where output goes.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::complaint::Complaint;
use crate::report::{Format, Github, Json, Junit, Markdown, Pretty, Reporter, Tap};

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

/// `--report FORMAT[=FILE]`
#[derive(Debug, Clone)]
pub(super) struct ReportTo {
    format: Format,
    file: Option<String>,
}

impl std::str::FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format, Some(file.to_owned())),
            None => (text, None),
        };
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        let format = format.parse().map_err(|error| format!("{error}; formats are {}", known.join(", ")))?;
        Ok(ReportTo { format, file })
    }
}

/// The reporters of a run. Without any asked for: for people on a terminal, TAP elsewhere.
pub(super) fn reporters(wanted: &[ReportTo], quiet: bool) -> Result<Vec<Box<dyn Reporter>>, Complaint> {
    let default = if io::stdout().is_terminal() { Format::Pretty } else { Format::Tap };
    let default = [ReportTo { format: default, file: None }];
    let wanted = if wanted.is_empty() { &default } else { wanted };
    wanted.iter().map(|report| reporter(report, quiet)).collect()
}

fn reporter(report: &ReportTo, quiet: bool) -> Result<Box<dyn Reporter>, Complaint> {
    let out: Box<dyn Write> = match &report.file {
        None => Box::new(Stdout::new()),
        Some(file) => writer(file, File::create(file))?,
    };
    Ok(match report.format {
        Format::Pretty if report.file.is_some() => {
            Box::new(Pretty::new(anstream::StripStream::new(out), quiet, ProgressBar::hidden()))
        }
        Format::Pretty => pretty(out, quiet),
        Format::Tap => Box::new(Tap::new(out)),
        Format::Json => Box::new(Json::new(out)),
        Format::Junit => Box::new(Junit::new(out)),
        Format::Markdown => Box::new(Markdown::new(out)),
        Format::Github => Box::new(Github::new(out, job_summary()?, below_workspace())),
    })
}

fn writer(name: &str, file: io::Result<File>) -> Result<Box<dyn Write>, Complaint> {
    let file = file.map_err(|error| Complaint::Output { what: format!("\"{name}\""), error })?;
    Ok(Box::new(BufWriter::new(file)))
}

/// The report for people on the standard output.
fn pretty(out: Box<dyn Write>, quiet: bool) -> Box<dyn Reporter> {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let out: Box<dyn Write> = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => Box::new(anstream::StripStream::new(out)),
        _ => out,
    };
    Box::new(Pretty::new(out, quiet, ProgressBar::with_draw_target(None, target)))
}

/// The file that a step of GitHub Actions adds its part of the job's summary to; none elsewhere.
fn job_summary() -> Result<Option<Box<dyn Write>>, Complaint> {
    let file = std::env::var("GITHUB_STEP_SUMMARY").ok().filter(|file| !file.is_empty());
    file.map(|file| writer(&file, File::options().append(true).create(true).open(&file))).transpose()
}

/// The way from the root of GitHub's checkout to the current directory, which annotations have to include.
fn below_workspace() -> PathBuf {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let below = |workspace: PathBuf| {
        let current = std::env::current_dir().ok()?;
        current.strip_prefix(workspace.canonicalize().ok()?).ok().map(Path::to_owned)
    };
    workspace.and_then(below).unwrap_or_default()
}
