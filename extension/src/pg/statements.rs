//! The planner, executor and utility hooks.
//!
//! A library that is preloaded after the engine puts its hooks around the engine's, so what it allocates before it calls the
//! next one would happen before the engine looks. The engine therefore takes its place in each chain a second time, at the
//! outside, when it is first needed in a backend, and again when a library loaded later has wrapped it. Each place is an
//! own function (an own `PLACE`) with its own next hook; only the outermost one does anything.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;

use super::nesting::nested;
use super::thread::ServerThread;
use super::{server, text};

/// How many places in the chain there are. A library that wraps the hooks more often than that hides what it allocates
/// before the innermost call from `memcheck_mode`, not from windows.
const PLACES: usize = 4;

/// The text of a statement, which may be one of several in the client's message.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The whole message.
    pub(crate) message: Option<&'a CStr>,
    /// Where the statement begins, in bytes; negative where that is not known.
    location: c_int,
    /// Its length; 0 for the rest of the message (`PlannedStmt` in plannodes.h).
    length: c_int,
}

impl<'a> Text<'a> {
    /// # Safety
    /// The message is null or a C string that outlives the result.
    unsafe fn of(message: *const c_char, location: c_int, length: c_int) -> Self {
        // SAFETY: by the caller's promise.
        Text { message: unsafe { text(message) }, location, length }
    }

    /// The statement's own text.
    pub(crate) fn own(self) -> &'a [u8] {
        let message = self.message.map_or(&[][..], CStr::to_bytes);
        let rest = usize::try_from(self.location).ok().and_then(|from| message.get(from..)).unwrap_or(message);
        usize::try_from(self.length).ok().filter(|&length| length > 0).and_then(|to| rest.get(..to)).unwrap_or(rest)
    }
}

