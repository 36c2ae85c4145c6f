//! A statement without its constants: what is executed over and over, whatever it is given.
//!
//! As `generate_normalized_query` of pg_stat_statements.c has it, by tokens instead of the parse tree: constants become `$1`, `$2`,
//! ..., behind the parameters that are there, and a list of constants in `IN (...)` or `ARRAY[...]` is as long as any other. White
//! space and comments between tokens count as a space.

/// The longest that is kept (bytes).
const LONGEST: usize = 4096;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A word, a name in quotes, or part of either.
    Word,
    /// A number or a string, in whatever quotes.
    Constant,
    /// `$1`
    Parameter,
    /// Anything else, a byte or a character each.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// Whether something that is no token stands before it.
    apart: bool,
}

/// The statement, without its constants.
pub fn normalized(sql: &str) -> String {
    let tokens = tokens(sql);
    let parameters = tokens.iter().filter(|token| token.kind == Kind::Parameter);
    let mut last: u64 = parameters.filter_map(|token| token.text[1..].parse().ok()).max().unwrap_or(0);
    let mut text = String::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if text.len() > LONGEST {
            text.push_str("...");
            break;
        }
        if token.apart && !text.is_empty() {
            text.push(' ');
        }
        if token.kind == Kind::Constant {
            last = last.saturating_add(1);
            text.push_str(&format!("${last}"));
            if let Some(end) = list_ends(&tokens, at) {
                text.push_str(" /*, ... */");
                at = end;
                continue;
            }
        } else {
            text.push_str(token.text);
        }
        at += 1;
    }
    text.truncate(text.trim_end_matches([';', ' ']).len());
    text
}

/// Where a list of constants ends that begins with this one; none where it is not one of `IN (...)` or `ARRAY[...]`, or has only
/// this one.
fn list_ends(tokens: &[Token], first: usize) -> Option<usize> {
    let before = |back: usize| first.checked_sub(back).map(|at| tokens[at].text);
    let is_in = before(1)? == "(" && before(2)?.eq_ignore_ascii_case("in");
    let is_array = before(1)? == "[" && before(2)?.eq_ignore_ascii_case("array");
    if !is_in && !is_array {
        return None;
    }
    let rest = tokens[first + 1..].chunks(2);
    let more =
        rest.take_while(|pair| matches!(pair, [comma, item] if comma.text == "," && item.kind == Kind::Constant));
    let end = first + 1 + 2 * more.count();
    let closes = tokens.get(end).is_some_and(|token| token.text == if is_in { ")" } else { "]" });
    (closes && end > first + 1).then_some(end)
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut apart) = (0, false);
    while at < bytes.len() {
        let rest = &sql[at..];
        let skipped = space(rest);
        if skipped > 0 {
            (at, apart) = (at + skipped, true);
            continue;
        }
        let (kind, length) = token(rest);
        let signed =
            kind == Kind::Constant && is_sign(&tokens, apart) && rest.starts_with(|c: char| c.is_ascii_digit());
        if signed && let Some(sign) = tokens.pop() {
            // The sign is the number's own.
            let start = at - sign.text.len();
            tokens.push(Token { kind, text: &sql[start..at + length], apart: sign.apart });
        } else {
            tokens.push(Token { kind, text: &rest[..length], apart });
        }
        (at, apart) = (at + length, false);
    }
    tokens
}

/// Whether the last token is the sign of what comes behind it.
fn is_sign(tokens: &[Token], apart: bool) -> bool {
    let [before @ .., sign] = tokens else { return false };
    let is_operand = |token: &Token| token.kind != Kind::Other || matches!(token.text, ")" | "]");
    !apart && matches!(sign.text, "-" | "+") && before.last().is_none_or(|token| !is_operand(token))
}

/// How much of it is white space or a comment.
fn space(text: &str) -> usize {
    if text.starts_with("--") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        let (mut depth, mut at) = (0, 0);
        while at < text.len() {
            let rest = &text.as_bytes()[at..];
            match rest {
                [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return at;
            }
        }
        return text.len();
    }
    text.len() - text.trim_start().len()
}

