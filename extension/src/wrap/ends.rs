//! exit() and its like, as the targets call them.

use std::ffi::c_int;

use super::hooked::hooked;
use crate::guard::faults::{Ending, ends};
use crate::stack::Registers;

hooked! {
    fn exit(code: c_int) {
        ends(Registers::here(), Ending::InOrder, code);
        // SAFETY: called as the C library's function is.
        unsafe { libc::exit(code) }
    }

    fn quick_exit(code: c_int) {
        unsafe extern "C" {
            fn quick_exit(code: c_int) -> !;
        }
        ends(Registers::here(), Ending::AtOnce, code);
        // SAFETY: as in `exit`.
        unsafe { quick_exit(code) }
    }

    fn _exit(code: c_int) {
        ends(Registers::here(), Ending::AtOnce, code);
        // SAFETY: as in `exit`.
        unsafe { libc::_exit(code) }
    }

    fn _Exit(code: c_int) {
        ends(Registers::here(), Ending::AtOnce, code);
        // SAFETY: as in `exit`.
        unsafe { libc::_exit(code) }
    }
}
