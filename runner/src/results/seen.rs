//! What a scenario or permutation came to.

use memcheck_core::golden::row::Observed;

/// What a scenario or permutation came to, in the form in which it is recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// The clause.
    pub title: String,
    /// What happened; nothing for a scenario.
    pub trace: Vec<String>,
    /// The violations.
    pub rows: Vec<Observed>,
}
