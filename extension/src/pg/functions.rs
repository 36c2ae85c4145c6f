//! The pair of hooks around the calls of functions (fmgr.c): `needs_fmgr_hook` is asked when a function is looked up, and
//! `fmgr_hook` is then told when it is called, when it returns and when it is left by an ERROR (`fmgr_security_definer`).

use std::arch::asm;
use std::cell::Cell;
use std::ffi::c_int;

use pgrx::pg_sys;

use super::server::{ReleaseSysCache, SearchSysCache1, SysCacheGetAttr};
use super::thread::ServerThread;

/// ClanguageId of pg_language.dat.
const C_LANGUAGE: u32 = 13;

/// A call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// What the server knows the function by (`FmgrInfo`); the same for all calls in progress of one caller.
    pub(crate) known_by: usize,
    /// The address of its code; 0 for none.
    pub(crate) code: usize,
    /// CurrentMemoryContext.
    pub(crate) context: usize,
    /// Where on the stack the return address of the hook lies, and so does that of the call: the server makes both from one frame.
    pub(crate) slot: usize,
}

/// Who is told of calls. None of it may panic or raise an ERROR.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    /// Whether any function's calls are of interest now.
    pub(crate) is_on: fn() -> bool,
    /// Whether the calls of functions in this library (file name without directory and suffix) are.
    pub(crate) is_wanted: fn(&[u8]) -> bool,
    /// A function is about to be called.
    pub(crate) starts: fn(Call),
    /// It has returned; or, if not `in_order`, was left by an ERROR.
    pub(crate) ends: fn(Call, bool),
}

static NEXT_NEEDS: ServerThread<Cell<pg_sys::needs_fmgr_hook_type>> = ServerThread::new(Cell::new(None));
static NEXT: ServerThread<Cell<pg_sys::fmgr_hook_type>> = ServerThread::new(Cell::new(None));
static HANDLER: ServerThread<Cell<Option<Handler>>> = ServerThread::new(Cell::new(None));

/// Has calls told. In the postmaster: its children inherit it.
pub(crate) fn on_call(handler: Handler) {
    HANDLER.set(Some(handler));
    // SAFETY: exchanges hook variables of this single-threaded process.
    unsafe {
        NEXT_NEEDS.set(std::ptr::replace(&raw mut pg_sys::needs_fmgr_hook, Some(is_wanted)));
        NEXT.set(std::ptr::replace(&raw mut pg_sys::fmgr_hook, Some(call)));
    }
}

/// Asked when a function is looked up and when the planner would like to inline it, which it does with functions in SQL only
/// (`fmgr_info_cxt_security` in fmgr.c, `inline_function` in clauses.c). Both have the function's row of pg_proc at hand, or
/// are about to look it up.
unsafe extern "C-unwind" fn is_wanted(function: pg_sys::Oid) -> bool {
    let is_ours = |handler: Handler| {
        // SAFETY: the server asks in a transaction.
        (handler.is_on)() && unsafe { library_of(function, handler.is_wanted) }
    };
    // SAFETY: called as the server called us, in a transaction, with nothing to drop.
    unsafe { NEXT_NEEDS.get().is_some_and(|next| next(function)) || HANDLER.get().is_some_and(is_ours) }
}

/// Whether a function is in C, and `is_wanted` says so of its library.
///
/// # Safety
/// In a transaction.
unsafe fn library_of(function: pg_sys::Oid, is_wanted: fn(&[u8]) -> bool) -> bool {
    const PROC: c_int = pg_sys::SysCacheIdentifier::PROCOID as c_int;
    // SAFETY: the tuple is pinned until it is released, and its fixed part is of that type.
    unsafe {
        let tuple = SearchSysCache1(PROC, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return false;
        }
        let row = (*tuple).t_data.byte_add(usize::from((*(*tuple).t_data).t_hoff)).cast::<pg_sys::FormData_pg_proc>();
        let mut wanted = false;
        if (*row).prolang.to_u32() == C_LANGUAGE {
            let mut is_null = false;
            let path = SysCacheGetAttr(PROC, tuple, pg_sys::Anum_pg_proc_probin as pg_sys::AttrNumber, &mut is_null);
            wanted = !is_null && text(path).is_some_and(|path| is_wanted(stem(path)));
        }
        ReleaseSysCache(tuple);
        wanted
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
    let frame: usize;
    // SAFETY: reads a register. The engine is built with frame pointers, or this is no address of anything.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    let this = || {
        // SAFETY: the server describes the function that is called; a plain variable.
        let (code, context) = unsafe { ((*function).fn_addr, pg_sys::CurrentMemoryContext) };
        Call {
            known_by: function.addr(),
            code: code.map_or(0, |code| code as usize),
            context: context.addr(),
            slot: frame + size_of::<usize>(),
        }
    };
    let handler = HANDLER.get();
    if let Some(handler) = handler.filter(|_| event != FHET_START) {
        (handler.ends)(this(), event == FHET_END);
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: called as the server called us; `private` is used by nobody but the next one.
        unsafe { next(event, function, private) };
    }
    if let Some(handler) = handler.filter(|_| event == FHET_START) {
        (handler.starts)(this());
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn libraries_are_known_by_their_stem() {
        let table: [(&str, &str); 6] = [
            ("$libdir/hstore", "hstore"),
            ("/usr/lib/x/plpgsql.so", "plpgsql"),
            ("my_ext-1.2", "my_ext-1.2"),
            ("$libdir/a.so.b.so", "a.so.b"),
            ("", ""),
            ("dir/", ""),
        ];
        for (path, name) in table {
            assert_eq!(stem(path.as_bytes()), name.as_bytes(), "{path}");
        }
    }
}
