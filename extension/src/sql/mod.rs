//! The SQL functions: arguments in, rows out.

mod ask;
mod catcache;
mod log;
mod objects;
mod scenario;
mod window;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::shmem::ring;

/// Raises an ERROR.
pub(crate) fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: Option<&str>) -> ! {
    let report = ErrorReport::new(code, message.into(), "pg_ext_memcheck");
    let report = match hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    };
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// Raises an ERROR unless the library was preloaded.
fn require_preload() {
    if !ring::is_there() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_ext_memcheck must be loaded via \"shared_preload_libraries\"",
            Some("Add pg_ext_memcheck to \"shared_preload_libraries\" in postgresql.conf and restart the server."),
        );
    }
}

/// A time of the server's as a SQL value.
fn timestamp(at: pg_sys::TimestampTz) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(at).unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}
