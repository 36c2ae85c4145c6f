//! What there is to compare where allocations are made to fail: what the targets hold, and what happened besides.

use memcheck_core::census::SiteId;
use memcheck_core::{CheckKind, Event, Finding, Site, room};

use super::{Session, faults};
use crate::guard::faults::Report;
use crate::inject::{Counted, Failed, Plan};
use crate::pg::parameters;
use crate::trace::HeldBySite;
use crate::trace::stacks::Origin;
use crate::wrap;

/// What the targets hold, and what was counted, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) held: Vec<HeldBySite>,
    events: Vec<u64>,
}

/// Has something fail from now on.
pub(crate) fn fail(plan: Plan) {
    wrap::with(|chain| chain.failing.set(plan));
}

/// Nothing fails any more. What was counted, and what has failed, is kept.
pub(crate) fn stop_failing() {
    wrap::with(|chain| chain.failing.stop());
}

/// The first that has failed, if anything has.
pub(crate) fn failed() -> Option<Failed> {
    wrap::with(|chain| chain.failing.failed()).flatten().map(|(first, _)| first)
}

/// What could have failed.
pub(crate) fn counted() -> Counted {
    wrap::with(|chain| chain.failing.counted()).unwrap_or_default()
}

/// Where a site is, with a stack.
pub(crate) fn site(site: u32, stack: u32) -> Option<Site> {
    wrap::with(|chain| chain.places().of(Origin::new(site, stack)))
}

/// Where a site is.
pub(crate) fn place(site: u32) -> Option<Site> {
    wrap::with(|chain| chain.places().describe(SiteId(site), 0))
}

/// Where the process was when a report was made.
pub(crate) fn place_of(report: &Report) -> Option<Site> {
    faults::site(report)
}

/// The files of the targets that the server has loaded.
pub(crate) fn libraries() -> Vec<String> {
    wrap::with(|chain| chain.stack.targets.files()).unwrap_or_default()
}

/// Guards by redzones what is not guarded otherwise: what a failure leads to may be a bad access.
pub(crate) fn guard_at_least() {
    if crate::guc::guard() == crate::guard::Level::Off {
        parameters::impose(c"pg_ext_memcheck.guard", c"redzone");
    }
}

impl Session {
    /// What there is now.
    pub(crate) fn standing(&mut self) -> Standing {
        self.look_at_guarded();
        let held = wrap::with(|chain| chain.ledger.booked().by_site()).unwrap_or_default();
        Standing { held, events: self.events.counts() }
    }

    /// What has happened since: references that the server had to release, and functions that have left another context current.
    pub(crate) fn happened_since(&self, before: &Standing) -> Vec<(CheckKind, String)> {
        let before = before.events.iter().copied().chain(std::iter::repeat(0));
        let counts = self.events.counts();
        let mut happened = Vec::new();
        for ((Event { check, detail, .. }, now), before) in self.events.all().into_iter().zip(counts).zip(before) {
            if now > before {
                room::push(&mut happened, (check, detail));
            }
        }
        happened
    }

    /// Leaves the window as it is, and watches nothing any more: behind a fault nothing is walked through that it may have left in
    /// pieces. Gives the faults, which were reported when they happened.
    pub(crate) fn abandon(&mut self) -> Vec<Finding> {
        wrap::switch(false);
        let window = self.window.take();
        window.and_then(|window| faults::since(window.faults)).unwrap_or_default()
    }

    /// The bad accesses that were noted since they were last taken.
    pub(crate) fn bad_accesses(&mut self) -> Vec<Finding> {
        self.take_accesses()
    }
}
