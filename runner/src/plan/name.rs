//! What cases are called: the spec, and the values of its matrices. Goldens and results are files of these names, which have
//! to stay what they are while the spec does.

use std::collections::BTreeMap;

use crate::language::ast::Matrix;

/// One combination of matrix values: `[dims=3,k=10]` in a case's name.
pub(super) type Cell = Vec<(String, String)>;

/// Bytes of the last part of a name, which leave room for what files add to it: a version, a suffix.
const LONGEST: usize = 240;

/// The names of a spec's cases.
pub(super) struct Names<'a> {
    spec: &'a str,
    /// For each matrix its values by how they are written; none where several are written in the same way.
    written: Vec<BTreeMap<String, Option<&'a str>>>,
}

impl<'a> Names<'a> {
    /// Those of a spec with these matrices.
    pub(super) fn new(spec: &'a str, matrices: &'a [Matrix]) -> Self {
        let written_of = |matrix: &'a Matrix| {
            let mut written = BTreeMap::new();
            for value in matrix.values.iter().map(|value| value.value.as_str()) {
                let only = written.entry(written_alike(value)).or_insert(Some(value));
                *only = only.filter(|other| *other == value);
            }
            written
        };
        Names { spec, written: matrices.iter().map(written_of).collect() }
    }

    /// That of one of them: `sub/knn[dims=3,op=_]`.
    pub(super) fn of(&self, cell: &Cell) -> String {
        let spec = self.spec;
        if cell.is_empty() {
            return spec.to_owned();
        }
        let pairs = self.written.iter().zip(cell);
        let pairs: Vec<String> =
            pairs.map(|(written, (name, value))| format!("{name}={}", distinct(value, written))).collect();
        let whole = format!("{spec}[{}]", pairs.join(","));
        let start = whole[..spec.len()].rfind('/').map_or(0, |slash| slash + 1);
        if whole.len() - start <= LONGEST {
            return whole;
        }
        let end = format!("~{:016x}]", hash(&whole));
        let kept = whole.floor_char_boundary(start + LONGEST - end.len());
        format!("{}{end}", &whole[..kept])
    }
}

/// What values have in common that are written in the same way, also where the file system does not tell letters by their case.
fn written_alike(value: &str) -> String {
    plain(value).to_lowercase()
}

/// A value as part of a file's name. Where another one would be written in the same way, what makes it so is written as URLs have it.
fn distinct(value: &str, written: &BTreeMap<String, Option<&str>>) -> String {
    let is_doubtful = written.get(&written_alike(value)).is_some_and(|only| *only != Some(value));
    let is_itself = plain(value) == value && !value.chars().any(char::is_uppercase);
    match is_doubtful && !is_itself {
        true => value
            .chars()
            .map(|c| if is_plain(c) && !c.is_uppercase() || c == '_' { c.into() } else { coded(c) })
            .collect(),
        false => plain(value),
    }
}

/// What is not a letter, digit, `-`, `+` or `.` becomes `_`.
fn plain(value: &str) -> String {
    value.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// A character by its bytes, as URLs have it.
fn coded(c: char) -> String {
    c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-+.".contains(c)
}

/// FNV-1a, whose value is the same everywhere and for ever.
pub fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, step)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::language::ast::Spanned;

    fn spanned(value: &str) -> Spanned<String> {
        Spanned { value: value.to_owned(), span: 0..0 }
    }

    fn names(spec: &str, values: &[&str]) -> Vec<String> {
        let matrix = Matrix { name: spanned("v"), values: values.iter().map(|value| spanned(value)).collect() };
        let names = Names::new(spec, std::slice::from_ref(&matrix));
        let of = |value: &&str| names.of(&vec![("v".to_owned(), (*value).to_owned())]);
        values.iter().map(of).collect()
    }

    #[test]
    fn what_was_distinct_has_the_name_it_had() {
        let table: &[(&[&str], &[&str])] = &[
            (&["3", "128", "0.5", "-1", "1e+3"], &["3", "128", "0.5", "-1", "1e+3"]),
            (&["a b", "ab", "a/b c"], &["a_b", "ab", "a_b_c"]),
            (&["<", "<>"], &["_", "__"]),
            (&["", "x"], &["", "x"]),
            (&["ü", "Größe"], &["ü", "Größe"]),
        ];
        for (values, expected) in table {
            let expected: Vec<String> = expected.iter().map(|value| format!("knn[v={value}]")).collect();
            assert_eq!(names("knn", values), expected);
        }
    }

    #[test]
    fn values_that_would_be_written_alike_are_told_apart() {
        let table: &[(&[&str], &[&str])] = &[
            (&["<", ">"], &["%3C", "%3E"]),
            (&["<", ">", "<=", ">=", "="], &["%3C", "%3E", "%3C%3D", "%3E%3D", "%3D"]),
            (&["a_b", "a b", "a,b", "c d"], &["a_b", "a%20b", "a%2Cb", "c_d"]),
            // Not by their case alone.
            (&["l2", "L2"], &["l2", "%4C2"]),
            (&["A", "b"], &["A", "b"]),
            (&["%3C", "<3C", "_3C"], &["%253%43", "%3C3%43", "_3%43"]),
            (&["/", "\\", "\n"], &["%2F", "%5C", "%0A"]),
        ];
        for (values, expected) in table {
            let expected: Vec<String> = expected.iter().map(|value| format!("knn[v={value}]")).collect();
            assert_eq!(names("knn", values), expected);
        }
    }

    #[test]
    fn names_of_files_are_of_a_length_that_file_systems_take() {
        let long = ["x".repeat(300), format!("{}y", "x".repeat(300)), "ü".repeat(200)];
        let names = names("sub/knn", &long.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3);
        for name in &names {
            assert!(name.len() <= "sub/".len() + LONGEST && name.ends_with(']'), "{name}");
        }
    }

    #[test]
    fn any_two_values_have_two_names() {
        // What is close to each other: every text of up to three of these.
        let parts = ["", "a", "A", "_", " ", "%", "%20", "<", "."];
        let mut values: BTreeSet<String> = BTreeSet::new();
        for one in parts {
            for two in parts {
                values.extend(parts.iter().map(|three| format!("{one}{two}{three}")));
            }
        }
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let names: BTreeSet<String> = names("x", &values).iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(names.len(), values.len());
    }
}
