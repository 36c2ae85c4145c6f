//! What the ledger says when it is asked between the server's allocations.

use std::collections::{BTreeMap, HashMap, HashSet};

use memcheck_core::census::{Census, Live, Moment, PathId, PathTable, SiteId, Totals};
use memcheck_core::judge::credit::{Fresh, refilled, replaced};
use memcheck_core::judge::peak::{Of, Peak};
use memcheck_core::{ContextPath, room};

use super::credits::{Open, Serial};
use super::stacks::Origin;
use super::{HEAP, Ledger};
use crate::contexts::{Context, Names, Walker};
use crate::link::is_served;

/// More contexts than this are not looked at one by one to check the account.
const MOST_CHECKED: usize = 2048;

/// What stands in place of something that was given back, by site.
type Credit = BTreeMap<SiteId, Live>;

/// So many contexts that a site has created, and what is in them is not counted.
fn contexts(number: u64) -> Live {
    Live { bytes: 0, allocations: number }
}

fn one(bytes: u64) -> Live {
    Live { bytes, allocations: 1 }
}

/// The context at an address in the ledger.
pub(super) fn context<'a>(address: usize) -> Context<'a> {
    // SAFETY: contexts are taken out of all tables when they are deleted, and nothing is deleted while the ledger is read.
    unsafe { Context::at(address) }
}

/// The ledger, with nothing left in its journal.
pub(crate) struct Booked<'a>(pub(super) &'a mut Ledger);

/// What a site holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldBySite {
    pub(crate) site: u32,
    pub(crate) bytes: i64,
    /// Allocations, segments and contexts.
    pub(crate) number: i64,
}

