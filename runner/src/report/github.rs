//! GitHub Actions: an annotation at the line of the spec for every fault, and the job's summary.
//!
//! The syntax is that of workflow commands: `::error file=F,line=L,col=C,title=T::message`, with `%`, CR and LF escaped
//! everywhere and `:` and `,` also in the parameters.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::fault::{describe, place};
use super::markdown::Document;
use super::{Reporter, Summary, unrecorded};
use crate::exec::outcome::Outcome;
use crate::judge::Verdict;
use crate::plan::{Case, Place};

/// The longest summary of a step, in bytes; a longer one is not shown at all.
const SUMMARY_LIMIT: usize = 1 << 20;

/// Writes workflow commands, and the summary when the run is over.
pub struct Github<W, S> {
    out: W,
    summary: Option<S>,
    directory: PathBuf,
    document: Document,
}

impl<W: Write, S: Write> Github<W, S> {
    /// Commands to be written to `out`, and the summary, where there is a file for it. `directory` leads from the root
    /// of the repository to the directory that the paths of specs are relative to.
    pub fn new(out: W, summary: Option<S>, directory: PathBuf) -> Self {
        Github { out, summary, directory, document: Document::default() }
    }

    /// Annotates the place, or else the first line of the spec.
    fn command(&mut self, level: &str, case: &Case, place: Option<&Place>, message: &str) -> io::Result<()> {
        let (source, offset) = place.map_or((&case.source, 0), |place| (&place.source, place.offset));
        let (line, column) = source.line_column(offset);
        let file = parameter(&from_root(&self.directory, &source.path).to_string_lossy());
        let title = parameter(&format!("mcspec: {}", case.label));
        let message = data(message);
        writeln!(self.out, "::{level} file={file},line={line},col={column},title={title}::{message}")
    }
}

impl<W: Write, S: Write> Reporter for Github<W, S> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        self.document.add(case, verdict);
        if let Some(flaky) = verdict.flaky() {
            self.command("warning", case, None, &format!("flaky: {flaky}"))?;
        }
        if let Some(unrecorded) = unrecorded(verdict) {
            self.command("notice", case, None, &unrecorded)?;
        }
        if verdict.is_bad() {
            for fault in &verdict.faults {
                let described = describe(fault, verdict);
                let details = described.details.iter().map(|line| line.text.trim_end());
                let message: Vec<&str> = std::iter::once(described.message.as_str()).chain(details).collect();
                self.command("error", case, place(fault, &described, case).as_ref(), &message.join("\n"))?;
            }
        }
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let Some(out) = &mut self.summary else { return Ok(()) };
        let whole = self.document.text(summary);
        let text = if whole.len() > SUMMARY_LIMIT { self.document.table(summary) } else { whole };
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// A spec's path as the repository has it.
fn from_root(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.strip_prefix(".").unwrap_or(path))
}

/// Escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a parameter.
fn parameter(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped() {
        assert_eq!(data("50%, a:b\r\n"), "50%25, a:b%0D%0A");
        assert_eq!(parameter("50%, a:b\n"), "50%25%2C a%3Ab%0A");
    }

    #[test]
    fn paths_begin_at_the_root_of_the_repository() {
        for (directory, path, expected) in
            [("", "specs/a.mcspec", "specs/a.mcspec"), ("ext", "./specs/a.mcspec", "ext/specs/a.mcspec")]
        {
            assert_eq!(from_root(Path::new(directory), Path::new(path)), Path::new(expected));
        }
    }
}
