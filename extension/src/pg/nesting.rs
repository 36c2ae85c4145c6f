//! How deep inside planner, executor and utility processing the backend is. Depth 0 is between top-level statements.

use std::cell::Cell;
use std::mem::MaybeUninit;

use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::pg_sys;

use super::server::pg_re_throw;
use super::thread::ServerThread;

static DEPTH: ServerThread<Cell<u32>> = ServerThread::new(Cell::new(0));

/// Whether nothing is being planned or executed.
#[inline]
pub(crate) fn is_top_level() -> bool {
    DEPTH.get() == 0
}

/// Calls the server one level deeper: PG_TRY and PG_FINALLY of elog.h.
///
/// What a checked statement reports must not change, so an ERROR passes as it is ([`super::server`]).
///
/// `fence` is told a place on the stack before the call, and what it gave is handed to it behind it, however the call ends.
///
/// # Safety
/// `call` is left by longjmp when the server raises an ERROR: it must own nothing that has to be dropped, and must not call
/// Rust code that does.
pub(super) unsafe fn nested<R: Copy>(fence: Option<fn(usize) -> usize>, call: impl FnOnce() -> R + Copy) -> R {
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let before = fence.map(|fence| fence((&raw const depth).addr()));
    let mut result = MaybeUninit::<R>::uninit();
    // SAFETY: the exception stack is put back before this frame is left, and by the caller's promise the frames that a
    // longjmp skips hold nothing to drop.
    unsafe {
        let exceptions = pg_sys::PG_exception_stack;
        let contexts = pg_sys::error_context_stack;
        let jumped = call_with_sigsetjmp(false, |here| {
            pg_sys::PG_exception_stack = std::ptr::from_ref::<SigJmpBufFields>(here).cast_mut().cast();
            result.write(call());
            0
        });
        pg_sys::PG_exception_stack = exceptions;
        pg_sys::error_context_stack = contexts;
        DEPTH.set(depth);
        if let Some((fence, before)) = fence.zip(before) {
            fence(before);
        }
        if jumped != 0 {
            pg_re_throw();
        }
        result.assume_init()
    }
}
