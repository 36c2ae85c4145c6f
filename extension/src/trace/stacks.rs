//! Stacks with which sites have allocated: for each site those from different places on the stack.
//!
//! A statement comes to a site with the same functions each time, and so at the same depth. So a stack is written down once for
//! each site and depth, and known again by where the wrapper's frame is and by some of its return addresses, which are read
//! and compared. That takes a few nanoseconds; another walk would take a microsecond.

use super::memory::{Reserved, Zeroed};
use super::sites;

/// Stacks at most, a power of two; their numbers are below `2^STACK_BITS`.
const MOST: usize = 1 << 14;
/// Stacks of one site at most. A recursion has as many as it is deep.
const OF_SITE: u32 = 64;
/// Places looked at for one.
const PROBES: usize = 8;
/// Frames kept of a stack.
pub(crate) const FRAMES: usize = 32;
/// Bits of an [`Origin`] that say which site it is.
const SITE_BITS: u32 = sites::MOST.ilog2();

/// A site, and the stack with which it has allocated something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Origin(u32);

// SAFETY: an integer.
unsafe impl Zeroed for Origin {}

impl Origin {
    /// None: there is no site with that number.
    pub(crate) const NONE: Self = Origin(0);

    /// By their numbers; 0 for a stack that is not known.
    #[inline(always)]
    pub(crate) fn new(site: u32, stack: u32) -> Self {
        Origin(stack << SITE_BITS | site)
    }

    /// The number of the site.
    #[inline(always)]
    pub(crate) fn site(self) -> u32 {
        self.0 & ((1 << SITE_BITS) - 1)
    }

    /// The number of the stack; 0 where it is not known.
    #[inline(always)]
    pub(crate) fn stack(self) -> u32 {
        self.0 >> SITE_BITS
    }
}

impl From<u32> for Origin {
    /// A site, with a stack that is not known.
    fn from(site: u32) -> Self {
        Origin::new(site, 0)
    }
}

/// A return address, and how far it lies from the frame of the allocator's wrapper (bytes); 0 where it stands for another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) pc: usize,
    pub(crate) place: usize,
}

/// A stack. All zero is none.
#[derive(Clone, Copy, Default)]
struct Stack {
    site: u32,
    length: u32,
    /// Where the frame of the allocator's wrapper was.
    frame: usize,
    steps: [Step; FRAMES],
}

// SAFETY: integers.
unsafe impl Zeroed for Stack {}

/// The stacks of all sites.
pub(crate) struct Stacks {
    stacks: Reserved<Stack>,
    /// How many each site has.
    number: Reserved<u32>,
    /// The last that was written down for each site.
    newest: Reserved<u32>,
}

impl Stacks {
    pub(crate) fn new() -> Option<Self> {
        let (number, newest) = (Reserved::new(sites::MOST)?, Reserved::new(sites::MOST)?);
        Some(Stacks { stacks: Reserved::new(MOST)?, number, newest })
    }

    pub(crate) fn clear(&mut self) {
        self.stacks.clear();
        self.number.clear();
        self.newest.clear();
    }

    /// The stack with which a site allocates now, the wrapper's frame being at an address. `capture` writes it down where it is
    /// not known.
    #[inline(always)]
    pub(crate) fn origin(
        &mut self,
        site: u32,
        frame: usize,
        capture: impl FnOnce(&mut [Step; FRAMES]) -> usize,
    ) -> Origin {
        let home = (((site as u64) << 40) ^ frame as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50;
        for probe in 0..PROBES {
            let index = (home as usize + probe) % MOST;
            let stack = self.stacks.get_ref(index);
            if stack.site == site && stack.frame == frame && stack.is_there() {
                return Origin::new(site, index as u32 + 1);
            }
            if stack.site == 0 {
                return self.enter(index, site, frame, capture);
            }
        }
        site.into()
    }

    #[inline(never)]
    fn enter(
        &mut self,
        index: usize,
        site: u32,
        frame: usize,
        capture: impl FnOnce(&mut [Step; FRAMES]) -> usize,
    ) -> Origin {
        let number = self.number.at(site as usize);
        if *number == OF_SITE {
            return site.into();
        }
        *number += 1;
        let stack = self.stacks.at(index);
        stack.length = capture(&mut stack.steps).min(FRAMES) as u32;
        (stack.site, stack.frame) = (site, frame);
        *self.newest.at(site as usize) = index as u32 + 1;
        Origin::new(site, index as u32 + 1)
    }

    /// The return addresses of a stack, from the allocator's caller on.
    pub(crate) fn get(&self, number: u32) -> Vec<usize> {
        let stack = (number as usize).checked_sub(1).filter(|&index| index < MOST).map(|index| self.stacks.get(index));
        stack.map_or(Vec::new(), |stack| stack.steps().iter().map(|step| step.pc).collect())
    }

    /// The stack that was last written down for a site; 0 for none.
    pub(crate) fn newest(&self, site: u32) -> u32 {
        self.newest.get(site as usize % sites::MOST)
    }
}

impl Stack {
    fn steps(&self) -> &[Step] {
        &self.steps[..self.length as usize]
    }

