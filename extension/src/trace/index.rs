//! A hash index of fixed size from addresses to numbers, with linear probing and no tombstones.

use super::memory::Reserved;

/// Numbers by hash of their key. 0 is an empty slot, so numbers count from 1.
pub(crate) struct Index {
    slots: Reserved<u32>,
    mask: usize,
    used: usize,
}

/// Neighbours in memory stay neighbours, so that a small working set takes few cache lines; regions are scattered.
#[inline(always)]
fn hash(key: usize) -> usize {
    let region = ((key >> 16) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (key >> 4).wrapping_add((region as usize) << 3)
}

impl Index {
    /// Makes an index for up to three quarters of `2^bits` numbers.
    pub(crate) fn new(bits: u32) -> Option<Self> {
        let slots = Reserved::new(1 << bits)?;
        let mask = slots.len() - 1;
        Some(Index { slots, mask, used: 0 })
    }

    /// Takes all numbers out.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.used = 0;
    }

    /// Number of numbers.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used > self.mask / 4 * 3
    }

    /// The number with a key. `is` tells whether a number has it.
    #[inline(always)]
    pub(crate) fn find(&self, key: usize, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut slot = hash(key) & self.mask;
        loop {
            match self.slots.get(slot) {
                0 => return None,
                number if is(number) => return Some(number),
                _ => slot = (slot + 1) & self.mask,
            }
        }
    }

    /// Adds a number whose key is not there yet. The index must not be full.
    #[inline(always)]
    pub(crate) fn insert(&mut self, key: usize, number: u32) {
        let mut slot = hash(key) & self.mask;
        while self.slots.get(slot) != 0 {
            slot = (slot + 1) & self.mask;
        }
        *self.slots.at(slot) = number;
        self.used += 1;
    }

    /// Takes a number out, closing the gap it leaves in its run.
    #[inline(always)]
    pub(crate) fn remove(&mut self, key: usize, number: u32, key_of: impl Fn(u32) -> usize) {
        let mut gap = hash(key) & self.mask;
        while self.slots.get(gap) != number {
            if self.slots.get(gap) == 0 {
                return;
            }
            gap = (gap + 1) & self.mask;
        }
        self.used -= 1;
        let mut slot = gap;
        loop {
            slot = (slot + 1) & self.mask;
            let number = self.slots.get(slot);
            if number == 0 {
                break;
            }
            // It may move into the gap unless its home lies behind the gap.
            let home = hash(key_of(number)) & self.mask;
            if (slot.wrapping_sub(home) & self.mask) >= (slot.wrapping_sub(gap) & self.mask) {
                *self.slots.at(gap) = number;
                gap = slot;
            }
        }
        *self.slots.at(gap) = 0;
    }
}
