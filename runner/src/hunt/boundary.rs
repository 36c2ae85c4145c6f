//! Values of PostgreSQL's own types at which code goes wrong: none, the smallest, the largest, what is no number, many, nested, of more
//! than one byte.

use crate::init::literals;

/// For each type, as `format_type` names it, expressions, besides the usual ones.
const VALUES: &[(&str, &[&str])] = &[
    ("smallint", &["0::smallint", "-1::smallint", "32767::smallint", "(-32768)::smallint"]),
    ("integer", &["0", "-1", "2", "7", "64", "1000", "65536", "2147483647", "(-2147483648)", "1000000"]),
    (
        "bigint",
        &[
            "0::bigint",
            "(-1)::bigint",
            "4294967296::bigint",
            "9223372036854775807::bigint",
            "(-9223372036854775808)::bigint",
        ],
    ),
    (
        "numeric",
        &[
            "0::numeric",
            "(-1)::numeric",
            "'NaN'::numeric",
            "'Infinity'::numeric",
            "'-Infinity'::numeric",
            "1e300::numeric",
            "1e-300::numeric",
            "repeat('9', 1000)::numeric",
        ],
    ),
    ("real", &["0::real", "(-1)::real", "'NaN'::real", "'Infinity'::real", "1e-40::real", "3e38::real"]),
    (
        "double precision",
        &[
            "0::float8",
            "(-1)::float8",
            "'NaN'::float8",
            "'Infinity'::float8",
            "'-Infinity'::float8",
            "1e308::float8",
            "1e-308::float8",
        ],
    ),
    ("money", &["'0'::money", "'-92233720368547758.08'::money"]),
    (
        "text",
        &[
            "''::text",
            "' '::text",
            "'%'::text",
            "'a b c d e f g h'::text",
            "'\u{e4}\u{f6}\u{20ac}'::text",
            "'\u{1f600}'::text",
            "'a\u{1f600}b\u{10ffff}'::text",
            "repeat('x', 100)",
            "repeat('x', 3000)",
            "repeat('ab c,', 30000)",
            "repeat('\u{1f600}', 300)",
            "E'\\n\\t\\\\'::text",
            "'('::text",
            "'[a-'::text",
            "'{\"a\": [1, null]}'::text",
            "'a=>1, b=>NULL'::text",
            "'2024-02-29'::text",
            "'http://a.b/c?d=e#f'::text",
            "'-1'::text",
            "'NaN'::text",
            "'<a><b/></a>'::text",
            "'<a>'::text",
            "'//b'::text",
            "'/a['::text",
            "'a.b.c'::text",
            "'(1,2)'::text",
            "'{1,2}'::text",
            "'00112233445566778899aabbccddeeff'::text",
        ],
    ),
    ("character varying", &["''::varchar", "'\u{1f600}'::varchar", "repeat('x', 3000)::varchar"]),
    ("character", &["''::bpchar", "'a  '::bpchar", "'\u{1f600}'::bpchar"]),
    ("\"char\"", &["''::\"char\"", "'\\377'::\"char\""]),
    ("name", &["''::name", "repeat('x', 63)::name"]),
    ("cstring", &["''::cstring", "'\u{1f600}'::cstring"]),
    (
        "bytea",
        &[
            "'\\x00'::bytea",
            "'\\xff'::bytea",
            "decode(repeat('00', 3000), 'hex')",
            "decode(repeat('ff', 100000), 'hex')",
        ],
    ),
    (
        "date",
        &["'infinity'::date", "'-infinity'::date", "'4713-01-01 BC'::date", "'5874897-12-31'::date", "'epoch'::date"],
    ),
    ("time without time zone", &["'00:00'::time", "'24:00'::time"]),
    ("time with time zone", &["'24:00+15:59'::timetz", "'00:00-15:59'::timetz"]),
    ("timestamp without time zone", &["'infinity'::timestamp", "'4713-01-01 BC'::timestamp", "'epoch'::timestamp"]),
    (
        "timestamp with time zone",
        &["'-infinity'::timestamptz", "'294276-12-31+00'::timestamptz", "'epoch'::timestamptz"],
    ),
    ("interval", &["'0'::interval", "'-1 day'::interval", "'178000000 years'::interval", "'1 month 1 us'::interval"]),
    ("uuid", &["repeat('0', 32)::uuid", "repeat('f', 32)::uuid"]),
    (
        "json",
        &[
            "'{}'::json",
            "'[]'::json",
            "'null'::json",
            "'\"\"'::json",
            "(repeat('[', 100) || repeat(']', 100))::json",
            "'{\"a\": {\"b\": [1, null, \"\u{1f600}\"]}}'::json",
        ],
    ),
    (
        "jsonb",
        &[
            "'{}'::jsonb",
            "'[]'::jsonb",
            "'null'::jsonb",
            "'\"\"'::jsonb",
            "'1e100'::jsonb",
            "(repeat('[', 100) || repeat(']', 100))::jsonb",
            "'{\"a\": {\"b\": [1, null, \"\u{1f600}\"]}}'::jsonb",
            "(SELECT jsonb_object_agg(i, repeat('x', 100)) FROM generate_series(1, 100) i)",
        ],
    ),
    ("jsonpath", &["'strict $[*] ? (@ > 1)'::jsonpath"]),
    ("xml", &["''::xml", "'<a x=\"1\"><b/>\u{1f600}</a>'::xml"]),
    ("inet", &["'0.0.0.0/0'::inet", "'ffff::/128'::inet"]),
    ("cidr", &["'0.0.0.0/0'::cidr", "'::/0'::cidr"]),
    ("macaddr", &["'00:00:00:00:00:00'::macaddr"]),
    ("bit", &["'0'::bit(1)", "repeat('1', 1000)::bit(1000)"]),
    ("bit varying", &["''::varbit", "repeat('10', 3000)::varbit"]),
    ("point", &["'(0,0)'::point", "'(NaN,Infinity)'::point"]),
    ("lseg", &["'[(0,0),(0,0)]'::lseg"]),
    ("box", &["'(0,0),(0,0)'::box"]),
    ("path", &["'((0,0))'::path"]),
    ("polygon", &["'((0,0))'::polygon"]),
    ("circle", &["'<(0,0),0>'::circle"]),
    ("tsvector", &["''::tsvector", "'a:1A,2B b:3'::tsvector"]),
    ("tsquery", &["''::tsquery", "'!a <-> (b | c:*)'::tsquery"]),
    ("oid", &["0::oid", "4294967295::oid"]),
    ("regclass", &["0::regclass", "4294967295::oid::regclass"]),
    ("regtype", &["0::regtype", "4294967295::oid::regtype"]),
    ("regproc", &["0::regproc"]),
    ("regprocedure", &["0::regprocedure"]),
    ("regrole", &["0::regrole"]),
    ("regnamespace", &["0::regnamespace"]),
    ("regconfig", &["'english'::regconfig"]),
    ("regdictionary", &["0::regdictionary"]),
    ("tid", &["'(4294967295,65535)'::tid"]),
    ("xid", &["'0'::xid"]),
    ("pg_lsn", &["'0/0'::pg_lsn"]),
    ("oidvector", &["''::oidvector"]),
    ("int2vector", &["''::int2vector"]),
    ("int4range", &["'empty'::int4range", "int4range(NULL, NULL)", "int4range(NULL, 5)", "int4range(5, NULL)"]),
    ("int8range", &["'empty'::int8range", "int8range(NULL, NULL)"]),
    ("numrange", &["'empty'::numrange", "numrange(NULL, 'Infinity')"]),
    ("tsrange", &["'empty'::tsrange", "tsrange(NULL, 'infinity')"]),
    ("tstzrange", &["'empty'::tstzrange", "tstzrange(NULL, NULL)"]),
    ("daterange", &["'empty'::daterange", "daterange(NULL, NULL)"]),
    ("int4multirange", &["'{}'::int4multirange", "'{(,)}'::int4multirange"]),
    ("record", &["ROW()", "ROW(NULL, NULL)"]),
    ("\"any\"", &["NULL::integer", "ARRAY[1, 2]", "1.5::numeric", "ROW(1, 'a')", "true"]),
    ("anyarray", &["ARRAY[3, 1, 2]"]),
    ("anyrange", &["int4range(1, 10)"]),
];

