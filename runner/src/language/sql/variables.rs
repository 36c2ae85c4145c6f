//! psql-style variables in SQL text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::scan::{Kind, Tokens, run, starts_word};

/// Variables by name, in the order in which they were first set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: Vec<(String, String)>,
    /// Where they are.
    positions: HashMap<String, usize>,
}

impl Variables {
    /// Gives a variable a value, in place of the one it had.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.positions.get(&name) {
            Some(&position) => self.values[position].1 = value,
            None => {
                self.positions.insert(name.clone(), self.values.len());
                self.values.push((name, value));
            }
        }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.positions.get(name).map(|&position| self.values[position].1.as_str())
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut variables = Variables::default();
        for (name, value) in pairs {
            variables.set(name, value);
        }
        variables
    }
}

/// A variable that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown variable \"{name}\"")]
pub struct UnknownVariable {
    /// The name without colon and quotes.
    pub name: String,
    /// Where the colon stands in the text, in bytes.
    pub offset: usize,
}

/// How a variable's value is put into the text.
#[derive(Clone, Copy)]
enum Quoting {
    None,
    Literal,
    Name,
}

/// Replaces `:name`, `:'name'` and `:"name"` by the variable's value: as it is, as a string literal, as a quoted
/// identifier. Leaves alone what is in quotes or comments, `::type`, `:=`, and array slices such as `[1:2]`.
///
/// As in psql, a literal with a backslash becomes an `E''` string (`PQescapeLiteral()`), and a value is not searched for
/// further variables. Unlike in psql, a name without a value is an error.
pub fn substitute<'a>(text: &'a str, variables: &Variables) -> Result<Cow<'a, str>, UnknownVariable> {
    substitute_by(text, |name| variables.get(name))
}

/// The same with values that are found in this way.
pub(crate) fn substitute_by<'a, 'v>(
    text: &'a str,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<Cow<'a, str>, UnknownVariable> {
    let references = references(text);
    match references.iter().find(|reference| value(reference.name).is_none()) {
        Some(unknown) => Err(UnknownVariable { name: unknown.name.to_owned(), offset: unknown.span.start }),
        None => Ok(replaced(text, references, value)),
    }
}

/// The same as psql does it: what has no value stays as it is.
pub(crate) fn substitute_known<'a>(text: &'a str, variables: &Variables) -> Cow<'a, str> {
    replaced(text, references(text), |name| variables.get(name))
}

fn replaced<'a, 'v>(
    text: &'a str,
    references: Vec<Reference<'a>>,
    value: impl Fn(&str) -> Option<&'v str>,
) -> Cow<'a, str> {
    let mut result = String::new();
    let mut copied = 0;
    for Reference { name, quoting, span } in references {
        let Some(value) = value(name) else { continue };
        result.push_str(&text[copied..span.start]);
        match quoting {
            Quoting::None => result.push_str(value),
            Quoting::Literal => push_literal(&mut result, value),
            Quoting::Name => push_name(&mut result, value),
        }
        copied = span.end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    result.push_str(&text[copied..]);
    Cow::Owned(result)
}

/// The names of the variables that [`substitute`] would replace.
pub(crate) fn referenced(text: &str) -> impl Iterator<Item = &str> {
    references(text).into_iter().map(|reference| reference.name)
}

/// `:name`, `:'name'` or `:"name"`
struct Reference<'a> {
    name: &'a str,
    quoting: Quoting,
    span: Range<usize>,
}

fn references(text: &str) -> Vec<Reference<'_>> {
    let mut references = Vec::new();
    let mut tokens = Tokens::new(text, 0);
    while let Some(token) = tokens.next() {
        let colon = token.span.start;
        if token.kind != Kind::Other || !text[colon..].starts_with(':') {
            continue;
        }
        if let Some((name, quoting, end)) = reference(text, colon) {
            references.push(Reference { name, quoting, span: colon..end });
            tokens.skip_to(end);
        } else if text[colon..].starts_with("::") {
            tokens.skip_to(colon + 2);
        }
    }
    references
}

