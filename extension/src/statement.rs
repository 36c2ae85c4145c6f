//! What top-level statements leave behind.
//!
//! A bracket is opened when the planner, the executor or a utility command first starts at the top level of a transaction,
//! and closed when the transaction has ended: only then are portals, plans and locks gone, and what is still there outlives
//! the statements. Statements that fail are closed the same way. What lies below MessageContext goes away sooner; it is
//! looked at whenever a statement ends, and counted as left behind.
//!
//! Statements that call the engine get a bracket of their own, which is not judged.
//!
//! A command that changes the catalogs has the server cache what it created, until it is dropped or the session ends; after
//! one, CacheMemoryContext is not judged. A window over several iterations does judge it.
//!
//! Inside a window no census is taken for a statement: the window's marks see what stays, the bracket only collects what was
//! left below MessageContext. Nor is one taken where allocations are traced: what the targets have allocated since the
//! bracket was opened is all there is to judge, however many contexts there are.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CStr, c_void};

use memcheck_core::census::{Census, Moment, PathId, Totals};
use memcheck_core::judge::{Evidence, Mark};
use pgrx::prelude::*;

use crate::guc::{self, MemcheckMode};
use crate::shmem::ring;
use crate::snapshot::{self, Walker};
use crate::{hooks, nesting, parallel, trace, window};

/// The statements of one transaction under check.
struct Bracket {
    /// The tree when the first started. Inside a window only taken for statements that call the engine itself.
    before: Option<Census>,
    /// The newest allocation when the first started, where allocations are traced and no window is open.
    since: Option<trace::Serial>,
    /// Serials of the contexts below MessageContext that were there before, or that have been counted.
    known: Vec<u64>,
    /// What they left below MessageContext.
    leftovers: Census,
    /// The last one has ended.
    ended: bool,
    /// It called the engine: what it leaves is not the workload's.
    own: bool,
    /// It changed the catalogs, so that the server fills its caches with what is new.
    ddl: bool,
}

impl Bracket {
    /// Takes note of what is below MessageContext before a statement starts.
    fn knows(&mut self, walker: &mut Walker) {
        walker.below_message_context(|_, _, serial| {
            if !self.known.contains(&serial) {
                self.known.push(serial);
            }
        });
    }

    fn new(before: Option<Census>) -> Self {
        Bracket {
            before,
            since: None,
            known: Vec::new(),
            leftovers: Census::default(),
            ended: false,
            own: false,
            ddl: false,
        }
    }
}

thread_local! {
    static WALKER: RefCell<Walker> = RefCell::default();
    static BRACKET: RefCell<Option<Bracket>> = const { RefCell::new(None) };
    static TRANSACTION: Cell<u64> = const { Cell::new(0) };
    static END_OF_TRANSACTION: UnsafeCell<pg_sys::MemoryContextCallback> = const {
        UnsafeCell::new(pg_sys::MemoryContextCallback { func: None, arg: std::ptr::null_mut(), next: std::ptr::null_mut() })
    };
    /// Whether that is registered in this transaction.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// Bytes in use in TopMemoryContext at the end of the last transaction; only until a statement has ended in this one.
    static LAST_TOP: Cell<Option<u64>> = const { Cell::new(None) };
    /// Bytes in use in TopMemoryContext when the planner was called, in mode executor.
    static PLANNER_CALLED: Cell<u64> = const { Cell::new(0) };
    /// Bytes by which TopMemoryContext grew in the planner in this transaction, in mode executor.
    static PLANNED: Cell<u64> = const { Cell::new(0) };
}

/// Runs something with the walker. Nothing inside may raise an ERROR.
pub(crate) fn with_walker<R>(f: impl FnOnce(&mut Walker) -> R) -> R {
    WALKER.with_borrow_mut(f)
}

/// The number of the current top-level transaction, as this backend counts.
pub(crate) fn transaction() -> u64 {
    TRANSACTION.get()
}

/// The mode in force: where a window was opened with mode none, all.
fn mode() -> MemcheckMode {
    if parallel::is_worker() {
        return MemcheckMode::none;
    }
    match guc::mode() {
        MemcheckMode::none if window::checks_statements() => MemcheckMode::all,
        mode => mode,
    }
}

