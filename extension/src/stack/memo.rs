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

use super::calls::UnderWay;
use super::found::Found;
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

/// The return addresses that a walk has come by, with their places on the stack, from the inside out.
#[derive(Clone, Copy, Default)]
pub(super) struct Trail {
    length: usize,
    pcs: [usize; MOST],
    /// Distances from the wrapper's frame pointer (bytes).
    places: [u32; MOST],
    /// The places of the last two that the oldest call under way was compared with.
    before_last: u32,
    last: u32,
    /// Whether the walk ended for another reason than that it had come to the oldest call under way.
    is_settled: bool,
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
        (self.before_last, self.last) = (self.last, slot.wrapping_sub(from.bp()) as u32);
        self.is_settled = settles;
    }

    /// A settled walk is made once more, and farther.
    pub(super) fn goes_on(&mut self) {
        self.length = 0;
    }

    /// Adds the return address at a place on the stack, whatever calls are under way.
    #[inline(always)]
    pub(super) fn adds(&mut self, from: Registers, pc: usize, slot: usize) {
        if self.length < MOST {
            self.pcs[self.length] = pc;
            self.places[self.length] = slot.wrapping_sub(from.bp()) as u32;
        }
        self.length += 1;
    }

    /// Whether there was room for all.
    fn is_whole(&self) -> bool {
        (1..=MOST).contains(&self.length)
    }
}

/// A result. All zero is none.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// What the walk was for; 0 for none.
    question: u32,
    is_found: bool,
    found: Found,
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

/// What is known of a stack.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// The result of a walk.
    Result(Option<Found>),
    /// The result of a walk that is to be made again, to compare.
    Check(Option<Found>),
}

impl Memo {
    pub(super) fn new() -> Option<Self> {
        Some(Memo { entries: Reserved::new(PLACES)?, hits: 0, wrong: 0 })
    }

    /// Forgets all results: there are other objects, or other targets.
    pub(super) fn clear(&mut self) {
        for place in 0..PLACES {
            if self.entries.get_ref(place).question != 0 {
                self.entries.at(place).question = 0;
            }
        }
        self.wrong = 0;
    }

    /// Results that a walk did not confirm.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    #[inline(always)]
    fn place(question: Question, from: Registers, under_way: UnderWay) -> usize {
        // SAFETY: a note that counts points at a word between the stack pointer and the end of the stack.
        let noted = unsafe { (under_way.newest as *const usize).read() };
        let distance = under_way.newest.wrapping_sub(from.bp());
        let mix = (from.caller() as u64)
            .wrapping_add((noted as u64).rotate_left(24))
            .wrapping_add((distance as u64).rotate_left(45))
            .wrapping_add(question as u64);
        (mix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
    }

    /// The result of an earlier walk along the same stack.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        question: Question,
        from: Registers,
        under_way: UnderWay,
        code: &Range<usize>,
    ) -> Known {
        let entry = self.entries.get_ref(Self::place(question, from, under_way));
        if entry.question != question as u32 {
            return Known::Nothing;
        }
        let trail = &entry.trail;
        let (bp, length) = (from.bp(), trail.length);
        // A walk ends at the oldest call under way: it must not have ended before, and not have had to go on. Mostly the newest
        // one is where it did end.
        let is_over = trail.is_settled && (trail.before_last as usize) < under_way.newest - bp;
        if !is_over {
            let oldest = under_way.oldest(code) - bp;
            if trail.before_last as usize >= oldest || (!trail.is_settled && oldest > trail.last as usize) {
                return Known::Nothing;
            }
        }
        if bp + trail.places[length - 1] as usize >= under_way.stack_end {
            return Known::Nothing;
        }
        for (&pc, &place) in trail.pcs[..length].iter().zip(&trail.places[..length]) {
            // SAFETY: between the frame pointer and the end of the stack, as was just seen for the farthest.
            if unsafe { ((bp + place as usize) as *const usize).read() } != pc {
                return Known::Nothing;
            }
        }
        let result = entry.is_found.then_some(entry.found);
        self.hits += 1;
        if self.hits.is_multiple_of(SAMPLE) { Known::Check(result) } else { Known::Result(result) }
    }

    /// Keeps the result of a walk.
    pub(super) fn keep(
        &mut self,
        question: Question,
        from: Registers,
        under_way: UnderWay,
        trail: &Trail,
        result: Option<Found>,
    ) {
        if trail.is_whole() {
            *self.entries.at(Self::place(question, from, under_way)) = Entry {
                question: question as u32,
                is_found: result.is_some(),
                found: result.unwrap_or_default(),
                trail: *trail,
            };
        }
    }

    /// Compares what was kept with a walk.
    pub(super) fn compare(&mut self, kept: Option<Found>, walked: Option<Found>) {
        self.wrong += u64::from(kept != walked);
    }
}
