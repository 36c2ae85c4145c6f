//! The persistent log of violations.

use pgrx::prelude::*;

use super::{called, require_preload, timestamp};
use crate::session;
use crate::shmem::ring;

/// Moves every backend's violations from shared memory into `violation_log`. Returns their number.
///
/// They leave shared memory when the transaction commits.
#[pg_extern]
fn flush_violations() -> Result<i32, pgrx::spi::Error> {
    require_preload();
    session::with(|session| {
        session.flush();
        session.is_called();
    });
    let violations = ring::claim_all();
    if ring::lost() > 0 {
        warning!("{} violations were lost since the server started, because the ring was full", ring::lost());
    }
    for violation in &violations {
        Spi::run_with_args(
            "INSERT INTO ext_memcheck.violation_log (ts, backend_pid, check_type, severity, detail, source_lib) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                timestamp(violation.at).into(),
                violation.pid.into(),
                violation.check.as_str().into(),
                violation.severity.as_str().into(),
                violation.detail.as_str().into(),
                violation.library.as_str().into(),
            ],
        )?;
    }
    Ok(i32::try_from(violations.len()).unwrap_or(i32::MAX))
}

/// Clears `violation_log`. What is still in shared memory stays there.
#[pg_extern]
fn clear_violations() -> Result<(), pgrx::spi::Error> {
    called();
    Spi::run("DELETE FROM ext_memcheck.violation_log")
}
