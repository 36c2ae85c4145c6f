//! Where output goes.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::complaint::Complaint;
use crate::report::{Format, Pretty, Reporter, Tap};

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
    match (&report.file, report.format) {
        (None, Format::Tap) => Ok(Box::new(Tap::new(Stdout::new()))),
        (None, Format::Pretty) => {
            let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
            let colors = anstream::AutoStream::choice(&io::stdout());
            let out: Box<dyn Write> = match colors {
                anstream::ColorChoice::Never => {
                    Box::new(anstream::StripStream::new(Box::new(Stdout::new()) as Box<dyn Write>))
                }
                _ => Box::new(Stdout::new()),
            };
            Ok(Box::new(Pretty::new(out, quiet, ProgressBar::with_draw_target(None, target))))
        }
        (Some(file), format) => {
            let created = File::create(Path::new(file));
            let file = created.map_err(|error| Complaint::Output { what: format!("\"{file}\""), error })?;
            Ok(match format {
                Format::Tap => Box::new(Tap::new(file)),
                Format::Pretty => Box::new(Pretty::new(anstream::StripStream::new(file), quiet, ProgressBar::hidden())),
            })
        }
    }
}
