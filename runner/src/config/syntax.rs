//! Text that is not TOML: the place, and how it would be.

use std::ops::Range;

use toml::de::Error;

use super::section::Problems;

/// Adds what the parser of TOML complains of. Behind the first mistake of a line it often finds more, which are not there.
pub(super) fn add(errors: Vec<Error>, text: &str, problems: &mut Problems) {
    let mut lines: Vec<Range<usize>> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = line(text, span.start);
        if lines.contains(&line) {
            continue;
        }
        // "string values must be quoted, expected literal string": the second half is the parser's.
        let message = error.message().split(", expected").next().unwrap_or_default();
        let value = text.get(span.clone()).unwrap_or_default();
        let message = match message {
            "string values must be quoted" if value.is_empty() => "missing value",
            // What begins with a letter and is not quoted passes for a misspelt "true".
            "invalid boolean" | "invalid float" if value.starts_with(char::is_alphabetic) => {
                "string values must be quoted"
            }
            message => message,
        };
        let is_open =
            message == "missing comma between array elements" && text[line.start..span.start].trim().is_empty();
        if is_open {
            let hint = "close the list with \"]\", or write \",\" between its elements";
            problems.add(visible(text, span), "the list before this is not closed".to_owned(), Some(hint.to_owned()));
            // All that follows is taken for elements of it.
            break;
        }
        problems.add(visible(text, span.clone()), message.to_owned(), hint(message, text, &span, &line));
        lines.push(line);
    }
}

/// The line that an offset is in, without its end.
fn line(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset);
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
    start..end
}

/// A place of at least one character, where there is one, and without the end of its line.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    start..start + text[start..end].trim_end_matches(['\r', '\n']).len()
}

/// How it would be, in words of this very line where that can be said.
fn hint(message: &str, text: &str, span: &Range<usize>, line: &Range<usize>) -> Option<String> {
    let line_text = text[line.clone()].trim();
    let key = line_text.split('=').next().unwrap_or_default().trim();
    Some(match message {
        "string values must be quoted" | "missing opening quote" => {
            let value =
                text.get(span.clone()).filter(|value| !value.is_empty() && !value.contains(['"', '\'', '\n']))?;
            format!("write it in quotes: \"{value}\"")
        }
        "missing value" | "missing value for key" | "key with no value" | "invalid value" if !key.is_empty() => {
            format!("write a value behind \"=\", as in: {key} = \"..\"")
        }
        "duplicate key" => {
            let key = text.get(span.clone())?.trim_matches(['"', '\'']);
            let number = text[..span.start].matches('\n').count() + 1;
            match first_line_of(key, text, line.start) {
                Some(first) => format!("it is already in line {first}: remove one of the two"),
                None => format!("remove it from line {number}, or from where it was before"),
            }
        }
        "unclosed table" => format!("close it: {line_text}]"),
        "unclosed array table" => format!("close it: {}]]", line_text.trim_end_matches(']')),
        "unclosed array" => "close the list with \"]\"".to_owned(),
        "unclosed inline table" => "close the table with \"}\"".to_owned(),
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            "write \",\" between two of them".to_owned()
        }
        "invalid basic string" | "invalid literal string" | "missing closing quote" => {
            "a string ends in its line".to_owned()
        }
        "missing escaped value" => "write \\\\ for a backslash, or the whole string in single quotes".to_owned(),
        "extra `=`" => "write one \"=\"".to_owned(),
        "invalid unquoted key" | "unquoted keys cannot be empty" => {
            "a key has letters, digits, - and _; others have to stand in quotes".to_owned()
        }
        _ => return None,
    })
}

/// The number of the line before `end` in which a key is first set or a table of that name begins, in the same table.
fn first_line_of(key: &str, text: &str, end: usize) -> Option<usize> {
    let sets = |line: &str| {
        let line = line.trim();
        let name = match line.strip_prefix('[') {
            Some(table) => table.trim_matches(['[', ']']).rsplit('.').next(),
            None => line.split_once('=').map(|(key, _)| key),
        };
        name.is_some_and(|name| name.trim().trim_matches(['"', '\'']) == key)
    };
    // Behind the head of the table that the second one is in; a table itself is looked for in all of the text.
    let before = &text[..end];
    let is_table = text[end..].lines().next().is_some_and(|line| line.trim_start().starts_with('['));
    let from = if is_table { 0 } else { before.rfind("\n[").map_or(0, |head| head + 1) };
    let skipped = before[..from].matches('\n').count();
    before[from..].lines().position(sets).map(|index| skipped + index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_own_table() {
        let text = "[project]\nspecs = \"a\"\n[engine]\nwarmup = 1\nspecs = 1\n\"warmup\" = 2\n[project]\n";
        for (key, second, expected) in [
            ("warmup", "\"warmup\" = 2", Some(4)),
            ("specs", "\"warmup\" = 2", Some(5)),
            ("project", "[project]\n", None),
            ("guard", "\"warmup\" = 2", None),
        ] {
            assert_eq!(first_line_of(key, text, text.find(second).unwrap()), expected, "{key}");
        }
        assert_eq!(first_line_of("project", text, text.rfind("[project]").unwrap()), Some(1));
    }

    #[test]
    fn places_are_visible_and_whole_characters() {
        for (text, span, expected) in
            [("a = \n", 4..5, 4..4), ("ü = x", 4..5, 4..5), ("ü", 1..1, 0..0), ("a\r\n", 0..3, 0..1)]
        {
            assert_eq!(visible(text, span), expected, "{text}");
        }
    }
}
