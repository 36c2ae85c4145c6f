//! The contexts in which chunks of the arena live: what has to go with each of them.

use crate::contexts::Names;
use crate::trace::index::Index;
use crate::trace::memory::{Reserved, Zeroed};

/// Contexts at most: 2^BITS * 3/4.
const BITS: u32 = 16;

/// Paths at most: 2^PATH_BITS * 3/4.
const PATH_BITS: u32 = 12;

/// A context.
#[derive(Clone, Copy, Default)]
pub(super) struct Room {
    /// 0 where the record is free.
    address: usize,
    /// Its first chunk; 0 for none. The next free record where this one is free.
    pub(super) first: u32,
    /// The number of its path.
    pub(super) path: u32,
    /// What its chunks take (bytes).
    pub(super) bytes: usize,
    /// The size that all of its chunks have (bytes); 0 where that is not so, or not known.
    pub(super) only_size: usize,
}

// SAFETY: integers.
unsafe impl Zeroed for Room {}

/// The names of a context and of those above it.
#[derive(Clone, Copy)]
struct Path(Names);

// SAFETY: integers.
unsafe impl Zeroed for Path {}

/// Contexts by number, from 1 on, and their paths, which outlive them.
pub(super) struct Rooms {
    rooms: Reserved<Room>,
    by_address: Index,
    free: u32,
    last: u32,
    /// The one that was asked for last.
    recent: u32,
    paths: Reserved<Path>,
    by_names: Index,
    last_path: u32,
}

impl Rooms {
    pub(super) fn new() -> Option<Self> {
        Some(Rooms {
            rooms: Reserved::new(1 << BITS)?,
            by_address: Index::new(BITS)?,
            free: 0,
            last: 0,
            recent: 0,
            paths: Reserved::new(1 << PATH_BITS)?,
            by_names: Index::new(PATH_BITS)?,
            last_path: 0,
        })
    }

    /// The number of a context; none where it is not known.
    #[inline(always)]
    pub(super) fn find(&self, address: usize) -> Option<u32> {
        // A free record has no address.
        if self.rooms.get_ref(self.recent as usize).address == address {
            return Some(self.recent);
        }
        self.by_address.find(address, |number| self.rooms.get_ref(number as usize).address == address)
    }

    /// The number of a context, which gets one if it has none; none where there is no room. `name` writes its names down.
    #[inline(always)]
    pub(super) fn enter(&mut self, address: usize, name: impl FnOnce(&mut Names)) -> Option<u32> {
        let number = match self.find(address) {
            Some(number) => number,
            None => self.enter_new(address, name)?,
        };
        self.recent = number;
        Some(number)
    }

    fn enter_new(&mut self, address: usize, name: impl FnOnce(&mut Names)) -> Option<u32> {
        if self.by_address.is_full() {
            self.forget_empty();
            if self.by_address.is_full() {
                return None;
            }
        }
        let mut names = Names::default();
        name(&mut names);
        let path = self.number_of(names);
        let number = match self.free {
            0 => {
                self.last += 1;
                self.last
            }
            free => {
                self.free = self.get(free).first;
                free
            }
        };
        *self.at(number) = Room { address, path, ..Room::default() };
        self.by_address.insert(address, number);
        Some(number)
    }

    /// A context by its number.
    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> &Room {
        self.rooms.get_ref(number as usize)
    }

    /// A context, to be changed.
    #[inline(always)]
    pub(super) fn at(&mut self, number: u32) -> &mut Room {
        self.rooms.at(number as usize)
    }

    /// Where a context is.
    pub(super) fn address(&self, number: u32) -> usize {
        self.get(number).address
    }

    /// Forgets a context that has no chunks any more.
    pub(super) fn forget(&mut self, number: u32) {
        let rooms = &self.rooms;
        let address_of = |number: u32| rooms.get_ref(number as usize).address;
        self.by_address.remove(address_of(number), number, address_of);
        *self.at(number) = Room { first: self.free, ..Room::default() };
        self.free = number;
    }

    /// Forgets all contexts that have no chunks.
    pub(super) fn forget_empty(&mut self) {
        for number in 1..=self.last {
            let room = self.get(number);
            if room.address != 0 && room.first == 0 {
                self.forget(number);
            }
        }
    }

    /// Names by the number of a path; none of them for 0.
    pub(super) fn names(&self, path: u32) -> Names {
        self.paths.get_ref(path as usize).0
    }

    /// The number of a path, given now if it has none yet; 0 where there is no room.
    fn number_of(&mut self, names: Names) -> u32 {
        let (paths, key) = (&self.paths, names.hash());
        if let Some(number) = self.by_names.find(key, |number| paths.get_ref(number as usize).0 == names) {
            return number;
        }
        if self.by_names.is_full() {
            return 0;
        }
        self.last_path += 1;
        *self.paths.at(self.last_path as usize) = Path(names);
        self.by_names.insert(key, self.last_path);
        self.last_path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn named<'a>(names: &'a [&'a CStr]) -> impl FnOnce(&mut Names) + 'a {
        |room| room.set(names.iter().copied())
    }

    #[test]
    fn a_path_outlives_its_context() {
        let mut rooms = Rooms::new().expect("room");
        let first = rooms.enter(0x1000, named(&[c"a", c"b"])).unwrap();
        let path = rooms.get(first).path;
        assert_eq!(rooms.enter(0x1000, |_| panic!("it is known")), Some(first));
        rooms.forget(first);
        assert_eq!(rooms.find(0x1000), None);
        let second = rooms.enter(0x1000, named(&[c"c"])).unwrap();
        assert_eq!(rooms.names(path).outermost_first(), ["b", "a"]);
        assert_eq!(rooms.names(rooms.get(second).path).outermost_first(), ["c"]);
        let third = rooms.enter(0x2000, named(&[c"a", c"b"])).unwrap();
        assert_eq!((rooms.get(third).path, rooms.address(third)), (path, 0x2000));
        assert!(rooms.names(0) == Names::default());
    }

    #[test]
    fn where_there_are_too_many_those_without_chunks_make_room() {
        let mut rooms = Rooms::new().expect("room");
        let of = |number: usize| 0x10_0000 + number * 64;
        let most = (1 << BITS) / 4 * 3;
        for number in 0..most {
            let room = rooms.enter(of(number), named(&[c"a"])).unwrap();
            rooms.at(room).first = u32::from(number % 2 == 0);
        }
        for number in most..most + most / 4 {
            let room = rooms.enter(of(number), named(&[c"a"])).unwrap();
            rooms.at(room).first = 1;
        }
        assert!((0..most).step_by(2).all(|number| rooms.find(of(number)).is_some()), "those with chunks have stayed");
        let full =
            (most * 2..).map(|number| rooms.enter(of(number), named(&[c"a"])).map(|room| rooms.at(room).first = 1));
        assert!(full.take(1 << BITS).any(|entered| entered.is_none()), "there is an end");
    }
}
