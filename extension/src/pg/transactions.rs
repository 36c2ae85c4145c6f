//! Ends of transactions and of the process.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};

use pgrx::prelude::*;

use super::errors::is_leaving;
use super::thread::ServerThread;

/// Whether a transaction is under way.
pub(crate) fn is_in_transaction() -> bool {
    // SAFETY: it looks at the state of the current transaction, which there always is (xact.c).
    unsafe { pg_sys::IsTransactionState() }
}

/// What is to be done when something ends.
pub(crate) type Handler = fn();

/// What a callback of the server's may be told: a function of ours, as its argument.
fn argument(handler: Handler) -> *mut c_void {
    handler as *mut c_void
}

/// # Safety
/// `argument` comes from [`argument`].
unsafe fn call(argument: *mut c_void) {
    // SAFETY: by the caller's promise.
    let handler: Handler = unsafe { std::mem::transmute(argument) };
    handler();
}

/// What has ended, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A transaction was committed, or prepared.
    Committed,
    /// A transaction was aborted.
    Aborted,
    /// A subtransaction was aborted.
    SubAborted,
    /// The part that a parallel worker has in its leader's transaction is over, whatever comes of that.
    OfWorker,
}

/// Who is told of ends of transactions, if he wants to be.
#[derive(Clone, Copy)]
struct Listener {
    is_wanted: fn() -> bool,
    handler: fn(End),
}

/// Tells the listener.
fn tell(end: End) {
    if let Some(listener) = LISTENER.get()
        && (listener.is_wanted)()
    {
        super::guarded(|| (listener.handler)(end));
    }
}

/// Tells who wants to look at what a transaction holds.
fn ends_soon() {
    if let Some(handler) = BEFORE.get() {
        super::guarded(handler);
    }
}

/// Has it told when transactions end that still hold their locks (`CommitTransaction` and `AbortTransaction` in xact.c), or nobody.
pub(crate) fn before_end(handler: Option<Handler>) {
    BEFORE.set(handler);
}

static BEFORE: ServerThread<Cell<Option<Handler>>> = ServerThread::new(Cell::new(None));
static LISTENER: ServerThread<Cell<Option<Listener>>> = ServerThread::new(Cell::new(None));
static FIRST: ServerThread<Cell<Option<Handler>>> = ServerThread::new(Cell::new(None));

/// Has the ends of transactions told where `is_wanted` says so, and to `first` when a process ends its first one. In the
/// postmaster, its children inherit it.
pub(crate) fn on_end(is_wanted: fn() -> bool, handler: fn(End), first: fn()) {
    unsafe extern "C-unwind" fn ends(event: pg_sys::XactEvent::Type, _: *mut c_void) {
        use pg_sys::XactEvent::*;
        if let Some(first) = FIRST.take() {
            super::guarded(first);
        }
        match event {
            XACT_EVENT_PRE_COMMIT => ends_soon(),
            XACT_EVENT_COMMIT | XACT_EVENT_PREPARE => tell(End::Committed),
            XACT_EVENT_ABORT => {
                ends_soon();
                tell(End::Aborted);
            }
            XACT_EVENT_PARALLEL_COMMIT | XACT_EVENT_PARALLEL_ABORT => tell(End::OfWorker),
            _ => {}
        }
    }
    unsafe extern "C-unwind" fn subtransaction_ends(
        event: pg_sys::SubXactEvent::Type,
        _: pg_sys::SubTransactionId,
        _: pg_sys::SubTransactionId,
        _: *mut c_void,
    ) {
        if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
            tell(End::SubAborted);
        }
    }
    LISTENER.set(Some(Listener { is_wanted, handler }));
    FIRST.set(Some(first));
    // SAFETY: the callbacks are functions that do not use their argument.
    unsafe {
        pg_sys::RegisterXactCallback(Some(ends), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), std::ptr::null_mut());
    }
}

/// Has the end of this process told, while it is still connected to shared memory.
pub(crate) fn at_exit(handler: Handler) {
    #[pg_guard]
    unsafe extern "C-unwind" fn ends(_code: c_int, handler: pg_sys::Datum) {
        // SAFETY: registered with it.
        unsafe { call(handler.cast_mut_ptr()) };
    }
    // SAFETY: the callback takes what it is registered with.
    unsafe { pg_sys::before_shmem_exit(Some(ends), pg_sys::Datum::from(argument(handler))) };
}

/// The server's list of callbacks leads here, so it lies where it does not move.
static GONE: ServerThread<UnsafeCell<pg_sys::MemoryContextCallback>> =
    ServerThread::new(UnsafeCell::new(pg_sys::MemoryContextCallback {
        func: None,
        arg: std::ptr::null_mut(),
        next: std::ptr::null_mut(),
    }));
/// Whether it is in that list.
static WATCHED: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Has told when TopTransactionContext of this transaction goes. Cheap where that is so already. Inside a transaction.
///
/// It is the last thing that happens in a transaction, committed or aborted (`AtCommit_Memory` and `AtCleanup_Memory` in
/// xact.c): portals, locks and resource owners are gone by then, which is not so at the events that xact.c announces.
pub(crate) fn watch_end(handler: Handler) {
    #[pg_guard]
    unsafe extern "C-unwind" fn gone(handler: *mut c_void) {
        WATCHED.set(false);
        if is_leaving() {
            return;
        }
        // SAFETY: registered with it.
        unsafe { call(handler) };
    }
    if !WATCHED.replace(true) {
        let callback = GONE.get();
        // SAFETY: the context exists while statements are run. The callback struct is in no list, as the flag says, and lives as
        // long as the process.
        unsafe {
            (*callback).func = Some(gone);
            (*callback).arg = argument(handler);
            pg_sys::MemoryContextRegisterResetCallback(pg_sys::TopTransactionContext, callback);
        }
    }
}
