//! Running SQL through SPI, so that nothing of the execution itself is left behind.

use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;

use pgrx::prelude::*;

use crate::sql::raise;

/// SQL to be run again and again.
pub(super) struct Workload {
    sql: CString,
}

impl Workload {
    /// Takes the text of any number of statements.
    pub(super) fn new(sql: &str) -> Self {
        // A text value cannot contain a zero byte.
        Workload { sql: CString::new(sql).unwrap_or_default() }
    }

    /// Runs it once. Errors of the statements are raised.
    pub(super) fn execute(&self) {
        pgrx::check_for_interrupts!();
        // SAFETY: connect and finish are paired; an ERROR in between is cleaned up with the transaction (`AtEOXact_SPI` and
        // `AtEOSubXact_SPI` in spi.c).
        let result = unsafe {
            pg_sys::SPI_connect();
            let result = pg_sys::SPI_execute(self.sql.as_ptr(), false, 0);
            pg_sys::SPI_finish();
            result
        };
        if result < 0 {
            refuse(result);
        }
    }

    /// Runs it once in a subtransaction and rolls that back. Errors of the statements are raised behind it: left inside, they
    /// would leave the session in an aborted transaction block.
    pub(super) fn execute_and_roll_back(&self) {
        // SAFETY: a subtransaction changes the current context and resource owner, which are put back as PL/pgSQL does
        // (`exec_stmt_block` in pl_exec.c).
        let failure = unsafe {
            let context = pg_sys::CurrentMemoryContext;
            let owner = pg_sys::CurrentResourceOwner;
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            let failure = PgTryBuilder::new(AssertUnwindSafe(|| {
                self.execute();
                None
            }))
            .catch_others(Some)
            .execute();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
            failure
        };
        if let Some(error) = failure {
            error.rethrow();
        }
    }
}

fn refuse(result: i32) -> ! {
    // SAFETY: gives a constant string for every code.
    let name = unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(result)) }.to_string_lossy();
    raise(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("workload cannot be run inside a function: {name}"),
        Some(
            "Transaction commands and COPY need a client: open a window with ext_memcheck.begin() and send them yourself.",
        ),
    )
}
