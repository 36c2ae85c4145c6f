//! Parallel workers of a traced query.
//!
//! A worker whose leader traces does so too, from the start of its executor to the end, and then hands over what the targets
//! still hold in memory that outlives the query, and which functions left another context current. The leader counts it for
//! its window. What a worker's session has to keep is told from what piles up by the calls of the targets' functions
//! ([`memcheck_core::judge::workers`]).
//!
//! What the server complains of in a worker reaches the leader as any message does, and is counted there.
//!
//! A worker that is ended before its time - by an error, or because its leader has enough rows - hands over nothing. Nor do
//! those that build indexes or vacuum, which run no executor.

use std::cell::RefCell;

use memcheck_core::census::{Census, Lifetime, Live, Moment, PathId, SiteId};
use memcheck_core::judge::growth::Point;
use memcheck_core::judge::workers::{self, grows_with_calls};
use memcheck_core::{CheckKind, ContextPath, Event, Frame, Site};
use pgrx::pg_sys;

use crate::events::{self, Key};
use crate::shmem::handover::{self, Figures, Kind, Report};
use crate::snapshot::Walker;
use crate::{current_context, guc, statement, trace};

/// The context that a worker works in (`ParallelWorkerMain` in parallel.c).
const WORKER_CONTEXT: &str = "Parallel worker";

/// A worker that traces.
struct Worker {
    leader: i32,
    /// What was held when so many calls had been made.
    marks: Vec<(u64, Census)>,
}

