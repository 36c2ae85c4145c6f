//! How often a process may be asked, and who follows its signals.
//!
//! A question costs the one who is asked: it answers, and the server has it write a dump. Superusers ask as often as they like; of
//! others one at a time may ask a process, and not again before that has had its rest: for all their questions together it gives
//! a fiftieth of its time.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Places to remember processes in, by their ids. Two that share one rest together; of two that follow their signals one is asked as
/// those are that do not.
const PLACES: usize = 4096;
/// The rest, in times that it took to answer.
const REST: u64 = 49;

/// What is known of a process.
#[repr(C)]
struct Place {
    /// It tells a question from a request for a dump.
    follower: AtomicI32,
    /// Who asks it, of those who are no superusers.
    asker: AtomicI32,
    /// When it may be asked again by such (ns).
    rests_until: AtomicU64,
}

/// All zero is the state in which nobody follows and nobody asks.
#[repr(C)]
pub(crate) struct Paces([Place; PLACES]);

/// The time on a clock that all processes share (ns).
pub(crate) fn clock() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Paces {
    fn place(&self, pid: i32) -> &Place {
        &self.0[pid.unsigned_abs() as usize % PLACES]
    }

    pub(super) fn reset(&self) {
        for place in &self.0 {
            place.follower.store(0, Ordering::Relaxed);
            place.asker.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn follow(&self, pid: i32) {
        self.place(pid).follower.store(pid, Ordering::Relaxed);
    }

    /// Whether that process follows its signals.
    pub(crate) fn follows(&self, pid: i32) -> bool {
        self.place(pid).follower.load(Ordering::Relaxed) == pid
    }

    pub(super) fn process_ends(&self, pid: i32) {
        let forget = |of: &AtomicI32| of.compare_exchange(pid, 0, Ordering::Relaxed, Ordering::Relaxed);
        let _ = forget(&self.place(pid).follower);
        for place in &self.0 {
            let _ = forget(&place.asker);
        }
    }

    /// Whether a process may be asked by `asker`, who is no superuser. If so, nobody else may before the result is dropped.
    pub(crate) fn may_ask(&'static self, pid: i32, asker: i32) -> Option<Turn> {
        let place = self.place(pid);
        place.asker.compare_exchange(0, asker, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        let turn = Turn(place);
        (clock() >= place.rests_until.load(Ordering::Acquire)).then_some(turn)
    }

    /// A process has been at an answer since a time of the clock, and may rest.
    pub(crate) fn has_answered(&self, pid: i32, since: u64) {
        let now = clock();
        let until = now + now.saturating_sub(since).saturating_mul(REST);
        self.place(pid).rests_until.store(until, Ordering::Release);
    }
}

/// The turn of one to ask a process.
pub(crate) struct Turn(&'static Place);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.asker.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paces() -> &'static Paces {
        // SAFETY: all zero is a state, as said above.
        Box::leak(unsafe { Box::<Paces>::new_zeroed().assume_init() })
    }

    #[test]
    fn one_at_a_time_asks_a_process() {
        let paces = paces();
        let turn = paces.may_ask(17, 1).expect("nobody asks");
        assert!(paces.may_ask(17, 2).is_none());
        assert!(paces.may_ask(18, 2).is_some(), "another process");
        drop(turn);
        let turn = paces.may_ask(17, 2).expect("nobody asks any more");
        std::mem::forget(turn);
        assert!(paces.may_ask(17, 1).is_none());
        paces.process_ends(2);
        assert!(paces.may_ask(17, 1).is_some(), "the asker has ended");
    }

    #[test]
    fn a_process_rests() {
        let paces = paces();
        paces.has_answered(17, clock() - 1_000_000_000);
        assert!(paces.may_ask(17, 1).is_none());
        assert!(paces.may_ask(18, 1).is_some());
        let now = clock();
        paces.has_answered(17, now);
        let took = clock() - now;
        std::thread::sleep(std::time::Duration::from_nanos(took * (REST + 1)));
        assert!(paces.may_ask(17, 1).is_some());
    }

    #[test]
    fn who_has_ended_follows_no_more() {
        let paces = paces();
        paces.follow(17);
        assert!(paces.follows(17) && !paces.follows(17 + PLACES as i32));
        paces.process_ends(17);
        assert!(!paces.follows(17));
    }
}
