//! ProcessInterrupts, as the targets call it: points at which a call of theirs can be cancelled. The function stands in their tables
//! behind a thunk, since the server may do anything in it.

use super::chain::checks_interrupts;
use super::hooked::hooked;
use crate::pg::server;
use crate::stack::Registers;

hooked! {
    /// `CHECK_FOR_INTERRUPTS` is a macro around it.
    fn ProcessInterrupts() {
        checks_interrupts(Registers::here());
        // SAFETY: called as the server's function is.
        unsafe { server::ProcessInterrupts() };
    }
}
