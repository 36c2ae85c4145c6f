//! A fixed number of places, of which the entries of each process form a queue.
//!
//! When all are taken, the process with the most entries gives up its oldest; of several, the one that puts the new entry. So one
//! process alone can only drive out its own entries, or those of processes that have more.
//!
//! All zero is the state in which there are no entries.

/// Number of a place or a queue, counted from 1; 0 for none.
type Link = u32;

/// How entries hang together.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Links {
    /// The queue that the entry is in; none where the place is free.
    queue: Link,
    /// The next younger one of the queue, or the next place that is free again.
    next: Link,
}

/// The entries of one process, oldest first. Nobody's where there are none.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Queue {
    pid: i32,
    entries: u32,
    oldest: Link,
    newest: Link,
}

/// What there is to say of all of them.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct State {
    /// The place that became free last.
    free: Link,
    /// How many places have ever been taken, which is how many there are to look at.
    used: u32,
    /// How many queues there are to look at.
    queues: u32,
    /// How many places are taken.
    taken: u32,
    /// Counts entries.
    last_number: u64,
    /// How many have been given up.
    pub(super) lost: u64,
}

impl State {
    pub(super) fn taken(&self) -> u64 {
        self.taken.into()
    }
}

/// An entry with how it hangs together with others.
pub(super) trait Entry {
    fn links(&mut self) -> &mut Links;
    /// Counts entries from 1; the smallest is the oldest.
    fn number(&self) -> u64;
}

/// All of it. There are as many queues as places.
pub(super) struct Queues<'a, E> {
    pub(super) state: &'a mut State,
    pub(super) places: &'a mut [E],
    pub(super) queues: &'a mut [Queue],
}

fn index(link: Link) -> Option<usize> {
    (link as usize).checked_sub(1)
}

fn link(index: usize) -> Link {
    index as Link + 1
}

