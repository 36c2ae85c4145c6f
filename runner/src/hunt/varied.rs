//! Values that are others each time, by the number of the execution (`:i`), and values of a size (`:rows`).

use super::parts::literal;

/// An expression of a type that is another one in each execution; none of a type that has few values, or where it is not known how.
pub(super) fn distinct(type_name: &str, value: &str) -> Option<String> {
    if value.starts_with("NULL") {
        return None;
    }
    if let Some(element) = type_name.strip_suffix("[]") {
        return Some(format!("ARRAY[{}]::{type_name}", distinct(element, "''")?));
    }
    Some(match type_name {
        "integer" | "bigint" | "numeric" | "real" | "double precision" => format!("(:i)::{type_name}"),
        "text" | "character varying" | "character" | "name" | "cstring" => format!("({value} || :i)::{type_name}"),
        "bytea" => "int4send((:i)::integer)".to_owned(),
        "json" | "jsonb" => format!("('{{\"k' || :i || '\": ' || :i || '}}')::{type_name}"),
        "uuid" => "md5((:i)::text)::uuid".to_owned(),
        "date" => "('2000-01-01'::date + (:i)::integer)".to_owned(),
        "timestamp without time zone" | "timestamp with time zone" => {
            format!("('2000-01-01'::{type_name} + (:i) * interval '1 second')")
        }
        "interval" => "((:i) * interval '1 second')".to_owned(),
        "inet" => "('10.0.0.0'::inet + (:i))".to_owned(),
        "xml" => "('<a>' || :i || '</a>')::xml".to_owned(),
        "tsvector" | "tsquery" => format!("('a' || :i)::{type_name}"),
        "jsonpath" => "('$.a' || :i)::jsonpath".to_owned(),
        "int4range" | "int8range" | "numrange" => format!("{type_name}((:i), (:i) + 5)"),
        // A number in it is another one, or there is one behind it.
        _ => {
            let (text, behind) = literal(value)?;
            let at = text.find(|c: char| c.is_ascii_digit());
            let (before, after) = text.split_at(at.unwrap_or(text.len()));
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("('{before}' || :i || '{after}'){behind}")
        }
    })
}

/// An expression of a type that is as large as `:rows` says: so many times what this value has once.
pub(super) fn sized(type_name: &str, value: &str) -> Option<String> {
    if value.starts_with("NULL") {
        return None;
    }
    if let Some(element) = type_name.strip_suffix("[]") {
        return match element {
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "text" => {
                Some(format!("(SELECT array_agg((i % 30000)::{element}) FROM generate_series(1, :rows) AS i)"))
            }
            _ => None,
        };
    }
    Some(match type_name {
        "text" | "character varying" | "character" | "cstring" => {
            let short = literal(value).filter(|(text, _)| (1..=40).contains(&text.len())).map(|(text, _)| text);
            format!("repeat('{}', :rows)::{type_name}", short.unwrap_or("ab "))
        }
        "bytea" => "decode(repeat('61', :rows), 'hex')".to_owned(),
        "json" | "jsonb" => format!("('[' || repeat('1,', :rows) || '1]')::{type_name}"),
        "xml" => "('<a>' || repeat('<b/>', :rows) || '</a>')::xml".to_owned(),
        "tsvector" => "(SELECT string_agg('a' || i, ' ') FROM generate_series(1, :rows) AS i)::tsvector".to_owned(),
        "bit varying" => "repeat('10', :rows)::varbit".to_owned(),
        // The last of several elements, as often as is wanted.
        _ => {
            let (text, behind) = literal(value)?;
            let (before, last) = text.split_at(text.rfind(',')?);
            let end = last.find([']', '}', ')', '>']).unwrap_or(last.len());
            let (element, close) = last.split_at(end);
            format!("('{before}' || repeat('{element}', :rows) || '{close}'){behind}")
        }
    })
}

/// A value in which another name stands where this one was, as a word of its own; none where there is no such word.
pub(super) fn renamed(value: &str, name: &str, other: &str) -> Option<String> {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_word = |at: usize| !value[..at].ends_with(is_in_word) && !value[at + name.len()..].starts_with(is_in_word);
    let places: Vec<usize> = value.match_indices(name).map(|(at, _)| at).filter(|&at| is_word(at)).collect();
    let mut made = value.to_owned();
    places.iter().rev().for_each(|&at| made.replace_range(at..at + name.len(), other));
    (!places.is_empty()).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_others_each_time() {
        let table = [
            ("integer", "7", Some("(:i)::integer")),
            ("text", "'a'::text", Some("('a'::text || :i)::text")),
            ("text", "NULL::text", None),
            ("integer[]", "'{}'::integer[]", Some("ARRAY[(:i)::integer]::integer[]")),
            ("public.vector", "'[10,2]'::public.vector", Some("('[' || :i || ',2]')::public.vector")),
            ("public.tag", "'it''s'::public.tag", None),
            ("boolean", "true", None),
            ("literal of x", "'abc'", Some("('abc' || :i || '')")),
        ];
        for (name, value, expected) in table {
            assert_eq!(distinct(name, value).as_deref(), expected, "{name} {value}");
        }
    }

    #[test]
    fn values_have_a_size() {
        let table = [
            ("text", "'ab'::text", Some("repeat('ab', :rows)::text")),
            ("text", "repeat('x', 100)", Some("repeat('ab ', :rows)::text")),
            ("integer", "7", None),
            ("public.vector", "'[1,2]'::public.vector", Some("('[1' || repeat(',2', :rows) || ']')::public.vector")),
            ("public.tag", "'x'::public.tag", None),
        ];
        for (name, value, expected) in table {
            assert_eq!(sized(name, value).as_deref(), expected, "{name} {value}");
        }
    }

    #[test]
    fn names_are_words() {
        assert_eq!(renamed("'CREATE INDEX ON t(x)'", "t", "u").as_deref(), Some("'CREATE INDEX ON u(x)'"));
        assert_eq!(renamed("'tt'", "t", "u"), None);
    }
}
