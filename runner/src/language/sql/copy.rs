//! `COPY .. FROM STDIN`, whose data nobody would send: a block holds statements only.

use std::ops::Range;

use super::scan::{Kind, Token, Tokens};
use super::split;
use crate::language::diagnostic::Diagnostic;

/// What to do instead.
pub(crate) const COPY_HINT: &str = "a spec holds no data for COPY: write an INSERT, or have the server read a file that it can \
                                    reach: COPY .. FROM '/path', or COPY .. FROM PROGRAM 'command'";

/// What is wrong with the statements of a block that stands at `offset` in its file.
pub(crate) fn copies_from_client(text: &str, offset: usize) -> impl Iterator<Item = Diagnostic> {
    split(text).into_iter().filter_map(move |statement| {
        let at = offset + statement.offset;
        let source = source(&statement.text)?;
        let span = at + source.start..at + source.end;
        Some(Diagnostic::new(span, "COPY FROM STDIN has nobody to send the rows").with_hint(COPY_HINT.to_owned()))
    })
}

/// Whether a statement asks its client for data.
pub(super) fn asks_client(statement: &str) -> bool {
    source(statement).is_some()
}

/// `FROM STDIN` where a statement is a COPY with it (gram.y, CopyStmt): `COPY t FROM STDOUT` is the same.
fn source(statement: &str) -> Option<Range<usize>> {
    let mut depth = 0;
    let mut from: Option<Token> = None;
    let mut tokens = Tokens::new(statement, 0).filter(|token| !token.is_blank());
    let is = |token: &Token, words: &[&str]| {
        let text = &statement[token.span.clone()];
        token.kind == Kind::Word && words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    tokens.next().filter(|first| is(first, &["copy"]))?;
    for token in tokens {
        match &statement[token.span.clone()] {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth > 0 => {}
            _ => {
                if let Some(from) = from.take().filter(|_| is(&token, &["stdin", "stdout"])) {
                    return Some(from.span.start..token.span.end);
                }
                from = Some(token).filter(|token| is(token, &["from"]));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copy_from_the_client_is_refused() {
        let table: &[(&str, &[&str])] = &[
            ("COPY t FROM STDIN", &["FROM STDIN"]),
            ("/* a */ copy \"from\" -- b\n(a, b)\n from\n/* c */ stdin with (format csv)", &["from\n/* c */ stdin"]),
            (
                "COPY s.t (a) FROM STDOUT WHERE a > 1; SELECT 1; copy binary t from Stdin",
                &["FROM STDOUT", "from Stdin"],
            ),
            ("COPY :t FROM STDIN", &["FROM STDIN"]),
            ("BEGIN; COPY t FROM STDIN; COMMIT", &["FROM STDIN"]),
            ("COPY t TO STDOUT; COPY t TO STDIN", &[]),
            ("COPY t FROM '/tmp/x'; COPY t FROM PROGRAM 'cat stdin'", &[]),
            ("COPY (SELECT * FROM stdin) TO STDOUT", &[]),
            ("SELECT 'COPY t FROM STDIN' FROM stdin", &[]),
            ("DO $$ BEGIN COPY t FROM STDIN; END $$", &[]),
        ];
        for (text, expected) in table {
            let found: Vec<&str> = copies_from_client(text, 0).map(|one| &text[one.span]).collect();
            assert_eq!(&found, expected, "{text}");
        }
    }
}
