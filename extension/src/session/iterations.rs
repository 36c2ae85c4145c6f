//! When workers that ran side by side were at their iterations: of the last scenario that had such workers.

use super::Session;

/// An iteration of a worker. Times are microseconds since 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iteration {
    /// From 1 on.
    pub(crate) worker: u32,
    pub(crate) number: u64,
    pub(crate) began: i64,
    pub(crate) ended: i64,
}

impl Session {
    /// Keeps those of a scenario in place of another one's.
    pub(crate) fn keep_iterations(&mut self, iterations: Vec<Iteration>) {
        self.iterations = iterations;
    }

    pub(crate) fn iterations(&self) -> &[Iteration] {
        &self.iterations
    }
}