    /// Whether its outer return addresses are in place.
    #[inline(always)]
    fn is_there(&self) -> bool {
        let length = self.length as usize;
        let telling = [length, length * 3 / 4, length / 2, length / 4];
        telling.into_iter().filter_map(|number| self.steps.get(number.checked_sub(1)?)).all(|step| {
            // SAFETY: it lies above a frame of the wrapper's that is there, as far as when it was written down, and so below the
            // end of the stack.
            step.place == 0 || unsafe { ((self.frame + step.place) as *const usize).read() } == step.pc
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that stand for a stack of eight return addresses.
    fn words() -> [usize; 8] {
        std::array::from_fn(|number| 0x1000 + number)
    }

    fn captures(words: &[usize; 8]) -> impl FnOnce(&mut [Step; FRAMES]) -> usize {
        move |steps| {
            for (number, (step, &pc)) in steps.iter_mut().zip(words).enumerate().skip(1) {
                *step = Step { pc, place: number * size_of::<usize>() };
            }
            steps[0].pc = words[0];
            8
        }
    }

    fn origin(stacks: &mut Stacks, site: u32, words: &[usize; 8]) -> Origin {
        stacks.origin(site, words.as_ptr().addr(), captures(words))
    }

    #[test]
    fn a_site_has_a_stack_for_each_way_to_it() {
        let mut stacks = Stacks::new().expect("room");
        let mut words = words();
        let first = origin(&mut stacks, 7, &words);
        assert_eq!((first.site(), stacks.get(first.stack())), (7, words.to_vec()));
        let again = stacks.origin(7, words.as_ptr().addr(), |_| panic!("its stack is known"));
        assert_eq!(again, first);
        assert_ne!(origin(&mut stacks, 8, &words), first);
        // Another statement comes to it at the same depth.
        words[7] = 0x2000;
        let other = origin(&mut stacks, 7, &words);
        assert_eq!((other.site(), stacks.get(other.stack())), (7, words.to_vec()));
        assert_ne!(other, first);
        assert_eq!(stacks.newest(7), other.stack());
        stacks.clear();
        assert_eq!((stacks.newest(7), stacks.get(first.stack())), (0, Vec::new()));
    }

    #[test]
    fn a_recursion_does_not_take_all_the_room() {
        let mut stacks = Stacks::new().expect("room");
        let deep = (0..1000).map(|depth| stacks.origin(7, 0x7000_0000 + depth * 64, |_| 0)).collect::<Vec<_>>();
        assert_eq!(deep.iter().filter(|origin| origin.stack() != 0).count(), OF_SITE as usize);
        assert!(deep.iter().all(|origin| origin.site() == 7));
        assert_ne!(stacks.origin(8, 0x7000_0000, |_| 0).stack(), 0);
    }

    #[test]
    fn what_has_no_number_has_no_stack() {
        let stacks = Stacks::new().expect("room");
        for number in [0, 1, MOST as u32 + 1, u32::MAX] {
            assert_eq!(stacks.get(number), Vec::<usize>::new(), "{number}");
        }
        assert_eq!(Origin::from(5), Origin::new(5, 0));
        let largest = Origin::new(sites::MOST as u32 - 1, MOST as u32);
        assert_eq!((largest.site(), largest.stack()), (sites::MOST as u32 - 1, MOST as u32));
    }
}
