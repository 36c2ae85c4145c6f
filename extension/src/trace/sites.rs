//! Places in the targets' code that allocate, numbered when first seen.

use super::index::Index;
use super::memory::{Reserved, Zeroed};

/// Sites at most: 2^BITS * 3/4.
const BITS: u32 = 14;
/// All numbers of sites are below this.
pub(crate) const MOST: usize = 1 << BITS;

/// A return address in a target.
#[derive(Clone, Copy, Default)]
pub(crate) struct Site {
    /// What tells sites apart: the return address, or a hash of several.
    key: usize,
    pub(crate) pc: usize,
}

// SAFETY: integers.
unsafe impl Zeroed for Site {}

/// All sites seen.
pub(crate) struct Sites {
    sites: Reserved<Site>,
    by_key: Index,
    last: u32,
    /// Places that found no room, each time they allocated.
    not_recorded: u64,
}

impl Sites {
    pub(crate) fn new() -> Option<Self> {
        Some(Sites { sites: Reserved::new(MOST)?, by_key: Index::new(BITS)?, last: 0, not_recorded: 0 })
    }

    /// The number of a site, given now if it has none yet; 0 when there is no room.
    #[inline(always)]
    pub(crate) fn number(&mut self, key: usize, pc: usize) -> u32 {
        let sites = &self.sites;
        if let Some(number) = self.by_key.find(key, |number| sites.get_ref(number as usize).key == key) {
            return number;
        }
        if self.by_key.is_full() {
            self.not_recorded += 1;
            return 0;
        }
        self.last += 1;
        *self.sites.at(self.last as usize) = Site { key, pc };
        self.by_key.insert(key, self.last);
        self.last
    }

    /// One more than the number of sites that are known: all of their numbers are below.
    pub(crate) fn known(&self) -> usize {
        self.last as usize + 1
    }

    /// How often a place found no room.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    pub(crate) fn get(&self, number: u32) -> Site {
        self.sites.get((number as usize).min(self.sites.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_numbered_once() {
        let mut sites = Sites::new().expect("room");
        assert_eq!(sites.number(0x10, 0x1000), 1);
        assert_eq!(sites.number(0x20, 0x1000), 2);
        assert_eq!(sites.number(0x10, 0x3000), 1);
        assert_eq!((sites.get(1).pc, sites.get(2).pc), (0x1000, 0x1000));
    }

    /// Those that came in time keep their numbers; the others have none, however often they come.
    #[test]
    fn there_is_an_end_to_them() {
        let mut sites = Sites::new().expect("room");
        let mut last = 0;
        for key in (1..).map(|i| i * 16) {
            match sites.number(key, key) {
                0 => break,
                number => {
                    assert_eq!(number, last + 1);
                    last = number;
                }
            }
        }
        assert!((MOST / 2..=MOST / 4 * 3).contains(&(last as usize)), "{last}");
        assert_eq!(sites.number(last as usize * 16, 0), last);
        for key in [0x7f00_0000_0000, 0x7f00_0000_0010, 0x7f00_0000_0000] {
            assert_eq!(sites.number(key, key), 0);
        }
    }

    #[test]
    fn what_has_no_number_is_nowhere() {
        let sites = Sites::new().expect("room");
        for number in [0, 1, u32::MAX] {
            assert_eq!(sites.get(number).pc, 0);
        }
    }
}
