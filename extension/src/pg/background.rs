//! Dynamic background workers that do something for the session that starts them, as its role and with its parameters.
//!
//! A worker is given a text of any length, in a segment of its own, and says what it has to say by a queue that lies in it: its
//! messages, which its caller tells the client as parallel.c does for parallel workers, and what the engine sends besides. The
//! segment ends the worker: whoever has no more use for it - since the worker has ended, the statement is cancelled, or the session
//! ends - detaches from it, and has the postmaster terminate the worker. A worker that ends, however it does, detaches as well, which is
//! how its caller learns of it.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::time::{Duration, Instant};

use pg_sys::{BgwHandleStatus, shm_mq_result};
use pgrx::prelude::*;

use super::errors::Raised;
use super::server;
use super::thread::ServerThread;

/// The name that the postmaster finds the function by.
const FUNCTION: &CStr = c"pg_ext_memcheck_worker_main";
/// What pg_stat_activity calls such a process.
const TYPE: &CStr = c"pg_ext_memcheck worker";
/// Size of a queue (bytes), as that of a parallel worker (`PARALLEL_TUPLE_QUEUE_SIZE` in execParallel.c).
const QUEUE: usize = 1 << 16;
/// Begins a message that is the engine's; those of the server begin with a letter.
const OURS: u8 = b'!';
/// How long a worker may take to end that was told to.
const ENDING: Duration = Duration::from_secs(5);
/// `BUFFERALIGN` and more: the alignment of the parts of a segment.
const ALIGNMENT: usize = 64;

/// The beginning of a segment. The parameters, the text and the queue follow, in this order.
#[repr(C)]
struct Header {
    database: pg_sys::Oid,
    /// The role that has logged in, and the one in force with its restrictions.
    login: pg_sys::Oid,
    role: pg_sys::Oid,
    restrictions: c_int,
    parameters: usize,
    text: usize,
}

/// Where the parts of a segment are.
struct Layout {
    parameters: usize,
    text: usize,
    queue: usize,
    end: usize,
}

impl Layout {
    fn new(parameters: usize, text: usize) -> Self {
        let after = |start: usize, bytes: usize| (start + bytes).next_multiple_of(ALIGNMENT);
        let first = after(0, size_of::<Header>());
        let second = after(first, parameters);
        let third = after(second, text);
        Layout { parameters: first, text: second, queue: third, end: third + QUEUE }
    }
}

/// Why there is no worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// All places for background workers are taken.
    NoPlace,
    /// There are no more segments of dynamic shared memory.
    NoSegment,
}

/// How many background workers there may be at a time (`max_worker_processes`).
pub(crate) fn most_workers() -> i32 {
    // SAFETY: a plain variable, which only the postmaster sets.
    unsafe { pg_sys::max_worker_processes }
}

/// What has come from a worker.
pub(crate) enum Told {
    /// Nothing yet.
    Nothing,
    /// Something that was passed on, or is of no interest.
    Something,
    /// A message of the engine's.
    Ours(Vec<u8>),
    /// An ERROR, or a FATAL, which ends the worker.
    Raised(Raised),
    /// The worker has ended, or never began.
    Gone,
}

/// A worker of this session. It ends when this is dropped, or when the transaction is aborted.
pub(crate) struct Worker {
    segment: *mut pg_sys::dsm_segment,
    queue: *mut pg_sys::shm_mq_handle,
    handle: *mut pg_sys::BackgroundWorkerHandle,
}

impl Worker {
    /// Starts one for a text. In a transaction.
    pub(crate) fn start(text: &[u8]) -> Result<Self, Refused> {
        // SAFETY: the server's functions, called as they are to be. The segment is as large as the layout says, and what lies in it is
        // written before the worker is there. The handle is in a context that outlives every user of it, in which little is left.
        unsafe {
            let parameters = pg_sys::EstimateGUCStateSpace();
            let layout = Layout::new(parameters, text.len());
            let segment = pg_sys::dsm_create(layout.end, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as c_int);
            if segment.is_null() {
                return Err(Refused::NoSegment);
            }
            let start = pg_sys::dsm_segment_address(segment).cast::<u8>();
            let (mut role, mut restrictions) = (pg_sys::InvalidOid, 0);
            pg_sys::GetUserIdAndSecContext(&mut role, &mut restrictions);
            start.cast::<Header>().write(Header {
                database: pg_sys::MyDatabaseId,
                login: pg_sys::GetAuthenticatedUserId(),
                role,
                restrictions,
                parameters,
                text: text.len(),
            });
            pg_sys::SerializeGUCState(parameters, start.add(layout.parameters).cast());
            start.add(layout.text).copy_from_nonoverlapping(text.as_ptr(), text.len());
            let queue = pg_sys::shm_mq_create(start.add(layout.queue).cast(), QUEUE);
            pg_sys::shm_mq_set_receiver(queue, pg_sys::MyProc);

            let context = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let handle = register(pg_sys::dsm_segment_handle(segment));
            pg_sys::MemoryContextSwitchTo(context);
            let Some(handle) = handle else {
                pg_sys::dsm_detach(segment);
                return Err(Refused::NoPlace);
            };
            pg_sys::on_dsm_detach(segment, Some(terminate), pg_sys::Datum::from(handle));
            let queue = pg_sys::shm_mq_attach(queue, segment, handle);
            Ok(Worker { segment, queue, handle })
        }
    }