impl<E: Entry> Queues<'_, E> {
    /// Puts the entry of a process that `make` makes of its number.
    pub(super) fn put(&mut self, pid: i32, make: impl FnOnce(u64) -> E) {
        let Some(at) = self.free_place().or_else(|| self.give_up(pid)) else { return };
        self.state.last_number += 1;
        self.places[at] = make(self.state.last_number);
        let Some(queue) = self.queue_of(pid) else { return };
        *self.places[at].links() = Links { queue: link(queue), next: 0 };
        let Queue { newest, oldest, entries, .. } = &mut self.queues[queue];
        match index(std::mem::replace(newest, link(at))) {
            Some(before) => self.places[before].links().next = link(at),
            None => *oldest = link(at),
        }
        *entries += 1;
        self.state.taken += 1;
    }

    /// Looks at each entry, those of one process oldest first, and takes out those for which `keep` says no.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut E) -> bool) {
        for queue in 0..self.state.queues as usize {
            let mut before: Link = 0;
            let mut current = self.queues[queue].oldest;
            while let Some(at) = index(current) {
                let next = self.places[at].links().next;
                if keep(&mut self.places[at]) {
                    before = current;
                } else {
                    self.take_out(queue, before, at);
                }
                current = next;
            }
        }
    }

    fn free_place(&mut self) -> Option<usize> {
        if let Some(at) = index(self.state.free) {
            self.state.free = self.places[at].links().next;
            return Some(at);
        }
        let at = self.state.used as usize;
        self.state.used += u32::from(at < self.places.len());
        (at < self.places.len()).then_some(at)
    }

    /// The place of the oldest entry of the longest queue.
    fn give_up(&mut self, pid: i32) -> Option<usize> {
        let longest =
            (0..self.state.queues as usize).filter(|&queue| self.queues[queue].entries > 0).max_by_key(|&queue| {
                let Queue { entries, oldest, pid: owner, .. } = self.queues[queue];
                let number = index(oldest).map_or(0, |at| self.places[at].number());
                (entries, owner == pid, std::cmp::Reverse(number))
            })?;
        let at = index(self.queues[longest].oldest)?;
        self.take_out(longest, 0, at);
        self.state.lost += 1;
        self.free_place()
    }

    /// Takes an entry out of its queue, in which it follows another one, or is the first.
    fn take_out(&mut self, queue: usize, before: Link, at: usize) {
        let next = self.places[at].links().next;
        *self.places[at].links() = Links { queue: 0, next: self.state.free };
        self.state.free = link(at);
        self.state.taken -= 1;
        match index(before) {
            Some(before) => self.places[before].links().next = next,
            None => self.queues[queue].oldest = next,
        }
        let queue = &mut self.queues[queue];
        if next == 0 {
            queue.newest = before;
        }
        queue.entries -= 1;
    }

    /// The queue of a process: its own, or one that is nobody's.
    fn queue_of(&mut self, pid: i32) -> Option<usize> {
        let known = &self.queues[..self.state.queues as usize];
        let own = known.iter().position(|queue| queue.entries > 0 && queue.pid == pid);
        let at = own.or_else(|| known.iter().position(|queue| queue.entries == 0)).unwrap_or(known.len());
        let queue = self.queues.get_mut(at)?;
        if own.is_none() {
            *queue = Queue { pid, ..Queue::default() };
        }
        self.state.queues = self.state.queues.max(link(at));
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Mine {
        links: Links,
        number: u64,
        pid: i32,
    }

    impl Entry for Mine {
        fn links(&mut self) -> &mut Links {
            &mut self.links
        }

        fn number(&self) -> u64 {
            self.number
        }
    }

    struct Ring {
        state: State,
        places: Vec<Mine>,
        queues: Vec<Queue>,
    }

    impl Ring {
        fn new(places: usize) -> Self {
            Ring {
                state: State::default(),
                places: vec![Mine::default(); places],
                queues: vec![Queue::default(); places],
            }
        }

        fn all(&mut self) -> Queues<'_, Mine> {
            Queues { state: &mut self.state, places: &mut self.places, queues: &mut self.queues }
        }

        fn put(&mut self, pid: i32) {
            self.all().put(pid, |number| Mine { number, pid, ..Mine::default() });
        }

        /// Numbers of the entries of each process, in the order of its queue.
        fn entries(&mut self) -> BTreeMap<i32, Vec<u64>> {
            let mut found = BTreeMap::<i32, Vec<u64>>::new();
            self.all().retain(|entry| {
                found.entry(entry.pid).or_default().push(entry.number);
                true
            });
            assert_eq!(self.state.taken(), found.values().map(Vec::len).sum::<usize>() as u64);
            found
        }
    }

    #[test]
    fn alone_the_oldest_goes() {
        let mut ring = Ring::new(3);
        (0..5).for_each(|_| ring.put(7));
        assert_eq!(ring.entries(), BTreeMap::from([(7, vec![3, 4, 5])]));
        assert_eq!(ring.state.lost, 2);
    }

    #[test]
    fn a_flood_drives_out_its_own() {
        let mut ring = Ring::new(16);
        for pid in [1, 2, 1, 2, 1] {
            ring.put(pid);
        }
        (0..1000).for_each(|_| ring.put(3));
        let entries = ring.entries();
        assert_eq!((&entries[&1], &entries[&2]), (&vec![1, 3, 5], &vec![2, 4]));
        assert_eq!(entries[&3], (995..=1005).collect::<Vec<u64>>());
    }

    #[test]
    fn who_has_the_most_gives_way() {
        let mut ring = Ring::new(8);
        (0..8).for_each(|_| ring.put(1));
        (0..3).for_each(|_| ring.put(2));
        assert_eq!(ring.entries(), BTreeMap::from([(1, vec![4, 5, 6, 7, 8]), (2, vec![9, 10, 11])]));
        (0..100).for_each(|_| ring.put(2));
        assert_eq!(ring.entries(), BTreeMap::from([(1, vec![5, 6, 7, 8]), (2, vec![108, 109, 110, 111])]));
    }

    #[test]
    fn a_ring_without_places_takes_nothing() {
        let mut ring = Ring::new(0);
        ring.put(1);
        assert_eq!(ring.entries(), BTreeMap::new());
    }

    /// Against lists, over a long row of operations that chance has chosen.
    #[test]
    fn queues_are_lists() {
        let mut seed = 88_172_645_463_325_252_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut ring = Ring::new(10);
        let mut expected = BTreeMap::<i32, Vec<u64>>::new();
        let (mut number, mut lost) = (0, 0);
        for _ in 0..20_000 {
            if random(8) > 0 {
                let pid = random(13) as i32;
                ring.put(pid);
                number += 1;
                if expected.values().map(Vec::len).sum::<usize>() == 10 {
                    let longest = expected
                        .iter()
                        .max_by_key(|(owner, entries)| (entries.len(), **owner == pid, std::cmp::Reverse(entries[0])));
                    let longest = *longest.expect("it is full").0;
                    expected.get_mut(&longest).expect("there").remove(0);
                    lost += 1;
                }
                expected.entry(pid).or_default().push(number);
            } else {
                let (divisor, rest) = (1 + random(4), random(4));
                ring.all().retain(|entry| entry.number % divisor != rest);
                expected.values_mut().for_each(|entries| entries.retain(|number| number % divisor != rest));
            }
            expected.retain(|_, entries| !entries.is_empty());
            assert_eq!(ring.entries(), expected);
            assert_eq!(ring.state.lost, lost);
        }
    }
}
