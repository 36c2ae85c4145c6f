//! Text inside SQL text.

/// A string literal or a quoted identifier (standard_conforming_strings is on).
pub(super) fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_doubled() {
        let table = [("it's", '\'', "'it''s'"), ("a\"b", '"', "\"a\"\"b\""), ("", '\'', "''"), ("a'b", '"', "\"a'b\"")];
        for (text, quote, expected) in table {
            assert_eq!(quoted(text, quote), expected, "{text}");
        }
    }
}
