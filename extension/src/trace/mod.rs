//! The ledger: what the targets have allocated and not freed, where, and in which context.
//!
//! It is changed inside the allocator, so it lives in fixed memory ([`memory`]), allocates nothing, and can neither raise an
//! ERROR nor panic. It knows no hook and no window. What does not fit is counted.

mod areas;
pub(crate) mod book;
mod counts;
mod credits;
mod crowd;
mod filled;
mod gains;
pub(crate) mod index;
mod journal;
mod labels;
mod link;
mod maps;
pub(crate) mod memory;
pub(crate) mod peak;
mod places;
pub(crate) mod segments;
pub(crate) mod sites;
pub(crate) mod stacks;
pub(crate) mod table;
mod tally;

use areas::Areas;
use book::Book;
pub(crate) use counts::{Booked, HeldBySite, HeldStacks};
use credits::Credits;
pub(crate) use credits::Serial;
use crowd::Crowd;
pub(crate) use gains::SoFar;
use journal::Journal;
use labels::Labels;
pub(crate) use maps::Maps;
pub(crate) use places::Places;
use segments::Segments;
use sites::Sites;
use stacks::{Origin, Stacks};
use table::LiveTable;

use crate::contexts::{Context, Names};

/// Stands for the context of what is allocated from the heap, which has none.
pub(crate) const HEAP: usize = 1;

/// At most so much is in use in an AllocSet without anything in it: itself, and the header of its block (bytes).
const EMPTY: u64 = 256;

/// All that is recorded. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Ledger {
    /// What is held in contexts, but for what is in the journal: see [`Ledger::booked`].
    live: LiveTable,
    journal: Journal,
    /// What is held in the heap of the C library.
    pub(crate) heap: LiveTable,
    pub(crate) segments: Segments,
    /// What is in areas of dynamic shared memory.
    pub(crate) areas: Areas,
    /// What is mapped past that heap.
    pub(crate) maps: Maps,
    pub(crate) sites: Sites,
    pub(crate) stacks: Stacks,
    pub(crate) contexts: Book,
    crowd: Crowd,
    labels: Labels,
    pub(crate) credits: Credits,
    /// What was there when the window was opened.
    opened: Serial,
}

impl Ledger {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Ledger {
            // Each has as many contexts as allocations, so that no allocation is lost for want of room for its context.
            live: LiveTable::new(21, 21)?,
            journal: Journal::new(),
            heap: LiveTable::new(21, 4)?,
            segments: Segments::new()?,
            areas: Areas::new()?,
            maps: Maps::new()?,
            sites: Sites::new()?,
            stacks: Stacks::new()?,
            contexts: Book::new()?,
            crowd: Crowd::new()?,
            labels: Labels::new()?,
            credits: Credits::new()?,
            opened: Serial::default(),
        })
    }

    /// The newest of everything.
    fn serial(&self) -> Serial {
        Serial { contexts: self.live.serial(), heap: self.heap.serial(), maps: self.maps.serial() }
    }

    /// The ledger with everything booked, to be read.
    pub(crate) fn booked(&mut self) -> Booked<'_> {
        self.journal.book(&mut self.live);
        Booked(self)
    }

    /// The site of an allocation in a context, and with which stack it was made; site 0 if it is not a target's.
    #[inline(always)]
    pub(crate) fn origin_of(&mut self, chunk: usize) -> Origin {
        self.journal.book(&mut self.live);
        self.live.origin_of(chunk)
    }

    /// Whether an allocation in a context was there before what the ledger is to judge: it does not know it, or it was made
    /// before the statement that is judged.
    pub(crate) fn is_old(&mut self, chunk: usize) -> bool {
        if self.journal.has_just(chunk) {
            return false;
        }
        self.journal.book(&mut self.live);
        match self.live.serial_of(chunk) {
            None => !self.credits.has_come(chunk),
            Some(serial) => self.credits.older_than.is_some_and(|since| serial <= since.contexts),
        }
    }

    /// The same for an allocation from the heap.
    pub(crate) fn is_old_in_heap(&self, chunk: usize) -> bool {
        match self.heap.serial_of(chunk) {
            None => true,
            Some(serial) => self.credits.older_than.is_some_and(|since| serial <= since.heap),
        }
    }

    /// A target has created a context, whose name is a constant or not.
    pub(crate) fn created(&mut self, context: Context<'_>, origin: Origin, is_constant: bool) {
        let site = origin.site();
        if !is_constant {
            context.rename(self.labels.keep(site, context.given_name()));
        }
        if !self.contexts.created(context.address(), origin, context.blocks()) {
            self.crowd.joins(site, context.name_address(), |names| Names::of_context(context, names));
        }
    }

    /// The first thing is allocated in a context that the book has not had.
    #[inline(always)]
    pub(crate) fn entered(&mut self, context: Context<'_>) {
        if !self.crowd.is_empty() {
            match self.crowd.leaves(context.name_address()) {
                0 => {}
                site => self.contexts.was_created(context.address(), site),
            }
        }
    }

    /// Whether peaks are counted.
    #[inline(always)]
    pub(crate) fn counts_peaks(&self) -> bool {
        self.live.counts_peaks()
    }

    /// What is in a context goes, and was there before.
    pub(crate) fn empties(&mut self, context: Context<'_>) {
        let Some(path) = self.contexts.old_path(context.address()) else { return };
        self.journal.book(&mut self.live);
        let (mut known, credits) = (0, &self.credits);
        let since = credits.older_than.map_or(0, |serial| serial.contexts);
        self.live.for_each_in(context.address(), since, |chunk, _, _, _| known += context.space_of(chunk));
        let used = context.totals().used.saturating_sub(known);
        if used > if known == 0 { EMPTY } else { 4 * EMPTY } {
            self.credits.emptied(path, used);
        }
    }

    /// Forgets everything but the sites, whose numbers may be in use, and the names of contexts.
    pub(crate) fn clear(&mut self) {
        self.live.clear();
        self.journal.clear();
        self.heap.clear();
        self.segments.clear();
        self.areas.clear();
        self.maps.clear();
        self.stacks.clear();
        self.contexts.clear();
        self.crowd.clear();
        self.credits.clear();
        self.opened = Serial::default();
    }
}
