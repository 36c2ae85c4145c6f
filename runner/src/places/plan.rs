//! The plan of a library, as the engine reads it (`extension/src/wrap/planted/plan.rs`), and what the flags say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::functions::Does;
use super::library::{Library, Place};

/// Flags before those of places.
const STATUS: usize = 16;

/// What the first flags say, in the engine's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Its places were looked at.
    Planted,
    /// There was no room near it.
    NoRoom,
    /// The system did not let its code be changed.
    Refused,
    /// The library that was loaded is another.
    Differs,
    /// It was loaded before the engine, so that what it did then was not seen.
    WasThere,
}

impl Status {
    const ALL: [Status; 5] = [Status::Planted, Status::NoRoom, Status::Refused, Status::Differs, Status::WasThere];
}

/// What is to be written for a library, and what its flags stand for.
#[derive(Debug)]
pub struct Planted {
    /// The library's name.
    pub name: String,
    /// The text of the plan.
    pub text: String,
    places: Vec<Place>,
    entries: Vec<String>,
}

/// What flags say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// What came of looking.
    pub status: BTreeSet<Status>,
    /// The places that were reached.
    pub places: BTreeSet<Place>,
    /// The functions that were called.
    pub entries: BTreeSet<String>,
    /// Of a call that was left out, whether all that it would have given back goes by itself; none where it was not reached.
    pub goes: Option<bool>,
}

/// What a flag says of a call that was left out, besides that it was reached (`extension/src/wrap/planted/dropped.rs`).
const GOES: u8 = 2;
const STAYS: u8 = 4;

impl Planted {
    /// The plan that has those places looked at which are wanted, and the functions; and one call left out, by its place.
    pub fn new(library: &Library, wanted: impl Fn(&Place) -> bool, dropped: Option<&Place>) -> Self {
        let places: Vec<Place> = library.places.keys().filter(|place| wanted(place)).cloned().collect();
        let entries: Vec<String> = library.entries.keys().cloned().collect();
        let mut flags = BTreeMap::new();
        for (place, number) in places.iter().zip(STATUS..) {
            flags.extend(library.places[place].iter().map(|&behind| (behind, (number, place))));
        }
        let mut text = format!("library {}\n", library.build_id);
        for way in &library.ways {
            let calls: Vec<_> = way.calls.iter().filter_map(|&behind| Some((behind, flags.get(&behind)?))).collect();
            if calls.is_empty() {
                continue;
            }
            let kind = if way.is_slot { "slot" } else { "direct" };
            let _ = writeln!(text, "at {:x} {:x} {:x} {kind}", way.at, way.end, way.distance.cast_unsigned());
            for (behind, (flag, place)) in calls {
                let returns = if way.is_shared { behind } else { 0 };
                let _ = write!(text, "place {returns:x} {flag:x}");
                match (dropped == Some(*place), place.does()) {
                    (true, Does::GivesBack { value, takes }) => _ = writeln!(text, " {value:x} {}", takes.as_str()),
                    _ => text.push('\n'),
                }
            }
        }
        for ((_, address), flag) in library.entries.iter().zip(STATUS + places.len()..) {
            let _ = writeln!(text, "entry {address:x} {flag:x}");
        }
        Planted { name: library.name.clone(), text, places, entries }
    }

    /// How many flags there are.
    pub fn flags(&self) -> usize {
        STATUS + self.places.len() + self.entries.len()
    }

    /// What they say.
    pub fn reached(&self, flags: &[u8]) -> Reached {
        let is_set = |number: usize| flags.get(number).is_some_and(|&flag| flag != 0);
        let set = |from: usize| move |number: &usize| is_set(from + number);
        let status =
            Status::ALL.into_iter().enumerate().filter(|(number, _)| is_set(*number)).map(|(_, status)| status);
        let says = |bit: u8| flags.iter().skip(STATUS).any(|flag| flag & bit != 0);
        Reached {
            goes: (says(GOES) || says(STAYS)).then(|| !says(STAYS)),
            status: status.collect(),
            places: (0..self.places.len()).filter(set(STATUS)).map(|number| self.places[number].clone()).collect(),
            entries: (0..self.entries.len())
                .filter(set(STATUS + self.places.len()))
                .map(|number| self.entries[number].clone())
                .collect(),
        }
    }
}
