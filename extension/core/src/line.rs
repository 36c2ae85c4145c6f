//! Text on one line, whatever is in it: characters that end a line, or that are not seen, or that change the order in which
//! others are shown, are written as escapes.

use std::fmt::{self, Write};
use std::iter::Peekable;

/// Whether a character is written as an escape wherever it stands.
fn is_coded(c: char) -> bool {
    // Those that separate lines and paragraphs, and those that change the direction of writing (Unicode, Bidi_Control).
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Writes a character: as itself, behind `\` where it is a special one, or as `\n`, `\r`, `\t` or `\u{7f}`.
pub(crate) fn write(out: &mut impl Write, c: char, special: &[char]) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        c if is_coded(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
        c if special.contains(&c) => write!(out, "\\{c}"),
        c => out.write_char(c),
    }
}

/// The character for which an escape stands, which is read from behind its `\`. What is no escape that [`write()`] makes stands for
/// the character behind the `\`.
pub(crate) fn read(chars: &mut Peekable<impl Iterator<Item = char> + Clone>) -> char {
    match chars.next() {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let mut ahead = chars.clone();
            let digits: String = match ahead.next() {
                Some('{') => ahead.by_ref().take_while(|c| *c != '}').take(7).collect(),
                _ => String::new(),
            };
            match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).filter(|c| is_coded(*c)) {
                Some(c) => {
                    *chars = ahead;
                    c
                }
                None => 'u',
            }
        }
        Some(c) => c,
        None => '\\',
    }
}

/// A text with its escapes, and with those of special characters.
pub fn escaped(text: &str, special: &[char]) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a string does not fail.
        let _ = write(&mut line, c, special);
    }
    line
}

/// The text that [`escaped`] has made this of.
pub fn unescaped(line: &str) -> String {
    let mut chars = line.chars().peekable();
    let mut text = String::with_capacity(line.len());
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { read(&mut chars) } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_seen_is_written_as_an_escape() {
        let table = [
            ("my ctx", "my ctx"),
            ("Größe \u{200d}👩", "Größe \u{200d}👩"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{1b}[31m\0\u{7f}\u{85}", "\\u{1b}[31m\\u{0}\\u{7f}\\u{85}"),
            ("a\u{2028}b\u{202e}c", "a\\u{2028}b\\u{202e}c"),
            ("a\\nb|c", "a\\\\nb\\|c"),
        ];
        for (text, line) in table {
            assert_eq!(escaped(text, &['\\', '|']), line);
            assert_eq!(unescaped(line), text);
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for (line, text) in [
            ("\\x", "x"),
            ("\\", "\\"),
            ("\\u", "u"),
            ("\\u{41}", "u{41}"),
            ("\\u{2028", "\u{2028}"),
            ("\\u{zz}", "u{zz}"),
        ] {
            assert_eq!(unescaped(line), text, "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "\\PC*|[\\x00-\\x7f\u{2020}-\u{2070}\\\\|/u{}]*") {
            let line = escaped(&text, &['\\', '|', '/']);
            prop_assert_eq!(unescaped(&line), text);
            prop_assert!(!line.chars().any(is_coded));
        }
    }
}
