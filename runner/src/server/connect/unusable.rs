//! Why a connection string, or what it refers to, cannot be used.

/// Why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Unusable {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Unusable { reason: reason.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Unusable { hint: Some(hint.into()), ..self }
    }
}
