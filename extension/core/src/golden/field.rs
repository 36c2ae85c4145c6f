//! A field of a row that cannot be read.

/// A line that is not a row, with the field that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// The number of `|`-separated fields is not six.
    #[error("expected 6 fields separated by \"|\", found {0}")]
    Fields(usize),
    /// A field holds something else than it should.
    #[error("invalid {field} \"{text}\"")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it holds.
        text: String,
    },
}