impl Booked<'_> {
    /// Has the contexts that there are now be the old ones. What has been given back by now stands for nothing any more.
    pub(crate) fn settle(&mut self, walker: &mut Walker) {
        self.0.contexts.settle(|address| walker.climb_outside_running(context(address)));
        self.starts_anew(None);
        self.opens();
    }

    /// From now on, what is allocated is the window's.
    pub(crate) fn opens(&mut self) {
        self.0.opened = self.0.serial();
    }

    /// From now on, what is given back stands against what is allocated.
    fn starts_anew(&mut self, older_than: Option<Serial>) {
        self.0.credits.forget();
        self.0.credits.since = self.0.serial();
        self.0.credits.older_than = older_than;
    }

    /// Enters all contexts that there are, as old ones.
    pub(crate) fn enter_all(&mut self, walker: &mut Walker) {
        walker.trust(self.0.labels.range());
        walker.all_but_running(|context, path| self.0.contexts.enter_old(context.address(), path));
    }

    /// The tree: how many contexts there are of each path, except those of the portal that is running, what the new ones of them
    /// hold, and what the targets hold in any of them. What is in old contexts, whoever put it there, is not looked at.
    pub(crate) fn census(&mut self, walker: &mut Walker, moment: Moment) -> Census {
        let mut census = Census::new(moment);
        for (path, objects) in self.0.contexts.old() {
            census.add(path, Totals { objects, ..Totals::default() });
            census.contexts += objects;
        }
        for (address, made_by) in self.0.contexts.new_ones() {
            if let Some(path) = walker.climb_outside_running(context(address)) {
                let totals = context(address).totals();
                census.count(path, totals.used, totals.allocated);
                if made_by != 0 {
                    census.count_traced(path, SiteId(made_by), contexts(1));
                }
            }
        }
        self.count_made(&mut census, walker);
        self.count(&mut census, walker);
        match self.credit(walker) {
            Some(credits) => {
                if !credits.into_iter().fold(true, |all, (path, credit)| self.0.credits.set_off(path, credit) && all) {
                    census.loses();
                }
            }
            None => census.loses(),
        }
        self.starts_anew(None);
        for (&(path, site), &live) in &self.0.credits.credited {
            census.credit(path, site, live);
        }
        census
    }

    /// Adds contexts that targets have created: old ones, and those that there was no room for.
    fn count_made(&self, census: &mut Census, walker: &mut Walker) {
        for (path, site, number) in self.0.contexts.old_made() {
            census.count_traced(path, SiteId(site), contexts(number));
        }
        self.0.crowd.for_each(|site, names, objects| {
            let path = walker.path_named(names.outermost_first());
            census.add(path, Totals { objects, ..Totals::default() });
            census.contexts += objects;
            census.count_traced(path, SiteId(site), contexts(objects));
        });
    }

    /// What stands in place of what was given back since it was last asked for; none where there is no room to find out.
    fn credit(&self, walker: &mut Walker) -> Option<Vec<(PathId, Credit)>> {
        let since = self.0.credits.since;
        let open = self.0.credits.open()?;
        if open.is_empty() {
            return Some(Vec::new());
        }
        let mut has_room = true;
        let mut fresh: BTreeMap<PathId, Vec<Fresh>> = BTreeMap::new();
        let mut last = (0, None);
        self.0.live.for_each_since(since.contexts, |chunk, address, site, bytes| {
            if address != last.0 {
                let path = walker.climb_outside_running(context(address));
                last = (address, path.filter(|path| open.contains_key(path)));
            }
            if let Some(path) = last.1 {
                let space = context(address).space_of(chunk);
                let chunk = Fresh { site: SiteId(site), bytes, space, context: address };
                has_room &= room::push(fresh.entry(path).or_default(), chunk);
            }
        });
        if open.contains_key(&PathId::HEAP) {
            self.0.heap.for_each_since(since.heap, |chunk, context, site, bytes| {
                let space = space_in_heap(chunk, bytes);
                let chunk = Fresh { site: SiteId(site), bytes, space, context };
                has_room &= room::push(fresh.entry(PathId::HEAP).or_default(), chunk);
            });
        }
        if open.contains_key(&PathId::MAPPED) {
            self.0.maps.for_each_since(since.maps, |start, site, bytes| {
                let map = Fresh { site: SiteId(site), bytes, space: bytes, context: start };
                has_room &= room::push(fresh.entry(PathId::MAPPED).or_default(), map);
            });
        }
        // What is compared is copied and sorted meanwhile.
        const OF_CHUNK: usize = 4 * size_of::<Fresh>();
        let chunks: usize = fresh.values().map(Vec::len).sum();
        if !has_room || !room::is_there_for(chunks * OF_CHUNK) {
            return None;
        }
        let credit = |(path, open): (PathId, Open)| Some((path, self.credit_of(&open, fresh.get(&path)?)));
        Some(open.into_iter().filter_map(credit).collect())
    }

    fn credit_of(&self, open: &Open, fresh: &[Fresh]) -> Credit {
        let sites = &self.0.sites;
        let distance = |a: SiteId, b: SiteId| sites.get(a.0).pc.abs_diff(sites.get(b.0).pc) as u64;
        let mut credit = replaced(&open.chunks, fresh, distance);
        if open.contexts > 0 {
            // Nothing in them is older.
            let holds_older = |address| {
                let mut all = 0;
                self.0.live.for_each_in(address, 0, |_, _, _, _| all += 1);
                fresh.iter().filter(|chunk| chunk.context == address).count() < all
            };
            let addresses: HashSet<usize> = fresh.iter().map(|chunk| chunk.context).collect();
            let filled: HashSet<usize> = addresses.into_iter().filter(|&address| !holds_older(address)).collect();
            let fresh: Vec<Fresh> = fresh.iter().filter(|chunk| filled.contains(&chunk.context)).copied().collect();
            for (site, live) in refilled(open.contexts, open.used, &fresh) {
                let sum = credit.entry(site).or_default();
                // What stands in place of a chunk does not stand in place of a context as well.
                (sum.bytes, sum.allocations) = (sum.bytes.max(live.bytes), sum.allocations.max(live.allocations));
            }
        }
        credit
    }

    /// Adds to a census what the targets hold, except in the contexts of the portal that is running.
    fn count(&self, census: &mut Census, walker: &mut Walker) {
        self.count_in_contexts(census, walker, Walker::climb_outside_running);
        self.count_outside_contexts(census);
    }

    /// Adds what the targets hold in the contexts of which `climb` knows the path.
    ///
    /// What an access method keeps with the relcache entry of an index is part of that, and goes with it (`rd_amcache` in rel.h):
    /// the first chunk that each site has put there.
    fn count_in_contexts(
        &self,
        census: &mut Census,
        walker: &mut Walker,
        climb: impl Fn(&mut Walker, Context<'_>) -> Option<PathId>,
    ) {
        let mut last = (0, None);
        // Of each site the oldest chunk so far, in the relcache entry at hand.
        let mut oldest: Option<Vec<(u32, u64)>> = None;
        self.0.live.for_each_since(0, |_, address, site, bytes| {
            if address != last.0 {
                last = (address, climb(walker, context(address)));
                oldest = last.1.filter(|&path| walker.paths().is_index_entry(path)).map(|_| Vec::new());
            }
            let Some(path) = last.1 else { return };
            // The newest come first.
            let bytes = match &mut oldest {
                None => bytes,
                Some(oldest) => match oldest.iter_mut().find(|chunk| chunk.0 == site) {
                    Some(chunk) => std::mem::replace(&mut chunk.1, bytes),
                    None => {
                        if !room::push(oldest, (site, bytes)) {
                            census.loses();
                        }
                        return;
                    }
                },
            };
            census.count_traced(path, SiteId(site), one(bytes));
        });
    }

    /// What the targets hold now, also in the contexts of the portal that is running.
    pub(crate) fn held(&self, walker: &mut Walker) -> Census {
        let mut census = Census::default();
        self.count_in_contexts(&mut census, walker, |walker, context| Some(walker.climb(context)));
        for (address, made_by) in self.0.contexts.new_ones().filter(|&(_, made_by)| made_by != 0) {
            census.count_traced(walker.climb(context(address)), SiteId(made_by), contexts(1));
        }
        self.count_made(&mut census, walker);
        self.count_outside_contexts(&mut census);
        census
    }

    fn count_outside_contexts(&self, census: &mut Census) {
        self.0.heap.for_each_since(0, |_, _, site, bytes| census.count_traced(PathId::HEAP, SiteId(site), one(bytes)));
        self.count_mapped(census);
    }

    /// Adds what the targets have mapped, and segments.
    pub(super) fn count_mapped(&self, census: &mut Census) {
        self.0.maps.for_each_since(0, |_, site, bytes| census.count_traced(PathId::MAPPED, SiteId(site), one(bytes)));
        let mut count = |path, origin: Origin, bytes| census.count_traced(path, SiteId(origin.site()), one(bytes));
        self.0.segments.for_each(&mut count);
        self.0.areas.for_each(&mut count);
    }

    /// Shows what the targets hold in one context.
    pub(crate) fn for_each_in(&self, context: Context<'_>, mut show: impl FnMut(SiteId, Live)) {
        self.0.live.for_each_in(context.address(), 0, |_, _, site, bytes| show(SiteId(site), one(bytes)));
        let made_by = self.0.contexts.made_by(context.address());
        if made_by != 0 {
            show(SiteId(made_by), contexts(1));
        }
    }

    /// The newest allocation. What is there now is old for [`Self::census_since`].
    pub(crate) fn newest(&mut self, walker: &mut Walker) -> Serial {
        let newest = self.0.serial();
        self.0.contexts.settle(|address| walker.climb_outside_running(context(address)));
        self.starts_anew(Some(newest));
        newest
    }

    /// What the targets have allocated since and still hold, less what they have given back for it.
    pub(crate) fn census_since(&self, serial: Serial, walker: &mut Walker) -> Census {
        let mut census = Census::default();
        for (address, made_by) in self.0.contexts.new_ones().filter(|&(_, made_by)| made_by != 0) {
            if let Some(path) = walker.climb_outside_running(context(address)) {
                census.count_traced(path, SiteId(made_by), contexts(1));
            }
        }
        self.0.live.for_each_since(serial.contexts, |_, address, site, bytes| {
            census.count_traced(walker.climb(context(address)), SiteId(site), one(bytes));
        });
        self.0.heap.for_each_since(serial.heap, |_, _, site, bytes| {
            census.count_traced(PathId::HEAP, SiteId(site), one(bytes));
        });
        self.0.maps.for_each_since(serial.maps, |_, site, bytes| {
            census.count_traced(PathId::MAPPED, SiteId(site), one(bytes));
        });
        match self.credit(walker) {
            Some(credits) => {
                for (path, credit) in credits {
                    credit.into_iter().for_each(|(site, live)| census.take_out(path, site, live));
                }
            }
            None => census.loses(),
        }
        census
    }

    /// What was there when the window was opened.
    pub(crate) fn opened(&self) -> Serial {
        self.0.opened
    }

    /// As [`Self::stacks`], of all that there is.
    pub(crate) fn all_stacks(&self, sites: &HashSet<SiteId>) -> HeldStacks {
        self.stacks(sites, Serial::default())
    }

    /// The stacks with which these sites have made what they hold and have allocated since; and for each of them the one near its
    /// peak, or its last, where nothing is left.
    pub(crate) fn stacks(&self, sites: &HashSet<SiteId>, since: Serial) -> HeldStacks {
        let ledger = &self.0;
        let mut held = HeldStacks::default();
        let is_asked = |origin: Origin| sites.contains(&SiteId(origin.site()));
        let mut last = (0, ContextPath::default());
        let mut of_context = |held: &mut HeldStacks, address: usize, origin: Origin, bytes: u64| {
            if is_asked(origin) {
                if address != last.0 {
                    last = (address, context(address).path());
                }
                held.add(&last.1, origin, bytes);
            }
        };
        ledger
            .live
            .for_each_origin(since.contexts, |_, address, origin, bytes| of_context(&mut held, address, origin, bytes));
        ledger.contexts.all_made().for_each(|(address, origin)| of_context(&mut held, address, origin, 0));
        let paths = PathTable::default();
        let heap = paths.path(PathId::HEAP);
        ledger.heap.for_each_origin(since.heap, |_, _, origin, bytes| {
            if is_asked(origin) {
                held.add(&heap, origin, bytes);
            }
        });
        let mut add = |path, origin, bytes| {
            if is_asked(origin) {
                held.add(&paths.path(path), origin, bytes);
            }
        };
        ledger.segments.for_each(&mut add);
        ledger.areas.for_each(&mut add);
        for &site in sites {
            let peaks = [ledger.live.peaks(), ledger.heap.peaks(), ledger.contexts.peaks()];
            let at_peak = peaks.into_iter().map(|peaks| peaks.stack_of(site.0)).find(|&stack| stack != 0);
            held.others.insert(site, at_peak.unwrap_or_else(|| ledger.stacks.newest(site.0)));
        }
        held
    }

    /// Allocations outstanding.
    pub(crate) fn outstanding(&self) -> u64 {
        u64::from(self.0.live.len() + self.0.heap.len())
    }

    /// What each site holds: in contexts and in the heap, and segments; and how many contexts it has made. Nothing where there is no
    /// room for it.
    pub(crate) fn by_site(&self) -> Vec<HeldBySite> {
        let ledger = &self.0;
        let sites = ledger.sites.known();
        let all =
            [ledger.live.tally(), ledger.heap.tally(), ledger.contexts.tally()].map(|tally| tally.of_sites(sites));
        let [Some(live), Some(heap), Some(made)] = all else { return Vec::new() };
        let mut held = Vec::new();
        for (site, ((live, heap), made)) in live.iter().zip(&heap).zip(&made).enumerate() {
            let sum = HeldBySite {
                site: site as u32,
                bytes: live.bytes + heap.bytes,
                number: live.number + heap.number + made.number,
            };
            if sum.number != 0 {
                room::push(&mut held, sum);
            }
        }
        let mut add = |_, origin: Origin, bytes: u64| {
            let bytes = bytes as i64;
            match held.iter_mut().find(|known| known.site == origin.site()) {
                Some(known) => (known.bytes, known.number) = (known.bytes + bytes, known.number + 1),
                None => _ = room::push(&mut held, HeldBySite { site: origin.site(), bytes, number: 1 }),
            }
        };
        ledger.segments.for_each(&mut add);
        ledger.areas.for_each(&mut add);
        held
    }

    /// Bytes that they hold in contexts and in the heap.
    pub(crate) fn held_bytes(&self) -> u64 {
        let known = self.0.sites.known();
        self.0.live.tally().bytes_of(known) + self.0.heap.tally().bytes_of(known)
    }

    /// Bytes that the targets have mapped, for allocators of their own.
    pub(crate) fn mapped(&self) -> u64 {
        let mut mapped = 0;
        self.0.maps.for_each_since(0, |_, _, bytes| mapped += bytes);
        mapped
    }

    /// What found no room: allocations, segments, contexts, and places that allocate, each time that they do.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.0.live.not_recorded()
            + self.0.heap.not_recorded()
            + self.0.segments.not_recorded()
            + self.0.areas.not_recorded()
            + self.0.sites.not_recorded()
            + self.0.contexts.not_recorded()
            + self.0.maps.not_recorded()
            + self.0.crowd.not_recorded()
            + self.0.credits.not_recorded()
    }

    /// Counts what is wrong with the tables; 0 unless the engine is. That the contexts in them are there is looked at where there
    /// are not too many to go through.
    pub(crate) fn inconsistencies(&self, walker: &Walker) -> u64 {
        let contexts = walker.contexts(MOST_CHECKED);
        let is_there = |address: usize| contexts.as_ref().is_none_or(|contexts| contexts.contains(&address));
        let unknown = self.0.contexts.new_ones().filter(|&(address, _)| !is_there(address)).count() as u64;
        unknown + self.0.heap.inconsistencies(|context| context == HEAP) + self.0.live.inconsistencies(is_there)
    }

    /// Begins a step of a ladder.
    pub(crate) fn start_step(&mut self) {
        self.0.live.start_step(|address, names| Names::of_context(context(address), names));
        self.0.heap.start_step(|_, _| {});
        self.0.contexts.start_step(|address, names| Names::of_context(context(address), names));
    }

    /// What each site has held at most in the present step of a ladder; none where there is no room for all of it.
    pub(crate) fn peaks(&self, walker: &mut Walker) -> Option<Vec<Peak>> {
        let (mut peaks, mut has_room) = (Vec::new(), true);
        let mut add = |of, site, path, held| {
            let is_added =
                path != PathId::NOT_KEPT && room::push(&mut peaks, Peak { of, site: SiteId(site), path, held });
            has_room &= is_added;
        };
        self.0.live.peaks().for_each(|site, held, names| {
            add(Of::Chunks, site, walker.path_named(names.outermost_first()), held);
        });
        self.0.contexts.peaks().for_each(|site, held, names| {
            add(Of::Contexts, site, walker.path_named(names.outermost_first()), held);
        });
        self.0.heap.peaks().for_each(|site, held, _| add(Of::Chunks, site, PathId::HEAP, held));
        has_room.then_some(peaks)
    }
}

