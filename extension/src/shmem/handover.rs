//! What parallel workers hand over to their leader.
//!
//! A leader that traces says so here, and what it traces; its workers look it up when they start and leave their reports
//! when they end, for the leader to fetch. There is a place for every process that can be a leader, and a fixed number of
//! reports, behind one LWLock. A report that finds no room is counted for its leader.

use memcheck_core::room;
use memcheck_core::targets::Targets;

use super::segment::Segment;
use super::text::Text;
use crate::guard::Level;
use crate::guard::faults::policy::Policy;
use crate::guc::Traced;
use crate::pg::process::{most_processes, my_pid};

/// Longest list of targets (bytes). The workers of a leader with a longer one are not traced, and it knows.
const TARGET_BYTES: usize = 2048;
/// Longest sentence, or JSON of a bad access (bytes).
const DETAIL_BYTES: usize = 1024;
/// Reports not yet fetched.
const REPORTS: usize = 1024;

/// A backend that traces. Free where the pid is 0.
#[derive(Clone, Copy)]
#[repr(C)]
struct Leader {
    pid: i32,
    /// The targets, separated by commas.
    targets: Text<TARGET_BYTES>,
    by_calls: bool,
    guard: Level,
    on_fault: Option<Policy>,
    sums: Sums,
}

/// Sums over the workers of a leader.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Sums {
    /// Allocations and reports that found no room.
    pub(crate) not_recorded: u64,
    /// Faults in the workers' account of their allocations.
    pub(crate) inconsistencies: u64,
    /// How often there was no memory for something.
    pub(crate) out_of_memory: u64,
    /// Workers that were to trace, and cannot.
    pub(crate) not_traced: u64,
    /// Workers that have begun to trace, and those that have handed over.
    pub(crate) begun: u64,
    pub(crate) handed_over: u64,
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
    /// A bad access, as JSON in the detail.
    Access,
    /// A library that was loaded, in the frame, of a target, in the detail.
    Loaded,
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
    detail: Text<DETAIL_BYTES>,
    offset: u64,
    bytes: u64,
    times: u64,
    calls: u64,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The beginning of the segment; the leaders follow.
#[repr(C)]
struct Header {
    leaders: u64,
    reports: [Slot; REPORTS],
}

thread_local! {
    static HANDOVER: Segment<Header> = const { Segment::new(c"pg_ext_memcheck handover") };
}

fn segment_size() -> usize {
    size_of::<Header>() + most_processes() * size_of::<Leader>()
}

pub(super) fn request() {
    HANDOVER.with(|segment| segment.request(segment_size()));
}

/// All-zero slots are free ones, and 0 is a kind.
pub(super) fn startup() {
    HANDOVER.with(|segment| {
        if segment.startup(segment_size()) {
            // SAFETY: the reference is the only one: nobody else is there yet.
            segment.with(|header| unsafe { (*header).leaders = most_processes() as u64 });
        }
    });
}

/// Runs something under the lock. Nothing inside may raise an ERROR.
fn with_segment<R>(f: impl FnOnce(&mut [Leader], &mut [Slot]) -> R) -> Option<R> {
    let exclusively = |header: *mut Header| {
        // SAFETY: the leaders follow the header, and the lock makes the references exclusive among all processes.
        unsafe {
            let leaders = std::slice::from_raw_parts_mut(header.add(1).cast::<Leader>(), (*header).leaders as usize);
            f(leaders, &mut (*header).reports)
        }
    };
    HANDOVER.with(|segment| segment.with(exclusively))
}

/// Says that this backend traces, until [`withdraw`]. False if that cannot be said: its workers will not trace.
pub(crate) fn publish(traced: &Traced) -> bool {
    withdraw();
    let Some(targets) = Text::whole(&traced.targets.list()) else { return false };
    let &Traced { by_calls, guard, on_fault, .. } = traced;
    let leader = Leader { pid: my_pid(), targets, by_calls, guard, on_fault, sums: Sums::default() };
    let is_there = with_segment(|leaders, _| {
        leaders.iter_mut().find(|leader| leader.pid == 0).map(|free| *free = leader).is_some()
    });
    is_there.unwrap_or(false)
}

