//! Statements in the sources of a crate: its tests under `#[pg_test]` have them in string literals.

use std::str::Chars;

/// What statements begin with.
const VERBS: [&str; 9] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES", "CREATE", "CALL", "DO"];

/// The statements in the tests of a file, as a file for psql would have them; empty where there are no tests in it.
pub(super) fn statements(text: &str) -> String {
    if !text.contains("#[pg_test") {
        return String::new();
    }
    let is_statement = |literal: &String| {
        let verb = literal.split_whitespace().next().unwrap_or_default();
        VERBS.iter().any(|known| known.eq_ignore_ascii_case(verb)) && !has_placeholder(literal)
    };
    let literals = literals(text).into_iter().filter(is_statement);
    literals.map(|literal| literal.trim().trim_end_matches(';').to_owned() + ";\n").collect()
}

/// Whether `format!` puts something into a text.
fn has_placeholder(text: &str) -> bool {
    let is_placeholder = |rest: &str| {
        let inner = rest.split('}').next().unwrap_or_default();
        inner.len() < rest.len() && inner.chars().all(|c| c.is_alphanumeric() || "_:?.#".contains(c))
    };
    // An empty array is none, but in quotes.
    text.split('{').skip(1).any(is_placeholder) && !text.contains("'{}'")
}

/// The texts of all string literals.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.chars();
    let mut last = ' ';
    while let Some(c) = rest.next() {
        let is_in_word = last.is_alphanumeric() || last == '_';
        match c {
            '/' if rest.as_str().starts_with('/') => skip_behind(&mut rest, "\n"),
            '/' if rest.as_str().starts_with('*') => skip_behind(&mut rest, "*/"),
            '\'' => skip_character(&mut rest),
            'r' if !is_in_word => found.extend(raw(&mut rest)),
            '"' => found.push(quoted(&mut rest)),
            _ => {}
        }
        last = c;
    }
    found
}

fn skip_behind(rest: &mut Chars, end: &str) {
    let text = rest.as_str();
    let at = text.find(end).map_or(text.len(), |at| at + end.len());
    *rest = text[at..].chars();
}

/// A character in quotes. What has no second quote is a lifetime.
fn skip_character(rest: &mut Chars) {
    let mut ahead = rest.clone();
    let is_escaped = ahead.next() == Some('\\');
    if is_escaped {
        // What is behind a backslash is no quote.
        ahead.next();
        skip_behind(&mut ahead, "'");
        *rest = ahead;
    } else if ahead.next() == Some('\'') {
        *rest = ahead;
    }
}

/// What is behind the `r` of a raw literal, if it is one.
fn raw(rest: &mut Chars) -> Option<String> {
    let text = rest.as_str();
    let hashes = text.len() - text.trim_start_matches('#').len();
    let inner = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end)?;
    *rest = inner[length + end.len()..].chars();
    Some(inner[..length].to_owned())
}

/// The text of a literal, behind its first quote.
fn quoted(rest: &mut Chars) -> String {
    let mut literal = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => literal.push('\n'),
                Some('t') => literal.push('\t'),
                // The next line goes on with this one.
                Some('\n') => *rest = rest.as_str().trim_start().chars(),
                other => literal.extend(other),
            },
            c => literal.push(c),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_tests_are_found() {
        let text = r##"
fn a<'a>(c: char) -> &'a str { if c == '"' || c == '\'' || c == '\\' { "SELECT of(no_test)" } else { "x" } }
// "SELECT comment()"
/* "SELECT comment()" */
#[pg_test]
fn works() {
    Spi::get_one::<bool>("SELECT one('a\"b');").unwrap();
    Spi::run(r#"  INSERT INTO t VALUES (two('{"a": 1}'))"#).unwrap();
    Spi::run(r"select three()").unwrap();
    Spi::run(&format!("SELECT four({})", 1)).unwrap();
    Spi::run(&format!("SELECT five({name:?})")).unwrap();
    assert_eq!("Selected", "other(\"SELECT six()\")");
    Spi::run("SELECT seven(1, \
              2)").unwrap();
    Spi::run("SELECT eight('{}'::int[])");
}
"##;
        let expected = "SELECT of(no_test);\nSELECT one('a\"b');\nINSERT INTO t VALUES (two('{\"a\": 1}'));\nselect three();\n\
                        SELECT seven(1, 2);\nSELECT eight('{}'::int[]);\n";
        assert_eq!(statements(text), expected);
        assert_eq!(statements(&text.replace("#[pg_test]", "")), "");
    }

    #[test]
    fn no_text_is_too_strange() {
        let text = "#[pg_test] r\"\\ '\\ \" \\";
        for end in 0..text.len() {
            for start in 0..end {
                literals(&text[start..end]);
            }
        }
    }
}
