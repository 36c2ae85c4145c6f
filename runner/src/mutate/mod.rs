//! Can these specs fail at all? One call after the other that gives something back is left out, and the specs that come by it are run.

mod record;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::exec::Slot;
use crate::judge::{Status, Verdict};
use crate::places::{Does, Library, Place, Planted, Status as Looked, does, notes};
use crate::report::{Tone, fault};
use crate::run::{Run, single};
use crate::server::{PlacesDirectory, ServerError, is_interrupted};

pub use record::{CallRecord, MutationRecord};
pub use text::text;

/// A call that gives something back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The library.
    pub library: String,
    /// Where it is.
    pub place: Place,
}

/// What became of leaving a call out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A spec has failed.
    Caught {
        /// Which one.
        spec: String,
        /// What it says first.
        says: String,
    },
    /// Everything passed, though what was not given back stays.
    Survived {
        /// The specs that came by it.
        specs: Vec<String>,
    },
    /// Everything passed: all that was not given back went with a context of the server's.
    FreedAnyway {
        /// The specs that came by it.
        specs: Vec<String>,
    },
    /// No spec that passes comes by it.
    NotCovered,
    /// It could not be left out: a jump through a register, or a library that is not changed.
    NotLeftOut,
    /// There was no time for it.
    NotTried,
}

/// What is to be tried.
pub struct Wanted<'a> {
    /// Whether a call is to be.
    pub is_wanted: &'a dyn Fn(&Release) -> bool,
    /// What the order begins with.
    pub seed: u64,
    /// When to stop.
    pub time: Option<Duration>,
}

/// All that came of it.
#[derive(Debug, Default)]
pub struct Mutations {
    /// What became of each.
    pub fates: BTreeMap<Release, Fate>,
    /// The specs that fail without anything being left out, which tell nothing.
    pub failing: Vec<String>,
    /// Those that are expected to fail, or were not run.
    pub untold: Vec<String>,
    /// What is not known of the libraries.
    pub notes: Vec<String>,
}

impl Mutations {
    /// Whether a call survived that was left out.
    pub fn have_survivors(&self) -> bool {
        self.fates.values().any(|fate| matches!(fate, Fate::Survived { .. }))
    }

    /// Whether a spec was of no use that should have been.
    pub fn have_failing(&self) -> bool {
        !self.failing.is_empty()
    }

    /// How many were caught, of those of which something stayed.
    pub fn score(&self) -> (usize, usize) {
        let count = |is: fn(&Fate) -> bool| self.fates.values().filter(|fate| is(fate)).count();
        let caught = count(|fate| matches!(fate, Fate::Caught { .. }));
        (caught, caught + count(|fate| matches!(fate, Fate::Survived { .. })))
    }
}

/// The plan of a library with nothing, or one call, left out.
fn plan(library: &Library, dropped: Option<&Place>) -> Planted {
    Planted::new(library, |place| matches!(place.does(), Does::GivesBack { .. }), dropped)
}

/// What is looked at before anything is left out.
pub fn plans(libraries: &[Library]) -> Vec<Planted> {
    libraries.iter().map(|library| plan(library, None)).collect()
}

