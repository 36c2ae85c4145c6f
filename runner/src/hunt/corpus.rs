//! What a hunt keeps for the next one, in a file: how far it has come, arguments that led to something new, and the bugs that are
//! known.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{atomic, bounded};

/// The version of what is written. Another one is read as nothing.
const VERSION: u32 = 1;

/// How large a file is believed, in bytes.
const LARGEST: u64 = 64 << 20;

/// How many lists of arguments are kept of a subject.
const LISTS: usize = 24;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    version: u32,
    /// By what is called.
    pub subjects: BTreeMap<String, Kept>,
    /// Bugs that were written down.
    pub bugs: Vec<Known>,
}

/// What is kept of a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many lists of arguments it was called with.
    pub tried: usize,
    /// Those that led to something new, by behaviour.
    pub lists: BTreeMap<String, Vec<String>>,
}

/// A bug that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its kind.
    pub kind: String,
    /// Where it is.
    pub place: String,
    /// The spec that shows it.
    pub spec: String,
}

impl Corpus {
    /// What the last hunt has kept; nothing where there was none, or it was one of another version.
    ///
    /// # Errors
    ///
    /// Why what is there cannot be read.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = match bounded::text(file, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Corpus::default()),
            Err(error) => return Err(error),
        };
        let corpus: Corpus = serde_json::from_str(&text).map_err(io::Error::other)?;
        Ok(if corpus.version == VERSION { corpus } else { Corpus::default() })
    }

    /// Writes it for the next one.
    ///
    /// # Errors
    ///
    /// Why it cannot be written.
    pub fn write(&mut self, file: &Path) -> io::Result<()> {
        self.version = VERSION;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        atomic::write_below(file, (text + "\n").as_bytes())
    }

    /// Keeps arguments that led to something new.
    pub fn keep(&mut self, what: &str, behaviour: &str, values: &[String]) {
        let kept = self.subjects.entry(what.to_owned()).or_default();
        if kept.lists.len() < LISTS && !kept.lists.contains_key(behaviour) {
            kept.lists.insert(behaviour.to_owned(), values.to_vec());
        }
    }

    /// Drops arguments that tell nothing that others do not: the same ones once more, and those whose answers are neither the shortest
    /// nor the longest of their kind.
    pub fn shrink(&mut self) {
        for kept in self.subjects.values_mut() {
            let mut known = BTreeSet::new();
            kept.lists.retain(|_, list| known.insert(list.clone()));
            // An answer is known by its rows, its size and whether it is NULL.
            let answer = |behaviour: &str| {
                let words: Vec<&str> = behaviour.split(' ').collect();
                let [rows, size, is_null] = words.as_slice() else { return None };
                Some((format!("{rows} {is_null}"), size.parse::<u32>().ok()?))
            };
            let mut sizes: BTreeMap<String, (u32, u32)> = BTreeMap::new();
            for (kind, size) in kept.lists.keys().filter_map(|behaviour| answer(behaviour)) {
                let (least, most) = sizes.entry(kind).or_insert((size, size));
                (*least, *most) = ((*least).min(size), (*most).max(size));
            }
            kept.lists.retain(|behaviour, _| match answer(behaviour) {
                Some((kind, size)) => sizes.get(&kind).is_none_or(|(least, most)| size == *least || size == *most),
                None => true,
            });
        }
    }

    /// The arguments that are kept of a subject.
    pub fn lists(&self, what: &str) -> impl Iterator<Item = &Vec<String>> {
        self.subjects.get(what).into_iter().flat_map(|kept| kept.lists.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_tell_is_dropped() {
        let mut corpus = Corpus::default();
        for (behaviour, value) in [
            ("1 0 false", "a"),
            ("1 3 false", "b"),
            ("1 7 false", "c"),
            ("1 0 true", "d"),
            ("22023 no", "e"),
            ("sites 4", "a"),
            ("sites 9", "f"),
        ] {
            corpus.keep("f", behaviour, &[value.to_owned()]);
        }
        corpus.shrink();
        let left: Vec<&str> = corpus.lists("f").map(|list| list[0].as_str()).collect();
        assert_eq!(left, ["a", "d", "c", "e", "f"]);
    }

    #[test]
    fn what_is_kept_is_there_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("hunt/x.json");
        assert_eq!(Corpus::read(&file).expect("nothing yet"), Corpus::default());
        let mut corpus = Corpus::default();
        corpus.keep("f(integer)", "one", &["1".to_owned()]);
        corpus.keep("f(integer)", "one", &["2".to_owned()]);
        corpus.bugs.push(Known { kind: "crash".to_owned(), place: "f".to_owned(), spec: "x_f_crash".to_owned() });
        corpus.write(&file).expect("written");
        let again = Corpus::read(&file).expect("read");
        assert_eq!(again, corpus);
        assert_eq!(again.lists("f(integer)").collect::<Vec<_>>(), [&vec!["1".to_owned()]]);
        std::fs::write(&file, "{\"version\": 999, \"subjects\": {}, \"bugs\": []}").expect("written");
        assert_eq!(Corpus::read(&file).expect("of another version"), Corpus::default());
        std::fs::write(&file, "{").expect("written");
        assert!(Corpus::read(&file).is_err());
    }
}
