//! Bad accesses of the targets to what they have allocated: past the end of a chunk, and to one that is gone.
//!
//! What is seen is noted ([`accesses`]), wherever it is seen: inside the allocator or in a signal handler. The session takes it.
//! What else a target dies of is reported, and where that can be, it does not die ([`faults`]).

pub(crate) mod accesses;
pub(crate) mod faults;

use accesses::Accesses;

use crate::link::Link;

/// How allocations of the targets are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Level {
    /// Not at all.
    #[default]
    Off,
    /// With bytes around them that are looked at now and then.
    Redzone,
}

/// The guard as a link of the chain. Made when tracing is first asked for, kept until the process ends.
pub(crate) struct Guard {
    level: Level,
    pub(crate) accesses: Accesses,
}

impl Guard {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Guard { level: Level::Off, accesses: Accesses::new()? })
    }

    /// Guards what is allocated from now on in this way.
    pub(crate) fn set(&mut self, level: Level) {
        self.level = level;
    }
}

impl Link for Guard {}
