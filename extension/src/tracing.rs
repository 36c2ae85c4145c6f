//! When allocations are traced: while a window is open that asks for it, and as long as the session's parameters do.

use std::cell::Cell;

use crate::{guc, trace, window};

thread_local! {
    /// Whether the parameters may ask for something else than is done.
    static CHANGED: Cell<bool> = const { Cell::new(true) };
}

/// The parameters have changed: what they ask for is done at the next call of [`follow`].
pub(crate) fn parameters_changed() {
    CHANGED.set(true);
}

/// Does what the parameters ask for, unless a window is open; its targets are those it was opened with. Cheap where nothing
/// has changed and nothing is traced.
#[inline]
pub(crate) fn follow() -> Result<(), trace::Refused> {
    if CHANGED.get() && !window::is_open() {
        CHANGED.set(false);
        return trace_these(guc::traced_libraries(), guc::traces_stacks());
    }
    trace::refresh();
    Ok(())
}

/// Traces what a window asks for. What is recorded for these libraries already is kept.
pub(crate) fn for_window(libraries: Vec<String>, by_calls: bool) -> Result<(), trace::Refused> {
    CHANGED.set(true);
    trace_these(libraries, by_calls)
}

/// The window is closed: goes back to what the parameters ask for.
pub(crate) fn window_closed() {
    CHANGED.set(true);
    // It was traced before, or will be refused as it was then.
    let _ = follow();
}

fn trace_these(libraries: Vec<String>, by_calls: bool) -> Result<(), trace::Refused> {
    if libraries.is_empty() {
        trace::stop();
        Ok(())
    } else if trace::is_of(&libraries, by_calls) {
        Ok(())
    } else {
        trace::start(libraries, by_calls)
    }
}
