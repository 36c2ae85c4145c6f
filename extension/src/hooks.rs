//! The planner, executor and utility hooks.
//!
//! A library that is preloaded after the engine puts its hooks around the engine's, so what it allocates before it calls the
//! next one would happen before the engine looks. The engine therefore takes its place in each chain a second time, at the
//! outside, when it is first needed in a backend, and again when a library loaded later has wrapped it. Each place is an
//! own function (an own `PLACE`) with its own next hook; only the outermost one does anything.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

use pgrx::{pg_sys, pgrx_extern_c_guard, warning};

use crate::nesting::{self, nested};
use crate::{parallel, statement, trace, tracing};

/// How many places in the chain there are. A library that wraps the hooks more often than that hides what it allocates
/// before the innermost call from `memcheck_mode`, not from windows.
const PLACES: usize = 4;

/// The hooks that a place calls next.
#[derive(Clone, Copy)]
struct Next {
    planner: pg_sys::planner_hook_type,
    start: pg_sys::ExecutorStart_hook_type,
    run: pg_sys::ExecutorRun_hook_type,
    finish: pg_sys::ExecutorFinish_hook_type,
    end: pg_sys::ExecutorEnd_hook_type,
    utility: pg_sys::ProcessUtility_hook_type,
}

const NOTHING_NEXT: Next = Next { planner: None, start: None, run: None, finish: None, end: None, utility: None };

thread_local! {
    static NEXT: [Cell<Next>; PLACES] = const { [const { Cell::new(NOTHING_NEXT) }; PLACES] };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn next(place: usize) -> Next {
    NEXT.with(|next| next[place].get())
}

/// Takes the first place, in the postmaster.
pub(crate) fn register() {
    take_place();
}

/// Takes another place at the outside if another library's hook is there.
pub(crate) fn make_outermost() {
    // SAFETY: reads a hook variable of this single-threaded process.
    let outermost = unsafe { pg_sys::planner_hook.zip(pg_sys::ExecutorStart_hook) };
    let ours = places()[TAKEN.get() - 1];
    let in_front = outermost.is_some_and(|(planner, start)| {
        ours.planner.is_some_and(|p| std::ptr::fn_addr_eq(p, planner))
            && ours.start.is_some_and(|s| std::ptr::fn_addr_eq(s, start))
    });
    if !in_front && TAKEN.get() < PLACES {
        take_place();
    }
}

fn take_place() {
    let place = TAKEN.get();
    let hooks = places()[place];
    // SAFETY: exchanges hook variables of this single-threaded process. Each function calls what stood there before, which
    // is never itself: a place is taken once.
    let before = unsafe {
        Next {
            planner: std::ptr::replace(&raw mut pg_sys::planner_hook, hooks.planner),
            start: std::ptr::replace(&raw mut pg_sys::ExecutorStart_hook, hooks.start),
            run: std::ptr::replace(&raw mut pg_sys::ExecutorRun_hook, hooks.run),
            finish: std::ptr::replace(&raw mut pg_sys::ExecutorFinish_hook, hooks.finish),
            end: std::ptr::replace(&raw mut pg_sys::ExecutorEnd_hook, hooks.end),
            utility: std::ptr::replace(&raw mut pg_sys::ProcessUtility_hook, hooks.utility),
        }
    };
    NEXT.with(|next| next[place].set(before));
    TAKEN.set(place + 1);
}

fn places() -> [Next; PLACES] {
    const fn hooks<const PLACE: usize>() -> Next {
        Next {
            planner: Some(planner::<PLACE>),
            start: Some(executor_start::<PLACE>),
            run: Some(executor_run::<PLACE>),
            finish: Some(executor_finish::<PLACE>),
            end: Some(executor_end::<PLACE>),
            utility: Some(utility::<PLACE>),
        }
    }
    [hooks::<0>(), hooks::<1>(), hooks::<2>(), hooks::<3>()]
}

/// The server's own functions, without the boundary that pgrx puts around them: see [`nested`].
mod server {
    use super::{c_char, c_int, pg_sys};

    unsafe extern "C-unwind" {
        pub(super) fn standard_planner(
            parse: *mut pg_sys::Query,
            query_string: *const c_char,
            cursor_options: c_int,
            bound_params: pg_sys::ParamListInfo,
        ) -> *mut pg_sys::PlannedStmt;
        pub(super) fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: c_int);
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pub(super) fn standard_ExecutorRun(
            query: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
            execute_once: bool,
        );
        #[cfg(feature = "pg18")]
        pub(super) fn standard_ExecutorRun(
            query: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
        );
        pub(super) fn GetCommandLogLevel(parse_tree: *mut pg_sys::Node) -> pg_sys::LogStmtLevel::Type;
        pub(super) fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
        pub(super) fn standard_ExecutorEnd(query: *mut pg_sys::QueryDesc);
        pub(super) fn standard_ProcessUtility(
            statement: *mut pg_sys::PlannedStmt,
            query_string: *const c_char,
            read_only_tree: bool,
            context: pg_sys::ProcessUtilityContext::Type,
            params: pg_sys::ParamListInfo,
            environment: *mut pg_sys::QueryEnvironment,
            destination: *mut pg_sys::DestReceiver,
            completion: *mut pg_sys::QueryCompletion,
        );
    }
}

