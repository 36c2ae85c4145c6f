//! Places in the targets' code that allocate, numbered when first seen, each with the stack it was first seen with.

use super::index::Index;
use super::memory::{Reserved, Zeroed};

/// Sites at most: 2^BITS * 3/4.
const BITS: u32 = 14;
/// All numbers of sites are below this.
pub(crate) const MOST: usize = 1 << BITS;
/// Frames kept of a stack.
pub(crate) const STACK_FRAMES: usize = 32;

/// A return address in a target, and the stack it was first seen with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Site {
    /// What tells sites apart: the return address, or a hash of several.
    key: usize,
    pub(crate) pc: usize,
    frames: u32,
    stack: [usize; STACK_FRAMES],
}

// SAFETY: integers.
unsafe impl Zeroed for Site {}

impl Site {
    /// Return addresses from the inside out, from the allocator's caller on.
    pub(crate) fn stack(&self) -> &[usize] {
        &self.stack[..(self.frames as usize).min(STACK_FRAMES)]
    }
}

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

    /// The number of a site, given now if it has none yet; `stack` is asked for then. 0 when there is no room.
    #[inline(always)]
    pub(crate) fn number(
        &mut self,
        key: usize,
        pc: usize,
        stack: impl FnOnce(&mut [usize; STACK_FRAMES]) -> usize,
    ) -> u32 {
        let sites = &self.sites;
        if let Some(number) = self.by_key.find(key, |number| sites.get_ref(number as usize).key == key) {
            return number;
        }
        if self.by_key.is_full() {
            self.not_recorded += 1;
            return 0;
        }
        self.last += 1;
        let site = self.sites.at(self.last as usize);
        (site.key, site.pc) = (key, pc);
        site.frames = stack(&mut site.stack) as u32;
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

    /// A stack of two frames, unless it is not to be asked for.
    fn two(stack: &mut [usize; STACK_FRAMES]) -> usize {
        stack[..2].copy_from_slice(&[1, 2]);
        2
    }

    #[test]
    fn a_site_is_numbered_once() {
        let mut sites = Sites::new().expect("room");
        assert_eq!(sites.number(0x10, 0x1000, two), 1);
        assert_eq!(sites.number(0x20, 0x1000, |_| 0), 2);
        assert_eq!(sites.number(0x10, 0x3000, |_| panic!("its stack is known")), 1);
        assert_eq!((sites.get(1).pc, sites.get(1).stack()), (0x1000, &[1, 2][..]));
        assert_eq!((sites.get(2).pc, sites.get(2).stack()), (0x1000, &[][..]));
    }

    #[test]
    fn a_stack_is_not_longer_than_what_is_kept_of_it() {
        let mut sites = Sites::new().expect("room");
        let number = sites.number(0x10, 0x10, |stack| {
            stack.fill(7);
            STACK_FRAMES + 1
        });
        assert_eq!(sites.get(number).stack(), [7; STACK_FRAMES]);
    }

    /// Those that came in time keep their numbers; the others have none, however often they come.
    #[test]
    fn there_is_an_end_to_them() {
        let mut sites = Sites::new().expect("room");
        let mut last = 0;
        for key in (1..).map(|i| i * 16) {
            match sites.number(key, key, |_| 0) {
                0 => break,
                number => {
                    assert_eq!(number, last + 1);
                    last = number;
                }
            }
        }
        assert!((MOST / 2..=MOST / 4 * 3).contains(&(last as usize)), "{last}");
        assert_eq!(sites.number(last as usize * 16, 0, |_| panic!("its stack is known")), last);
        for key in [0x7f00_0000_0000, 0x7f00_0000_0010, 0x7f00_0000_0000] {
            assert_eq!(sites.number(key, key, |_| panic!("there is no room for it")), 0);
        }
    }

    #[test]
    fn what_has_no_number_has_no_stack() {
        let sites = Sites::new().expect("room");
        for number in [0, 1, u32::MAX] {
            assert_eq!((sites.get(number).pc, sites.get(number).stack()), (0, &[][..]));
        }
    }
}
