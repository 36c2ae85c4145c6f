//! Room for answers, of which each takes a run of units.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many units there are: one bit of a word for each.
const UNITS: u32 = u64::BITS;
/// Size of one (bytes).
const UNIT: usize = 1 << 20;
/// Room for all answers, and so the longest (bytes). Reserved, not used.
pub(super) const BYTES: usize = UNITS as usize * UNIT;

/// Which units are taken. All zero is none.
#[repr(C)]
pub(super) struct Room(AtomicU64);

/// The units of a run that begins with the first.
fn run(length: usize) -> Option<u64> {
    match length.div_ceil(UNIT).max(1) {
        units if units > UNITS as usize => None,
        units if units == UNITS as usize => Some(u64::MAX),
        units => Some((1 << units) - 1),
    }
}

impl Room {
    /// Takes room for so many bytes, and says where it begins.
    pub(super) fn claim(&self, length: usize) -> Option<usize> {
        let run = run(length)?;
        let free_at = |taken: u64| (0..=run.leading_zeros()).find(|&at| taken & run << at == 0);
        let mut at = 0;
        let claim = |taken: u64| {
            at = free_at(taken)?;
            Some(taken | run << at)
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).ok()?;
        Some(at as usize * UNIT)
    }

    /// Gives it up.
    pub(super) fn release(&self, at: usize, length: usize) {
        let run = run(length).unwrap_or(0) << (at / UNIT);
        self.0.fetch_and(!run, Ordering::AcqRel);
    }

    /// Gives up all of it.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_do_not_overlap() {
        let room = Room(AtomicU64::new(0));
        let lengths = [1, UNIT, UNIT + 1, 0, 3 * UNIT];
        let taken = lengths.map(|length| room.claim(length).expect("room") / UNIT);
        assert_eq!(taken, [0, 1, 2, 4, 5]);
        room.release(2 * UNIT, UNIT + 1);
        assert_eq!(room.claim(3 * UNIT), Some(8 * UNIT));
        assert_eq!(room.claim(2 * UNIT), Some(2 * UNIT));
        assert_eq!(room.claim(BYTES), None);
        assert_eq!(room.claim(BYTES - 11 * UNIT), Some(11 * UNIT));
        assert_eq!(room.claim(1), None);
        room.reset();
        assert_eq!(room.claim(BYTES + 1), None);
        assert_eq!(room.claim(BYTES), Some(0));
        room.release(0, BYTES);
        assert_eq!(room.claim(1), Some(0));
    }
}