/// Values of a type of PostgreSQL's own, the usual ones first; nothing for another one.
pub(super) fn of(type_name: &str) -> Vec<String> {
    let extremes = VALUES.iter().filter(|(known, _)| *known == type_name).flat_map(|(_, values)| *values);
    literals::of(type_name).iter().chain(extremes).map(|&value| value.to_owned()).collect()
}

/// Arrays of that type, by values of its elements.
pub(super) fn arrays(type_name: &str, elements: &[String]) -> Vec<String> {
    let Some(first) = elements.first() else { return vec![format!("'{{}}'::{type_name}")] };
    let last = elements.last().unwrap_or(first);
    let some = elements.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ");
    vec![
        format!("ARRAY[{some}]::{type_name}"),
        format!("'{{}}'::{type_name}"),
        format!("ARRAY[NULL]::{type_name}"),
        format!("ARRAY[{first}, NULL, {last}]::{type_name}"),
        format!("ARRAY[{first}]::{type_name}"),
        format!("ARRAY[[{first}, {last}], [{last}, {first}]]::{type_name}"),
        format!("array_fill({first}, ARRAY[2], ARRAY[-5])::{type_name}"),
        format!("array_fill({first}, ARRAY[1000])::{type_name}"),
        format!("array_fill({first}, ARRAY[2, 2, 2])::{type_name}"),
    ]
}