/// Calls the next hook of a place, or the server's own function where there is none: one level deeper where anything is
/// checked, and as if the engine were not there where not.
macro_rules! call_next {
    ($place:ident . $hook:ident, $standard:ident ( $($arg:expr),* )) => {{
        let next = next($place).$hook;
        // SAFETY: a hook is called with the arguments it is given by the server, and the closure owns nothing.
        unsafe {
            let call = || match next {
                Some(hook) => hook($($arg),*),
                None => server::$standard($($arg),*),
            };
            if statement::is_checked() || trace::is_on() { nested(next.is_none(), call) } else { call() }
        }
    }};
}

/// Has allocations traced as the session's parameters say, from this statement on.
fn follow_parameters() {
    if nesting::is_top_level()
        && let Err(refused) = tracing::follow()
    {
        guarded(|| warning!("allocations cannot be traced: {refused}"));
    }
}

/// Whether a statement at the top level is to be checked.
fn is_checked_top_level() -> bool {
    statement::is_checked() && nesting::is_top_level()
}

/// Runs code of ours inside a hook: a panic in it becomes an ERROR.
fn guarded(body: impl FnOnce()) {
    // SAFETY: only called from the outermost Rust frame of a hook, where the server can be given an ERROR.
    unsafe { pgrx_extern_c_guard(body) }
}

/// The text of a statement, if it comes with one.
///
/// # Safety
/// `text` is null or a C string that outlives the result.
unsafe fn statement_text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

unsafe extern "C-unwind" fn planner<const PLACE: usize>(
    parse: *mut pg_sys::Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    follow_parameters();
    let top_level = is_checked_top_level();
    if top_level {
        // SAFETY: the server's statement text lives as long as the statement.
        guarded(|| statement::planner_starts(unsafe { statement_text(query_string) }));
    }
    let plan = call_next!(PLACE.planner, standard_planner(parse, query_string, cursor_options, bound_params));
    if top_level {
        guarded(statement::planner_ends);
    }
    plan
}

unsafe extern "C-unwind" fn executor_start<const PLACE: usize>(query: *mut pg_sys::QueryDesc, flags: c_int) {
    follow_parameters();
    if is_checked_top_level() {
        // SAFETY: the descriptor is valid for the call, its text as long as the statement.
        guarded(|| statement::open(unsafe { statement_text((*query).sourceText) }));
    } else if parallel::is_worker() && nesting::is_top_level() {
        guarded(parallel::executor_starts);
    }
    call_next!(PLACE.start, standard_ExecutorStart(query, flags));
}

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
unsafe extern "C-unwind" fn executor_run<const PLACE: usize>(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    call_next!(PLACE.run, standard_ExecutorRun(query, direction, count, execute_once));
}

/// 18 no longer passes `execute_once`.
#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn executor_run<const PLACE: usize>(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    call_next!(PLACE.run, standard_ExecutorRun(query, direction, count));
}

unsafe extern "C-unwind" fn executor_finish<const PLACE: usize>(query: *mut pg_sys::QueryDesc) {
    call_next!(PLACE.finish, standard_ExecutorFinish(query));
}

unsafe extern "C-unwind" fn executor_end<const PLACE: usize>(query: *mut pg_sys::QueryDesc) {
    let top_level = is_checked_top_level();
    call_next!(PLACE.end, standard_ExecutorEnd(query));
    // The statement may have been the one that switched checking on.
    if top_level || is_checked_top_level() {
        guarded(statement::ends);
    } else if parallel::is_worker() && nesting::is_top_level() {
        guarded(parallel::executor_ends);
    }
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn utility<const PLACE: usize>(
    statement: *mut pg_sys::PlannedStmt,
    query_string: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    follow_parameters();
    let top_level = is_checked_top_level();
    if top_level {
        // SAFETY: the server's statement text lives as long as the statement.
        guarded(|| statement::open(unsafe { statement_text(query_string) }));
    }
    if statement::is_checked()
        // SAFETY: the statement is valid for the call; it is only looked at (`log_statement = 'ddl'` uses the same).
        && unsafe { server::GetCommandLogLevel((*statement).utilityStmt) } == pg_sys::LogStmtLevel::LOGSTMT_DDL
    {
        guarded(statement::changes_catalogs);
    }
    call_next!(
        PLACE.utility,
        standard_ProcessUtility(
            statement,
            query_string,
            read_only_tree,
            context,
            params,
            environment,
            destination,
            completion
        )
    );
    if top_level || is_checked_top_level() {
        guarded(statement::ends);
    }
}
