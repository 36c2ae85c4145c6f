//! Where the elements of a hash table in shared memory end, which are all made when it is (`hash_create` in dynahash.c).

use std::ffi::c_int;

use pgrx::pg_sys::{HASH_PARTITION, HASHCTL};

use crate::pg::server;
use crate::shmem::canaries::rounded;

/// `NUM_FREELISTS`: a table that is divided has that many lists of elements, made one behind the other.
const LISTS: usize = 32;
/// `HASHELEMENT`, of which each is followed by its entry.
const ELEMENT: usize = 16;
const ALIGNMENT: usize = 8;
/// `HASH_SEGSIZE` and `DEF_DIRSIZE`.
const BUCKETS_OF_SEGMENT: usize = 256;
const SHORTEST_DIRECTORY: usize = 256;

/// The elements of a table.
#[derive(Clone, Copy)]
pub(super) struct Elements {
    /// How many there are to be.
    wanted: usize,
    /// Bytes of an entry.
    entry: usize,
    /// Into how many parts the table is divided, of which each has a lock of its own; 0 for none.
    parts: usize,
}

impl Elements {
    /// As a table is asked for.
    pub(super) fn of(wanted: i64, info: &HASHCTL, flags: c_int) -> Self {
        let is_divided = flags & HASH_PARTITION as c_int != 0;
        let number = |number: i64| usize::try_from(number).unwrap_or(0);
        let parts = if is_divided { number(info.num_partitions) } else { 0 };
        Elements { wanted: number(wanted), entry: info.entrysize, parts }
    }

    pub(super) fn parts(self) -> u32 {
        u32::try_from(self.parts).unwrap_or(0)
    }

    /// Bytes of one (`element_alloc`).
    fn size(self) -> usize {
        ELEMENT.saturating_add(self.entry.next_multiple_of(ALIGNMENT))
    }

    /// Bytes of those that are made last: all, or those of the last list.
    pub(super) fn last(self) -> usize {
        let number = if self.parts == 0 { self.wanted } else { self.wanted / LISTS };
        number.max(1).saturating_mul(self.size())
    }

    /// Bytes behind the last of them up to where the next thing in shared memory begins.
    pub(super) fn unused(self) -> usize {
        if server::TABLES_ARE_OF_ONE_PIECE {
            // SAFETY: computes.
            let piece = unsafe { server::hash_estimate_size(self.wanted as i64, self.entry) };
            return self.slack() + rounded(piece) - piece;
        }
        rounded(self.last()) - self.last()
    }

    /// Bytes that nothing of the table takes in a piece of the size that `hash_estimate_size` tells: that rounds up the number of elements
    /// (`choose_nelem_alloc`), and does not know of parts, for which there may be more buckets (`init_htab`).
    fn slack(self) -> usize {
        let size = self.size();
        let mut group = 32 * 4;
        let at_once = loop {
            group *= 2;
            if group / size >= 32 {
                break group / size;
            }
        };
        let elements = |number: usize| number.saturating_mul(size);
        let buckets = self.wanted.max(1).next_power_of_two();
        let estimated = elements(self.wanted.div_ceil(at_once).max(1) * at_once) + directory_and_segments(buckets);
        let made = self.wanted.max(if self.parts == 0 { 1 } else { LISTS });
        let taken = elements(made) + directory_and_segments(buckets.max(self.parts.next_power_of_two()));
        estimated.saturating_sub(taken)
    }
}

/// Bytes of so many buckets and of the directory of their segments.
fn directory_and_segments(buckets: usize) -> usize {
    let segments = buckets.div_ceil(BUCKETS_OF_SEGMENT).next_power_of_two();
    let words = segments * BUCKETS_OF_SEGMENT + segments.max(SHORTEST_DIRECTORY);
    words * size_of::<usize>()
}

#[cfg(test)]
mod tests {
    use super::Elements;

    #[test]
    fn the_last_ones_are_those_of_the_last_list() {
        let table = [(10, 20, 0, 400), (0, 8, 0, 24), (640, 8, 16, 480), (5, 8, 16, 24)];
        for (wanted, entry, parts, bytes) in table {
            assert_eq!(Elements { wanted, entry, parts }.last(), bytes);
        }
    }

    #[test]
    fn what_is_left_of_a_piece() {
        let table = [
            // 42 elements of 24 bytes at once are 1008 of 1024.
            (20, 8, 0, 22 * 24),
            (42, 8, 0, 0),
            (43, 8, 0, 41 * 24),
            (0, 8, 0, 41 * 24),
            // Each list has one at least.
            (5, 8, 16, 10 * 24),
            (40, 8, 16, 2 * 24),
            // Buckets for 1024 parts are in 4 segments instead of one, which is more than what is left.
            (20, 8, 1024, 0),
            // 64 at once of 256 bytes.
            (1, 240, 0, 31 * 256),
            (1, 240, 512, 0),
        ];
        for (wanted, entry, parts, bytes) in table {
            assert_eq!(Elements { wanted, entry, parts }.slack(), bytes, "{wanted} {entry} {parts}");
        }
    }
}
