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
        self.render_as(Level::ERROR.with_name("ERROR"), None, source, color)
    }

    /// The same for a warning with its code.
    pub fn render_warning(&self, code: &str, source: &SourceFile, color: bool) -> String {
        self.render_as(Level::WARNING.with_name("WARNING"), Some(code), source, color)
    }

    fn render_as(&self, level: Level, code: Option<&str>, source: &SourceFile, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        // The lines that it is in, and no others: a file may have many errors.
        let text = source.text.as_str();
        let start = text[..self.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[self.span.end..].find('\n').map_or(text.len(), |newline| self.span.end + newline + 1);
        let span = self.span.start - start..self.span.end - start;
        let annotation = AnnotationKind::Primary.span(span).label(self.label.as_deref());
        let snippet = Snippet::source(&text[start..end])
            .line_start(text[..start].matches('\n').count() + 1)
            .path(source.path.to_string_lossy().into_owned())
            .annotation(annotation);
        let mut title = level.primary_title(self.message.as_str());
        if let Some(code) = code {
            title = title.id(code);
        }
        let mut report = title.element(snippet);
        if let Some(hint) = &self.hint {
            report = report.element(Level::HELP.with_name("HINT").message(hint.as_str()));
        }
        renderer.render(&[report])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rendered place, line of carets, and column of the first of them against the line above.
    fn rendered(text: &str, needle: &str) -> (String, String) {
        let source = SourceFile::new("dir/a.mcspec", text);
        let start = text.find(needle).unwrap();
        let diagnostic = Diagnostic::new(start..start + needle.len(), "it is wrong").with_hint("mend it".to_owned());
        let plain = diagnostic.render(&source, false);
        assert!(plain.contains("it is wrong") && plain.contains("HINT: mend it"), "{plain}");
        let (line, column) = source.line_column(start);
        assert!(plain.contains(&format!("dir/a.mcspec:{line}:{column}")), "{plain}");
        let carets = plain.lines().position(|line| line.contains('^')).unwrap();
        let shown = plain.lines().nth(carets - 1).unwrap().to_owned();
        (shown, plain.lines().nth(carets).unwrap().to_owned())
    }

    #[test]
    fn carets_stand_under_what_they_mean() {
        for (text, needle) in
            [("a\n  bcd e\n", "bcd"), ("\tx\tbcd\n", "bcd"), ("größe bcd", "bcd"), ("a\r\nb bcd\r\n", "bcd")]
        {
            let (line, carets) = rendered(text, needle);
            let before = |line: &str, mark: &str| line[..line.find(mark).unwrap()].chars().count();
            assert_eq!(before(&line, needle), before(&carets, "^"), "{line}\n{carets}");
            assert_eq!(carets.matches('^').count(), needle.len());
        }
        // Wide characters take two columns each.
        let (line, carets) = rendered("大きさ bcd", "bcd");
        assert_eq!(line.find("bcd").unwrap() - 3, carets.find('^').unwrap());
    }

    #[test]
    fn color_adds_escapes_only() {
        let source = SourceFile::new("a.mcspec", "x y");
        let diagnostic = Diagnostic::new(2..3, "wrong").with_label("here").with_hint("no".to_owned());
        let plain = diagnostic.render(&source, false);
        let colored = diagnostic.render(&source, true);
        assert!(plain.contains("here") && !plain.contains('\u{1b}') && colored.contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    }
}