/// The variable that is referred to at a colon: its name, how to quote it, and where the reference ends.
fn reference(text: &str, colon: usize) -> Option<(&str, Quoting, usize)> {
    let bytes = text.as_bytes();
    let (quoting, start) = match *bytes.get(colon + 1)? {
        b'\'' => (Quoting::Literal, colon + 2),
        b'"' => (Quoting::Name, colon + 2),
        _ => (Quoting::None, colon + 1),
    };
    if !starts_word(*bytes.get(start)?) {
        return None;
    }
    let end = run(text, start, |byte| starts_word(byte) || byte.is_ascii_digit());
    let name = &text[start..end];
    match quoting {
        Quoting::None => Some((name, quoting, end)),
        _ => (bytes.get(end) == Some(&bytes[colon + 1])).then_some((name, quoting, end + 1)),
    }
}

fn push_literal(result: &mut String, value: &str) {
    let has_backslash = value.contains('\\');
    if has_backslash {
        // The blank keeps the E apart from a word before it.
        result.push_str(" E");
    }
    result.push('\'');
    for c in value.chars() {
        if c == '\'' || c == '\\' {
            result.push(c);
        }
        result.push(c);
    }
    result.push('\'');
}

fn push_name(result: &mut String, value: &str) {
    result.push('"');
    result.push_str(&value.replace('"', "\"\""));
    result.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [("n", "10"), ("text", "it's"), ("path", r"c:\'x"), ("name", "a\"b"), ("größe", "3"), ("again", ":n")]
            .into_iter()
            .collect()
    }

    #[test]
    fn references_are_replaced() {
        let table = [
            ("SELECT :n", "SELECT 10"),
            ("SELECT :n+:n", "SELECT 10+10"),
            ("LIMIT(:n)", "LIMIT(10)"),
            ("SELECT :'text'", "SELECT 'it''s'"),
            ("SELECT :'path'", r"SELECT  E'c:\\''x'"),
            ("SELECT :\"name\".x", "SELECT \"a\"\"b\".x"),
            ("SELECT :größe;", "SELECT 3;"),
            ("SELECT :n::text", "SELECT 10::text"),
            ("SELECT :again", "SELECT :n"),
            ("a:n", "a10"),
        ];
        for (text, expected) in table {
            assert_eq!(substitute(text, &variables()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_stays() {
        for text in [
            "SELECT 1",
            "SELECT ':n', E'\\':n', \":n\", $$:n$$, $a$ :n $a$",
            "/* :n /* :n */ :n */ -- :n",
            "SELECT 'a'::name, x::n",
            "x := 1, y :=n",
            "a[1:2], a[: 2], a:",
            "SELECT :'not closed, :\"x",
            "SELECT :' n'",
        ] {
            assert!(matches!(substitute(text, &variables()), Ok(Cow::Borrowed(_))), "{text}");
        }
    }

    #[test]
    fn an_unknown_variable_is_located() {
        let error = substitute("SELECT :n, :'rows'", &variables()).unwrap_err();
        assert_eq!(error, UnknownVariable { name: "rows".into(), offset: 11 });
        assert_eq!(error.to_string(), "unknown variable \"rows\"");
    }

    #[test]
    fn psql_leaves_an_unknown_variable_alone() {
        assert_eq!(substitute_known("SELECT :n, :'rows', :\"name\"", &variables()), "SELECT 10, :'rows', \"a\"\"b\"");
        assert!(matches!(substitute_known("SELECT :rows", &variables()), Cow::Borrowed(_)));
    }

    #[test]
    fn variables_keep_their_order() {
        let mut variables: Variables = [("b", "1"), ("a", "2")].into_iter().collect();
        variables.set("b", "3");
        assert_eq!(variables.iter().collect::<Vec<_>>(), [("b", "3"), ("a", "2")]);
    }
}
