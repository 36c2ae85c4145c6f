//! Segments of dynamic shared memory that targets create, attach or pin: the functions stand in the targets' tables.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::chain::{fails_directly, of_segment, to_ledger};
use super::hooked::hooked;
use crate::guard::faults;
use crate::pg::errors::no_segment;
use crate::pg::server::{self, Handle, Segment};
use crate::shmem::{canaries, dynamic};
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
        // SAFETY: called as the server's function is, for more than the library has; what is made is mapped.
        let segment = unsafe { server::dsm_create(dynamic::total(size), flags) };
        if !segment.is_null() {
            // SAFETY: as above.
            let (handle, start) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_address(segment)) };
            let mut has_canary = false;
            super::faults::targets(&mut |targets| {
                let library = targets.module_at(from.caller()).map(|number| targets.modules[number].name.as_str());
                has_canary = dynamic::created(handle, library.unwrap_or(""), start.expose_provenance(), size);
            });
            if has_canary {
                look_when_it_goes(segment);
            }
            of_segment(from, |ledger, origin| ledger.segments.map(handle, size, origin));
        }
        segment
    }

    fn dsm_attach(handle: Handle) -> Segment => mapped;

    fn dsm_detach(segment: Segment) {
        let from = Registers::here();
        // As if it were a call of the function that has it detached.
        canaries::look_at_dynamic_ones(|| faults::keep_call(super::faults::targets, from.caller() - 1));
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
            handle_and_length(segment)
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
    let ((handle, bytes), start) = unsafe { (handle_and_length(segment), server::dsm_segment_address(segment)) };
    if dynamic::attached(handle, start.expose_provenance()) {
        look_when_it_goes(segment);
    }
    of_segment(from, |ledger, origin| ledger.segments.map(handle, bytes, origin));
}

/// Has its canary looked at when this process has it mapped for the last time: where it is detached, or with its resource owner.
fn look_when_it_goes(segment: Segment) {
    // SAFETY: a segment that was mapped just now; the server calls it before it is not any more (`dsm_detach` in dsm.c).
    unsafe { server::on_dsm_detach(segment, goes, 0) };
}

unsafe extern "C-unwind" fn goes(segment: Segment, _: usize) {
    canaries::look_at_dynamic_ones(|| 0);
    // SAFETY: it is mapped still.
    dynamic::is_gone(unsafe { server::dsm_segment_address(segment) }.expose_provenance());
}

/// What a segment is known by, and how much of it was asked for.
///
/// # Safety
/// It is mapped.
unsafe fn handle_and_length(segment: Segment) -> (Handle, usize) {
    // SAFETY: by the caller's promise.
    let (handle, length) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment)) };
    (handle, dynamic::asked_for(handle, length))
}
