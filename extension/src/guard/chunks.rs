//! The chunks that are held: those of the targets that are guarded, and those that were given back and are kept for a while.
//!
//! By address, by the context that they are in, and those that are kept in the order in which they were given back. It is changed
//! inside the allocator, so it lives in fixed memory and allocates nothing.

use crate::contexts::Names;
use crate::trace::index::Index;
use crate::trace::memory::{Reserved, Zeroed};
use crate::trace::stacks::Origin;

/// Contexts whose names are remembered: `2^NAMED_BITS`.
const NAMED_BITS: u32 = 16;

/// A chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) address: usize,
    /// Bytes that it was requested with.
    pub(super) requested: usize,
    /// Bytes that it has.
    pub(super) space: usize,
    /// The word before it; 0 where there is none.
    pub(super) header: u64,
    /// The context that it is in.
    pub(super) context: usize,
    pub(super) allocated: Origin,
    /// By whom it was given back.
    pub(super) released: Origin,
    pub(super) is_kept: bool,
}

/// Neighbours in a list; 0 for none.
#[derive(Clone, Copy, Default)]
struct Link {
    next: u32,
    previous: u32,
}

#[derive(Clone, Copy, Default)]
struct Record {
    chunk: Chunk,
    /// In the list of its context: of those that are live, or of those that are kept.
    of_context: Link,
    /// Among all that are kept. `next` is the next free record where this one is free.
    kept: Link,
    context: u32,
}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Record {}

/// A context with chunks.
#[derive(Clone, Copy, Default)]
struct Room {
    address: usize,
    live: u32,
    kept: u32,
    /// The next free record where this one is free.
    next: u32,
}

// SAFETY: integers.
unsafe impl Zeroed for Room {}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Chunk {}

// SAFETY: integers.
unsafe impl Zeroed for Names {}

/// The chunks.
pub(super) struct Chunks {
    records: Reserved<Record>,
    by_address: Index,
    free: u32,
    last: u32,
    rooms: Reserved<Room>,
    room_by_address: Index,
    free_room: u32,
    last_room: u32,
    /// What each is called, as far as there is room for it: one that is deleted has no parent any more when that is told.
    names: Reserved<Names>,
    /// The one that was used last.
    recent: u32,
    /// Those that are kept.
    oldest: u32,
    newest: u32,
    kept_number: u32,
    kept_bytes: usize,
}

