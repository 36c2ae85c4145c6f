//! Parallel workers of a traced query.
//!
//! A worker whose leader traces does so too, from its start to the end of its part in the transaction, whether it runs an executor,
//! builds an index or vacuums one, and whether it comes to the end of its work or is ended before. Then it hands over what the
//! targets still hold in memory that outlives the query, and which functions left another context current. The leader counts it for
//! its window. What a worker's session has to keep is told from what piles up by the calls of the targets' functions
//! ([`memcheck_core::judge::workers`]).
//!
//! What the server complains of in a worker reaches the leader as any message does, and is counted there.
//!
//! One that hands over nothing all the same is counted.

use memcheck_core::census::{Census, Lifetime, Live, Moment, PathId, SiteId};
use memcheck_core::judge::growth::Point;
use memcheck_core::judge::workers::{self, grows_with_calls};
use memcheck_core::targets::{Loaded, add_loaded};
use memcheck_core::{CheckKind, ContextPath, Event, Finding, Frame, Site, room, wire};

use super::Session;
use super::events::Key;
use crate::guc::Traced;
use crate::pg::process::leader;
use crate::shmem::handover::{self, Kind, Report, Sums};
use crate::trace::Places;
use crate::wrap;

/// The context that a worker works in (`ParallelWorkerMain` in parallel.c).
const WORKER_CONTEXT: &str = "Parallel worker";

/// A worker that traces.
struct Worker {
    leader: i32,
    /// What was held when so many calls had been made.
    marks: Vec<(u64, Census)>,
    /// How often there had been no memory for something before.
    out_of_memory: u64,
}

/// The targets that are loaded in this process.
fn reports_of_libraries() -> Vec<Report> {
    let report = |Loaded { target, library }: Loaded| {
        Some(Report {
            kind: Kind::Loaded,
            frame: Frame { library: library?, ..Frame::default() },
            path: Vec::new(),
            detail: target?,
            bytes: 0,
            times: 1,
            calls: 0,
        })
    };
    let loaded = wrap::with(|chain| chain.stack.targets.loaded()).unwrap_or_default();
    if !room::is_there_for(loaded.len() * size_of::<Report>()) {
        return Vec::new();
    }
    loaded.into_iter().filter_map(report).collect()
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

/// The workers of this process, or this process as one.
#[derive(Default)]
pub(super) struct Workers {
    /// This process, where it is one that traces.
    own: Option<Worker>,
    held: Vec<Held>,
    /// Their bad accesses, and how many of those could not be told.
    accesses: Vec<Finding>,
    not_recorded: u64,
    /// Targets that were loaded in them.
    loaded: Vec<Loaded>,
}

/// Asks where something is, in this process.
fn place<R>(ask: impl FnOnce(&Places<'_>) -> R) -> Option<R> {
    wrap::with(|chain| ask(&chain.places()))
}

impl Workers {
    /// Adds to a census of the leader's what its workers held.
    pub(super) fn count(&self, census: &mut Census) {
        for (number, held) in (0..).zip(&self.held) {
            census.count_traced(held.path, SiteId::of_worker(number), held.live);
        }
    }

    /// The sites of this process and of its workers.
    pub(super) fn places(&self) -> impl workers::Places + '_ {
        AllPlaces(&self.held)
    }

    /// Where a site is, in this process, with the stack of this number, or in a worker.
    pub(super) fn describe(&self, site: SiteId, stack: u32) -> Site {
        let in_worker = |held: &Held| Site { id: site, stack: vec![held.frame.clone()], frame: held.frame.clone() };
        held_at(&self.held, site)
            .map(in_worker)
            .or_else(|| place(|places| places.describe(site, stack)))
            .unwrap_or_else(|| Site::numbered(site))
    }
}

fn held_at(held: &[Held], site: SiteId) -> Option<&Held> {
    held.get(site.in_worker()? as usize)
}

struct AllPlaces<'a>(&'a [Held]);

