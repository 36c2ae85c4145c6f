//! The ledger: what the targets have allocated and not freed, where, and in which context.
//!
//! It is changed inside the allocator, so it lives in fixed memory ([`memory`]), allocates nothing, and can neither raise an
//! ERROR nor panic. It knows no hook and no window. What does not fit is counted.

pub(crate) mod book;
mod counts;
pub(crate) mod index;
mod link;
pub(crate) mod memory;
pub(crate) mod peak;
mod places;
pub(crate) mod segments;
pub(crate) mod sites;
pub(crate) mod table;

use book::Book;
pub(crate) use counts::Serial;
pub(crate) use places::Places;
use segments::Segments;
use sites::Sites;
use table::LiveTable;

/// Stands for the context of what is allocated from the heap, which has none.
pub(crate) const HEAP: usize = 1;

/// All that is recorded. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Ledger {
    /// What is held in contexts.
    pub(crate) live: LiveTable,
    /// What is held in the heap of the C library.
    pub(crate) heap: LiveTable,
    pub(crate) segments: Segments,
    pub(crate) sites: Sites,
    pub(crate) book: Book,
}

impl Ledger {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Ledger {
            live: LiveTable::new(21, 17)?,
            heap: LiveTable::new(21, 4)?,
            segments: Segments::new()?,
            sites: Sites::new()?,
            book: Book::new()?,
        })
    }

    /// Forgets everything but the sites, whose numbers may be in use.
    pub(crate) fn clear(&mut self) {
        self.live.clear();
        self.heap.clear();
        self.segments.clear();
        self.book.clear();
    }
}