/// The first token, and its length in bytes; at least 1.
fn token(text: &str) -> (Kind, usize) {
    let first = text.chars().next().unwrap_or(' ');
    match first {
        '\'' => (Kind::Constant, quoted(text, false)),
        '"' => (Kind::Word, delimited(text, '"')),
        '$' => dollar(text),
        '0'..='9' => (Kind::Constant, number(text)),
        '.' if text[1..].starts_with(|c: char| c.is_ascii_digit()) => (Kind::Constant, number(text)),
        c if c.is_alphabetic() || c == '_' => {
            let length = word(text);
            let rest = &text[length..];
            match (&text[..length], rest.as_bytes()) {
                ("e" | "E", [b'\'', ..]) => (Kind::Constant, length + quoted(rest, true)),
                ("b" | "B" | "x" | "X" | "n" | "N", [b'\'', ..]) => (Kind::Constant, length + quoted(rest, false)),
                ("u" | "U", [b'&', b'\'', ..]) => (Kind::Constant, length + 1 + quoted(&rest[1..], false)),
                ("u" | "U", [b'&', b'"', ..]) => (Kind::Word, length + 1 + delimited(&rest[1..], '"')),
                _ => (Kind::Word, length),
            }
        }
        c => (Kind::Other, c.len_utf8()),
    }
}

fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
}

fn number(text: &str) -> usize {
    let mut after_exponent = false;
    let mut is_hexadecimal = false;
    let end = text.char_indices().find(|&(at, c)| {
        is_hexadecimal |= at == 1 && matches!(c, 'x' | 'X');
        let is_part = c.is_ascii_alphanumeric() || c == '_' || c == '.' || (after_exponent && matches!(c, '+' | '-'));
        after_exponent = matches!(c, 'e' | 'E') && !is_hexadecimal;
        !is_part
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// The length of a string; one that is not closed goes to the end.
fn quoted(text: &str, has_escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if has_escapes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of what is between two of these.
fn delimited(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

/// `$1`, or a string between two equal tags.
fn dollar(text: &str) -> (Kind, usize) {
    let rest = &text[1..];
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 {
        return (Kind::Parameter, 1 + digits);
    }
    let tag = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if !rest[tag..].starts_with('$') {
        return (Kind::Other, 1);
    }
    let delimiter = &text[..tag + 2];
    let length = text[delimiter.len()..].find(delimiter).map_or(text.len(), |end| end + 2 * delimiter.len());
    (Kind::Constant, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_replaced() {
        let table = [
            ("SELECT 1", "SELECT $1"),
            ("select f(1, 'a''b', 2.5e-3, .5, 0x1F, 1_000)", "select f($1, $2, $3, $4, $5, $6)"),
            ("SELECT -5, 3 -2, x-1, (-1)", "SELECT -$1, $2 -$3, x-$4, ($5)"),
            (r"SELECT E'a\'b', U&'\0061', b'01', X'1f', n'x', e'\\'", "SELECT $1, $2, $3, $4, $5, $6"),
            ("SELECT $$it's$$, $a$ $$ $a$, $1, 'x' ;", "SELECT $2, $3, $1, $4"),
            ("SELECT  a, --'c'\n \"B 1\", c1 /* 1 /* 2 */ */ FROM t2", "SELECT a, \"B 1\", c1 FROM t2"),
            (
                "SELECT * FROM t WHERE a IN (1,2, 3) AND b IN (1)",
                "SELECT * FROM t WHERE a IN ($1 /*, ... */) AND b IN ($2)",
            ),
            ("SELECT ARRAY[1, 2], ARRAY[a, 2], in_(1, 2)", "SELECT ARRAY[$1 /*, ... */], ARRAY[a, $2], in_($3, $4)"),
            ("SELECT 'not closed", "SELECT $1"),
            ("SELECT $x", "SELECT $x"),
            ("SELECT 'ä', ä1, '€'::text", "SELECT $1, ä1, $2::text"),
            ("", ""),
            ("  ;  ", ""),
            ("SELECT a->'b'->>1, t.x, 1..2", "SELECT a->$1->>$2, t.x, $3"),
        ];
        for (sql, expected) in table {
            assert_eq!(normalized(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_differs_in_constants_is_the_same() {
        let same = |a: &str, b: &str| assert_eq!(normalized(a), normalized(b), "{a} and {b}");
        same("SELECT f('a', 1)", "SELECT  f('bb', 22);");
        same("INSERT INTO t VALUES (-1, NULL)", "INSERT INTO t VALUES ( -77, NULL)".replace("( ", "(").as_str());
        same("SELECT x FROM t WHERE i IN (1, 2)", "SELECT x FROM t WHERE i IN (1, 2, 3, 4)");
    }

    #[test]
    fn it_has_an_end() {
        let long = format!("SELECT {}", "a, ".repeat(100_000));
        assert!(normalized(&long).len() < LONGEST + 100);
        // Whatever it is cut into.
        let all = "SELECT E'a\\', $a$ä$a$ /* */ -- \"x\nU&'' 1e5-+";
        for (start, _) in all.char_indices() {
            for (end, _) in all.char_indices().filter(|&(end, _)| end >= start) {
                let once = normalized(&all[start..end]);
                assert!(!once.contains('\n') || all[start..end].contains('"'), "{once}");
            }
        }
    }
}
