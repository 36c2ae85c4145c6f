//! The live table: what the targets have allocated and not freed, by context and site.
//!
//! It is changed inside the allocator, so it lives in fixed memory and allocates nothing. What does not fit is counted.
//!
//! The allocator hands out the same addresses over and over. So the record of an allocation that is gone is left where it is for
//! a while, with the index leading to it: the next one at its address finds it, and has only to be put into a list. Such a record
//! is called dormant.

use memcheck_core::room;

use super::filled::{ContextRecord, Filled};
use super::index::Index;
use super::memory::{Reserved, Zeroed};
use super::peak::Peaks;
use super::stacks::Origin;
use super::tally::Tally;
use crate::contexts::Names;

/// One outstanding allocation.
#[derive(Clone, Copy, Default)]
struct Allocation {
    address: usize,
    bytes: u64,
    /// Larger than those of all earlier ones.
    serial: u64,
    origin: Origin,
    /// The context; 0 where this one is dormant.
    context: u32,
    /// Neighbours in the context's list, or in that of dormant ones; 0 for none. The next free record where this one is free.
    next: u32,
    previous: u32,
}

// SAFETY: integers.
unsafe impl Zeroed for Allocation {}

/// Dormant records at most. The one that has been dormant for longest makes room.
const MOST_DORMANT: u32 = 1 << 14;

/// The list of dormant records, the newest first.
#[derive(Default)]
struct Dormant {
    newest: u32,
    oldest: u32,
    number: u32,
}

/// Outstanding allocations of the targets.
pub(crate) struct LiveTable {
    allocations: Reserved<Allocation>,
    by_address: Index,
    free_allocation: u32,
    last_allocation: u32,
    live: u32,
    /// What each site holds of them.
    tally: Tally,
    dormant: Dormant,
    contexts: Filled,
    serial: u64,
    not_recorded: u64,
    peaks: Peaks,
}

impl LiveTable {
    /// Makes a table for up to three quarters of `2^allocations` outstanding allocations in three quarters of `2^contexts`
    /// contexts.
    pub(crate) fn new(allocations: u32, contexts: u32) -> Option<Self> {
        Some(LiveTable {
            allocations: Reserved::new(1 << allocations)?,
            by_address: Index::new(allocations)?,
            free_allocation: 0,
            last_allocation: 0,
            live: 0,
            tally: Tally::new()?,
            dormant: Dormant::default(),
            contexts: Filled::new(contexts)?,
            serial: 0,
            not_recorded: 0,
            peaks: Peaks::new()?,
        })
    }

    /// What each site holds at most, since a step was begun.
    pub(crate) fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// Begins a step of a ladder: what has been allocated by now does not count in it. `name` copies the names of the live
    /// context at an address.
    pub(crate) fn start_step(&mut self, name: fn(usize, &mut Names)) {
        self.peaks.start(self.serial, name);
    }

    /// Allocations that found no room.
    pub(crate) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// Number of outstanding allocations.
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// The serial of the newest allocation.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// The record with an address, which may be dormant.
    #[inline(always)]
    fn number(&self, address: usize) -> Option<u32> {
        let allocations = &self.allocations;
        self.by_address.find(address, |number| allocations.get_ref(number as usize).address == address)
    }

    /// The site of an allocation, and with which stack it was made; site 0 if it is not recorded.
    #[inline(always)]
    pub(crate) fn origin_of(&self, address: usize) -> Origin {
        if self.live == 0 {
            return Origin::default();
        }
        let record = self.number(address).map(|number| self.allocations.get_ref(number as usize));
        record.filter(|record| record.context != 0).map_or(Origin::default(), |record| record.origin)
    }

    /// The serial of an allocation; none if it is not recorded.
    pub(crate) fn serial_of(&self, address: usize) -> Option<u64> {
        if self.live == 0 {
            return None;
        }
        let record = self.allocations.get_ref(self.number(address)? as usize);
        (record.context != 0).then_some(record.serial)
    }

