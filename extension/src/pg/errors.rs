//! ERRORs of the server that are held back and raised later, just as they were.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;

use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::pg_sys;

use super::server;
use super::thread::ServerThread;

/// An ERROR, with its SQLSTATE, CONTEXT, position and all other fields. It lies in the memory context that was current.
#[derive(Debug)]
#[must_use = "an ERROR that is not raised is lost"]
pub(crate) struct Raised(*mut pg_sys::ErrorData);

impl Raised {
    /// Raises it.
    ///
    /// The frames up to the server's are left by longjmp: what they own must have been dropped. What pgrx puts around an SQL
    /// function owns nothing.
    pub(crate) fn raise(self) -> ! {
        // SAFETY: made by CopyErrorData in a context of the caller's.
        unsafe { server::ReThrowError(self.0) }
    }

    /// An ERROR that has come from elsewhere.
    ///
    /// # Safety
    /// It was palloc'ed, whole, in a context of the caller's, and is nobody else's.
    pub(super) unsafe fn of(error: *mut pg_sys::ErrorData) -> Self {
        // SAFETY: by the caller's promise. It is told to whom the server tells an ERROR.
        unsafe {
            (*error).elevel = pg_sys::PGERROR as c_int;
            (*error).output_to_server = true;
            (*error).output_to_client = true;
        }
        Raised(error)
    }

    /// Whether it stands for a fault (SQLSTATE XXMEM).
    pub(crate) fn is_fault(&self) -> bool {
        // SAFETY: made by CopyErrorData, or as it would.
        unsafe { (*self.0).sqlerrcode == sqlstate(*b"XXMEM") }
    }

    /// SQLSTATE and message.
    pub(crate) fn said(&self) -> (String, String) {
        // SAFETY: made by CopyErrorData, or as it would.
        let (code, message) = unsafe { ((*self.0).sqlerrcode, super::text((*self.0).message)) };
        let letter = |place: u32| ((code >> (6 * place) & 0x3f) as u8 + b'0') as char;
        ((0..5).map(letter).collect(), message.map_or(String::new(), |text| text.to_string_lossy().into_owned()))
    }

    /// Where it is.
    pub(super) fn address(&self) -> usize {
        self.0.addr()
    }

    /// Drops it.
    pub(crate) fn forget(self) {
        // SAFETY: made by CopyErrorData, and used no more.
        unsafe { server::FreeErrorData(self.0) }
    }
}

/// Calls the server, and catches what it raises: PG_TRY and PG_CATCH of elog.h.
///
/// What the server has begun to do is not undone: either the ERROR is raised again, or a subtransaction is rolled back.
///
/// # Safety
/// As for [`completed`].
pub(super) unsafe fn caught<R: Copy>(call: impl FnOnce() -> R + Copy) -> Result<R, Raised> {
    // SAFETY: by the caller's promise. The copy is made where the caller's caller catches what it raises.
    unsafe {
        completed(call).ok_or_else(|| {
            let raised = server::__real_CopyErrorData();
            server::FlushErrorState();
            Raised(raised)
        })
    }
}

/// Calls the server. None if it raises an ERROR, which is then the server's current one (`errordata` in elog.c).
///
/// # Safety
/// `call` is left by longjmp when the server raises an ERROR: it must own nothing that has to be dropped, must not call Rust
/// code that does, and calls the server's functions without pgrx's boundary.
pub(super) unsafe fn completed<R: Copy>(call: impl FnOnce() -> R + Copy) -> Option<R> {
    let mut result = MaybeUninit::<R>::uninit();
    // SAFETY: what is current is put back before this frame is left, and by the caller's promise the frames that a longjmp
    // skips hold nothing to drop.
    unsafe {
        let exceptions = pg_sys::PG_exception_stack;
        let contexts = pg_sys::error_context_stack;
        let memory = pg_sys::CurrentMemoryContext;
        let jumped = call_with_sigsetjmp(false, |here| {
            pg_sys::PG_exception_stack = std::ptr::from_ref::<SigJmpBufFields>(here).cast_mut().cast();
            result.write(call());
            0
        });
        pg_sys::PG_exception_stack = exceptions;
        pg_sys::error_context_stack = contexts;
        if jumped == 0 {
            return Some(result.assume_init());
        }
        // It is ErrorContext by now.
        pg_sys::CurrentMemoryContext = memory;
        None
    }
}

/// Whether this process is about to end for want of memory.
static IS_LEAVING: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Whether this process is about to end for want of memory, so that nothing of the engine's is to be done any more.
pub(crate) fn is_leaving() -> bool {
    IS_LEAVING.get()
}

