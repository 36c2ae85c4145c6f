//! What parallel workers hand over to their leader.
//!
//! A leader that traces says so here, and what it traces; its workers look it up when they start and leave their reports
//! when they end, for the leader to fetch. A fixed number of slots behind one LWLock. A report that finds no room is counted
//! for its leader.

use std::cell::Cell;

use pgrx::prelude::*;

use super::ring::Text;

const NAME: &std::ffi::CStr = c"pg_ext_memcheck handover";

/// Leaders at a time; the workers of others are not traced.
const LEADERS: usize = 64;
/// Reports not yet fetched.
const REPORTS: usize = 1024;

/// A backend that traces. Free where the pid is 0.
#[derive(Clone, Copy)]
#[repr(C)]
struct Leader {
    pid: i32,
    /// The targets, separated by commas.
    targets: Text<512>,
    figures: Figures,
}

/// Sums over the workers of a leader.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Figures {
    /// Allocations and reports that found no room.
    pub(crate) not_recorded: u64,
    /// Faults in the workers' account of their allocations.
    pub(crate) inconsistencies: u64,
}

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Memory held when the worker ended, which grew with the calls.
    Growing,
    /// Memory held when the worker ended, of which that cannot be told.
    Held,
    /// Returns with another context current.
    OtherContext,
}

/// A report as it lies in shared memory. Free where the leader is 0.
#[derive(Clone, Copy)]
#[repr(C)]
struct Slot {
    leader: i32,
    kind: Kind,
    library: Text<64>,
    build_id: Text<64>,
    symbol: Text<64>,
    path: Text<256>,
    detail: Text<256>,
    offset: u64,
    bytes: u64,
    times: u64,
    calls: u64,
}

/// A report.
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) frame: memcheck_core::Frame,
    /// Names from the root, outermost first; none for the heap.
    pub(crate) path: Vec<String>,
    /// A sentence, where it is not about memory.
    pub(crate) detail: String,
    pub(crate) bytes: u64,
    /// Allocations, or how often it happened.
    pub(crate) times: u64,
    /// How often the worker has called functions of the targets.
    pub(crate) calls: u64,
}

/// Between the names of a path.
const SEPARATOR: char = '\0';

impl Slot {
    fn new(leader: i32, report: &Report) -> Self {
        Slot {
            leader,
            kind: report.kind,
            library: Text::new(&report.frame.library),
            build_id: Text::new(&report.frame.build_id),
            symbol: Text::new(report.frame.symbol.as_deref().unwrap_or_default()),
            path: Text::new(&report.path.join(&SEPARATOR.to_string())),
            detail: Text::new(&report.detail),
            offset: report.frame.offset,
            bytes: report.bytes,
            times: report.times,
            calls: report.calls,
        }
    }

    fn report(&self) -> Report {
        let symbol = self.symbol.to_text();
        let path = self.path.to_text();
        Report {
            kind: self.kind,
            frame: memcheck_core::Frame {
                library: self.library.to_text(),
                build_id: self.build_id.to_text(),
                offset: self.offset,
                symbol: Some(symbol).filter(|symbol| !symbol.is_empty()),
                line: None,
            },
            path: path.split(SEPARATOR).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            detail: self.detail.to_text(),
            bytes: self.bytes,
            times: self.times,
            calls: self.calls,
        }
    }
}

#[repr(C)]
struct Segment {
    leaders: [Leader; LEADERS],
    reports: [Slot; REPORTS],
}

thread_local! {
    static SEGMENT: Cell<*mut Segment> = const { Cell::new(std::ptr::null_mut()) };
    static LOCK: Cell<*mut pg_sys::LWLock> = const { Cell::new(std::ptr::null_mut()) };
}

pub(super) fn request() {
    // SAFETY: called from shmem_request_hook.
    unsafe {
        pg_sys::RequestAddinShmemSpace(size_of::<Segment>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

/// As that of the ring.
pub(super) fn startup() {
    let mut found = false;
    // SAFETY: called from shmem_startup_hook; the space and the lock were asked for in `request`.
    unsafe {
        let segment: *mut Segment = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Segment>(), &mut found).cast();
        if !found {
            // All-zero slots are free ones, and 0 is a kind.
            segment.cast::<u8>().write_bytes(0, size_of::<Segment>());
        }
        SEGMENT.set(segment);
        LOCK.set(&raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock);
    }
}

/// Runs something under the lock. Nothing inside may raise an ERROR.
fn with_segment<R>(f: impl FnOnce(&mut Segment) -> R) -> Option<R> {
    let segment = SEGMENT.get();
    if segment.is_null() {
        return None;
    }
    // SAFETY: as in the ring: laid out by `startup`, and the lock makes the reference exclusive.
    unsafe {
        pg_sys::LWLockAcquire(LOCK.get(), pg_sys::LWLockMode::LW_EXCLUSIVE);
        let result = f(&mut *segment);
        pg_sys::LWLockRelease(LOCK.get());
        Some(result)
    }
}

fn my_pid() -> i32 {
    // SAFETY: a plain variable, set when the process was forked.
    unsafe { pg_sys::MyProcPid }
}

/// Says that this backend traces, until [`withdraw`].
pub(crate) fn publish(targets: &[String]) {
    withdraw();
    let leader = Leader { pid: my_pid(), targets: Text::new(&targets.join(",")), figures: Figures::default() };
    with_segment(|segment| {
        if let Some(free) = segment.leaders.iter_mut().find(|leader| leader.pid == 0) {
            *free = leader;
        }
    });
}

/// Says that this backend does not trace any more; what was not fetched is forgotten.
pub(crate) fn withdraw() {
    let pid = my_pid();
    with_segment(|segment| {
        segment.leaders.iter_mut().filter(|leader| leader.pid == pid).for_each(|leader| leader.pid = 0);
        segment.reports.iter_mut().filter(|slot| slot.leader == pid).for_each(|slot| slot.leader = 0);
    });
}

/// What a leader traces; none if it does not.
pub(crate) fn targets_of(leader: i32) -> Option<Vec<String>> {
    let found = with_segment(|segment| segment.leaders.iter().find(|other| other.pid == leader).copied()).flatten()?;
    Some(found.targets.to_text().split(',').map(str::to_owned).collect())
}

/// Leaves reports for a leader.
pub(crate) fn hand_over(leader: i32, reports: &[Report], figures: Figures) {
    let slots: Vec<Slot> = reports.iter().map(|report| Slot::new(leader, report)).collect();
    with_segment(|segment| {
        let Some(owner) = segment.leaders.iter_mut().find(|other| other.pid == leader) else { return };
        owner.figures.inconsistencies += figures.inconsistencies;
        let mut free = segment.reports.iter_mut().filter(|slot| slot.leader == 0);
        let stored = slots.iter().map_while(|slot| free.next().map(|free| *free = *slot)).count();
        owner.figures.not_recorded += figures.not_recorded + (slots.len() - stored) as u64;
    });
}

/// Fetches what workers of this backend have left since the last time, and the sums since [`publish`].
pub(crate) fn fetch() -> (Vec<Report>, Figures) {
    let pid = my_pid();
    let fetched = with_segment(|segment| {
        let figures = segment.leaders.iter().find(|leader| leader.pid == pid).map(|leader| leader.figures);
        let mut slots = Vec::new();
        for slot in segment.reports.iter_mut().filter(|slot| slot.leader == pid) {
            slots.push(*slot);
            slot.leader = 0;
        }
        (slots, figures.unwrap_or_default())
    });
    let (slots, figures) = fetched.unwrap_or_default();
    (slots.iter().map(Slot::report).collect(), figures)
}
