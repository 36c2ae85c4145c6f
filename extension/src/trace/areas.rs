//! What targets allocate in areas of dynamic shared memory (dsa.c), and entries of hash tables there (dshash.c).
//!
//! An area is the same for all processes, wherever each has it mapped: it goes by the handle of its first segment, and what is in it
//! by its place there. Entries go by the hash of their key. Where another process has the area mapped as well, it may free what
//! this one has allocated, and nobody can see that from here; so what counts then is the size of the area.

use std::ffi::c_void;

use memcheck_core::census::PathId;

use super::memory::{Reserved, Zeroed};
use super::stacks::Origin;
use super::table::LiveTable;
use crate::pg::dsa::{self, Hashing, Pointer};
use crate::pg::dsm::{self, Keepers};
use crate::pg::server::{self, Handle};

/// Areas that are known, and hash tables.
const MOST: usize = 128;

/// An area.
#[derive(Clone, Copy, Default)]
struct Area {
    /// Where this process has it; 0 while it has not.
    address: usize,
    /// Of its first segment, or of the one that it lies in; 0 where it lies in none.
    handle: Handle,
    is_in_place: bool,
    /// Of its first segment (bytes).
    first: usize,
    /// Who has created or attached it.
    opened_by: Origin,
}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Area {}

/// A hash table.
#[derive(Clone, Copy, Default)]
struct Table {
    /// Where this process has it; 0 while it has not.
    address: usize,
    handle: Pointer,
    /// The number of its area.
    area: usize,
    entry: usize,
    hashing: Hashing,
    is_destroyed: bool,
}

// SAFETY: integers, a bool, and a function for which zero is none.
unsafe impl Zeroed for Table {}

/// Marks what stands for an entry of a hash table, and not for a place in an area. A place takes less than 50 bits
/// (`DSA_OFFSET_WIDTH` and `DSA_MAX_SEGMENTS` in dsa.c).
const ENTRY: usize = 1 << 63;
const PLACE_BITS: u32 = 50;

/// What is in areas.
pub(crate) struct Areas {
    areas: Reserved<Area>,
    tables: Reserved<Table>,
    /// How many there are of each.
    known: [usize; 2],
    parts: LiveTable,
    not_recorded: u64,
}

/// What is known of an area when it is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// This process alone has to do with it, or nobody.
    Own,
    /// So does another one.
    Shared,
    Gone,
}

impl Areas {
    pub(super) fn new() -> Option<Self> {
        Some(Areas {
            areas: Reserved::new(MOST)?,
            tables: Reserved::new(MOST)?,
            known: [0; 2],
            parts: LiveTable::new(18, 8)?,
            not_recorded: 0,
        })
    }

    pub(super) fn clear(&mut self) {
        self.areas.clear();
        self.tables.clear();
        self.parts.clear();
        (self.known, self.not_recorded) = ([0; 2], 0);
    }

    /// A target has created or attached an area with segments of its own.
    pub(crate) fn opened(&mut self, address: usize, handle: Handle, first: usize, opened_by: Origin) {
        let number = self.enter(address, handle, |area| !area.is_in_place && area.handle == handle);
        if let Some(number) = number {
            let area = self.areas.at(number);
            if area.opened_by == Origin::NONE {
                (area.first, area.opened_by) = (first, opened_by);
            }
        }
    }

    /// One that lies in a segment with this handle, or in none.
    pub(crate) fn opened_in_place(&mut self, address: usize, handle: Handle) {
        if let Some(number) = self.enter(address, handle, |area| area.is_in_place && area.address == address) {
            self.areas.at(number).is_in_place = true;
        }
    }

    /// Gives an area a number, its own where it is one that is known.
    fn enter(&mut self, address: usize, handle: Handle, is_known: impl Fn(&Area) -> bool) -> Option<usize> {
        let known = (0..self.known[0]).rev().find(|&number| is_known(self.areas.get_ref(number)));
        let number = known.or_else(|| {
            let number = self.known[0];
            (number < MOST).then(|| {
                self.known[0] += 1;
                *self.areas.at(number) = Area::default();
                number
            })
        });
        let Some(number) = number else {
            self.not_recorded += 1;
            return None;
        };
        // What was there before has gone without a word.
        (0..self.known[0]).filter(|&other| other != number).for_each(|other| {
            let area = self.areas.at(other);
            if area.address == address {
                area.address = 0;
            }
        });
        let area = self.areas.at(number);
        (area.address, area.handle) = (address, handle);
        Some(number)
    }

