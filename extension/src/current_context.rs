//! Calls of the targets' functions by the server: whether CurrentMemoryContext is the same when they return.
//!
//! A function that returns with another context has what comes after it allocate there. PostgreSQL's way in is the pair of
//! hooks of fmgr.c: `needs_fmgr_hook` is asked when a function is looked up, and `fmgr_hook` is then told when it is called,
//! when it returns and when it is left by an ERROR (`fmgr_security_definer`). While nothing is traced no function is asked
//! for; those asked for while there was stay so for as long as the server keeps what it looked up, which costs a few
//! nanoseconds a call and is otherwise without effect.
//!
//! Functions in C only: those in other languages are calls of their language's handler. What was looked up before the window
//! was opened and is kept - support functions of indexes and types in the caches - is called directly and not seen.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;

use memcheck_core::{CheckKind, ContextPath, Event, Site, census::SiteId};
use pgrx::pg_sys;

use crate::events::{self, Key};
use crate::{parallel, statement, trace};

/// ClanguageId of pg_language.dat.
const C_LANGUAGE: u32 = 13;

/// A call that has not returned.
struct Call {
    /// What the server knows the function by; the same for all calls in progress of one caller.
    function: *mut pg_sys::FmgrInfo,
    /// CurrentMemoryContext when it started.
    context: pg_sys::MemoryContext,
}