impl workers::Places for AllPlaces<'_> {
    fn group(&self, site: SiteId) -> usize {
        let group = match held_at(self.0, site) {
            Some(held) => place(|places| places.library_named(&held.frame.library)),
            None => place(|places| places.group_of(site)),
        };
        group.flatten().unwrap_or(usize::MAX)
    }

    fn grows_in_worker(&self, worker: SiteId) -> bool {
        held_at(self.0, worker).is_some_and(|held| held.grows)
    }

    fn is_same(&self, worker: SiteId, own: SiteId) -> bool {
        let is_same = |held: &Held| place(|places| places.is_at(own, &held.frame));
        held_at(self.0, worker).and_then(is_same).unwrap_or(false)
    }
}

impl Session {
    /// A parallel worker is about to work: traces if the leader does.
    pub(crate) fn worker_starts(&mut self) {
        if self.workers.own.is_some() {
            return;
        }
        let Some((leader, traced)) = leader().and_then(|leader| Some((leader, handover::traced_by(leader)?))) else {
            return;
        };
        let out_of_memory = room::refused();
        let traces = self.trace(Some(traced)).is_ok();
        handover::begins(leader, traces);
        if traces {
            self.events.start();
            self.workers.own = Some(Worker { leader, marks: Vec::new(), out_of_memory });
        }
    }

    /// A function of the targets is about to be called, after so many others.
    pub(super) fn worker_has_called(&mut self, before: u64) {
        if before.is_power_of_two() && self.workers.own.is_some() {
            let held = self.census(Moment::default());
            if let Some(worker) = self.workers.own.as_mut().filter(|_| held.is_whole()) {
                room::push(&mut worker.marks, (before, held));
            }
        }
    }

    /// A worker's part in the transaction ends: stops tracing and hands over.
    pub(crate) fn worker_ends(&mut self) {
        let Some(Worker { leader, mut marks, out_of_memory }) = self.workers.own.take() else { return };
        let last = self.census(Moment::default());
        let is_known = last.is_whole() && room::push(&mut marks, (self.calls.made(), last));
        let mut reports = if is_known { self.reports_of_memory(&marks) } else { Vec::new() };
        reports.extend(self.reports_of_functions());
        reports.extend(self.reports_of_accesses());
        reports.extend(reports_of_libraries());
        let walker = &self.walker;
        let sums = wrap::with(|chain| Sums {
            not_recorded: chain.not_recorded() + self.events.not_recorded(),
            inconsistencies: chain.inconsistencies(walker),
            out_of_memory: room::refused() - out_of_memory,
            ..Sums::default()
        });
        wrap::stop();
        self.events.stop();
        handover::hand_over(leader, &reports, sums.unwrap_or_default());
    }

