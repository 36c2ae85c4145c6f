//! A file as psql reads it: statements, commands that begin with a backslash, and data of COPY in between.
//!
//! Follows `psql_scan()` of psqlscan.l and `psql_scan_slash_command()` of psqlscanslash.l, as far as regression tests go. What stands
//! in a branch that is not taken is an item all the same; variables are left to whoever runs it.

use super::copy;
use super::scan::{Kind, Tokens};
use super::split::Piece;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub what: What,
    /// Where it begins, in bytes.
    pub offset: usize,
}

/// What psql does one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A statement, without its semicolon.
    Statement {
        /// Its text; several statements with semicolons in between where they are sent as one (`\;`).
        text: String,
        /// The command that sends it (`gset`, `g`); none for a semicolon, or the end of the file.
        sent_by: Option<Command>,
        /// The lines that follow a COPY from standard input, without the one that ends them.
        data: Option<String>,
    },
    /// A command that does not send a statement.
    Command {
        /// The command.
        command: Command,
        /// The lines that follow `\copy .. from stdin`.
        data: Option<String>,
    },
}

/// A backslash command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its name, without the backslash.
    pub name: String,
    /// The rest of it, as it stands there.
    pub rest: String,
}

/// Commands that take the whole line, whatever is in it (command.c, OT_WHOLE_LINE and the like).
const WHOLE_LINE: [&str; 6] = ["!", "copy", "ef", "ev", "sf", "sv"];

/// Commands that send what has been read so far.
const SENDS: [&str; 9] = ["g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch", "bind", "parse"];

/// The items of a file.
pub fn script(text: &str) -> Vec<Item> {
    let mut reader = Reader { text, items: Vec::new(), piece: Piece::default(), buffer: String::new(), start: None };
    reader.read();
    reader.items
}

struct Reader<'a> {
    text: &'a str,
    items: Vec<Item>,
    piece: Piece,
    /// The statement so far.
    buffer: String,
    /// Where it begins.
    start: Option<usize>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut tokens = Tokens::new(self.text, 0);
        while let Some(token) = tokens.next() {
            let (at, text) = (token.span.start, &self.text[token.span.clone()]);
            match (token.kind, text) {
                (Kind::Other, ";") if self.piece.is_top_level() => {
                    let data = self.finish(None, token.span.end);
                    if let Some(end) = data {
                        tokens.skip_to(end);
                    }
                }
                (Kind::Other, "\\") => {
                    let end = self.command(at);
                    tokens.skip_to(end);
                }
                _ => {
                    self.piece.add(&token, text);
                    if !token.is_blank() {
                        self.start.get_or_insert(at);
                    }
                    // A comment before a statement can be a hint for the planner.
                    if !self.buffer.is_empty() || token.kind == Kind::BlockComment || !token.is_blank() {
                        self.buffer.push_str(text);
                    }
                }
            }
        }
        self.finish(None, self.text.len());
    }

    /// Ends the statement that was read. Gives where to go on after its data.
    fn finish(&mut self, sent_by: Option<Command>, end: usize) -> Option<usize> {
        let (piece, buffer) = (std::mem::take(&mut self.piece), std::mem::take(&mut self.buffer));
        let offset = self.start.take()?;
        if piece.is_empty() {
            return None;
        }
        let text = buffer.trim_end().to_owned();
        let (data, next) = match copy::asks_client(&text).then(|| self.data(end)) {
            Some((data, next)) => (Some(data), Some(next)),
            None => (None, None),
        };
        self.items.push(Item { what: What::Statement { text, sent_by, data }, offset });
        next
    }

    /// The lines after the one that `from` is in, until `\.`; and the offset behind that.
    fn data(&self, from: usize) -> (String, usize) {
        let start = self.text[from..].find('\n').map_or(self.text.len(), |newline| from + newline + 1);
        let mut at = start;
        for line in self.text[start..].split_inclusive('\n') {
            if line.trim_end_matches(['\n', '\r']) == "\\." {
                return (self.text[start..at].to_owned(), at + line.len());
            }
            at += line.len();
        }
        (self.text[start..].to_owned(), self.text.len())
    }

    /// Takes the command at a backslash. Gives where to go on.
    fn command(&mut self, at: usize) -> usize {
        let rest = &self.text[at + 1..];
        match rest.chars().next() {
            // Semicolon and colon for themselves, and the end of a command before.
            Some(c @ (';' | ':')) => {
                self.buffer.push(c);
                self.start.get_or_insert(at);
                return at + 2;
            }
            Some('\\') => return at + 2,
            _ => {}
        }
        let name_length = rest.find(|c: char| c.is_whitespace() || c == '\\' || c == ';').unwrap_or(rest.len());
        // A symbol is a command by itself.
        let name_length = if rest.starts_with('!') { 1 } else { name_length };
        let name = rest[..name_length].to_owned();
        let line_end = at + 1 + rest.find('\n').unwrap_or(rest.len());
        let arguments = at + 1 + name_length;
        let end = if WHOLE_LINE.contains(&name.as_str()) { line_end } else { self.arguments_end(arguments, line_end) };
        let command = Command { rest: self.text[arguments..end].trim().to_owned(), name };
        if SENDS.contains(&command.name.as_str()) {
            return self.finish(Some(command), end).unwrap_or(end);
        }
        let is_copy = command.name == "copy" && {
            let words = command.rest.to_ascii_lowercase();
            let mut words = words.split_whitespace().skip_while(|word| *word != "from").skip(1);
            words.next().is_some_and(|word| matches!(word, "stdin" | "pstdin"))
        };
        let (data, next) = match is_copy.then(|| self.data(at)) {
            Some((data, next)) => (Some(data), next),
            None => (None, end),
        };
        if command.name == "r" || command.name == "reset" {
            (self.piece, self.start) = (Piece::default(), None);
            self.buffer.clear();
        }
        self.items.push(Item { what: What::Command { command, data }, offset: at });
        next
    }

    /// The end of a command's arguments: that of the line, or the next command's backslash outside of quotes.
    fn arguments_end(&self, from: usize, line_end: usize) -> usize {
        let mut quote = None;
        let mut chars = self.text[from..line_end].char_indices();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (Some('\''), '\\') => {
                    chars.next();
                }
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"' | '`') => quote = Some(c),
                (None, '\\') => return from + at,
                _ => {}
            }
        }
        line_end
    }
}