thread_local! {
    static NEXT_NEEDS: Cell<pg_sys::needs_fmgr_hook_type> = const { Cell::new(None) };
    static NEXT: Cell<pg_sys::fmgr_hook_type> = const { Cell::new(None) };
    static UNDER_WAY: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn register() {
    // SAFETY: exchanges hook variables of this single-threaded process.
    unsafe {
        NEXT_NEEDS.set(std::ptr::replace(&raw mut pg_sys::needs_fmgr_hook, Some(is_wanted)));
        NEXT.set(std::ptr::replace(&raw mut pg_sys::fmgr_hook, Some(call)));
    }
}

/// The server's own functions, without the boundary that pgrx puts around them: an ERROR passes as it is.
mod server {
    use super::{c_int, pg_sys};

    unsafe extern "C-unwind" {
        pub(super) fn SearchSysCache1(cache: c_int, key: pg_sys::Datum) -> pg_sys::HeapTuple;
        pub(super) fn SysCacheGetAttr(
            cache: c_int,
            tuple: pg_sys::HeapTuple,
            attribute: pg_sys::AttrNumber,
            is_null: *mut bool,
        ) -> pg_sys::Datum;
        pub(super) fn ReleaseSysCache(tuple: pg_sys::HeapTuple);
    }
}

/// Asked when a function is looked up and when the planner would like to inline it, which it does with functions in SQL only
/// (`fmgr_info_cxt_security` in fmgr.c, `inline_function` in clauses.c). Both have the function's row of pg_proc at hand, or
/// are about to look it up.
unsafe extern "C-unwind" fn is_wanted(function: pg_sys::Oid) -> bool {
    // SAFETY: called as the server called us, in a transaction, with nothing to drop.
    unsafe { NEXT_NEEDS.get().is_some_and(|next| next(function)) || (trace::is_on() && is_in_target(function)) }
}

/// Whether a function is in C and in a target's library.
///
/// # Safety
/// In a transaction.
unsafe fn is_in_target(function: pg_sys::Oid) -> bool {
    const PROC: c_int = pg_sys::SysCacheIdentifier::PROCOID as c_int;
    // SAFETY: the tuple is pinned until it is released, and its fixed part is of that type.
    unsafe {
        let tuple = server::SearchSysCache1(PROC, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return false;
        }
        let row = (*tuple).t_data.byte_add(usize::from((*(*tuple).t_data).t_hoff)).cast::<pg_sys::FormData_pg_proc>();
        let mut is_target = false;
        if (*row).prolang.to_u32() == C_LANGUAGE {
            let mut is_null = false;
            let path =
                server::SysCacheGetAttr(PROC, tuple, pg_sys::Anum_pg_proc_probin as pg_sys::AttrNumber, &mut is_null);
            is_target = !is_null && text(path).is_some_and(|path| trace::is_target(stem(path)));
        }
        server::ReleaseSysCache(tuple);
        is_target
    }
}

/// The bytes of a text value as it is stored; none where it is compressed, which no path is.
///
/// # Safety
/// `datum` is a text value that outlives the result.
unsafe fn text<'a>(datum: pg_sys::Datum) -> Option<&'a [u8]> {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: by the caller's promise; the length is in the header.
    unsafe {
        let plain = !pgrx::varatt_is_1b_e(value) && !pgrx::varatt_is_4b_c(value);
        plain.then(|| std::slice::from_raw_parts(pgrx::vardata_any(value).cast::<u8>(), pgrx::varsize_any_exhdr(value)))
    }
}

/// A library's name without directory and suffix.
fn stem(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.strip_suffix(b".so").unwrap_or(name)
}

/// Told of the calls of wanted functions and of those that run as another user or with settings of their own.
unsafe extern "C-unwind" fn call(
    event: pg_sys::FmgrHookEventType::Type,
    function: *mut pg_sys::FmgrInfo,
    private: *mut pg_sys::Datum,
) {
    use pg_sys::FmgrHookEventType::{FHET_END, FHET_START};
    if event != FHET_START {
        // SAFETY: the server describes the function that has returned.
        unsafe { returns(function, event == FHET_END) };
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: called as the server called us; `private` is used by nobody but the next one.
        unsafe { next(event, function, private) };
    }
    if event == FHET_START {
        // SAFETY: reads a variable of the server, and the function that it describes.
        let (context, address) = unsafe { (pg_sys::CurrentMemoryContext, address_of(function)) };
        with_calls(|calls| calls.push(Call { function, context }));
        if trace::is_target_code(address) {
            parallel::calls(CALLS.replace(CALLS.get() + 1));
        }
    }
}

/// How often functions of the targets have been called in this process.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

/// # Safety
/// `function` is valid.
unsafe fn address_of(function: *mut pg_sys::FmgrInfo) -> usize {
    // SAFETY: by the caller's promise.
    unsafe { (*function).fn_addr }.map_or(0, |code| code as usize)
}

fn with_calls<R>(f: impl FnOnce(&mut Vec<Call>) -> R) -> Option<R> {
    UNDER_WAY.with(|calls| calls.try_borrow_mut().ok().map(|mut calls| f(&mut calls)))
}

/// Takes note that a call is over, and counts it where the current context is not what it was.
///
/// # Safety
/// `function` is valid.
unsafe fn returns(function: *mut pg_sys::FmgrInfo, in_order: bool) {
    let call = with_calls(|calls| {
        // Calls above it were left by an ERROR of another hook before they began, or after they returned.
        let at = calls.iter().rposition(|call| call.function == function)?;
        calls.truncate(at + 1);
        calls.pop()
    });
    let Some(Some(Call { context: before, .. })) = call else { return };
    // SAFETY: reads a variable of the server.
    let after = unsafe { pg_sys::CurrentMemoryContext };
    if !in_order || after == before || !events::is_counting() {
        return;
    }
    // SAFETY: by the caller's promise.
    let address = unsafe { address_of(function) };
    if !trace::is_target_code(address) {
        return;
    }
    events::count(Key::Function(address), || {
        let frame = trace::function_at(address)?;
        let (before, after) = statement::with_walker(|walker| (walker.path_of(before), walker.path_of(after)));
        let name =
            |path: &Option<ContextPath>| path.as_ref().map_or("a deleted context".to_owned(), ContextPath::to_string);
        let function = frame.symbol.clone().unwrap_or_else(|| format!("{}+{:#x}", frame.library, frame.offset));
        Some(Event {
            check: CheckKind::WrongCtxAlloc,
            detail: format!(
                "{function} returned with {} as CurrentMemoryContext, called with {}",
                name(&after),
                name(&before)
            ),
            subject: after.unwrap_or_else(|| ContextPath::new(["(deleted)"])),
            library: frame.library.clone(),
            site: Some(Site { id: SiteId(0), stack: vec![frame.clone()], frame }),
        })
    });
}
