//! The session: all that this backend holds between two calls of the engine, and the only owner of it.
//!
//! Hooks and SQL functions hand values to it. It calls none of them back.

mod accesses;
mod aside;
mod bracket;
mod calls;
mod events;
pub(crate) mod failing;
pub(crate) mod faults;
mod figures;
pub(crate) mod iterations;
mod mode;
mod observed;
mod observed_file;
mod outside;
pub(crate) mod overruns;
pub(crate) mod reached;
mod segments;
pub(crate) mod totals;
mod window;
mod workers;

use std::cell::{Cell, RefCell};

use memcheck_core::census::{Census, Moment, SiteId};
use memcheck_core::{CheckKind, ContextPath, Event, Finding, Frame, Site, room};

use crate::contexts::Walker;
use crate::pg::ServerThread;
use crate::shmem::ring;
use crate::{guc, wrap};
use aside::Noted;
use bracket::Statements;
use calls::Calls;
use events::{Events, Key};
pub(crate) use figures::Figures;
use iterations::Iteration;
use mode::Imposed;
pub(crate) use mode::{
    checks_planner, follow_parameters, guards_by_pages, is_checked, is_idle, is_watching, set_reports,
};
use observed::Observed;
pub(crate) use observed::names;
use window::Window;
pub(crate) use window::{BadMark, Closed, Opener, plain_terms};
use workers::Workers;

/// One backend's session.
#[derive(Default)]
pub(crate) struct Session {
    /// The walk over the contexts, and the paths that it has met.
    walker: Walker,
    /// The statements of the transaction, where they are checked.
    statements: Statements,
    /// The check window, if one is open.
    window: Option<Window>,
    /// What the last one has found.
    closed: Closed,
    /// What the engine has set the mode to.
    imposed: Imposed,
    /// Whether the session's end is told.
    is_leaving_told: bool,
    /// Whether it was said why allocations cannot be traced.
    is_refusal_told: bool,
    /// How often there had been no memory for something when that was last told.
    losses_told: u64,
    /// What there was when the last statement had ended, or when the engine was called.
    noted: Noted,
    /// What happened in the open window and is counted.
    events: Events,
    /// Calls of the targets' functions.
    calls: Calls,
    /// Parallel workers, this process being a leader or one of them.
    workers: Workers,
    /// The session's statements, where sessions are observed.
    observed: Option<Box<Observed>>,
    /// Of workers of the last scenario that had them side by side.
    iterations: Vec<Iteration>,
}

/// The session of this backend; none as long as nobody has had anything to do with it.
static SESSION: ServerThread<RefCell<Option<Box<Session>>>> = ServerThread::new(RefCell::new(None));
/// Values that were handed to the session while it was in use, and lost.
static MISSED: ServerThread<Cell<u64>> = ServerThread::new(Cell::new(0));

/// Runs something with the session. Nothing inside may raise an ERROR or come back here.
pub(crate) fn with<R>(f: impl FnOnce(&mut Session) -> R) -> R {
    f(SESSION.borrow_mut().get_or_insert_default())
}

/// As [`with`], where there has been anything to do with the session before.
pub(crate) fn if_any(f: impl FnOnce(&mut Session)) {
    if let Some(session) = SESSION.borrow_mut().as_mut() {
        f(session);
    }
}

/// As [`with`], from hooks that are called in the middle of anything: where the session is in use, the value is lost, and counted.
pub(crate) fn unless_busy(f: impl FnOnce(&mut Session)) {
    match SESSION.try_borrow_mut() {
        Ok(mut session) => f(session.get_or_insert_default()),
        Err(_) => MISSED.set(MISSED.get() + 1),
    }
}

/// Whether somebody in this backend has had to do with the engine; also while the session is in use.
pub(crate) fn is_there() -> bool {
    SESSION.try_borrow().map_or(true, |session| session.is_some())
}

/// Whether this session is observed.
#[inline]
pub(crate) fn is_observed() -> bool {
    SESSION.try_borrow().is_ok_and(|session| session.as_ref().is_some_and(|session| session.observed.is_some()))
}

/// Puts what was found where all sessions see it, if this one may.
pub(crate) fn report(findings: &[Finding]) {
    if mode::reports() {
        ring::push(findings);
    }
}

/// Counts what was to be put there and is lost.
fn report_lost(number: u64) {
    if number > 0 && mode::reports() {
        ring::loses(number);
    }
}

impl Session {
    /// The tree as it is now: by the ledger where allocations are traced, by a walk where not.
    fn census(&mut self, moment: Moment) -> Census {
        self.look_at_guarded();
        let walker = &mut self.walker;
        let traced = || wrap::with(|chain| chain.ledger.booked().census(walker, moment));
        match wrap::is_on().then(traced).flatten() {
            Some(census) => census,
            None => walker.census(moment),
        }
    }

    /// The server complains of a reference that was not given back.
    ///
    /// It comes when a portal, a subtransaction or a transaction ends, with nothing on the stack that tells whose reference it
    /// was. Where there is one target, it is charged with it.
    pub(crate) fn complaint(&mut self, resource: &str, message: &str) {
        /// Characters of it that count.
        const LONGEST: usize = 1000;
        self.events.count(Key::Resource(resource.to_owned()), 1, || {
            Some(Event {
                check: CheckKind::ResourceLeak,
                subject: ContextPath::new([resource]),
                library: guc::only_target().unwrap_or_default(),
                site: None,
                detail: format!("{resource} not given back: {message:.LONGEST$}"),
            })
        });
    }

    /// A statement has ended with an LWLock that it has taken there.
    pub(crate) fn kept_lock(&mut self, name: &str, frame: Option<Frame>) {
        let name = if name.is_empty() { "LWLock".to_owned() } else { format!("LWLock \"{name}\"") };
        let library =
            frame.as_ref().map_or_else(|| guc::only_target().unwrap_or_default(), |frame| frame.library.clone());
        let place = frame.as_ref().map_or(String::new(), |frame| format!(", taken in {}", frame.place()));
        self.events.count(Key::Resource(name.clone()), 1, || {
            Some(Event {
                check: CheckKind::ResourceLeak,
                subject: ContextPath::new([name.clone()]),
                library,
                site: frame.map(|frame| Site { id: SiteId(0), stack: vec![frame.clone()], frame }),
                detail: format!("{name}{place}, still held when the statement has ended"),
            })
        });
    }

    /// How often there was no memory for something since that was last told. A window tells of it itself.
    pub(crate) fn losses_to_tell(&mut self) -> u64 {
        let told = if self.window.is_some() { 0 } else { room::refused() - self.losses_told };
        self.losses_told += told;
        told
    }

    /// The walk over the contexts.
    pub(crate) fn walker(&mut self) -> &mut Walker {
        &mut self.walker
    }

    /// The number of the current top-level transaction, as this backend counts.
    pub(crate) fn transaction(&self) -> u64 {
        self.statements.transaction()
    }
}
