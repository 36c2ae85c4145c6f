//! How deep inside planner, executor and utility processing the backend is. Depth 0 is between top-level statements.

use std::cell::Cell;
use std::mem::MaybeUninit;

use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::pg_sys;

use crate::trace::calls;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C-unwind" {
    /// The server's own, without the boundary that pgrx puts around it.
    fn pg_re_throw() -> !;
}

/// Whether nothing is being planned or executed.
pub(crate) fn is_top_level() -> bool {
    DEPTH.get() == 0
}

/// Calls the server one level deeper: PG_TRY and PG_FINALLY of elog.h.
///
/// pgrx would turn an ERROR into a panic and back into another ERROR that lacks CONTEXT, the position in the statement and
/// the names of constraints. What a checked statement reports must not change, so here it passes as it is.
///
/// Where the server's own function is called, what it allocates is its own, whoever is further up the stack.
///
/// # Safety
/// `call` is left by longjmp when the server raises an ERROR: it must own nothing that has to be dropped, and must not call
/// Rust code that does.
pub(crate) unsafe fn nested<R: Copy>(calls_server: bool, call: impl FnOnce() -> R + Copy) -> R {
    let depth = DEPTH.get();
    DEPTH.set(depth + 1);
    let fence = calls_server.then(|| calls::fence((&raw const depth).addr()));
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
        if let Some(fence) = fence {
            calls::fence(fence);
        }
        if jumped != 0 {
            pg_re_throw();
        }
        result.assume_init()
    }
}
