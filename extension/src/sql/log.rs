//! The persistent log of violations.

use pgrx::prelude::*;

use super::{called, look_up_role, raise_failure, require_preload, require_room, timestamp, warn};
use crate::pg::spi;
use crate::session;
use crate::shmem::ring::{self, Violation};

/// Moves every backend's violations from shared memory into `violation_log`. Returns their number.
///
/// They leave shared memory when the transaction commits.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn flush_violations() -> i32 {
    require_preload();
    look_up_role();
    session::with(|session| {
        session.flush();
        session.is_called();
    });
    let violations = ring::claim_all();
    let lost = ring::lost_lately();
    if lost > 0 {
        warn(
            format!("{lost} violations were lost: the ring was full, or there was no memory for them"),
            "Flush more often, or raise pg_ext_memcheck.ring_size.",
        );
    }
    require_room(violations.len() * size_of::<[pg_sys::Datum; 6]>());
    let rows: Vec<_> = violations.iter().map(row).collect();
    let inserted = spi::execute_with(
        c"INSERT INTO ext_memcheck.violation_log (ts, backend_pid, check_type, severity, detail, source_lib) \
          VALUES ($1, $2, $3, $4, $5, $6)",
        [pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
        &rows,
    );
    let count = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    drop((violations, rows));
    if let Err(failure) = inserted {
        raise_failure(failure);
    }
    count
}

/// The columns of a violation.
fn row(violation: &Violation) -> [pg_sys::Datum; 6] {
    let columns = [
        timestamp(violation.at).into_datum(),
        violation.pid.into_datum(),
        violation.check.as_str().into_datum(),
        violation.severity.as_str().into_datum(),
        violation.detail.as_str().into_datum(),
        violation.library.as_str().into_datum(),
    ];
    columns.map(|column| column.unwrap_or(pg_sys::Datum::null()))
}

/// Clears `violation_log`. What is still in shared memory stays there.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn clear_violations() {
    called();
    if let Err(failure) = spi::execute(c"DELETE FROM ext_memcheck.violation_log") {
        raise_failure(failure);
    }
}
