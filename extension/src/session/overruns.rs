//! Writes past the end of segments of shared memory, and before their start, by whichever process.
//!
//! Where this process has called a function of the targets, what lies next to the segments is looked at before and behind it: so a write
//! that is too short to hit a page that is closed has the function that it was done in.

use std::ops::Range;

use memcheck_core::judge::Rules;
use memcheck_core::overrun::{LockBeyond, Overrun, Place, with_older};
use memcheck_core::scenario::Terms;
use memcheck_core::targets::Library;
use memcheck_core::{CheckKind, Finding, ScenarioKind, room};

use super::Session;
use crate::guard::faults;
use crate::shmem::canaries;
use crate::wrap::tranches;
use crate::{guc, wrap};

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
        let mut findings = wanted(with_older(canaries::found(end..u64::MAX), canaries::found(begun..end)));
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

/// Whether that is a library whose findings are asked for.
fn is_wanted(name: &str) -> bool {
    name.is_empty() || guc::targets().include(Library { name, is_module: true })
}

/// Those that are the targets', as findings.
fn wanted(overruns: Vec<Overrun>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for overrun in overruns {
        // A byte that was named is asked for, whosever it is.
        if overrun.place == Place::Named || is_wanted(&overrun.library) {
            room::push(&mut findings, Finding::from(overrun));
        }
    }
    findings
}

/// What was found with these numbers.
pub(super) fn numbered(numbers: Range<u64>) -> Vec<Finding> {
    if numbers.is_empty() { Vec::new() } else { wanted(canaries::found(numbers)) }
}

/// The same where it was done before anybody looked.
pub(super) fn older(numbers: Range<u64>) -> Vec<Finding> {
    if numbers.is_empty() { Vec::new() } else { wanted(with_older(Vec::new(), canaries::found(numbers))) }
}

/// Adds them to what was found already: those that somebody else has told of are not told again.
pub(crate) fn add(found: &mut Vec<Finding>, overruns: Vec<Finding>) {
    let told = found.len();
    for overrun in overruns {
        if !found.iter().take(told).any(|known| known.is_about_the_same(&overrun)) {
            room::push(found, overrun);
        }
    }
}

impl Session {
    /// A call of a function of the targets begins or has ended: what was overrun since the last such moment was done by the one that
    /// was under way, if there was one.
    ///
    /// Where several work at the same time it may have been another one; then there is nothing to be told by that.
    pub(super) fn look_at_segments(&mut self, code: Option<usize>) {
        let is_in_company = |terms: &Terms| terms.scenario == ScenarioKind::ConcurrentBackends;
        if self.window.as_ref().is_some_and(|window| is_in_company(&window.terms)) || canaries::are_near_ones_whole() {
            return;
        }
        let reported = &mut self.calls.reported;
        let found = canaries::look_behind(|| match code {
            None => 0,
            Some(code) => {
                // One report for all calls of one function: there is room for few.
                if reported.0 != code || faults::written(reported.1).is_none() {
                    *reported = (code, faults::keep_call(wrap::faults::targets, code));
                }
                reported.1
            }
        });
        if self.observed.is_some() {
            canaries::begins();
            self.observed_has(numbered(found));
        }
    }

    /// Adds those of the open window.
    pub(super) fn add_overruns(&mut self, found: &mut Vec<Finding>) {
        if let Some(window) = &self.window {
            add(found, window.overruns.findings(&window.terms.rules));
        }
    }
}
