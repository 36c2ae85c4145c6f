//! Bad accesses of the targets to what they have allocated: past the end of a chunk, and to one that is gone.
//!
//! What is seen is noted ([`accesses`]), wherever it is seen: inside the allocator or in a signal handler. The session takes it.
//! What else a target dies of is reported, and where that can be, it does not die ([`faults`]).

pub(crate) mod accesses;
mod canary;
mod chunks;
pub(crate) mod faults;
pub(crate) mod pages;
pub(crate) mod redzones;

use accesses::Accesses;
use pages::{Pages, Side};
use redzones::{Due, Redzones};

use crate::link::{Before, By, Link, Request, Room, is_served};
use crate::trace::stacks::Origin;

/// How allocations of the targets are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Level {
    /// Not at all.
    #[default]
    Off,
    /// With bytes around them that are looked at now and then.
    Redzone,
    /// Each in pages of its own, one in so many of them, with a closed page on that side; the others as above.
    Pages(u32, Side),
}

impl Level {
    /// A number for it.
    pub(crate) fn number(self) -> u64 {
        match self {
            Level::Off => 0,
            Level::Redzone => 1,
            Level::Pages(sample, side) => u64::from(sample) * 2 + u64::from(side == Side::Before) + 2,
        }
    }

    /// What [`Self::number`] gives; none of what it does not.
    pub(crate) fn numbered(number: u64) -> Option<Self> {
        Some(match number {
            0 => Level::Off,
            1 => Level::Redzone,
            _ => {
                let side = if number % 2 == 1 { Side::Before } else { Side::Behind };
                Level::Pages(u32::try_from((number - 2) / 2).ok()?, side)
            }
        })
    }
}

/// How a chunk is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Not at all.
    No,
    /// It is guarded.
    Live,
    /// It was given back, and its place is kept.
    Kept,
}

/// The guard as a link of the chain. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Guard {
    redzones: Redzones,
    pub(crate) accesses: Accesses,
    pub(crate) pages: Pages,
}

fn origin(by: By) -> Origin {
    Origin::new(by.site, by.stack)
}

impl Guard {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Guard { redzones: Redzones::new()?, accesses: Accesses::new()?, pages: Pages::default() })
    }

    /// Guards what is allocated from now on in this way.
    pub(crate) fn set(&mut self, level: Level) {
        self.redzones.set(level != Level::Off);
        self.pages.set(match level {
            Level::Pages(sample, side) => Some((sample, side)),
            _ => None,
        });
    }

    /// Has redzones take nothing from now on, since what contexts take is counted.
    pub(crate) fn keep_sizes(&mut self) {
        self.redzones.keep_sizes();
    }

    /// Forgets what redzones are around.
    pub(crate) fn forget(&mut self) {
        self.redzones.clear();
    }

    /// How a chunk is held. Its header can be read then.
    #[inline(always)]
    pub(crate) fn hold(&mut self, chunk: usize) -> Held {
        if !is_served(chunk) {
            return self.redzones.hold(chunk, &mut self.accesses);
        }
        if self.pages.size(chunk).is_some() { Held::Live } else { Held::Kept }
    }

    /// Whether a chunk with redzones is of the heap; none where there is no such chunk.
    pub(crate) fn is_of_heap(&self, chunk: usize) -> Option<bool> {
        self.redzones.is_of_heap(chunk)
    }

    /// The size that a chunk was requested with; none where it is not held.
    pub(crate) fn requested(&self, chunk: usize) -> Option<usize> {
        if is_served(chunk) { self.pages.size(chunk) } else { self.redzones.requested(chunk) }
    }

    /// Notes that a chunk that had redzones and went with its context is given back. Whether it is one.
    pub(crate) fn is_released_when_gone(&mut self, chunk: usize, by: By) -> bool {
        self.redzones.is_released_when_gone(chunk, origin(by), &mut self.accesses)
    }

    /// The server has got a chunk that nobody guards.
    #[inline(always)]
    pub(crate) fn is_given_again(&mut self, chunk: usize) {
        self.redzones.is_given_again(chunk);
    }

    /// A chunk with redzones is handed to the allocator that it is not from, which is not told of it.
    pub(crate) fn is_mismatched(&mut self, chunk: usize, by: By) {
        self.redzones.is_mismatched(chunk, origin(by), &mut self.accesses);
    }

    /// A chunk gets another size, and has no redzones any more.
    pub(crate) fn lets_go(&mut self, chunk: usize) {
        self.redzones.lets_go(chunk, &mut self.accesses);
    }

    /// Whether it is of interest who empties a context.
    #[inline(always)]
    pub(crate) fn asks_who_empties(&self, context: usize) -> bool {
        self.pages.are_in(context)
    }

    /// The next chunk to be given back in earnest, of those that have been kept for long enough or of all.
    pub(crate) fn due(&mut self, all: bool) -> Option<Due> {
        self.redzones.due(all, &mut self.accesses)
    }

    /// The same of those in a context.
    #[inline(always)]
    pub(crate) fn due_in(&mut self, context: usize) -> Option<Due> {
        self.redzones.due_in(context, &mut self.accesses)
    }

    /// Looks at all redzones.
    pub(crate) fn check(&mut self) {
        self.redzones.check(&mut self.accesses);
    }
}

impl Link for Guard {
    #[inline(always)]
    fn before(&mut self, request: &Request) -> Before {
        let by = Origin::new(request.site, request.stack);
        match self.pages.before(&mut self.accesses, request, by) {
            Before::Pass => self.redzones.before(request, &mut self.accesses),
            served => served,
        }
    }

    #[inline(always)]
    fn after(&mut self, request: &Request, chunk: usize) {
        self.pages.after(request, chunk);
        if !is_served(chunk) {
            self.redzones.after(request, chunk, &mut self.accesses);
        }
    }

    #[inline(always)]
    fn release(&mut self, room: Room, chunk: usize, by: By) -> bool {
        if is_served(chunk) {
            return self.pages.release(&mut self.accesses, room, chunk, origin(by));
        }
        self.redzones.release(room, chunk, origin(by), &mut self.accesses)
    }

    #[inline(always)]
    fn reset(&mut self, context: usize, by: By) {
        self.pages.reset(&mut self.accesses, context, origin(by));
        self.redzones.reset(context, &mut self.accesses);
    }

    #[inline(always)]
    fn delete(&mut self, context: usize, by: By) {
        self.pages.delete(&mut self.accesses, context, origin(by));
        self.redzones.delete(context, &mut self.accesses);
    }
}
