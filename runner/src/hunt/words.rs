//! Words in a library: what options are called that nothing else names.

use std::collections::BTreeSet;
use std::path::Path;

use object::{Object, ObjectSection};

use crate::bounded;
use crate::init::trial::Trial;

/// How large a library is looked at, in bytes, and how many words of it are kept.
const LARGEST: u64 = 64 << 20;
const MOST: usize = 300;

/// The section in which compilers put literals; others have names of what is linked and of what a debugger shows.
const LITERALS: &str = ".rodata";

/// The texts in a library that may be names of options, in the order in which they stand there.
pub fn of_library(file: &Path) -> Vec<String> {
    let Ok(bytes) = bounded::bytes(file, LARGEST) else { return Vec::new() };
    let section =
        object::File::parse(bytes.as_slice()).ok().and_then(|file| file.section_by_name(LITERALS)?.data().ok());
    section.map(words).unwrap_or_default()
}

fn words(bytes: &[u8]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_name =
        |text: &&[u8]| (2..=40).contains(&text.len()) && text[0].is_ascii_alphabetic() && text.iter().all(is_inner);
    let texts = bytes.split(|&byte| byte == 0).filter(is_name).filter_map(|text| std::str::from_utf8(text).ok());
    texts.filter(|text| known.insert(text.to_string())).take(MOST).map(str::to_owned).collect()
}

/// What is no option of anything.
pub const NO_OPTION: &str = "mcspec_nosuch";

/// How many options are kept.
const OPTIONS: usize = 24;

/// Those of the words with which a statement works, each with the first of the values that it takes; none of them where any word will
/// do.
pub fn that_work(
    trial: &mut Trial,
    words: &[String],
    values: &[&str],
    statements: impl Fn(&str, &str) -> Vec<String>,
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for value in values {
        if !trial.those_that_work(&[statements(NO_OPTION, value)], 1).0.is_empty() {
            return Vec::new();
        }
        let left: Vec<&String> = words.iter().filter(|word| !found.iter().any(|(known, _)| known == *word)).collect();
        let tries: Vec<Vec<String>> = left.iter().map(|word| statements(word, value)).collect();
        let (working, _) = trial.those_that_work(&tries, tries.len());
        found.extend(working.into_iter().map(|(position, _)| (left[position].clone(), (*value).to_owned())));
    }
    found.truncate(OPTIONS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_among_the_words_of_a_library() {
        let bytes = b"\x7fELF\0include-xids\0\0x\0option \"%s\" is unknown\0include-xids\0only_local\0\xff\xfe\0";
        assert_eq!(words(bytes), ["include-xids", "only_local"]);
    }
}
