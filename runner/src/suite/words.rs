//! A recipe's text to words, as the shell does it: blanks part them, quotes and backslashes keep them together.

/// The words of a text without expansions, which make has done before. A quote that is not closed goes to the end.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    // None between words: an empty word in quotes is one.
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\'' => word.get_or_insert_default().extend(rest.by_ref().take_while(|&c| c != '\'')),
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = rest.next().filter(|&c| c != '"') {
                    match (c, rest.clone().next()) {
                        // Within double quotes a backslash is for these alone (XCU, 2.2.3).
                        ('\\', Some(next @ ('"' | '\\' | '$' | '`'))) => {
                            word.push(next);
                            rest.next();
                        }
                        _ => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Words as a text that [`words`] and the shell take apart again, in a recipe of make.
pub(super) fn recipe<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |word: &str| {
        let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c));
        let word = if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) };
        word.replace('$', "$$")
    };
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_shell_has_them() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \t ", &[]),
            ("a  b", &["a", "b"]),
            ("--x='a b' c", &["--x=a b", "c"]),
            (r#"--launcher="sh -c \"x\"" ''"#, &["--launcher=sh -c \"x\"", ""]),
            (r"a\ b \'", &["a b", "'"]),
            ("'a\"b' \"it's\"", &["a\"b", "it's"]),
            ("'not closed", &["not closed"]),
        ];
        for (text, expected) in table {
            assert_eq!(&words(text), expected, "{text}");
        }
    }

    #[test]
    fn there_and_back() {
        for word in ["a", "", "a b", "it's", "--x=/y", "a\"b\\"] {
            assert_eq!(words(&recipe([word])), [word], "{word}");
        }
        assert_eq!(recipe(["a$b"]), "'a$$b'");
    }
}
