//! How deep inside planner, executor and utility processing the backend is. Depth 0 is between top-level statements.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether nothing is being planned or executed.
pub(crate) fn is_top_level() -> bool {
    DEPTH.get() == 0
}

/// One level deeper, until dropped. An ERROR passes through as a panic and drops it as well.
pub(crate) struct Nested(());

impl Nested {
    pub(crate) fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Nested(())
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
