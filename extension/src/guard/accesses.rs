//! Bad accesses that were noted, until somebody takes them.
//!
//! They are noted inside the allocator and from signal handlers: nothing is allocated, and there is an end to them. The same one
//! over and over is noted once, and counted.

use memcheck_core::path::TOP_MEMORY_CONTEXT;
use memcheck_core::{Access, Act, CheckKind, ContextPath, Finding};

use crate::contexts::Names;
use crate::trace::Places;
use crate::trace::memory::{Reserved, Zeroed};
use crate::trace::stacks::Origin;

/// Different ones at most, until they are taken.
const MOST: usize = 256;

/// A bad access.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) check: CheckKind,
    /// What was done; none where only its trace was found and does not tell.
    pub(crate) act: Option<Act>,
    /// Where, in bytes from the start of the chunk.
    pub(crate) offset: isize,
    /// How many bytes; 0 where that is not known.
    pub(crate) size: u32,
    /// Bytes that the chunk was requested with.
    pub(crate) requested: usize,
    /// Whether it was given back to an allocator that it is not from.
    pub(crate) is_mismatched: bool,
    /// Whose chunk it was: the names of its context; none for the heap.
    pub(crate) context: Option<Names>,
    /// Where it was done, where the chunk was allocated, and where it was given back; [`Origin::NONE`] where that is not known.
    pub(crate) at: Origin,
    pub(crate) allocated: Origin,
    pub(crate) released: Origin,
}

/// One that was noted, and how often.
#[derive(Clone, Copy)]
struct Noted {
    seen: Seen,
    times: u64,
}

// SAFETY: integers, and enums and options of them of which zero is a value.
unsafe impl Zeroed for Noted {}

/// Those of this process.
pub(crate) struct Accesses {
    noted: Reserved<Noted>,
    length: usize,
    /// Those that found no room, each time.
    not_recorded: u64,
}

impl Accesses {
    pub(super) fn new() -> Option<Self> {
        Some(Accesses { noted: Reserved::new(MOST)?, length: 0, not_recorded: 0 })
    }

    /// Notes one. Two of a kind at one place to what one place has allocated are the same.
    pub(crate) fn note(&mut self, seen: Seen) {
        let key = |seen: &Seen| (seen.check, seen.act, seen.at.site(), seen.allocated.site(), seen.is_mismatched);
        for number in 0..self.length {
            let noted = self.noted.at(number);
            if key(&noted.seen) == key(&seen) {
                noted.times += 1;
                return;
            }
        }
        if self.length == MOST {
            self.not_recorded += 1;
            return;
        }
        *self.noted.at(self.length) = Noted { seen, times: 1 };
        self.length += 1;
    }

    /// Something cannot be guarded, for want of room.
    pub(super) fn loses(&mut self) {
        self.not_recorded += 1;
    }

    /// Whether there are any.
    #[inline(always)]
    pub(crate) fn are_there(&self) -> bool {
        self.length > 0
    }

    /// How many found no room, and how much is not guarded.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// What is found of them, for one who is not inside the allocator.
    pub(crate) fn findings(&self, places: &Places<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for number in 0..self.length {
            let Noted { seen, times } = self.noted.get(number);
            let place = |origin: Origin| (origin != Origin::NONE).then(|| places.of(origin));
            let access = Access {
                act: seen.act,
                offset: seen.offset as i64,
                size: (seen.size > 0).then_some(seen.size),
                requested: seen.requested as u64,
                is_mismatched: seen.is_mismatched,
                at: place(seen.at),
                allocated: place(seen.allocated),
                released: place(seen.released),
            };
            let path = match seen.context {
                Some(names) if names.are_none() => ContextPath::new([TOP_MEMORY_CONTEXT]),
                Some(names) => ContextPath::new(names.outermost_first()),
                None => ContextPath::heap(),
            };
            if !memcheck_core::room::push(&mut found, Finding::of_access(seen.check, path, access, times)) {
                break;
            }
        }
        found
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.noted.clear();
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(site: u32) -> Seen {
        Seen {
            check: CheckKind::BufferOverrun,
            act: Some(Act::Write),
            offset: 8,
            size: 1,
            requested: 8,
            is_mismatched: false,
            context: None,
            at: Origin::NONE,
            allocated: site.into(),
            released: Origin::NONE,
        }
    }

    #[test]
    fn the_same_one_is_noted_once_and_there_is_an_end_to_others() {
        let mut accesses = Accesses::new().expect("room");
        assert!(!accesses.are_there());
        for _ in 0..3 {
            accesses.note(seen(1));
        }
        accesses.note(Seen { check: CheckKind::UseAfterFree, ..seen(1) });
        assert_eq!((accesses.length, accesses.noted.get(0).times), (2, 3));
        for site in 0..MOST as u32 {
            accesses.note(seen(site));
        }
        assert_eq!((accesses.length, accesses.not_recorded()), (MOST, 1));
        accesses.clear();
        assert!(!accesses.are_there());
        accesses.note(seen(7));
        assert_eq!((accesses.noted.get(0).times, accesses.not_recorded()), (1, 1));
    }
}
