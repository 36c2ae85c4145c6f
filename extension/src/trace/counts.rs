//! What the ledger says when it is asked between the server's allocations.

use memcheck_core::census::{Census, Live, Moment, PathId, SiteId, Totals};
use memcheck_core::judge::peak::Peak;

use super::{HEAP, Ledger};
use crate::contexts::{Context, Names, Walker};

/// More contexts than this are not looked at one by one to check the account.
const MOST_CHECKED: usize = 2048;

/// A number for what has been allocated by now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Serial {
    contexts: u64,
    heap: u64,
}

fn one(bytes: u64) -> Live {
    Live { bytes, allocations: 1 }
}

/// The context at an address in the ledger.
fn context<'a>(address: usize) -> Context<'a> {
    // SAFETY: contexts are taken out of all tables when they are deleted, and nothing is deleted while the ledger is read.
    unsafe { Context::at(address) }
}

/// The ledger, with nothing left in its journal.
pub(crate) struct Booked<'a>(pub(super) &'a mut Ledger);

impl Booked<'_> {
    /// Has the contexts that there are now be the old ones.
    pub(crate) fn settle(&mut self, walker: &mut Walker) {
        self.0.contexts.settle(|address| walker.climb_outside_running(context(address)));
    }

    /// Enters all contexts that there are, as old ones.
    pub(crate) fn enter_all(&mut self, walker: &mut Walker) {
        walker.all_but_running(|context, path| self.0.contexts.enter_old(context.address(), path));
    }

    /// The tree: how many contexts there are of each path, except those of the portal that is running, what the new ones of them
    /// hold, and what the targets hold in any of them. What is in old contexts, whoever put it there, is not looked at.
    pub(crate) fn census(&self, walker: &mut Walker, moment: Moment) -> Census {
        let mut census = Census::new(moment);
        for (path, objects) in self.0.contexts.old() {
            census.add(path, Totals { objects, ..Totals::default() });
            census.contexts += objects;
        }
        for address in self.0.contexts.new_ones() {
            if let Some(path) = walker.climb_outside_running(context(address)) {
                let totals = context(address).totals();
                census.count(path, totals.used, totals.allocated);
            }
        }
        self.count(&mut census, walker);
        census
    }

    /// Adds to a census what the targets hold, except in the contexts of the portal that is running.
    fn count(&self, census: &mut Census, walker: &mut Walker) {
        let mut last = (0, None);
        self.0.live.for_each_since(0, |_, address, site, bytes| {
            if address != last.0 {
                last = (address, walker.climb_outside_running(context(address)));
            }
            if let Some(path) = last.1 {
                census.count_traced(path, SiteId(site), one(bytes));
            }
        });
        self.count_outside_contexts(census);
    }

    /// What the targets hold now, also in the contexts of the portal that is running.
    pub(crate) fn held(&self, walker: &mut Walker) -> Census {
        let mut census = Census::default();
        let mut last = (0, PathId::ROOT);
        self.0.live.for_each_since(0, |_, address, site, bytes| {
            if address != last.0 {
                last = (address, walker.climb(context(address)));
            }
            census.count_traced(last.1, SiteId(site), one(bytes));
        });
        self.count_outside_contexts(&mut census);
        census
    }

    fn count_outside_contexts(&self, census: &mut Census) {
        self.0.heap.for_each_since(0, |_, _, site, bytes| census.count_traced(PathId::HEAP, SiteId(site), one(bytes)));
        self.0.segments.for_each(|site, bytes| census.count_traced(PathId::DSM, SiteId(site), one(bytes)));
    }

    /// Shows what the targets hold in one context.
    pub(crate) fn for_each_in(&self, context: Context<'_>, mut show: impl FnMut(SiteId, Live)) {
        self.0.live.for_each_in(context.address(), |_, _, site, bytes| show(SiteId(site), one(bytes)));
    }

    /// The newest allocation.
    pub(crate) fn newest(&self) -> Serial {
        Serial { contexts: self.0.live.serial(), heap: self.0.heap.serial() }
    }

    /// What the targets have allocated since, and still hold.
    pub(crate) fn census_since(&self, serial: Serial, walker: &mut Walker) -> Census {
        let mut census = Census::default();
        self.0.live.for_each_since(serial.contexts, |_, address, site, bytes| {
            census.count_traced(walker.climb(context(address)), SiteId(site), one(bytes));
        });
        self.0.heap.for_each_since(serial.heap, |_, _, site, bytes| {
            census.count_traced(PathId::HEAP, SiteId(site), one(bytes));
        });
        census
    }

    /// Allocations outstanding.
    pub(crate) fn outstanding(&self) -> u64 {
        u64::from(self.0.live.len() + self.0.heap.len())
    }

    /// What found no room: allocations, segments, contexts, and places that allocate, each time that they do.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.0.live.not_recorded()
            + self.0.heap.not_recorded()
            + self.0.segments.not_recorded()
            + self.0.sites.not_recorded()
            + self.0.contexts.not_recorded()
    }

    /// Counts what is wrong with the tables; 0 unless the engine is. That the contexts in them are there is looked at where there
    /// are not too many to go through.
    pub(crate) fn inconsistencies(&self, walker: &Walker) -> u64 {
        let contexts = walker.contexts(MOST_CHECKED);
        let is_there = |address: usize| contexts.as_ref().is_none_or(|contexts| contexts.contains(&address));
        let unknown = self.0.contexts.new_ones().filter(|&address| !is_there(address)).count() as u64;
        unknown + self.0.heap.inconsistencies(|context| context == HEAP) + self.0.live.inconsistencies(is_there)
    }

    /// Begins a step of a ladder.
    pub(crate) fn start_step(&mut self) {
        self.0.live.start_step(|address, names| Names::of_context(context(address), names));
        self.0.heap.start_step(|_, _| {});
    }

    /// What each site has held at most in the present step of a ladder.
    pub(crate) fn peaks(&self, walker: &mut Walker) -> Vec<Peak> {
        let mut peaks = Vec::new();
        self.0.live.peaks().for_each(|site, held, names| {
            peaks.push(Peak { site: SiteId(site), path: walker.path_named(names.outermost_first()), held });
        });
        self.0.heap.peaks().for_each(|site, held, _| peaks.push(Peak { site: SiteId(site), path: PathId::HEAP, held }));
        peaks
    }
}
