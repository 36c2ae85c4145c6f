//! Values of PostgreSQL's own types, as expressions.

/// For each type, as `format_type` names it, values that differ from each other, the most usual first.
const VALUES: &[(&str, &[&str])] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["2::smallint", "7::smallint"]),
    ("integer", &["1", "10", "100"]),
    ("bigint", &["1::bigint", "100::bigint"]),
    ("numeric", &["1.5::numeric", "42::numeric"]),
    ("real", &["0.5::real", "2::real"]),
    ("double precision", &["0.5::double precision", "2::double precision"]),
    ("money", &["'1.00'::money"]),
    ("text", &["'abc'::text", "'1'::text", "'pg_class'::text"]),
    ("character varying", &["'abc'::varchar", "'1'::varchar"]),
    ("character", &["'abc'::bpchar"]),
    ("\"char\"", &["'a'::\"char\""]),
    ("name", &["'pg_class'::name", "'abc'::name"]),
    ("cstring", &["'abc'::cstring", "'1'::cstring"]),
    ("bytea", &["'\\x01020304'::bytea", "'\\x'::bytea"]),
    ("date", &["'2024-02-29'::date", "'2025-01-01'::date"]),
    ("time without time zone", &["'12:34:56'::time"]),
    ("time with time zone", &["'12:34:56+00'::timetz"]),
    ("timestamp without time zone", &["'2024-02-29 12:34:56'::timestamp", "'2025-01-01'::timestamp"]),
    ("timestamp with time zone", &["'2024-02-29 12:34:56+00'::timestamptz", "'2025-01-01+00'::timestamptz"]),
    ("interval", &["'1 hour'::interval", "'1 day'::interval"]),
    ("uuid", &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"]),
    ("json", &["'{\"a\": 1}'::json", "'[1, 2]'::json"]),
    ("jsonb", &["'{\"a\": 1}'::jsonb", "'[1, 2]'::jsonb"]),
    ("jsonpath", &["'$.a'::jsonpath"]),
    ("xml", &["'<a>1</a>'::xml"]),
    ("inet", &["'192.168.0.1/24'::inet", "'::1'::inet"]),
    ("cidr", &["'192.168.0.0/24'::cidr"]),
    ("macaddr", &["'08:00:2b:01:02:03'::macaddr"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'::macaddr8"]),
    ("bit", &["'1010'::bit(4)"]),
    ("bit varying", &["'1010'::varbit"]),
    ("point", &["'(1,2)'::point", "'(3,4)'::point"]),
    ("line", &["'{1,2,3}'::line"]),
    ("lseg", &["'[(0,0),(1,1)]'::lseg"]),
    ("box", &["'(1,1),(0,0)'::box"]),
    ("path", &["'[(0,0),(1,1)]'::path"]),
    ("polygon", &["'((0,0),(0,1),(1,1))'::polygon"]),
    ("circle", &["'<(0,0),1>'::circle"]),
    ("tsvector", &["'a fat cat'::tsvector"]),
    ("tsquery", &["'fat & cat'::tsquery"]),
    ("oid", &["'pg_class'::regclass::oid", "1::oid"]),
    ("regclass", &["'pg_class'::regclass", "'pg_class_oid_index'::regclass"]),
    ("regtype", &["'integer'::regtype"]),
    ("regproc", &["'pg_typeof'::regproc"]),
    ("regprocedure", &["'now()'::regprocedure"]),
    ("regoper", &["'||/'::regoper"]),
    ("regoperator", &["'+(integer,integer)'::regoperator"]),
    ("regrole", &["current_user::regrole"]),
    ("regnamespace", &["'public'::regnamespace"]),
    ("regconfig", &["'simple'::regconfig"]),
    ("regdictionary", &["'simple'::regdictionary"]),
    ("regcollation", &["'\"C\"'::regcollation"]),
    ("tid", &["'(0,1)'::tid"]),
    ("xid", &["'3'::xid"]),
    ("xid8", &["'3'::xid8"]),
    ("cid", &["'0'::cid"]),
    ("pg_lsn", &["'0/1000000'::pg_lsn"]),
    ("oidvector", &["'1 2'::oidvector"]),
    ("int2vector", &["'1 2'::int2vector"]),
    ("int4range", &["int4range(1, 10)"]),
    ("int8range", &["int8range(1, 10)"]),
    ("numrange", &["numrange(1, 10)"]),
    ("tsrange", &["tsrange('2024-01-01', '2025-01-01')"]),
    ("tstzrange", &["tstzrange('2024-01-01+00', '2025-01-01+00')"]),
    ("daterange", &["daterange('2024-01-01', '2025-01-01')"]),
    ("int4multirange", &["'{[1,5)}'::int4multirange"]),
    ("refcursor", &["'c'::refcursor"]),
    ("record", &["ROW(1, 'a'::text)"]),
    ("\"any\"", &["1", "'abc'::text"]),
];

/// Texts that types of extensions may take, the most likely first.
pub const TEXTS: &[&str] = &[
    "1",
    "abc",
    "[1,2,3]",
    "(1,2)",
    "(1,2,3)",
    "1.5",
    "{1,2,3}",
    "a=>1",
    "{\"a\": 1}",
    "a.b.c",
    "1-2",
    "12345678",
    "1010",
    "\\x0102",
    "2024-01-01",
    "192.168.0.1",
    "{}",
    "[]",
    "()",
    "0",
    "1 2 3",
    "POINT(1 2)",
    "{1:1,3:2}/5",
    "1 m",
    "1.2.3",
    "a@b.c",
    "http://a.b/c",
    "978-0-393-04002-9",
    "",
];

/// What stands for the polymorphic types of one call: values of one type, and of the types made from it.
#[derive(Debug, Clone, Copy)]
pub struct Polymorphic {
    /// `anyelement` and its like.
    element: &'static str,
    /// `anyarray`
    array: &'static str,
    /// `anyrange`
    range: &'static str,
    /// `anymultirange`
    multirange: &'static str,
}

/// Choices for those, one after the other.
pub const POLYMORPHIC: &[Polymorphic] = &[
    Polymorphic {
        element: "1",
        array: "ARRAY[3, 1, 2]",
        range: "int4range(1, 10)",
        multirange: "'{[1,5)}'::int4multirange",
    },
    Polymorphic {
        element: "2::bigint",
        array: "ARRAY[3, 1, 2]::bigint[]",
        range: "int8range(1, 10)",
        multirange: "'{[1,5)}'::int8multirange",
    },
    Polymorphic {
        element: "0.5::double precision",
        array: "ARRAY[0.5, 2]::double precision[]",
        range: "numrange(1, 10)",
        multirange: "'{[1,5)}'::nummultirange",
    },
    Polymorphic {
        element: "'abc'::text",
        array: "ARRAY['a', 'b']::text[]",
        range: "int4range(1, 10)",
        multirange: "'{[1,5)}'::int4multirange",
    },
];

impl Polymorphic {
    /// The value for a pseudo-type; none for one that is not polymorphic.
    pub fn value(&self, type_name: &str) -> Option<&'static str> {
        match type_name {
            "anyelement" | "anynonarray" | "anycompatible" | "anycompatiblenonarray" => Some(self.element),
            "anyarray" | "anycompatiblearray" => Some(self.array),
            "anyrange" | "anycompatiblerange" => Some(self.range),
            "anymultirange" | "anycompatiblemultirange" => Some(self.multirange),
            _ => None,
        }
    }
}

/// Values of a type of PostgreSQL's own; nothing for another one.
pub fn of(type_name: &str) -> &'static [&'static str] {
    VALUES.iter().find(|(known, _)| *known == type_name).map_or(&[], |(_, values)| values)
}

