//! What is wrong with a file, and how that is shown.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::ast::Span;
use super::source::SourceFile;

/// One error in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What the carets point at, in bytes.
    pub span: Span,
    /// What is wrong, in PostgreSQL's style: lower-case start, no final period.
    pub message: String,
    /// What to write at the carets.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without label and hint.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { span, message: message.into(), label: None, hint: None }
    }

    /// Adds what to write at the carets.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what to do about it, if anything is known.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Shows the error with its place, the lines it is in, and carets under its span; with terminal escapes if `color`.
    /// Ends without a newline.
    pub fn render(&self, source: &SourceFile, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let annotation = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_deref());
        let snippet = Snippet::source(source.text.as_str())
            .path(source.path.to_string_lossy().into_owned())
            .annotation(annotation);
        let mut report = Level::ERROR.with_name("ERROR").primary_title(self.message.as_str()).element(snippet);
        if let Some(hint) = &self.hint {
            report = report.element(Level::HELP.with_name("HINT").message(hint.as_str()));
        }
        renderer.render(&[report])
    }
}