/// Whether the hooks have anything to do.
pub(crate) fn is_checked() -> bool {
    mode() != MemcheckMode::none
}

pub(crate) fn planner_starts(text: Option<&CStr>) {
    match mode() {
        MemcheckMode::all => open(text),
        MemcheckMode::executor => PLANNER_CALLED.set(top_used()),
        MemcheckMode::none => {}
    }
}

/// A command that changes the catalogs is run, at any depth.
pub(crate) fn changes_catalogs() {
    BRACKET.with_borrow_mut(|bracket| {
        if let Some(bracket) = bracket {
            bracket.ddl = true;
        }
    });
}

/// The planner has left: contexts it made below MessageContext have no one to free them any more.
pub(crate) fn planner_ends() {
    match mode() {
        MemcheckMode::all => collect_leftovers(),
        MemcheckMode::executor => PLANNED.set(PLANNED.get() + top_used().saturating_sub(PLANNER_CALLED.get())),
        MemcheckMode::none => {}
    }
}

/// The executor or a utility command has left the top level.
pub(crate) fn ends() {
    if is_checked() {
        // It may have been this statement that switched checking on, or ended a transaction.
        hooks::make_outermost();
        watch_transaction_end();
    }
    collect_leftovers();
    window::count_statement();
    LAST_TOP.set(None);
    BRACKET.with_borrow_mut(|bracket| {
        if let Some(bracket) = bracket {
            bracket.ended = true;
        }
    });
}

/// Whether a statement's text mentions the engine's functions. A cheap guess that only decides whether a census is taken.
fn mentions_engine(text: &CStr) -> bool {
    const SCHEMA: &[u8] = b"ext_memcheck.";
    text.to_bytes().windows(SCHEMA.len()).any(|at| at.eq_ignore_ascii_case(SCHEMA))
}

/// The executor or a utility command starts at the top level, or the planner where that is checked: opens a bracket, or goes
/// on with the one of this transaction.
pub(crate) fn open(text: Option<&CStr>) {
    hooks::make_outermost();
    watch_transaction_end();
    let calls_engine = text.is_some_and(mentions_engine);
    let goes_on = BRACKET.with_borrow_mut(|bracket| {
        let Some(bracket) = bracket else { return false };
        let goes_on = !bracket.ended || !(bracket.own || calls_engine);
        if goes_on && bracket.ended {
            bracket.ended = false;
            // A message of several statements has a context for each of them (`exec_simple_query` in postgres.c).
            with_walker(|walker| bracket.knows(walker));
        }
        goes_on
    });
    if goes_on {
        return;
    }
    close();
    let bracket = with_walker(|walker| {
        let mut bracket = Bracket::new(match window::checks_statements() {
            false if trace::is_on() => None,
            false => Some(walker.census(Moment::default())),
            true => calls_engine.then(|| walker.census(window::moment())),
        });
        if !window::checks_statements() {
            bracket.since = trace::newest();
        }
        if let (Some(before), Some(top)) = (&mut bracket.before, top_before_transaction()) {
            before.set_used(PathId::ROOT, top);
        }
        bracket.knows(walker);
        bracket
    });
    BRACKET.set(Some(bracket));
}

fn collect_leftovers() {
    BRACKET.with_borrow_mut(|bracket| {
        let Some(bracket) = bracket else { return };
        with_walker(|walker| {
            walker.below_message_context(|context, path, serial| {
                if !bracket.known.contains(&serial) {
                    bracket.known.push(serial);
                    // SAFETY: the walk only shows live contexts.
                    let (used, allocated) = unsafe { snapshot::totals(context) };
                    bracket.leftovers.add(path, Totals { used, allocated, objects: 1 });
                    trace::for_each_in(context, |site, live| bracket.leftovers.count_traced(path, site, live));
                }
            });
        });
    });
}

/// Says that the statement at hand called the engine, and gives the tree as it was before the statement.
///
/// None where the statement's text did not show that it would, or where nothing is being checked.
pub(crate) fn is_own() -> Option<Census> {
    BRACKET.with_borrow_mut(|bracket| {
        let bracket = bracket.as_mut()?;
        bracket.own = true;
        bracket.before.clone()
    })
}

