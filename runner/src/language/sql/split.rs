//! Splits SQL text into statements as psql does.

use super::scan::{Kind, Token, Tokens};

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement, with comments before and in it, without the semicolon.
    pub text: String,
    /// Where it begins in the text, in bytes.
    pub offset: usize,
}

/// Splits a text at its top-level semicolons: not in quotes, comments, parentheses or the `BEGIN ATOMIC ... END` body of
/// a function. The last statement needs no semicolon. Pieces that hold nothing but comments are left out.
///
/// Follows `psql_scan()` in PostgreSQL's `src/fe_utils/psqlscan.l`, except that comments before a statement are kept: they
/// can be planner hints.
pub fn split(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut piece = Piece::default();
    let mut start = 0;
    for token in Tokens::new(text, 0) {
        if &text[token.span.clone()] == ";" && piece.is_top_level() {
            piece.finish(&text[start..token.span.start], start, &mut statements);
            piece = Piece::default();
            start = token.span.end;
        } else {
            piece.add(&token, &text[token.span.clone()]);
        }
    }
    piece.finish(&text[start..], start, &mut statements);
    statements
}

/// What is known about the statement being read.
#[derive(Default)]
pub(super) struct Piece {
    /// Whether anything but comments was seen.
    has_tokens: bool,
    /// How many `(` are open.
    parentheses: usize,
    /// How many `BEGIN` and, inside them, `CASE` are open in a routine's body.
    blocks: usize,
    /// What its first words make of it.
    opening: Opening,
}

/// How far a statement's first words agree with `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}`.
#[derive(Default, PartialEq)]
enum Opening {
    #[default]
    Nothing,
    Create,
    CreateOr,
    CreateOrReplace,
    Routine,
    AnythingElse,
}

impl Opening {
    fn then(&self, word: &str) -> Opening {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        match self {
            Opening::Routine => Opening::Routine,
            Opening::Nothing if is("create") => Opening::Create,
            Opening::Create if is("or") => Opening::CreateOr,
            Opening::CreateOr if is("replace") => Opening::CreateOrReplace,
            Opening::Create | Opening::CreateOrReplace if is("function") || is("procedure") => Opening::Routine,
            _ => Opening::AnythingElse,
        }
    }
}

impl Piece {
    /// Whether nothing but comments was seen.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_tokens
    }

    /// Whether a semicolon ends it here.
    pub(super) fn is_top_level(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    /// Takes note of the next token.
    pub(super) fn add(&mut self, token: &Token, text: &str) {
        self.has_tokens |= !token.is_blank();
        match (token.kind, text) {
            (Kind::Other, "(") => self.parentheses += 1,
            (Kind::Other, ")") => self.parentheses = self.parentheses.saturating_sub(1),
            (Kind::Word, word) => {
                self.opening = self.opening.then(word);
                if self.opening == Opening::Routine && self.parentheses == 0 {
                    self.count_blocks(word);
                }
            }
            _ => {}
        }
    }

    fn count_blocks(&mut self, word: &str) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if is("begin") || (is("case") && self.blocks > 0) {
            self.blocks += 1;
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn finish(&self, piece: &str, start: usize, statements: &mut Vec<Statement>) {
        if self.has_tokens {
            let offset = start + (piece.len() - piece.trim_start().len());
            statements.push(Statement { text: piece.trim().to_owned(), offset });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_top_level_semicolons() {
        let function = "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; \
                        SELECT CASE WHEN a > 0 THEN 1 END; END";
        let replaced = "create or replace procedure p() begin atomic select 1; end";
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" ; ;; ", &[]),
            ("-- nothing\n/* here */;", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1; SELECT 2;\n", &["SELECT 1", "SELECT 2"]),
            (
                "SELECT ';', \";\", $$;$$, E'\\';' /* ; */ -- ;\n, 1;",
                &["SELECT ';', \";\", $$;$$, E'\\';' /* ; */ -- ;\n, 1"],
            ),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
                &["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
            ),
            ("SELECT 1); SELECT 2", &["SELECT 1)", "SELECT 2"]),
            ("BEGIN; SELECT 1; END;", &["BEGIN", "SELECT 1", "END"]),
            ("CREATE TABLE begin_it (function int); SELECT 1", &["CREATE TABLE begin_it (function int)", "SELECT 1"]),
            ("/*+ SeqScan(t) */ SELECT 1; -- done", &["/*+ SeqScan(t) */ SELECT 1"]),
            (&format!("{function}; SELECT 1"), &[function, "SELECT 1"]),
            (&format!("{replaced};{replaced}"), &[replaced, replaced]),
        ];
        for (text, expected) in table {
            let found: Vec<_> = split(text).into_iter().map(|statement| statement.text).collect();
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn offsets_point_at_the_statements() {
        let text = "  SELECT 1;\n -- größer\n SELECT 2 ; ";
        for statement in split(text) {
            assert_eq!(&text[statement.offset..][..statement.text.len()], statement.text);
        }
        assert_eq!(split(text)[1].offset, 13);
    }
}