/// The words of a command's arguments, with quotes taken off and `:name` replaced by `value` where that knows it.
pub fn arguments(rest: &str, value: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        let after = at + c.len_utf8();
        match c {
            c if c.is_whitespace() => {
                words.extend(word.take());
                at = after;
            }
            '\'' => {
                let (text, end) = quoted(rest, after);
                word.get_or_insert_default().push_str(&text);
                at = end;
            }
            '"' => {
                let end = rest[after..].find('"').map_or(rest.len(), |end| after + end);
                word.get_or_insert_default().push_str(&rest[after..end]);
                at = (end + 1).min(rest.len());
            }
            ':' => {
                let (text, end) = variable(rest, after, &value).unwrap_or_else(|| (":".to_owned(), after));
                word.get_or_insert_default().push_str(&text);
                at = end;
            }
            c => {
                word.get_or_insert_default().push(c);
                at = after;
            }
        }
    }
    words.extend(word);
    words
}

/// What a variable stands for whose colon is before `at`, and where it ends: `:name`, `:'name'`, `:"name"` and `:{?name}`.
fn variable(text: &str, at: usize, value: &impl Fn(&str) -> Option<String>) -> Option<(String, usize)> {
    let rest = &text[at..];
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    let name = |from: usize| {
        let end = rest[from..].find(|c| !is_inner(c)).map_or(rest.len(), |end| from + end);
        (end > from).then(|| (&rest[from..end], end))
    };
    if rest.starts_with("{?") {
        let (name, end) = name(2)?;
        let answer = if value(name).is_some() { "TRUE" } else { "FALSE" };
        return rest[end..].starts_with('}').then(|| (answer.to_owned(), at + end + 1));
    }
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (name, end) = name(1)?;
        let found = value(name)?;
        return rest[end..].starts_with(quote).then(|| (format!("{quote}{found}{quote}"), at + end + 1));
    }
    let (name, end) = name(0)?;
    Some((value(name)?, at + end))
}

