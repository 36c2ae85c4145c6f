//! Bad accesses of the targets to what they have allocated: past the end of a chunk, and to one that is gone.
//!
//! What is seen is noted ([`accesses`]), wherever it is seen: inside the allocator or in a signal handler. The session takes it.
//! What else a target dies of is reported, and where that can be, it does not die ([`faults`]).

pub(crate) mod accesses;
pub(crate) mod faults;
pub(crate) mod pages;

use accesses::Accesses;
use pages::Pages;

use crate::link::{Before, Link, Request, Room};
use crate::trace::stacks::Origin;

/// How allocations of the targets are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Level {
    /// Not at all.
    #[default]
    Off,
    /// With bytes around them that are looked at now and then.
    Redzone,
    /// Each in pages of its own, one in so many of them.
    Pages(u32),
}

/// The guard as a link of the chain. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Guard {
    level: Level,
    pub(crate) accesses: Accesses,
    pub(crate) pages: Pages,
}

impl Guard {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Guard { level: Level::Off, accesses: Accesses::new()?, pages: Pages::default() })
    }

    /// Guards what is allocated from now on in this way.
    pub(crate) fn set(&mut self, level: Level) {
        self.level = level;
        self.pages.set(match level {
            Level::Pages(sample) => Some(sample),
            _ => None,
        });
    }
}

impl Link for Guard {
    fn before(&mut self, request: &Request) -> Before {
        self.pages.before(&mut self.accesses, request, Origin::new(request.site, request.stack))
    }

    fn after(&mut self, request: &Request, chunk: usize) {
        self.pages.after(request, chunk);
    }

    fn release(&mut self, room: Room, chunk: usize) -> bool {
        self.pages.release(&mut self.accesses, room, chunk, Origin::NONE)
    }

    fn reset(&mut self, context: usize) {
        self.pages.reset(&mut self.accesses, context, Origin::NONE);
    }

    fn delete(&mut self, context: usize) {
        self.pages.delete(&mut self.accesses, context, Origin::NONE);
    }
}
