//! Bad accesses that the guard has noted.

use memcheck_core::finding::sort;
use memcheck_core::{Finding, room};

use super::Session;
use crate::wrap;

impl Session {
    /// Looks at all that is guarded, and gives back what is kept: contexts hold what they would hold without a guard then.
    pub(super) fn look_at_guarded(&mut self) {
        if wrap::is_on() {
            wrap::with(|chain| chain.guard.check());
            wrap::empty_guard();
        }
    }

    /// Takes what has been noted since it was last taken.
    pub(super) fn take_accesses(&mut self) -> Vec<Finding> {
        self.look_at_guarded();
        let taken = wrap::with(|chain| {
            let found = chain.guard.accesses.findings(&chain.places());
            chain.guard.accesses.clear();
            found
        });
        taken.unwrap_or_default()
    }

    /// Adds what has been noted to what else was found.
    pub(super) fn add_accesses(&mut self, found: &mut Vec<Finding>) {
        self.collect_from_workers();
        self.add_overruns(found);
        let mut taken = self.take_accesses();
        let of_workers = self.take_accesses_of_workers();
        // A worker that came through its fault has told of it itself, with more.
        let place = |finding: &Finding| finding.site.as_ref().map(|site| site.frame.offset);
        found.retain(|fault| {
            let is_it = |other: &Finding| other.is_about_the_same(fault) && place(other) == place(fault);
            fault.access.is_none() || !of_workers.iter().any(is_it)
        });
        if room::make(&mut taken, of_workers.len()) {
            taken.extend(of_workers);
        }
        if room::make(found, taken.len()) {
            found.extend(taken);
        }
        sort(found);
    }

    /// Reports to the ring what was noted outside of windows, where a statement ends; in an observed session it is the statement's.
    pub(super) fn report_accesses(&mut self) {
        if self.window.is_none() && wrap::with(|chain| chain.guard.accesses.are_there()).unwrap_or(false) {
            let taken = self.take_accesses();
            if self.observed.is_some() {
                self.observed_has(taken);
            } else {
                super::report(&taken);
            }
        }
    }
}
