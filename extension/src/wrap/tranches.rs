//! Named tranches of LWLocks: whether a target uses a lock behind those that its library has asked for.
//!
//! The locks of all tranches lie side by side in one array of the server's (`InitializeLWLocks` in lwlock.c): what comes behind one's last
//! is the first of the next one, and behind the last of all the array of their names. So a few more are asked for with each, which
//! nobody has a use for. One of these in the hands of a target is one too many; and it is a lock as any other, so nothing comes of it.

use std::cell::UnsafeCell;
use std::ffi::CStr;

use pgrx::pg_sys::{LWLock, LWLockPadded};

use super::chain::of_segment;
use crate::shmem::text::Text;
use crate::stack::Registers;
use crate::trace::stacks::Origin;

/// Locks that are asked for besides, for each tranche.
pub(super) const SPARE: i32 = 8;
/// Tranches that are kept in mind, and uses of locks behind them.
const TRANCHES: usize = 64;
const NOTES: usize = 64;

/// A tranche of a library's.
#[derive(Clone, Copy)]
struct Tranche {
    name: Text<64>,
    /// How many locks were asked for.
    locks: usize,
    /// Where the first of them is; 0 as long as nobody has asked.
    start: usize,
}

/// A lock behind those of a tranche, and where a target has used it.
#[derive(Clone, Copy)]
struct Note {
    tranche: usize,
    number: usize,
    origin: Origin,
    times: u64,
    /// Counts all uses in this process; that of the last one.
    last: u64,
}

/// What this process knows of tranches.
struct All {
    tranches: [Option<Tranche>; TRANCHES],
    notes: [Option<Note>; NOTES],
    uses: u64,
}

struct Kept(UnsafeCell<All>);

// SAFETY: only the thread that runs the server's code has to do with it.
unsafe impl Sync for Kept {}

/// Tranches that the postmaster has asked for, and their uses in this process.
static KEPT: Kept = Kept(UnsafeCell::new(All { tranches: [None; TRANCHES], notes: [None; NOTES], uses: 0 }));

fn kept() -> &'static mut All {
    // SAFETY: none of the functions here calls another while it holds it.
    unsafe { &mut *KEPT.0.get() }
}

fn text(name: &CStr) -> Text<64> {
    Text::new(name.to_str().unwrap_or_default())
}

/// A library has asked for a tranche of so many locks.
pub(super) fn requested(name: &CStr, locks: i32) {
    let name = text(name);
    let tranches = &mut kept().tranches;
    // Of two with one name the server gives the first.
    if tranches.iter().flatten().any(|known| known.name.is(&name)) {
        return;
    }
    if let Some(free) = tranches.iter_mut().find(|known| known.is_none()) {
        *free = Some(Tranche { name, locks: usize::try_from(locks).unwrap_or(0), start: 0 });
    }
}

/// A library has been told where a tranche begins.
pub(super) fn given(name: &CStr, start: usize) {
    let name = text(name);
    if let Some(known) = kept().tranches.iter_mut().flatten().find(|known| known.name.is(&name)) {
        known.start = start;
    }
}

/// A target uses a lock. Noted where it is one of those behind a tranche.
#[inline(always)]
pub(super) fn used(from: Registers, lock: *mut LWLock) {
    const SIZE: usize = size_of::<LWLockPadded>();
    let offset_in = |tranche: &Tranche| lock.addr().checked_sub(tranche.start + tranche.locks * SIZE);
    let is_behind = |known: &Option<Tranche>| {
        let offset = known.as_ref().filter(|tranche| tranche.start != 0).and_then(offset_in);
        offset.is_some_and(|offset| offset < SPARE as usize * SIZE)
    };
    let Some(tranche) = kept().tranches.iter().position(is_behind) else { return };
    let mut at = None;
    of_segment(from, |_, origin| at = Some(origin));
    let (Some(origin), Some(known)) = (at, kept().tranches[tranche]) else { return };
    note(Note { tranche, number: (lock.addr() - known.start) / SIZE, origin, times: 1, last: 0 });
}

fn note(new: Note) {
    let all = kept();
    all.uses += 1;
    let is_it = |note: &&mut Note| {
        (note.tranche, note.number, note.origin.site()) == (new.tranche, new.number, new.origin.site())
    };
    if let Some(known) = all.notes.iter_mut().flatten().find(is_it) {
        (known.times, known.last) = (known.times + 1, all.uses);
    } else if let Some(free) = all.notes.iter_mut().find(|note| note.is_none()) {
        *free = Some(Note { last: all.uses, ..new });
    }
}

/// A lock behind those of a tranche.
pub(crate) struct Beyond {
    pub(crate) tranche: String,
    /// How many locks the tranche has.
    pub(crate) locks: usize,
    /// Which one it would be, from 0 on.
    pub(crate) number: usize,
    pub(crate) origin: Origin,
    pub(crate) times: u64,
}

/// How often this process has used such a lock.
pub(crate) fn uses() -> u64 {
    kept().uses
}

/// Those that it has used since that was so many times.
pub(crate) fn beyond(since: u64) -> impl Iterator<Item = Beyond> {
    let All { tranches, notes, .. } = kept();
    notes.iter().flatten().filter(move |note| note.last > since).filter_map(|note| {
        let tranche = tranches[note.tranche].as_ref()?;
        Some(Beyond {
            tranche: tranche.name.to_text(),
            locks: tranche.locks,
            number: note.number,
            origin: note.origin,
            times: note.times,
        })
    })
}
