//! Whether structs of the server are laid out as this build of the engine knows them: those whose members it reads, tried on some that
//! the server makes for it. Contexts are `contexts/proof.rs`'s.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::offset_of;
use std::ptr::null_mut;

use pgrx::pg_sys::{
    self, ErrorData, MemoryContextData, PGPROC, PROC_HDR, PlannedStmt, PortalData, QueryDesc, dlist_head,
};

use super::peek::Memory;
use super::{errors, lwlocks, server};

const TEXT: &CStr = c"pg_ext_memcheck proof";

/// An ERROR's members, a statement's, those of what is executed and the list of LWLocks. May raise an ERROR where memory runs out.
///
/// # Errors
///
/// What is not as it is known.
pub(crate) fn check() -> Result<(), String> {
    let memory = Memory::new().ok_or("no pipe could be made")?;
    error(&memory)?;
    query(&memory)?;
    statement()?;
    lwlocks::check()
}

/// What has to be found in a struct: a word at a member's place.
type Expected = (&'static str, usize, usize);

/// Compares words of a struct.
fn compare(memory: &Memory, name: &str, address: usize, expected: &[Expected]) -> Result<(), String> {
    let differs = |&&(_, offset, word): &&Expected| memory.read(address + offset) != Some(word);
    expected.iter().find(differs).map_or(Ok(()), |(member, ..)| Err(format!("{name}.{member}")))
}

/// An ERROR that is raised, caught and copied (`CopyErrorData` in elog.c).
fn error(memory: &Memory) -> Result<(), String> {
    let code = pg_sys::errcodes::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR as c_int;
    let level = pgrx::PgLogLevel::ERROR as c_int;
    // SAFETY: the texts live for ever, the closure owns nothing, and what is changed is put back. With `exit_on_error` it would end the
    // postmaster (`errstart` in elog.c).
    let raised = unsafe {
        let exits = std::ptr::replace(&raw mut pg_sys::ExitOnAnyError, false);
        let raised = errors::caught(|| {
            if server::__real_errstart(level, std::ptr::null()) {
                server::errcode(code);
                server::errmsg_internal(TEXT.as_ptr());
                server::errfinish(c"layouts.rs".as_ptr(), 0, c"error".as_ptr());
            }
        });
        pg_sys::ExitOnAnyError = exits;
        raised.err().ok_or("what raises an ERROR")?
    };
    let address = raised.address();
    // SAFETY: a plain variable.
    let context = unsafe { pg_sys::CurrentMemoryContext }.addr();
    let first = usize::from_ne_bytes(*TEXT.to_bytes().first_chunk().expect("it is longer"));
    let is_text = |member: &'static str, offset: usize| {
        let at = memory.read(address + offset).unwrap_or(0);
        compare(memory, "ErrorData", at, &[(member, 0, first)])
    };
    let is_number = |member: &str, offset: usize, expected: c_int| {
        let is_known = memory.read(address + offset) == Some(expected);
        if is_known { Ok(()) } else { Err(format!("ErrorData.{member}")) }
    };
    let checked = is_number("elevel", offset_of!(ErrorData, elevel), level)
        .and_then(|()| is_number("sqlerrcode", offset_of!(ErrorData, sqlerrcode), code))
        .and_then(|()| is_text("message", offset_of!(ErrorData, message)))
        .and_then(|()| is_text("message_id", offset_of!(ErrorData, message_id)))
        .and_then(|()| {
            let last = ("assoc_context", offset_of!(ErrorData, assoc_context), context);
            compare(memory, "ErrorData", address, &[last])
        });
    raised.forget();
    checked
}

/// Room for a statement as it is known and for more.
#[repr(C)]
struct Statement {
    known: PlannedStmt,
    more: [usize; 32],
}

impl Statement {
    fn new() -> Self {
        // SAFETY: all members are numbers and pointers, for which zero is none.
        let mut statement: Self = unsafe { std::mem::zeroed() };
        statement.known.type_ = pg_sys::NodeTag::T_PlannedStmt;
        statement
    }
}

/// What `CreateQueryDesc` makes (pquery.c).
fn query(memory: &Memory) -> Result<(), String> {
    let mut statement = Statement::new();
    let plan = &raw mut statement.known;
    let text = TEXT.as_ptr();
    // SAFETY: it takes note of what it is given, and registers no snapshot where there is none (snapmgr.c).
    unsafe {
        let query = server::CreateQueryDesc(plan, text, null_mut(), null_mut(), null_mut(), null_mut(), null_mut(), 0);
        let (plan_at, text_at) = (offset_of!(QueryDesc, plannedstmt), offset_of!(QueryDesc, sourceText));
        let expected = [("plannedstmt", plan_at, plan.addr()), ("sourceText", text_at, text.addr())];
        let checked = compare(memory, "QueryDesc", query.addr(), &expected);
        server::FreeQueryDesc(query);
        checked
    }
}

