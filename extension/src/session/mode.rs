//! What is on: which statements are checked, and whose allocations are traced.
//!
//! They are traced while a window is open or statements are checked, unless the session's parameters say that they never are,
//! and as long as those say that they always are.

use std::cell::Cell;

use super::faults::SURROUNDINGS;
use super::{SESSION, Session};
use crate::guard::Level;
use crate::guard::faults::{self, policy};
use crate::guc::{self, MemcheckMode, Traced};
use crate::pg::process::is_parallel_worker;
use crate::pg::{ServerThread, parameters};
use crate::shmem::canaries;
use crate::wrap::{self, Refused};

/// Whether this backend's role may have statements checked outside of windows, and report to the ring.
static REPORTS: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Takes note of whether this backend's role may report. Looked up before each statement for which it matters.
pub(crate) fn set_reports(reports: bool) {
    if REPORTS.replace(reports) != reports {
        parameters::touch();
    }
}

/// Whether what is found may go to the ring.
pub(super) fn reports() -> bool {
    REPORTS.get()
}

/// The mode as far as it is heeded without a window.
fn heeded() -> MemcheckMode {
    if reports() { guc::mode() } else { MemcheckMode::none }
}

/// The mode in force; while the session is in use, nothing of its own is checked.
#[inline]
fn mode() -> MemcheckMode {
    match SESSION.try_borrow().as_deref() {
        Ok(Some(session)) => session.mode(),
        Ok(None) if !is_parallel_worker() => heeded(),
        _ => MemcheckMode::none,
    }
}

/// Whether statements are checked.
#[inline]
pub(crate) fn is_checked() -> bool {
    mode() != MemcheckMode::none
}

/// Whether checking a statement begins with its planning.
pub(crate) fn checks_planner() -> bool {
    mode() == MemcheckMode::all
}

/// Whether nobody in this backend has had anything to do with the engine, so that its hooks have nothing to do. A few
/// instructions, for every statement of every session.
#[inline(always)]
pub(crate) fn is_idle() -> bool {
    guc::mode() == MemcheckMode::none
        && !parameters::are_changed()
        && !is_parallel_worker()
        && SESSION.try_borrow().is_ok_and(|session| session.is_none())
}

/// Whether statements are checked or allocations traced.
#[inline]
pub(crate) fn is_watching() -> bool {
    wrap::is_on() || is_checked()
}

/// Does what the parameters ask for, unless a window is open; its targets are those it was opened with. Cheap where nothing
/// has changed and nothing is traced. Gives why allocations cannot be traced, once in a session.
#[inline]
pub(crate) fn follow_parameters() -> Option<Refused> {
    if parameters::have_changed() {
        return match SESSION.try_borrow_mut() {
            // As most backends: they ask for nothing, and never have.
            Ok(session) if session.is_none() && !is_asked_for() => None,
            Ok(mut session) => session.get_or_insert_default().follow_parameters(),
            Err(_) => {
                parameters::touch();
                None
            }
        };
    }
    wrap::refresh();
    None
}

/// Whether the parameters ask for anything.
fn is_asked_for() -> bool {
    heeded() != MemcheckMode::none || guc::traced_always().is_some() || guc::observe_directory().is_some()
}

/// The mode that the engine has set itself, in a transaction that may yet be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Imposed {
    /// It has set none.
    #[default]
    Nothing,
    /// It has set this one.
    Set(MemcheckMode),
    /// It has, and the server has put back what there was before.
    Undone(MemcheckMode),
}

impl Session {
    /// `begin()` or `end()` sets the mode. The window it is set for is the session's and not the transaction's, so if the
    /// transaction is rolled back, the mode is to be what it was set to nevertheless.
    pub(crate) fn imposes(&mut self, mode: MemcheckMode) {
        self.imposed = Imposed::Set(mode);
    }

    /// A transaction or a subtransaction was aborted, with what was set in it.
    pub(crate) fn mode_is_undone(&mut self) {
        if let Imposed::Set(mode) = self.imposed {
            self.imposed = Imposed::Undone(mode);
        }
    }

    /// The mode to be set again, if it was undone; `for_good` outside of transactions.
    pub(crate) fn mode_to_restore(&mut self, for_good: bool) -> Option<MemcheckMode> {
        let undone = match self.imposed {
            Imposed::Undone(mode) => Some(mode),
            _ => None,
        };
        if for_good {
            self.imposed = Imposed::Nothing;
        } else if let Some(mode) = undone {
            self.imposed = Imposed::Set(mode);
        }
        undone
    }

    /// The mode in force: where a window was opened with mode none, all. Without a window it is for those who may report.
    pub(super) fn mode(&self) -> MemcheckMode {
        match (guc::mode(), self.checks_statements()) {
            _ if is_parallel_worker() => MemcheckMode::none,
            (MemcheckMode::none, true) => MemcheckMode::all,
            (mode, true) => mode,
            (_, false) => heeded(),
        }
    }

    /// Does what the parameters ask for; while a window is open or a leader is traced for, behind that.
    fn follow_parameters(&mut self) -> Option<Refused> {
        if self.window.is_none() && !self.is_tracing_worker() {
            let is_checked = self.mode() != MemcheckMode::none;
            let refused = self.trace(if is_checked { guc::traced_in_windows() } else { guc::traced_always() }).err();
            self.observe();
            return refused.filter(|_| !std::mem::replace(&mut self.is_refusal_told, true));
        }
        wrap::refresh();
        None
    }

    /// The window is closed: goes back to what the parameters ask for.
    pub(super) fn stop_tracing_for_window(&mut self) {
        // It was traced before, or will be refused as it was then.
        let _ = self.follow_parameters();
    }

    /// Traces this from now on, or nothing. What is recorded for the same targets already is kept.
    pub(super) fn trace(&mut self, traced: Option<Traced>) -> Result<(), Refused> {
        let Some(Traced { targets, by_calls, guard, on_fault }) = traced else {
            disarm();
            policy::impose(None);
            wrap::stop();
            return Ok(());
        };
        if !wrap::is_of(&targets, by_calls) {
            disarm();
            wrap::start(targets, by_calls)?;
            let is_armed = faults::arm(SURROUNDINGS);
            wrap::with(|chain| chain.guard.pages.opens_headers(is_armed));
            if is_armed {
                canaries::close();
            }
            let walker = &mut self.walker;
            wrap::with(|chain| chain.ledger.booked().enter_all(walker));
            self.observe_anew();
        }
        policy::impose(on_fault);
        wrap::with(|chain| chain.guard.set(guard));
        Ok(())
    }
}

/// Whether what is traced is guarded by pages, on whichever side.
pub(crate) fn guards_by_pages() -> bool {
    matches!(guc::guard(), Level::Pages(..))
}

/// Faults are not handled any more, nor is anything opened by their handlers.
fn disarm() {
    canaries::open();
    wrap::with(|chain| chain.guard.pages.opens_headers(false));
    faults::disarm();
}