/// Says that this backend does not trace any more; what was not fetched is forgotten.
pub(crate) fn withdraw() {
    let pid = my_pid();
    with_segment(|leaders, reports| {
        leaders.iter_mut().filter(|leader| leader.pid == pid).for_each(|leader| leader.pid = 0);
        reports.iter_mut().filter(|slot| slot.leader == pid).for_each(|slot| slot.leader = 0);
    });
}

/// What a leader traces; none if it does not.
pub(crate) fn traced_by(leader: i32) -> Option<Traced> {
    let found = |leaders: &mut [Leader], _: &mut [Slot]| leaders.iter().find(|other| other.pid == leader).copied();
    let found = with_segment(found).flatten()?;
    let Leader { targets, by_calls, guard, on_fault, .. } = found;
    Some(Traced { targets: Targets::new(&targets.to_text()), by_calls, guard, on_fault })
}

/// Tells a leader that a worker of its begins to trace, or that it cannot.
pub(crate) fn begins(leader: i32, traces: bool) {
    with_segment(|leaders, _| {
        if let Some(owner) = leaders.iter_mut().find(|other| other.pid == leader) {
            *(if traces { &mut owner.sums.begun } else { &mut owner.sums.not_traced }) += 1;
        }
    });
}

/// Leaves reports for a leader.
pub(crate) fn hand_over(leader: i32, reports: &[Report], sums: Sums) {
    with_segment(|leaders, slots| {
        let Some(owner) = leaders.iter_mut().find(|other| other.pid == leader) else { return };
        owner.sums.handed_over += 1;
        owner.sums.inconsistencies += sums.inconsistencies;
        owner.sums.out_of_memory += sums.out_of_memory;
        let mut free = slots.iter_mut().filter(|slot| slot.leader == 0);
        let fill = |report| free.next().map(|free| *free = Slot::new(leader, report));
        let stored = reports.iter().map_while(fill).count();
        owner.sums.not_recorded += sums.not_recorded + (reports.len() - stored) as u64;
    });
}

/// Fetches what workers of this backend have left since the last time, and the sums since [`publish`].
pub(crate) fn fetch() -> (Vec<Report>, Sums) {
    let pid = my_pid();
    let fetched = with_segment(|leaders, reports| {
        let sums = leaders.iter().find(|leader| leader.pid == pid).map(|leader| leader.sums);
        let mut slots = Vec::new();
        for slot in reports.iter_mut().filter(|slot| slot.leader == pid) {
            // Those that there is no room for stay for the next time.
            if !room::push(&mut slots, *slot) {
                break;
            }
            slot.leader = 0;
        }
        (slots, sums.unwrap_or_default())
    });
    let (slots, sums) = fetched.unwrap_or_default();
    let has_room = room::is_there_for(slots.len() * size_of::<(Slot, Report)>());
    (slots.iter().filter(|_| has_room).map(Slot::report).collect(), sums)
}

#[cfg(test)]
mod tests {
    use memcheck_core::Frame;

    use super::*;

    fn report(kind: Kind) -> Report {
        Report {
            kind,
            frame: Frame {
                library: "mine".to_owned(),
                build_id: "00ff".to_owned(),
                offset: 0x1234,
                symbol: Some("grow".to_owned()),
                line: None,
            },
            path: ["TopMemoryContext", "a name, with a comma"].map(str::to_owned).to_vec(),
            detail: "a sentence".to_owned(),
            bytes: 800,
            times: 10,
            calls: 5,
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_handed_over() {
        for kind in [Kind::Growing, Kind::Held, Kind::OtherContext, Kind::Access, Kind::Loaded] {
            assert_eq!(Slot::new(17, &report(kind)).report(), report(kind));
        }
    }

    #[test]
    fn what_a_report_does_not_have_is_not_there_afterwards() {
        let mut report = Report { path: Vec::new(), detail: String::new(), ..report(Kind::Held) };
        report.frame.symbol = None;
        assert_eq!(Slot::new(17, &report).report(), report);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_is_whole() {
        let long = Report { detail: "x".repeat(DETAIL_BYTES + 44), ..report(Kind::OtherContext) };
        let read = Slot::new(17, &long).report();
        assert_eq!(read.detail, "x".repeat(DETAIL_BYTES));
        assert_eq!(Report { detail: String::new(), ..read }, Report { detail: String::new(), ..long });
    }
}
