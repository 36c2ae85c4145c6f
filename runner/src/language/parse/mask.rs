//! Finds the blocks of a file and blanks them out, so that the grammar need not know SQL and no line inside a block looks
//! like a clause.

use super::clause;
use crate::language::ast::{Block, Span};
use crate::language::diagnostic::Diagnostic;
use crate::language::sql::scan::{self, Kind, Tokens};

/// Clauses that end a block which is not closed: those whose words no line of SQL is likely to begin with.
const AFTER_OPEN_BLOCK: [&str; 8] =
    ["scenario", "session", "step", "permutation", "setup", "teardown", "workload", "expect"];

/// Blocks and strings that are not closed which are reported. For each the rest of the file has been looked through; behind the
/// last of them the file is not read.
const UNCLOSED: usize = 50;

/// A file's text with every block, brace or dollar-quoted, replaced by `{`, blanks, `}` of the same length.
pub(super) struct Masked {
    /// The text. All offsets are those of the file.
    pub(super) text: String,
    /// Blocks and strings that are not closed.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Masks a file.
pub(super) fn mask(text: &str) -> Masked {
    let mut masker = Masker { text, masked: text.as_bytes().to_vec(), diagnostics: Vec::new() };
    masker.run();
    Masked {
        text: String::from_utf8(masker.masked).expect("whole characters are replaced by blanks"),
        diagnostics: masker.diagnostics,
    }
}

/// The block that was masked at a span, as it stands in the file.
pub(super) fn block(text: &str, span: Span) -> Block {
    let delimiter = scan::dollar_delimiter(text, span.start).map_or(1, str::len);
    let inner = span.start + delimiter..span.end - delimiter;
    // Of a block that is not closed, the end is no delimiter, and need not even be a character's beginning.
    Block { text: text.get(inner.clone()).unwrap_or_default().to_owned(), span: inner }
}

/// Whether a block's closing brace follows `--` on its line.
pub(super) fn ends_in_line_comment(block: &Block) -> bool {
    Tokens::new(&block.text, 0).last().is_some_and(|token| token.kind == Kind::LineComment)
}

struct Masker<'a> {
    text: &'a str,
    masked: Vec<u8>,
    diagnostics: Vec<Diagnostic>,
}

impl Masker<'_> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        let mut follows_conf = false;
        while let Some(&byte) = bytes.get(at) {
            if self.diagnostics.len() >= UNCLOSED {
                self.masked[at..].fill(b' ');
                return;
            }
            at = match byte {
                b'#' => scan::run(self.text, at, |byte| byte != b'\n'),
                b'\'' | b'"' => self.quoted(at),
                b'{' if follows_conf => self.block(at, conf_end(self.text, at)),
                b'{' => self.block(at, brace_end(self.text, at)),
                b'$' => match scan::dollar_delimiter(self.text, at) {
                    Some(delimiter) => {
                        let opening = at..at + delimiter.len();
                        let end = scan::dollar_end(self.text, at, delimiter).ok_or_else(|| {
                            Diagnostic::new(opening, format!("unterminated block: no \"{delimiter}\" closes this one"))
                        });
                        self.block(at, end)
                    }
                    None => at + 1,
                },
                byte if scan::continues_word(byte) => {
                    let end = scan::run(self.text, at, scan::continues_word);
                    // Elsewhere on a line it can be the name of a step or workload.
                    follows_conf = &self.text[at..end] == "conf" && clause::is_first_on_line(self.text, at);
                    end
                }
                _ => at + 1,
            };
        }
    }

    /// Blanks a block out and returns its end. One that is not closed reaches to the next clause.
    fn block(&mut self, open: usize, end: Result<usize, Diagnostic>) -> usize {
        let end = end.unwrap_or_else(|diagnostic| {
            self.diagnostics.push(diagnostic);
            clause::next_line_with(self.text, open, |word| AFTER_OPEN_BLOCK.contains(&word))
        });
        self.masked[open..end].fill(b' ');
        self.masked[open] = b'{';
        self.masked[end - 1] = b'}';
        end
    }

    /// Skips a quoted string or name, which cannot go on in the next line.
    fn quoted(&mut self, open: usize) -> usize {
        match scan::quoted_end_on_line(self.text, open) {
            Ok(end) => end,
            Err(end_of_line) => {
                let message = match self.text.as_bytes()[open] {
                    b'"' => "unterminated quoted name",
                    _ => "unterminated string",
                };
                let span = open..open + self.text[open..end_of_line].trim_end().len();
                let hint = "it has to end on its line; a quote in it is doubled".to_owned();
                self.diagnostics.push(Diagnostic::new(span, message).with_hint(hint));
                end_of_line
            }
        }
    }
}

