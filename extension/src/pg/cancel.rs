//! Cancelling what this process does at a chosen moment: what the handlers of signals set (`StatementCancelHandler` and `die` in
//! postgres.c), set without a signal, and the timer of statement_timeout.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use super::{process, server};

/// SQLSTATE of what was cancelled.
pub(crate) const CODE: &str = "57014";

/// SQLSTATE of a lock that was not to be had in time.
pub(crate) const NO_LOCK: &str = "55P03";

/// How often another process has cancelled this one, since [`count`]. A handler counts them.
static COME: AtomicU32 = AtomicU32::new(0);

/// Its number among timeouts (timeout.h).
const STATEMENT_TIMEOUT: c_int = 3;

/// Has every check for interrupts be a call of ProcessInterrupts, and nothing come of it: a cancel is pending and held off, so
/// that ProcessInterrupts sets the flag again that CHECK_FOR_INTERRUPTS looks at.
pub(crate) fn hold() {
    set(1, 1);
}

/// The next check for interrupts cancels the statement.
pub(crate) fn cancel() {
    set(0, 1);
}

/// The next check for interrupts ends the process, as pg_terminate_backend() does.
pub(crate) fn terminate() {
    set(0, 0);
    // SAFETY: plain variables of this process, which handlers of signals write as well.
    unsafe {
        pg_sys::ProcDiePending = 1;
        pg_sys::InterruptPending = 1;
    }
}

/// Whether the next check for interrupts does something.
pub(crate) fn is_pending() -> bool {
    // SAFETY: as above.
    unsafe { pg_sys::QueryCancelHoldoffCount == 0 && (pg_sys::QueryCancelPending != 0 || pg_sys::ProcDiePending != 0) }
}

/// Takes back what has not come to anything. Whether it has: an ERROR was raised of it (`ProcessInterrupts` in postgres.c).
pub(crate) fn forget() -> bool {
    // SAFETY: as above.
    let is_taken = unsafe { pg_sys::QueryCancelPending == 0 };
    set(0, 0);
    is_taken
}

fn set(held_off: u32, pending: c_int) {
    // SAFETY: as above. What holds off cancels besides is the reading of a client's message, of which there is none here.
    unsafe {
        pg_sys::QueryCancelHoldoffCount = held_off;
        pg_sys::QueryCancelPending = pending;
        if pending != 0 {
            pg_sys::InterruptPending = 1;
        }
    }
}

/// Has statement_timeout come after so many milliseconds.
pub(crate) fn after(milliseconds: u64) {
    let milliseconds = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
    // SAFETY: a timeout that every process with a database has (`InitPostgres` in postinit.c).
    unsafe { server::enable_timeout_after(STATEMENT_TIMEOUT, milliseconds) };
}

/// It does not come any more.
pub(crate) fn not_after() {
    // SAFETY: as above.
    unsafe { server::disable_timeout(STATEMENT_TIMEOUT, false) };
}

/// The process was to end, and has not come to it.
pub(crate) fn stay() {
    // SAFETY: as above.
    unsafe { pg_sys::ProcDiePending = 0 };
}

/// Has what lock_timeout does come after so many milliseconds of a wait (`ProcSleep` in proc.c); 0 for never.
pub(crate) fn lock_timeout(milliseconds: u32) {
    // SAFETY: the variable of the parameter, which is looked at where a process begins to wait.
    unsafe { pg_sys::LockTimeout = c_int::try_from(milliseconds).unwrap_or(c_int::MAX) };
}

/// Counts from now on what other processes send.
pub(crate) fn count() {
    unsafe extern "C-unwind" fn comes(signal: c_int) {
        COME.fetch_add(1, Ordering::Relaxed);
        // SAFETY: what the handler of a background worker with a database is (`BackgroundWorkerMain` in bgworker.c).
        unsafe { server::StatementCancelHandler(signal, std::ptr::null()) };
    }
    // SAFETY: a handler that does no more than the server's.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = comes as *const c_void as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
}

/// How often another process has cancelled this one.
pub(crate) fn come() -> u32 {
    COME.load(Ordering::Relaxed)
}

/// Waits for another process to have cancelled this one once more than so often, or to have terminated it, for so long at most.
pub(crate) fn await_signal(before: u32, longest: Duration) {
    const STEP: Duration = Duration::from_millis(1);
    let deadline = Instant::now() + longest;
    // SAFETY: a plain variable of this process.
    while come() == before && unsafe { pg_sys::ProcDiePending == 0 } && Instant::now() < deadline {
        process::nap(STEP);
    }
}
