//! Which of the places at which libraries allocate the specs have reached, and which functions they have called: what a green run is worth.

mod lcov;
mod record;
mod share;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::exec::{CodeOf, Member};
use crate::places::notes::{self, number};
use crate::places::{Does, Library, Place, Reached, Status, does};

pub use lcov::lcov;
pub use record::{CoverageRecord, FileRecord, FunctionRecord, MemberRecord, PlaceRecord, ShareRecord};
pub use share::Share;
pub use text::text;

/// What was reached, over all specs and versions of the server.
#[derive(Debug, Default)]
pub struct Coverage {
    libraries: BTreeMap<String, OfLibrary>,
    /// Functions of extensions, and whether they were called; not known of those that are not in C.
    functions: BTreeMap<Member, Option<bool>>,
}

/// What was reached of a library.
#[derive(Debug, Default)]
struct OfLibrary {
    places: BTreeMap<Place, bool>,
    /// Places at which it cannot be seen.
    unseen: BTreeSet<Place>,
    status: BTreeSet<Status>,
    entries: BTreeSet<String>,
    through_pointers: usize,
    handed: BTreeSet<String>,
    of_runtime: usize,
    has_lines: bool,
    is_stripped: bool,
}

impl Coverage {
    /// Adds what was reached of a library on one version.
    pub fn add(&mut self, library: &Library, reached: &Reached) {
        let all = self.libraries.entry(library.name.clone()).or_default();
        for place in library.places.keys().filter(|place| place.does() == Does::Allocates) {
            if library.is_unseen(place) {
                all.unseen.insert(place.clone());
                continue;
            }
            let is_reached = reached.places.contains(place);
            *all.places.entry(place.clone()).or_default() |= is_reached;
        }
        all.status.extend(&reached.status);
        all.entries.extend(reached.entries.iter().cloned());
        all.through_pointers = all.through_pointers.max(library.through_pointers);
        let handed = library.handed.keys().filter(|name| does(name) == Some(Does::Allocates));
        all.handed.extend(handed.cloned());
        all.of_runtime = all.of_runtime.max(library.of_runtime);
        all.has_lines |= library.has_lines;
        all.is_stripped |= library.is_stripped;
    }

    /// Takes the functions that extensions have, and looks which were called. Only of libraries that were looked at it is known.
    pub fn of_functions(&mut self, members: BTreeMap<Member, CodeOf>) {
        for (member, code) in members {
            let called = code.and_then(|(library, symbol)| {
                let library = self.libraries.get(&library)?;
                library.status.contains(&Status::Planted).then(|| library.entries.contains(&symbol))
            });
            self.functions.insert(member, called);
        }
    }

    /// How many of all places were reached.
    pub fn share(&self) -> Share {
        Share::of(self.places().map(|(.., is_reached)| is_reached))
    }

    /// How many of the functions of which it is known were called.
    pub fn share_of_functions(&self) -> Share {
        Share::of(self.functions.values().copied().flatten())
    }

    /// The places with their libraries, and whether they were reached.
    fn places(&self) -> impl Iterator<Item = (&str, &Place, bool)> {
        self.libraries.iter().flat_map(|(name, library)| {
            library.places.iter().map(move |(place, &is_reached)| (name.as_str(), place, is_reached))
        })
    }

    /// What was not looked at, and why, so that nobody takes it for reached or for not reached.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, library) in &self.libraries {
            notes.extend(library.notes().into_iter().map(|note| format!("{name}: {note}")));
        }
        match self.functions.values().filter(|called| called.is_none()).count() {
            0 => {}
            1 => notes.push("1 function is not in C, or not in a library that was looked at".to_owned()),
            more => notes.push(format!("{more} functions are not in C, or not in a library that was looked at")),
        }
        notes
    }
}

impl OfLibrary {
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |holds: bool, text: String| notes.extend(holds.then_some(text));
        let is = |status| self.status.contains(&status);
        note(self.status.is_empty(), "it was never loaded".to_owned());
        note(is(Status::NoRoom), "in some processes there was no room near it: nothing was seen there".to_owned());
        note(is(Status::Refused), "the system did not let its code be changed: nothing was seen there".to_owned());
        note(is(Status::Differs), "what was loaded is not the file that was read: nothing was seen there".to_owned());
        note(is(Status::WasThere), "it is loaded before the engine: what its _PG_init reaches was not seen".to_owned());
        note(self.is_stripped, "it is stripped: functions that it does not export have no names".to_owned());
        note(!self.has_lines && !self.places.is_empty(), "it has no lines: compile it with -g".to_owned());
        let jumps = self.unseen.len();
        note(jumps > 0, format!("{jumps} {} through registers, which are not looked at", number(jumps, "jump")));
        notes.extend(notes::through_pointers(self.through_pointers));
        notes.extend(notes::handed(&self.handed.iter().map(String::as_str).collect()));
        notes.extend(notes::of_runtime(self.of_runtime));
        notes
    }
}
