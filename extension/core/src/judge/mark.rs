//! What is known at one moment of a window.

use crate::census::Census;

/// A checkpoint of a window.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// Iterations done.
    pub iteration: u64,
    /// The tree at that moment.
    pub census: Census,
    /// What statements had left behind below MessageContext when they ended, summed since the window was opened. It is gone
    /// with the next message, so no later census shows it.
    pub leftovers: Census,
    /// How often each [`crate::Event`] had happened, by its place in the list of all; shorter than that where it had not yet.
    pub events: Vec<u64>,
    /// How often this backend had called functions of the targets.
    pub calls: u64,
}

impl Mark {
    /// Whether all is known of that moment that was to be.
    pub fn is_whole(&self) -> bool {
        self.census.is_whole() && self.leftovers.is_whole()
    }
}
