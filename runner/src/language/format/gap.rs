//! What is between two clauses: comments and blank lines.

use super::super::ast::Span;

/// The text between two clauses.
pub(super) struct Gap<'t> {
    /// A comment behind the clause before, with the blanks in front of it.
    behind: Option<&'t str>,
    /// Whole lines; blank ones are empty.
    lines: Vec<&'t str>,
}

impl<'t> Gap<'t> {
    /// Takes the text between two clauses, or before the first or after the last one.
    pub(super) fn new(text: &'t str, span: Span, follows_clause: bool) -> Self {
        let is_last = span.end == text.len();
        let mut lines: Vec<&str> = text[span].split('\n').map(str::trim_end).collect();
        if !is_last {
            // The indentation of the clause.
            lines.pop();
        }
        let behind = (follows_clause && !lines.is_empty()).then(|| lines.remove(0)).filter(|line| !line.is_empty());
        if !follows_clause {
            lines.drain(..lines.iter().take_while(|line| line.is_empty()).count());
        }
        if is_last {
            lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        }
        Gap { behind, lines }
    }

    /// Whether it ends a paragraph.
    pub(super) fn has_blank_line(&self) -> bool {
        self.lines.iter().any(|line| line.is_empty())
    }

    /// Writes it after a clause, up to where the next one begins, if there is one. A comment is indented as the clause that
    /// follows; where a blank line comes before that, as the clauses before (`inner`), unless it stood at the margin.
    pub(super) fn write(&self, out: &mut String, inner: usize, next: Option<usize>, newline: &str) {
        if let Some(behind) = self.behind {
            out.push_str(if behind.starts_with('#') { " " } else { "" });
            out.push_str(behind);
        }
        if !out.is_empty() {
            out.push_str(newline);
        }
        let end_of_block = self.lines.iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1);
        for (i, line) in self.lines.iter().enumerate() {
            let comment = line.trim_start();
            let indent = match next {
                _ if comment.is_empty() => 0,
                Some(next) if i >= end_of_block => next,
                _ if comment.len() == line.len() => 0,
                _ => inner,
            };
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(comment);
            out.push_str(newline);
        }
        out.extend(std::iter::repeat_n(' ', next.unwrap_or(0)));
    }
}
