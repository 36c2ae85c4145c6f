//! Known memory bugs of extensions written in Rust: pairs `rsNN_bad`, with a bug, and `rsNN_ok`, with the bug mended.
//!
//! The functions that allocate are not inlined, so that they have a name without debug information as well.

use std::hint::black_box;

use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;

mod accesses;
mod failing;
mod faults;

pg_module_magic!(name, version);

/// rs01: a buffer of Rust's heap is given away and never taken back: `n` bytes a call.
#[pg_extern]
fn rs01_bad(n: i32) -> i32 {
    let rendered: &'static mut [u8] = render(n).leak();
    length(rendered)
}

#[pg_extern]
fn rs01_ok(n: i32) -> i32 {
    length(&render(n))
}

#[inline(never)]
fn render(n: i32) -> Vec<u8> {
    black_box(vec![b'x'; usize::try_from(n).unwrap_or(0)])
}

fn length(bytes: &[u8]) -> i32 {
    i32::try_from(black_box(bytes).len()).unwrap_or(i32::MAX)
}

/// rs02: a copy for the server, in a context that is never reset: the length of the text and 1, per call.
#[pg_extern]
fn rs02_bad(text: &str) -> i32 {
    copy_in(PgMemoryContexts::TopMemoryContext, text)
}

#[pg_extern]
fn rs02_ok(text: &str) -> i32 {
    copy_in(PgMemoryContexts::CurrentMemoryContext, text)
}

#[inline(never)]
fn copy_in(context: PgMemoryContexts, text: &str) -> i32 {
    // SAFETY: pstrdup gives a valid C string, which lives as long as the context.
    let copy = unsafe { std::ffi::CStr::from_ptr(context.pstrdup(text)) };
    length(copy.to_bytes())
}

/// rs02 in pgrx's own way: a value that is dropped when the context is deleted, which TopMemoryContext never is. Its callback
/// is there, the value in Rust's heap.
#[pg_extern]
fn rs02_value_bad(n: i32) -> i32 {
    keep(PgMemoryContexts::TopMemoryContext, n)
}

#[pg_extern]
fn rs02_value_ok(n: i32) -> i32 {
    keep(PgMemoryContexts::CurrentMemoryContext, n)
}

#[inline(never)]
fn keep(mut context: PgMemoryContexts, n: i32) -> i32 {
    let value = context.leak_and_drop_on_delete([n; 64]);
    // SAFETY: the context lives at least as long as this call.
    unsafe { (*value)[0] }
}

/// rs03: an error comes between giving a buffer away and taking it back. 4096 bytes a call where `mode` is 0.
#[pg_extern]
fn rs03_bad(mode: i32) -> i32 {
    let raw = Box::into_raw(buffer());
    check(mode);
    // SAFETY: as it came from the box.
    let buffer = unsafe { Box::from_raw(raw) };
    length(&buffer[..])
}

#[pg_extern]
fn rs03_ok(mode: i32) -> i32 {
    let buffer = buffer();
    check(mode);
    length(&buffer[..])
}

#[inline(never)]
fn buffer() -> Box<[u8; 4096]> {
    black_box(Box::new([0; 4096]))
}

fn check(mode: i32) {
    if mode == 0 {
        ereport!(ERROR, PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, "mode is 0");
    }
}

/// rs04: the last call of a function that does without pgrx's wrappers allocates, of which the compiler makes a jump.
mod last {
    use std::ffi::c_void;

    use pgrx::pg_sys;

    unsafe extern "C" {
        fn MemoryContextAlloc(context: pg_sys::MemoryContext, size: usize) -> *mut c_void;
    }

    #[unsafe(no_mangle)]
    extern "C" fn pg_finfo_rs04_bad() -> &'static pg_sys::Pg_finfo_record {
        &pg_sys::Pg_finfo_record { api_version: 1 }
    }

    #[unsafe(no_mangle)]
    extern "C" fn pg_finfo_rs04_ok() -> &'static pg_sys::Pg_finfo_record {
        &pg_sys::Pg_finfo_record { api_version: 1 }
    }

    /// # Safety
    /// Called by the server.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn rs04_bad(_: pg_sys::FunctionCallInfo) -> *mut c_void {
        // SAFETY: as the server's function is to be called; the context is there.
        unsafe { MemoryContextAlloc(pg_sys::TopMemoryContext, 24) }
    }

    /// # Safety
    /// Called by the server.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn rs04_ok(_: pg_sys::FunctionCallInfo) -> *mut c_void {
        // SAFETY: as above.
        unsafe { MemoryContextAlloc(pg_sys::CurrentMemoryContext, 24) }
    }
}

extension_sql!(
    r"
CREATE FUNCTION rs04_bad() RETURNS bigint AS 'MODULE_PATHNAME', 'rs04_bad' LANGUAGE C STRICT;
CREATE FUNCTION rs04_ok() RETURNS bigint AS 'MODULE_PATHNAME', 'rs04_ok' LANGUAGE C STRICT;
",
    name = "rs04"
);
