//! One layout for all spec files. What the tree does not hold, comments and blank lines, is kept: a file is taken apart into
//! clauses, the tokens of each are laid out anew, and what was between the clauses is put back. Blocks of SQL are not touched.

mod gap;
mod layout;
mod token;

use self::gap::Gap;
use self::layout::Layout;
use super::ast::Span;
use super::diagnostic::Diagnostic;
use super::parse::{self, Outline};
use super::source::SourceFile;

/// Lays a spec out. The result means the same, and formatting it changes nothing.
///
/// # Errors
///
/// What keeps the file from being taken apart.
pub fn format(source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    Ok(laid_out(&source.text, &parse::outline(source, false)?))
}

/// The same for a file that specs include.
///
/// # Errors
///
/// What keeps the file from being taken apart.
pub fn format_include(source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    Ok(laid_out(&source.text, &parse::outline(source, true)?))
}

fn laid_out(text: &str, outline: &Outline) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let layout = Layout::new(text, outline);
    // Some editors write a byte order mark.
    let begin = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut out = String::new();
    for (i, clause) in layout.clauses.iter().enumerate() {
        let before = if i == 0 { None } else { Some(&layout.clauses[i - 1]) };
        if clause.continues_line {
            out.push_str("  ");
        } else {
            let inner = before.map_or(0, |before| before.comment_indent);
            let gap = Gap::new(text, gap_span(outline, begin, i), before.is_some());
            gap.write(&mut out, inner, Some(clause.indent), newline);
        }
        clause.write(&mut out, newline);
    }
    let last = layout.clauses.last();
    let gap = Gap::new(text, gap_span(outline, begin, layout.clauses.len()), last.is_some());
    gap.write(&mut out, last.map_or(0, |last| last.comment_indent), None, newline);
    text[..begin].to_owned() + &out
}

/// What is between a clause and the one before it, or the end of the file.
fn gap_span(outline: &Outline, begin: usize, clause: usize) -> Span {
    let start = clause.checked_sub(1).map_or(begin, |before| outline.clauses[before].span.end);
    start..outline.clauses.get(clause).map_or(outline.masked.len(), |clause| clause.span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        format(&SourceFile::new("x", text)).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"))
    }

    #[test]
    fn layouts() {
        let table = [
            // The header, paragraph by paragraph; sentences are not aligned.
            (
                "title  'a'\nextension   x cascade\n\ntags a,b , c\nset  x=1 ;\ntimeout 5s\n",
                "title     'a'\nextension x cascade\n\ntags    a, b, c\nset x = 1;\ntimeout 5s\n",
            ),
            (
                "requires pg>=15,not a<>'b'\nmatrix d in( 1,2 )",
                "requires pg >= 15, not a <> 'b'\nmatrix   d in (1, 2)\n",
            ),
            ("set a.b = -1.5\nset c to it, \"X\"", "set a.b = -1.5\nset c to it, \"X\"\n"),
            ("title 'it''s'\nnormalize 'a'=>'b'", "title     'it''s'\nnormalize 'a' => 'b'\n"),
            // Fixtures: blocks are kept; those that begin with a line break are not aligned.
            ("setup {  a }\nteardown { b\n  c }\n", "setup    {  a }\nteardown { b\n  c }\n"),
            ("setup\n\n{\n a }\nteardown { b }\n", "setup\n\n{\n a }\nteardown { b }\n"),
            ("setup    {\n a }\nteardown   $$ b $$", "setup {\n a }\nteardown $$ b $$\n"),
            // A scenario: a clause a line, values in one column.
            (
                "scenario context_reset_storm  w iterations 5 reset every 1 workload x{ a }\n expect none",
                "scenario context_reset_storm w\n  iterations 5\n  reset every 1\n  workload   x { a }\n  expect none\n",
            ),
            (
                "scenario window\nexpect ctx_bloat >=info in 'a','b'\n bytes 1..2 per iteration\n\tcount 1",
                "scenario window\n  expect ctx_bloat >= info in 'a', 'b'\n         bytes 1 .. 2 per iteration\n         count 1\n",
            ),
            // Sessions as isolationtester has them.
            (
                "session s1\nsetup {a}\nstep s1a {b}\n\nstep s1long {c}\npermutation s1a( * , s1long notices 2 )s1long\n  s1a   repeat 3 timeout 1s\nexpect none",
                "session s1\nsetup    {a}\nstep s1a {b}\n\nstep s1long {c}\npermutation s1a(*, s1long notices 2) s1long\n  s1a  repeat 3  timeout 1s\n  expect none\n",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(formatted(text), expected);
            assert_eq!(formatted(expected), expected);
        }
    }

    #[test]
    fn comments_and_blank_lines_stay() {
        let table = [
            ("\n\n# a\t\n\n\n  # b\ntags x   # c \n# d\n\n\n", "# a\n\n\n# b\ntags x   # c\n# d\n"),
            ("# only\n", "# only\n"),
            ("", ""),
            (
                "scenario window # a\n# b\nworkload { x }# c\n   # d\n\n# e\n\n# f\nscenario window two\n expect none",
                "scenario window # a\n  # b\n  workload   { x } # c\n  # d\n\n# e\n\n# f\nscenario window two\n  expect none\n",
            ),
            (
                "scenario window\nexpect ctx_bloat # a\n# b\n   count 1",
                "scenario window\n  expect ctx_bloat # a\n         # b\n         count 1\n",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(formatted(text), expected);
            assert_eq!(formatted(expected), expected);
        }
    }

    #[test]
    fn line_ends_and_byte_order_marks_stay() {
        let text = "\u{feff}title 'a'\r\n\r\nscenario window # x\r\nworkload { a\r\n b }\r\n";
        let expected = "\u{feff}title 'a'\r\n\r\nscenario window # x\r\n  workload   { a\r\n b }\r\n";
        assert_eq!(formatted(text), expected);
        assert_eq!(formatted(expected), expected);
    }

    #[test]
    fn files_with_errors_are_refused() {
        let errors = format(&SourceFile::new("x", "scenario window\n iteratons 5\n expect nonne")).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(format(&SourceFile::new("x", "setup { 'a }")).is_err());
        assert!(format_include(&SourceFile::new("x", "title 'a'")).is_err());
    }
}