/// Tries all of them. `tell` hears what is under way.
///
/// # Errors
///
/// What cannot be written for the engine to read.
pub fn try_all(
    run: &Run,
    libraries: &[Library],
    directory: &mut PlacesDirectory,
    wanted: &Wanted,
    tell: &mut dyn FnMut(&str),
) -> Result<Mutations, ServerError> {
    let started = Instant::now();
    let mut slot = Slot::default();
    let mut mutations = Mutations { notes: libraries.iter().flat_map(unfollowed).collect(), ..Mutations::default() };
    let is_over = || wanted.time.is_some_and(|time| started.elapsed() >= time);
    // Libraries in which nothing can be left out, and whether every spec was tried.
    let (mut untouched, mut is_whole) = (BTreeSet::new(), true);
    let mut reaching: BTreeMap<Release, Vec<usize>> = BTreeMap::new();
    for (position, case) in run.cases.iter().enumerate() {
        if is_interrupted() {
            return Ok(mutations);
        }
        if is_over() {
            is_whole = false;
            break;
        }
        tell(&format!("{}: as it is", case.label));
        // What a process does that stays is the doing of the case that has started it.
        if needs_fresh(run, position) {
            slot.discard();
        }
        directory.forget()?;
        let (_, verdict) = single(run, &mut slot, position);
        if is_interrupted() {
            return Ok(mutations);
        }
        match verdict.status {
            Status::Passed => {}
            Status::Failed => {
                mutations.failing.push(case.label.clone());
                continue;
            }
            _ => {
                mutations.untold.push(case.label.clone());
                continue;
            }
        }
        for (library, reached) in directory.reached() {
            if !reached.status.is_empty() && !reached.status.contains(&Looked::Planted) {
                untouched.insert(library.to_owned());
            }
            for place in reached.places {
                reaching.entry(Release { library: library.to_owned(), place }).or_default().push(position);
            }
        }
    }
    let mut left = Vec::new();
    for library in libraries {
        for place in library.places.keys().filter(|place| matches!(place.does(), Does::GivesBack { .. })) {
            let release = Release { library: library.name.clone(), place: place.clone() };
            if !(wanted.is_wanted)(&release) {
                continue;
            }
            let fate = match reaching.get(&release) {
                _ if library.is_unseen(place) || untouched.contains(&library.name) => Fate::NotLeftOut,
                None if is_whole => Fate::NotCovered,
                None => Fate::NotTried,
                Some(_) => {
                    left.push((library, release.clone()));
                    Fate::NotTried
                }
            };
            mutations.fates.insert(release, fate);
        }
    }
    fastrand::Rng::with_seed(wanted.seed).shuffle(&mut left);
    let all = left.len();
    for (number, (library, release)) in left.into_iter().enumerate() {
        if is_interrupted() || is_over() {
            break;
        }
        tell(&format!("{}/{all}: without {}", number + 1, shown(&release.place)));
        directory.put(plan(library, Some(&release.place)))?;
        let fate = one(run, &mut slot, directory, &release, &reaching[&release])?;
        directory.put(plan(library, None))?;
        if let Some(fate) = fate {
            mutations.fates.insert(release, fate);
        }
    }
    Ok(mutations)
}

/// Whether a server would go on with a library as it was: one that is loaded with the server.
fn needs_fresh(run: &Run, position: usize) -> bool {
    let case = &run.cases[position];
    case.preloaded().next().is_some()
}

/// What is not known of a library, so that nobody takes it for caught.
fn unfollowed(library: &Library) -> Vec<String> {
    let handed = library.handed.keys().map(String::as_str);
    let handed = handed.filter(|name| matches!(does(name), Some(Does::GivesBack { .. }))).collect();
    let of_runtime = notes::of_runtime(library.of_runtime);
    let all = [notes::through_pointers(library.through_pointers), notes::handed(&handed), of_runtime];
    all.into_iter().flatten().map(|note| format!("{}: {note}", library.name)).collect()
}

/// Whether it is not known how a case ends.
fn is_untold(status: &Status) -> bool {
    matches!(status, Status::Skipped(_) | Status::Interrupted(_) | Status::Unsupported)
}

/// Runs the cases that come by a call that is left out, up to the first that fails; none where that was interrupted.
fn one(
    run: &Run,
    slot: &mut Slot,
    directory: &PlacesDirectory,
    release: &Release,
    positions: &[usize],
) -> Result<Option<Fate>, ServerError> {
    let mut passed = Vec::new();
    for &position in positions {
        if needs_fresh(run, position) {
            slot.discard();
        }
        let case = &run.cases[position];
        let (_, verdict) = single(run, slot, position);
        if is_interrupted() || is_untold(&verdict.status) {
            return Ok(None);
        }
        if needs_fresh(run, position) || verdict.status != Status::Passed {
            // Others get none in which something is left out.
            slot.discard();
        }
        if verdict.status != Status::Passed {
            return Ok(Some(Fate::Caught { spec: case.label.clone(), says: says(&verdict, &case.name) }));
        }
        passed.push(case.label.clone());
    }
    let reached = directory.reached().into_iter().find(|(library, _)| *library == release.library);
    Ok(Some(fate(reached.and_then(|(_, reached)| reached.goes), passed)))
}

/// What it means that everything has passed.
fn fate(goes: Option<bool>, specs: Vec<String>) -> Fate {
    match goes {
        None => Fate::NotLeftOut,
        Some(true) => Fate::FreedAnyway { specs },
        Some(false) => Fate::Survived { specs },
    }
}

/// The first line of what is wrong, with what was found there.
fn says(verdict: &Verdict, name: &str) -> String {
    let lines = fault::lines(verdict, name);
    let first = lines.first().map_or("", |line| line.text.trim());
    let found = lines.iter().skip(1).find(|line| line.tone == Tone::Unexpected);
    found.map_or(first.to_owned(), |found| format!("{first}: {}", found.text.trim().trim_start_matches("+ ")))
}

/// `pfree in f (a.c:7)`
fn shown(place: &Place) -> String {
    let line = place.line().map_or(String::new(), |line| format!(" ({line})"));
    format!("{} in {}{line}", place.callee, place.function)
}
