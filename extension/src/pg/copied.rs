//! An ERROR that pgrx catches, or raises, while there is no memory.
//!
//! pgrx takes over an ERROR by CopyErrorData, and is still the one who catches what is raised (`pg_guard_ffi_boundary_impl` in its
//! ffi.rs). Where the copy finds no memory that raises another ERROR, which is caught in the same place, and so on, until the
//! server's stack of errors is full: a PANIC (`get_error_stack_entry` in elog.c), which ends all processes. So the linker has
//! pgrx call [`__wrap_CopyErrorData`] instead (`--wrap` in build.rs), which raises nothing and has memory that is there
//! beforehand. [`super::errors::caught`] has given the catching back before it copies, and calls the server's own.
//!
//! pgrx raises an ERROR of its own, or one that it has caught, when it leaves a function that the server has called. The text is
//! copied into CurrentMemoryContext then (`do_ereport` in its panic.rs), and where that has no memory the ERROR of the copy
//! becomes a panic that nobody catches: the process aborts. So the copies are made here as well, by [`__wrap_errstart`].

use std::cell::Cell;
use std::ffi::{c_char, c_int};

use pgrx::pg_sys;
use pgrx::pg_sys::errcodes::PgSqlErrorCode;

use super::errors::completed;
use super::server;
use super::thread::ServerThread;

/// Bytes that a copy has for certain: more than the message, DETAIL, HINT and CONTEXT of most ERRORs take. A longer one may
/// still get the rest from malloc.
const BYTES: usize = 32 * 1024;

/// Where copies are made: of an ERROR that was caught, until pgrx has given it back, or of the text of one that is raised, until the
/// next.
static COPIES: ServerThread<Cell<pg_sys::MemoryContext>> = ServerThread::new(Cell::new(std::ptr::null_mut()));

/// Provides the memory. In the postmaster: its children inherit it, untouched.
pub(crate) fn prepare() {
    if COPIES.get().is_null() {
        // SAFETY: a constant name and the context that lives as long as the process. An ERROR refuses the library, and leaves no
        // frame that owns anything.
        COPIES.set(unsafe {
            server::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"pg_ext_memcheck errors".as_ptr(),
                BYTES,
                BYTES,
                BYTES,
            )
        });
    }
}

/// Called in place of errstart. What is copied between it and errfinish of an ERROR has memory for certain, also for a text that
/// was caught before: its copy is given back first. errfinish leaves ErrorContext current, as after any ERROR.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __wrap_errstart(level: c_int, domain: *const c_char) -> bool {
    let copies = COPIES.get();
    // SAFETY: no copy is in use when another ERROR is raised, and whoever goes on after a lower level has the context that was
    // current.
    unsafe {
        let goes_on = server::__real_errstart(level, domain);
        if goes_on && level >= pgrx::PgLogLevel::ERROR as c_int && !copies.is_null() {
            server::MemoryContextReset(copies);
            pg_sys::CurrentMemoryContext = copies;
        }
        goes_on
    }
}

/// Called in place of CopyErrorData, and like it to be given back by FreeErrorData, before another is caught: pgrx does so at
/// once.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __wrap_CopyErrorData() -> *mut pg_sys::ErrorData {
    let copies = COPIES.get();
    // SAFETY: the last copy has been given back. The closure owns nothing; the context has room for what is made where the
    // copy had none, since it is empty again and keeps its first block (`AllocSetReset` in aset.c).
    unsafe {
        if copies.is_null() {
            return server::__real_CopyErrorData();
        }
        let memory = pg_sys::CurrentMemoryContext;
        server::MemoryContextReset(copies);
        pg_sys::CurrentMemoryContext = copies;
        let copy = completed(|| server::__real_CopyErrorData()).unwrap_or_else(|| {
            server::FlushErrorState();
            server::MemoryContextReset(copies);
            let copy: *mut pg_sys::ErrorData = server::palloc0(size_of::<pg_sys::ErrorData>()).cast();
            (*copy).elevel = pgrx::PgLogLevel::ERROR as c_int;
            (*copy).sqlerrcode = PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int;
            (*copy).message = server::pstrdup(c"out of memory".as_ptr());
            (*copy).assoc_context = copies;
            copy
        });
        pg_sys::CurrentMemoryContext = memory;
        copy
    }
}