impl Chunks {
    /// For three quarters of `2^bits` chunks, in as many contexts.
    pub(super) fn new(bits: u32) -> Option<Self> {
        Some(Chunks {
            records: Reserved::new(1 << bits)?,
            by_address: Index::new(bits)?,
            free: 0,
            last: 0,
            rooms: Reserved::new(1 << bits)?,
            room_by_address: Index::new(bits)?,
            free_room: 0,
            last_room: 0,
            names: Reserved::new(1 << bits.min(NAMED_BITS))?,
            recent: 0,
            oldest: 0,
            newest: 0,
            kept_number: 0,
            kept_bytes: 0,
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        if (self.last, self.last_room) == (0, 0) {
            return;
        }
        self.records.clear();
        self.by_address.clear();
        (self.free, self.last) = (0, 0);
        self.rooms.clear();
        self.room_by_address.clear();
        self.names.clear();
        (self.free_room, self.last_room, self.recent) = (0, 0, 0);
        (self.oldest, self.newest, self.kept_number, self.kept_bytes) = (0, 0, 0, 0);
    }

    /// How many there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// How many are kept, and their bytes.
    #[inline(always)]
    pub(super) fn kept(&self) -> (u32, usize) {
        (self.kept_number, self.kept_bytes)
    }

    /// The number of the chunk at an address.
    #[inline(always)]
    pub(super) fn find(&self, address: usize) -> Option<u32> {
        if self.len() == 0 {
            return None;
        }
        let records = &self.records;
        self.by_address.find(address, |number| records.get_ref(number as usize).chunk.address == address)
    }

    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> &Chunk {
        &self.records.get_ref(number as usize).chunk
    }

    /// The first live chunk of a context, and the first that is kept; 0 for none.
    #[inline(always)]
    pub(super) fn first_in(&self, context: usize) -> (u32, u32) {
        match self.room(context) {
            Some(number) => {
                let room = self.rooms.get_ref(number as usize);
                (room.live, room.kept)
            }
            None => (0, 0),
        }
    }

    /// The next chunk in the same list of its context; 0 for none.
    #[cfg(test)]
    pub(super) fn next_in(&self, number: u32) -> u32 {
        self.records.get_ref(number as usize).of_context.next
    }

    /// All numbers are below: some are of no chunk, which then has no address.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        1..self.last + 1
    }

    /// The chunk that has been kept for longest; 0 for none.
    #[inline(always)]
    pub(super) fn oldest(&self) -> u32 {
        self.oldest
    }

    #[inline(always)]
    fn room(&self, address: usize) -> Option<u32> {
        if self.rooms.get_ref(self.recent as usize).address == address {
            return Some(self.recent);
        }
        let rooms = &self.rooms;
        self.room_by_address.find(address, |number| rooms.get_ref(number as usize).address == address)
    }

    /// What a context was called when the first chunk in it was added; none where that is not known.
    pub(super) fn names(&self, context: usize) -> Option<Names> {
        let number = self.room(context)? as usize;
        (number < self.names.len()).then(|| self.names.get(number))
    }

    /// Adds a live chunk whose address is not there. Whether there was room for it. `name` copies the names of its context.
    #[inline(always)]
    pub(super) fn insert(&mut self, chunk: Chunk, name: impl FnOnce(&mut Names)) -> bool {
        let known = self.room(chunk.context).or_else(|| self.make_room(chunk.context, name));
        let Some(context) = known else { return false };
        if self.by_address.is_full() {
            return false;
        }
        self.recent = context;
        let number = match self.free {
            0 => {
                self.last += 1;
                self.last
            }
            free => {
                self.free = self.records.get_ref(free as usize).kept.next;
                free
            }
        };
        *self.records.at(number as usize) =
            Record { chunk, of_context: Link::default(), kept: Link::default(), context };
        self.by_address.insert(chunk.address, number);
        self.joins(number);
        true
    }

    #[inline(never)]
    fn make_room(&mut self, address: usize, name: impl FnOnce(&mut Names)) -> Option<u32> {
        if self.room_by_address.is_full() {
            return None;
        }
        let number = match self.free_room {
            0 => {
                self.last_room += 1;
                self.last_room
            }
            free => {
                self.free_room = self.rooms.get_ref(free as usize).next;
                free
            }
        };
        *self.rooms.at(number as usize) = Room { address, ..Room::default() };
        self.room_by_address.insert(address, number);
        if (number as usize) < self.names.len() {
            name(self.names.at(number as usize));
        }
        Some(number)
    }

    /// The head of the list of its context that a chunk belongs into.
    #[inline(always)]
    fn head(&mut self, number: u32) -> &mut u32 {
        let record = self.records.get_ref(number as usize);
        let (context, is_kept) = (record.context, record.chunk.is_kept);
        let room = self.rooms.at(context as usize);
        if is_kept { &mut room.kept } else { &mut room.live }
    }

    #[inline(always)]
    fn joins(&mut self, number: u32) {
        let next = std::mem::replace(self.head(number), number);
        if next != 0 {
            self.records.at(next as usize).of_context.previous = number;
        }
        self.records.at(number as usize).of_context = Link { next, previous: 0 };
    }

    #[inline(always)]
    fn leaves(&mut self, number: u32) {
        let Link { next, previous } = self.records.get_ref(number as usize).of_context;
        match previous {
            0 => *self.head(number) = next,
            previous => self.records.at(previous as usize).of_context.next = next,
        }
        if next != 0 {
            self.records.at(next as usize).of_context.previous = previous;
        }
    }

    /// A live chunk was given back, and is kept.
    #[inline(always)]
    pub(super) fn keep(&mut self, number: u32, released: Origin) {
        self.leaves(number);
        let newest = std::mem::replace(&mut self.newest, number);
        let record = self.records.at(number as usize);
        (record.chunk.is_kept, record.chunk.released) = (true, released);
        record.kept = Link { next: 0, previous: newest };
        let space = record.chunk.space;
        match newest {
            0 => self.oldest = number,
            newest => self.records.at(newest as usize).kept.next = number,
        }
        self.kept_number += 1;
        self.kept_bytes += space;
        self.joins(number);
    }

    /// Forgets a chunk.
    #[inline(always)]
    pub(super) fn remove(&mut self, number: u32) {
        self.leaves(number);
        let Record { chunk, kept, .. } = *self.records.get_ref(number as usize);
        if chunk.is_kept {
            match kept.previous {
                0 => self.oldest = kept.next,
                previous => self.records.at(previous as usize).kept.next = kept.next,
            }
            match kept.next {
                0 => self.newest = kept.previous,
                next => self.records.at(next as usize).kept.previous = kept.previous,
            }
            self.kept_number -= 1;
            self.kept_bytes -= chunk.space;
        }
        let records = &self.records;
        self.by_address.remove(chunk.address, number, |number| records.get_ref(number as usize).chunk.address);
        let free = std::mem::replace(&mut self.free, number);
        *self.records.at(number as usize) = Record { kept: Link { next: free, previous: 0 }, ..Record::default() };
    }

    /// A context without chunks goes.
    pub(super) fn forget_context(&mut self, address: usize) {
        if self.len() == 0 && self.room_by_address.len() == 0 {
            return;
        }
        let Some(number) = self.room(address) else { return };
        let rooms = &self.rooms;
        self.room_by_address.remove(address, number, |number| rooms.get_ref(number as usize).address);
        let free = std::mem::replace(&mut self.free_room, number);
        *self.rooms.at(number as usize) = Room { next: free, ..Room::default() };
        if self.recent == number {
            self.recent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};

    fn chunk(address: usize, context: usize) -> Chunk {
        Chunk { address, context, requested: address % 1000, space: 16 + address % 1000, ..Chunk::default() }
    }

    /// Against a map and a queue, over a long random history.
    #[test]
    fn agrees_with_a_map_and_a_queue() {
        let mut chunks = Chunks::new(10).expect("room");
        let mut map: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        let mut queue: VecDeque<usize> = VecDeque::new();
        let mut state = 3u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below) as usize
        };
        for step in 0..200_000 {
            let address = 0x7000_0000 + random(400) * 16;
            let context = 0x5000_0000 + random(9) * 64;
            match random(20) {
                0..=9 if !map.contains_key(&address) => {
                    assert!(chunks.insert(chunk(address, context), |_| {}));
                    map.insert(address, (context, false));
                }
                10..=13 => {
                    let known = map.get_mut(&address);
                    let number = chunks.find(address);
                    assert_eq!(known.is_some(), number.is_some());
                    if let (Some((_, is_kept @ false)), Some(number)) = (known, number) {
                        *is_kept = true;
                        chunks.keep(number, Origin::new(7, 0));
                        queue.push_back(address);
                    }
                }
                14..=16 => {
                    if let Some(number) = chunks.find(address) {
                        chunks.remove(number);
                        map.remove(&address);
                        queue.retain(|&other| other != address);
                    }
                }
                17 | 18 => {
                    let oldest = queue.pop_front();
                    let number = chunks.oldest();
                    assert_eq!(oldest.unwrap_or(0), chunks.get(number).address);
                    if number != 0 {
                        assert_eq!(chunks.get(number).released, Origin::new(7, 0));
                        chunks.remove(number);
                    }
                    oldest.map(|address| map.remove(&address));
                }
                _ => {
                    for is_kept in [false, true] {
                        let (live, kept) = chunks.first_in(context);
                        let mut number = if is_kept { kept } else { live };
                        let mut seen = Vec::new();
                        while number != 0 {
                            seen.push(chunks.get(number).address);
                            number = chunks.next_in(number);
                        }
                        seen.sort_unstable();
                        let expected = map.iter().filter(|(_, held)| **held == (context, is_kept));
                        let expected: Vec<usize> = expected.map(|(&address, _)| address).collect();
                        assert_eq!(seen, expected, "after {step} steps");
                        seen.iter().for_each(|&address| chunks.remove(chunks.find(address).unwrap()));
                        map.retain(|_, held| *held != (context, is_kept));
                        queue.retain(|address| map.contains_key(address));
                    }
                    chunks.forget_context(context);
                }
            }
            let bytes = queue.iter().map(|&address| chunk(address, 0).space).sum();
            assert_eq!((chunks.len(), chunks.kept()), (map.len(), (queue.len() as u32, bytes)));
        }
        let addresses = chunks.numbers().map(|number| chunks.get(number).address).filter(|&address| address != 0);
        let mut addresses: Vec<usize> = addresses.collect();
        addresses.sort_unstable();
        assert_eq!(addresses, map.keys().copied().collect::<Vec<_>>());
        chunks.clear();
        assert_eq!((chunks.len(), chunks.kept(), chunks.oldest()), (0, (0, 0), 0));
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut chunks = Chunks::new(6).expect("room");
        let held = (1..1000).take_while(|number| chunks.insert(chunk(number * 16, number * 64), |_| {})).count();
        assert!((40..=60).contains(&held), "{held}");
        // Contexts that are gone make room.
        for number in 1..=held {
            chunks.remove(chunks.find(number * 16).unwrap());
            chunks.forget_context(number * 64);
        }
        assert_eq!((1..1000).take_while(|number| chunks.insert(chunk(number * 16, number * 64), |_| {})).count(), held);
    }
}
