//! Cuts SQL text into tokens, no finer than is needed to know what is quoted.
//!
//! The rules are those of PostgreSQL's `scan.l` and psql's `psqlscan.l` with `standard_conforming_strings` on.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of white space.
    Space,
    /// `--` to the end of the line, without the newline.
    LineComment,
    /// `/* */`, nested.
    BlockComment,
    /// `'..'` or `E'..'`.
    String,
    /// `".."`
    QuotedName,
    /// `$tag$ .. $tag$`
    DollarString,
    /// A keyword or an unquoted identifier.
    Word,
    /// One byte of anything else.
    Other,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Byte offsets into the text.
    pub(crate) span: Range<usize>,
    /// Whether its closing delimiter is there; true for kinds that have none.
    pub(crate) closed: bool,
}

impl Token {
    /// Whether it is only there for human readers.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::Space | Kind::LineComment | Kind::BlockComment)
    }
}

/// Iterates over the tokens of a text, leaving nothing out.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Starts at a byte offset that no token straddles.
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Tokens { text, at }
    }

    /// Leaves out everything before an offset.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let (kind, end) = token(self.text, start)?;
        self.at = end.unwrap_or(self.text.len());
        Some(Token { kind, span: start..self.at, closed: end.is_some() })
    }
}

/// Whether an identifier can begin with this byte. All of non-ASCII can, as in PostgreSQL.
pub(crate) fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether an identifier can go on with this byte.
pub(crate) fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The offset after the bytes from `at` on that satisfy `accepts`.
pub(crate) fn run(text: &str, at: usize, accepts: fn(u8) -> bool) -> usize {
    at + text.as_bytes()[at..].iter().take_while(|&&byte| accepts(byte)).count()
}

/// The token at an offset: its kind and its end; no end if its closing delimiter is missing.
fn token(text: &str, at: usize) -> Option<(Kind, Option<usize>)> {
    let rest = &text.as_bytes()[at..];
    let token = match *rest.first()? {
        byte if is_space(byte) => (Kind::Space, Some(run(text, at, is_space))),
        b'-' if rest.starts_with(b"--") => (Kind::LineComment, Some(run(text, at, |byte| byte != b'\n'))),
        b'/' if rest.starts_with(b"/*") => (Kind::BlockComment, block_comment_end(text, at)),
        b'\'' => (Kind::String, quoted_end(text, at, false)),
        b'"' => (Kind::QuotedName, quoted_end(text, at, false)),
        b'e' | b'E' if rest.get(1) == Some(&b'\'') => (Kind::String, quoted_end(text, at + 1, true)),
        byte if starts_word(byte) => (Kind::Word, Some(run(text, at, continues_word))),
        b'$' => match dollar_delimiter(text, at) {
            Some(delimiter) => (Kind::DollarString, dollar_end(text, at, delimiter)),
            None => (Kind::Other, Some(at + 1)),
        },
        _ => (Kind::Other, Some(at + 1)),
    };
    Some(token)
}

/// White space of SQL: not all that Unicode has.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The end of what is quoted by the character at `open`, which is doubled to stand for itself.
fn quoted_end(text: &str, open: usize, backslash_escapes: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes[open];
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' if backslash_escapes => 2,
            _ if byte == quote && bytes.get(at + 1) == Some(&quote) => 2,
            _ if byte == quote => return Some(at + 1),
            _ => 1,
        };
    }
    None
}

/// The same for what has to end on its line: its end, or else that of the line.
pub(crate) fn quoted_end_on_line(text: &str, open: usize) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let quote = bytes[open];
    let mut at = open + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n') => return Err(at),
            Some(&byte) if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            Some(&byte) if byte == quote => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

fn block_comment_end(text: &str, open: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0, open);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// The opening delimiter `$$` or `$tag$` at an offset, if there is one.
pub(crate) fn dollar_delimiter(text: &str, at: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'$') {
        return None;
    }
    let end = run(text, at + 1, |byte| byte != b'$' && continues_word(byte));
    let tag_is_word = end == at + 1 || starts_word(bytes[at + 1]);
    (tag_is_word && bytes.get(end) == Some(&b'$')).then(|| &text[at..=end])
}

/// The end of a dollar-quoted string, after its closing delimiter.
pub(crate) fn dollar_end(text: &str, open: usize, delimiter: &str) -> Option<usize> {
    let inner = open + delimiter.len();
    text[inner..].find(delimiter).map(|length| inner + length + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Kind, &str)> {
        Tokens::new(text, 0).map(|token| (token.kind, &text[token.span])).collect()
    }

    #[test]
    fn quoted_text_is_one_token() {
        let table = [
            ("'it''s'", Kind::String),
            (r"E'it\'s'", Kind::String),
            (r"e'\\'", Kind::String),
            (r"'\'", Kind::String),
            ("\"a\"\"b\"", Kind::QuotedName),
            ("$$ ' $$", Kind::DollarString),
            ("$a$ $$ $b$ $a$", Kind::DollarString),
            ("/* a /* b */ ' */", Kind::BlockComment),
            ("-- it's /*", Kind::LineComment),
            ("größe$1", Kind::Word),
            ("a$b$", Kind::Word),
            (" \t\n", Kind::Space),
        ];
        for (text, kind) in table {
            assert_eq!(tokens(text), [(kind, text)]);
        }
    }

    #[test]
    fn tokens_end_where_they_should() {
        assert_eq!(
            tokens("a--b\nc"),
            [(Kind::Word, "a"), (Kind::LineComment, "--b"), (Kind::Space, "\n"), (Kind::Word, "c"),]
        );
        assert_eq!(tokens("$1'x'"), [(Kind::Other, "$"), (Kind::Other, "1"), (Kind::String, "'x'")]);
        assert_eq!(tokens("cafe'x'"), [(Kind::Word, "cafe"), (Kind::String, "'x'")]);
        assert_eq!(tokens("$1a$"), [(Kind::Other, "$"), (Kind::Other, "1"), (Kind::Word, "a$")]);
    }

    #[test]
    fn what_is_not_closed_is_said_to_be() {
        for text in ["'a''", "E'a\\'", "\"a", "/* /* */", "$$ $", "$a$ $$"] {
            let last = Tokens::new(text, 0).last().unwrap();
            assert!(!last.closed, "{text}");
            assert_eq!(last.span, 0..text.len());
        }
    }
}
