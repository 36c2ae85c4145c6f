//! Writes past the end of segments of shared memory, by whichever process.

use memcheck_core::judge::Rules;
use memcheck_core::overrun::{LockBeyond, with_older};
use memcheck_core::targets::Library;
use memcheck_core::{CheckKind, Finding, room};

use super::Session;
use crate::guc;
use crate::shmem::canaries;
use crate::wrap::{self, tranches};

/// From where on they count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    /// What nobody had found before, and was there when this was begun.
    older: (u64, u64),
    /// How often this process had used a lock behind those of a tranche.
    locks: u64,
}

impl Since {
    /// From now on. Looks at all segments.
    pub(crate) fn now() -> Self {
        let found = canaries::look();
        Since { older: (found.start, found.end), locks: tranches::uses() }
    }

    /// What there is. Looks at all segments.
    pub(crate) fn findings(self, rules: &Rules) -> Vec<Finding> {
        canaries::look();
        if rules.without.contains(&CheckKind::ShmemOverrun) {
            return Vec::new();
        }
        let (begun, end) = self.older;
        let new = canaries::found(end..u64::MAX);
        let older = canaries::found(begun..end);
        let targets = guc::targets();
        let is_wanted = |name: &str| name.is_empty() || targets.include(Library { name, is_module: true });
        let mut findings = Vec::new();
        for overrun in with_older(new, older) {
            // A byte that was named is asked for, whosever it is.
            if overrun.changed.is_none() || is_wanted(&overrun.library) {
                room::push(&mut findings, Finding::from(overrun));
            }
        }
        for beyond in tranches::beyond(self.locks) {
            let at = wrap::with(|chain| chain.places().of(beyond.origin));
            let tranches::Beyond { tranche, locks, number, times, .. } = beyond;
            let found = LockBeyond { tranche, locks: locks as u64, number: number as u64, at, times };
            let finding = Finding::from(found);
            if is_wanted(&finding.source_lib) {
                room::push(&mut findings, finding);
            }
        }
        findings
    }

    /// How much of it is not kept.
    pub(super) fn lost(self) -> u64 {
        canaries::lost_since(self.older.1)
    }
}

/// Adds them to what was found already: those that somebody else has told of are not told again.
pub(crate) fn add(found: &mut Vec<Finding>, overruns: Vec<Finding>) {
    for overrun in overruns {
        if !found.iter().any(|known| known.is_about_the_same(&overrun)) {
            room::push(found, overrun);
        }
    }
}

impl Session {
    /// Adds those of the open window.
    pub(super) fn add_overruns(&mut self, found: &mut Vec<Finding>) {
        if let Some(window) = &self.window {
            add(found, window.overruns.findings(&window.terms.rules));
        }
    }
}
