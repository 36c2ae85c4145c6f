//! Segments of dynamic shared memory that somebody has tracked by hand: one table for all backends.

use memcheck_core::room;
use pgrx::pg_sys::TimestampTz;

use super::segment::Segment;
use crate::pg::server::Handle;

/// Segments at most.
pub(crate) const MOST: usize = 1024;

/// One. Free where the handle is 0 (`DSM_HANDLE_INVALID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Tracked {
    pub(crate) handle: Handle,
    /// Who tracks it.
    pub(crate) pid: i32,
    pub(crate) at: TimestampTz,
    pub(crate) bytes: u64,
}

/// The segment. All zero is an empty table.
#[repr(C)]
struct Table {
    number: u64,
    all: [Tracked; MOST],
}

thread_local! {
    static TABLE: Segment<Table> = const { Segment::new(c"pg_ext_memcheck tracked segments") };
}

pub(super) fn request() {
    TABLE.with(|table| table.request(size_of::<Table>()));
}

pub(super) fn startup() {
    TABLE.with(|table| table.startup(size_of::<Table>()));
}

/// Runs something with those that are tracked. Nothing inside may raise an ERROR.
fn with<R>(f: impl FnOnce(&mut Table) -> R) -> Option<R> {
    // SAFETY: the lock makes the reference exclusive among all backends, and all zero is a value.
    TABLE.with(|table| table.with(|table| f(unsafe { &mut *table })))
}

/// Tracks one more. What is tracked by the same process already is tracked from now on. False where there is no room.
pub(crate) fn track(segment: Tracked) -> bool {
    let track = |table: &mut Table| {
        let number = table.number as usize;
        let is_it = |it: &&mut Tracked| it.handle == segment.handle && it.pid == segment.pid;
        if let Some(known) = table.all[..number].iter_mut().find(is_it) {
            *known = segment;
            return true;
        }
        if number == MOST {
            return false;
        }
        table.all[number] = segment;
        table.number += 1;
        true
    };
    with(track).unwrap_or_default()
}

/// All of them, in the order in which they were tracked first.
pub(crate) fn all() -> Vec<Tracked> {
    let mut all = Vec::new();
    with(|table| {
        for segment in &table.all[..table.number as usize] {
            room::push(&mut all, *segment);
        }
    });
    all
}

/// Forgets all of them.
pub(crate) fn clear() {
    with(|table| table.number = 0);
}
