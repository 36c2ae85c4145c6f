//! The locks that a worker holds and waits for, and how it is brought out of waiting for one.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

use super::super::process::nap;
use super::super::{lwlocks, server};
use super::{LWLOCK, Member, Name, own, step};

/// Locks of a worker that are told at most.
pub(super) const LOCKS: usize = 16;

/// What a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Of lwlock.h
    LwLock,
    /// Of spin.h
    Spinlock,
}

/// A lock that is held or waited for. Nothing where the address is 0.
#[repr(C)]
pub(super) struct Noted {
    address: AtomicUsize,
    kind: AtomicU32,
    is_exclusive: AtomicU32,
    /// Counts from 1; 0 for none.
    place: AtomicU32,
    name: UnsafeCell<Name>,
}

/// A lock as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) address: usize,
    pub(crate) kind: Kind,
    pub(crate) is_exclusive: bool,
    pub(crate) name: String,
    pub(crate) place: Option<memcheck_core::Frame>,
}

impl Member {
    /// Whether it was told to end where it waits.
    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Ordering::Relaxed) != 0
    }

    /// Has it end where it waits for a lock: it lets go of those that it holds, and comes no further than to the one that it waits for.
    pub(crate) fn doom(&self) {
        self.is_doomed.store(1, Ordering::Release);
        // SAFETY: a worker that is this session's, which handles the signal.
        unsafe { libc::kill(self.pid(), libc::SIGUSR2) };
    }

    /// The lock that it waits for, or is about to take.
    pub(crate) fn waits(&self) -> Option<Lock> {
        self.told(&self.waits)
    }

    /// The locks that it holds.
    pub(crate) fn held(&self) -> Vec<Lock> {
        self.held.iter().filter_map(|noted| self.told(noted)).collect()
    }

    fn told(&self, noted: &Noted) -> Option<Lock> {
        let address = noted.address.load(Ordering::Acquire);
        (address != 0).then(|| Lock {
            address,
            kind: if noted.kind.load(Ordering::Relaxed) == 0 { Kind::LwLock } else { Kind::Spinlock },
            is_exclusive: noted.is_exclusive.load(Ordering::Relaxed) != 0,
            // SAFETY: bytes, of which those of a lock that has changed meanwhile make another text.
            name: unsafe { noted.name.get().read_volatile() }.to_text(),
            place: self.frame(noted.place.load(Ordering::Relaxed)),
        })
    }
}

/// The LWLocks that this process holds, as many as there is room for.
fn locks_held() -> ([usize; LOCKS], usize) {
    let (mut locks, mut count) = ([0; LOCKS], 0);
    lwlocks::for_each(|lock, _| {
        if let Some(room) = locks.get_mut(count) {
            *room = lock.addr();
            count += 1;
        }
    });
    (locks, count)
}

/// Whether this process holds any LWLock.
pub(crate) fn holds_locks() -> bool {
    locks_held().1 > 0
}

/// Gives back all LWLocks.
pub(crate) fn give_back_locks() {
    // SAFETY: what the server does at the end of a transaction that fails (`AbortTransaction` in xact.c).
    unsafe { server::LWLockReleaseAll() };
    forget_those_given_back();
}

/// The locks that this process holds, as it has noted them.
pub(crate) fn own_locks() -> Vec<Lock> {
    own().map_or(Vec::new(), |(_, member)| member.held())
}

/// Locks that were given back by another way, as at the end of a transaction that fails.
fn forget_those_given_back() {
    let Some((_, member)) = own() else { return };
    let (locks, count) = locks_held();
    for noted in &member.held {
        let address = noted.address.load(Ordering::Relaxed);
        if address != 0
            && noted.kind.load(Ordering::Relaxed) == Kind::LwLock as u32
            && !locks[..count].contains(&address)
        {
            noted.address.store(0, Ordering::Release);
        }
    }
}

