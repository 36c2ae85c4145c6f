//! Segments of dynamic shared memory that targets have created, attached or pinned.
//!
//! What the server does at the end of a transaction - a mapping that was not pinned goes away with its resource owner
//! (`dsm_create` in dsm.c) - is asked for when it is counted.

use super::table::LiveTable;
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
    pub(crate) fn map(&mut self, handle: Handle, bytes: usize, site: u32) {
        self.mapped.insert(handle as usize, bytes, MAPPED, site);
    }

    /// One is unmapped.
    pub(crate) fn unmap(&mut self, handle: Handle) {
        self.mapped.remove(handle as usize);
    }

    /// One is pinned by a site: it stays until it is unpinned, whoever has it mapped.
    pub(crate) fn pin(&mut self, handle: Handle, bytes: usize, site: u32) {
        self.pinned.insert(handle as usize, bytes, PINNED, site);
    }

    /// One is unpinned.
    pub(crate) fn unpin(&mut self, handle: Handle) {
        self.pinned.remove(handle as usize);
    }

    /// Shows the segments that are there still: site, bytes.
    pub(crate) fn for_each(&self, mut show: impl FnMut(u32, u64)) {
        self.pinned.for_each_since(0, |_, _, site, bytes| show(site, bytes));
        self.mapped.for_each_since(0, |handle, _, site, bytes| {
            // SAFETY: looks a handle up in the list of this process.
            let is_mapped = unsafe { !server::dsm_find_mapping(handle as Handle).is_null() };
            if is_mapped && !self.pinned.holds(handle) {
                show(site, bytes);
            }
        });
    }

    /// Those that found no room.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.mapped.not_recorded() + self.pinned.not_recorded()
    }
}