/// The end of a block of SQL in braces, after the closing one. Braces nest; they do not count inside strings, quoted
/// identifiers and `/* */`. In a `--` comment only closing ones count, because isolationtester, where every `}` closes,
/// has specs that end a block so.
fn brace_end(text: &str, open: usize) -> Result<usize, Diagnostic> {
    let mut depth = 1;
    for token in Tokens::new(text, open + 1) {
        let unterminated = |what: &str| {
            let message = format!("unterminated {what} in a block");
            Diagnostic::new(token.span.start..token.span.start + 1, message)
                .with_hint("the \"}\" after it does not close the block".to_owned())
        };
        match token.kind {
            Kind::LineComment | Kind::Other => {
                for (i, byte) in text[token.span.clone()].bytes().enumerate() {
                    match byte {
                        b'{' if token.kind == Kind::Other => depth += 1,
                        b'}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        return Ok(token.span.start + i + 1);
                    }
                }
            }
            _ if token.closed => {}
            Kind::QuotedName => return Err(unterminated("quoted identifier")),
            Kind::BlockComment => return Err(unterminated("comment")),
            _ => return Err(unterminated("string")),
        }
    }
    Err(not_closed(open))
}

/// The end of a block of `postgresql.conf` lines: the first `}` that is in neither a string nor a `#` comment.
fn conf_end(text: &str, open: usize) -> Result<usize, Diagnostic> {
    let bytes = text.as_bytes();
    let (mut in_string, mut at) = (false, open + 1);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' => in_string = !in_string,
            b'\n' => in_string = false,
            b'#' if !in_string => at = scan::run(text, at, |byte| byte != b'\n') - 1,
            b'}' if !in_string => return Ok(at + 1),
            _ => {}
        }
        at += 1;
    }
    Err(not_closed(open))
}

fn not_closed(open: usize) -> Diagnostic {
    Diagnostic::new(open..open + 1, "unterminated block: no \"}\" closes the \"{\" here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_at_their_own_brace() {
        let table = [
            "{ SELECT 1; }",
            "{ SELECT '}', \"}\", $$}$$, $q$}$q$, E'\\'}' /* } */; }",
            "{ SELECT '{1}'::int[]; { nested } }",
            "{ /* it's */ SELECT 1; }",
            "{ SELECT 1 -- it's }",
            "{ SELECT 1 -- { and \"more }",
            "{}",
            "$$ } ' $$",
            "$sql$ SELECT $$}$$ $sql$",
        ];
        for text in table {
            let file = format!("setup {text} # }}\nx {{ }}");
            let masked = mask(&file);
            assert!(masked.diagnostics.is_empty(), "{text}: {:?}", masked.diagnostics);
            assert_eq!(masked.text.len(), file.len());
            let end = "setup ".len() + text.len();
            let blank = format!("setup {{{}}} # }}\nx {{ }}", " ".repeat(text.len() - 2));
            assert_eq!(masked.text, blank, "{text}");
            let block = block(&file, 6..end);
            assert!(text.contains(&block.text) && file[block.span].len() == block.text.len());
        }
    }

    #[test]
    fn configuration_lines_have_their_own_comments() {
        let file = "conf { a = 'x}''' # don't }\n b = 1 }\ntags a";
        let masked = mask(file);
        assert!(masked.diagnostics.is_empty());
        assert_eq!(masked.text.find('}'), file.rfind('}'));
        // A step of that name holds SQL.
        let masked = mask("step conf { SELECT 1 # 2 }");
        assert!(masked.diagnostics.is_empty() && masked.text.ends_with('}'));
    }

    #[test]
    fn an_open_block_ends_before_the_next_clause() {
        let table = [
            ("setup { SELECT 1;\nscenario x\n", "unterminated block: no \"}\" closes the \"{\" here"),
            ("setup { SELECT 'x }\nscenario x\n", "unterminated string in a block"),
            ("setup { SELECT \"x }\nscenario x\n", "unterminated quoted identifier in a block"),
            ("setup { SELECT $a$ }\nscenario x\n", "unterminated string in a block"),
            ("setup { /* }\nscenario x\n", "unterminated comment in a block"),
            ("setup $a$ SELECT 1;\nscenario x\n", "unterminated block: no \"$a$\" closes this one"),
            ("conf { a = 1\nscenario x\n", "unterminated block: no \"}\" closes the \"{\" here"),
            ("setup {", "unterminated block: no \"}\" closes the \"{\" here"),
        ];
        for (text, message) in table {
            let masked = mask(text);
            assert_eq!(masked.diagnostics.len(), 1, "{text}");
            assert_eq!(masked.diagnostics[0].message, message);
            assert_eq!(masked.text.len(), text.len());
            assert_eq!(masked.text.contains("scenario"), text.contains("scenario"), "{text}");
        }
    }
}
