//! The ledger: what the targets have allocated and not freed, where, and in which context.
//!
//! It is changed inside the allocator, so it lives in fixed memory ([`memory`]), allocates nothing, and can neither raise an
//! ERROR nor panic. It knows no hook and no window. What does not fit is counted.

pub(crate) mod book;
mod counts;
mod filled;
pub(crate) mod index;
mod journal;
mod link;
pub(crate) mod memory;
pub(crate) mod peak;
mod places;
pub(crate) mod segments;
pub(crate) mod sites;
pub(crate) mod table;

use book::Book;
pub(crate) use counts::{Booked, Serial};
use journal::Journal;
pub(crate) use places::Places;
use segments::Segments;
use sites::Sites;
use table::LiveTable;

/// Stands for the context of what is allocated from the heap, which has none.
pub(crate) const HEAP: usize = 1;

/// All that is recorded. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Ledger {
    /// What is held in contexts, but for what is in the journal: see [`Ledger::booked`].
    live: LiveTable,
    journal: Journal,
    /// What is held in the heap of the C library.
    pub(crate) heap: LiveTable,
    pub(crate) segments: Segments,
    pub(crate) sites: Sites,
    pub(crate) contexts: Book,
}

impl Ledger {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Ledger {
            live: LiveTable::new(21, 17)?,
            journal: Journal::new(),
            heap: LiveTable::new(21, 4)?,
            segments: Segments::new()?,
            sites: Sites::new()?,
            contexts: Book::new()?,
        })
    }

    /// The ledger with everything booked, to be read.
    pub(crate) fn booked(&mut self) -> Booked<'_> {
        self.journal.book(&mut self.live);
        Booked(self)
    }

    /// The site of an allocation in a context; 0 if it is not a target's.
    #[inline(always)]
    pub(crate) fn site_of(&mut self, chunk: usize) -> u32 {
        self.journal.book(&mut self.live);
        self.live.site_of(chunk)
    }

    /// A target has created a context: an allocation of no bytes in itself.
    pub(crate) fn created(&mut self, context: usize, site: u32) {
        self.journal.allocated(&mut self.live, context, 0, context, site);
    }

    /// Forgets everything but the sites, whose numbers may be in use.
    pub(crate) fn clear(&mut self) {
        self.live.clear();
        self.journal.clear();
        self.heap.clear();
        self.segments.clear();
        self.contexts.clear();
    }
}
