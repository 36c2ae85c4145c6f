//! What an expression that somebody has written is made of.

/// A literal without quotes in it: its text, and what it is cast to.
pub(super) fn literal(value: &str) -> Option<(&str, &str)> {
    let rest = value.strip_prefix('\'')?;
    let end = rest.rfind('\'')?;
    let (text, behind) = (&rest[..end], &rest[end + 1..]);
    let is_plain = !text.contains(['\'', '\\']) && (behind.is_empty() || behind.starts_with("::"));
    is_plain.then_some((text, behind))
}

/// The arguments of a call, as they are written between its commas.
pub(super) fn split(list: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote, mut part) = (Vec::new(), 0usize, None, String::new());
    for c in list.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.trim().is_empty() || !parts.is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_told_apart() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("1", &["1"]),
            ("1, 'a,b', f(2, 3)", &["1", "'a,b'", "f(2, 3)"]),
            ("ARRAY[1, 2], ROW(1, (2, 3))", &["ARRAY[1, 2]", "ROW(1, (2, 3))"]),
            ("'it''s, so', \"a,b\"", &["'it''s, so'", "\"a,b\""]),
            ("')', 2", &["')'", "2"]),
        ];
        for (list, expected) in table {
            assert_eq!(split(list), expected, "{list}");
        }
    }
}
