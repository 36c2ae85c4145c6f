//! Bad accesses that the guard has noted.

use memcheck_core::finding::sort;
use memcheck_core::{Finding, room};

use super::Session;
use crate::wrap;

impl Session {
    /// Takes what has been noted since it was last taken.
    pub(super) fn take_accesses(&mut self) -> Vec<Finding> {
        let taken = wrap::with(|chain| {
            let found = chain.guard.accesses.findings(&chain.places());
            chain.guard.accesses.clear();
            found
        });
        taken.unwrap_or_default()
    }

    /// Adds what has been noted to what else was found.
    pub(super) fn add_accesses(&mut self, found: &mut Vec<Finding>) {
        let taken = self.take_accesses();
        if !taken.is_empty() && room::make(found, taken.len()) {
            found.extend(taken);
            sort(found);
        }
    }

    /// Reports to the ring what was noted outside of windows, where a statement ends.
    pub(super) fn report_accesses(&mut self) {
        if self.window.is_none() && wrap::with(|chain| chain.guard.accesses.are_there()).unwrap_or(false) {
            super::report(&self.take_accesses());
        }
    }
}
