//! rs08: what becomes of a failed malloc. Rust ends the process, unless it is asked what it has; the decoy asks the server, which raises
//! an ERROR.
//!
//! pgrx's wrappers are not ready for one, whatever they are wrapped around, so these do without.

use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;

use pgrx::pg_sys;
use pgrx::prelude::*;

unsafe extern "C-unwind" {
    fn palloc(size: usize) -> *mut c_void;
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(code: c_int) -> c_int;
    fn errmsg(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

const SIZE: usize = 64;

/// # Safety
/// No frame up to the server's holds what has to be dropped.
unsafe fn out_of_memory() {
    // SAFETY: as ereport() calls them; the texts live for ever.
    unsafe {
        if errstart(pg_sys::PGERROR as c_int, std::ptr::null()) {
            errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            errmsg(c"out of memory".as_ptr());
            errfinish(c"failing.rs".as_ptr(), 0, c"out_of_memory".as_ptr());
        }
    }
}

#[inline(never)]
fn sum(bytes: &[u8]) -> usize {
    black_box(bytes).iter().map(|&byte| usize::from(byte)).sum()
}

#[inline(never)]
fn unasked() -> usize {
    sum(&black_box(vec![1; SIZE]))
}

#[inline(never)]
fn asked() -> Option<usize> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(SIZE).ok()?;
    bytes.resize(SIZE, 1);
    Some(sum(&bytes))
}

macro_rules! finfo {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> &'static pg_sys::Pg_finfo_record {
            &pg_sys::Pg_finfo_record { api_version: 1 }
        }
    )*};
}
finfo!(pg_finfo_rs08_bad pg_finfo_rs08_ok pg_finfo_rs08_decoy);

/// # Safety
/// Called by the server.
#[unsafe(no_mangle)]
unsafe extern "C" fn rs08_bad(_: pg_sys::FunctionCallInfo) -> usize {
    unasked()
}

/// # Safety
/// Called by the server.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn rs08_ok(_: pg_sys::FunctionCallInfo) -> usize {
    match asked() {
        Some(sum) => sum,
        None => {
            // SAFETY: nothing here has to be dropped.
            unsafe { out_of_memory() };
            0
        }
    }
}

/// # Safety
/// Called by the server.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn rs08_decoy(_: pg_sys::FunctionCallInfo) -> usize {
    // SAFETY: palloc gives as many bytes or does not return, and nothing here has to be dropped.
    unsafe {
        let bytes = palloc(SIZE).cast::<u8>();
        bytes.write_bytes(1, SIZE);
        sum(std::slice::from_raw_parts(bytes, SIZE))
    }
}

extension_sql!(
    r"
CREATE FUNCTION rs08_bad() RETURNS bigint AS 'MODULE_PATHNAME', 'rs08_bad' LANGUAGE C STRICT;
CREATE FUNCTION rs08_ok() RETURNS bigint AS 'MODULE_PATHNAME', 'rs08_ok' LANGUAGE C STRICT;
CREATE FUNCTION rs08_decoy() RETURNS bigint AS 'MODULE_PATHNAME', 'rs08_decoy' LANGUAGE C STRICT;
",
    name = "rs08"
);