    /// An area is not mapped any more. Gives its handle, or 0.
    pub(crate) fn closed(&mut self, address: usize) -> Handle {
        let Some(number) = self.number(address) else { return 0 };
        let area = self.areas.at(number);
        area.address = 0;
        if area.is_in_place { 0 } else { area.handle }
    }

    fn number(&self, address: usize) -> Option<usize> {
        (0..self.known[0]).rev().find(|&number| self.areas.get_ref(number).address == address)
    }

    /// The number of an area in which something happens. One that a target has been given by the server is entered now.
    fn number_at_work(&mut self, address: usize) -> Option<usize> {
        self.number(address).or_else(|| self.enter(address, 0, |_| false))
    }

    /// Handle and size of the first segment of an area that has segments of its own.
    pub(crate) fn first_segment(&self, address: usize) -> Option<(Handle, usize)> {
        let area = self.areas.get_ref(self.number(address)?);
        (!area.is_in_place && area.handle != 0).then_some((area.handle, area.first))
    }

    /// Something is allocated in an area.
    pub(crate) fn allocated(&mut self, area: usize, pointer: Pointer, bytes: usize, origin: Origin) {
        if let Some(number) = self.number_at_work(area) {
            self.parts.insert(place(number, pointer), bytes, number + 1, origin);
        }
    }

    /// It is freed.
    pub(crate) fn freed(&mut self, area: usize, pointer: Pointer) {
        if let Some(number) = self.number(area) {
            self.parts.remove(place(number, pointer));
        }
    }

    /// A hash table is created or attached.
    pub(crate) fn attached(&mut self, area: usize, address: usize, handle: Pointer, entry: usize, hashing: Hashing) {
        let Some(area) = self.number_at_work(area) else { return };
        (0..self.known[1]).for_each(|number| {
            let table = self.tables.at(number);
            if table.address == address {
                table.address = 0;
            }
        });
        let is_it = |table: &Table| table.area == area && table.handle == handle && !table.is_destroyed;
        let known = (0..self.known[1]).rev().find(|&number| is_it(self.tables.get_ref(number)));
        let Some(number) = known.or((self.known[1] < MOST).then_some(self.known[1])) else {
            self.not_recorded += 1;
            return;
        };
        self.known[1] = self.known[1].max(number + 1);
        *self.tables.at(number) = Table { address, handle, area, entry, hashing, is_destroyed: false };
    }

    fn table(&self, address: usize) -> Option<usize> {
        (0..self.known[1]).rev().find(|&number| self.tables.get_ref(number).address == address)
    }

    /// It is not attached any more.
    pub(crate) fn detached(&mut self, table: usize) {
        if let Some(number) = self.table(table) {
            self.tables.at(number).address = 0;
        }
    }

    /// It goes, and all its entries.
    pub(crate) fn destroyed(&mut self, table: usize) {
        if let Some(number) = self.table(table) {
            let table = self.tables.at(number);
            (table.address, table.is_destroyed) = (0, true);
        }
    }

    /// How the keys of a table are hashed.
    pub(crate) fn hashing(&self, table: usize) -> Option<Hashing> {
        self.table(table).map(|number| self.tables.get_ref(number).hashing)
    }

    /// An entry is new.
    pub(crate) fn inserted(&mut self, table: usize, hash: u32, origin: Origin) {
        if let Some(number) = self.table(table) {
            let &Table { area, entry, .. } = self.tables.get_ref(number);
            self.parts.insert(entry_of(number, hash), entry, area + 1, origin);
        }
    }

    /// An entry is deleted.
    pub(crate) fn deleted(&mut self, table: usize, hash: u32) {
        if let Some(number) = self.table(table) {
            self.parts.remove(entry_of(number, hash));
        }
    }

    /// The newest that is in an area.
    pub(super) fn serial(&self) -> u64 {
        self.parts.serial()
    }

    /// Forgets what has come since.
    pub(super) fn forget_since(&mut self, serial: u64) {
        self.parts.forget_since(serial);
    }

    /// Shows what is in areas that are still there: origin, bytes. Of one that another process has mapped, its size.
    pub(super) fn for_each(&self, mut show: impl FnMut(PathId, Origin, u64)) {
        if self.parts.len() == 0 {
            return;
        }
        let known = dsm::segments();
        let mut states = [State::Own; MOST];
        for (number, state) in states.iter_mut().enumerate().take(self.known[0]) {
            let area = self.areas.get_ref(number);
            *state = state_of(area, known.as_deref());
            let is_its_size_told = *state == State::Shared && area.address != 0 && !area.is_in_place;
            if is_its_size_told && area.opened_by != Origin::NONE {
                let mapped: *mut c_void = std::ptr::with_exposed_provenance_mut(area.address);
                let size = dsa::total_size(mapped).unwrap_or_default();
                // The first segment counts as one.
                show(PathId::DSA, area.opened_by, size.saturating_sub(area.first as u64));
            }
        }
        self.parts.for_each_origin(0, |part, area, origin, bytes| {
            if states[area - 1] == State::Own && !self.is_of_destroyed(part) {
                show(PathId::DSA, origin, bytes);
            }
        });
    }

