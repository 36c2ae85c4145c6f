//! The text of a spec file and places in it.

use std::io;
use std::path::{Path, PathBuf};

use crate::bounded;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFile {
    /// The path as the user wrote it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// Reads a file. Text that is not UTF-8 is an error of kind `InvalidData`.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path, bounded::text(path, bounded::SPEC)?))
    }

    /// Takes text that did not come from a file, or that was read before.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        SourceFile { path: path.into(), text: text.into() }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// A line by its number from 1, without its end; empty where there is none.
    pub fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|index| self.text.lines().nth(index)).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = SourceFile::new("x", "ab\nç d\r\n\ne");
        let table = [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (2, 1)), (5, (2, 2)), (9, (3, 1)), (10, (4, 1))];
        for (offset, place) in table {
            assert_eq!(source.line_column(offset), place, "{offset}");
        }
        assert_eq!(source.line_column(99), (4, 2));
        assert_eq!([source.line(0), source.line(2), source.line(3), source.line(9)], ["", "ç d", "", ""]);
    }
}
