//! `pg_ext_memcheck.on_fault`: what becomes of a process at a fault of a target.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

/// What becomes of a process at a fault of a target, in the order in which the parameter has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// It dies as it would without the engine.
    Report,
    /// It ends, by itself and alone.
    Fatal,
    /// The statement ends by an ERROR.
    Error,
}

/// The value of the parameter. A signal handler cannot ask pgrx for it.
static VALUE: AtomicI32 = AtomicI32::new(0);

/// The assign hook of the parameter.
pub(crate) unsafe extern "C-unwind" fn assigned(value: c_int, _extra: *mut c_void) {
    VALUE.store(value, Ordering::Relaxed);
}

/// The policy now.
pub(super) fn policy() -> Policy {
    match VALUE.load(Ordering::Relaxed) {
        1 => Policy::Fatal,
        2 => Policy::Error,
        _ => Policy::Report,
    }
}
