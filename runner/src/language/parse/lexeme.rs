//! The smallest pieces of a masked text: blanks and comments, and what is between them.

use crate::language::ast::Span;
use crate::language::sql::scan;

/// The offset of the next thing that is neither blank nor comment.
pub(in crate::language) fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        match text.as_bytes().get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) => at += 1,
            Some(b'#') => at = scan::run(text, at, |byte| byte != b'\n'),
            _ => return at,
        }
    }
}

/// The word, number, string, block or sign at an offset; empty at the end of the text.
pub(in crate::language) fn lexeme(text: &str, at: usize) -> Span {
    let rest = &text[at..];
    let length = match rest.as_bytes() {
        [] => 0,
        [byte, ..] if scan::continues_word(*byte) => scan::run(rest, 0, scan::continues_word),
        [b'{', ..] => rest.find('}').map_or(1, |end| end + 1),
        [quote @ (b'\'' | b'"'), ..] => {
            let is_inside = |byte: &&u8| **byte != *quote && **byte != b'\n';
            let inside = rest.as_bytes()[1..].iter().take_while(is_inside).count();
            match rest.as_bytes().get(1 + inside) {
                Some(end) if end == quote => inside + 2,
                _ => rest[..1 + inside].trim_end().len(),
            }
        }
        [b'=', b'>', ..] | [b'.', b'.', ..] | [b'<' | b'>', b'=', ..] | [b'<', b'>', ..] | [b'!', b'=', ..] => 2,
        _ => 1,
    };
    at..at + length
}