/// As [`is_own`], for the statement that has just opened a window with this census.
pub(crate) fn opens_window(census: &Census) {
    BRACKET.set(Some(Bracket { own: true, ..Bracket::new(Some(census.clone())) }));
}

/// Judges what earlier statements of the transaction left behind, if there are any.
pub(crate) fn close_ended() {
    if BRACKET.with_borrow(|bracket| bracket.as_ref().is_some_and(|bracket| bracket.ended)) {
        close();
    }
}

/// Closes the bracket: hands over to the window what was left behind, or judges it on its own.
fn close() {
    let Some(bracket) = BRACKET.take() else { return };
    if window::checks_statements() {
        match bracket.before {
            _ if !bracket.own => window::add_leftovers(&bracket.leftovers),
            Some(before) => {
                let after = with_walker(|walker| walker.census(window::moment()));
                window::exclude(&before, &after);
            }
            None => {}
        }
        return;
    }
    if bracket.own {
        return;
    }
    let terms = window::plain_terms();
    let rules = &terms.rules;
    if let Some(since) = bracket.since.filter(|_| trace::is_on()) {
        let after = with_walker(|walker| trace::census_since(since, walker));
        if after.is_empty() && bracket.leftovers.is_empty() {
            return;
        }
        let mark = |census, leftovers| Mark { census, leftovers, ..Mark::default() };
        let marks = [mark(Census::default(), Census::default()), mark(after, bracket.leftovers)];
        ring::push(&window::judged(&marks, &[], rules, |evidence| terms.scenario.judge(evidence)));
        return;
    }
    let Some(mut before) = bracket.before else { return };
    let findings = with_walker(|walker| {
        let after = walker.census(Moment::default());
        if bracket.ddl {
            before.copy_from(&after, |path| walker.paths().is_cache(path));
        }
        let marks = [
            Mark { census: before, ..Mark::default() },
            Mark { census: after, leftovers: bracket.leftovers, ..Mark::default() },
        ];
        terms.scenario.judge(&Evidence { paths: walker.paths(), marks: &marks, ladder: &[], rules, places: None })
    });
    ring::push(&findings);
}

/// Bytes in use in TopMemoryContext before the transaction, with what the planner added where that is not checked.
///
/// Every transaction takes memory from TopMemoryContext and gives it back at its end: 128 bytes for each lock, some hundreds
/// for each resource owner (`LockAcquireExtended` in lock.c, `ResourceOwnerCreate` in resowner.c). Compared with the middle
/// of a transaction, its end would look as if that much had been freed, and hide a leak. So for this one context the end is
/// compared with the end of the transaction before. None if that one was not checked, or if this is not the transaction's
/// first statement.
fn top_before_transaction() -> Option<u64> {
    let top = LAST_TOP.get()?;
    let planned = PLANNED.get();
    // Small amounts are locks on indexes.
    Some(if planned >= guc::thresholds().min_leak_bytes / 2 { top + planned } else { top })
}

fn top_used() -> u64 {
    // SAFETY: TopMemoryContext always lives.
    unsafe { snapshot::totals(pg_sys::TopMemoryContext) }.0
}

/// Has [`transaction_ends`] called when TopTransactionContext goes.
///
/// That is the last thing that happens in a transaction, committed or aborted (`AtCommit_Memory` and `AtCleanup_Memory` in
/// xact.c): portals, locks and resource owners are gone by then, which is not so at the events that xact.c announces.
fn watch_transaction_end() {
    if !WATCHED.replace(true) {
        END_OF_TRANSACTION.with(|callback| {
            let callback = callback.get();
            // SAFETY: the context exists while statements are run. The callback struct is in no list, as the flag says, and
            // lives as long as the process, whose only thread this is.
            unsafe {
                (*callback).func = Some(transaction_ends);
                pg_sys::MemoryContextRegisterResetCallback(pg_sys::TopTransactionContext, callback);
            }
        });
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(_arg: *mut c_void) {
    WATCHED.set(false);
    TRANSACTION.set(TRANSACTION.get() + 1);
    // Not after COMMIT inside a procedure: its CALL is still running.
    if nesting::is_top_level() {
        close();
        LAST_TOP.set(is_checked().then(top_used));
        PLANNED.set(0);
    }
}
