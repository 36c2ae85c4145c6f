//! What walks along the stack have found.
//!
//! A target that is at work allocates at the same places with the same calls in between, over and over. The result of a walk is
//! kept with every return address that the walk came by, and with where on the stack each was. It holds again where all of
//! them are in place again. That is no guess: the nearest one says which function has called the wrapper, and a function keeps
//! its return address at a fixed distance, so the next one says who has called that function, and so on outwards. (A frame
//! of variable size, that of `alloca`, would have to leave at the right distance an address that is not its own.) Reading a
//! dozen words costs a tenth of unwinding as many frames.
//!
//! It is looked up by the nearest return address, the one that the newest note points at, and their distance.

use std::ops::Range;

use super::calls::{Note, Tail};
use super::walk::Registers;
use crate::trace::memory::{Reserved, Zeroed};

/// Results kept at most; a new one takes the place of another with the same hash.
const PLACES: usize = 1 << 12;
/// Return addresses that a result can depend on at most.
const MOST: usize = 4096;
/// Return addresses of all results together. When there is no room for more, all results are forgotten.
const STEPS: usize = 1 << 19;
/// One hit in so many is checked by a walk.
const SAMPLE: u64 = if cfg!(debug_assertions) { 1 } else { 1024 };

/// What a walk is for. The same stack has another answer for each.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Question {
    /// Whose call into the allocator it is.
    Call = 1,
    /// To whom the server hands over what it allocates.
    Handed = 2,
    /// Whose call of malloc it is.
    Heap = 3,
}

/// A return address that a walk has come by, and its distance from the wrapper's frame pointer (bytes).
#[derive(Clone, Copy, Default)]
struct Step {
    pc: usize,
    place: usize,
}

// SAFETY: integers.
unsafe impl Zeroed for Step {}

/// The return addresses that a walk has come by, from the inside out.
pub(super) struct Trail {
    steps: Reserved<Step>,
    ends: Ends,
}

/// How a walk has gone.
#[derive(Clone, Copy, Default)]
struct Ends {
    length: u32,
    /// The places of the last two that the oldest call under way was compared with, and of the last of all.
    before_last: u32,
    last: u32,
    farthest: u32,
    /// Whether the walk ended for another reason than that it had come to the oldest call under way.
    is_settled: bool,
}

impl Trail {
    pub(super) fn new() -> Option<Self> {
        Some(Trail { steps: Reserved::new(MOST)?, ends: Ends::default() })
    }

    /// A walk is begun, or begun again.
    #[inline(always)]
    pub(super) fn restart(&mut self) {
        self.ends = Ends::default();
    }

    /// Adds the return address at a place on the stack, behind which the walk goes on unless it is that of the oldest call
    /// under way, or this one `settles` it.
    #[inline(always)]
    pub(super) fn passes(&mut self, from: Registers, pc: usize, slot: usize, settles: bool) {
        self.adds(from, pc, slot);
        let ends = &mut self.ends;
        (ends.before_last, ends.last) = (ends.last, ends.farthest);
        ends.is_settled = settles;
    }

    /// A settled walk is made once more, and farther.
    pub(super) fn goes_on(&mut self) {
        self.ends.length = 0;
    }

    /// Adds the return address at a place on the stack, whatever calls are under way.
    #[inline(always)]
    pub(super) fn adds(&mut self, from: Registers, pc: usize, slot: usize) {
        let place = slot.wrapping_sub(from.bp());
        let length = self.ends.length as usize;
        if length < MOST {
            *self.steps.at(length) = Step { pc, place };
        }
        self.ends.length += 1;
        self.ends.farthest = place as u32;
    }

    /// Adds what tells whose jump it was, where a return address is that of a jump which was made a call.
    #[inline(always)]
    pub(super) fn adds_tail(&mut self, from: Registers, pc: usize, slot: usize) {
        if let Some(tail) = Tail::at(pc, slot) {
            tail.words().into_iter().for_each(|(word, place)| self.adds(from, word, place));
        }
    }

    /// Whether there was room for all.
    fn is_whole(&self) -> bool {
        (1..=MOST).contains(&(self.ends.length as usize))
    }
}

impl Ends {
    /// Whether the walk would end in the same way where the oldest call under way is at this distance.
    fn ends_at(&self, oldest: usize) -> bool {
        (self.before_last as usize) < oldest && (self.is_settled || oldest <= self.last as usize)
    }
}

/// A result. All zero is none.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// What the walk was for; 0 for none.
    question: u32,
    /// The site that was found; 0 for none.
    site: u32,
    /// Where its return addresses are, and for how many there is room.
    first: u32,
    room: u32,
    ends: Ends,
}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Entry {}