/// What is done around the next hook of a chain. What must not panic or raise an ERROR through a frame of Rust is for
/// [`super::guarded`] to run.
///
/// What a function gives before the call is handed to the one behind it, unless the call ends in an ERROR.
pub(crate) trait Handler {
    /// Whether there is nothing to do, so that none of the others is called. Called twice for every statement of every session.
    fn is_idle() -> bool;
    /// Whether the next hook is to be called one level deeper, with its errors seen.
    fn is_watching() -> bool;
    /// Told a place on the stack before the server's own function is called, and what it gave, behind it.
    fn fence(at: usize) -> usize;
    /// Before the planner, with the statement's text.
    fn planner_starts(text: Text<'_>) -> bool;
    /// Behind it, where it gave true.
    fn planner_ends();
    /// Before ExecutorStart, with the statement's text.
    fn executor_starts(text: Text<'_>);
    /// Before ExecutorEnd.
    fn executor_ends() -> bool;
    /// Behind it.
    fn executor_ended(started: bool);
    /// Before a utility command, with the statement's text and the parameter that it sets or resets, if it is such a command.
    /// `is_ddl` tells whether it changes the catalogs.
    fn utility_starts(text: Text<'_>, set: Option<&CStr>, is_ddl: impl FnOnce() -> bool) -> bool;
    /// Behind it.
    fn utility_ends(started: bool);
}

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

static NEXT: ServerThread<[Cell<Next>; PLACES]> = ServerThread::new([const { Cell::new(NOTHING_NEXT) }; PLACES]);
static TAKEN: ServerThread<Cell<usize>> = ServerThread::new(Cell::new(0));

#[inline(always)]
fn next(place: usize) -> Next {
    NEXT[place].get()
}

/// Takes a place at the outside if another's hook is there; the first time, in the postmaster, in any case.
pub(crate) fn make_outermost<H: Handler>() {
    let taken = TAKEN.get();
    // SAFETY: reads a hook variable of this single-threaded process.
    let outermost = unsafe { pg_sys::planner_hook.zip(pg_sys::ExecutorStart_hook) };
    let is_ours = |ours: Next| {
        outermost.is_some_and(|(planner, start)| {
            ours.planner.is_some_and(|p| std::ptr::fn_addr_eq(p, planner))
                && ours.start.is_some_and(|s| std::ptr::fn_addr_eq(s, start))
        })
    };
    let is_in_front = taken > 0 && is_ours(places::<H>()[taken - 1]);
    if !is_in_front && taken < PLACES {
        take_place(taken, places::<H>()[taken]);
    }
}

fn take_place(place: usize, hooks: Next) {
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
    NEXT[place].set(before);
    TAKEN.set(place + 1);
}

fn places<H: Handler>() -> [Next; PLACES] {
    const fn hooks<H: Handler, const PLACE: usize>() -> Next {
        Next {
            planner: Some(planner::<H, PLACE>),
            start: Some(executor_start::<H, PLACE>),
            run: Some(executor_run::<H, PLACE>),
            finish: Some(executor_finish::<H, PLACE>),
            end: Some(executor_end::<H, PLACE>),
            utility: Some(utility::<H, PLACE>),
        }
    }
    [hooks::<H, 0>(), hooks::<H, 1>(), hooks::<H, 2>(), hooks::<H, 3>()]
}

/// Calls the next hook of a place, or the server's own function where there is none: one level deeper where anything is
/// checked, and as if the engine were not there where not.
macro_rules! call_next {
    ($handler:ident, $place:ident . $hook:ident, $standard:ident ( $($arg:expr),* )) => {{
        let next = next($place).$hook;
        // SAFETY: a hook is called with the arguments it is given by the server, and the closure owns nothing.
        unsafe {
            let call = || match next {
                Some(hook) => hook($($arg),*),
                None => server::$standard($($arg),*),
            };
            if !$handler::is_idle() && $handler::is_watching() {
                let fence: fn(usize) -> usize = $handler::fence;
                nested(next.is_none().then_some(fence), call)
            } else {
                call()
            }
        }
    }};
}

/// Defines the planner's hook with what it is handed besides.
macro_rules! planner {
    ($($more:ident: $type:ty)?) => {
        unsafe extern "C-unwind" fn planner<H: Handler, const PLACE: usize>(
            parse: *mut pg_sys::Query,
            query_string: *const c_char,
            cursor_options: c_int,
            bound_params: pg_sys::ParamListInfo,
            $($more: $type)?
        ) -> *mut pg_sys::PlannedStmt {
            // SAFETY: the server's statement and its text live as long as the call.
            let own = || unsafe { Text::of(query_string, (*parse).stmt_location, (*parse).stmt_len) };
            let started = !H::is_idle() && H::planner_starts(own());
            let plan = call_next!(
                H,
                PLACE.planner,
                standard_planner(parse, query_string, cursor_options, bound_params $(, $more)?)
            );
            if started {
                H::planner_ends();
            }
            plan
        }
    };
}

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
planner!();
// 19 passes what EXPLAIN was told.
#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
planner!(explain: *mut pg_sys::ExplainState);

unsafe extern "C-unwind" fn executor_start<H: Handler, const PLACE: usize>(
    query: *mut pg_sys::QueryDesc,
    flags: c_int,
) {
    if !H::is_idle() {
        // SAFETY: the descriptor is valid for the call, its plan and its text as long as the statement.
        let own = unsafe {
            let plan = (*query).plannedstmt;
            Text::of((*query).sourceText, (*plan).stmt_location, (*plan).stmt_len)
        };
        H::executor_starts(own);
    }
    call_next!(H, PLACE.start, standard_ExecutorStart(query, flags));
}

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
unsafe extern "C-unwind" fn executor_run<H: Handler, const PLACE: usize>(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    call_next!(H, PLACE.run, standard_ExecutorRun(query, direction, count, execute_once));
}

/// 18 no longer passes `execute_once`.
#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
unsafe extern "C-unwind" fn executor_run<H: Handler, const PLACE: usize>(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    call_next!(H, PLACE.run, standard_ExecutorRun(query, direction, count));
}

unsafe extern "C-unwind" fn executor_finish<H: Handler, const PLACE: usize>(query: *mut pg_sys::QueryDesc) {
    call_next!(H, PLACE.finish, standard_ExecutorFinish(query));
}

unsafe extern "C-unwind" fn executor_end<H: Handler, const PLACE: usize>(query: *mut pg_sys::QueryDesc) {
    let started = !H::is_idle() && H::executor_ends();
    call_next!(H, PLACE.end, standard_ExecutorEnd(query));
    if !H::is_idle() {
        H::executor_ended(started);
    }
}

/// The parameter that a utility command sets or resets, where it does that to one.
///
/// # Safety
/// The statement is valid, and outlives the result.
unsafe fn parameter_set<'a>(statement: *const pg_sys::PlannedStmt) -> Option<&'a CStr> {
    // SAFETY: by the caller's promise; what a node is is in its tag.
    unsafe {
        let command = (*statement).utilityStmt;
        let sets = (*command).type_ == pg_sys::NodeTag::T_VariableSetStmt;
        if sets { text((*command.cast::<pg_sys::VariableSetStmt>()).name) } else { None }
    }
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn utility<H: Handler, const PLACE: usize>(
    statement: *mut pg_sys::PlannedStmt,
    query_string: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the statement is valid for the call; it is only looked at (`log_statement = 'ddl'` uses the same).
    let is_ddl =
        || unsafe { server::GetCommandLogLevel((*statement).utilityStmt) } == pg_sys::LogStmtLevel::LOGSTMT_DDL;
    // SAFETY: the server's statement and its text live as long as the call.
    let own = || unsafe { Text::of(query_string, (*statement).stmt_location, (*statement).stmt_len) };
    // SAFETY: as above.
    let started = !H::is_idle() && H::utility_starts(own(), unsafe { parameter_set(statement) }, is_ddl);
    call_next!(
        H,
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
    if !H::is_idle() {
        H::utility_ends(started);
    }
}
