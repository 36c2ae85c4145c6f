//! Statements: what happens around the planner, the executor and utility commands.
//!
//! Only top-level statements are checked, and only where the session asks for it. Whether it does is looked at before anything
//! else, since these are called for every statement of every session.

use std::cell::Cell;
use std::ffi::CStr;

use memcheck_core::gap::OUT_OF_MEMORY;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, warning};

use super::transactions;
use crate::guc::MemcheckMode;
use crate::pg::statements::Text;
use crate::pg::transactions::is_in_transaction;
use crate::pg::{ServerThread, guarded, is_top_level, statements};
use crate::stack::calls;
use crate::wrap::storm;
use crate::{guc, session};

struct Statements;

/// Whether it was said that the mode is not heeded.
static IS_TOLD: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Looks up whether the session's role may have statements checked, where the mode asks for that.
#[inline]
fn look_up_role() {
    if guc::mode() == MemcheckMode::none || !is_in_transaction() {
        return;
    }
    guarded(|| {
        session::set_reports(guc::may_report());
        // Who has the mode from a configuration has not asked for it.
        if !session::is_checked() && guc::mode_is_of_session() && !IS_TOLD.replace(true) {
            ErrorReport::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                "statements are not checked outside of windows: this role may not report violations",
                "pg_ext_memcheck",
            )
            .set_hint("Superusers may, and members of the role that pg_ext_memcheck.reporters names.")
            .report(PgLogLevel::NOTICE);
        }
    });
}

/// Takes the first place in the chain of hooks.
pub(super) fn register() {
    statements::make_outermost::<Statements>();
}

/// Has allocations traced as the session's parameters say, from this statement on.
#[inline]
fn follow_parameters() {
    if !is_top_level() {
        return;
    }
    let mut losses = 0;
    session::if_any(|session| {
        if let Some(mode) = session.mode_to_restore(false) {
            guarded(|| guc::set_mode(mode));
        }
        losses = session.losses_to_tell();
    });
    look_up_role();
    if losses > 0 {
        guarded(|| warning!("checks of statements are incomplete: {}", OUT_OF_MEMORY.message(losses as i64)));
    }
    if let Some(refused) = session::follow_parameters() {
        guarded(|| warning!("allocations cannot be traced: {refused}"));
    }
}

/// Whether a statement at the top level is to be checked.
#[inline]
fn is_checked_top_level() -> bool {
    session::is_checked() && is_top_level()
}

/// A statement starts that is checked: the engine's place is at the outside, and the end of its transaction is told.
fn opens(text: Option<&CStr>) {
    guarded(|| {
        statements::make_outermost::<Statements>();
        transactions::watch_end();
        session::with(|session| session.statement_starts(text));
    });
    storm::strike();
}

/// A statement of an observed session starts: is planned, or `executes`.
#[inline]
fn observe(text: Text<'_>, executes: bool) {
    if session::is_observed() && is_top_level() {
        guarded(|| {
            if is_in_transaction() {
                transactions::watch_end();
                if session::with(|session| session.lacks_names()) {
                    let names = session::names();
                    session::with(|session| session.has_names(names));
                }
            }
            session::with(|session| session.observed_statement(text.own(), executes));
        });
    }
}

/// A statement has ended that was checked, or that has switched checking on.
fn ended(started: bool) {
    if is_top_level() {
        // It may have been this statement that has set the mode.
        look_up_role();
    }
    if started || is_checked_top_level() {
        guarded(|| {
            if session::is_checked() {
                // It may have been this statement that switched checking on, or ended a transaction.
                statements::make_outermost::<Statements>();
                transactions::watch_end();
            }
            session::with(|session| session.statement_ends());
        });
    }
}

impl statements::Handler for Statements {
    #[inline(always)]
    fn is_idle() -> bool {
        session::is_idle()
    }

    fn is_watching() -> bool {
        session::is_watching()
    }

    fn fence(at: usize) -> usize {
        calls::fence(at)
    }

    fn planner_starts(text: Text<'_>) -> bool {
        follow_parameters();
        observe(text, false);
        let checked = is_checked_top_level();
        if checked && session::checks_planner() {
            opens(text.message);
        } else if checked {
            guarded(|| session::with(|session| session.planner_called()));
        }
        checked
    }

    fn planner_ends() {
        guarded(|| session::with(|session| session.planner_ends()));
    }

    fn executor_starts(text: Text<'_>) {
        follow_parameters();
        observe(text, true);
        if is_checked_top_level() {
            opens(text.message);
        }
    }

    fn executor_ends() -> bool {
        is_checked_top_level()
    }

    fn executor_ended(started: bool) {
        ended(started);
    }

    fn utility_starts(text: Text<'_>, set: Option<&CStr>, is_ddl: impl FnOnce() -> bool) -> bool {
        follow_parameters();
        observe(text, true);
        let checked = is_checked_top_level();
        if checked {
            opens(text.message);
            if set.is_some_and(|name| name.to_bytes().starts_with(guc::PREFIX.to_bytes())) {
                session::with(|session| session.is_called());
            }
        }
        if session::is_checked() && is_ddl() {
            guarded(|| session::with(|session| session.catalogs_change()));
        }
        checked
    }

    fn utility_ends(started: bool) {
        ended(started);
    }
}
