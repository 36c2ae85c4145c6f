//! How workers use hash tables in shared memory: under which locks, and whether two of them were about to at once.
//!
//! Each kind of use - of which table, to read or to write, from where, under which LWLocks - is noted once, so that all others see it.
//! One that shares no lock with another worker's, of which one writes, is suspect. What else may keep the two apart is not seen: a
//! spinlock is taken by an instruction (`tas` in s_lock.h), and there are locks of the workload's and of a library's own. So it is tried:
//! the worker stands still before the call for a moment, with all that it holds. Who comes to use the same part of the table
//! meanwhile has met it, and nothing keeps them apart. That takes no luck, and what was not tried is not told.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

use super::super::{lwlocks, server};
use super::locks::Kind;
use super::{CLASS, Company, LOCK, Member, Name, State, clock, own, step};

/// Uses of a worker that are told apart; what is beyond them is not looked at.
const USES: usize = 64;
/// LWLocks that may be held in one; who holds more is kept from nobody here.
const LOCKS: usize = 24;
/// Meetings that a worker has noted at most.
const MEETINGS: usize = 16;
/// How long a worker stands still (nanoseconds).
const STAY: u64 = 50_000_000;
/// How often it does so in one use that is suspect, how often in one of which nothing is known but that it writes under no exclusive
/// lock, and how often in all.
const STAYS: u32 = 30;
const STAYS_ALONE: u32 = 3;
const STAYS_IN_ALL: u32 = 60;
/// How often all others may have waited meanwhile until it is no more suspect.
const KEPT_APART: u32 = 3;

/// A lock that is held.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
struct Hold {
    address: usize,
    is_exclusive: u64,
}

/// A kind of use.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Noted {
    table: Name,
    /// Which part of the table, from 1 on; 0 for all of it.
    part: u32,
    writes: u32,
    place: u32,
    /// How many locks are held, of which the first ones follow, in order.
    holds: u32,
    locks: [Hold; LOCKS],
}

impl Noted {
    fn locks(&self) -> &[Hold] {
        &self.locks[..LOCKS.min(self.holds as usize)]
    }

    /// Whether one of them damages what the other works with.
    fn collides_with(&self, other: &Noted) -> bool {
        let is_same_part = self.part == 0 || other.part == 0 || self.part == other.part;
        is_same_part && (self.writes != 0 || other.writes != 0) && self.table == other.table
    }

    /// Whether a lock that both hold keeps them apart, as far as is known.
    fn is_kept_from(&self, other: &Noted) -> bool {
        let bars = |own: &Hold| {
            let is_it = |its: &Hold| its.address == own.address && (its.is_exclusive | own.is_exclusive) != 0;
            other.locks().iter().any(is_it)
        };
        self.holds as usize > LOCKS || other.holds as usize > LOCKS || self.locks().iter().any(bars)
    }
}

/// What its worker knows of a use.
#[repr(C)]
struct Tried {
    /// How often it has stood still in it, and how often all others have waited meanwhile.
    stays: AtomicU32,
    kept_apart: AtomicU32,
    is_suspect: AtomicU32,
    /// With how many uses of others it was compared.
    compared: AtomicU32,
}

/// The uses of a worker, in its part of the segment. All zero is none.
#[repr(C)]
pub(super) struct Uses {
    count: AtomicU32,
    /// The use before which it stands still, from 1 on, and whether somebody has come.
    stands: AtomicU32,
    is_met: AtomicU32,
    stays: AtomicU32,
    meetings: AtomicU32,
    met: [AtomicU64; MEETINGS],
    tried: [Tried; USES],
    all: [UnsafeCell<Noted>; USES],
}

impl Uses {
    fn get(&self, number: usize) -> Option<&Noted> {
        let noted = self.all.get(number).filter(|_| number < self.count.load(Ordering::Acquire) as usize)?;
        // SAFETY: written once, before it was counted.
        Some(unsafe { &*noted.get() })
    }

