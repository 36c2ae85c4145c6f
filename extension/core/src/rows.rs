//! `:rows` in the text of a workload, as psql would replace a variable: not in strings, names in quotes and comments.

use std::ops::Range;

const VARIABLE: &str = ":rows";

/// The workload at a number of rows; none where it does not depend on that.
pub fn bind(workload: &str, rows: u64) -> Option<String> {
    let places = places(workload);
    let mut bound = String::new();
    let mut from = 0;
    for place in &places {
        bound.push_str(&workload[from..place.start]);
        bound.push_str(&rows.to_string());
        from = place.end;
    }
    bound.push_str(&workload[from..]);
    (!places.is_empty()).then_some(bound)
}

/// Where it stands.
fn places(workload: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(c) = workload[at..].chars().next() {
        let rest = &workload[at..];
        let before = workload[..at].chars().next_back();
        let is_variable = || !rest[VARIABLE.len()..].starts_with(is_in_word);
        at += if rest.starts_with(VARIABLE) && before != Some(':') && is_variable() {
            places.push(at..at + VARIABLE.len());
            VARIABLE.len()
        } else {
            quoted(rest, before).unwrap_or(c.len_utf8())
        };
    }
    places
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string, name or comment that begins here, if one does (scan.l).
fn quoted(rest: &str, before: Option<char>) -> Option<usize> {
    let until = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
    match rest.chars().next()? {
        // A doubled quote ends one and begins another.
        '\'' if matches!(before, Some('e' | 'E')) => Some(escaped(rest)),
        quote @ ('\'' | '"') => Some(until(1, &quote.to_string())),
        '-' if rest.starts_with("--") => Some(until(2, "\n")),
        '/' if rest.starts_with("/*") => Some(comment(rest)),
        '$' if !before.is_some_and(is_in_word) => {
            let tag = rest[1..].find('$').map(|end| &rest[..end + 2])?;
            tag[1..tag.len() - 1].chars().all(is_in_word).then(|| until(tag.len(), tag))
        }
        _ => None,
    }
}

/// The length of a string in which a backslash escapes.
fn escaped(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\'' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

/// The length of a comment, in which there may be others.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = if rest[at..].starts_with("/*") {
            depth += 1;
            2
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_bound_where_psql_would() {
        let table = [
            ("SELECT f(:rows)", Some("SELECT f(7)")),
            (":rows", Some("7")),
            ("SELECT :rows, ':rows', \":rows\", :rows", Some("SELECT 7, ':rows', \":rows\", 7")),
            ("SELECT 'it''s :rows', E'\\' :rows', :rows::int", Some("SELECT 'it''s :rows', E'\\' :rows', 7::int")),
            ("DO $x$ :rows $x$; SELECT $$ :rows $$, a$b, :rows", Some("DO $x$ :rows $x$; SELECT $$ :rows $$, a$b, 7")),
            (
                "-- :rows\nSELECT /* :rows /* :rows */ :rows */ :rows",
                Some("-- :rows\nSELECT /* :rows /* :rows */ :rows */ 7"),
            ),
            ("SELECT x::rows, a[1:rows_1], :rowset", None),
            ("SELECT '\u{e4}:rows", None),
            ("SELECT $1, /* :rows", None),
            ("SELECT 1", None),
            ("", None),
        ];
        for (workload, expected) in table {
            assert_eq!(bind(workload, 7).as_deref(), expected, "{workload}");
        }
    }
}