/// Ends this process, and no other, for want of so many bytes. Returns where that cannot be done: in a critical section, which all
/// processes have to be ended for, and in a thread that is not the server's.
///
/// A FATAL does not come back and leaves no frame by a jump: `errfinish` calls `proc_exit` (elog.c). What is held here - the
/// session, a lock of the server's - is held while the callbacks of `proc_exit` run, so those of ours do nothing ([`is_leaving`]);
/// the server releases its locks first (`AbortTransaction` in xact.c, `ProcKill` in proc.c). What the message itself takes is
/// kept for it in ErrorContext.
pub(crate) fn out_of_memory(bytes: usize) {
    // SAFETY: plain variables of the server.
    let can_end = unsafe { pg_sys::CritSectionCount == 0 && libc::gettid() == pg_sys::MyProcPid };
    if !can_end {
        return;
    }
    IS_LEAVING.set(true);
    // SAFETY: the formats' arguments are as they say, and the texts live for ever.
    unsafe {
        if server::errstart(pg_sys::FATAL as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            server::errmsg(c"out of memory".as_ptr());
            server::errdetail_internal(c"Failed on request of size %zu in \"pg_ext_memcheck\".".as_ptr(), bytes);
            server::errfinish(c"errors.rs".as_ptr(), 0, c"out_of_memory".as_ptr());
        }
    }
}

/// Ends this process, and no other.
pub(crate) fn end(text: &'static CStr) {
    // SAFETY: the format's argument is as it says, and the text lives for ever. A FATAL does not come back: `errfinish` calls `proc_exit`.
    unsafe {
        if server::errstart(pg_sys::FATAL as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN as c_int);
            server::errmsg_internal(c"%s".as_ptr(), text.as_ptr());
            server::errfinish(c"errors.rs".as_ptr(), 0, c"end".as_ptr());
        }
    }
}

/// Raises the ERROR of a context for which malloc had nothing to give (`AllocSetContextCreateInternal` in aset.c).
///
/// # Safety
/// `name` is a C string. The frames up to the one that catches it are left by longjmp.
pub(crate) unsafe fn no_context(name: *const c_char) {
    // SAFETY: by the caller's promise, and the formats' arguments are as they say.
    unsafe {
        if server::errstart(pg_sys::PGERROR as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            server::errmsg(c"out of memory".as_ptr());
            server::errdetail_internal(c"Failed while creating memory context \"%s\".".as_ptr(), name);
            server::errfinish(c"errors.rs".as_ptr(), 0, c"no_context".as_ptr());
        }
    }
}

/// Raises the ERROR of a segment for which there is no place (`dsm_create` in dsm.c).
///
/// # Safety
/// The frames up to the one that catches it are left by longjmp.
pub(crate) unsafe fn no_segment() {
    // SAFETY: as above.
    unsafe {
        if server::errstart(pg_sys::PGERROR as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES as c_int);
            server::errmsg(c"too many dynamic shared memory segments".as_ptr());
            server::errfinish(c"errors.rs".as_ptr(), 0, c"no_segment".as_ptr());
        }
    }
}

/// `MAKE_SQLSTATE` of elog.h
fn sqlstate(code: [u8; 5]) -> c_int {
    code.iter().rev().fold(0, |code, &byte| (code << 6) + (c_int::from(byte.wrapping_sub(b'0')) & 0x3f))
}

/// What is said of something that ends a statement, or this process.
pub(crate) struct Said<'a> {
    /// SQLSTATE
    pub(crate) code: [u8; 5],
    pub(crate) message: &'a CStr,
    pub(crate) detail: &'a CStr,
    pub(crate) hint: &'a CStr,
}

/// Raises an ERROR, or a FATAL, from wherever this is called: from a place to which a signal handler has led, or on another stack.
///
/// `on_the_way` is called when the server has taken it, and nothing is left but to jump to who catches it; not for a FATAL, which ends
/// the process.
///
/// # Safety
/// The frames up to the one that catches it are left by longjmp, and are not used any more.
pub(crate) unsafe fn raise_from_anywhere(said: &Said, is_fatal: bool, is_other_stack: bool, on_the_way: fn()) -> ! {
    let level = if is_fatal { pg_sys::FATAL } else { pg_sys::PGERROR } as c_int;
    let code = sqlstate(said.code);
    let [message, detail, hint] = [said.message, said.detail, said.hint].map(CStr::as_ptr);
    let raise = || {
        // SAFETY: the format's argument is as it says, and texts are copied.
        unsafe {
            if server::errstart(level, std::ptr::null()) {
                let text = c"%s".as_ptr();
                server::errcode(code);
                server::errmsg_internal(text, message);
                server::errdetail_internal(text, detail);
                server::errhint(text, hint);
                server::errfinish(c"errors.rs".as_ptr(), 0, c"raise_from_anywhere".as_ptr());
            }
        }
    };
    // SAFETY: by the caller's promise. The server measures how deep the stack is from where it begins.
    unsafe {
        let base = if is_other_stack { server::set_stack_base() } else { std::ptr::null_mut() };
        let _ = completed(raise);
        if is_other_stack {
            server::restore_stack_base(base);
        }
        on_the_way();
        server::pg_re_throw()
    }
}

/// Has only panics of Rust's own leave their traces: pgrx puts those of any other into the DETAIL of an ERROR, where
/// `RUST_BACKTRACE` is in the server's environment. An ERROR that passes as a panic says where it comes from itself.
pub(crate) fn keep_frames_out() {
    use pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
    let traces = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        if !(payload.is::<CaughtError>() || payload.is::<ErrorReport>() || payload.is::<ErrorReportWithLevel>()) {
            traces(info);
        }
    }));
}
