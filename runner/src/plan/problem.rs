//! Diagnostics together with the file they are about.

use std::fmt;
use std::sync::Arc;

use crate::language::{Diagnostic, SourceFile};

/// A place in a file: written `specs/leaky.mcspec:25:10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<SourceFile>,
    /// Offset into its text in bytes.
    pub offset: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.offset);
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}

/// Something wrong in a spec or in a file it includes.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The file.
    pub source: Arc<SourceFile>,
    /// What is wrong, and where.
    pub diagnostic: Diagnostic,
}

impl Problem {
    /// A problem of a file.
    pub fn new(source: &Arc<SourceFile>, diagnostic: Diagnostic) -> Self {
        Problem { source: Arc::clone(source), diagnostic }
    }

    /// Where it begins.
    pub fn place(&self) -> Place {
        Place { source: Arc::clone(&self.source), offset: self.diagnostic.span.start }
    }

    /// The message with the source line and carets.
    pub fn render(&self, color: bool) -> String {
        self.diagnostic.render(&self.source, color)
    }
}