    /// Whether an allocation is recorded.
    pub(crate) fn holds(&self, address: usize) -> bool {
        self.origin_of(address).site() != 0
    }

    /// Records an allocation. Where there is another of which it was not seen that it is gone, it takes its place.
    pub(crate) fn insert(&mut self, address: usize, bytes: usize, context: usize, origin: impl Into<Origin>) {
        let origin = origin.into();
        let number = match self.number(address) {
            Some(number) => {
                self.wake(number);
                number
            }
            None => match self.enter(address) {
                0 => return,
                number => number,
            },
        };
        self.peaks.add(origin, bytes as u64, context);
        let context = self.contexts.enter(context, origin.site(), &mut self.peaks);
        if context == 0 {
            self.not_recorded += 1;
            return self.retire(number);
        }
        let next = std::mem::replace(self.contexts.first(context), number);
        if next != 0 {
            self.allocations.at(next as usize).previous = number;
        }
        self.serial += 1;
        *self.allocations.at(number as usize) =
            Allocation { address, bytes: bytes as u64, serial: self.serial, origin, context, next, previous: 0 };
        self.live += 1;
        self.tally.add(origin.site(), bytes as u64);
    }

    /// Gives an address a record; 0 where there is no room.
    fn enter(&mut self, address: usize) -> u32 {
        if self.by_address.is_full() {
            if self.dormant.number == 0 {
                self.not_recorded += 1;
                return 0;
            }
            self.evict();
        }
        let number = match self.free_allocation {
            0 => {
                self.last_allocation += 1;
                self.last_allocation
            }
            free => {
                self.free_allocation = self.allocations.get_ref(free as usize).next;
                free
            }
        };
        self.allocations.at(number as usize).address = address;
        self.by_address.insert(address, number);
        number
    }

    /// Forgets an allocation. Gives its site; none if it was not a target's.
    #[inline(always)]
    pub(crate) fn remove(&mut self, address: usize) -> Option<u32> {
        if self.live == 0 {
            return None;
        }
        let number = self.number(address)?;
        let Allocation { origin, context, .. } = *self.allocations.get_ref(number as usize);
        if context == 0 {
            return None;
        }
        self.take_out(number);
        self.release(number);
        Some(origin.site())
    }

    /// Takes a record out of its context's list.
    #[inline(always)]
    fn take_out(&mut self, number: u32) {
        let Allocation { context, next, previous, .. } = *self.allocations.get_ref(number as usize);
        if previous != 0 {
            self.allocations.at(previous as usize).next = next;
        } else {
            *self.contexts.first(context) = next;
        }
        if next != 0 {
            self.allocations.at(next as usize).previous = previous;
        }
    }

    /// Whether peaks are counted, so that everything has to be booked in order.
    #[inline(always)]
    pub(crate) fn counts_peaks(&self) -> bool {
        self.peaks.are_counted()
    }

    /// The record of a context as it is now, made if there is none. None where there is no room, so that an allocation in it is
    /// not recorded.
    #[inline(always)]
    pub(crate) fn context_record(&mut self, address: usize, site: u32) -> Option<ContextRecord> {
        match self.contexts.enter(address, site, &mut self.peaks) {
            0 => {
                self.not_recorded += 1;
                None
            }
            number => Some(self.contexts.record(number)),
        }
    }

    /// The address of the context of a record, if nothing in it has gone since.
    #[inline(always)]
    pub(crate) fn if_same(&self, record: ContextRecord) -> Option<usize> {
        self.contexts.if_same(record)
    }

    /// Forgets everything in a context that is reset. Its record stays, since most are filled again.
    #[inline(always)]
    pub(crate) fn reset_context(&mut self, address: usize) {
        if self.counts_peaks() {
            return self.forget_context(address);
        }
        if self.contexts.len() == 0 {
            return;
        }
        let Some(number) = self.contexts.recent(address).or_else(|| self.contexts.find(address)) else { return };
        let first = self.contexts.empty(number);
        if first != 0 {
            self.release_all(first);
        }
    }

