//! The ring of violations that all backends share.
//!
//! A fixed number of slots behind one LWLock. A violation that finds no free slot takes that of the oldest one of the process that
//! has the most ([`super::queues`]), which is counted as lost. Rows that `flush_violations()` has read are claimed until its transaction ends: committed, they are freed;
//! aborted, they are there for the next one.

use std::cell::Cell;
use std::ffi::c_void;

use memcheck_core::{CheckKind, Finding, Severity, room};
use pgrx::prelude::*;

use super::queues::{Entry, Links, Queue, Queues, State};
use super::segment::Segment;
use super::text::Text;
use crate::guc;
use crate::pg::now;
use crate::pg::process::my_pid;

/// Longest sentence kept (bytes). Names in it are 63 bytes where they are identifiers; contexts may have longer ones.
const DETAIL_BYTES: usize = 512;
/// Longest library name kept (bytes).
const LIBRARY_BYTES: usize = 64;

/// One violation.
#[derive(Clone, Copy)]
#[repr(C)]
struct Slot {
    links: Links,
    number: u64,
    pid: i32,
    /// The backend that has read it and not yet committed; 0 for none.
    claimed_by: i32,
    /// Nesting level of the transaction that has read it (1 = top level).
    claim_level: i32,
    at: pg_sys::TimestampTz,
    check: u8,
    severity: u8,
    detail: Text<DETAIL_BYTES>,
    library: Text<LIBRARY_BYTES>,
}

impl Slot {
    fn new(number: u64, pid: i32, at: pg_sys::TimestampTz, finding: &Finding) -> Self {
        Slot {
            links: Links::default(),
            number,
            pid,
            claimed_by: 0,
            claim_level: 0,
            at,
            check: finding.check as u8,
            severity: finding.severity as u8,
            detail: Text::new(&finding.detail),
            library: Text::new(&finding.source_lib),
        }
    }

    fn violation(&self) -> Violation {
        // Discriminants count from 0 in declaration order, which is the order of `ALL`.
        Violation {
            pid: self.pid,
            at: self.at,
            check: CheckKind::ALL[usize::from(self.check)],
            severity: Severity::ALL[usize::from(self.severity)],
            detail: self.detail.to_text(),
            library: self.library.to_text(),
        }
    }
}

impl Entry for Slot {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn number(&self) -> u64 {
        self.number
    }
}

/// What a violation takes that was read (bytes), about.
const VIOLATION: usize = 2 * size_of::<Slot>();

/// The segment; `slots` slots follow, and as many queues.
#[repr(C)]
struct Header {
    slots: u64,
    state: State,
    /// How many of the lost ones somebody was told of.
    told: u64,
}

/// A violation as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) pid: i32,
    pub(crate) at: pg_sys::TimestampTz,
    pub(crate) check: CheckKind,
    pub(crate) severity: Severity,
    pub(crate) detail: String,
    pub(crate) library: String,
}

thread_local! {
    static RING: Segment<Header> = const { Segment::new(c"pg_ext_memcheck ring") };
    /// Whether this backend has claimed rows in the current transaction.
    static CLAIMS: Cell<bool> = const { Cell::new(false) };
    static CALLBACKS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the library was preloaded, so that the segment is there.
pub(crate) fn is_there() -> bool {
    RING.with(Segment::is_there)
}

fn segment_size() -> usize {
    size_of::<Header>() + guc::ring_size() * (size_of::<Slot>() + size_of::<Queue>())
}

pub(super) fn request() {
    RING.with(|ring| ring.request(segment_size()));
}

/// All zero is an empty ring.
pub(super) fn startup() {
    RING.with(|ring| {
        if ring.startup(segment_size()) {
            // SAFETY: the reference is the only one: nobody else is there yet.
            ring.with(|header| unsafe { (*header).slots = guc::ring_size() as u64 });
        }
    });
}

/// Runs something under the ring's lock, with how many losses somebody was told of. Nothing inside may raise an ERROR.
fn with_ring<R>(f: impl FnOnce(Queues<'_, Slot>, &mut u64) -> R) -> Option<R> {
    let exclusively = |header: *mut Header| {
        // SAFETY: slots and queues follow the header, and the lock makes the references exclusive among all backends.
        unsafe {
            let count = (*header).slots as usize;
            let places: *mut Slot = header.add(1).cast();
            let queues: *mut Queue = places.add(count).cast();
            let all = Queues {
                state: &mut (*header).state,
                places: std::slice::from_raw_parts_mut(places, count),
                queues: std::slice::from_raw_parts_mut(queues, count),
            };
            f(all, &mut (*header).told)
        }
    };
    RING.with(|ring| ring.with(exclusively))
}

/// Puts violations of this backend into the ring.
pub(crate) fn push(findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let (pid, at) = (my_pid(), now());
    with_ring(|mut ring, _| {
        findings.iter().for_each(|finding| ring.put(pid, |number| Slot::new(number, pid, at, finding)));
    });
}

/// Takes this backend's violations since a time out of the ring, oldest first.
pub(crate) fn take_mine(since: pg_sys::TimestampTz) -> Vec<Violation> {
    let pid = my_pid();
    take(|slot| slot.pid == pid && slot.at >= since, |_| false)
}

/// Claims all violations that nobody has claimed, oldest first. They leave the ring when the transaction commits.
pub(crate) fn claim_all() -> Vec<Violation> {
    if !CALLBACKS.replace(true) {
        // SAFETY: the callbacks are functions that do not use their argument.
        unsafe {
            pg_sys::RegisterXactCallback(Some(transaction_ends), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), std::ptr::null_mut());
        }
    }
    CLAIMS.set(true);
    let pid = my_pid();
    // SAFETY: reads the transaction state.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    take(
        |slot| slot.claimed_by == 0,
        |slot| {
            slot.claimed_by = pid;
            slot.claim_level = level;
            true
        },
    )
}

