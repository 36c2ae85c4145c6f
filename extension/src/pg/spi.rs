//! Running SQL through SPI, so that nothing of the execution itself is left behind, and an ERROR stays what it is.

use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

use super::errors::{Raised, caught};
use super::server;

/// Why statements were not run to their end.
#[derive(Debug)]
#[must_use = "an ERROR that is not raised is lost"]
pub(crate) enum Failure {
    /// They have failed.
    Raised(Raised),
    /// SPI cannot run one, with its own word for why not (`SPI_result_code_string`).
    Refused(String),
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        Failure::Raised(raised)
    }
}

/// Runs any number of statements once.
pub(crate) fn execute(sql: &CStr) -> Result<(), Failure> {
    let sql = sql.as_ptr();
    // SAFETY: the text outlives the call.
    connected(|| unsafe { server::SPI_execute(sql, false, 0) })
}

/// Runs a statement once for each row of arguments. None of them is null.
pub(crate) fn execute_with<const N: usize>(
    sql: &CStr,
    types: [pg_sys::Oid; N],
    rows: &[[pg_sys::Datum; N]],
) -> Result<(), Failure> {
    let sql = sql.as_ptr();
    for row in rows {
        connected(|| {
            let (mut types, mut values) = (types, *row);
            // SAFETY: text and arguments outlive the call, which has as many of both as it says.
            unsafe {
                let (types, values) = (types.as_mut_ptr(), values.as_mut_ptr());
                server::SPI_execute_with_args(sql, N as c_int, types, values, std::ptr::null(), false, 0)
            }
        })?;
    }
    Ok(())
}

/// Calls SPI between connect and finish.
fn connected(call: impl FnOnce() -> c_int + Copy) -> Result<(), Failure> {
    // SAFETY: connect and finish are paired; an ERROR in between is cleaned up with the transaction (`AtEOXact_SPI` and
    // `AtEOSubXact_SPI` in spi.c). The closures own nothing.
    let result = unsafe {
        caught(|| {
            if pg_sys::InterruptPending != 0 {
                server::ProcessInterrupts();
            }
            server::SPI_connect();
            let result = call();
            server::SPI_finish();
            result
        })
    }?;
    if result >= 0 {
        return Ok(());
    }
    // SAFETY: gives a constant string for every code.
    let name = unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(result)) };
    Err(Failure::Refused(name.to_string_lossy().into_owned()))
}

/// Runs something in a subtransaction and rolls that back.
pub(crate) fn rolled_back(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // SAFETY: a subtransaction changes the current context and resource owner, which are put back as PL/pgSQL does
    // (`exec_stmt_block` in pl_exec.c). The closures own nothing.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        caught(|| server::BeginInternalSubTransaction(std::ptr::null()))?;
        pg_sys::CurrentMemoryContext = context;
        let outcome = body();
        caught(|| server::RollbackAndReleaseCurrentSubTransaction())?;
        pg_sys::CurrentMemoryContext = context;
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}

/// Runs something in a subtransaction and a statement that fails behind it, which undoes both.
pub(crate) fn failed(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // An error that neither the planner nor the executor is asked for.
    const FAILS: &CStr = c"RESET mcspec_raises_an_error";
    rolled_back(|| {
        body()?;
        match execute(FAILS) {
            Err(Failure::Raised(raised)) => {
                raised.forget();
                Ok(())
            }
            other => other,
        }
    })
}