/// What workers held when they ended, of one site in contexts with one path.
struct Held {
    path: PathId,
    frame: Frame,
    live: Live,
    /// The most calls that a worker has made that held some of it, and whether there it grew with them.
    calls: u64,
    grows: bool,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Whether this process is a parallel worker.
pub(crate) fn is_worker() -> bool {
    // SAFETY: a plain variable; -1 except in parallel workers.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// The executor of a worker starts: traces if the leader does.
pub(crate) fn executor_starts() {
    // SAFETY: every process that executes has a PGPROC; a worker is a member of its leader's lock group before it runs
    // anything (`BecomeLockGroupMember` in proc.c), and a PGPROC is never unmapped.
    let leader = unsafe { (*pg_sys::MyProc).lockGroupLeader.as_ref() }.map(|leader| leader.pid);
    let Some((leader, targets)) = leader.and_then(|leader| Some((leader, handover::targets_of(leader)?))) else {
        return;
    };
    if WORKER.with_borrow(Option::is_none) && trace::start(targets, guc::traces_stacks()).is_ok() {
        events::start();
        WORKER.set(Some(Worker { leader, marks: Vec::new() }));
    }
}

/// A function of the targets is about to be called, after so many others.
pub(crate) fn calls(before: u64) {
    if before.is_power_of_two() {
        WORKER.with_borrow_mut(|worker| {
            if let Some(worker) = worker {
                worker.marks.push((before, held()));
            }
        });
    }
}

fn held() -> Census {
    statement::with_walker(|walker| walker.census(Moment::default()))
}

/// The executor of a worker has ended: stops tracing and hands over.
pub(crate) fn executor_ends() {
    let Some(Worker { leader, mut marks }) = WORKER.take() else { return };
    let (_, not_recorded) = trace::occupancy();
    marks.push((current_context::calls(), held()));
    let mut reports = statement::with_walker(|walker| memory(walker, &marks));
    reports.extend(functions());
    let inconsistencies = statement::with_walker(trace::inconsistencies);
    trace::stop();
    events::stop();
    handover::hand_over(leader, &reports, Figures { not_recorded, inconsistencies });
}

/// What outlives the query.
fn memory(walker: &Walker, marks: &[(u64, Census)]) -> Vec<Report> {
    let Some((calls, last)) = marks.last() else { return Vec::new() };
    let paths = walker.paths();
    let names = |path| if path == PathId::HEAP { Vec::new() } else { paths.path(path).names().to_vec() };
    let outlives = |path: PathId| {
        let is_workers = path != PathId::ROOT && names(path).first().is_some_and(|name| name == WORKER_CONTEXT);
        paths.lifetime(path) == Lifetime::Backend && path != PathId::DSM && !is_workers
    };
    last.traced()
        .filter(|&(path, _, live)| outlives(path) && live.bytes > 0)
        .map(|(path, site, live)| {
            let point =
                |(calls, census): &(u64, Census)| Point { iteration: *calls, value: census.live(path, site).bytes };
            let points: Vec<Point> =
                std::iter::once(Point { iteration: 0, value: 0 }).chain(marks.iter().map(point)).collect();
            Report {
                kind: if grows_with_calls(&points) { Kind::Growing } else { Kind::Held },
                frame: trace::describe(site).frame,
                path: names(path),
                detail: String::new(),
                bytes: live.bytes,
                times: live.allocations,
                calls: *calls,
            }
        })
        .collect()
}

/// Functions that left another context current.
fn functions() -> Vec<Report> {
    let counted = events::all().into_iter().zip(events::counts());
    counted
        .filter_map(|(event, times)| {
            let site = event.site.filter(|_| event.check == CheckKind::WrongCtxAlloc)?;
            Some(Report {
                kind: Kind::OtherContext,
                frame: site.frame,
                path: event.subject.names().to_vec(),
                detail: event.detail,
                bytes: 0,
                times,
                calls: 0,
            })
        })
        .collect()
}

/// A leader traces from now on.
pub(crate) fn start(targets: &[String]) {
    HELD.take();
    handover::publish(targets);
}

/// It does not any more.
pub(crate) fn stop() {
    handover::withdraw();
}

/// Takes note of what workers have handed over since the last time. Gives the sums over all of them.
pub(crate) fn collect() -> Figures {
    let (reports, figures) = handover::fetch();
    for report in reports {
        match report.kind {
            Kind::OtherContext => left_context(report),
            Kind::Growing | Kind::Held => HELD.with_borrow_mut(|held| add(held, report)),
        }
    }
    figures
}

fn add(held: &mut Vec<Held>, report: Report) {
    let path = statement::with_walker(|walker| match report.path.as_slice() {
        [] => PathId::HEAP,
        path => walker.path_named(path.iter().cloned()),
    });
    let known = held.iter().position(|held| {
        held.path == path && held.frame.library == report.frame.library && held.frame.offset == report.frame.offset
    });
    let number = known.unwrap_or_else(|| {
        held.push(Held { path, frame: report.frame, live: Live::default(), calls: 0, grows: false });
        held.len() - 1
    });
    let held = &mut held[number];
    held.live.bytes += report.bytes;
    held.live.allocations += report.times;
    if report.calls >= held.calls {
        (held.calls, held.grows) = (report.calls, report.kind == Kind::Growing);
    }
}

fn left_context(report: Report) {
    let Report { frame, path, detail, times, .. } = report;
    // A library that only workers have loaded has no address here; its offsets are none of ours.
    let function = trace::address_of(&frame).unwrap_or(frame.offset as usize);
    events::add(Key::Function(function), times, || {
        Some(Event {
            check: CheckKind::WrongCtxAlloc,
            subject: ContextPath::new(path),
            library: frame.library.clone(),
            site: Some(Site { id: SiteId(0), stack: vec![frame.clone()], frame }),
            detail,
        })
    });
}

/// Adds to a census of the leader's what its workers held.
pub(crate) fn count(census: &mut Census) {
    HELD.with_borrow(|held| {
        for (number, held) in (0..).zip(held) {
            census.count_traced(held.path, SiteId::of_worker(number), held.live);
        }
    });
}

/// The sites of this process and of its workers.
pub(crate) struct Places;

impl workers::Places for Places {
    fn group(&self, site: SiteId) -> usize {
        with_held(site, |held| trace::library_named(&held.frame.library)).unwrap_or_else(|| trace::group_of(site))
    }

    fn grows_in_worker(&self, worker: SiteId) -> bool {
        with_held(worker, |held| held.grows).unwrap_or(false)
    }

    fn is_same(&self, worker: SiteId, own: SiteId) -> bool {
        with_held(worker, |held| trace::is_at(own, &held.frame)).unwrap_or(false)
    }
}

/// Where a site is, in this process or in a worker.
pub(crate) fn describe(site: SiteId) -> Site {
    let in_worker = |held: &Held| Site { id: site, stack: vec![held.frame.clone()], frame: held.frame.clone() };
    with_held(site, in_worker).unwrap_or_else(|| trace::describe(site))
}

fn with_held<R>(site: SiteId, f: impl FnOnce(&Held) -> R) -> Option<R> {
    let number = site.in_worker()?;
    HELD.with_borrow(|held| held.get(number as usize).map(f))
}