    fn iter(&self) -> impl Iterator<Item = &Noted> {
        (0..USES).map_while(|number| self.get(number))
    }

    /// The number of a use of this process; none where there is no room for it.
    fn number(&self, used: &Noted) -> Option<usize> {
        if let Some(number) = self.iter().position(|known| known == used) {
            return Some(number);
        }
        let number = self.count.load(Ordering::Relaxed) as usize;
        // SAFETY: this process alone writes it, and nobody reads it before it is counted.
        unsafe { *self.all.get(number)?.get() = *used };
        self.count.store(number as u32 + 1, Ordering::Release);
        Some(number)
    }

    /// Notes that a use of this process has met another one's.
    fn meets(&self, own: usize, other: usize, its: usize) {
        let meeting = 1 << 63 | (own as u64) << 32 | (other as u64) << 16 | its as u64;
        let count = self.meetings.load(Ordering::Relaxed) as usize;
        if self.met.iter().take(count).any(|known| known.load(Ordering::Relaxed) == meeting) {
            return;
        }
        if let Some(free) = self.met.get(count) {
            free.store(meeting, Ordering::Relaxed);
            self.meetings.store(count as u32 + 1, Ordering::Release);
        }
    }
}

/// The LWLocks that this process holds, in the order of their addresses, and how many there are.
fn held() -> ([Hold; LOCKS], u32) {
    let (mut locks, mut count) = ([Hold::default(); LOCKS], 0_u32);
    lwlocks::for_each(|lock, mode| {
        if let Some(room) = locks.get_mut(count as usize) {
            *room = Hold { address: lock.addr(), is_exclusive: (mode == pg_sys::LWLockMode::LW_EXCLUSIVE).into() };
        }
        count += 1;
    });
    locks[..LOCKS.min(count as usize)].sort_unstable_by_key(|hold| hold.address);
    (locks, count)
}

/// A target is about to use a table of that name, or a part of it, from a place. Returns when it may.
pub(crate) fn uses_table(table: &str, part: Option<u32>, writes: bool, place: impl FnOnce() -> u32) {
    let Some((company, member)) = own().filter(|(_, member)| member.is_inside()) else { return };
    let place = place();
    if place == 0 {
        return;
    }
    let (locks, holds) = held();
    let used = Noted {
        table: Name::new(table),
        part: part.map_or(0, |part| part + 1),
        writes: writes.into(),
        place,
        holds,
        locks,
    };
    let Some(number) = member.uses.number(&used) else { return };
    let others = || company.members().iter().enumerate().filter(|(_, other)| !std::ptr::eq(*other, member));
    for (at, other) in others() {
        let Some(stands) = (other.uses.stands.load(Ordering::Acquire) as usize).checked_sub(1) else { continue };
        let Some(its) = other.uses.get(stands) else { continue };
        if used.collides_with(its) && !used.is_kept_from(its) {
            member.uses.meets(number, at, stands);
            other.uses.is_met.store(1, Ordering::Release);
        }
    }
    if is_to_stay(member, number, &used, || others().map(|(_, other)| other)) {
        stay(company, member, number);
    }
    step();
}

/// Whether to stand still before a use.
fn is_to_stay<'a, I: Iterator<Item = &'a Member>>(
    member: &Member,
    number: usize,
    used: &Noted,
    others: impl Fn() -> I,
) -> bool {
    let tried = &member.uses.tried[number];
    let stays = tried.stays.load(Ordering::Relaxed);
    if stays >= STAYS
        || tried.kept_apart.load(Ordering::Relaxed) >= KEPT_APART
        || member.uses.stays.load(Ordering::Relaxed) >= STAYS_IN_ALL
    {
        return false;
    }
    if tried.is_suspect.load(Ordering::Relaxed) == 0 {
        let known = others().map(|other| other.uses.count.load(Ordering::Acquire)).sum();
        if tried.compared.swap(known, Ordering::Relaxed) != known {
            let is_suspect = |its: &Noted| used.collides_with(its) && !used.is_kept_from(its);
            let is_suspect = others().any(|other| other.uses.iter().any(is_suspect));
            tried.is_suspect.store(is_suspect.into(), Ordering::Relaxed);
        }
    }
    if tried.is_suspect.load(Ordering::Relaxed) != 0 {
        return true;
    }
    // Of a table that is filled once the others may find it filled: they are to be waited for.
    let has_exclusive = used.locks().iter().any(|hold| hold.is_exclusive != 0);
    used.writes != 0 && !has_exclusive && used.holds as usize <= LOCKS && stays < STAYS_ALONE
}

