//! What a background worker does: it runs a workload in a window of its own, and says what that has found.

use std::cell::Cell;
use std::ffi::CString;

use memcheck_core::judge::growth;
use memcheck_core::judge::outlived::Left;
use memcheck_core::scenario::Terms;
use memcheck_core::targets::Loaded;
use memcheck_core::{ContextPath, Finding, ScenarioKind};
use memcheck_core::{finding, room, wire};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failing::{self, Part};
use crate::guard::faults::watch;
use crate::pg::client::{self, Times};
use crate::pg::errors::{Raised, is_leaving};
use crate::pg::{ServerThread, background, company, parameters, transactions};
use crate::session::{self, Closed, Figures};
use crate::wrap::storm;

/// A task, as it is handed to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    /// The word of the scenario.
    pub(super) scenario: String,
    pub(super) iterations: u64,
    pub(super) reset_every: u64,
    pub(super) workload: String,
    /// What is to be done where allocations fail.
    #[serde(default)]
    pub(super) failing: Option<Part>,
    /// Its place among those that it runs together with, where it does.
    pub(super) seat: Option<Seat>,
}

/// A worker's place in a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    /// By what the company is found.
    pub(super) segment: u32,
    pub(super) number: u32,
    /// What chance begins with.
    pub(super) seed: u64,
}

/// What a worker says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    findings: Vec<Value>,
    /// Figures of its window.
    figures: Vec<(String, u64)>,
    /// Which loaded libraries were targets, and which targets were not loaded.
    targets: Vec<(Option<String>, Option<String>)>,
    /// Segments of dynamic shared memory that it has pinned.
    pinned: Vec<Pinned>,
}

/// A segment that a worker has pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pinned {
    path: Vec<String>,
    /// None of one that is registered by a name, which stays.
    pub(super) handle: Option<u32>,
    site: wire::SiteRecord,
    bytes: u64,
}

impl Pinned {
    fn new(segment: &Left, handle: Option<u32>) -> Self {
        let path = segment.path.names().to_vec();
        Pinned { path, handle, site: (&segment.site).into(), bytes: segment.bytes }
    }

    /// What it is where it has outlived its worker.
    pub(super) fn left(&self) -> Left {
        Left { path: ContextPath::new(self.path.iter().cloned()), site: (&self.site).into(), bytes: self.bytes }
    }
}

impl Outcome {
    fn of(closed: &Closed, pinned: &[(Left, Option<u32>)]) -> Self {
        let named = closed.figures.named().map(|(name, value)| (name.to_owned(), value));
        Outcome {
            findings: closed.findings.iter().map(wire::finding).collect(),
            figures: named.collect(),
            targets: closed.targets.iter().map(|loaded| (loaded.target.clone(), loaded.library.clone())).collect(),
            pinned: pinned.iter().map(|(left, handle)| Pinned::new(left, *handle)).collect(),
        }
    }

    /// What its window has found; of what cannot be read there is none.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for finding in self.findings.iter().filter_map(|finding| wire::read_finding(finding).ok()) {
            room::push(&mut findings, finding);
        }
        findings
    }

    /// Segments that it has pinned.
    pub(super) fn pinned(&self) -> &[Pinned] {
        &self.pinned
    }

    /// How much it has looked at, and what its targets were.
    pub(super) fn looked_at(&self) -> Option<(Figures, Vec<Loaded>)> {
        let figure = |name: &str| self.figures.iter().find(|(other, _)| other == name).map(|&(_, value)| value);
        let loaded = |(target, library): &(Option<String>, Option<String>)| Loaded {
            target: target.clone(),
            library: library.clone(),
        };
        let has_room = room::is_there_for(self.targets.len() * size_of::<Loaded>());
        Some((Figures::read(figure)?, self.targets.iter().filter(|_| has_room).map(loaded).collect()))
    }
}

/// Whether this worker has said what it has found.
static IS_SAID: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Has workers do their tasks. In the postmaster.
pub(crate) fn begin_workers() {
    background::on_start(work);
}

/// Does a task. What it owns lives as long as the process, which an ERROR of the workload ends.
fn work(text: &'static [u8]) -> Result<(), Raised> {
    let Some((task, kind)) = read(text) else { return Ok(()) };
    let workload: &'static CString = Box::leak(Box::new(CString::new(task.workload).unwrap_or_default()));
    if let Some(part) = task.failing {
        client::in_transaction(|| begin_failing(kind));
        return failing::work(workload, part, close);
    }
    // Called before the window is closed by the session itself, and before the transaction is aborted.
    client::in_transaction(|| begin(kind));
    transactions::at_exit(|| {
        if !is_leaving() {
            client::abandon();
            say();
        }
        company::leave();
    });
    if task.seat.is_some() {
        watch::prepare();
    }
    if let Some(seat) = task.seat
        && !company::join(seat.segment, seat.number as usize, watch::insist)
    {
        say();
        return Ok(());
    }
    let mut chance = task.seat.map(|seat| Chance::new(seat.seed, seat.number));
    let times = if kind == ScenarioKind::ContextResetStorm { Times::Twice } else { Times::Once };
    let statements: &'static [CString] = client::statements(workload)?.leak();
    let in_storm = times == Times::Twice;
    if let Some(chance) = &mut chance {
        client::execute(Box::leak(Box::new(chance.of_workload())), Times::Once)?;
        client::message_ends();
        client::leave_transaction();
    }
    // Accesses are seen as they happen.
    let marked = if kind.description().needs_pages { Vec::new() } else { growth::marks(task.iterations) };
    for iteration in 1..=task.iterations {
        if !company::begins(iteration) {
            break;
        }
        let began = company::clock();
        for statement in statements {
            client::execute(statement, times)?;
            if !in_storm {
                client::message_ends();
            }
            look_for_locks();
        }
        client::leave_transaction();
        company::ends(iteration);
        let took = company::clock() - began;
        if marked.binary_search(&iteration).is_ok() {
            session::with(|session| session.mark_between(iteration));
        }
        if in_storm && iteration % task.reset_every == 0 {
            client::message_ends();
        }
        if let Some(chance) = &mut chance {
            chance.pause(iteration, took);
        }
    }
    say();
    Ok(())
}

