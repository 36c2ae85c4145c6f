//! A transcript against the files it may equal: `NAME.out` and its alternatives `NAME_0.out` to `NAME_9.out`.

use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::bounded;

/// What became of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The transcript is this file, byte for byte.
    Equal(PathBuf),
    /// It is none of the files; this one is the closest.
    Differs(PathBuf),
    /// There is no file.
    Missing(PathBuf),
}

/// Compares a transcript with the files of a directory (pg_regress.c, results_differ).
///
/// # Errors
///
/// A file is there and cannot be read; the file.
pub fn compare(directory: &Path, name: &str, transcript: &str) -> Result<Compared, (PathBuf, io::Error)> {
    let base = directory.join(format!("{name}.out"));
    let alternatives = (0..=9).map(|n| directory.join(format!("{name}_{n}.out")));
    let mut closest: Option<(usize, PathBuf)> = None;
    for path in std::iter::once(base.clone()).chain(alternatives) {
        let text = match bounded::bytes(&path, bounded::RECORD) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err((path, error)),
        };
        if text == transcript {
            return Ok(Compared::Equal(path));
        }
        let distance = TextDiff::from_lines(text.as_str(), transcript)
            .iter_all_changes()
            .filter(|change| change.tag() != similar::ChangeTag::Equal)
            .count();
        if closest.as_ref().is_none_or(|(least, _)| distance < *least) {
            closest = Some((distance, path));
        }
    }
    Ok(closest.map_or(Compared::Missing(base), |(_, path)| Compared::Differs(path)))
}

/// The differences as `diff -U3` shows them.
pub fn unified(expected: &Path, result: &Path, transcript: &str) -> String {
    let text = bounded::bytes(expected, bounded::RECORD)
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .unwrap_or_default();
    let (expected, result) = (expected.display().to_string(), result.display().to_string());
    let diff = TextDiff::from_lines(text.as_str(), transcript);
    let hunks = diff.unified_diff().context_radius(3).header(&expected, &result).to_string();
    format!("diff -U3 {expected} {result}\n{hunks}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_closest_file_is_named_and_an_equal_one_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.out"), "1\n2\n3\n").unwrap();
        fs::write(path("a_1.out"), "1\n2\n4\n").unwrap();
        let compare = |name: &str, text: &str| compare(directory.path(), name, text).unwrap();
        assert_eq!(compare("a", "1\n2\n3\n"), Compared::Equal(path("a.out")));
        assert_eq!(compare("a", "1\n2\n4\n"), Compared::Equal(path("a_1.out")));
        assert_eq!(compare("a", "1\n2\n4\n5\n"), Compared::Differs(path("a_1.out")));
        assert_eq!(compare("b", ""), Compared::Missing(path("b.out")));
        let diff = unified(&path("a.out"), Path::new("r"), "1\n3\n");
        assert!(diff.ends_with("+++ r\n@@ -1,3 +1,2 @@\n 1\n-2\n 3\n"), "{diff}");
    }
}