/// The results.
pub(super) struct Memo {
    entries: Reserved<Entry>,
    steps: Reserved<Step>,
    /// Those in use.
    used: usize,
    /// Results that were used.
    hits: u64,
    /// How many of those that were checked were wrong; none unless the engine is.
    wrong: u64,
}

impl Memo {
    pub(super) fn new() -> Option<Self> {
        let (entries, steps) = (Reserved::new(PLACES)?, Reserved::new(STEPS)?);
        Some(Memo { entries, steps, used: 0, hits: 0, wrong: 0 })
    }

    /// Forgets all results: there are other objects, or other targets.
    pub(super) fn clear(&mut self) {
        self.forget();
        self.wrong = 0;
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.used = 0;
    }

    /// Results that a walk did not confirm.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    #[inline(always)]
    fn place(question: Question, from: Registers, newest: Note) -> usize {
        let distance = newest.slot().wrapping_sub(from.bp());
        let mix = (from.caller() as u64)
            .wrapping_add((newest.pc() as u64).rotate_left(24))
            .wrapping_add((distance as u64).rotate_left(45))
            .wrapping_add(question as u64);
        (mix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
    }

    /// The site that an earlier walk along the same stack has found, 0 if it has found none. `code` is the targets'.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        question: Question,
        from: Registers,
        newest: Note,
        code: &Range<usize>,
        stack_end: usize,
    ) -> Option<u32> {
        let entry = self.entries.get_ref(Self::place(question, from, newest));
        if entry.question != question as u32 {
            return None;
        }
        let ends = &entry.ends;
        let bp = from.bp();
        // A walk ends at the oldest call under way: it must not have ended before, and not have had to go on. Mostly the newest
        // one is where it did end.
        let is_over = ends.is_settled && (ends.before_last as usize) < newest.slot() - bp;
        if !is_over && !ends.ends_at(newest.oldest(code, stack_end) - bp) {
            return None;
        }
        if bp + ends.farthest as usize >= stack_end {
            return None;
        }
        for number in entry.first..entry.first + ends.length {
            let step = self.steps.get_ref(number as usize);
            // SAFETY: between the frame pointer and the end of the stack, as was just seen for the farthest.
            if unsafe { ((bp + step.place) as *const usize).read() } != step.pc {
                return None;
            }
        }
        self.hits += 1;
        Some(entry.site)
    }

    /// Whether the result that was just found is one of those that are checked by a walk.
    #[inline(always)]
    pub(super) fn is_sample(&self) -> bool {
        self.hits.is_multiple_of(SAMPLE)
    }

    /// Keeps the site that a walk has found, 0 for none.
    pub(super) fn keep(&mut self, question: Question, from: Registers, newest: Note, trail: &Trail, site: u32) {
        if !trail.is_whole() {
            return;
        }
        let length = trail.ends.length;
        let place = Self::place(question, from, newest);
        if self.entries.get_ref(place).room < length {
            if self.used + length as usize > STEPS {
                self.forget();
            }
            let entry = self.entries.at(place);
            (entry.first, entry.room) = (self.used as u32, length);
            self.used += length as usize;
        }
        let entry = self.entries.at(place);
        (entry.question, entry.site, entry.ends) = (question as u32, site, trail.ends);
        for number in 0..length {
            *self.steps.at((entry.first + number) as usize) = trail.steps.get(number as usize);
        }
    }

