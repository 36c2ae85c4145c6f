//! Segments of dynamic shared memory that targets create, attach or pin: the functions stand in the targets' tables.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::chain::{fails_directly, of_segment, to_ledger};
use super::hooked::hooked;
use crate::pg::errors::no_segment;
use crate::pg::server::{self, Handle, Segment};
use crate::stack::Registers;

hooked! {
    fn dsm_create(size: usize, flags: c_int) -> Segment {
        let from = Registers::here();
        if fails_directly(from) {
            if flags & pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as c_int != 0 {
                return std::ptr::null_mut();
            }
            // SAFETY: the ERROR leaves this frame, which owns nothing.
            unsafe { no_segment() };
        }
        // SAFETY: called as the server's function is.
        let segment = unsafe { server::dsm_create(size, flags) };
        mapped(from, segment);
        segment
    }

    fn dsm_attach(handle: Handle) -> Segment => mapped;

    fn dsm_detach(segment: Segment) {
        // SAFETY: the caller has the segment mapped.
        let handle = unsafe { server::dsm_segment_handle(segment) };
        to_ledger(|ledger| ledger.segments.unmap(handle));
        // SAFETY: called as the server's function is.
        unsafe { server::dsm_detach(segment) };
    }

    fn dsm_pin_segment(segment: Segment) {
        let from = Registers::here();
        // SAFETY: called as the server's function is, by one who has the segment mapped.
        let (handle, bytes) = unsafe {
            server::dsm_pin_segment(segment);
            (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment))
        };
        of_segment(from, |ledger, origin| ledger.segments.pin(handle, bytes, origin));
    }

    fn dsm_unpin_segment(handle: Handle) {
        to_ledger(|ledger| ledger.segments.unpin(handle));
        // SAFETY: called as the server's function is.
        unsafe { server::dsm_unpin_segment(handle) };
    }
}

#[inline(always)]
fn mapped(from: Registers, segment: Segment) {
    if segment.is_null() {
        return;
    }
    // SAFETY: a segment that was mapped just now.
    let (handle, bytes) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment)) };
    of_segment(from, |ledger, origin| ledger.segments.map(handle, bytes, origin));
}
