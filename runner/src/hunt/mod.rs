//! Memory bugs that nobody has asked about: everything that an extension has is called, with values at which code goes wrong, in every
//! way in which memory is lost; what is found is borne out, and becomes a spec.

mod boundary;
pub mod corpus;
mod excerpt;
pub mod found;
pub mod hunter;
pub mod languages;
pub mod members;
pub mod pool;
pub mod proof;
pub mod quarry;
pub mod record;
pub mod script;
pub mod shape;
pub mod subject;
pub mod types;
pub mod writing;

#[cfg(test)]
pub(crate) use crate::init::literals::quoted;

/// Expressions that are smaller than a literal: half of its text, each half.
fn smaller(value: &str) -> Vec<String> {
    let Some(rest) = value.strip_prefix('\'') else { return Vec::new() };
    let Some(end) = rest.rfind('\'') else { return Vec::new() };
    let (text, behind) = (&rest[..end], &rest[end..]);
    if text.contains(['\'', '\\']) {
        return Vec::new();
    }
    let characters: Vec<char> = text.chars().collect();
    let half = characters.len() / 2;
    let halves = [&characters[..half], &characters[half..]];
    let shorter = halves.into_iter().filter(|half| half.len() < characters.len());
    shorter.map(|half| format!("'{}{behind}", half.iter().collect::<String>())).collect()
}

#[cfg(test)]
mod tests {
    use super::smaller;

    #[test]
    fn a_literal_has_halves() {
        let table: [(&str, &[&str]); 5] = [
            ("'abcd'::text", &["'ab'::text", "'cd'::text"]),
            ("'a'::text", &["''::text"]),
            ("''::text", &[]),
            ("42", &[]),
            ("'it''s'", &[]),
        ];
        for (value, expected) in table {
            assert_eq!(smaller(value), expected, "{value}");
        }
    }
}
