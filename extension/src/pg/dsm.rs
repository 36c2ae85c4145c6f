//! The server's own table of dynamic shared memory: who has a segment mapped, and whether it is pinned.
//!
//! It lies in a segment of its own, whose handle is in the header of the main one (`PGShmemHeader` in pg_shmem.h). dsm.c shows
//! nobody what is in it, so it is mapped for a moment and read (`dsm_control_header`). No lock is taken: what is read is the state
//! of some moment.

use std::ffi::{c_int, c_void};

use pgrx::pg_sys;

use super::server::{self, Handle, UsedShmemSegAddr};

/// `PGShmemMagic` in pg_shmem.h.
const MAIN_MAGIC: i32 = 679_834_894;
/// `PG_DYNSHMEM_CONTROL_MAGIC` in dsm.c.
const CONTROL_MAGIC: u32 = 0x9a50_3d32;

/// `PGShmemHeader`, as far as it is needed.
#[repr(C)]
struct MainHeader {
    magic: i32,
    creator: i32,
    total: usize,
    free: usize,
    control: Handle,
}

/// `dsm_control_header`; the items follow.
#[repr(C)]
struct ControlHeader {
    magic: u32,
    items: u32,
    most_items: u32,
}

/// `dsm_control_item`
#[repr(C)]
struct Item {
    handle: Handle,
    /// One more than the number of those who keep it: the processes that have it mapped, and who has pinned it. 0 where the item
    /// is free, 1 while the segment goes away.
    references: u32,
    first_page: usize,
    pages: usize,
    private: *mut c_void,
    is_pinned: bool,
}

/// What keeps a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keepers {
    /// Processes that have it mapped.
    pub(crate) processes: u32,
    /// Whether it is pinned.
    pub(crate) is_pinned: bool,
}

impl Item {
    fn keepers(&self) -> Option<Keepers> {
        let keepers = self.references.checked_sub(2)? + 1;
        Some(Keepers { processes: keepers - u32::from(self.is_pinned), is_pinned: self.is_pinned })
    }
}

/// The segments that there are, with what keeps each. None where the table is not as expected.
pub(crate) fn segments() -> Option<Vec<(Handle, Keepers)>> {
    // SAFETY: the main segment is mapped as long as this process is connected to it.
    let main = unsafe { UsedShmemSegAddr.cast::<MainHeader>().as_ref() }?;
    if main.magic != MAIN_MAGIC || main.control == 0 {
        return None;
    }
    let mut mapping = Mapping::new(main.control)?;
    let found = mapping.read();
    mapping.operate(pg_sys::dsm_op::DSM_OP_DETACH);
    found
}

/// The bytes of a segment that there is. It is attached for a moment where this process has it not. May raise an ERROR where it
/// cannot be mapped.
pub(crate) fn bytes_of(handle: Handle) -> Option<u64> {
    // SAFETY: looks a handle up; what is attached here is detached again.
    unsafe {
        let own = server::dsm_find_mapping(handle);
        let segment = if own.is_null() { server::dsm_attach(handle) } else { own };
        if segment.is_null() {
            return None;
        }
        let bytes = server::dsm_segment_map_length(segment) as u64;
        if own.is_null() {
            server::dsm_detach(segment);
        }
        Some(bytes)
    }
}

/// Whether a segment is not kept any more by a process, nor by being pinned: it is gone, or others have it mapped. Of another
/// process one can only see that nobody has.
pub(crate) fn is_detached(handle: Handle, pid: i32) -> bool {
    let is_mine = pid == super::process::my_pid();
    // SAFETY: looks a handle up in the list of this process.
    let own = unsafe { !server::dsm_find_mapping(handle).is_null() };
    if is_mine && own {
        return false;
    }
    let known = segments().unwrap_or_default();
    let Some((_, keepers)) = known.iter().find(|(other, _)| *other == handle) else { return true };
    let others = keepers.processes - u32::from(own).min(keepers.processes);
    match others {
        0 => !keepers.is_pinned,
        _ => is_mine || !super::process::is_process(pid),
    }
}

/// The control segment, mapped.
struct Mapping {
    handle: Handle,
    private: *mut c_void,
    start: *mut c_void,
    bytes: usize,
}

impl Mapping {
    fn new(handle: Handle) -> Option<Self> {
        let null = std::ptr::null_mut;
        let mut mapping = Mapping { handle, private: null(), start: null(), bytes: 0 };
        mapping.operate(pg_sys::dsm_op::DSM_OP_ATTACH).then_some(mapping)
    }

    fn operate(&mut self, operation: pg_sys::dsm_op::Type) -> bool {
        // SAFETY: attaches to a segment that lives as long as the server, or detaches from it; what fails is a message for the
        // log at the lowest level.
        unsafe {
            server::dsm_impl_op(
                operation,
                self.handle,
                0,
                &mut self.private,
                &mut self.start,
                &mut self.bytes,
                pg_sys::DEBUG5 as c_int,
            )
        }
    }

    fn read(&self) -> Option<Vec<(Handle, Keepers)>> {
        let header = self.start.cast::<ControlHeader>();
        // SAFETY: the segment is mapped. The items begin where their alignment puts them behind the header, and there is room for
        // as many as it says.
        unsafe {
            let first = size_of::<ControlHeader>().next_multiple_of(align_of::<Item>());
            let room = self.bytes.saturating_sub(first) / size_of::<Item>();
            let items = (*header).items as usize;
            if self.bytes < first || (*header).magic != CONTROL_MAGIC || items > room {
                return None;
            }
            let items = std::slice::from_raw_parts(self.start.byte_add(first).cast::<Item>(), items);
            Some(items.iter().filter_map(|item| Some((item.handle, item.keepers()?))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_segment_is_counted() {
        let item = |references, is_pinned| Item {
            handle: 1,
            references,
            first_page: 0,
            pages: 0,
            private: std::ptr::null_mut(),
            is_pinned,
        };
        let table = [
            (0, false, None),
            (1, false, None),
            (2, false, Some((1, false))),
            (2, true, Some((0, true))),
            (4, true, Some((2, true))),
        ];
        for (references, is_pinned, expected) in table {
            let expected = expected.map(|(processes, is_pinned)| Keepers { processes, is_pinned });
            assert_eq!(item(references, is_pinned).keepers(), expected, "{references} {is_pinned}");
        }
    }
}