    /// Releases an allocation and all behind it.
    #[inline(never)]
    fn release_all(&mut self, mut number: u32) {
        while number != 0 {
            let next = self.allocations.get_ref(number as usize).next;
            self.release(number);
            number = next;
        }
    }

    /// Forgets everything in a context that is reset or deleted, and the context.
    #[inline(always)]
    pub(crate) fn forget_context(&mut self, address: usize) {
        // A context whose allocations are all freed still has its record.
        if self.contexts.len() != 0 {
            self.forget_allocations(address);
        }
    }

    fn forget_allocations(&mut self, address: usize) {
        let Some(context) = self.contexts.find(address) else { return };
        self.release_all(self.contexts.first_of(context));
        self.peaks.close(self.contexts.strike_out(context));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.allocations.clear();
        self.tally.clear();
        self.by_address.clear();
        self.contexts.clear();
        (self.free_allocation, self.last_allocation, self.live) = (0, 0, 0);
        self.dormant = Dormant::default();
        self.not_recorded = 0;
        self.peaks.stop();
    }

    /// Shows every outstanding allocation that was made after another: address, context, site, bytes. 0 is before all.
    pub(crate) fn for_each_since(&self, serial: u64, mut show: impl FnMut(usize, usize, u32, u64)) {
        self.for_each_origin(serial, |address, context, origin, bytes| show(address, context, origin.site(), bytes));
    }

    /// The same with the stack that each was made with.
    pub(crate) fn for_each_origin(&self, serial: u64, mut show: impl FnMut(usize, usize, Origin, u64)) {
        for (_, context, first) in self.contexts.all() {
            self.for_each_of(context, first, serial, &mut show);
        }
    }

    /// Shows every outstanding allocation of one context that was made after another.
    pub(crate) fn for_each_in(&self, address: usize, serial: u64, mut show: impl FnMut(usize, usize, u32, u64)) {
        if let Some(number) = self.contexts.find(address) {
            let mut show = |address, context, origin: Origin, bytes| show(address, context, origin.site(), bytes);
            self.for_each_of(address, self.contexts.first_of(number), serial, &mut show);
        }
    }

    /// What each site holds.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Forgets every outstanding allocation that was made after another.
    pub(crate) fn forget_since(&mut self, serial: u64) {
        let mut since = Vec::new();
        // What there is no room for is not forgotten.
        self.for_each_since(serial, |address, _, _, _| {
            room::push(&mut since, address);
        });
        for address in since {
            self.remove(address);
        }
    }

    /// A context's list has the newest first.
    fn for_each_of(&self, context: usize, first: u32, since: u64, show: &mut impl FnMut(usize, usize, Origin, u64)) {
        let mut number = first;
        while number != 0 {
            let Allocation { address, bytes, serial, origin, next, .. } = self.allocations.get(number as usize);
            if serial <= since {
                break;
            }
            show(address, context, origin, bytes);
            number = next;
        }
    }

