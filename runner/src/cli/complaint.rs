//! Why a command ends early, as the user sees it.

use std::io::Write;
use std::path::Path;

use super::exit::Exit;
use crate::config::ConfigError;
use crate::engine::EngineError;
use crate::exec::failure::Failure;
use crate::golden::GoldenError;
use crate::language::{Diagnostic, SourceFile};
use crate::panicked::{self, Panicked};
use crate::plan::Problem;
use crate::plan::schedule::ScheduleError;
use crate::report::NotRun;
use crate::results::ResultsError;
use crate::server::ServerError;
use crate::status;

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Complaint {
    /// Specs that cannot be run as they are.
    #[error("{} in the specs", count(.0.len()))]
    Specs(Vec<Problem>),
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// `mcspec.toml`
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A golden.
    #[error(transparent)]
    Golden(#[from] GoldenError),
    /// Results.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// An argument that does not make sense.
    #[error("{message}")]
    Argument {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nothing fits the selection.
    #[error("{message}")]
    Nothing {
        /// What does not fit.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The output cannot be written.
    #[error("could not write {what}: {error}")]
    Output {
        /// What is being written.
        what: String,
        /// The system's reason.
        error: std::io::Error,
    },
}

/// A failure to write a file, where it is not known any more which.
#[derive(Debug, thiserror::Error)]
#[error("\"{name}\": {error}")]
pub(super) struct OfFile {
    /// The file, as the user wrote it.
    pub(super) name: String,
    /// The system's reason.
    pub(super) error: std::io::Error,
}

/// Most errors that are shown, and most warnings.
pub(super) const SHOWN: usize = 100;

/// Says how many more there are than are shown.
pub(super) fn not_shown(count: usize, what: &str) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        1 => format!("... and 1 more {what}\n\n"),
        more => format!("... and {more} more {what}s\n\n"),
    }
}

/// Does something for a file. Where mcspec itself fails, says so at the file, and the rest goes on.
pub(super) fn guarded<T>(file: &Path, f: impl FnOnce() -> T) -> Option<T> {
    let panicked = match panicked::caught(f) {
        Ok(done) => return Some(done),
        Err(panicked) => panicked,
    };
    let source = SourceFile::new(file, "").into();
    let diagnostic = Diagnostic::new(0..0, panicked.to_string()).with_hint(panicked::HINT.to_owned());
    let text = format!("{}\n\n", Problem::new(&source, diagnostic).render(true));
    // There is nowhere left to report that to.
    let _ = status::aside(|| anstream::stderr().lock().write_all(text.as_bytes()));
    None
}

/// Tells the user something.
pub(super) fn note(text: &str) {
    // Somebody who closed the standard error does not want to know.
    let _ = status::aside(|| writeln!(std::io::stderr(), "mcspec: {text}"));
}

/// Says that mcspec itself has failed, in nothing that can go on without it.
pub(super) fn broken(panicked: &Panicked) {
    let text = format!("mcspec: error: {panicked}\nmcspec: hint: {}\n", panicked::HINT);
    let _ = status::aside(|| anstream::stderr().lock().write_all(text.as_bytes()));
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

impl Complaint {
    /// What has failed on a server, in the words of the report of a spec.
    pub(super) fn failure(failure: &Failure) -> Self {
        let lines: Vec<String> = std::iter::once(failure.headline()).chain(failure.particulars()).collect();
        Complaint::Argument { message: lines.join("\n"), hint: None }
    }

    /// A failure to write to the standard output, or to what it names as [`OfFile`].
    pub(super) fn stdout(error: std::io::Error) -> Self {
        match error.downcast::<OfFile>() {
            Ok(OfFile { name, error }) => Complaint::file(&name, error),
            Err(error) => Complaint::Output { what: "to the standard output".to_owned(), error },
        }
    }

    /// A failure to write a file.
    pub(super) fn file(name: &str, error: std::io::Error) -> Self {
        Complaint::Output { what: format!("\"{name}\""), error }
    }

    /// How the process ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Complaint::Nothing { .. } => Exit::NothingSelected,
            _ => Exit::CouldNotRun,
        }
    }

    /// The same for reports.
    pub(super) fn not_run(&self) -> NotRun {
        NotRun { message: self.to_string(), hint: self.hint(), problems: self.problems(), exit: self.exit().code() }
    }

    /// What is wrong with files, each with its place.
    fn problems(&self) -> Vec<Problem> {
        match self {
            Complaint::Specs(problems) => problems.clone(),
            Complaint::Config(ConfigError::Invalid { file, problems }) => {
                problems.iter().map(|diagnostic| Problem::new(file, diagnostic.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the user can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Complaint::Schedule(error) => error.hint(),
            Complaint::Server(error) => error.hint(),
            Complaint::Engine(error) => error.hint(),
            Complaint::Golden(error) => error.hint().map(str::to_owned),
            Complaint::Results(error) => error.hint().map(str::to_owned),
            Complaint::Argument { hint, .. } | Complaint::Nothing { hint, .. } => hint.clone(),
            Complaint::Specs(_) | Complaint::Config(_) | Complaint::Output { .. } => None,
        }
    }

    /// Writes it to the standard error, in color where that takes color.
    pub(super) fn print(&self) {
        let mut text = String::new();
        let problems = self.problems();
        for problem in problems.iter().take(SHOWN) {
            text += &format!("{}\n\n", problem.render(true));
        }
        text += &not_shown(problems.len(), "error");
        text += &format!("mcspec: error: {self}\n");
        if let Some(hint) = self.hint() {
            text += &format!("mcspec: hint: {hint}\n");
        }
        // There is nowhere left to report that to.
        let _ = status::aside(|| anstream::stderr().lock().write_all(text.as_bytes()));
    }
}
