//! What SPI hands to its caller.
//!
//! The result of a query, a plan and a portal are made by the server behind an SPI function, and are the caller's from then
//! on: nobody else frees them.

use std::ffi::CStr;
use std::ops::Range;

use memcheck_core::handed;
use pgrx::pg_sys;

use super::barrier;

/// Whether a context belongs to the caller of SPI that had it made.
pub(super) fn is_handed_over(context: pg_sys::MemoryContext) -> bool {
    // SAFETY: a live context, whose name is a C string.
    let name = unsafe { CStr::from_ptr((*context).name) };
    name.to_str().is_ok_and(handed::is_handed_over)
}

/// Where the code of SPI's functions is.
pub(super) struct Spi(Vec<Range<usize>>);

impl Spi {
    pub(super) fn new() -> Self {
        let functions = barrier::FUNCTIONS.iter().filter(|name| name.to_bytes().starts_with(b"SPI_"));
        Spi(functions.filter_map(|name| barrier::code_of(name)).collect())
    }

    fn contains(&self, pc: usize) -> bool {
        self.0.iter().any(|code| code.start < pc && pc <= code.end)
    }

    /// The return address in the innermost caller of SPI, from the frames that are shown from the inside out by `frames`
    /// until it is told to stop; 0 for none.
    ///
    /// It need not be the frame of a target that is nearest to the allocation: a target's own executor hooks are inside of
    /// SPI. And what a target runs through SPI may itself use SPI, as PL/pgSQL does.
    #[inline(always)]
    pub(super) fn caller(&self, frames: impl FnOnce(&mut dyn FnMut(usize) -> bool)) -> usize {
        let (mut inside, mut caller) = (false, 0);
        frames(&mut |pc| {
            // One function of SPI may call another.
            let spi = self.contains(pc);
            if inside && !spi {
                caller = pc;
            }
            inside |= spi;
            caller == 0
        });
        caller
    }
}

#[cfg(test)]
mod tests {
    use super::Spi;

    #[test]
    fn the_innermost_caller_is_found() {
        let spi = Spi(vec![100..200, 300..400]);
        let caller = |stack: &[usize]| spi.caller(|visit| drop(stack.iter().find(|&&pc| !visit(pc))));
        assert_eq!(caller(&[10, 50, 150, 500]), 500);
        assert_eq!(caller(&[10, 150, 400, 500, 350, 600]), 500);
        // At a function's start there is nothing yet to return to.
        assert_eq!(caller(&[10, 100, 300, 500]), 0);
        assert_eq!(caller(&[10, 150]), 0);
        assert_eq!(caller(&[]), 0);
    }
}
