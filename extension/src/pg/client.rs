//! Statements executed as those of a client are that sends each in a Query message: at the top level, in transactions of their own.

use std::ffi::{CStr, CString, c_char, c_int, c_long};

use memcheck_core::room;
use pgrx::pg_sys;

use super::errors::{Raised, caught};
use super::{answer, server};

/// How a text is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    /// What is a plain query, a second time without being set up anew: its functions keep what they have kept at their call
    /// (`fn_extra`), and every context that is reset between two executions of a part of a plan is.
    Twice,
}

/// The statements of a text.
pub(crate) fn statements(text: &'static CStr) -> Result<Vec<CString>, Raised> {
    let all = text.as_ptr();
    // SAFETY: the closure owns nothing and calls the server without a boundary. It looks at no catalog.
    let parsed = unsafe { caught(|| server::pg_parse_query(all)) }?;
    let mut statements = Vec::new();
    // SAFETY: a list of raw statements, in MessageContext. An empty one is null.
    unsafe {
        for number in 0..parsed.as_ref().map_or(0, |list| list.length) {
            let statement = (*(*parsed).elements.add(number as usize)).ptr_value.cast::<pg_sys::RawStmt>();
            let from = text.to_bytes().get((*statement).stmt_location.max(0) as usize..).unwrap_or_default();
            let length = Some((*statement).stmt_len as usize).filter(|&length| length > 0);
            let own = length.and_then(|length| from.get(..length)).unwrap_or(from);
            room::push(&mut statements, CString::new(own).unwrap_or_default());
        }
    }
    Ok(statements)
}

/// Executes a text as a message, and digests what it gives: all of it in one transaction, unless it says otherwise itself. What has
/// failed is still to be rolled back.
pub(crate) fn answer(text: &'static CStr) -> Result<u64, Raised> {
    let text = text.as_ptr();
    answer::begins();
    // SAFETY: the closure owns nothing and calls the server without a boundary.
    let done = unsafe { caught(|| run_message(text)) };
    // SAFETY: it is there as long as the process.
    unsafe { pg_sys::CurrentMemoryContext = pg_sys::MessageContext };
    done.map(|()| answer::digest())
}

/// Executes a statement (`exec_simple_query` in postgres.c). What has failed is rolled back.
pub(crate) fn execute(text: &'static CStr, times: Times) -> Result<(), Raised> {
    let text = text.as_ptr();
    // SAFETY: the closure owns nothing and calls the server without a boundary.
    let done = unsafe { caught(|| run(text, times)) };
    if done.is_err() {
        abandon();
    }
    // SAFETY: it is there as long as the process.
    unsafe { pg_sys::CurrentMemoryContext = pg_sys::MessageContext };
    done
}

/// Rolls back the transaction that statements have left open.
pub(crate) fn leave_transaction() {
    // SAFETY: looks at the state of the transaction.
    if unsafe { pg_sys::IsTransactionBlock() } {
        abandon();
        // SAFETY: as above.
        unsafe { pg_sys::CurrentMemoryContext = pg_sys::MessageContext };
    }
}

/// Does something in a transaction.
pub(crate) fn in_transaction<R>(act: impl FnOnce() -> R) -> R {
    // SAFETY: outside of transactions. An ERROR ends the process.
    unsafe {
        pg_sys::StartTransactionCommand();
        let done = act();
        pg_sys::CommitTransactionCommand();
        pg_sys::CurrentMemoryContext = pg_sys::MessageContext;
        done
    }
}

/// Rolls back whatever is under way.
pub(crate) fn abandon() {
    // SAFETY: does nothing outside of transactions.
    unsafe { pg_sys::AbortOutOfAnyTransaction() };
}

/// A message is done with: what was allocated for it goes (`PostgresMain` in postgres.c).
pub(crate) fn message_ends() {
    // SAFETY: nothing that is used lies in it any more.
    unsafe { server::MemoryContextReset(pg_sys::MessageContext) };
}

/// # Safety
/// An ERROR leaves this frame by a jump, which owns nothing.
unsafe fn run(text: *const c_char, times: Times) {
    // SAFETY: as exec_simple_query calls them.
    unsafe {
        pg_sys::debug_query_string = text;
        pg_sys::SetCurrentStatementStartTimestamp();
        server::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text);
        server::StartTransactionCommand();
        pg_sys::CurrentMemoryContext = pg_sys::MessageContext;
        let statements = server::pg_parse_query(text);
        let count = if statements.is_null() { 0 } else { (*statements).length };
        for number in 0..count {
            if number > 0 {
                server::StartTransactionCommand();
            }
            pg_sys::CurrentMemoryContext = pg_sys::MessageContext;
            let statement = (*(*statements).elements.add(number as usize)).ptr_value.cast();
            run_statement(statement, text, times, false);
            server::CommitTransactionCommand();
        }
        if count == 0 {
            server::CommitTransactionCommand();
        }
        server::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        pg_sys::debug_query_string = std::ptr::null();
    }
}

