//! A hash index of fixed size from addresses to numbers, with linear probing and no tombstones.

use super::memory::Reserved;

/// Numbers by hash of their key. 0 is an empty slot, so numbers count from 1.
pub(crate) struct Index {
    slots: Reserved<u32>,
    mask: usize,
    used: usize,
    /// How many there may be.
    most: usize,
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
        Some(Index { slots, mask, used: 0, most: mask / 4 * 3 })
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

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.used > self.most
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys by their numbers, from 1 on.
    fn index_of(bits: u32, keys: &[usize]) -> Index {
        let mut index = Index::new(bits).expect("room");
        for (number, &key) in (1..).zip(keys) {
            index.insert(key, number);
        }
        index
    }

    #[track_caller]
    fn has(index: &Index, keys: &[usize], expected: &[bool]) {
        let found = (1..).zip(keys).map(|(number, &key)| {
            let found = index.find(key, |other| keys[other as usize - 1] == key);
            assert!(found.is_none_or(|found| found == number), "{key:#x}");
            found.is_some()
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_inserted_is_found() {
        let keys = [0x7f00_1234_0010, 0x7f00_1234_0020, 0x5500_0000_0030, 0];
        let index = index_of(4, &keys);
        has(&index, &keys, &[true; 4]);
        assert_eq!(index.find(0x7f00_1234_0030, |_| false), None);
        assert_eq!(index.len(), 4);
    }

    #[test]
    fn at_most_three_quarters_are_used() {
        let mut index = Index::new(4).expect("room");
        for number in 1.. {
            if index.is_full() {
                break;
            }
            index.insert(number as usize * 16, number);
        }
        assert!((8..=12).contains(&index.len()), "{}", index.len());
        // Every search ends at a free slot.
        assert_eq!(index.find(0xff0, |_| false), None);
    }

    /// Keys with the same home, a run that goes over the end, and one whose home lies inside another's run.
    #[test]
    fn a_gap_in_a_run_is_closed() {
        // Of 16 slots: three from the last one on, one of the first slot, one of the third, where it is.
        let keys = [0xf0, 0xf4, 0xf8, 0x00, 0x20];
        for gone in 0..keys.len() {
            let mut index = index_of(4, &keys);
            let mut expected = [true; 5];
            expected[gone] = false;
            index.remove(keys[gone], gone as u32 + 1, |number| keys[number as usize - 1]);
            has(&index, &keys, &expected);
            assert_eq!(index.len(), 4);
            index.insert(keys[gone], gone as u32 + 1);
            has(&index, &keys, &[true; 5]);
        }
    }

    #[test]
    fn taking_out_what_is_not_there_changes_nothing() {
        let keys = [0x10, 0x20];
        let mut index = index_of(4, &keys);
        index.remove(0x10, 7, |number| keys[number as usize - 1]);
        assert_eq!(index.len(), 2);
        has(&index, &keys, &[true; 2]);
    }

    /// Against a plain list, in an index that is nearly full all the time.
    #[test]
    fn many_come_and_go() {
        let mut index = Index::new(6).expect("room");
        let keys: Vec<usize> = (0..200).map(|i: usize| i.wrapping_mul(0x9E37_79B9) & 0xffff_fff0).collect();
        let mut present = [false; 200];
        let mut random = 1u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let which = (random >> 16) as usize % keys.len();
            let number = which as u32 + 1;
            if present[which] {
                index.remove(keys[which], number, |number| keys[number as usize - 1]);
            } else if index.is_full() {
                continue;
            } else {
                index.insert(keys[which], number);
            }
            present[which] = !present[which];
            assert_eq!(index.len(), present.iter().filter(|present| **present).count());
        }
        has(&index, &keys, &present);
    }
}
