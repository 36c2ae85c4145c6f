//! What SPI hands to its caller.
//!
//! The result of a query, a plan and a portal are made by the server behind an SPI function, and are the caller's from then
//! on: nobody else frees them.

use std::ffi::CStr;

use memcheck_core::handed;
use pgrx::pg_sys;

/// Names that were looked at, by a hash of where they are.
const RECENT: usize = 16;

/// Tells what is handed over by the names of contexts, which are constants.
#[derive(Default)]
pub(super) struct Handed {
    /// Where a name is, and whether it is one of those.
    recent: [(usize, bool); RECENT],
}

impl Handed {
    /// Whether a context belongs to the caller of SPI that had it made.
    ///
    /// # Safety
    /// `context` is live.
    #[inline(always)]
    pub(super) unsafe fn is_handed_over(&mut self, context: pg_sys::MemoryContext) -> bool {
        // SAFETY: by the caller's promise.
        let name = unsafe { (*context).name };
        let recent = self.recent[name.addr() / 8 % RECENT];
        if recent.0 == name.addr() {
            return recent.1;
        }
        // SAFETY: a name is a C string.
        self.look_at(unsafe { CStr::from_ptr(name) })
    }

    #[cold]
    #[inline(never)]
    fn look_at(&mut self, name: &CStr) -> bool {
        let address = name.as_ptr().addr();
        let is_handed_over = handed::is_handed_over(name.to_str().unwrap_or_default());
        self.recent[address / 8 % RECENT] = (address, is_handed_over);
        is_handed_over
    }
}

/// Follows a stack from an allocation outwards, to the innermost caller of SPI.
///
/// That need not be the frame of a target that is nearest to the allocation: a target's own executor hooks are inside of SPI.
/// And what a target runs through SPI may itself use SPI, as PL/pgSQL does.
#[derive(Default)]
pub(super) struct Caller {
    inside: bool,
    /// The return address in it, and where on the stack that is.
    found: (usize, usize),
}

impl Caller {
    /// Takes a return address and its place on the stack, which is in SPI or not. Whether to go on.
    #[inline(always)]
    pub(super) fn passes(&mut self, pc: usize, slot: usize, is_spi: bool) -> bool {
        // One function of SPI may call another.
        if self.inside && !is_spi {
            self.found = (pc, slot);
        }
        self.inside |= is_spi;
        self.found.0 == 0
    }

    /// The return address in the caller, 0 for none, and its place on the stack.
    pub(super) fn found(&self) -> (usize, usize) {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn the_innermost_caller_is_found() {
        let caller = |stack: &[usize]| {
            let mut caller = Caller::default();
            let _ = stack.iter().find(|&&pc| !caller.passes(pc, 0, (100..200).contains(&pc)));
            caller.found().0
        };
        assert_eq!(caller(&[10, 50, 150, 500]), 500);
        assert_eq!(caller(&[10, 150, 160, 500, 150, 600]), 500);
        assert_eq!(caller(&[10, 500]), 0);
        assert_eq!(caller(&[10, 150]), 0);
        assert_eq!(caller(&[]), 0);
    }
}
