//! What a scenario is described by.

use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::Evidence;

/// A scenario, with everything in which it differs from others.
#[derive(Debug)]
pub struct Description {
    /// The word for it.
    pub name: &'static str,
    /// What it catches, in a sentence.
    pub catches: &'static str,
    /// The clauses that mean something in it and not in all others.
    pub clauses: &'static [Clause],
    /// How often the workload is repeated.
    pub iterations: Iterations,
    /// Whether the workload runs before the window, as often as is configured or the spec says. Where it does not, the spec
    /// cannot ask for it.
    pub warms_up: bool,
    /// Whether it makes the transactions itself, so that nobody else can put all iterations into one.
    pub makes_transactions: bool,
    /// Whether it goes by traced allocations, so that it cannot do without.
    pub needs_trace: bool,
    /// Whether it goes by accesses to what the targets allocate, each on pages of its own.
    pub needs_pages: bool,
    /// Whether the first mark and the last are all that is compared, so that there need be none between them.
    pub compares_ends: bool,
    /// Whether a finding shows the whole curve, and not only its checkpoints: its marks are no iterations.
    pub shows_all_marks: bool,
    /// Whether what grows in contexts that `allow` names is reported nevertheless, as the SQL interface documents for a plain
    /// window.
    pub reports_allowed: bool,
    /// The kinds of violation that it can find.
    pub checks: &'static [CheckKind],
    /// What runs and judges it.
    pub execution: Execution,
}

impl Description {
    /// What most scenarios have in common.
    pub(super) const COMMON: Description = Description {
        name: "",
        catches: "",
        clauses: &[],
        iterations: Iterations { default: 100, fewest: 1, settled: Some(0) },
        warms_up: true,
        makes_transactions: false,
        needs_trace: false,
        needs_pages: false,
        compares_ends: false,
        shows_all_marks: false,
        reports_allowed: false,
        checks: &[],
        execution: Execution { judge: |_| Vec::new(), call: None },
    };
}

/// A clause that means something in some scenarios only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// `rows`: the workload runs at several numbers of rows, which its marks count.
    Rows,
    /// `growth`: whether what grows with the rows is reported.
    Growth,
    /// `abort`, and `on` of an expectation: the workload is undone.
    Abort,
    /// `reset every`
    ResetEvery,
    /// `workers`
    Workers,
    /// `limit`
    Limit,
    /// `probe`
    Probe,
    /// More than one `workload`.
    Workloads,
    /// `worker`: it can watch a process that works by itself, whose iterations are its transactions.
    Worker,
}

/// Numbers of iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iterations {
    /// In the window, where the spec does not say; of each step, where there are steps.
    pub default: u64,
    /// With fewer than these there are too few marks to tell memory that is taken once from memory that leaks.
    pub fewest: u64,
    /// From here on what happens once, at the first iteration, is told from what goes on; none if it never is.
    pub settled: Option<u64>,
}

/// A judgement: one finding for each bug, worst first.
pub type Judge = fn(&Evidence) -> Vec<Finding>;

/// How a scenario is judged, and who repeats its workload: the client always can.
#[derive(Debug)]
pub struct Execution {
    /// Judges its window.
    pub judge: Judge,
    /// How `run_scenario()` repeats it, in one call; none if only the client can.
    pub call: Option<Call>,
}

/// How a workload is run in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Again and again.
    Repeated,
    /// Again and again, and undone each time: by a rollback to a savepoint, then by an error.
    Undone,
    /// At more and more rows.
    OnALadder,
    /// Again and again in background workers, as a client would send it, in transactions of its own.
    InWorkers,
    /// Again and again in one background worker after the other, of which each is gone before the next begins.
    InSessions,
    /// In background workers, each time with something else that fails.
    Failing,
    /// As [`Runs::InWorkers`], in workers that begin together, and beside each other.
    Together,
}

impl Runs {
    /// Whether background workers run it.
    pub const fn is_in_workers(self) -> bool {
        matches!(self, Runs::InWorkers | Runs::InSessions | Runs::Failing | Runs::Together)
    }
}

/// What `run_scenario()` does in one call.
#[derive(Debug)]
pub struct Call {
    /// What the view `scenarios` says about it.
    pub description: &'static str,
    /// How it runs the workload.
    pub runs: Runs,
    /// Judges the call if there is a plain window around it. Such a window does not count what the engine's own statements do,
    /// so that what it would report is left to the call.
    pub judge_in_window: Judge,
}