/// Numbers that look like chance, and are the same each time.
struct Chance(u64);

impl Chance {
    fn new(seed: u64, number: u32) -> Self {
        Chance(seed ^ u64::from(number).wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Has `random()` of the workload begin with it as well.
    fn of_workload(&mut self) -> CString {
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        CString::new(format!("SELECT pg_catalog.setseed({part})")).unwrap_or_default()
    }

    /// Between two iterations, of which the last took so long (nanoseconds): waits for the others, so that the next ones begin side by
    /// side, and then for a part of an iteration, so that each time other parts of them meet.
    fn pause(&mut self, iteration: u64, took: u64) {
        const MICROSECOND: u64 = 1000;
        const MILLISECOND: u64 = 1000 * MICROSECOND;
        company::meet(iteration, (2 * took).clamp(MILLISECOND, 20 * MILLISECOND));
        company::pause(self.next() % took.clamp(20 * MICROSECOND, MILLISECOND));
    }
}

/// A statement is done: notes LWLocks that it has kept, and gives them back, as the server does at the end of one that fails.
fn look_for_locks() {
    if !company::is_member() || !company::holds_locks() {
        return;
    }
    let locks = company::own_locks();
    session::with(|session| {
        for lock in &locks {
            session.kept_lock(&lock.name, lock.place.clone());
        }
        if locks.is_empty() {
            session.kept_lock("", None);
        }
    });
    company::give_back_locks();
}

fn read(text: &[u8]) -> Option<(Task, ScenarioKind)> {
    let task = serde_json::from_slice::<Task>(text).ok()?;
    let kind = task.scenario.parse().ok()?;
    Some((task, kind))
}

/// Opens the window. In a transaction.
fn begin(kind: ScenarioKind) {
    // Whatever the session says that has asked for it: this process is there for that.
    if kind.description().needs_pages && !session::guards_by_pages() {
        parameters::impose(c"pg_ext_memcheck.guard", c"pages");
    }
    parameters::impose(c"pg_ext_memcheck.on_fault", c"error");
    let rules = session::plain_terms().rules;
    session::with(|session| session.begin_between(Terms { scenario: kind, rules }));
    storm::strike();
}

/// The same, of a worker that has allocations fail. What that leads to may be a bad access.
fn begin_failing(kind: ScenarioKind) {
    session::failing::guard_at_least();
    parameters::impose(c"pg_ext_memcheck.on_fault", c"error");
    // What fails is not for whoever has asked for it to say.
    parameters::impose(c"pg_ext_memcheck.fail_alloc", c"");
    let rules = session::plain_terms().rules;
    session::with(|session| session.begin(Terms { scenario: kind, rules }));
}

/// Closes the window. Gives what it was.
fn close() -> Option<Value> {
    let mut found = None;
    session::unless_busy(|session| {
        if session.end().is_none() {
            return;
        }
        let closed = session.closed();
        if room::is_there_for(finding::bytes(&closed.findings)) {
            found = serde_json::to_value(Outcome::of(closed, &[])).ok();
        }
    });
    found
}

/// Says what the window has found, once.
fn say() {
    if IS_SAID.replace(true) {
        return;
    }
    session::unless_busy(|session| {
        session.take_note();
        let pinned = session.pinned_segments();
        if session.end().is_none() {
            return;
        }
        let closed = session.closed();
        if !room::is_there_for(finding::bytes(&closed.findings)) {
            return;
        }
        background::say(&serde_json::to_vec(&Outcome::of(closed, &pinned)).unwrap_or_default());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written() {
        let task = Task {
            scenario: "use_after_reset".to_owned(),
            iterations: 3,
            reset_every: 1,
            seat: Some(Seat { segment: 4_000_000_000, number: 7, seed: u64::MAX }),
            workload: "SELECT '\u{e4}\"'; ".repeat(100_000),
            failing: Some(Part::Learn { first: 3, cancels: false }),
        };
        let text = serde_json::to_vec(&task).unwrap();
        assert_eq!(read(&text), Some((task, ScenarioKind::UseAfterReset)));
        assert_eq!(read(b"{}"), None);
    }
}
