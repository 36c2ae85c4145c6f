//! A call that does not come back: a timer's signal, handled as a fault is.
//!
//! ```text
//! in time, or the process waits for another one's lock    nothing; it comes again
//! too late                                                 landed, where that does no harm
//! `PATIENT` times too late, and not landed                 what it holds is given back, or the process ends
//! ```

use std::cell::{Cell, UnsafeCell};
use std::time::Duration;

use super::report::Report;
use crate::pg::ServerThread;

/// The timer, which is made once.
static TIMER: ServerThread<Cell<Option<libc::timer_t>>> = ServerThread::new(Cell::new(None));
/// How often its signal has come too late.
static TIMES_LATE: ServerThread<Cell<u32>> = ServerThread::new(Cell::new(0));
/// How often it may come before it is too late.
static LEFT: ServerThread<Cell<u32>> = ServerThread::new(Cell::new(0));

/// Whether the process had to give back what it held.
static HAS_GIVEN_BACK: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Where the process has waited for a lock.
struct Shared(UnsafeCell<Option<Report>>);

static WAITED: ServerThread<Shared> = ServerThread::new(Shared(UnsafeCell::new(None)));

/// Whether there is a handler for its signal.
static IS_HANDLED: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));
/// Whether the process is to end whatever it holds.
static IS_LAST: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// The signal: one of those that are faults, which nobody else has a use for.
pub(super) const SIGNAL: i32 = libc::SIGTRAP;

/// How often it comes too late, a second apart, before the process is ended that could not be landed.
const PATIENT: u32 = 3;

/// What a signal of the timer is to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    InTime,
    /// The process is to come back.
    Late,
    /// It is to end, whatever it holds.
    TooLate,
}

/// The process is to come to [`stop`] within so long.
pub(crate) fn start(patience: Duration) {
    begin(0);
    set(patience, patience.min(Duration::from_secs(1)));
}

/// The same; and it is noted where it waits for a lock in the meantime.
pub(crate) fn start_for_wait(patience: Duration) {
    const STEP: Duration = Duration::from_millis(5);
    begin(u32::try_from(patience.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX));
    // SAFETY: the handler writes it only while the timer runs.
    unsafe { *WAITED.0.get() = None };
    set(STEP, STEP);
}

fn begin(left: u32) {
    TIMES_LATE.set(0);
    HAS_GIVEN_BACK.set(false);
    LEFT.set(left);
}

/// The process has come back in time, or has ended.
pub(crate) fn stop() {
    set(Duration::ZERO, Duration::ZERO);
}

/// Whether it has not.
pub(crate) fn has_run_out() -> bool {
    TIMES_LATE.get() > 0
}

/// Whether it has waited for an LWLock that nobody would have given back, and goes on without what it held: it is to end.
pub(crate) fn has_given_back() -> bool {
    HAS_GIVEN_BACK.get()
}

/// It has. In the handler.
pub(super) fn gives_back() {
    HAS_GIVEN_BACK.set(true);
}

/// Where the process has waited for a lock since the last [`start_for_wait`]. The timer does not run any more.
pub(crate) fn waited() -> Option<Report> {
    // SAFETY: as above.
    unsafe { *WAITED.0.get() }
}

/// Whether it is to be noted where the process waits. In the handler.
pub(super) fn wants_wait() -> bool {
    // SAFETY: in the handler, which nothing interrupts.
    LEFT.get() > 0 && unsafe { (*WAITED.0.get()).is_none() }
}

/// It waits there. In the handler.
pub(super) fn waits(report: &Report) {
    // SAFETY: as above.
    unsafe { *WAITED.0.get() = Some(*report) };
}

/// The timer's signal has come. In the handler.
pub(super) fn comes() -> Stage {
    let left = LEFT.get();
    if left > 1 {
        LEFT.set(left - 1);
        return Stage::InTime;
    }
    if left == 1 {
        LEFT.set(0);
        set(Duration::from_secs(1), Duration::from_secs(1));
    }
    let times = TIMES_LATE.get() + 1;
    TIMES_LATE.set(times);
    if times < PATIENT { Stage::Late } else { Stage::TooLate }
}

/// There is a timer, for when there is no time to make one.
pub(crate) fn prepare() {
    set(Duration::ZERO, Duration::ZERO);
}

/// The process was told to end, and is to end by itself; where it has not in a second it ends in the midst of what it does, whatever it
/// holds. A signal handler may call this.
pub(crate) fn insist() {
    if IS_HANDLED.get() {
        IS_LAST.set(true);
        LEFT.set(0);
        set(Duration::from_secs(1), Duration::from_secs(1));
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

fn set(first: Duration, each: Duration) {
    let spec = |time: Duration| libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    };
    // SAFETY: a timer of this process, whose signal is blocked nowhere; a handler may set it.
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
        // Again, where it came at a moment at which nothing could be done.
        let time = libc::itimerspec { it_value: spec(first), it_interval: spec(each) };
        libc::timer_settime(timer, 0, &time, std::ptr::null_mut());
    }
}