    /// Counts what is wrong: records that the indexes do not lead to, lists that are not linked both ways, contexts that are not
    /// there any more, and counters that do not add up. A sound table has none of it.
    pub(crate) fn inconsistencies(&self, is_there: impl Fn(usize) -> bool) -> u64 {
        let mut wrong = 0;
        let mut check = |is_right: bool| wrong += u64::from(!is_right);
        let mut allocations = 0;
        for (context, address, first) in self.contexts.all() {
            check(is_there(address));
            let (mut number, mut before) = (first, 0);
            // A list that leads into itself ends as well.
            while number != 0 && allocations <= self.last_allocation {
                let allocation = self.allocations.get(number as usize);
                check(allocation.context == context && allocation.previous == before && allocation.origin.site() != 0);
                check(self.by_address.find(allocation.address, |n| n == number).is_some());
                allocations += 1;
                (before, number) = (number, allocation.next);
            }
        }
        check(allocations == self.live);
        let (mut dormant, mut before, mut number) = (0, 0, self.dormant.newest);
        while number != 0 && dormant <= self.last_allocation {
            let record = self.allocations.get(number as usize);
            check(record.context == 0 && record.previous == before);
            check(self.by_address.find(record.address, |n| n == number).is_some());
            (dormant, before, number) = (dormant + 1, number, record.next);
        }
        check(dormant == self.dormant.number && before == self.dormant.oldest);
        check(self.by_address.len() == (self.live + dormant) as usize);
        let mut free = 0;
        let mut number = self.free_allocation;
        while number != 0 && free <= self.last_allocation {
            (free, number) = (free + 1, self.allocations.get(number as usize).next);
        }
        check(free + self.live + dormant == self.last_allocation);
        wrong + self.contexts.inconsistencies()
    }

    /// Makes an allocation's record, already out of its context's list, dormant.
    #[inline(always)]
    fn release(&mut self, number: u32) {
        let Allocation { bytes, serial, origin, context, .. } = *self.allocations.get_ref(number as usize);
        self.peaks.subtract(serial, origin.site(), bytes, self.contexts.address(context));
        self.live -= 1;
        self.tally.subtract(origin.site(), bytes);
        self.retire(number);
        if self.dormant.number > MOST_DORMANT {
            self.evict();
        }
    }

    /// Makes a record that is in no list dormant.
    #[inline(always)]
    fn retire(&mut self, number: u32) {
        let next = std::mem::replace(&mut self.dormant.newest, number);
        match next {
            0 => self.dormant.oldest = number,
            next => self.allocations.at(next as usize).previous = number,
        }
        let record = self.allocations.at(number as usize);
        (record.context, record.next, record.previous) = (0, next, 0);
        self.dormant.number += 1;
    }

    /// Takes a record out of the list that it is in, to be used anew.
    #[inline(always)]
    fn wake(&mut self, number: u32) {
        if self.allocations.get_ref(number as usize).context != 0 {
            self.take_out(number);
            self.release(number);
        }
        self.wake_dormant(number);
    }

    /// Takes a dormant record out of the list of them.
    #[inline(always)]
    fn wake_dormant(&mut self, number: u32) {
        let Allocation { next, previous, .. } = *self.allocations.get_ref(number as usize);
        match previous {
            0 => self.dormant.newest = next,
            previous => self.allocations.at(previous as usize).next = next,
        }
        match next {
            0 => self.dormant.oldest = previous,
            next => self.allocations.at(next as usize).previous = previous,
        }
        self.dormant.number -= 1;
    }

