//! Requests to log this process's memory contexts: somebody's, and those that another backend's question makes.
//!
//! The server knows but one bit of them (`LogMemoryContextPending`), and sends it by SIGUSR1. A process that follows its signals
//! tells the two apart, since a question is no request of the server's: it comes with a bare SIGUSR1 and is found where it was
//! put. So a dump that somebody wants is given together with an answer, and one that nobody wants is known as such. While one goes
//! on the server drops further requests; the one that comes during a dump that nobody sees is served here ([`log_contexts`]).

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pgrx::pg_sys;

use super::server;

/// How much of the tree the server logs at most, in levels and children of a context.
const MOST: c_int = 100;

/// Whether a question is put to this process. Called by a signal handler.
type IsAsked = fn() -> bool;

/// The handler that was there before, and whom to ask; 0 while nothing is followed.
static BEFORE: AtomicUsize = AtomicUsize::new(0);
static IS_ASKED: AtomicUsize = AtomicUsize::new(0);
/// Whether somebody has asked for a dump since the last one.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Follows the signals of this process from now on. False if that was so already, or cannot be. A request that has come before is
/// somebody's, unless there is a question.
pub(crate) fn follow(is_asked: IsAsked) -> bool {
    if is_followed() {
        return false;
    }
    // SAFETY: a struct of plain numbers. The handler is put in front of the one that is there, with its flags.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let is_function = |handler| handler != libc::SIG_DFL && handler != libc::SIG_IGN;
        if libc::sigaction(libc::SIGUSR1, std::ptr::null(), &mut action) != 0 || !is_function(action.sa_sigaction) {
            return false;
        }
        IS_ASKED.store(is_asked as usize, Ordering::Relaxed);
        BEFORE.store(action.sa_sigaction, Ordering::Release);
        action.sa_sigaction = on_signal as *const () as usize;
        if libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) != 0 {
            BEFORE.store(0, Ordering::Relaxed);
        }
        if (&raw const pg_sys::LogMemoryContextPending).read_volatile() != 0 && !is_asked() {
            WANTED.store(true, Ordering::Relaxed);
        }
    }
    is_followed()
}

fn is_followed() -> bool {
    BEFORE.load(Ordering::Relaxed) != 0
}

/// Whether somebody has asked for the dump that begins now. None where it is not known.
pub(crate) fn take_wanted() -> Option<bool> {
    is_followed().then(|| WANTED.swap(false, Ordering::Relaxed))
}

/// Whether somebody has asked for a dump since the last one began.
pub(crate) fn is_wanted() -> bool {
    is_followed() && WANTED.load(Ordering::Relaxed)
}

/// Logs this process's memory contexts, as the server does (`ProcessLogMemoryContextInterrupt` in mcxt.c) unless it is at it
/// already.
pub(crate) fn log_contexts() {
    // SAFETY: messages for the log return while interrupts are held. The format's argument is as it says.
    unsafe {
        pg_sys::InterruptHoldoffCount += 1;
        if server::errstart(pg_sys::LOG_SERVER_ONLY as c_int, std::ptr::null()) {
            pg_sys::errhidestmt(true);
            pg_sys::errhidecontext(true);
            server::errmsg_internal(c"logging memory contexts of PID %d".as_ptr(), pg_sys::MyProcPid);
            server::errfinish(c"dumps.rs".as_ptr(), 0, c"log_contexts".as_ptr());
        }
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pg_sys::MemoryContextStatsDetail(pg_sys::TopMemoryContext, MOST, false);
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        pg_sys::MemoryContextStatsDetail(pg_sys::TopMemoryContext, MOST, MOST, false);
        pg_sys::InterruptHoldoffCount -= 1;
    }
}

/// Stands in front of `procsignal_sigusr1_handler` (procsignal.c), which sets the server's bit where it finds a request.
///
/// From 19 on the server's handler takes all that the kernel has to say (`wrapper_handler` in pqsignal.c), and its flags are those of
/// such a one. Before, it takes the number alone, and what else is passed it does not see.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let (before, is_asked) = (BEFORE.load(Ordering::Acquire), IS_ASKED.load(Ordering::Relaxed));
    let pending = &raw mut pg_sys::LogMemoryContextPending;
    // SAFETY: both numbers were functions of these types. The variables are the server's, for its handlers to write to; the
    // process goes on only when all of them are as the server would have them.
    unsafe {
        let before: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = std::mem::transmute(before);
        let is_asked: IsAsked = std::mem::transmute(is_asked);
        let errno = *libc::__errno_location();
        let earlier = pending.read_volatile();
        pending.write_volatile(0);
        before(signal, info, context);
        if pending.read_volatile() != 0 {
            WANTED.store(true, Ordering::Relaxed);
        }
        if is_asked() {
            pending.write_volatile(1);
            (&raw mut pg_sys::InterruptPending).write_volatile(1);
        }
        if earlier != 0 {
            pending.write_volatile(earlier);
        }
        *libc::__errno_location() = errno;
    }
}