/// What a text becomes by one stroke: what a type's input function was not written for, or only almost.
pub(super) fn mutated(text: &str, random: &mut fastrand::Rng) -> String {
    const STROKES: &[&str] = &[
        "",
        "0",
        "-1",
        "9999999999",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "\\",
        " ",
        "NaN",
        "\u{1f600}",
        "e9",
        ".",
    ];
    let characters: Vec<char> = text.chars().collect();
    let at = random.usize(0..=characters.len());
    let stroke = STROKES[random.usize(0..STROKES.len())];
    let (before, behind): (String, String) = (characters[..at].iter().collect(), characters[at..].iter().collect());
    match random.u8(0..5) {
        // Something in between, or in place of a character, or of the rest; the text cut off, or twice.
        0 => format!("{before}{stroke}{behind}"),
        1 => format!("{before}{stroke}{}", behind.chars().skip(1).collect::<String>()),
        2 => format!("{before}{stroke}"),
        3 => behind,
        _ => format!("{text}{stroke}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_are_named_once_and_have_a_value() {
        for (at, (name, values)) in VALUES.iter().enumerate() {
            assert!(VALUES[..at].iter().all(|(other, _)| other != name) && !values.is_empty(), "{name}");
            assert!(!literals::of(name).iter().any(|usual| values.contains(usual)), "{name}");
        }
        assert!(of("vector").is_empty());
    }

    #[test]
    fn arrays_have_nulls_and_dimensions() {
        let arrays = arrays("integer[]", &["1".to_owned(), "2".to_owned()]);
        for expected in ["ARRAY[1, 2]::integer[]", "'{}'::integer[]", "ARRAY[[1, 2], [2, 1]]::integer[]"] {
            assert!(arrays.iter().any(|array| array == expected), "{expected}");
        }
    }

    proptest! {
        #[test]
        fn a_seed_says_what_comes_of_a_text(text in ".{0,12}", seed: u64) {
            let once = mutated(&text, &mut fastrand::Rng::with_seed(seed));
            prop_assert_eq!(once, mutated(&text, &mut fastrand::Rng::with_seed(seed)));
        }
    }
}