    /// Forgets the record that has been dormant for longest.
    #[inline(never)]
    fn evict(&mut self) {
        let number = self.dormant.oldest;
        self.wake_dormant(number);
        let address = self.allocations.get_ref(number as usize).address;
        let allocations = &self.allocations;
        self.by_address.remove(address, number, |n| allocations.get_ref(n as usize).address);
        *self.allocations.at(number as usize) = Allocation { next: self.free_allocation, ..Allocation::default() };
        self.free_allocation = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::hash_map::Entry;
    use std::collections::{HashMap, HashSet};

    /// The table against a plain map, over a long random history.
    #[test]
    fn agrees_with_a_map() {
        let mut table = LiveTable::new(14, 7).unwrap();
        let mut map: HashMap<usize, (usize, u32, u64)> = HashMap::new();
        // Where what was inserted last is.
        let (mut since, mut late) = (0, HashSet::new());
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for step in 0..200_000 {
            let address = 0x7000_0000 + random(5000) as usize * 16;
            let context = 0x5000_0000 + random(50) as usize * 64;
            match random(20) {
                0..=9 => {
                    if let Entry::Vacant(entry) = map.entry(address) {
                        let (site, bytes) = (1 + random(7) as u32, random(500));
                        table.insert(address, bytes as usize, context, site);
                        entry.insert((context, site, bytes));
                        late.insert(address);
                    }
                }
                10..=18 => {
                    assert_eq!(table.remove(address), map.remove(&address).map(|(_, site, _)| site));
                    late.remove(&address);
                }
                _ => {
                    table.forget_context(context);
                    map.retain(|_, (held_in, ..)| *held_in != context);
                    late.retain(|address| map.contains_key(address));
                }
            }
            if step % 20_000 == 0 {
                let seen = |since| {
                    let mut seen = Vec::new();
                    table.for_each_since(since, |_, context, site, bytes| seen.push((context, site, bytes)));
                    seen.sort_unstable();
                    seen
                };
                let expected = |chosen: &dyn Fn(&usize) -> bool| {
                    let chosen = map.iter().filter(|(address, _)| chosen(address));
                    let mut expected: Vec<_> = chosen.map(|(_, &allocation)| allocation).collect();
                    expected.sort_unstable();
                    expected
                };
                assert_eq!(seen(0), expected(&|_| true));
                assert_eq!(seen(since), expected(&|address| late.contains(address)));
                assert_eq!(table.len() as usize, map.len());
                assert_eq!(table.inconsistencies(|_| true), 0);
                since = table.serial();
                late.clear();
            }
        }
        table.clear();
        assert_eq!((table.len(), table.not_recorded()), (0, 0));
        table.for_each_since(0, |_, _, _, _| panic!("nothing is left"));
    }

    #[test]
    fn a_context_in_which_everything_was_freed_is_forgotten_with_it() {
        let mut table = LiveTable::new(8, 4).unwrap();
        // More of them than there is room for at a time.
        for number in 0..1000 {
            let context = 0x5000 + number * 64;
            table.insert(0x7000, 8, context, 1);
            table.remove(0x7000);
            table.forget_context(context);
        }
        assert_eq!((table.not_recorded(), table.inconsistencies(|_| false)), (0, 0));
    }

    #[test]
    fn a_full_table_of_contexts_goes_on_with_those_that_it_knows() {
        let mut table = LiveTable::new(8, 4).unwrap();
        for number in 0..100 {
            table.insert(0x7000 + number * 16, 8, 0x5000 + number * 64, 1);
        }
        let (known, lost) = (u64::from(table.len()), table.not_recorded());
        assert!(known > 8 && known + lost == 100);
        for number in 0..10 {
            table.insert(0x9000 + number * 16, 8, 0x5000, 1);
        }
        assert_eq!((u64::from(table.len()), table.not_recorded()), (known + 10, lost));
        assert_eq!(table.inconsistencies(|_| true), 0);
        table.forget_context(0x5000);
        table.insert(0xa000, 8, 0x6000, 1);
        assert_eq!(table.not_recorded(), lost);
    }

    #[test]
    fn what_is_wrong_is_counted() {
        type Harm = fn(&mut LiveTable);
        let harms: [Harm; 8] = [
            |table| table.live += 1,
            |table| table.allocations.at(2).previous = 1,
            |table| table.allocations.at(2).address += 16,
            |table| table.allocations.at(1).next = 3,
            |table| *table.contexts.first(2) = 0,
            |table| table.dormant.newest = 0,
            |table| table.dormant.number += 1,
            |table| table.free_allocation = 5,
        ];
        let table = || {
            let mut table = LiveTable::new(8, 4).unwrap();
            for number in 1..=4 {
                table.insert(0x7000 + number * 16, 8, 0x5000 + number % 2 * 64, 1);
            }
            table.remove(0x7000 + 4 * 16);
            table
        };
        assert_eq!(table().inconsistencies(|_| true), 0);
        assert_eq!(table().inconsistencies(|context| context == 0x5000), 1);
        for (number, harm) in harms.iter().enumerate() {
            let mut table = table();
            harm(&mut table);
            assert!(table.inconsistencies(|_| true) > 0, "{number}");
        }
    }
}