/// With which stacks sites have allocated.
#[derive(Default)]
pub(crate) struct HeldStacks {
    /// By context, site and stack: bytes, and one for each allocation.
    held: HashMap<ContextPath, HashMap<(SiteId, u32), u64>>,
    /// For sites that hold nothing there.
    others: HashMap<SiteId, u32>,
}

impl HeldStacks {
    /// Where there is no room, another stack is shown.
    fn add(&mut self, path: &ContextPath, origin: Origin, bytes: u64) {
        /// What a path takes, about (bytes).
        const PATH: usize = 2048;
        if origin.stack() == 0 {
            return;
        }
        if !self.held.contains_key(path) && room::make(&mut self.held, 1) && room::is_there_for(PATH) {
            self.held.insert(path.clone(), HashMap::new());
        }
        if let Some(of_path) = self.held.get_mut(path)
            && room::make(of_path, 1)
        {
            *of_path.entry((SiteId(origin.site()), origin.stack())).or_default() += bytes + 1;
        }
    }

    /// The stack with which a site has made most of what it holds in contexts with a path. Where that is nothing, another of its.
    pub(crate) fn of(&self, path: &ContextPath, site: SiteId) -> u32 {
        let of_path = self.held.get(path).into_iter().flatten();
        let of_site = of_path.filter(|((other, _), _)| *other == site).map(|(&(_, stack), &held)| (held, stack));
        of_site.max().map(|(_, stack)| stack).or_else(|| self.others.get(&site).copied()).unwrap_or_default()
    }
}

/// What a chunk of the heap, of which so much was asked for, may be used for (bytes).
fn space_in_heap(chunk: usize, bytes: u64) -> u64 {
    if is_served(chunk) {
        // As much as malloc would have given, whose chunks it is compared with (`request2size` in malloc.c).
        return (bytes + 8).max(32).next_multiple_of(16) - 8;
    }
    // SAFETY: a live chunk of malloc's.
    unsafe { libc::malloc_usable_size(std::ptr::with_exposed_provenance_mut(chunk)) as u64 }
}
