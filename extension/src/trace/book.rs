//! Which contexts there are: a book of the tree, kept by what passes the chain, so that nobody has to walk over thousands of
//! contexts in which nothing has happened.
//!
//! The tree is walked once, when tracing starts. From then on a context is entered with the first allocation in it and struck
//! out when it is deleted. So one that has never held anything is not known, unless a target has created it; nor is it noticed
//! that an old context is given another parent.
//!
//! Old contexts are only counted, by path. Those that are new since [`Book::settle`] are listed, and can be looked at one by
//! one: their paths may still change, and what they hold is what a window is about.
//!
//! Of those that targets have created it is known where.

use std::collections::HashMap;

use memcheck_core::census::PathId;
use memcheck_core::room;

use super::index::Index;
use super::memory::{Reserved, Zeroed};
use super::peak::Peaks;
use super::stacks::Origin;
use super::tally::Tally;
use crate::contexts::Names;

/// Contexts at most: 2^BITS * 3/4.
const BITS: u32 = 21;
/// Where there are more than this, those that targets create are for the crowd: others are to find room as well.
const MOST_CREATED: usize = 1 << (BITS - 1);
/// Contexts that are known to be known, by a hash.
const RECENT: usize = 64;

/// A context. All zero is a free record.
#[derive(Clone, Copy, Default)]
struct Entry {
    address: usize,
    /// Of a new one, which it is of all that were entered. Of an old one, one more than the index of the path under which it is
    /// counted; 0 for those that are not counted.
    counted: u32,
    /// The site that has created it, and with which stack; site 0 if no target has.
    made_by: Origin,
    is_new: bool,
    /// Whether it is a target's: it has created it, or was the first to put something into it.
    is_claimed: bool,
    /// Neighbours in the list of new ones, or the next free record; 0 for none.
    next: u32,
    previous: u32,
    /// Of one that a target has created: larger than those of all that were created earlier.
    serial: u64,
    /// The bytes that it had from malloc when it was last looked at, while peaks are counted.
    blocks: u64,
}

// SAFETY: integers, and bools for which zero is false.
unsafe impl Zeroed for Entry {}

/// The book.
pub(crate) struct Book {
    entries: Reserved<Entry>,
    by_address: Index,
    free: u32,
    last: u32,
    first_new: u32,
    /// How many contexts have become known as new ones; it wraps around.
    entered: u32,
    /// Old contexts by path.
    counts: Vec<u64>,
    /// What each site has created that is still there.
    tally: Tally,
    /// Those of the old ones that targets have created, by path and site.
    made: HashMap<(PathId, u32), u64>,
    recent: [usize; RECENT],
    not_recorded: u64,
    serial: u64,
    /// The most contexts that each site has had, and the blocks in them, since a step was begun.
    peaks: Peaks,
}

impl Book {
    pub(crate) fn new() -> Option<Self> {
        Some(Book {
            entries: Reserved::new(1 << BITS)?,
            by_address: Index::new(BITS)?,
            free: 0,
            last: 0,
            first_new: 0,
            entered: 0,
            counts: Vec::new(),
            tally: Tally::new()?,
            made: HashMap::new(),
            recent: [0; RECENT],
            not_recorded: 0,
            serial: 0,
            peaks: Peaks::new()?,
        })
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.by_address.clear();
        (self.free, self.last, self.first_new) = (0, 0, 0);
        self.counts.clear();
        self.tally.clear();
        self.made.clear();
        self.recent = [0; RECENT];
        self.not_recorded = 0;
        self.peaks.stop();
    }

    /// Contexts that found no room, each time that something was allocated in them.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// Enters an old context, which is counted under its path if it has one.
    pub(crate) fn enter_old(&mut self, address: usize, path: Option<PathId>) {
        match self.enter(address) {
            0 => self.not_recorded += 1,
            number => self.make_old(number, path),
        }
    }