/// Text in single quotes that begins at `at`, with its escapes (psqlscanslash.l, xslashquote), and where it ends.
fn quoted(text: &str, at: usize) -> (String, usize) {
    let mut result = String::new();
    let mut chars = text[at..].char_indices().peekable();
    while let Some((position, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                result.push('\'');
            }
            '\'' => return (result, at + position + 1),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => result.push('\n'),
                Some('t') => result.push('\t'),
                Some('r') => result.push('\r'),
                Some(c) => result.push(c),
                None => {}
            },
            c => result.push(c),
        }
    }
    (result, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items in short: `text`, `text\command rest`, `\command rest`, with `<data>` behind.
    fn short(text: &str) -> Vec<String> {
        let command = |command: &Command| format!("\\{} {}", command.name, command.rest).trim_end().to_owned();
        let data = |data: &Option<String>| data.as_ref().map_or(String::new(), |data| format!("<{data}>"));
        script(text)
            .iter()
            .map(|item| match &item.what {
                What::Statement { text, sent_by, data: lines } => {
                    format!("{text}{}{}", sent_by.as_ref().map_or(String::new(), command), data(lines))
                }
                What::Command { command: one, data: lines } => format!("{}{}", command(one), data(lines)),
            })
            .collect()
    }

    #[test]
    fn statements_and_commands() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("-- only\n", &[]),
            ("SELECT 1;\nSELECT ';' ; -- end\n", &["SELECT 1", "SELECT ';'"]),
            ("-- first\nSELECT 1", &["SELECT 1"]),
            ("SELECT 1 /* a */ + 2;", &["SELECT 1 /* a */ + 2"]),
            ("/*+ SeqScan(t) */ SELECT 1;\n/* end */\n", &["/*+ SeqScan(t) */ SELECT 1"]),
            ("\\set x 'a b' -- y\nSELECT :x;", &["\\set x 'a b' -- y", "SELECT :x"]),
            ("SELECT 1 AS a \\gset p_\n\\echo :p_a", &["SELECT 1 AS a\\gset p_", "\\echo :p_a"]),
            ("SELECT 1 \\; SELECT 2;", &["SELECT 1 ; SELECT 2"]),
            ("\\t on \\\\ SELECT 1;", &["\\t on", "SELECT 1"]),
            ("\\x \\pset format unaligned\n", &["\\x", "\\pset format unaligned"]),
            ("SELECT 'a\\b';", &["SELECT 'a\\b'"]),
            ("\\! echo \\x\nSELECT 1;", &["\\! echo \\x", "SELECT 1"]),
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;",
                &["CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END"],
            ),
            ("SELECT $$\\d;$$ \\g\nSELECT 2 \\gx out.txt\n", &["SELECT $$\\d;$$\\g", "SELECT 2\\gx out.txt"]),
        ];
        for (text, expected) in table {
            assert_eq!(&short(text), expected, "{text}");
        }
    }

    #[test]
    fn data_of_copy() {
        let table: &[(&str, &[&str])] = &[
            ("COPY t FROM stdin;\n1\t'a\n\\N\n\\.\nSELECT 1;", &["COPY t FROM stdin<1\t'a\n\\N\n>", "SELECT 1"]),
            ("COPY t FROM STDIN WITH (FORMAT csv);\r\n1\r\n\\.\r\n", &["COPY t FROM STDIN WITH (FORMAT csv)<1\r\n>"]),
            ("COPY t FROM stdin;\nnot ended", &["COPY t FROM stdin<not ended>"]),
            ("\\copy t from stdin csv\n1,';\n\\.\nSELECT 1;", &["\\copy t from stdin csv<1,';\n>", "SELECT 1"]),
            ("\\copy t from 'x.csv' with csv\nSELECT 1;", &["\\copy t from 'x.csv' with csv", "SELECT 1"]),
            ("COPY t TO stdout;\nSELECT 1;", &["COPY t TO stdout", "SELECT 1"]),
        ];
        for (text, expected) in table {
            assert_eq!(&short(text), expected, "{text}");
        }
    }

    #[test]
    fn items_know_where_they_are() {
        let text = "-- größer\n\nSELECT 1;\n  SELECT 2 \\gset\n\\c -\n";
        let found: Vec<&str> = script(text).iter().map(|item| &text[item.offset..item.offset + 4]).collect();
        assert_eq!(found, ["SELE", "SELE", "\\c -"]);
    }

    #[test]
    fn arguments_of_commands() {
        let value = |name: &str| (name == "x").then(|| "1 2".to_owned());
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("a  b", &["a", "b"]),
            ("name 'it''s\\n' \"B c\"", &["name", "it's\n", "B c"]),
            (":x :y :'x' :{?x} :{?y}", &["1 2", ":y", "'1 2'", "TRUE", "FALSE"]),
            ("a:x", &["a1 2"]),
            ("'not closed", &["not closed"]),
        ];
        for (rest, expected) in table {
            assert_eq!(&arguments(rest, value), expected, "{rest}");
        }
    }
}
