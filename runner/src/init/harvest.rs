//! Literals and calls in SQL that somebody has written: what an extension's own tests call it with.

use std::collections::{BTreeMap, BTreeSet};

/// How many literals are kept of each type, and of no type.
const LITERALS: usize = 300;

/// How many calls of a function are kept.
const CALLS: usize = 30;

/// How long what is kept may be, in bytes.
const LONGEST: usize = 400;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harvest {
    /// Texts of literals by the name of the type that they are cast to; empty for those that are not.
    literals: BTreeMap<String, Vec<String>>,
    /// By the name of the function: its arguments, and the list of columns behind the call, if there is one.
    calls: BTreeMap<String, Vec<(String, Option<String>)>>,
}

impl Harvest {
    /// Adds what is in a file for psql.
    pub fn read(&mut self, text: &str) {
        let text = without_comments(text);
        let tokens = tokens(&text);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Literal(literal) => {
                    let cast = match tokens.get(at + 1..at + 3) {
                        Some([Token::Cast, Token::Word(word)]) => word.to_ascii_lowercase(),
                        _ => String::new(),
                    };
                    let kept = self.literals.entry(cast).or_default();
                    if kept.len() < LITERALS && literal.len() <= LONGEST && !kept.contains(literal) {
                        kept.push(literal.clone());
                    }
                }
                Token::Open(place) => {
                    let Some(Token::Word(name)) = at.checked_sub(1).map(|before| &tokens[before]) else { continue };
                    let Some(end) = closing(&text, *place) else { continue };
                    let arguments = one_line(&text[place + 1..end]);
                    if arguments.len() > LONGEST || arguments.contains(['\n', ';']) || has_variable(&arguments) {
                        continue;
                    }
                    let call = (arguments, columns(&text[end + 1..]));
                    let kept = self.calls.entry(name.to_ascii_lowercase()).or_default();
                    if kept.len() < CALLS && !kept.contains(&call) {
                        kept.push(call);
                    }
                }
                Token::Word(_) | Token::Cast => {}
            }
        }
    }

    /// Texts that a type may take: those that are cast to it, and then all others.
    pub fn texts(&self, type_name: &str) -> Vec<&str> {
        let cast = self.literals.get(&type_name.to_ascii_lowercase()).into_iter().flatten();
        let mut known = BTreeSet::new();
        let all = cast.chain(self.literals.values().flatten()).map(String::as_str);
        all.filter(|text| known.insert(*text)).take(LITERALS).collect()
    }

    /// The arguments that a function is called with, each with the list of columns behind the call.
    pub fn calls(&self, function: &str) -> &[(String, Option<String>)] {
        self.calls.get(function).map_or(&[], Vec::as_slice)
    }
}

enum Token {
    /// A name, without what qualifies it.
    Word(String),
    /// The text of a literal.
    Literal(String),
    Cast,
    /// A parenthesis, and where it is.
    Open(usize),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        match bytes[at] {
            b'\'' => {
                let end = literal_end(bytes, at);
                let inner = text.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
                tokens.push(Token::Literal(inner.replace("''", "'")));
                at = end;
            }
            b':' if rest.starts_with("::") => {
                tokens.push(Token::Cast);
                at += 2;
            }
            b'(' => {
                tokens.push(Token::Open(at));
                at += 1;
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                at += end;
            }
            _ => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    tokens
}

/// Where a literal ends that begins at `at`: behind its quote, or at the end of the text.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match (bytes[end], bytes.get(end + 1)) {
            (b'\'', Some(b'\'')) => end += 2,
            (b'\'', _) => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// The parenthesis that closes the one at `at`.
fn closing(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut place) = (0, at);
    while place < bytes.len() && place - at <= 2 * LONGEST {
        match bytes[place] {
            b'\'' => {
                place = literal_end(bytes, place);
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(place),
            b')' => depth -= 1,
            _ => {}
        }
        place += 1;
    }
    None
}

/// The list of columns that names what a function returns: `AS t(a int)`.
fn columns(behind: &str) -> Option<String> {
    let rest = behind.trim_start();
    let rest = rest.strip_prefix("AS ").or_else(|| rest.strip_prefix("as ")).unwrap_or(rest).trim_start();
    let open = rest.find('(')?;
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_name(rest[..open].trim()) {
        return None;
    }
    let end = closing(rest, open)?;
    let list = one_line(&rest[open..=end]);
    // A name and a type.
    list.contains(' ').then(|| format!("AS t{list}"))
}

/// With blanks for the ends of lines, except in literals.
fn one_line(text: &str) -> String {
    let mut in_literal = false;
    let one = |c: char| {
        in_literal ^= c == '\'';
        if !in_literal && c.is_whitespace() { ' ' } else { c }
    };
    let text: String = text.chars().map(one).collect();
    if text.contains('\'') { text.trim().to_owned() } else { text.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// Whether psql would put something in the place of a name.
fn has_variable(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..bytes.len()).any(|at| {
        let before = at.checked_sub(2).map(|before| bytes[before]);
        bytes[at - 1] == b':'
            && before != Some(b':')
            && (bytes[at].is_ascii_alphabetic() || b"'\"_".contains(&bytes[at]))
    })
}

/// Without comments and psql's own commands.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('\\')) {
        let bytes = line.as_bytes();
        let (mut at, mut end) = (0, line.len());
        while at < bytes.len() {
            match bytes[at] {
                b'\'' => at = literal_end(bytes, at),
                b'-' if bytes.get(at + 1) == Some(&b'-') => {
                    end = at;
                    break;
                }
                _ => at += 1,
            }
        }
        kept += &line[..end];
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn harvest(text: &str) -> Harvest {
        let mut harvest = Harvest::default();
        harvest.read(text);
        harvest
    }

    #[test]
    fn literals_go_to_their_types_first() {
        let found = harvest("SELECT '[1,2]'::vector, 'it''s', '3'::int -- 'no'\n\\set x 'no'\n, '[4]'::Vector;");
        assert_eq!(found.texts("vector"), ["[1,2]", "[4]", "it's", "3"]);
        assert_eq!(found.texts("hll"), ["it's", "3", "[1,2]", "[4]"]);
    }

    #[test]
    fn calls_are_kept_with_their_arguments() {
        let found = harvest(
            "SELECT a.f(1, g('x)y'),\n  2); select F( ); SELECT f(:x), f(a::int);\nSELECT * FROM h('q') AS ct(a text, b int) WHERE (x);",
        );
        let calls = |name: &str| found.calls(name).iter().map(|(arguments, _)| arguments.as_str()).collect::<Vec<_>>();
        assert_eq!(calls("f"), ["1, g('x)y'),   2", "", "a::int"]);
        assert_eq!(calls("g"), ["'x)y'"]);
        assert_eq!(found.calls("h"), [("'q'".to_owned(), Some("AS t(a text, b int)".to_owned()))]);
        assert!(found.calls("nosuch").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(f|'|\\(|\\)|::|int|[ ,;:ü\"$\\\\-]|\n)*") {
            let found = harvest(&text);
            for (arguments, columns) in found.calls.values().flatten() {
                prop_assert!(arguments.len() <= LONGEST && !arguments.contains('\n'));
                prop_assert!(columns.as_ref().is_none_or(|columns| columns.starts_with("AS t(") && columns.ends_with(')')));
            }
        }
    }
}