    /// There is an allocation in a context: enters it if it is not known. Whether this was so.
    #[inline(always)]
    pub(crate) fn touch(&mut self, address: usize) -> bool {
        let slot = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - RECENT.ilog2());
        // SAFETY: the shift leaves a number below the length.
        let recent = unsafe { self.recent.get_unchecked_mut(slot as usize) };
        if *recent == address {
            return false;
        }
        *recent = address;
        self.look_up(address)
    }

    /// A context is a target's.
    pub(crate) fn claim(&mut self, address: usize) {
        if let Some(number) = self.number(address) {
            self.entries.at(number as usize).is_claimed = true;
        }
    }

    /// Whether a context is a target's.
    #[inline(never)]
    pub(crate) fn is_claimed(&self, address: usize) -> bool {
        self.number(address).is_some_and(|number| self.entries.get_ref(number as usize).is_claimed)
    }

    #[inline(never)]
    fn look_up(&mut self, address: usize) -> bool {
        if self.number(address).is_some() {
            return false;
        }
        let entered = self.enter_new(address) != 0;
        self.not_recorded += u64::from(!entered);
        entered
    }

    /// A target has created a context, with so many bytes from malloc. Whether there is room for it.
    pub(crate) fn created(&mut self, address: usize, origin: impl Into<Origin>, blocks: u64) -> bool {
        let origin = origin.into();
        let number = match self.number(address) {
            Some(number) => number,
            None if self.by_address.len() >= MOST_CREATED => 0,
            None => self.enter_new(address),
        };
        if number == 0 {
            return false;
        }
        self.serial += 1;
        let entry = self.entries.at(number as usize);
        if entry.made_by.site() != 0 {
            self.tally.subtract(entry.made_by.site(), 0);
        }
        self.tally.add(origin.site(), 0);
        (entry.made_by, entry.is_claimed, entry.serial, entry.blocks) = (origin, true, self.serial, blocks);
        self.peaks.add(origin, blocks, address);
        true
    }

    /// A context that has just been entered was created by a site: it comes out of the crowd.
    pub(crate) fn was_created(&mut self, address: usize, site: u32) {
        if let Some(number) = self.number(address) {
            self.tally.add(site, 0);
            let entry = self.entries.at(number as usize);
            (entry.made_by, entry.is_claimed) = (site.into(), true);
        }
    }

    /// Enters a context that is new; 0 where there is no room.
    fn enter_new(&mut self, address: usize) -> u32 {
        let number = self.enter(address);
        if number != 0 {
            let next = std::mem::replace(&mut self.first_new, number);
            if next != 0 {
                self.entries.at(next as usize).previous = number;
            }
            let entry = self.entries.at(number as usize);
            self.entered = self.entered.wrapping_add(1);
            (entry.is_new, entry.counted, entry.next) = (true, self.entered, next);
        }
        number
    }

    /// The path under which an old context is counted.
    pub(crate) fn old_path(&self, address: usize) -> Option<PathId> {
        let entry = self.entries.get_ref(self.number(address)? as usize);
        entry.counted.checked_sub(1).filter(|_| !entry.is_new).map(PathId::at)
    }

    /// The site that has created a context; 0 if no target has.
    pub(crate) fn made_by(&self, address: usize) -> u32 {
        self.number(address).map_or(0, |number| self.entries.get_ref(number as usize).made_by.site())
    }

    /// Begins a step of a ladder, as [`Peaks::start`].
    pub(crate) fn start_step(&mut self, name: fn(usize, &mut Names)) {
        self.peaks.start(self.serial, name);
    }

    /// What each site has created at most in the present step.
    pub(crate) fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// A context has so many bytes from malloc now.
    pub(crate) fn observe(&mut self, address: usize, blocks: u64) {
        let Some(number) = self.number(address) else { return };
        let entry = self.entries.at(number as usize);
        if entry.made_by.site() != 0 && entry.blocks != blocks {
            let before = std::mem::replace(&mut entry.blocks, blocks);
            self.peaks.resize(entry.serial, entry.made_by.site(), before, blocks);
        }
    }

    /// A context is deleted. Whether it was known.
    pub(crate) fn strike_out(&mut self, address: usize) -> bool {
        let Some(number) = self.number(address) else { return false };
        let slot = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - RECENT.ilog2());
        if self.recent[slot as usize] == address {
            self.recent[slot as usize] = 0;
        }
        let entry = self.entries.get(number as usize);
        if entry.made_by.site() != 0 {
            self.tally.subtract(entry.made_by.site(), 0);
            self.peaks.subtract(entry.serial, entry.made_by.site(), entry.blocks, address);
        }
        if entry.is_new {
            self.unlink(number);
        } else if entry.counted != 0 {
            self.counts[entry.counted as usize - 1] -= 1;
            if let Some(made) = self.made.get_mut(&(PathId::at(entry.counted - 1), entry.made_by.site())) {
                *made -= 1;
            }
        }
        let entries = &self.entries;
        self.by_address.remove(address, number, |number| entries.get_ref(number as usize).address);
        *self.entries.at(number as usize) = Entry { next: self.free, ..Entry::default() };
        self.free = number;
        true
    }

    /// Makes all new contexts old: `path` says where each is to be counted, if it is.
    pub(crate) fn settle(&mut self, mut path: impl FnMut(usize) -> Option<PathId>) {
        while self.first_new != 0 {
            let number = self.first_new;
            self.unlink(number);
            let path = path(self.entries.get(number as usize).address);
            self.make_old(number, path);
        }
    }

    /// How many contexts have become known as new ones.
    pub(crate) fn entered(&self) -> u32 {
        self.entered
    }

    /// What each site has created that is still there.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The numbers of the new contexts that have become known since so many others.
    fn since(&self, entered: u32) -> impl Iterator<Item = u32> {
        let some = |number: u32| (number != 0).then_some(number);
        let numbers = std::iter::successors(some(self.first_new), move |&n| some(self.entries.get(n as usize).next));
        // The newest are the first, and wrap around far behind those that are meant.
        let is_meant = move |&n: &u32| (self.entries.get_ref(n as usize).counted.wrapping_sub(entered) as i32) > 0;
        numbers.take_while(is_meant)
    }

    /// Shows those of them that targets have created: the address, and the site.
    pub(crate) fn made_since(&self, entered: u32, mut show: impl FnMut(usize, u32)) {
        for entry in self.since(entered).map(|number| self.entries.get_ref(number as usize)) {
            if entry.made_by.site() != 0 {
                show(entry.address, entry.made_by.site());
            }
        }
    }

    /// Has the others of them not be counted any more.
    pub(crate) fn set_aside(&mut self, entered: u32) {
        let mut number = self.first_new;
        while number != 0 {
            let Entry { counted, made_by, next, .. } = self.entries.get(number as usize);
            if (counted.wrapping_sub(entered) as i32) <= 0 {
                break;
            }
            if made_by.site() == 0 {
                self.unlink(number);
                self.make_old(number, None);
            }
            number = next;
        }
    }

    /// The old contexts by path.
    pub(crate) fn old(&self) -> impl Iterator<Item = (PathId, u64)> {
        let counted = (0..).map(PathId::at).zip(&self.counts);
        counted.filter(|&(_, &count)| count > 0).map(|(path, &count)| (path, count))
    }

    /// Those of them that targets have created: path, site and number.
    pub(crate) fn old_made(&self) -> impl Iterator<Item = (PathId, u32, u64)> {
        let made = self.made.iter().filter(|&(_, &number)| number > 0);
        made.map(|(&(path, site), &number)| (path, site, number))
    }

    /// The addresses of the new contexts, and the site that has created each; 0 if no target has.
    pub(crate) fn new_ones(&self) -> impl Iterator<Item = (usize, u32)> {
        let some = |number: u32| (number != 0).then_some(number);
        let numbers = std::iter::successors(some(self.first_new), move |&n| some(self.entries.get(n as usize).next));
        numbers.map(|number| {
            let entry = self.entries.get_ref(number as usize);
            (entry.address, entry.made_by.site())
        })
    }

    /// The addresses of all contexts that targets have created, with where each was.
    pub(crate) fn all_made(&self) -> impl Iterator<Item = (usize, Origin)> {
        let entries = (1..=self.last).map(|number| self.entries.get_ref(number as usize));
        entries.filter(|entry| entry.made_by.site() != 0).map(|entry| (entry.address, entry.made_by))
    }

    fn number(&self, address: usize) -> Option<u32> {
        let entries = &self.entries;
        self.by_address.find(address, |number| entries.get_ref(number as usize).address == address)
    }

    /// Gives an address a record; 0 where there is no room.
    fn enter(&mut self, address: usize) -> u32 {
        if self.by_address.is_full() {
            return 0;
        }
        let number = match self.free {
            0 => {
                self.last += 1;
                self.last
            }
            free => {
                self.free = self.entries.get(free as usize).next;
                free
            }
        };
        *self.entries.at(number as usize) = Entry { address, ..Entry::default() };
        self.by_address.insert(address, number);
        number
    }

    fn make_old(&mut self, number: u32, path: Option<PathId>) {
        let Some(path) = path.filter(|&path| path != PathId::NOT_KEPT) else { return };
        let missing = (path.index() + 1).saturating_sub(self.counts.len());
        if !room::make(&mut self.counts, missing) || !room::make(&mut self.made, 1) {
            return;
        }
        self.counts.resize(self.counts.len() + missing, 0);
        self.entries.at(number as usize).counted = path.index() as u32 + 1;
        self.counts[path.index()] += 1;
        let made_by = self.entries.get_ref(number as usize).made_by.site();
        if made_by != 0 {
            *self.made.entry((path, made_by)).or_default() += 1;
        }
    }

    /// Takes a record out of the list of new ones.
    fn unlink(&mut self, number: u32) {
        let Entry { next, previous, .. } = self.entries.get(number as usize);
        match previous {
            0 => self.first_new = next,
            previous => self.entries.at(previous as usize).next = next,
        }
        if next != 0 {
            self.entries.at(next as usize).previous = previous;
        }
        let entry = self.entries.at(number as usize);
        (entry.is_new, entry.counted, entry.next, entry.previous) = (false, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// The book against plain maps, over a long random history.
    #[test]
    fn agrees_with_maps() {
        let mut book = Book::new().unwrap();
        let (mut old, mut new): (HashMap<usize, PathId>, Vec<usize>) = (HashMap::new(), Vec::new());
        let path = |address: usize| PathId::at((address / 64 % 5) as u32 + 5);
        for number in 0..100 {
            let address = 0x9000_0000 + number * 64;
            book.enter_old(address, Some(path(address)));
            old.insert(address, path(address));
        }
        book.enter_old(0x1000, None);
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for step in 0..100_000 {
            let address = 0x9000_0000 + random(500) as usize * 64;
            match random(10) {
                0..=5 => {
                    book.touch(address);
                    if !old.contains_key(&address) && !new.contains(&address) {
                        new.push(address);
                    }
                }
                6..=8 => {
                    book.strike_out(address);
                    old.remove(&address);
                    new.retain(|&other| other != address);
                }
                _ if step % 100 == 0 => {
                    book.settle(|address| Some(path(address)));
                    old.extend(new.drain(..).map(|address| (address, path(address))));
                }
                _ => {}
            }
            if step % 1000 == 0 {
                let mut seen: Vec<usize> = book.new_ones().map(|(address, _)| address).collect();
                seen.sort_unstable();
                new.sort_unstable();
                assert_eq!(seen, new);
                let mut counts: HashMap<PathId, u64> = HashMap::new();
                old.values().for_each(|&path| *counts.entry(path).or_default() += 1);
                assert_eq!(book.old().collect::<HashMap<_, _>>(), counts);
            }
        }
        // A target's until it is gone.
        assert!(book.touch(0x2000) && !book.touch(0x2000));
        book.claim(0x2000);
        assert!(book.is_claimed(0x2000) && !book.is_claimed(0x1000));
        book.strike_out(0x2000);
        assert!(book.touch(0x2000) && !book.is_claimed(0x2000));
        book.strike_out(0x2000);
        // Those since a moment are not counted, but for those of targets; the others are.
        let (before, entered) = (book.new_ones().count(), book.entered());
        for number in 0..3 {
            book.touch(0x2000 + number * 64);
        }
        book.strike_out(0x2040);
        book.created(0x3000, 9, 0);
        let mut made = Vec::new();
        book.made_since(entered, |address, site| made.push((address, site)));
        book.set_aside(entered);
        assert_eq!((made, book.new_ones().count()), (vec![(0x3000, 9)], before + 1));
        assert_eq!(book.old().map(|(_, count)| count).sum::<u64>(), old.len() as u64);
        // Not counted, and not new either.
        book.touch(0x1000);
        assert!(!book.new_ones().any(|(address, _)| address == 0x1000));
        book.clear();
        assert_eq!((book.old().count(), book.new_ones().count()), (0, 0));
    }

    #[test]
    fn who_has_created_a_context_is_kept_when_it_is_old() {
        let mut book = Book::new().unwrap();
        let (first, other) = (PathId::at(5), PathId::at(6));
        for address in [0x1000, 0x2000, 0x3000] {
            assert!(book.created(address, 9, 8192));
        }
        book.touch(0x4000);
        let mut new: Vec<_> = book.new_ones().collect();
        new.sort_unstable();
        assert_eq!(new, [(0x1000, 9), (0x2000, 9), (0x3000, 9), (0x4000, 0)]);
        assert_eq!((book.old_path(0x1000), book.made_by(0x1000), book.made_by(0x4000)), (None, 9, 0));
        book.settle(|address| Some(if address == 0x3000 { other } else { first }));
        let mut made: Vec<_> = book.old_made().collect();
        made.sort_unstable();
        assert_eq!(made, [(first, 9, 2), (other, 9, 1)]);
        assert_eq!((book.old_path(0x1000), book.made_by(0x1000)), (Some(first), 9));
        assert!(book.strike_out(0x1000) && !book.strike_out(0x1000));
        assert!(book.old_made().any(|made| made == (first, 9, 1)));
    }

    #[test]
    fn blocks_of_contexts_count_while_they_are_there() {
        let mut book = Book::new().unwrap();
        book.start_step(|_, names| names.set([c"mine"]));
        for address in [0x1000, 0x2000] {
            book.created(address, 9, 1000);
            book.observe(address, 5000);
            book.observe(address, 2000);
        }
        book.touch(0x4000);
        book.observe(0x4000, 1 << 20);
        book.strike_out(0x1000);
        book.observe(0x2000, 3000);
        let mut peaks = Vec::new();
        book.peaks().for_each(|site, held, _| peaks.push((site, held.bytes, held.allocations)));
        assert_eq!(peaks, [(9, 7000, 2)]);
    }

    #[test]
    fn contexts_of_targets_leave_room_for_others() {
        let mut book = Book::new().unwrap();
        for number in 1..=MOST_CREATED {
            assert!(book.created(number * 64, 1, 0));
        }
        let (next, other) = ((MOST_CREATED + 1) * 64, (MOST_CREATED + 2) * 64);
        assert!(!book.created(next, 1, 0));
        assert!(book.touch(other) && book.touch(next));
        book.was_created(next, 1);
        assert_eq!((book.made_by(next), book.made_by(other), book.not_recorded()), (1, 0, 0));
    }
}