/// Stands still for a moment, or until somebody comes.
fn stay(company: &Company, member: &Member, number: usize) {
    /// How often to look (microseconds).
    const LOOK: u64 = 100;
    let (uses, tried) = (&member.uses, &member.uses.tried[number]);
    uses.is_met.store(0, Ordering::Relaxed);
    uses.stands.store(number as u32 + 1, Ordering::SeqCst);
    let deadline = clock() + STAY;
    let is_met = || uses.is_met.load(Ordering::Acquire) != 0;
    while !is_met() && clock() < deadline && company.state() == State::Works && !member.is_doomed() {
        std::thread::sleep(Duration::from_micros(LOOK));
    }
    let waits =
        |other: &Member| other.waits().is_some_and(|lock| lock.kind == Kind::Spinlock) || other.event() & CLASS == LOCK;
    let mut others =
        company.members().iter().filter(|other| !std::ptr::eq(*other, member) && other.is_inside()).peekable();
    let are_kept_apart = !is_met() && others.peek().is_some() && others.all(waits);
    uses.stands.store(0, Ordering::SeqCst);
    // Once is enough.
    tried.stays.fetch_add(if is_met() { STAYS } else { 1 }, Ordering::Relaxed);
    tried.kept_apart.fetch_add(are_kept_apart.into(), Ordering::Relaxed);
    uses.stays.fetch_add(1, Ordering::Relaxed);
}

/// A lock that is held in a use, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) address: usize,
    pub(crate) is_exclusive: bool,
    pub(crate) name: String,
}

/// A use as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) table: String,
    /// Which part of it; none for all of it.
    pub(crate) part: Option<u32>,
    pub(crate) writes: bool,
    pub(crate) place: Option<memcheck_core::Frame>,
    pub(crate) locks: Vec<Held>,
}

impl Member {
    /// A use that it has noted.
    pub(crate) fn usage(&self, number: usize) -> Option<Use> {
        let noted = self.uses.get(number)?;
        let held = |hold: &Hold| Held {
            address: hold.address,
            is_exclusive: hold.is_exclusive != 0,
            name: name_at(hold.address).to_string_lossy().into_owned(),
        };
        Some(Use {
            table: noted.table.to_text(),
            part: noted.part.checked_sub(1),
            writes: noted.writes != 0,
            place: self.frame(noted.place),
            locks: noted.locks().iter().map(held).collect(),
        })
    }

    /// How many uses it has noted.
    pub(crate) fn usages(&self) -> usize {
        USES.min(self.uses.count.load(Ordering::Acquire) as usize)
    }

    /// Which uses of its have met which ones of other members, by their numbers.
    pub(crate) fn meetings(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let count = self.uses.meetings.load(Ordering::Acquire) as usize;
        let met = self.uses.met.iter().take(count).map(|met| met.load(Ordering::Relaxed));
        met.map(|met| ((met >> 32 & 0xffff) as usize, (met >> 16 & 0xffff) as usize, (met & 0xffff) as usize))
    }
}

/// The name of an LWLock's tranche; nothing for one that is not where all processes have it.
fn name_at(address: usize) -> &'static CStr {
    let lock = std::ptr::with_exposed_provenance_mut::<pg_sys::LWLock>(address);
    // SAFETY: memory that is there as long as the server.
    if unsafe { server::ShmemAddrIsValid(lock.cast()) } { super::locks::name_of(lock) } else { c"" }
}
