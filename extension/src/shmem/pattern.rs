//! What canaries are filled with, and which of their bytes were changed.

use std::ops::Range;

use memcheck_core::overrun::Changed;

/// Bytes of the longest canary.
pub(super) const LONGEST: usize = 4096 + 128;
const WORD: usize = size_of::<u64>();

/// A pattern: each byte depends on its place, and on how often the canary has been filled. So a byte that was written is as it
/// was before at most once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Pattern(u32);

impl Pattern {
    /// The next one.
    pub(super) fn renew(&mut self) {
        self.0 = self.0.wrapping_add(1);
    }

    /// A word of it (splitmix64). No byte of it is one that is written often: none of ASCII, no zero, none of a small negative
    /// number.
    fn word(self, number: usize) -> u64 {
        let mut word = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(self.0) << 32);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) & 0x3f3f_3f3f_3f3f_3f3f | 0x8080_8080_8080_8080
    }

    /// # Safety
    /// So many bytes are there from that address on, and nobody's.
    pub(super) unsafe fn fill(self, start: usize, bytes: usize) {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(start);
        for number in 0..bytes {
            // SAFETY: one of the bytes.
            unsafe { start.add(number).write_volatile(self.word(number / WORD).to_ne_bytes()[number % WORD]) };
        }
    }

    /// Which of some bytes are not as they were filled; none where all are. They begin with a whole word.
    ///
    /// # Safety
    /// So many bytes are there from that address on.
    pub(super) unsafe fn changed(self, start: usize, range: Range<usize>) -> Option<Bits> {
        let start = std::ptr::with_exposed_provenance::<u8>(start);
        let mut changed = Bits::default();
        for first in range.clone().step_by(WORD) {
            let expected = self.word(first / WORD);
            // SAFETY: a whole word of the bytes, which need not be aligned.
            if first + WORD <= range.end && unsafe { start.add(first).cast::<u64>().read_unaligned() } == expected {
                continue;
            }
            for (number, byte) in (first..range.end.min(first + WORD)).zip(expected.to_ne_bytes()) {
                // SAFETY: one of the bytes.
                if unsafe { start.add(number).read_volatile() } != byte {
                    changed.set(number);
                }
            }
        }
        (changed != Bits::default()).then_some(changed)
    }

    /// Which of some bytes are not zero, as they are when the server has started; none where all are.
    ///
    /// # Safety
    /// So many bytes are there from that address on.
    pub(super) unsafe fn written(start: usize, bytes: usize) -> Option<Bits> {
        let start = std::ptr::with_exposed_provenance::<u8>(start);
        let mut written = Bits::default();
        for number in 0..bytes {
            // SAFETY: one of the bytes.
            if unsafe { start.add(number).read_volatile() } != 0 {
                written.set(number);
            }
        }
        (written != Bits::default()).then_some(written)
    }

    /// Has some bytes be as no pattern has them.
    ///
    /// # Safety
    /// They are there from that address on, and nobody's.
    pub(super) unsafe fn spoil(start: usize, bytes: &Bits) {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(start);
        // SAFETY: one of the bytes.
        bytes.each().for_each(|number| unsafe { start.add(number).write_volatile(0) });
    }
}

/// Which bytes of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Bits([u64; LONGEST.div_ceil(u64::BITS as usize)]);

impl Default for Bits {
    fn default() -> Self {
        Bits([0; LONGEST.div_ceil(u64::BITS as usize)])
    }
}

impl Bits {
    /// The first byte alone.
    pub(super) fn first() -> Self {
        let mut bits = Bits::default();
        bits.set(0);
        bits
    }

