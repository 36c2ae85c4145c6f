//! What processes that have ended have left for others: where it is, in room that answers share.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// As many as there are units of room.
const MOST: usize = 64;
/// Nobody's.
const FREE: i32 = 0;
/// Somebody is at it.
const TAKEN: i32 = -1;

/// All zero is none.
#[repr(C)]
pub(super) struct Legacies([Slot; MOST]);

#[repr(C)]
struct Slot {
    /// For whom it is, or one of the above.
    heir: AtomicI32,
    from: AtomicI32,
    at: AtomicUsize,
    length: AtomicUsize,
}

/// Between which processes it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Legacy {
    pub(super) heir: i32,
    pub(super) from: i32,
}

impl Legacies {
    /// Notes one. False where there is no place for it.
    pub(super) fn add(&self, from: i32, heir: i32, at: usize, length: usize) -> bool {
        let is_free = |slot: &&Slot| slot.changes(FREE, TAKEN);
        let Some(slot) = self.0.iter().find(is_free) else { return false };
        slot.from.store(from, Ordering::Relaxed);
        slot.at.store(at, Ordering::Relaxed);
        slot.length.store(length, Ordering::Relaxed);
        slot.heir.store(heir, Ordering::Release);
        true
    }

    /// Takes those that are wanted, and says where each is.
    pub(super) fn take(&self, is_wanted: impl Fn(Legacy) -> bool, mut with: impl FnMut(usize, usize)) {
        for slot in &self.0 {
            let heir = slot.heir.load(Ordering::Acquire);
            let from = slot.from.load(Ordering::Relaxed);
            if heir > FREE && is_wanted(Legacy { heir, from }) && slot.changes(heir, TAKEN) {
                with(slot.at.load(Ordering::Relaxed), slot.length.load(Ordering::Relaxed));
                slot.heir.store(FREE, Ordering::Release);
            }
        }
    }

    /// Forgets all. Only while there are no other processes.
    pub(super) fn reset(&self) {
        self.0.iter().for_each(|slot| slot.heir.store(FREE, Ordering::Relaxed));
    }
}

impl Slot {
    fn changes(&self, from: i32, to: i32) -> bool {
        self.heir.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_and_by_its_heir() {
        // SAFETY: all zero is none.
        let legacies: Legacies = unsafe { std::mem::zeroed() };
        assert!(legacies.add(10, 1, 4096, 5) && legacies.add(11, 2, 8192, 6));
        let taken = |heir| {
            let mut taken = Vec::new();
            legacies.take(|legacy| legacy.heir == heir, |at, length| taken.push((at, length)));
            taken
        };
        assert_eq!(taken(3), []);
        assert_eq!(taken(1), [(4096, 5)]);
        assert_eq!(taken(1), []);
        for _ in 1..MOST {
            assert!(legacies.add(12, 1, 0, 1));
        }
        assert!(!legacies.add(12, 1, 0, 1));
        legacies.reset();
        assert_eq!(taken(2), []);
    }
}