impl Noted {
    fn write(&self, address: usize, kind: Kind, is_exclusive: bool, place: u32, name: &str) {
        self.address.store(0, Ordering::Release);
        self.kind.store(kind as u32, Ordering::Relaxed);
        self.is_exclusive.store(is_exclusive.into(), Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        // SAFETY: this process alone writes it.
        unsafe { self.name.get().write_volatile(Name::new(name)) };
        self.address.store(address, Ordering::Release);
    }
}

/// The name of an LWLock's tranche, as this process knows it.
pub(super) fn name_of(lock: *mut pg_sys::LWLock) -> &'static CStr {
    // SAFETY: a lock that the caller is about to take or has; names stay.
    unsafe { super::super::text(server::GetLWLockIdentifier(LWLOCK, (*lock).tranche)) }.unwrap_or_default()
}

/// This process is about to take an LWLock.
pub(crate) fn takes(lock: *mut pg_sys::LWLock, is_exclusive: bool, place: u32) {
    let Some((_, member)) = own() else { return };
    forget_those_given_back();
    member.waits.write(lock.addr(), Kind::LwLock, is_exclusive, place, &name_of(lock).to_string_lossy());
    step();
}

/// It has taken it, or not.
pub(crate) fn has_taken(lock: *mut pg_sys::LWLock, is_taken: bool, is_exclusive: bool, place: u32) {
    let Some((_, member)) = own() else { return };
    member.waits.address.store(0, Ordering::Release);
    let free = || member.held.iter().find(|noted| noted.address.load(Ordering::Relaxed) == 0);
    if is_taken && let Some(free) = free() {
        free.write(lock.addr(), Kind::LwLock, is_exclusive, place, &name_of(lock).to_string_lossy());
    }
    step();
}

/// It gives it back.
pub(crate) fn gives_back(lock: *mut pg_sys::LWLock) {
    let Some((_, member)) = own() else { return };
    if let Some(noted) = member.held.iter().find(|noted| noted.address.load(Ordering::Relaxed) == lock.addr()) {
        noted.address.store(0, Ordering::Release);
    }
    step();
}

/// It spins for a spinlock from now on, or has it.
pub(crate) fn spins(lock: Option<(usize, u32)>) {
    let Some((_, member)) = own() else { return };
    match lock {
        Some((address, place)) => member.waits.write(address, Kind::Spinlock, true, place, "spinlock"),
        None => member.waits.address.store(0, Ordering::Release),
    }
    step();
}

/// Frees a spinlock that nobody gives back, since nobody is left who could: whoever came next would wait for a minute or two, and then
/// take all processes with him (`s_lock_stuck` in s_lock.c). One in dynamic shared memory is elsewhere here.
pub(crate) fn free_spinlock(address: usize) {
    let lock = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: a spinlock is a byte (`slock_t` in s_lock.h, on x86_64), in memory that all processes have at the same place.
    unsafe {
        if server::ShmemAddrIsValid(lock.cast()) {
            AtomicU8::from_ptr(lock).store(0, Ordering::Release);
        }
    }
}

/// Whether this process was told to end where it waits.
fn is_doomed() -> bool {
    own().is_some_and(|(_, member)| member.is_doomed())
}

/// Ends this process where it was told to end, for good and alone.
pub(crate) fn ends_if_doomed() {
    if !is_doomed() {
        return;
    }
    // SAFETY: the format has no argument, and the texts live for ever. A FATAL does not come back.
    unsafe {
        if server::errstart(pg_sys::FATAL as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN as c_int);
            server::errmsg_internal(c"the worker waited for a lock that nobody gives back".as_ptr());
            server::errfinish(c"company.rs".as_ptr(), 0, c"ends_if_doomed".as_ptr());
        }
    }
}

/// Sleeps for a moment while it spins. Longer each time.
pub(crate) fn spin_delay(turn: u32) {
    if turn < 100 {
        std::hint::spin_loop();
    } else {
        let milliseconds = u64::from(turn - 99).min(50);
        nap(Duration::from_millis(milliseconds));
    }
}
