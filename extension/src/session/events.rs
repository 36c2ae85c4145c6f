//! What happens in the open window and is counted: references that the server had to release, functions that leave another
//! context current.
//!
//! It is counted from hooks that are called in the middle of anything: nothing is allocated through palloc, and nothing raises
//! an ERROR or panics.

use memcheck_core::Event;

/// Kinds of event at most: the names of some come from extensions.
const MOST: usize = 256;

/// What makes two events the same.
#[derive(PartialEq)]
pub(super) enum Key {
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

/// The events of the window.
#[derive(Default)]
pub(super) struct Events {
    is_counting: bool,
    counted: Vec<Counted>,
    not_recorded: u64,
}

impl Events {
    /// Starts to count, from nothing.
    pub(super) fn start(&mut self) {
        *self = Events { is_counting: true, ..Events::default() };
    }

    /// Stops counting.
    pub(super) fn stop(&mut self) {
        self.is_counting = false;
    }

    /// Whether there is a window to count for.
    pub(super) fn is_counting(&self) -> bool {
        self.is_counting
    }

    /// Counts an event that has happened so many times. The first of its kind is described; where there is no description it is
    /// none.
    pub(super) fn count(&mut self, key: Key, times: u64, describe: impl FnOnce() -> Option<Event>) {
        if !self.is_counting {
            return;
        }
        if let Some(known) = self.counted.iter_mut().find(|counted| counted.key == key) {
            known.times += times;
        } else if self.counted.len() >= MOST {
            self.not_recorded += times;
        } else if let Some(event) = describe() {
            self.counted.push(Counted { key, event, times });
        }
    }

    /// How often each has happened.
    pub(super) fn counts(&self) -> Vec<u64> {
        self.counted.iter().map(|counted| counted.times).collect()
    }

    /// Counts as [`Self::counts`] said. Complaints of the server's come late, when a portal of the statement before is dropped, and
    /// are taken back only if they are meant.
    pub(super) fn go_back_to(&mut self, counts: &[u64], are_complaints_meant: bool) {
        let counts = counts.iter().copied().chain(std::iter::repeat(0));
        let is_meant = |key: &Key| are_complaints_meant || matches!(key, Key::Function(_));
        for (counted, times) in self.counted.iter_mut().zip(counts).filter(|(counted, _)| is_meant(&counted.key)) {
            counted.times = times;
        }
    }

    /// The events, in the order of [`Self::counts`].
    pub(super) fn all(&self) -> Vec<Event> {
        self.counted.iter().map(|counted| counted.event.clone()).collect()
    }

    /// Events of kinds that found no room.
    pub(super) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memcheck_core::{CheckKind, ContextPath};

    fn event(name: &str) -> Event {
        Event {
            check: CheckKind::ResourceLeak,
            subject: ContextPath::new([name]),
            library: String::new(),
            site: None,
            detail: String::new(),
        }
    }

    #[test]
    fn events_are_counted_by_kind_while_there_is_a_window() {
        let mut events = Events::default();
        let file = || Key::Resource("file".to_owned());
        events.count(file(), 1, || Some(event("file")));
        assert!(events.counts().is_empty());
        events.start();
        events.count(file(), 1, || Some(event("file")));
        events.count(Key::Function(1), 5, || None);
        events.count(Key::Function(2), 5, || Some(event("function")));
        events.count(file(), 2, || panic!("described already"));
        assert_eq!((events.counts(), events.not_recorded()), (vec![3, 5], 0));
        events.go_back_to(&[2], false);
        assert_eq!(events.counts(), [3, 0]);
        events.go_back_to(&[2], true);
        assert_eq!(events.counts(), [2, 0]);
        events.go_back_to(&[3, 5], true);
        for number in 0..2 * MOST {
            events.count(Key::Function(100 + number), 1, || Some(event("function")));
        }
        assert_eq!((events.counts().len(), events.not_recorded()), (MOST, MOST as u64 + 2));
        events.start();
        assert_eq!((events.counts(), events.not_recorded()), (vec![], 0));
    }
}
