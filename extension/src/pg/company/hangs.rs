//! Workers that do not come back: whether one looks for interrupts, and how one is brought to an end that does not.
//!
//! The session asks, and a signal handler of the worker's sets the flag by which CHECK_FOR_INTERRUPTS calls ProcessInterrupts
//! (miscadmin.h). That finds nothing to do, and takes the flag back before it looks (`ProcessInterrupts` in postgres.c): where it still
//! stands a while later, nobody has looked.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

use super::super::server;
use super::super::thread::ServerThread;
use super::{CLASS, LWLOCK, Member, clock, own};

/// What a worker is asked, and has answered. All zero at first.
#[repr(C)]
pub(super) struct Asked {
    /// Counts what it was asked, and what it has heard of that.
    asked: AtomicU32,
    heard: AtomicU32,
    /// Whether it has not looked since.
    is_deaf: AtomicU32,
    /// When it has heard, and how long it had worked by then, and has since (nanoseconds).
    since: AtomicU64,
    worked: AtomicU64,
    works: AtomicU64,
}

/// For how long a worker has not looked for interrupts.
pub(crate) struct Deaf {
    /// In all.
    pub(crate) time: Duration,
    /// In which the system has had it work.
    pub(crate) work: Duration,
}

/// How long this process has worked (nanoseconds).
fn worked() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes a struct of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Member {
    /// Asks whether it looks for interrupts, and says for how long it has not since it was asked first. While it waits for an
    /// LWLock nobody expects it to.
    pub(crate) fn asks(&self) -> Option<Deaf> {
        if self.pid() == 0 || self.event() & CLASS == LWLOCK {
            return None;
        }
        let asked = &self.asked;
        let is_deaf = asked.is_deaf.load(Ordering::Acquire) != 0;
        if !is_deaf && asked.heard.load(Ordering::Relaxed) == asked.asked.load(Ordering::Relaxed) {
            asked.asked.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: a worker that is this session's, which handles the signal.
        unsafe { libc::kill(self.pid(), libc::SIGUSR2) };
        is_deaf.then(|| Deaf {
            time: Duration::from_nanos(clock().saturating_sub(asked.since.load(Ordering::Relaxed))),
            work: Duration::from_nanos(asked.works.load(Ordering::Relaxed)),
        })
    }

    /// In the handler: hears, or says whether it has looked since.
    fn answers(&self) {
        let asked = &self.asked;
        let number = asked.asked.load(Ordering::Relaxed);
        // SAFETY: a flag of this process, and its own latch, which a signal handler may set.
        unsafe {
            let is_pending = &raw mut pg_sys::InterruptPending;
            if asked.heard.swap(number, Ordering::Relaxed) != number {
                asked.since.store(clock(), Ordering::Relaxed);
                asked.worked.store(worked(), Ordering::Relaxed);
                asked.works.store(0, Ordering::Relaxed);
                is_pending.write_volatile(1);
                server::SetLatch(pg_sys::MyLatch);
                asked.is_deaf.store(1, Ordering::Release);
            } else if is_pending.read_volatile() == 0 {
                asked.is_deaf.store(0, Ordering::Release);
            } else {
                asked.works.store(worked() - asked.worked.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }
}

type Ends = Option<fn()>;

/// What ends this process where it does not look for interrupts.
static ENDS: ServerThread<Cell<Ends>> = ServerThread::new(Cell::new(None));

/// Handles the signal of the session's, which is ignored in background workers otherwise (`BackgroundWorkerMain` in bgworker.c).
/// `ends` is to end the process where it was told to end and may not hear of it; a signal handler calls it.
pub(super) fn listen(ends: fn()) {
    ENDS.set(Some(ends));
    // SAFETY: a handler of ours.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
    }
}

/// Where the process was told to end and waits for an LWLock, it gives back those that it has, so that the others come by.
///
/// While it says that it waits for one, it is in the loop in which `LWLockAcquire` waits for its semaphore (lwlock.c), after it has
/// put itself into the queue: what it holds is in order, and it holds no lock of a queue. Interrupts stay held off.
unsafe extern "C-unwind" fn on_signal(_: c_int) {
    let Some((_, member)) = own() else { return };
    // SAFETY: variables of this process, and a function that wakes others by semaphores, which a signal handler may. `errno` is that of
    // this thread.
    unsafe {
        let errno = *libc::__errno_location();
        if !member.is_doomed() {
            member.answers();
        } else if member.event() & CLASS == LWLOCK {
            server::LWLockReleaseAll();
        } else if let Some(ends) = ENDS.get() {
            ends();
        }
        *libc::__errno_location() = errno;
    }
}
