//! What a walk along the stack finds.

/// A place in a target's code that allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// What tells such places apart: the return address, or a hash of several.
    pub(crate) key: usize,
    /// The return address where it left the target's own code.
    pub(crate) pc: usize,
}