    /// What outlives the query.
    fn reports_of_memory(&self, marks: &[(u64, Census)]) -> Vec<Report> {
        /// What a report and what it is made from take (bytes), about.
        const REPORT: usize = 2048;
        let Some((calls, last)) = marks.last() else { return Vec::new() };
        if !room::is_there_for(last.curves() * REPORT) {
            return Vec::new();
        }
        let paths = self.walker.paths();
        let names = |path| if path == PathId::HEAP { Vec::new() } else { paths.path(path).names().to_vec() };
        let outlives = |path: PathId| {
            let is_workers = path != PathId::ROOT && names(path).first().is_some_and(|name| name == WORKER_CONTEXT);
            paths.lifetime(path) == Lifetime::Backend && !path.is_shared() && path != PathId::MAPPED && !is_workers
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
                    frame: self.workers.describe(site, 0).frame,
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
    fn reports_of_functions(&self) -> Vec<Report> {
        let counted = self.events.all().into_iter().zip(self.events.counts());
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

    /// Bad accesses.
    fn reports_of_accesses(&mut self) -> Vec<Report> {
        let report = |finding: Finding| {
            Some(Report {
                kind: Kind::Access,
                detail: wire::short_access(&finding)?,
                frame: Frame::default(),
                path: Vec::new(),
                bytes: 0,
                times: finding.objects,
                calls: 0,
            })
        };
        let accesses = self.take_accesses();
        if !room::is_there_for(accesses.len() * size_of::<Report>()) {
            return Vec::new();
        }
        accesses.into_iter().filter_map(report).collect()
    }

    /// Whether this is a worker that traces for its leader.
    pub(super) fn is_tracing_worker(&self) -> bool {
        self.workers.own.is_some()
    }

    /// The workers of this session's queries trace this from now on. False if they cannot be told.
    pub(super) fn lead(&mut self, traced: &Traced) -> bool {
        self.workers.held.clear();
        self.workers.accesses.clear();
        self.workers.not_recorded = 0;
        self.workers.loaded.clear();
        handover::publish(traced)
    }

    /// They trace nothing any more.
    pub(super) fn stop_leading(&mut self) {
        handover::withdraw();
    }

    /// Takes note of what workers have handed over since the last time. Gives the sums over all of them.
    pub(super) fn collect_from_workers(&mut self) -> Sums {
        let (reports, sums) = handover::fetch();
        for report in reports {
            match report.kind {
                Kind::OtherContext => self.left_context(report),
                Kind::Access => self.accessed(&report),
                Kind::Loaded => {
                    let loaded = Loaded { target: Some(report.detail), library: Some(report.frame.library) };
                    add_loaded(&mut self.workers.loaded, &[loaded]);
                }
                Kind::Growing | Kind::Held => self.add_held(report),
            }
        }
        Sums { not_recorded: sums.not_recorded + self.workers.not_recorded, ..sums }
    }

    /// A worker's bad access. Several workers may have done the same.
    fn accessed(&mut self, report: &Report) {
        let Ok(finding) = wire::read_short_access(&report.detail) else {
            // It was too long.
            self.workers.not_recorded += 1;
            return;
        };
        let all = &mut self.workers.accesses;
        match all.iter_mut().find(|other| other.is_about_the_same(&finding) && other.site == finding.site) {
            Some(known) => known.objects += finding.objects,
            None => _ = room::push(all, finding),
        }
    }

    /// The targets that workers have loaded.
    pub(super) fn loaded_by_workers(&self) -> Vec<Loaded> {
        self.workers.loaded.clone()
    }

    /// Takes what workers have told of bad accesses.
    pub(super) fn take_accesses_of_workers(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.workers.accesses)
    }

    fn add_held(&mut self, report: Report) {
        let path = match report.path.as_slice() {
            [] => PathId::HEAP,
            path => self.walker.path_named(path.iter().cloned()),
        };
        let all = &mut self.workers.held;
        let known = all.iter().position(|held| {
            held.path == path && held.frame.library == report.frame.library && held.frame.offset == report.frame.offset
        });
        let number = known.unwrap_or(all.len());
        let new = Held { path, frame: report.frame, live: Live::default(), calls: 0, grows: false };
        if known.is_none() && !room::push(all, new) {
            return;
        }
        let held = &mut all[number];
        held.live.bytes += report.bytes;
        held.live.allocations += report.times;
        if report.calls >= held.calls {
            (held.calls, held.grows) = (report.calls, report.kind == Kind::Growing);
        }
    }

    fn left_context(&mut self, report: Report) {
        let Report { frame, path, detail, times, .. } = report;
        // A library that only workers have loaded has no address here; its offsets are none of ours.
        let function = place(|places| places.address_of(&frame)).flatten().unwrap_or(frame.offset as usize);
        self.events.count(Key::Function(function), times, || {
            Some(Event {
                check: CheckKind::WrongCtxAlloc,
                subject: ContextPath::new(path),
                library: frame.library.clone(),
                site: Some(Site { id: SiteId(0), stack: vec![frame.clone()], frame }),
                detail,
            })
        });
    }
}
