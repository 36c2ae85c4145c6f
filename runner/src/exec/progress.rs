//! How far a case has come.

/// Something that begins, or goes on, within a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A scenario begins: its position in the case.
    Scenario(usize),
    /// A permutation begins: its position in the case.
    Permutation(usize),
    /// Iterations are done; told now and then.
    Iterations {
        /// Iterations done, the warm-up and all windows counted.
        done: u64,
        /// Iterations in all.
        total: u64,
    },
}
