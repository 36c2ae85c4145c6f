//! A call that does not come back: a timer's signal, handled as a fault is.

use std::cell::Cell;
use std::time::Duration;

use crate::pg::ServerThread;

/// The timer, which is made once.
static TIMER: ServerThread<Cell<Option<libc::timer_t>>> = ServerThread::new(Cell::new(None));
/// Whether its signal has come.
static HAS_RUN_OUT: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Whether there is a handler for its signal.
static IS_HANDLED: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));
/// Whether the process is to end whatever it holds.
static IS_LAST: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// The signal: one of those that are faults, which nobody else has a use for.
pub(super) const SIGNAL: i32 = libc::SIGTRAP;

/// A second is counted from now on, in which the process is to come to [`stop`].
pub(crate) fn start(patience: Duration) {
    HAS_RUN_OUT.set(false);
    set(patience);
}

/// The process has come back in time, or has ended.
pub(crate) fn stop() {
    set(Duration::ZERO);
}

/// Whether it has not.
pub(crate) fn has_run_out() -> bool {
    HAS_RUN_OUT.get()
}

/// The timer's signal has come. In the handler.
pub(super) fn runs_out() {
    HAS_RUN_OUT.set(true);
}

/// There is a timer, for when there is no time to make one.
pub(crate) fn prepare() {
    set(Duration::ZERO);
}

/// The process was told to end, and is to end by itself; where it has not in a second it ends in the midst of what it does, whatever it
/// holds. A signal handler may call this.
pub(crate) fn insist() {
    if IS_HANDLED.get() {
        IS_LAST.set(true);
        set(Duration::from_secs(1));
    }
}

/// Whether the signal is handled from now on; where it is not, it does not come any more.
pub(super) fn handles(is_handled: bool) {
    if !is_handled && IS_LAST.get() {
        stop();
    }
    IS_HANDLED.set(is_handled);
}

/// Whether what the process holds is nothing that it would ever give back.
pub(super) fn insists() -> bool {
    IS_LAST.get()
}

fn set(patience: Duration) {
    // SAFETY: a timer of this process, whose signal is blocked nowhere.
    unsafe {
        let timer = TIMER.get().or_else(|| {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_SIGNAL;
            event.sigev_signo = SIGNAL;
            let mut timer: libc::timer_t = std::mem::zeroed();
            (libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) == 0).then_some(timer)
        });
        TIMER.set(timer);
        let Some(timer) = timer else { return };
        let mut time: libc::itimerspec = std::mem::zeroed();
        time.it_value.tv_sec = patience.as_secs() as libc::time_t;
        time.it_value.tv_nsec = libc::c_long::from(patience.subsec_nanos());
        // Again, where it came at a moment at which nothing could be done.
        time.it_interval.tv_sec = time.it_value.tv_sec.min(1);
        libc::timer_settime(timer, 0, &time, std::ptr::null_mut());
    }
}
