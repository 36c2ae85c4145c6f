//! What is written where nobody has anything to write, so that a write there shows.

use std::ops::Range;

/// Fills what lies around a chunk. No byte of a text in UTF-8, and no zero.
pub(super) const CANARY: u8 = 0xfd;
/// Fills what is gone, as the server's own debug builds do (`wipe_mem` in memdebug.h).
pub(super) const WIPED: u8 = 0x7f;

/// Memory that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    start: usize,
    length: usize,
}

impl Bytes {
    /// # Safety
    /// They are there and nobody else's, as long as this is used.
    #[inline(always)]
    pub(super) unsafe fn at(start: usize, length: usize) -> Self {
        Bytes { start, length }
    }

    /// Fills them.
    #[inline(always)]
    pub(super) fn fill(self, value: u8) {
        // SAFETY: by the promise of `at`.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(self.start).write_bytes(value, self.length) };
    }

    /// From the first to the last that is not what they were filled with; none where all are.
    #[inline(always)]
    pub(super) fn changed(self, value: u8) -> Option<Range<usize>> {
        // SAFETY: by the promise of `at`.
        let bytes = unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(self.start), self.length) };
        changed(bytes, |_| value)
    }
}

/// From the first to the last byte that is not as expected.
fn changed(bytes: &[u8], expected: impl Fn(usize) -> u8) -> Option<Range<usize>> {
    let is_other = |number: &usize| bytes.get(*number).is_some_and(|&byte| byte != expected(*number));
    let first = (0..bytes.len()).find(is_other)?;
    let last = (first..bytes.len()).rev().find(is_other)?;
    Some(first..last + 1)
}

/// As [`Bytes::changed`], of the word before a chunk: in bytes from the chunk.
pub(super) fn changed_word(before: u64, now: u64) -> Option<Range<isize>> {
    const SIZE: isize = size_of::<u64>() as isize;
    let was = before.to_ne_bytes();
    let changed = changed(&now.to_ne_bytes(), |number| was.get(number).copied().unwrap_or(0))?;
    Some(changed.start as isize - SIZE..changed.end as isize - SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_found() {
        for length in [0usize, 1, 7, 8, 24, 4000] {
            let mut memory = vec![0u8; length];
            // SAFETY: memory of ours.
            let bytes = unsafe { Bytes::at(memory.as_mut_ptr().expose_provenance(), length) };
            bytes.fill(CANARY);
            assert_eq!(bytes.changed(CANARY), None);
            for (first, last) in [(0, 0), (0, 6), (length / 2, length / 2), (length.saturating_sub(1), length)] {
                let changed = first..(last + 1).min(length);
                if changed.is_empty() {
                    continue;
                }
                memory[changed.start] = 0;
                memory[changed.end - 1] = b'x';
                assert_eq!(bytes.changed(CANARY), Some(changed));
                bytes.fill(CANARY);
            }
        }
    }

    #[test]
    fn a_header_is_before_its_chunk() {
        let word = u64::from_ne_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
        let table = [
            ([1, 2, 3, 4, 5, 6, 7, 8], None),
            ([1, 2, 3, 4, 5, 6, 7, 9], Some(-1..0)),
            ([0, 2, 3, 4, 5, 6, 7, 8], Some(-8..-7)),
            ([1, 0, 3, 4, 0, 6, 7, 8], Some(-7..-3)),
        ];
        for (now, expected) in table {
            assert_eq!(changed_word(word, u64::from_ne_bytes(now)), expected);
        }
    }
}