    /// What has come since the last call. Raises an ERROR if the session is cancelled.
    pub(crate) fn listen(&self) -> Told {
        let (mut bytes, mut data) = (0, std::ptr::null_mut());
        // SAFETY: the queue is attached. A message stays where it is until the next call.
        let message = unsafe {
            match pg_sys::shm_mq_receive(self.queue, &mut bytes, &mut data, true) {
                shm_mq_result::SHM_MQ_SUCCESS => std::slice::from_raw_parts(data.cast::<u8>(), bytes),
                shm_mq_result::SHM_MQ_WOULD_BLOCK => return Told::Nothing,
                _ => return Told::Gone,
            }
        };
        match message.split_first() {
            Some((&OURS, ours)) => Told::Ours(ours.to_vec()),
            Some((b'E' | b'N', _)) => pass_on(message),
            _ => Told::Something,
        }
    }

    /// Its process, while there is one.
    pub(crate) fn pid(&self) -> Option<i32> {
        let mut pid = 0;
        // SAFETY: the handle lives as long as this.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.handle, &mut pid) };
        (status == BgwHandleStatus::BGWH_STARTED).then_some(pid)
    }

    /// Whether it has ended, or will never begin.
    fn has_ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: as above.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.handle, &mut pid) };
        matches!(status, BgwHandleStatus::BGWH_STOPPED | BgwHandleStatus::BGWH_POSTMASTER_DIED)
    }
}

impl Drop for Worker {
    /// Ends it, and waits until it has ended. The statement may be one that is cancelled: nothing here raises an ERROR.
    fn drop(&mut self) {
        // SAFETY: attached since it was started, and not detached before: an ERROR drops this before the transaction is aborted.
        unsafe { pg_sys::dsm_detach(self.segment) };
        let deadline = Instant::now() + ENDING;
        while !self.has_ended() && Instant::now() < deadline {
            super::process::nap(Duration::from_millis(100));
        }
        if let Some(pid) = self.pid() {
            warning!("background worker with PID {pid} was told to end, and is still there");
        }
        // SAFETY: palloc'ed by RegisterDynamicBackgroundWorker, and nobody has it any more.
        unsafe { pg_sys::pfree(self.handle.cast()) };
    }
}

/// Has the postmaster start a worker for a segment; none if there is no place for one.
///
/// # Safety
/// What is current outlives the handle.
unsafe fn register(segment: pg_sys::dsm_handle) -> Option<*mut pg_sys::BackgroundWorkerHandle> {
    let mut worker = pg_sys::BackgroundWorker {
        bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int,
        bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_ConsistentState,
        bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
        bgw_main_arg: pg_sys::Datum::from(segment),
        bgw_notify_pid: super::process::my_pid(),
        ..pg_sys::BackgroundWorker::default()
    };
    let name = format!("{} for PID {}\0", TYPE.to_string_lossy(), super::process::my_pid());
    copy(&mut worker.bgw_name, name.as_bytes());
    copy(&mut worker.bgw_type, TYPE.to_bytes_with_nul());
    copy(&mut worker.bgw_library_name, b"pg_ext_memcheck\0");
    copy(&mut worker.bgw_function_name, FUNCTION.to_bytes_with_nul());
    let mut handle = std::ptr::null_mut();
    // SAFETY: what it says is copied into shared memory.
    unsafe { pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle) }.then_some(handle)
}

/// Copies a text, with the zero at its end, which fits.
fn copy(into: &mut [c_char], text: &[u8]) {
    into.iter_mut().zip(text).for_each(|(into, &byte)| *into = byte as c_char);
}

/// The session has no more use for the segment: nor for the worker.
unsafe extern "C-unwind" fn terminate(_: *mut pg_sys::dsm_segment, handle: pg_sys::Datum) {
    // SAFETY: registered with it. Of a worker that has ended it does nothing.
    unsafe { pg_sys::TerminateBackgroundWorker(handle.cast_mut_ptr()) };
}

/// Passes on a message of the server's to the client, unless it is an ERROR.
fn pass_on(message: &[u8]) -> Told {
    // SAFETY: a message as elog.c writes it for a client (`send_message_to_frontend`), behind its letter; what is read of it is copied
    // into the current context. The copy has a zero behind it.
    unsafe {
        let copy = pg_sys::palloc(message.len() + 1).cast::<u8>();
        copy.copy_from_nonoverlapping(message.as_ptr(), message.len());
        copy.add(message.len()).write(0);
        let length = message.len() as c_int;
        let mut text = pg_sys::StringInfoData { data: copy.cast(), len: length, maxlen: length, cursor: 1 };
        let error = pg_sys::palloc0(size_of::<pg_sys::ErrorData>()).cast::<pg_sys::ErrorData>();
        server::pq_parse_errornotice(&mut text, error);
        pg_sys::pfree(copy.cast());
        if (*error).elevel < pg_sys::PGERROR as c_int {
            pg_sys::ThrowErrorData(error);
            return Told::Something;
        }
        Told::Raised(Raised::of(error))
    }
}

