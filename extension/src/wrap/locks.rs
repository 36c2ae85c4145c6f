//! Locks that targets take: the functions stand in the targets' tables. Noted in workers that run side by side, so that others see who
//! holds what and who waits; elsewhere it is only looked whether the lock is one of those that were asked for ([`super::tranches`]).

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicU8, Ordering};

use pgrx::pg_sys::{LWLock, LWLockMode};

use super::chain::{of_segment, with};
use super::hooked::hooked;
use super::tranches::used;
use crate::pg::{company, server};
use crate::stack::Registers;

/// Where the caller is, as a number of the company's.
pub(super) fn place(from: Registers) -> u32 {
    let mut at = None;
    of_segment(from, |_, origin| at = Some(origin));
    let Some(origin) = at else { return 0 };
    company::place(origin.site(), || with(|chain| chain.places().of(origin).frame))
}

hooked! {
    fn LWLockAcquire(lock: *mut LWLock, mode: LWLockMode::Type) -> bool {
        used(Registers::here(), lock);
        if !company::is_member() {
            // SAFETY: called as the server's function is.
            return unsafe { server::LWLockAcquire(lock, mode) };
        }
        let (place, is_exclusive) = (place(Registers::here()), mode == LWLockMode::LW_EXCLUSIVE);
        company::takes(lock, is_exclusive, place);
        // SAFETY: as above.
        let at_once = unsafe { server::LWLockAcquire(lock, mode) };
        company::has_taken(lock, true, is_exclusive, place);
        company::ends_if_doomed();
        at_once
    }

    fn LWLockConditionalAcquire(lock: *mut LWLock, mode: LWLockMode::Type) -> bool {
        used(Registers::here(), lock);
        // SAFETY: called as the server's function is.
        let is_taken = unsafe { server::LWLockConditionalAcquire(lock, mode) };
        if company::is_member() {
            company::has_taken(lock, is_taken, mode == LWLockMode::LW_EXCLUSIVE, place(Registers::here()));
        }
        is_taken
    }

    fn LWLockRelease(lock: *mut LWLock) {
        if company::is_member() {
            company::gives_back(lock);
        }
        // SAFETY: called as the server's function is.
        unsafe { server::LWLockRelease(lock) };
    }

    fn LWLockInitialize(lock: *mut LWLock, tranche: c_int) {
        used(Registers::here(), lock);
        // SAFETY: called as the server's function is.
        unsafe { server::LWLockInitialize(lock, tranche) };
    }

    /// Where a spinlock is not free. The server gives up after a minute or two, and all processes with it (`s_lock_stuck` in s_lock.c);
    /// here it is found before that.
    fn s_lock(lock: *mut u8, file: *const c_char, line: c_int, function: *const c_char) -> c_int {
        if !company::is_member() {
            // SAFETY: called as the server's function is.
            return unsafe { server::s_lock(lock, file, line, function) };
        }
        company::spins(Some((lock.addr(), place(Registers::here()))));
        // SAFETY: a spinlock is a byte (`slock_t` in s_lock.h, on x86_64), which the caller may write to.
        let byte = unsafe { AtomicU8::from_ptr(lock) };
        let mut turn = 0;
        while byte.load(Ordering::Relaxed) != 0 || byte.swap(1, Ordering::Acquire) != 0 {
            company::spin_delay(turn);
            turn = turn.saturating_add(1);
            company::ends_if_doomed();
        }
        company::spins(None);
        0
    }
}
