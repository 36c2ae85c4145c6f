//! Segments of dynamic shared memory that targets have created, attached or pinned.
//!
//! What the server does at the end of a transaction - a mapping that was not pinned goes away with its resource owner
//! (`dsm_create` in dsm.c) - is asked for when it is counted.

use memcheck_core::census::PathId;

use super::stacks::Origin;
use super::table::LiveTable;
use crate::pg::dsm;
use crate::pg::server::{self, Handle};

/// Stand in the tables for the context of a segment, which has none: what it is.
const PLAIN: usize = 1;
/// The first segment of an area.
const OF_AREA: usize = 2;
/// One that dsm_registry.c knows by a name. Nobody can unpin it. It goes by its address, since its handle is not told.
const NAMED: usize = 3;

/// Segments by what keeps them.
pub(crate) struct Segments {
    mapped: LiveTable,
    pinned: LiveTable,
}

/// A segment that something of this process keeps, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What it is called: a segment, an area, or one with a name.
    pub(crate) path: PathId,
    /// None where it is not told.
    pub(crate) handle: Option<Handle>,
    pub(crate) origin: Origin,
    pub(crate) bytes: u64,
}

/// What a segment is called by what it is.
fn path_of(what: usize) -> PathId {
    match what {
        OF_AREA => PathId::DSA,
        NAMED => PathId::NAMED,
        _ => PathId::DSM,
    }
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
        self.mapped.insert(handle as usize, bytes, PLAIN, origin);
    }

    /// The first segment of an area is mapped by a site.
    pub(crate) fn map_area(&mut self, handle: Handle, bytes: usize, origin: Origin) {
        self.mapped.insert(handle as usize, bytes, OF_AREA, origin);
    }

    /// One is unmapped.
    pub(crate) fn unmap(&mut self, handle: Handle) {
        self.mapped.remove(handle as usize);
    }

    /// One is pinned by a site: it stays until it is unpinned, whoever has it mapped.
    pub(crate) fn pin(&mut self, handle: Handle, bytes: usize, origin: Origin) {
        self.pinned.insert(handle as usize, bytes, PLAIN, origin);
    }

    /// An area is pinned by a site.
    pub(crate) fn pin_area(&mut self, handle: Handle, bytes: usize, origin: Origin) {
        self.pinned.insert(handle as usize, bytes, OF_AREA, origin);
    }

    /// A segment is given a name by a site, for as long as the server runs.
    pub(crate) fn name(&mut self, address: usize, bytes: usize, origin: Origin) {
        self.pinned.insert(address, bytes, NAMED, origin);
    }

    /// One is unpinned.
    pub(crate) fn unpin(&mut self, handle: Handle) {
        self.pinned.remove(handle as usize);
    }

    /// Who has pinned one, or else mapped it; none where it is not known.
    pub(crate) fn origin_of(&self, handle: Handle) -> Option<Origin> {
        let known = [&self.pinned, &self.mapped].map(|table| table.origin_of(handle as usize));
        known.into_iter().find(|origin| origin.site() != 0)
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

    /// Shows the segments that are there for nobody but this process, or for nobody at all: what they are called, origin, bytes. One
    /// that another process has unpinned is gone, and one that another still has mapped is in use.
    pub(crate) fn for_each(&self, mut show: impl FnMut(PathId, Origin, u64)) {
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
        self.pinned.for_each_origin(0, |handle, what, origin, bytes| {
            if what == NAMED || is_left(handle, true) {
                show(path_of(what), origin, bytes);
            }
        });
        self.mapped.for_each_origin(0, |handle, what, origin, bytes| {
            if is_mapped(handle) && !self.pinned.holds(handle) && is_left(handle, false) {
                show(path_of(what), origin, bytes);
            }
        });
    }

    /// Shows those that are pinned, whoever has them mapped: what is left of them may outlive this process.
    pub(crate) fn for_each_pinned(&self, mut show: impl FnMut(Kept)) {
        self.pinned.for_each_origin(0, |handle, what, origin, bytes| {
            let known = (what != NAMED).then_some(handle as Handle);
            show(Kept { path: path_of(what), handle: known, origin, bytes });
        });
    }

    /// Those that found no room.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.mapped.not_recorded() + self.pinned.not_recorded()
    }
}
