//! What can be wrong with a configuration file.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::language::{Diagnostic, SourceFile};

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file exists but cannot be read.
    #[error("could not read \"{}\": {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file has mistakes; all that were found, in the order of their places.
    #[error("{} in {}", count(problems.len()), file.path.display())]
    Invalid {
        /// The file.
        file: Arc<SourceFile>,
        /// What is wrong, at least one.
        problems: Vec<Diagnostic>,
    },
}

impl ConfigError {
    /// All that is wrong in few lines, for where there is no room for the lines of the file.
    pub fn listing(&self) -> String {
        let ConfigError::Invalid { file, problems } = self else { return self.to_string() };
        let mut listing = String::new();
        for problem in problems {
            let (line, column) = file.line_column(problem.span.start);
            let separator = if listing.is_empty() { "" } else { "\n" };
            // Writing to a string does not fail.
            let _ = write!(listing, "{separator}{}:{line}:{column}: {}", file.path.display(), problem.message);
            if let Some(hint) = &problem.hint {
                let _ = write!(listing, "\nHINT: {hint}");
            }
        }
        listing
    }
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
