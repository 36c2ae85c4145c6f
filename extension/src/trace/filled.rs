//! The contexts that targets have allocated from: the part of the live table that knows whose list an allocation is in.

use super::index::Index;
use super::memory::{Reserved, Zeroed};
use super::peak::Peaks;

/// A context with outstanding allocations.
#[derive(Clone, Copy, Default)]
struct Context {
    address: usize,
    /// First of its list; 0 for none. The next free record where this one is free.
    first: u32,
    /// The site that was the first to allocate in it.
    opened_by: u32,
    /// How often everything in a context of this record has gone. Not zeroed when the record is free.
    emptied: u32,
}

// SAFETY: integers.
unsafe impl Zeroed for Context {}

/// The record of a context, as long as what was in it is still there.
#[derive(Clone, Copy)]
pub(crate) struct ContextRecord {
    number: u32,
    /// How often everything in the context of this record had gone.
    emptied: u32,
}

impl ContextRecord {
    /// None.
    pub(crate) const NONE: Self = ContextRecord { number: 0, emptied: 0 };
    /// That of something that is no longer there: nothing ever goes from record 0.
    pub(crate) const GONE: Self = ContextRecord { number: 0, emptied: 1 };

    /// Whether it is that of a context.
    pub(crate) fn is_there(self) -> bool {
        self.number != 0
    }
}

/// Contexts whose records are at hand.
const RECENT: usize = 16;

/// The records of contexts, by number from 1 on.
pub(super) struct Filled {
    records: Reserved<Context>,
    by_address: Index,
    free: u32,
    last: u32,
    /// Those that were allocated from last, by a hash of their addresses.
    recent: [u32; RECENT],
}

impl Filled {
    /// For up to three quarters of `2^bits` contexts.
    pub(super) fn new(bits: u32) -> Option<Self> {
        Some(Filled {
            records: Reserved::new(1 << bits)?,
            by_address: Index::new(bits)?,
            free: 0,
            last: 0,
            recent: [0; RECENT],
        })
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.by_address.clear();
        (self.free, self.last) = (0, 0);
        self.recent = [0; RECENT];
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    pub(super) fn find(&self, address: usize) -> Option<u32> {
        let records = &self.records;
        self.by_address.find(address, |number| records.get_ref(number as usize).address == address)
    }

    /// The record of a context, if it is at hand.
    #[inline(always)]
    pub(super) fn recent(&self, address: usize) -> Option<u32> {
        let recent = self.recent[Self::place(address)];
        // A record that is free has no address.
        (self.records.get_ref(recent as usize).address == address).then_some(recent)
    }

    /// The record of a context, made for the site if there is none; 0 where there is no room for another.
    #[inline(always)]
    pub(super) fn enter(&mut self, address: usize, site: u32, peaks: &mut Peaks) -> u32 {
        if let Some(number) = self.recent(address) {
            return number;
        }
        let number = self.find_or_enter(address, site, peaks);
        if number != 0 {
            self.recent[Self::place(address)] = number;
        }
        number
    }

    #[inline(always)]
    fn place(address: usize) -> usize {
        (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> (usize::BITS - RECENT.ilog2())
    }

    #[inline(never)]
    fn find_or_enter(&mut self, address: usize, site: u32, peaks: &mut Peaks) -> u32 {
        if let Some(number) = self.find(address) {
            return number;
        }
        if self.by_address.is_full() {
            return 0;
        }
        let number = match self.free {
            0 => {
                self.last += 1;
                self.last
            }
            free => {
                self.free = self.records.get_ref(free as usize).first;
                free
            }
        };
        let emptied = self.records.get_ref(number as usize).emptied;
        *self.records.at(number as usize) = Context { address, first: 0, opened_by: site, emptied };
        peaks.open(site);
        self.by_address.insert(address, number);
        number
    }

    /// Where the number of the first allocation of a context's list is.
    #[inline(always)]
    pub(super) fn first(&mut self, number: u32) -> &mut u32 {
        &mut self.records.at(number as usize).first
    }

    /// The number of the first allocation of a context's list; 0 for none.
    pub(super) fn first_of(&self, number: u32) -> u32 {
        self.records.get_ref(number as usize).first
    }

    /// The address of the context; 0 where the record is free.
    #[inline(always)]
    pub(super) fn address(&self, number: u32) -> usize {
        self.records.get_ref(number as usize).address
    }

    /// A record as it is now.
    #[inline(always)]
    pub(super) fn record(&self, number: u32) -> ContextRecord {
        ContextRecord { number, emptied: self.records.get_ref(number as usize).emptied }
    }

    /// The address of the context of a record, if nothing in it has gone since.
    #[inline(always)]
    pub(super) fn if_same(&self, record: ContextRecord) -> Option<usize> {
        let context = self.records.get_ref(record.number as usize);
        (context.emptied == record.emptied).then_some(context.address)
    }

    /// Everything in a context goes, and its record stays. Gives the first allocation of its list, which is none of it any more.
    #[inline(always)]
    pub(super) fn empty(&mut self, number: u32) -> u32 {
        let context = self.records.at(number as usize);
        context.emptied = context.emptied.wrapping_add(1);
        std::mem::take(&mut context.first)
    }

    /// Frees the record of a context that everything has gone from. Gives the site that it was made for.
    pub(super) fn strike_out(&mut self, number: u32) -> u32 {
        let Context { address, opened_by, emptied, .. } = *self.records.get_ref(number as usize);
        let records = &self.records;
        self.by_address.remove(address, number, |number| records.get_ref(number as usize).address);
        let emptied = emptied.wrapping_add(1);
        *self.records.at(number as usize) = Context { address: 0, first: self.free, opened_by: 0, emptied };
        self.free = number;
        opened_by
    }

    /// Number, address and first allocation of each context.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, usize, u32)> {
        let contexts = (1..=self.last).map(|number| {
            let Context { address, first, .. } = *self.records.get_ref(number as usize);
            (number, address, first)
        });
        contexts.filter(|&(_, address, _)| address != 0)
    }

    /// Counts records that the index does not lead to, and counters that do not add up.
    pub(super) fn inconsistencies(&self) -> u64 {
        let is_lost =
            |&(number, address, _): &(u32, usize, u32)| self.by_address.find(address, |n| n == number).is_none();
        let lost = self.all().filter(is_lost).count() as u64;
        let mut free = 0;
        let mut number = self.free;
        while number != 0 && free <= self.last {
            (free, number) = (free + 1, self.records.get_ref(number as usize).first);
        }
        let used = self.all().count();
        lost + u64::from(self.by_address.len() != used) + u64::from(free as usize + used != self.last as usize)
    }
}