/// A message of several statements is a transaction, as far as they do not say otherwise (`exec_simple_query` in postgres.c).
///
/// # Safety
/// As [`run`].
unsafe fn run_message(text: *const c_char) {
    // SAFETY: as exec_simple_query calls them.
    unsafe {
        pg_sys::debug_query_string = text;
        pg_sys::SetCurrentStatementStartTimestamp();
        server::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text);
        server::StartTransactionCommand();
        pg_sys::CurrentMemoryContext = pg_sys::MessageContext;
        let statements = server::pg_parse_query(text);
        let count = if statements.is_null() { 0 } else { (*statements).length };
        let mut is_started = true;
        for number in 0..count {
            if !std::mem::replace(&mut is_started, true) {
                server::StartTransactionCommand();
            }
            if count > 1 {
                server::BeginImplicitTransactionBlock();
            }
            pg_sys::CurrentMemoryContext = pg_sys::MessageContext;
            let statement: *mut pg_sys::RawStmt = (*(*statements).elements.add(number as usize)).ptr_value.cast();
            run_statement(statement, text, Times::Once, true);
            let is_last = number + 1 == count;
            if is_last && count > 1 {
                server::EndImplicitTransactionBlock();
            }
            if is_last || (*(*statement).stmt).type_ == pg_sys::NodeTag::T_TransactionStmt {
                server::CommitTransactionCommand();
                is_started = false;
            } else {
                server::CommandCounterIncrement();
            }
        }
        if is_started {
            server::CommitTransactionCommand();
        }
        server::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        pg_sys::debug_query_string = std::ptr::null();
    }
}

/// # Safety
/// As [`run`].
unsafe fn run_statement(statement: *mut pg_sys::RawStmt, text: *const c_char, times: Times, is_digested: bool) {
    // SAFETY: as above.
    unsafe {
        refuse_copy((*statement).stmt);
        if pg_sys::InterruptPending != 0 {
            server::ProcessInterrupts();
        }
        let tag = server::CreateCommandTag((*statement).stmt);
        let needs_snapshot = server::analyze_requires_snapshot(statement);
        if needs_snapshot {
            server::PushActiveSnapshot(server::GetTransactionSnapshot());
        }
        let null = std::ptr::null_mut();
        let queries = server::pg_analyze_and_rewrite_fixedparams(statement, text, std::ptr::null(), 0, null);
        let plans =
            server::pg_plan_queries(queries, text, pg_sys::CURSOR_OPT_PARALLEL_OK as c_int, std::ptr::null_mut());
        if needs_snapshot {
            server::PopActiveSnapshot();
        }
        let portal = server::CreatePortal(c"".as_ptr(), true, true);
        (*portal).visible = false;
        server::PortalDefineQuery(portal, std::ptr::null(), text, tag, plans, std::ptr::null_mut());
        server::PortalStart(portal, std::ptr::null_mut(), 0, std::ptr::null_mut());
        run_portal(portal, is_digested);
        if times == Times::Twice && rewind(portal) {
            run_portal(portal, is_digested);
        }
        server::PortalDrop(portal, false);
    }
}

/// # Safety
/// As [`run`].
unsafe fn run_portal(portal: pg_sys::Portal, is_digested: bool) {
    // SAFETY: as above. Rows go to whoever listens to the worker, or are digested; LONG_MAX is FETCH_ALL.
    unsafe {
        let receiver = if is_digested {
            answer::receiver()
        } else {
            let receiver = server::CreateDestReceiver(pg_sys::CommandDest::DestRemote);
            server::SetRemoteDestReceiverParams(receiver, portal);
            receiver
        };
        let (count, completion) = (c_long::MAX, std::ptr::null_mut());
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        server::PortalRun(portal, count, true, false, receiver, receiver, completion);
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        server::PortalRun(portal, count, true, receiver, receiver, completion);
        if let Some(destroy) = (*receiver).rDestroy {
            destroy(receiver);
        }
    }
}

/// Has a portal execute its plan again, as `DoPortalRewind` of pquery.c does where it was fetched from. Whether it can: what
/// changes something does so once.
///
/// # Safety
/// As [`run`].
unsafe fn rewind(portal: pg_sys::Portal) -> bool {
    // SAFETY: the portal has been run, and its query lives as long as it does.
    unsafe {
        let query = (*portal).queryDesc;
        if (*portal).strategy != pg_sys::PortalStrategy::PORTAL_ONE_SELECT || query.is_null() {
            return false;
        }
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::CurrentResourceOwner = (*portal).resowner;
        server::PushActiveSnapshot((*query).snapshot);
        server::ExecutorRewind(query);
        server::PopActiveSnapshot();
        pg_sys::CurrentResourceOwner = owner;
        (*portal).atStart = true;
        (*portal).atEnd = false;
        (*portal).portalPos = 0;
        true
    }
}

/// Raises an ERROR for COPY that reads from the client: a worker has none.
///
/// # Safety
/// As [`run`].
unsafe fn refuse_copy(statement: *mut pg_sys::Node) {
    // SAFETY: a node, and an error that is raised as elog.h does.
    unsafe {
        if (*statement).type_ != pg_sys::NodeTag::T_CopyStmt {
            return;
        }
        let copy = statement.cast::<pg_sys::CopyStmt>();
        if (*copy).is_from && (*copy).filename.is_null() && server::errstart(pg_sys::PGERROR as c_int, std::ptr::null())
        {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED as c_int);
            server::errmsg(c"workload cannot be run in a background worker: COPY FROM STDIN".as_ptr());
            server::errhint(c"%s".as_ptr(), c"It needs a client: put the rows into INSERT.".as_ptr());
            server::errfinish(c"client.rs".as_ptr(), 0, c"refuse_copy".as_ptr());
        }
    }
}