/// A text as a literal.
pub fn quoted(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// Combinations of choices, with so many for each place: those nearest to the first choices first, at most `most`.
pub fn combinations(choices: &[usize], most: usize) -> Vec<Vec<usize>> {
    if choices.contains(&0) {
        return Vec::new();
    }
    let mut all = vec![vec![0; choices.len()]];
    let mut next = 0;
    while next < all.len() && all.len() < most {
        for place in 0..choices.len() {
            let mut other = all[next].clone();
            other[place] += 1;
            if other[place] < choices[place] && !all.contains(&other) && all.len() < most {
                all.push(other);
            }
        }
        next += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_are_named_once_and_have_a_value() {
        for (at, (name, values)) in VALUES.iter().enumerate() {
            assert!(VALUES[..at].iter().all(|(other, _)| other != name) && !values.is_empty(), "{name}");
        }
        assert_eq!(of("integer")[0], "1");
        assert!(of("vector").is_empty());
    }

    #[test]
    fn polymorphic_types_go_together() {
        let [integers, ..] = POLYMORPHIC else { panic!("there are some") };
        for (name, value) in [("anyelement", Some("1")), ("anyarray", Some("ARRAY[3, 1, 2]")), ("integer", None)] {
            assert_eq!(integers.value(name), value, "{name}");
        }
    }

    #[test]
    fn combinations_begin_with_the_first_choices() {
        /// Choices for each place, the most combinations, and those.
        type Combined<'a> = (&'a [usize], usize, &'a [&'a [usize]]);
        let table: &[Combined] = &[
            (&[], 9, &[&[]]),
            (&[1], 9, &[&[0]]),
            (&[2, 2], 9, &[&[0, 0], &[1, 0], &[0, 1], &[1, 1]]),
            (&[3, 1], 2, &[&[0, 0], &[1, 0]]),
            (&[1, 0], 9, &[]),
        ];
        for (choices, most, expected) in table {
            assert_eq!(combinations(choices, *most), *expected, "{choices:?}");
        }
    }

    proptest! {
        #[test]
        fn combinations_are_distinct_and_in_range(choices in prop::collection::vec(0usize..4, 0..6), most in 1usize..40) {
            let all = combinations(&choices, most);
            let number: usize = choices.iter().product();
            prop_assert_eq!(all.len(), number.min(most));
            for (at, one) in all.iter().enumerate() {
                prop_assert!(!all[..at].contains(one));
                prop_assert!(one.iter().zip(&choices).all(|(choice, choices)| choice < choices));
            }
        }

        #[test]
        fn a_literal_ends_where_its_text_does(text in "[a'\\\\ ]*") {
            let literal = quoted(&text);
            let inner = literal.trim_start_matches('E');
            prop_assert!(inner.starts_with('\'') && inner.ends_with('\''));
            let inner = &inner[1..inner.len() - 1];
            prop_assert_eq!(inner.replace("''", "").matches('\'').count(), 0);
        }
    }
}