    /// Compares what was kept with what a walk has found.
    pub(super) fn compare(&mut self, kept: u32, walked: u32) {
        self.wrong += u64::from(kept != walked);
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls;
    use super::super::calls::tests::{alone, note, noted};
    use super::*;

    const CODE: Range<usize> = 0x1000..0x2000;
    const SITE: u32 = 7;

    /// A stack of words, the first two of which are the wrapper's frame.
    struct Fake(Vec<usize>);

    impl Fake {
        /// Return addresses at words 1, 4, 8, 12 and 16; those at 8 and 16 are in the target's code.
        fn new() -> Self {
            let mut words = vec![0; 32];
            for (place, pc) in [(1, 0x9001), (4, 0x9004), (8, 0x1008), (12, 0x9012), (16, 0x1016)] {
                words[place] = pc;
            }
            Fake(words)
        }

        fn at(&self, place: usize) -> usize {
            self.0.as_ptr().addr() + place * size_of::<usize>()
        }

        fn from(&self) -> Registers {
            Registers::made_up(self.at(0))
        }

        /// The newest call is that at word 8.
        fn newest(&self) -> Note {
            noted(self.at(8))
        }

        /// A walk that came by these words.
        fn walk(&self, places: &[usize], is_settled: bool) -> Trail {
            let mut trail = Trail::new().expect("room");
            for (index, &place) in places.iter().enumerate() {
                let settles = is_settled && index + 1 == places.len();
                trail.passes(self.from(), self.0[place], self.at(place), settles);
            }
            trail
        }

        /// Notes calls, the oldest first.
        fn notes(&self, places: &[usize]) {
            calls::start();
            places.iter().for_each(|&place| note(self.at(place)));
        }

        fn keep(&self, memo: &mut Memo, trail: &Trail) {
            memo.keep(Question::Call, self.from(), self.newest(), trail, SITE);
        }

        fn find(&self, memo: &mut Memo, question: Question) -> Option<u32> {
            memo.find(question, self.from(), self.newest(), &CODE, self.at(self.0.len()))
        }

        fn is_known(&self, memo: &mut Memo) -> bool {
            self.find(memo, Question::Call) == Some(SITE)
        }
    }

    #[test]
    fn a_result_holds_while_all_return_addresses_are_in_place() {
        let _alone = alone();
        let (mut memo, mut stack) = (Memo::new().unwrap(), Fake::new());
        stack.notes(&[8]);
        assert!(!stack.is_known(&mut memo));
        let trail = stack.walk(&[1, 4, 8], true);
        stack.keep(&mut memo, &trail);
        assert!(stack.is_known(&mut memo));
        assert_eq!(stack.find(&mut memo, Question::Heap), None, "another question");
        for place in [1, 4, 8] {
            let pc = std::mem::replace(&mut stack.0[place], 0x1100);
            assert!(!stack.is_known(&mut memo), "word {place}");
            stack.0[place] = pc;
        }
        // What lies between is no matter.
        stack.0[5] = 0x1100;
        assert!(stack.is_known(&mut memo));
        memo.clear();
        assert!(!stack.is_known(&mut memo));
        memo.keep(Question::Handed, stack.from(), stack.newest(), &trail, 0);
        assert_eq!(stack.find(&mut memo, Question::Handed), Some(0), "nobody's");
    }

    /// The oldest call under way is where a walk ends that nothing has settled.
    #[test]
    fn a_result_holds_as_long_as_the_walk_would_end_there() {
        let _alone = alone();
        let stack = Fake::new();
        // By words, whether it was settled there; and whether it is known with the call at 8 alone, and with that at 16 too.
        let table: [(&[usize], bool, bool, bool); 5] = [
            (&[1, 4], true, true, true),
            (&[1, 4, 8], true, true, true),
            (&[1, 4, 8], false, true, false),
            (&[1, 4, 8, 12], true, false, true),
            (&[1, 4, 8, 12, 16], false, false, true),
        ];
        for (places, is_settled, alone, with_older) in table {
            let mut memo = Memo::new().unwrap();
            stack.keep(&mut memo, &stack.walk(places, is_settled));
            stack.notes(&[8]);
            assert_eq!(stack.is_known(&mut memo), alone, "{places:?}, {is_settled}");
            stack.notes(&[16, 8]);
            assert_eq!(stack.is_known(&mut memo), with_older, "{places:?}, {is_settled}, an older call");
        }
    }

    #[test]
    fn a_walk_that_starts_anew_leaves_nothing_of_the_first() {
        let _alone = alone();
        let (mut memo, mut stack) = (Memo::new().unwrap(), Fake::new());
        stack.notes(&[8]);
        let mut trail = stack.walk(&[1, 4, 12], false);
        trail.restart();
        trail.passes(stack.from(), 0x9001, stack.at(1), false);
        trail.passes(stack.from(), 0x1008, stack.at(8), true);
        stack.keep(&mut memo, &trail);
        stack.0[4] = 0;
        assert!(stack.is_known(&mut memo));
    }

    #[test]
    fn what_is_too_long_or_beyond_the_stack_is_not_known() {
        let _alone = alone();
        let (mut memo, mut stack) = (Memo::new().unwrap(), Fake::new());
        stack.0.resize(MOST + 2, 0);
        stack.notes(&[8]);
        let walk = |length: usize| {
            let mut trail = stack.walk(&[1, 4, 8], true);
            trail.goes_on();
            (1..=length).for_each(|place| trail.adds(stack.from(), stack.0[place], stack.at(place)));
            trail
        };
        stack.keep(&mut memo, &walk(MOST + 1));
        assert!(!stack.is_known(&mut memo));
        stack.keep(&mut memo, &walk(MOST));
        assert!(stack.is_known(&mut memo));
        assert_eq!(memo.find(Question::Call, stack.from(), stack.newest(), &CODE, stack.at(MOST)), None);
    }

    #[test]
    fn results_that_a_walk_does_not_confirm_are_counted() {
        let mut memo = Memo::new().unwrap();
        memo.compare(SITE, SITE);
        memo.compare(0, 0);
        assert_eq!(memo.wrong(), 0);
        memo.compare(SITE, 0);
        memo.compare(SITE, SITE + 1);
        assert_eq!(memo.wrong(), 2);
        memo.clear();
        assert_eq!(memo.wrong(), 0);
    }
}