    fn is_of_destroyed(&self, part: usize) -> bool {
        part & ENTRY != 0 && self.tables.get_ref((part & !ENTRY) >> u32::BITS).is_destroyed
    }

    /// What found no room.
    pub(super) fn not_recorded(&self) -> u64 {
        self.not_recorded + self.parts.not_recorded()
    }
}

/// What stands for a place in an area.
fn place(area: usize, pointer: Pointer) -> usize {
    (area + 1) << PLACE_BITS | pointer as usize
}

/// What stands for an entry.
fn entry_of(table: usize, hash: u32) -> usize {
    ENTRY | table << u32::BITS | hash as usize
}

fn state_of(area: &Area, known: Option<&[(Handle, Keepers)]>) -> State {
    let Some(known) = known.filter(|_| area.handle != 0) else { return State::Own };
    let Some((_, keepers)) = known.iter().find(|(handle, _)| *handle == area.handle) else { return State::Gone };
    // SAFETY: looks a handle up in the list of this process.
    let own = u32::from(unsafe { !server::dsm_find_mapping(area.handle).is_null() });
    if keepers.processes > own { State::Shared } else { State::Own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_entries_are_told_apart() {
        let last_place = 0x3ff << 40 | 0xff_ffff_ffff;
        let all = [
            place(0, 1),
            place(0, last_place),
            place(1, 1),
            place(MOST - 1, last_place),
            entry_of(0, 0),
            entry_of(0, u32::MAX),
            entry_of(1, 0),
            entry_of(MOST - 1, u32::MAX),
        ];
        for (at, part) in all.iter().enumerate() {
            assert!(*part != 0 && !all[..at].contains(part), "{part:#x}");
            assert_eq!(part & ENTRY != 0, at >= 4, "{part:#x}");
        }
    }

    #[test]
    fn an_area_keeps_its_number_when_it_is_mapped_elsewhere() {
        let mut areas = Areas::new().unwrap();
        areas.opened(0x1000, 7, 1 << 20, Origin::new(1, 0));
        areas.allocated(0x1000, 64, 10, Origin::new(1, 0));
        assert_eq!((areas.closed(0x1000), areas.closed(0x1000)), (7, 0));
        areas.opened(0x2000, 8, 1 << 20, Origin::new(1, 0));
        areas.opened(0x3000, 7, 1 << 20, Origin::new(2, 0));
        assert_eq!(areas.first_segment(0x3000), Some((7, 1 << 20)));
        areas.freed(0x2000, 64);
        assert_eq!(areas.parts.len(), 1);
        areas.freed(0x3000, 64);
        assert_eq!(areas.parts.len(), 0);
        // Another one comes to the place of one that has gone without a word.
        areas.opened(0x3000, 9, 1 << 20, Origin::new(1, 0));
        assert_eq!(areas.first_segment(0x3000), Some((9, 1 << 20)));
    }

    #[test]
    fn entries_go_with_their_table() {
        let mut areas = Areas::new().unwrap();
        areas.opened(0x1000, 7, 1 << 20, Origin::new(1, 0));
        areas.attached(0x1000, 0x5000, 99, 40, Hashing::default());
        areas.inserted(0x5000, 1, Origin::new(1, 0));
        areas.inserted(0x5000, 2, Origin::new(1, 0));
        areas.detached(0x5000);
        areas.deleted(0x5000, 1);
        assert_eq!(areas.parts.len(), 2);
        areas.attached(0x1000, 0x6000, 99, 40, Hashing::default());
        areas.deleted(0x6000, 1);
        assert_eq!(areas.parts.len(), 1);
        areas.destroyed(0x6000);
        assert!(areas.is_of_destroyed(entry_of(0, 2)));
    }

    #[test]
    fn what_another_process_has_mapped_may_be_freed_there() {
        let keepers = |processes| Keepers { processes, is_pinned: false };
        let area = |handle| Area { handle, ..Area::default() };
        let known = [(7, keepers(1)), (8, keepers(0))];
        for (handle, expected) in [(7, State::Shared), (8, State::Own), (9, State::Gone), (0, State::Own)] {
            assert!(state_of(&area(handle), Some(&known)) == expected, "{handle}");
        }
        assert!(state_of(&area(7), None) == State::Own);
    }
}
