//! Room for what grows with what is looked at: contexts, paths, allocations, findings.
//!
//! Rust ends a process that gets no memory, and the engine lives in processes that must not end. So what can become large asks
//! here before it grows, and does without where the answer is no. Every no is counted here, so that none can be forgotten: what
//! was looked at meanwhile is incomplete ([`refused`]).

use std::cell::Cell;
use std::collections::{HashMap, HashSet, TryReserveError};
use std::hash::{BuildHasher, Hash};

/// What can be asked for room.
pub trait Grows {
    /// Makes room for so many more elements.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError>;
}

impl<T> Grows for Vec<T> {
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

impl Grows for String {
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Grows for HashMap<K, V, S> {
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

impl<T: Eq + Hash, S: BuildHasher> Grows for HashSet<T, S> {
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

thread_local! {
    static IS_ASKED_FOR: Cell<bool> = const { Cell::new(false) };
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

/// Makes room for so many more. False where there is no memory for it: what was to be added is lost, and counted.
#[must_use]
pub fn make(collection: &mut impl Grows, more: usize) -> bool {
    IS_ASKED_FOR.set(true);
    let has_room = collection.grow(more).is_ok();
    IS_ASKED_FOR.set(false);
    if !has_room {
        REFUSED.set(REFUSED.get() + 1);
    }
    has_room
}

/// Adds an element, if there is room for it. Whether there was.
pub fn push<T>(elements: &mut Vec<T>, element: T) -> bool {
    let has_room = elements.len() < elements.capacity() || make(elements, 1);
    if has_room {
        elements.push(element);
    }
    has_room
}

/// Whether there is room for so many bytes, in pieces, for what is done now and asks nobody. If not, it is lost, and counted.
#[must_use]
pub fn is_there_for(bytes: usize) -> bool {
    make(&mut Vec::<u8>::new(), bytes)
}

/// How often there was no room.
pub fn refused() -> u64 {
    REFUSED.get()
}

/// Whether memory is asked for by one who can do without: for an allocator that has something in reserve for the others.
pub fn is_asked_for() -> bool {
    IS_ASKED_FOR.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_there_is_refused_and_counted() {
        let before = refused();
        let mut numbers = vec![1u64];
        assert!(make(&mut numbers, 100) && numbers.capacity() >= 101);
        assert!(push(&mut numbers, 2) && is_there_for(1 << 20));
        assert_eq!(refused(), before);
        assert!(!make(&mut numbers, usize::MAX / 16));
        assert!(!make(&mut HashMap::<u64, u64>::new(), usize::MAX / 64));
        assert!(!make(&mut HashSet::<u64>::new(), usize::MAX / 64));
        assert!(!make(&mut String::new(), usize::MAX / 2));
        assert!(!is_there_for(usize::MAX / 2));
        assert_eq!((refused(), numbers.as_slice()), (before + 5, [1, 2].as_slice()));
        assert!(!is_asked_for());
    }
}
