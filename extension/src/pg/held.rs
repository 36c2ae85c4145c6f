//! What this process holds that others wait for. Only looked at: a signal handler may ask.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::{lwlocks, server};

/// Whether this process is in a critical section, so that no ERROR may leave it (`START_CRIT_SECTION` in miscadmin.h).
pub(crate) fn is_in_critical_section() -> bool {
    // SAFETY: a plain variable.
    unsafe { pg_sys::CritSectionCount > 0 }
}

/// Whether interrupts are held off, as they are while an LWLock is held (`LWLockAcquire` in lwlock.c).
pub(crate) fn holds_off_interrupts() -> bool {
    // SAFETY: a plain variable.
    unsafe { pg_sys::InterruptHoldoffCount > 0 }
}

/// Whether the process is about to end by `proc_exit` (ipc.c).
pub(crate) fn is_ending() -> bool {
    // SAFETY: a plain variable.
    unsafe { pg_sys::proc_exit_inprogress }
}

/// Whether an ERROR has somewhere to go: to a frame on this part of the stack, or nowhere, and then it is a FATAL
/// (`errstart` in elog.c).
pub(crate) fn is_caught_on(stack: &std::ops::Range<usize>) -> bool {
    // SAFETY: a plain variable.
    let place = unsafe { pg_sys::PG_exception_stack }.addr();
    place == 0 || place.is_multiple_of(8) && stack.contains(&place)
}

/// Whether this process is one that runs statements for a client, or part of one for another that does.
pub(crate) fn works_for_client() -> bool {
    // SAFETY: plain variables.
    unsafe { pg_sys::MyBgworkerEntry.is_null() || pg_sys::ParallelWorkerNumber >= 0 }
}

/// The last LWLock that this process has taken, by the name of its tranche.
pub(crate) fn lock() -> Option<&'static CStr> {
    /// `PG_WAIT_LWLOCK` (wait_event.h)
    const LWLOCK: u32 = 0x0100_0000;
    let mut last: *mut pg_sys::LWLock = std::ptr::null_mut();
    lwlocks::for_each(|lock, _| last = lock);
    // SAFETY: only looks at what is there: a lock of this process, which is in memory that is mapped while it is held, and a name that
    // stays.
    unsafe { super::text(server::GetLWLockIdentifier(LWLOCK, last.as_ref()?.tranche)) }
}

/// Whether an allocation may fail without harm to others, in a context or, at 0, elsewhere: a transaction is under way, and an ERROR can
/// be raised in it.
pub(crate) fn may_fail_in(context: usize) -> bool {
    // SAFETY: plain variables of the server, and a function that looks at others.
    unsafe { pg_sys::CritSectionCount == 0 && context != pg_sys::ErrorContext.addr() && server::IsTransactionState() }
}

/// Where this process waits for an LWLock, gives back all that it has, its own among them perhaps, so that it comes by. Whether it has
/// waited. In a signal handler.
///
/// It says that it waits only where it waits for its semaphore, after it has put itself into the queue (`LWLockAcquire` in lwlock.c): what it
/// holds is in order, it holds no lock of a queue, and whoever is woken takes it out of the queue. Interrupts stay held off.
pub(crate) fn gives_back_where_it_waits() -> bool {
    /// The class of a wait event, and `PG_WAIT_LWLOCK` (wait_event.h)
    const CLASS: u32 = 0xff00_0000;
    const LWLOCK: u32 = 0x0100_0000;
    // SAFETY: this process's own entry, or null; the function wakes others by semaphores, which a signal handler may.
    unsafe {
        let waits = pg_sys::MyProc.as_ref().map_or(0, |own| (&raw const own.wait_event_info).read_volatile());
        if waits & CLASS != LWLOCK {
            return false;
        }
        server::LWLockReleaseAll();
    }
    true
}

/// This process is to end alone, wherever it is: in a critical section all processes would (`errstart` in elog.c).
pub(crate) fn leave_critical_section() {
    // SAFETY: a plain variable, which `proc_exit` sets as well.
    unsafe { pg_sys::CritSectionCount = 0 };
}

/// Whether it waits for a lock of the lock manager, which another process has.
pub(crate) fn waits_for_lock() -> bool {
    // SAFETY: this process's own entry, or null.
    unsafe { pg_sys::MyProc.as_ref() }.is_some_and(|mine| !mine.waitLock.is_null())
}

/// What this process holds between two messages, when it should hold nothing: an LWLock, interrupts, a critical section.
pub(crate) fn kept() -> Option<String> {
    if is_in_critical_section() {
        return Some("the session is in a critical section".to_owned());
    }
    // Since an ERROR, interrupts are not held off any more (`errfinish` in elog.c).
    match lock() {
        Some(name) => Some(format!("LWLock \"{}\" is held", name.to_string_lossy())),
        None => holds_off_interrupts().then(|| "interrupts are held off".to_owned()),
    }
}

/// How many locks of the lock manager this process holds (pg_locks). Between transactions, these are those of the session.
pub(crate) fn locks() -> usize {
    let mine = super::process::my_pid();
    // SAFETY: a copy of what there is, in the current context.
    unsafe {
        let all = pg_sys::GetLockStatusData();
        let locks = std::slice::from_raw_parts((*all).locks, (*all).nelements.max(0) as usize);
        locks.iter().filter(|lock| lock.pid == mine).count()
    }
}
