//! `pg_ext_memcheck.on_fault`: what becomes of a process at a fault of a target.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

/// What becomes of a process at a fault of a target, in the order in which the parameter has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It dies as it would without the engine.
    Report,
    /// It ends, by itself and alone.
    Fatal,
    /// The statement ends by an ERROR.
    Error,
}

impl Policy {
    /// As the parameter has it.
    pub(crate) fn number(self) -> i32 {
        self as i32
    }

    /// What [`Self::number`] gives; what is no such number reports.
    pub(crate) fn numbered(number: i32) -> Self {
        match number {
            1 => Policy::Fatal,
            2 => Policy::Error,
            _ => Policy::Report,
        }
    }
}

/// The value of the parameter. A signal handler cannot ask pgrx for it.
static VALUE: AtomicI32 = AtomicI32::new(0);
/// What stands in its place while somebody else's window is open, or [`NONE`].
static IMPOSED: AtomicI32 = AtomicI32::new(NONE);

const NONE: i32 = -1;

/// The assign hook of the parameter.
pub(crate) unsafe extern "C-unwind" fn assigned(value: c_int, _extra: *mut c_void) {
    VALUE.store(value, Ordering::Relaxed);
}

/// Has this policy stand in place of the parameter's, or that one's again.
pub(crate) fn impose(policy: Option<Policy>) {
    IMPOSED.store(policy.map_or(NONE, Policy::number), Ordering::Relaxed);
}

/// The policy now.
pub(crate) fn policy() -> Policy {
    match IMPOSED.load(Ordering::Relaxed) {
        NONE => Policy::numbered(VALUE.load(Ordering::Relaxed)),
        imposed => Policy::numbered(imposed),
    }
}
