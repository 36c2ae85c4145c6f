//! What happens in the open window and is counted: references that the server had to release, functions that leave another
//! context current.
//!
//! It is counted from hooks that are called in the middle of anything, so it is kept apart from the window and the walker,
//! which may be in use. Nothing is allocated through palloc, and nothing raises an ERROR or panics.

use std::cell::{Cell, RefCell};

use memcheck_core::Event;

/// Kinds of event at most: the names of some come from extensions.
const MOST: usize = 256;

/// What makes two events the same.
#[derive(PartialEq)]
pub(crate) enum Key {
    /// The kind of resource that was not given back.
    Resource(String),
    /// The address of the function that left another context current.
    Function(usize),
}

struct Counted {
    key: Key,
    event: Event,
    times: u64,
}

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static EVENTS: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

/// Starts to count, from nothing.
pub(crate) fn start() {
    EVENTS.take();
    COUNTING.set(true);
}

/// Stops counting.
pub(crate) fn stop() {
    COUNTING.set(false);
}

/// Whether there is a window to count for.
pub(crate) fn is_counting() -> bool {
    COUNTING.get()
}

/// Counts an event. The first of its kind is described; where there is no description it is none.
pub(crate) fn count(key: Key, describe: impl FnOnce() -> Option<Event>) {
    add(key, 1, describe);
}

/// As [`count`], for an event that has happened so many times.
pub(crate) fn add(key: Key, times: u64, describe: impl FnOnce() -> Option<Event>) {
    let is_known = EVENTS.with(|events| {
        let Ok(mut events) = events.try_borrow_mut() else { return true };
        let known = events.iter_mut().find(|counted| counted.key == key);
        known.map(|counted| counted.times += times).is_some() || events.len() >= MOST
    });
    if is_known {
        return;
    }
    if let Some(event) = describe() {
        EVENTS.with(|events| {
            if let Ok(mut events) = events.try_borrow_mut() {
                events.push(Counted { key, event, times });
            }
        });
    }
}

/// How often each has happened.
pub(crate) fn counts() -> Vec<u64> {
    EVENTS.with_borrow(|events| events.iter().map(|counted| counted.times).collect())
}

/// The events, in the order of [`counts`].
pub(crate) fn all() -> Vec<Event> {
    EVENTS.with_borrow(|events| events.iter().map(|counted| counted.event.clone()).collect())
}
