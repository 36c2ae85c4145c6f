//! What the targets hold more or less than they did a moment ago, by what their sites hold: whatever they hold in all, it costs no
//! more than what has happened since.

use std::collections::BTreeMap;

use memcheck_core::census::{Census, Live, PathId, SiteId, Totals};
use memcheck_core::room;

use super::counts::{Booked, context};
use super::tally::{Sum, Tally};
use crate::contexts::Walker;

/// By how much more the targets hold, and which of their sites hold less.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    pub(crate) grown: Census,
    pub(crate) shrunk: Vec<(SiteId, Live)>,
}

impl Aside {
    fn take(&mut self, sums: Vec<(u32, Sum)>, place: impl Fn(u32) -> Option<PathId>) {
        for (site, sum) in sums {
            let live = |sign: i64| Live {
                bytes: u64::try_from(sign * sum.bytes).unwrap_or(0),
                allocations: u64::try_from(sign * sum.number).unwrap_or(0),
            };
            if let Some(path) = place(site).filter(|_| live(1) != Live::default()) {
                self.grown.count_traced(path, SiteId(site), live(1));
            }
            if live(-1) != Live::default() {
                self.shrunk.push((SiteId(site), live(-1)));
            }
        }
    }
}

/// How far the ledger has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct SoFar {
    /// The newest allocation from a context.
    newest: u64,
    segments: (u64, u64),
    in_areas: u64,
    /// Contexts that have become known.
    entered: u32,
    /// What each site holds: allocations from contexts and from the heap, and contexts.
    held: [Vec<Sum>; 3],
}

impl Booked<'_> {
    /// How far it has come; none where there is no room to take note of it.
    pub(crate) fn so_far(&self) -> Option<SoFar> {
        let sites = self.0.sites.known();
        let [live, heap, made] = self.tallies().map(|tally| tally.of_sites(sites));
        Some(SoFar {
            newest: self.0.live.serial(),
            segments: self.0.segments.serials(),
            in_areas: self.0.areas.serial(),
            entered: self.0.contexts.entered(),
            held: [live?, heap?, made?],
        })
    }

    fn tallies(&self) -> [&Tally; 3] {
        [self.0.live.tally(), self.0.heap.tally(), self.0.contexts.tally()]
    }

    /// What the targets hold more than they did, by path and site, and which sites hold less; but for what is in no context and not
    /// from the C library's heap.
    pub(crate) fn gains(&self, since: &SoFar, walker: &mut Walker) -> Aside {
        let sites = self.0.sites.known();
        let [live, heap, made] = &since.held;
        /// What each of them takes in maps and lists, about (bytes).
        const OF_SITE: usize = 256;
        let mut aside = Aside::default();
        if !room::is_there_for(sites * OF_SITE) {
            aside.grown.loses();
            return aside;
        }
        // What is new of a site is where it has grown: all of it where the newest is.
        let mut places: BTreeMap<u32, PathId> = BTreeMap::new();
        self.0.live.for_each_since(since.newest, |_, address, site, _| {
            places.entry(site).or_insert_with(|| walker.climb(context(address)));
        });
        aside.take(self.0.live.tally().since(live, sites), |site| places.get(&site).copied());
        aside.take(self.0.heap.tally().since(heap, sites), |_| Some(PathId::HEAP));
        let mut places: BTreeMap<u32, PathId> = BTreeMap::new();
        self.0.contexts.made_since(since.entered, |address, site| {
            places.entry(site).or_insert_with(|| walker.climb(context(address)));
        });
        let made = self.0.contexts.tally().since(made, sites);
        for &(site, sum) in made.iter().filter(|(_, sum)| sum.number > 0) {
            if let Some(&path) = places.get(&site) {
                aside.grown.add(path, Totals { objects: sum.number as u64, ..Totals::default() });
            }
        }
        aside.take(made, |site| places.get(&site).copied());
        aside
    }

    /// The same, and from now on neither segments that have come since are known, nor are contexts counted that others than targets
    /// have made.
    pub(crate) fn set_aside(&mut self, since: &SoFar, walker: &mut Walker) -> Aside {
        let aside = self.gains(since, walker);
        self.0.contexts.set_aside(since.entered);
        self.0.segments.forget_since(since.segments);
        self.0.areas.forget_since(since.in_areas);
        aside
    }

    /// What the targets hold that is in no context and not from the C library's heap.
    pub(crate) fn outside(&self) -> Census {
        let mut census = Census::default();
        self.count_mapped(&mut census);
        census
    }

    /// What was given back that the ledger did not know stands against nothing any more.
    pub(crate) fn forget_credits(&mut self) {
        self.0.credits.forget();
    }
}