    fn set(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / u64::BITS as usize) {
            *word |= 1 << (number % u64::BITS as usize);
        }
    }

    /// Their numbers.
    fn each(&self) -> impl Iterator<Item = usize> {
        let is_set = |number: &usize| self.0[number / u64::BITS as usize] >> (number % u64::BITS as usize) & 1 != 0;
        (0..self.0.len() * u64::BITS as usize).filter(is_set)
    }

    /// Those as well.
    pub(super) fn add(&mut self, other: &Bits) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    /// The first, the last and their number; none where there are none.
    pub(super) fn summary(&self) -> Option<Changed> {
        let words = || self.0.iter().zip((0u64..).step_by(u64::BITS as usize)).filter(|(word, _)| **word != 0);
        let (first, at) = words().next()?;
        let first = at + u64::from(first.trailing_zeros());
        let last = words().last().map_or(first, |(word, at)| at + u64::from(u64::BITS - 1 - word.leading_zeros()));
        Some(Changed { first, last, bytes: self.0.iter().map(|word| u64::from(word.count_ones())).sum() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(pattern: Pattern, memory: &[u8]) -> Option<(u64, u64, u64)> {
        // SAFETY: memory of this test.
        let changed = unsafe { pattern.changed(memory.as_ptr().expose_provenance(), 0..memory.len()) };
        changed.and_then(|bits| bits.summary()).map(|changed| (changed.first, changed.last, changed.bytes))
    }

    #[test]
    fn each_byte_that_was_changed_is_found() {
        for (bytes, align) in [(1, 0), (7, 1), (8, 0), (127, 3), (4096, 0), (LONGEST, 5)] {
            let mut memory = vec![0u8; bytes + align];
            let pattern = Pattern(3);
            // SAFETY: memory of this test.
            unsafe { pattern.fill(memory[align..].as_mut_ptr().expose_provenance(), bytes) };
            assert_eq!(summary(pattern, &memory[align..]), None, "{bytes}");
            for at in [0, bytes / 2, bytes - 1] {
                let before = std::mem::replace(&mut memory[align + at], 0);
                assert_eq!(summary(pattern, &memory[align..]), Some((at as u64, at as u64, 1)), "{at} of {bytes}");
                memory[align + at] = before;
            }
        }
    }

    #[test]
    fn what_was_written_before_is_found_when_it_is_filled() {
        let mut memory = vec![0u8; 300];
        (memory[0], memory[8], memory[299]) = (1, 0xff, b'x');
        let start = memory.as_mut_ptr().expose_provenance();
        let pattern = Pattern::default();
        // SAFETY: memory of this test.
        unsafe {
            let written = Pattern::written(start, memory.len()).expect("three bytes");
            pattern.fill(start, memory.len());
            Pattern::spoil(start, &written);
            assert_eq!(pattern.changed(start, 0..memory.len()), Some(written));
            assert_eq!(Pattern::written(start + 1, 7).map(|bits| bits.each().count()), Some(7));
        }
    }

    #[test]
    fn bytes_are_counted_and_added() {
        let mut memory = vec![0u8; 256];
        let pattern = Pattern::default();
        // SAFETY: memory of this test.
        unsafe { pattern.fill(memory.as_mut_ptr().expose_provenance(), memory.len()) };
        memory[8..72].fill(0);
        assert_eq!(summary(pattern, &memory), Some((8, 71, 64)));
        memory[200] = 1;
        assert_eq!(summary(pattern, &memory), Some((8, 200, 65)));
        let mut bits = Bits::first();
        bits.add(&Bits::first());
        assert_eq!(bits.summary().map(|changed| changed.bytes), Some(1));
        assert!(Bits::default().summary().is_none());
    }

    /// What is written again and again is seen again, whatever it is.
    #[test]
    fn no_byte_is_hidden_for_long() {
        let mut pattern = Pattern::default();
        let mut hidden = 0;
        for _ in 0..1000 {
            hidden += usize::from(pattern.word(0).to_ne_bytes()[0] == 0x9d);
            pattern.renew();
        }
        assert!((1..60).contains(&hidden), "{hidden}");
        for often in [0u8, 1, 0x7f, 0xde, 0xfd, 0xfe, 0xff, b'x'] {
            assert!((0..1000).all(|number| !pattern.word(number).to_ne_bytes().contains(&often)), "{often}");
        }
    }
}
