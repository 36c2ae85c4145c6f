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

use super::calls::Note;
use super::walk::Registers;
use crate::trace::memory::{Reserved, Zeroed};

/// Results kept at most; a new one takes the place of another with the same hash.
const PLACES: usize = 1 << 12;
/// Return addresses that a result can depend on at most.
const MOST: usize = 28;
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

/// The return addresses that a walk has come by, from the inside out.
#[derive(Clone, Copy, Default)]
pub(super) struct Trail {
    length: usize,
    /// The places of the last two that the oldest call under way was compared with, and of the last of all.
    before_last: u32,
    last: u32,
    farthest: u32,
    /// Whether the walk ended for another reason than that it had come to the oldest call under way.
    is_settled: bool,
    steps: [Step; MOST],
}

impl Trail {
    /// The walk is begun again.
    #[inline(always)]
    pub(super) fn restart(&mut self) {
        (self.length, self.before_last, self.last) = (0, 0, 0);
    }

    /// Adds the return address at a place on the stack, behind which the walk goes on unless it is that of the oldest call
    /// under way, or this one `settles` it.
    #[inline(always)]
    pub(super) fn passes(&mut self, from: Registers, pc: usize, slot: usize, settles: bool) {
        self.adds(from, pc, slot);
        (self.before_last, self.last) = (self.last, self.farthest);
        self.is_settled = settles;
    }

    /// A settled walk is made once more, and farther.
    pub(super) fn goes_on(&mut self) {
        self.length = 0;
    }

    /// Adds the return address at a place on the stack, whatever calls are under way.
    #[inline(always)]
    pub(super) fn adds(&mut self, from: Registers, pc: usize, slot: usize) {
        let place = slot.wrapping_sub(from.bp());
        if let Some(step) = self.steps.get_mut(self.length) {
            *step = Step { pc, place };
        }
        self.length += 1;
        self.farthest = place as u32;
    }

    /// Whether there was room for all.
    fn is_whole(&self) -> bool {
        (1..=MOST).contains(&self.length)
    }

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
    trail: Trail,
}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Entry {}

/// The results.
pub(super) struct Memo {
    entries: Reserved<Entry>,
    /// Results that were used.
    hits: u64,
    /// How many of those that were checked were wrong; none unless the engine is.
    wrong: u64,
}

impl Memo {
    pub(super) fn new() -> Option<Self> {
        Some(Memo { entries: Reserved::new(PLACES)?, hits: 0, wrong: 0 })
    }

    /// Forgets all results: there are other objects, or other targets.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.wrong = 0;
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
        let trail = &entry.trail;
        let bp = from.bp();
        // A walk ends at the oldest call under way: it must not have ended before, and not have had to go on. Mostly the newest
        // one is where it did end.
        let is_over = trail.is_settled && (trail.before_last as usize) < newest.slot() - bp;
        if !is_over && !trail.ends_at(newest.oldest(code, stack_end) - bp) {
            return None;
        }
        if bp + trail.farthest as usize >= stack_end {
            return None;
        }
        for step in &trail.steps[..trail.length] {
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
        if trail.is_whole() {
            let entry = Entry { question: question as u32, site, trail: *trail };
            *self.entries.at(Self::place(question, from, newest)) = entry;
        }
    }

    /// Compares what was kept with what a walk has found.
    pub(super) fn compare(&mut self, kept: u32, walked: u32) {
        self.wrong += u64::from(kept != walked);
    }
}
