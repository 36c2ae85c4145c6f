//! Expressions that are smaller than one: what is found with a large argument is often found with less of it.

use super::parts::{literal, split};

/// What may stand in place of a value, the smallest first: a literal's text, a number, the elements of an array, the arguments of a
/// call, each with less in it.
pub(super) fn smaller(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((text, behind)) = literal(value) {
        let characters: Vec<char> = text.chars().collect();
        let half = characters.len() / 2;
        let quoted = |part: &[char]| format!("'{}'{behind}", part.iter().collect::<String>());
        if characters.len() > 1 {
            found.push(quoted(&[]));
        }
        found.extend(
            [&characters[..half], &characters[half..]]
                .into_iter()
                .filter(|half| half.len() < characters.len())
                .map(quoted),
        );
        if characters.len() > 2 {
            found.push(quoted(&characters[1..]));
            found.push(quoted(&characters[..characters.len() - 1]));
        }
    } else if let Some((number, behind)) = number(value) {
        let smaller = [0, number.signum(), number / 2, number - number.signum()];
        let is_less = |one: &i64| one.unsigned_abs() < number.unsigned_abs();
        for one in smaller.into_iter().filter(is_less) {
            let text = if one < 0 { format!("({one}){behind}") } else { format!("{one}{behind}") };
            if !found.contains(&text) {
                found.push(text);
            }
        }
    } else if let Some((elements, behind)) = array(value) {
        let elements = split(elements);
        let half = elements.len() / 2;
        let halves = [&elements[..half], &elements[half..]];
        let halves = halves.into_iter().filter(|half| !half.is_empty() && half.len() < elements.len());
        found.extend(halves.map(|half| format!("ARRAY[{}]{behind}", half.join(", "))));
    } else if let Some((name, list, behind)) = call(value) {
        // An argument may do in place of the whole, and a smaller one in its own place.
        let list = split(list);
        found.extend(list.iter().map(|one| format!("{one}{behind}")));
        for (place, one) in list.iter().enumerate() {
            for less in smaller(one) {
                let mut list = list.clone();
                list[place] = less;
                found.push(format!("{name}({}){behind}", list.join(", ")));
            }
        }
    }
    found
}

/// The elements of an array, and what it is cast to.
fn array(value: &str) -> Option<(&str, &str)> {
    let rest = value.strip_prefix("ARRAY[")?;
    match rest.rfind("]::") {
        Some(at) => Some((&rest[..at], &rest[at + 1..])),
        None => Some((rest.strip_suffix(']')?, "")),
    }
}

/// A number, and what it is cast to.
fn number(value: &str) -> Option<(i64, &str)> {
    let at = value.find("::").unwrap_or(value.len());
    let (number, behind) = value.split_at(at);
    let number = number.trim_start_matches('(').trim_end_matches(')');
    Some((number.parse().ok()?, behind))
}

/// A call: its name, its arguments, and what it is cast to.
fn call(value: &str) -> Option<(&str, &str, &str)> {
    let open = value.find('(')?;
    let close = value.rfind(')')?;
    let (name, behind) = (&value[..open], &value[close + 1..]);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.\"".contains(c));
    let list = value.get(open + 1..close)?;
    // One that ends before, and another one behind it, are no call.
    let is_one = list.chars().try_fold(0i32, |depth, c| match c {
        '(' => Some(depth + 1),
        ')' if depth == 0 => None,
        ')' => Some(depth - 1),
        _ => Some(depth),
    });
    (is_name && is_one.is_some() && (behind.is_empty() || behind.starts_with("::"))).then_some((name, list, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_smaller_ones() {
        let table: [(&str, &[&str]); 11] = [
            ("'abcd'::text", &["''::text", "'ab'::text", "'cd'::text", "'bcd'::text", "'abc'::text"]),
            ("'a'::text", &["''::text"]),
            ("''::text", &[]),
            ("'it''s'", &[]),
            ("42", &["0", "1", "21", "41"]),
            ("(-3)::bigint", &["0::bigint", "(-1)::bigint", "(-2)::bigint"]),
            ("0", &[]),
            ("ARRAY[1, f(2, 3), 4]::int[]", &["ARRAY[1]::int[]", "ARRAY[f(2, 3), 4]::int[]"]),
            ("repeat('x', 2)", &["'x'", "2", "repeat('', 2)", "repeat('x', 0)", "repeat('x', 1)"]),
            ("f(1) + g(2)", &[]),
            ("now()", &[]),
        ];
        for (value, expected) in table {
            assert_eq!(smaller(value), expected, "{value}");
        }
    }
}
