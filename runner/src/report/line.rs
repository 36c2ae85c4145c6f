//! A line of a report, and what it is.

/// What a line is, for those who color it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Says what is wrong.
    Headline,
    /// Says more.
    Plain,
    /// A source line or its carets.
    Source,
    /// A recorded row that was not found.
    Missing,
    /// A row that is not recorded.
    Unexpected,
    /// Says what is known and allowed.
    Allowed,
    /// Where something was allocated.
    Origin,
    /// What to do about it.
    Hint,
}

/// A line of text, indented, without newline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// What it is.
    pub tone: Tone,
    /// The text.
    pub text: String,
}

impl Line {
    pub(super) fn new(tone: Tone, indent: usize, text: impl AsRef<str>) -> Self {
        Line { tone, text: format!("{:indent$}{}", "", text.as_ref()) }
    }
}
