//! Where the clauses of a file and their values stand.

use super::super::parse::{Outline, Place, Stretch};
use super::gap::Gap;
use super::token::{Token, are_apart, tokens};

/// The column of values in a scenario, after the two of indentation: that after `iterations`.
const SCENARIO_COLUMN: usize = 11;

/// How steps go on in the next line of a permutation.
const PERMUTATION_INDENT: usize = 2;

/// A file as it is to be written.
pub(super) struct Layout<'t> {
    pub(super) clauses: Vec<Laid<'t>>,
}

/// A clause as it is to be written.
pub(super) struct Laid<'t> {
    clause: &'t Stretch,
    tokens: Vec<Token<'t>>,
    /// Blanks before it.
    pub(super) indent: usize,
    /// Blanks before comments that belong to it and its neighbours.
    pub(super) comment_indent: usize,
    /// Whether it stands on the line of the clause before it.
    pub(super) continues_line: bool,
    /// Where its values begin, counted from its own beginning.
    column: usize,
}

/// What decides where the values of a clause begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    /// Its own words.
    Own,
    /// The part of the file.
    Part,
    /// The longest of the words in its paragraph.
    Paragraph,
}

impl<'t> Layout<'t> {
    pub(super) fn new(text: &'t str, outline: &'t Outline) -> Self {
        let mut clauses: Vec<Laid> = Vec::new();
        let mut paragraph = 0;
        for (i, clause) in outline.clauses.iter().enumerate() {
            let laid = Laid::new(text, outline, i);
            let before = i.checked_sub(1).map(|before| &outline.clauses[before]);
            let ends_paragraph = |before: &Stretch| {
                before.place != clause.place
                    || Gap::new(text, before.span.end..clause.span.start, true).has_blank_line()
            };
            if opens(clause) || before.is_some_and(ends_paragraph) {
                align(&mut clauses[paragraph..]);
                paragraph = i;
            }
            clauses.push(laid);
        }
        align(&mut clauses[paragraph..]);
        Layout { clauses }
    }
}

/// Gives the clauses of a paragraph one column.
fn align(paragraph: &mut [Laid]) {
    let is_aligned = |laid: &Laid| laid.alignment() == Alignment::Paragraph;
    let column = paragraph.iter().filter(|laid| is_aligned(laid)).map(|laid| laid.column).max().unwrap_or(0);
    for laid in paragraph.iter_mut().filter(|laid| is_aligned(laid)) {
        laid.column = column;
    }
}

fn opens(clause: &Stretch) -> bool {
    matches!(clause.word, "scenario" | "session" | "permutation")
}

impl<'t> Laid<'t> {
    fn new(text: &'t str, outline: &'t Outline, position: usize) -> Self {
        let clause = &outline.clauses[position];
        let indent = match clause.place {
            Place::Scenario | Place::Permutation if !opens(clause) => 2,
            _ => 0,
        };
        let is_short = clause.place == Place::Permutation && matches!(clause.word, "repeat" | "timeout");
        let follows_on_line = || !text[outline.clauses[position - 1].span.end..clause.span.start].contains('\n');
        let mut laid = Laid {
            clause,
            tokens: tokens(text, &outline.masked, clause),
            indent,
            comment_indent: if clause.place == Place::Scenario { 2 } else { indent },
            continues_line: is_short && follows_on_line(),
            column: 0,
        };
        let words: Vec<usize> = laid.head().iter().map(|token| token.text.chars().count()).collect();
        laid.column = match laid.alignment() {
            Alignment::Part => SCENARIO_COLUMN,
            Alignment::Own | Alignment::Paragraph => words.iter().sum::<usize>() + words.len(),
        };
        laid
    }

    /// The words before the values.
    fn head(&self) -> &[Token<'t>] {
        let count = if self.clause.word == "step" { 2 } else { 1 };
        &self.tokens[..count.min(self.tokens.len())]
    }

    fn alignment(&self) -> Alignment {
        let value = self.tokens.get(self.head().len());
        // A block of many lines stands for itself.
        let is_long = |block: &Token| block.is_block && block.text.lines().next().is_some_and(is_opening);
        if value.is_none_or(|value| value.breaks > 0 || is_long(value)) {
            return Alignment::Own;
        }
        match (self.clause.word, self.clause.place) {
            // These read like sentences.
            ("set" | "reset" | "when" | "expect" | "skip" | "xfail", _) => Alignment::Own,
            _ if opens(self.clause) => Alignment::Own,
            (_, Place::Scenario) => Alignment::Part,
            ("setup" | "step" | "teardown", _) | (_, Place::Header) => Alignment::Paragraph,
            _ => Alignment::Own,
        }
    }

    /// Writes the clause without what is around it.
    pub(super) fn write(&self, out: &mut String, newline: &str) {
        let continuation = match self.clause.word {
            "permutation" => PERMUTATION_INDENT,
            _ => self.indent + self.column,
        };
        let mut width = 0;
        for (i, token) in self.tokens.iter().enumerate() {
            let before = i.checked_sub(1).map(|before| &self.tokens[before]);
            if token.breaks > 0 {
                let indent = if token.is_block { self.indent } else { continuation };
                out.push_str(&newline.repeat(token.breaks));
                out.extend(std::iter::repeat_n(' ', indent));
            } else if token.is_comment {
                out.push_str(if token.blanks.is_empty() { " " } else { token.blanks });
            } else if i == self.head().len() {
                out.extend(std::iter::repeat_n(' ', self.column.saturating_sub(width).max(1)));
            } else if before.is_some_and(|before| are_apart(before, token, self.clause)) {
                out.push(' ');
                width += 1;
            }
            out.push_str(token.text);
            width += token.text.chars().count();
        }
    }
}

/// Whether a block's first line is its delimiter alone.
fn is_opening(line: &str) -> bool {
    let line = line.trim_end();
    line == "{" || line.len() > 1 && line.starts_with('$') && line.ends_with('$') && line.matches('$').count() == 2
}
