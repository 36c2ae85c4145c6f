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

    /// Follows a stack outwards to the frame of a target: whether it is the target that called SPI. Otherwise it was somebody
    /// else, on whose behalf the server was working for the target - a PL/pgSQL function, say.
    pub(super) fn caller(&self) -> Caller<'_> {
        Caller { spi: self, inside: false, other: false }
    }
}

/// See [`Spi::caller`].
pub(super) struct Caller<'a> {
    spi: &'a Spi,
    inside: bool,
    other: bool,
}

impl Caller<'_> {
    /// The next frame inside the target's, from the allocation outwards.
    pub(super) fn passes(&mut self, pc: usize) {
        // One function of SPI may call another.
        let spi = self.spi.contains(pc);
        self.other |= self.inside && !spi;
        self.inside |= spi;
    }

    /// Whether the frame behind those is SPI's caller.
    pub(super) fn is_next(&self) -> bool {
        self.inside && !self.other
    }
}

#[cfg(test)]
mod tests {
    use super::Spi;

    #[test]
    fn the_target_has_to_be_the_caller() {
        let spi = Spi(vec![100..200, 300..400]);
        let follows = |stack: &[usize]| {
            let mut caller = spi.caller();
            stack.iter().for_each(|&pc| caller.passes(pc));
            caller.is_next()
        };
        assert!(follows(&[10, 50, 150]));
        assert!(follows(&[10, 150, 400]));
        // PL/pgSQL in between.
        assert!(!follows(&[10, 150, 500]));
        assert!(!follows(&[10, 150, 500, 350]));
        assert!(!follows(&[10, 50]));
        assert!(!follows(&[]));
    }
}