/// What a worker does with its text.
type Work = fn(&'static [u8]) -> Result<(), Raised>;

static WORK: ServerThread<Cell<Option<Work>>> = ServerThread::new(Cell::new(None));
/// The way from this worker to its caller.
static QUEUE_OF_CALLER: ServerThread<Cell<*mut pg_sys::shm_mq_handle>> =
    ServerThread::new(Cell::new(std::ptr::null_mut()));

/// Has workers do this with their texts. In the postmaster, its children inherit it.
pub(crate) fn on_start(work: Work) {
    WORK.set(Some(work));
}

/// Says something to this worker's caller. What nobody listens to any more is lost.
pub(crate) fn say(message: &[u8]) {
    let queue = QUEUE_OF_CALLER.get();
    if queue.is_null() {
        return;
    }
    let message = [&[OURS], message].concat();
    // SAFETY: attached as long as this process is connected to shared memory.
    unsafe {
        pg_sys::shm_mq_send(queue, message.len(), message.as_ptr().cast(), false, true);
    }
}

/// Where a worker begins (`BackgroundWorkerMain` in bgworker.c).
///
/// # Safety
/// Called by the server, in a process that has been made for this.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pg_ext_memcheck_worker_main(argument: pg_sys::Datum) {
    let Some(work) = WORK.get() else { return };
    // SAFETY: as a parallel worker does (`ParallelWorkerMain` in parallel.c), with what its caller has put into the segment.
    let done = unsafe {
        die_in_order();
        pg_sys::BackgroundWorkerUnblockSignals();
        let segment = pg_sys::dsm_attach(argument.value() as pg_sys::dsm_handle);
        if segment.is_null() {
            // The caller is gone.
            return;
        }
        let start = pg_sys::dsm_segment_address(segment).cast::<u8>();
        let header = &*start.cast::<Header>();
        let layout = Layout::new(header.parameters, header.text);
        let queue = start.add(layout.queue).cast::<pg_sys::shm_mq>();
        pg_sys::shm_mq_set_sender(queue, pg_sys::MyProc);
        pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
        let queue = pg_sys::shm_mq_attach(queue, segment, std::ptr::null_mut());
        QUEUE_OF_CALLER.set(queue);
        server::pq_redirect_to_shm_mq(segment, queue);
        pg_sys::BackgroundWorkerInitializeConnectionByOid(header.database, header.login, 0);
        pg_sys::StartTransactionCommand();
        pg_sys::RestoreGUCState(start.add(layout.parameters).cast());
        pg_sys::CommitTransactionCommand();
        pg_sys::SetClientEncoding(pg_sys::GetDatabaseEncoding());
        pg_sys::SetUserIdAndSecContext(header.role, header.restrictions);
        pg_sys::MessageContext = pg_sys::AllocSetContextCreateInternal(
            pg_sys::TopMemoryContext,
            c"MessageContext".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        pg_sys::MemoryContextSwitchTo(pg_sys::MessageContext);
        work(std::slice::from_raw_parts(start.add(layout.text), header.text))
    };
    if let Err(raised) = done {
        // To where it is told, and where the process ends by it, alone.
        raised.raise();
    }
}

/// Has this worker end by the next look at its interrupts when it is told to. From 19 on it does (`BackgroundWorkerMain` in bgworker.c);
/// before, one that has not said so ends in the midst of anything (`bgworker_die`).
fn die_in_order() {
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    // SAFETY: the server's own handler.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = server::die as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTERM, &action, std::ptr::null_mut());
    }
}

/// The process that has started this worker, or 0.
pub(crate) fn caller() -> i32 {
    // SAFETY: this worker's entry, or null.
    unsafe { pg_sys::MyBgworkerEntry.as_ref() }.map_or(0, |entry| entry.bgw_notify_pid)
}

/// Whether this process holds a lock that another one waits for.
pub(crate) fn is_in_the_way_of(pid: i32) -> bool {
    super::company::blocking(pid).contains(&super::process::my_pid())
}

/// Whether a process waits for a lock that another one holds, or waits for before it.
pub(crate) fn is_blocked(pid: i32) -> bool {
    !super::company::blocking(pid).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_segment_do_not_overlap() {
        for (parameters, text) in [(0, 0), (1, 1), (63, 64), (65, 1 << 20)] {
            let layout = Layout::new(parameters, text);
            assert!(layout.parameters >= size_of::<Header>());
            assert!(layout.text >= layout.parameters + parameters);
            assert!(layout.queue >= layout.text + text);
            assert_eq!((layout.queue % ALIGNMENT, layout.end - layout.queue), (0, QUEUE));
        }
    }
}
