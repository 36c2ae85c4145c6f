//! Segments of dynamic shared memory that targets have created, attached or pinned.
//!
//! What the server does at the end of a transaction - a mapping that was not pinned goes away with its resource owner
//! (`dsm_create` in dsm.c) - is asked for when it is counted.

use super::stacks::Origin;
use super::table::LiveTable;
use crate::pg::dsm;
use crate::pg::server::{self, Handle};

/// Stand in the tables for the context of a segment, which has none.
const MAPPED: usize = 1;
const PINNED: usize = 2;

/// Segments by what keeps them.
pub(crate) struct Segments {
    mapped: LiveTable,
    pinned: LiveTable,
}

impl Segments {
    pub(crate) fn new() -> Option<Self> {
        Some(Segments { mapped: LiveTable::new(12, 4)?, pinned: LiveTable::new(12, 4)? })
    }

    pub(crate) fn clear(&mut self) {
        self.mapped.clear();
        self.pinned.clear();
    }

    /// One is mapped by a site.
    pub(crate) fn map(&mut self, handle: Handle, bytes: usize, origin: Origin) {
        self.mapped.insert(handle as usize, bytes, MAPPED, origin);
    }

    /// One is unmapped.
    pub(crate) fn unmap(&mut self, handle: Handle) {
        self.mapped.remove(handle as usize);
    }

    /// One is pinned by a site: it stays until it is unpinned, whoever has it mapped.
    pub(crate) fn pin(&mut self, handle: Handle, bytes: usize, origin: Origin) {
        self.pinned.insert(handle as usize, bytes, PINNED, origin);
    }

    /// One is unpinned.
    pub(crate) fn unpin(&mut self, handle: Handle) {
        self.pinned.remove(handle as usize);
    }

    /// The newest ones, mapped and pinned.
    pub(crate) fn serials(&self) -> (u64, u64) {
        (self.mapped.serial(), self.pinned.serial())
    }

    /// Forgets those that have come since.
    pub(crate) fn forget_since(&mut self, (mapped, pinned): (u64, u64)) {
        self.mapped.forget_since(mapped);
        self.pinned.forget_since(pinned);
    }

    /// Shows the segments that are there for nobody but this process, or for nobody at all: origin, bytes. One that another process
    /// has unpinned is gone, and one that another still has mapped is in use.
    pub(crate) fn for_each(&self, mut show: impl FnMut(Origin, u64)) {
        if self.mapped.len() == 0 && self.pinned.len() == 0 {
            return;
        }
        let known = dsm::segments();
        let is_mapped = |handle: usize| {
            // SAFETY: looks a handle up in the list of this process.
            unsafe { !server::dsm_find_mapping(handle as Handle).is_null() }
        };
        // Where the server's table cannot be read, it is as the targets have left it.
        let is_left = |handle: usize, pinned: bool| {
            let Some(known) = &known else { return true };
            let keepers = known.iter().find(|(other, _)| *other == handle as Handle).map(|&(_, keepers)| keepers);
            let own = u32::from(is_mapped(handle));
            keepers.is_some_and(|keepers| keepers.processes <= own && (keepers.is_pinned || !pinned))
        };
        self.pinned.for_each_origin(0, |handle, _, origin, bytes| {
            if is_left(handle, true) {
                show(origin, bytes);
            }
        });
        self.mapped.for_each_origin(0, |handle, _, origin, bytes| {
            if is_mapped(handle) && !self.pinned.holds(handle) && is_left(handle, false) {
                show(origin, bytes);
            }
        });
    }

    /// Those that found no room.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.mapped.not_recorded() + self.pinned.not_recorded()
    }
}