/// What the server reads in a statement, as it writes it down (outfuncs.c).
fn statement() -> Result<(), String> {
    let mut statement = Statement::new();
    (statement.known.stmt_location, statement.known.stmt_len) = (1_234_567, 7_654_321);
    let node: *const c_void = (&raw const statement).cast();
    // SAFETY: a node with nothing below it, and a C string that is ours.
    let is_known = unsafe {
        let written: *mut c_char = server::nodeToString(node);
        let is_known = CStr::from_ptr(written).to_string_lossy().contains(":stmt_location 1234567 :stmt_len 7654321");
        pg_sys::pfree(written.cast());
        is_known
    };
    if is_known { Ok(()) } else { Err("PlannedStmt.stmt_location".to_owned()) }
}

/// The processes' places in shared memory, when that was just made: in each is a list of the members of its lock group, which is empty
/// (`InitProcGlobal` in proc.c). All that is read in a place is before it.
///
/// # Errors
///
/// What is not as it is known.
pub(crate) fn check_processes() -> Result<(), String> {
    let memory = Memory::new().ok_or("no pipe could be made")?;
    // SAFETY: a plain variable.
    let header = unsafe { pg_sys::ProcGlobal }.addr();
    let first: usize = memory.read(header + offset_of!(PROC_HDR, allProcs)).ok_or("PROC_HDR.allProcs")?;
    processes(&memory, first, size_of::<PGPROC>(), offset_of!(PGPROC, lockGroupMembers))
}

fn processes(memory: &Memory, first: usize, size: usize, members: usize) -> Result<(), String> {
    // The server has a few of its own, so there are as many.
    for number in 0..4 {
        let list = first + number * size + members;
        let next = offset_of!(dlist_head, head) + offset_of!(pg_sys::dlist_node, next);
        compare(memory, "PGPROC", list, &[("lockGroupMembers", next, list)])?;
    }
    Ok(())
}

/// The portal that is running, if there is one: its context is known by its name (`CreatePortal` in portalmem.c).
///
/// # Errors
///
/// What is not as it is known.
pub(crate) fn check_portal() -> Result<(), String> {
    // SAFETY: a plain variable.
    let portal = unsafe { pg_sys::ActivePortal }.addr();
    if portal == 0 {
        return Ok(());
    }
    let memory = Memory::new().ok_or("no pipe could be made")?;
    let context: usize = memory.read(portal + offset_of!(PortalData, portalContext)).unwrap_or(0);
    let name: usize = memory.read(context.wrapping_add(offset_of!(MemoryContextData, name))).unwrap_or(0);
    compare(&memory, "PortalData", name, &[("portalContext", 0, usize::from_ne_bytes(*b"PortalCo"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_layout_of_processes_is_noticed() {
        // Places of 48 bytes, with a list at 24.
        let mut places = Box::new([[0_usize; 6]; 6]);
        for place in places.iter_mut() {
            let list = (&raw mut place[3]).expose_provenance();
            (place[3], place[4]) = (list, list);
        }
        let memory = Memory::new().expect("a pipe");
        let first = places.as_ptr().expose_provenance();
        assert_eq!(processes(&memory, first, 48, 24), Ok(()));
        for (size, members) in [(56, 24), (40, 24), (48, 32), (48, 16)] {
            let found = processes(&memory, first, size, members);
            assert_eq!(found, Err("PGPROC.lockGroupMembers".to_owned()), "{size} {members}");
        }
        // Nothing is mapped there.
        assert!(processes(&memory, 1 << 60, 48, 24).is_err());
    }

    #[test]
    fn another_word_is_named() {
        let words = [1_usize, 2, 3];
        let memory = Memory::new().expect("a pipe");
        let address = words.as_ptr().expose_provenance();
        let expected: [Expected; 3] = [("one", 0, 1), ("two", 8, 2), ("three", 16, 3)];
        assert_eq!(compare(&memory, "Words", address, &expected), Ok(()));
        assert_eq!(
            compare(&memory, "Words", address, &[("two", 8, 2), ("three", 8, 3)]),
            Err("Words.three".to_owned())
        );
        assert_eq!(compare(&memory, "Words", 1 << 60, &expected), Err("Words.one".to_owned()));
    }
}
