//! Where reports are kept: a mapping that the postmaster makes and all of its processes share.
//!
//! Shared memory of the server is made anew after a crash, and what was in it is gone (`PostmasterStateMachine` in postmaster.c). A
//! mapping of the postmaster's own stays, and so do the addresses in what is forked from it. Nobody waits for anybody: a slot is
//! written by who has drawn its number, and what is read is held against the number before and after.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use super::report::Report;

/// Reports that are kept; the oldest goes.
const MOST: u64 = 64;

#[repr(C)]
struct Slot {
    /// 0 while nothing was ever written, else twice the number of the report, and one less while it is written.
    state: AtomicU64,
    report: MaybeUninit<Report>,
}

#[repr(C)]
struct Reports {
    /// The number of the newest.
    newest: AtomicU64,
    slots: [Slot; MOST as usize],
}

/// Where they are; the postmaster makes them before it has children. A signal handler has no other way to it, in whatever thread.
static REPORTS: AtomicPtr<Reports> = AtomicPtr::new(std::ptr::null_mut());
/// The same for those of writes that nobody is stopped at.
static WRITES: AtomicPtr<Reports> = AtomicPtr::new(std::ptr::null_mut());

/// Makes the mappings. Where that fails, nothing is kept.
pub(crate) fn prepare() {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    for mapping in [&REPORTS, &WRITES] {
        // SAFETY: a new mapping, of zeros, which is what a ring without reports is.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Reports>(), access, flags, -1, 0) };
        if start != libc::MAP_FAILED {
            mapping.store(start.cast(), Ordering::Relaxed);
        }
    }
}

fn mapped(at: &AtomicPtr<Reports>) -> Option<NonNull<Reports>> {
    NonNull::new(at.load(Ordering::Relaxed))
}

/// Keeps a report. Gives its number; 0 where there is no mapping.
pub(super) fn keep(report: &Report) -> u64 {
    keep_in(&REPORTS, report)
}

/// Keeps a report of a write.
pub(super) fn keep_write(report: &Report) -> u64 {
    keep_in(&WRITES, report)
}

fn keep_in(at: &AtomicPtr<Reports>, report: &Report) -> u64 {
    let Some(reports) = mapped(at) else { return 0 };
    // SAFETY: the mapping is there as long as the process, and a slot is written by who has its number.
    unsafe {
        let reports = reports.as_ptr();
        let number = (*reports).newest.fetch_add(1, Ordering::AcqRel) + 1;
        let slot = &raw mut (*reports).slots[(number % MOST) as usize];
        (*slot).state.store(2 * number - 1, Ordering::Release);
        fence(Ordering::SeqCst);
        (&raw mut (*slot).report).cast::<Report>().write_volatile(*report);
        (*slot).state.store(2 * number, Ordering::Release);
        number
    }
}

/// The number of the newest report.
pub(crate) fn newest() -> u64 {
    // SAFETY: as above.
    mapped(&REPORTS).map_or(0, |reports| unsafe { (*reports.as_ptr()).newest.load(Ordering::Acquire) })
}

/// The reports behind that number that are still there, oldest first.
pub(crate) fn since(number: u64) -> Vec<Report> {
    let newest = newest();
    (number.max(newest.saturating_sub(MOST)) + 1..=newest).filter_map(|number| read(&REPORTS, number)).collect()
}

/// The report of a write, if it is still there.
pub(crate) fn written(number: u64) -> Option<Report> {
    read(&WRITES, number).filter(|_| number > 0)
}

fn read(at: &AtomicPtr<Reports>, number: u64) -> Option<Report> {
    let reports = mapped(at)?;
    // SAFETY: as above; what was written meanwhile is thrown away before it is looked at.
    unsafe {
        let slot = &raw const (*reports.as_ptr()).slots[(number % MOST) as usize];
        let is_whole = || (*slot).state.load(Ordering::Acquire) == 2 * number;
        if !is_whole() {
            return None;
        }
        let report = (&raw const (*slot).report).read_volatile();
        fence(Ordering::SeqCst);
        is_whole().then(|| report.assume_init())
    }
}
