//! The server's caches of its catalogs, made anew.

use pgrx::pg_sys;

use super::errors::{Raised, caught};
use super::nesting::nested;
use super::server;

/// Whether it is a moment at which the server processes invalidations: in a transaction that goes on, with nothing held that it would
/// have to wait for.
pub(crate) fn can_invalidate() -> bool {
    // SAFETY: plain variables, and the state of the transaction.
    unsafe {
        pg_sys::CritSectionCount == 0
            && pg_sys::InterruptHoldoffCount == 0
            && !pg_sys::proc_exit_inprogress
            && pg_sys::IsTransactionState()
    }
}

/// Takes all that is cached for invalid, as if messages had been lost (`ReceiveSharedInvalidMessages` in sinval.c). `fence` is as of
/// [`nested`].
pub(crate) fn invalidate(fence: fn(usize) -> usize) -> Result<(), Raised> {
    // SAFETY: the closures own nothing.
    unsafe { caught(|| nested(Some(fence), || server::InvalidateSystemCaches())) }
}
