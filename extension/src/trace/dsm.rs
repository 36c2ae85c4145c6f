//! Segments of dynamic shared memory that targets create, attach or pin.
//!
//! The functions stand in the targets' tables. What the server does at the end of a transaction - a mapping that was not
//! pinned goes away with its resource owner (`dsm_create` in dsm.c) - is asked for when it is counted.

use std::ffi::{CStr, c_int, c_void};

use super::in_wrapper;
use super::table::LiveTable;
use super::walk::Registers;

type Segment = *mut c_void;
type Handle = u32;

/// The server's own, without the boundary that pgrx puts around them. None of those that are called between marks raises an
/// ERROR.
mod server {
    use super::{Handle, Segment, c_int};

    unsafe extern "C-unwind" {
        pub(super) fn dsm_create(size: usize, flags: c_int) -> Segment;
        pub(super) fn dsm_attach(handle: Handle) -> Segment;
        pub(super) fn dsm_detach(segment: Segment);
        pub(super) fn dsm_pin_segment(segment: Segment);
        pub(super) fn dsm_unpin_segment(handle: Handle);
        pub(super) fn dsm_find_mapping(handle: Handle) -> Segment;
        pub(super) fn dsm_segment_handle(segment: Segment) -> Handle;
        pub(super) fn dsm_segment_map_length(segment: Segment) -> usize;
    }
}

/// Where a segment stands in the tables; they have no place for it otherwise.
const MAPPED: usize = 1;
const PINNED: usize = 2;

/// Segments by what keeps them.
pub(super) struct Segments {
    mapped: LiveTable,
    pinned: LiveTable,
}

impl Segments {
    pub(super) fn new() -> Option<Self> {
        Some(Segments { mapped: LiveTable::new(12, 4)?, pinned: LiveTable::new(12, 4)? })
    }

    pub(super) fn clear(&mut self) {
        self.mapped.clear();
        self.pinned.clear();
    }

    /// Shows the segments that are there still: site, bytes.
    pub(super) fn for_each(&self, mut show: impl FnMut(u32, u64)) {
        self.pinned.for_each_since(0, |_, _, site, bytes| show(site, bytes));
        self.mapped.for_each_since(0, |handle, _, site, bytes| {
            // SAFETY: looks a handle up in the list of this process.
            let is_mapped = unsafe { !server::dsm_find_mapping(handle as Handle).is_null() };
            if is_mapped && !self.pinned.holds(handle) {
                show(site, bytes);
            }
        });
    }
}

/// The function of ours for one of the family.
pub(super) fn replacement(name: &CStr) -> Option<usize> {
    let function = match name.to_bytes() {
        b"dsm_create" => dsm_create as *const (),
        b"dsm_attach" => dsm_attach as *const (),
        b"dsm_detach" => dsm_detach as *const (),
        b"dsm_pin_segment" => dsm_pin_segment as *const (),
        b"dsm_unpin_segment" => dsm_unpin_segment as *const (),
        _ => return None,
    };
    Some(function as usize)
}

unsafe extern "C-unwind" fn dsm_create(size: usize, flags: c_int) -> Segment {
    // SAFETY: called as the server's function is.
    let segment = unsafe { server::dsm_create(size, flags) };
    on_map(segment);
    segment
}

unsafe extern "C-unwind" fn dsm_attach(handle: Handle) -> Segment {
    // SAFETY: as in `dsm_create`.
    let segment = unsafe { server::dsm_attach(handle) };
    on_map(segment);
    segment
}

#[inline(always)]
fn on_map(segment: Segment) {
    if let Some(trace) = in_wrapper()
        && !segment.is_null()
        && let Some(site) = trace.attribute_direct(Registers::here())
    {
        // SAFETY: a segment that was mapped just now.
        let (handle, size) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment)) };
        trace.segments.mapped.replace(handle as usize, size, MAPPED, site);
    }
}

unsafe extern "C-unwind" fn dsm_detach(segment: Segment) {
    if let Some(trace) = in_wrapper() {
        // SAFETY: the caller has the segment mapped.
        trace.segments.mapped.remove(unsafe { server::dsm_segment_handle(segment) } as usize);
    }
    // SAFETY: as in `dsm_create`.
    unsafe { server::dsm_detach(segment) };
}

unsafe extern "C-unwind" fn dsm_pin_segment(segment: Segment) {
    // SAFETY: as in `dsm_create`.
    unsafe { server::dsm_pin_segment(segment) };
    if let Some(trace) = in_wrapper()
        && let Some(site) = trace.attribute_direct(Registers::here())
    {
        // SAFETY: the caller has the segment mapped.
        let (handle, size) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment)) };
        trace.segments.pinned.replace(handle as usize, size, PINNED, site);
    }
}

unsafe extern "C-unwind" fn dsm_unpin_segment(handle: Handle) {
    if let Some(trace) = in_wrapper() {
        trace.segments.pinned.remove(handle as usize);
    }
    // SAFETY: as in `dsm_create`.
    unsafe { server::dsm_unpin_segment(handle) };
}