/// The violations that are wanted, oldest first. `kept` says whether one stays.
fn take(wanted: impl Fn(&Slot) -> bool, kept: impl Fn(&mut Slot) -> bool) -> Vec<Violation> {
    let mut found = Vec::new();
    with_ring(|mut ring, _| {
        ring.retain(|slot| {
            // Those that there is no room for stay.
            let is_taken = wanted(slot)
                && room::is_there_for(VIOLATION)
                && room::push(&mut found, (slot.number, slot.violation()));
            !is_taken || kept(slot)
        });
    });
    found.sort_unstable_by_key(|&(number, _)| number);
    found.into_iter().map(|(_, violation)| violation).collect()
}

/// Runs something for each slot that this backend has claimed at a transaction level or below it, which says whether it stays.
fn for_my_claims(level: i32, kept: impl Fn(&mut Slot) -> bool) {
    let pid = my_pid();
    with_ring(|mut ring, _| {
        ring.retain(|slot| slot.claimed_by != pid || slot.claim_level < level || kept(slot));
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent;
    let committed = match event {
        XactEvent::XACT_EVENT_COMMIT | XactEvent::XACT_EVENT_PREPARE => true,
        XactEvent::XACT_EVENT_ABORT => false,
        _ => return,
    };
    if CLAIMS.replace(false) {
        for_my_claims(1, |slot| {
            slot.claimed_by = 0;
            !committed
        });
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn subtransaction_ends(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut c_void,
) {
    use pg_sys::SubXactEvent;
    if !CLAIMS.get() {
        return;
    }
    // SAFETY: reads the transaction state; the callback comes before the level is left.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    match event {
        SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => for_my_claims(level, |slot| {
            slot.claim_level = level - 1;
            true
        }),
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => for_my_claims(level, |slot| {
            slot.claimed_by = 0;
            true
        }),
        _ => {}
    }
}

/// So many violations are lost before they are in the ring.
pub(crate) fn loses(number: u64) {
    with_ring(|ring, _| ring.state.lost += number);
}

/// Violations lost since the server started.
pub(crate) fn lost() -> u64 {
    with_ring(|ring, _| ring.state.lost).unwrap_or(0)
}

/// Violations lost that nobody was told of yet; now somebody is.
pub(crate) fn lost_lately() -> u64 {
    with_ring(|ring, told| ring.state.lost - std::mem::replace(told, ring.state.lost)).unwrap_or(0)
}

/// Number of slots, and how many are taken.
pub(crate) fn occupancy() -> (u64, u64) {
    with_ring(|ring, _| (ring.places.len() as u64, ring.state.taken())).unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use memcheck_core::ContextPath;

    use super::*;

    fn finding(detail: &str) -> Finding {
        Finding {
            check: CheckKind::ContextLeak,
            severity: Severity::Warning,
            path: ContextPath::new(["TopMemoryContext"]),
            bytes: 0,
            objects: 0,
            iterations: 0,
            bytes_per_iter: 0.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: "mine".to_owned(),
            site: None,
            marks: Vec::new(),
            detail: detail.to_owned(),
            access: None,
        }
    }

    #[test]
    fn a_violation_is_read_as_it_was_put() {
        for &check in CheckKind::ALL {
            for &severity in Severity::ALL {
                let finding = Finding { check, severity, ..finding("a context has grown") };
                let expected = Violation {
                    pid: 17,
                    at: 1234,
                    check,
                    severity,
                    detail: "a context has grown".to_owned(),
                    library: "mine".to_owned(),
                };
                assert_eq!(Slot::new(1, 17, 1234, &finding).violation(), expected);
            }
        }
    }
}
