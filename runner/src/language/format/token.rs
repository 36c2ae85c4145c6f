//! The tokens of a clause, and the blanks between them.

use super::super::parse::{Place, Stretch, lexeme};
use super::super::sql::scan;

/// One token of a clause, or a comment inside it.
pub(super) struct Token<'t> {
    /// As it stands in the file.
    pub(super) text: &'t str,
    /// Whether it is a block.
    pub(super) is_block: bool,
    /// Whether it is a comment, to the end of its line.
    pub(super) is_comment: bool,
    /// Line breaks before it.
    pub(super) breaks: usize,
    /// All that is before it.
    pub(super) blanks: &'t str,
}

/// Cuts a clause into tokens.
pub(super) fn tokens<'t>(text: &'t str, masked: &str, clause: &Stretch) -> Vec<Token<'t>> {
    let mut tokens = Vec::new();
    let (mut end, mut at) = (clause.span.start, clause.span.start);
    while at < clause.span.end {
        let is_comment = masked[at..].starts_with('#');
        let stop = match is_comment {
            true => masked[at..].find('\n').map_or(masked.len(), |newline| at + newline),
            false => lexeme_end(masked, at),
        };
        let before = &text[end..at];
        tokens.push(Token {
            text: text[at..stop].trim_end(),
            is_block: masked[at..].starts_with('{'),
            is_comment,
            breaks: before.matches('\n').count(),
            blanks: before,
        });
        end = stop;
        at = next(masked, stop);
    }
    tokens
}

/// The end of the token at an offset: of a string with doubled quotes, all of it.
fn lexeme_end(masked: &str, at: usize) -> usize {
    let mut end = lexeme(masked, at).end;
    let bytes = masked.as_bytes();
    while matches!(bytes[at], b'\'' | b'"') && bytes.get(end) == Some(&bytes[at]) {
        end = lexeme(masked, end).end;
    }
    end
}

/// The next token or comment.
fn next(masked: &str, at: usize) -> usize {
    scan::run(masked, at, scan::is_space)
}

/// Whether there is a blank between two tokens of one line.
pub(super) fn are_apart(before: &Token, after: &Token, clause: &Stretch) -> bool {
    let is_operator = |token: &Token| matches!(token.text, "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" | "=>");
    match (before.text, after.text) {
        (_, "," | ")" | ";") | ("(", _) => false,
        (_, "(") => clause.place != Place::Permutation,
        ("," | ")", _) => true,
        // Elsewhere it can be part of a value.
        (_, "..") | ("..", _) if clause.word == "expect" => true,
        _ => after.is_block || is_operator(before) || is_operator(after) || !after.blanks.is_empty(),
    }
}
