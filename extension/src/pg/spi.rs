//! Running SQL through SPI, so that nothing of the execution itself is left behind.

use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;

use pgrx::prelude::*;

/// SPI cannot run a statement, with its own word for why not (`SPI_result_code_string`).
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

/// Runs any number of statements once. Their errors are raised.
pub(crate) fn execute(sql: &CString) -> Result<(), Refused> {
    pgrx::check_for_interrupts!();
    // SAFETY: connect and finish are paired; an ERROR in between is cleaned up with the transaction (`AtEOXact_SPI` and
    // `AtEOSubXact_SPI` in spi.c).
    let result = unsafe {
        pg_sys::SPI_connect();
        let result = pg_sys::SPI_execute(sql.as_ptr(), false, 0);
        pg_sys::SPI_finish();
        result
    };
    if result >= 0 {
        return Ok(());
    }
    // SAFETY: gives a constant string for every code.
    Err(Refused(unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(result)) }.to_string_lossy().into_owned()))
}

/// Runs something in a subtransaction and rolls that back. What it raises is raised behind the subtransaction: left inside, it
/// would leave the session in an aborted transaction block.
pub(crate) fn rolled_back(body: impl Fn()) {
    // SAFETY: a subtransaction changes the current context and resource owner, which are put back as PL/pgSQL does
    // (`exec_stmt_block` in pl_exec.c).
    let failure = unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        let failure = PgTryBuilder::new(AssertUnwindSafe(|| {
            body();
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
