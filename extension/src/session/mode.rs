//! What is on: which statements are checked, and whose allocations are traced.
//!
//! They are traced while a window is open that asks for it, and as long as the session's parameters do.

use super::{SESSION, Session};
use crate::guc::{self, MemcheckMode};
use crate::pg::parameters;
use crate::pg::process::is_parallel_worker;
use crate::wrap::{self, Refused};

/// The mode in force; while the session is in use, nothing of its own is checked.
#[inline]
fn mode() -> MemcheckMode {
    match SESSION.try_borrow().as_deref() {
        Ok(Some(session)) => session.mode(),
        Ok(None) if !is_parallel_worker() => guc::mode(),
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
/// has changed and nothing is traced.
#[inline]
pub(crate) fn follow_parameters() -> Result<(), Refused> {
    if parameters::have_changed() {
        return match SESSION.try_borrow_mut() {
            // As most backends: they ask for nothing, and never have.
            Ok(session) if session.is_none() && guc::traced_libraries().is_empty() => Ok(()),
            Ok(mut session) => session.get_or_insert_default().follow_parameters(),
            Err(_) => {
                parameters::touch();
                Ok(())
            }
        };
    }
    wrap::refresh();
    Ok(())
}

impl Session {
    /// The mode in force: where a window was opened with mode none, all.
    pub(super) fn mode(&self) -> MemcheckMode {
        match guc::mode() {
            _ if is_parallel_worker() => MemcheckMode::none,
            MemcheckMode::none if self.checks_statements() => MemcheckMode::all,
            mode => mode,
        }
    }

    /// Does what the parameters ask for; while a window is open, behind it.
    fn follow_parameters(&mut self) -> Result<(), Refused> {
        if self.window.is_none() {
            return self.trace(guc::traced_libraries(), guc::traces_stacks());
        }
        wrap::refresh();
        Ok(())
    }

    /// The window is closed: goes back to what the parameters ask for.
    pub(super) fn stop_tracing_for_window(&mut self) {
        // It was traced before, or will be refused as it was then.
        let _ = self.follow_parameters();
    }

    /// Traces these libraries from now on, or none. What is recorded for the same libraries already is kept.
    pub(super) fn trace(&mut self, libraries: Vec<String>, by_calls: bool) -> Result<(), Refused> {
        if libraries.is_empty() {
            wrap::stop();
        } else if !wrap::is_of(&libraries, by_calls) {
            wrap::start(libraries, by_calls)?;
            let walker = &mut self.walker;
            wrap::with(|chain| chain.ledger.booked().enter_all(walker));
        }
        Ok(())
    }
}
