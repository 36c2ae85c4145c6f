//! `track_dsm_handle()`, `dsm_tracking()` and `clear_dsm_tracking()`.

use pgrx::prelude::*;

use super::window::signed;
use super::{called, raise, timestamp};
use crate::pg::{dsm, now, process};
use crate::shmem::dynamic;
use crate::shmem::tracked::{self, Tracked};

/// Has `end()` say whether this session still has a segment attached.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn track_dsm_handle(handle: i64) -> &'static str {
    called();
    let Ok(number) = u32::try_from(handle) else {
        raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("handle {handle} is out of range for a DSM handle (0..{})", u32::MAX),
            None,
        )
    };
    let Some(bytes) = dsm::bytes_of(number) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("Failed to attach to DSM segment with handle {number}"),
            Some("A segment goes with its last user: have it attached or pinned when you track it."),
        )
    };
    let bytes = usize::try_from(bytes).map_or(bytes, |length| dynamic::asked_for(number, length) as u64);
    let segment = Tracked { handle: number, pid: process::my_pid(), at: now(), bytes };
    if !tracked::track(segment) {
        raise(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            format!("no more than {} DSM segments can be tracked", tracked::MOST),
            Some("SELECT ext_memcheck.clear_dsm_tracking();"),
        )
    }
    "DSM segment tracked."
}

/// The segments that are tracked, by whatever session.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn dsm_tracking() -> TableIterator<
    'static,
    (
        name!(segid, i64),
        name!(backend_pid, i32),
        name!(attach_at, TimestampWithTimeZone),
        name!(size_bytes, i64),
        name!(detached, bool),
    ),
> {
    called();
    let row = |&Tracked { handle, pid, at, bytes }: &Tracked| {
        (i64::from(handle), pid, timestamp(at), signed(bytes), dsm::is_detached(handle, pid))
    };
    TableIterator::new(tracked::all().iter().map(row).collect::<Vec<_>>())
}

/// Forgets all segments that are tracked.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn clear_dsm_tracking() {
    called();
    tracked::clear();
}
