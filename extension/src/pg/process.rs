//! This process and others of the cluster.

use std::time::Duration;

use pgrx::prelude::*;

/// This process.
pub(crate) fn my_pid() -> i32 {
    // SAFETY: a plain variable, set when the process was forked.
    unsafe { pg_sys::MyProcPid }
}

/// How many processes the server has at a time that run statements. Known when shared memory is asked for.
pub(crate) fn most_processes() -> usize {
    // SAFETY: a plain variable, set before (`InitializeMaxBackends` in postinit.c).
    usize::try_from(unsafe { pg_sys::MaxBackends }).unwrap_or(0)
}

/// Whether the postmaster is loading `shared_preload_libraries`.
pub(crate) fn is_preloading() -> bool {
    // SAFETY: a plain variable of the server, only written by the postmaster before it loads libraries.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Whether this process is a child of the postmaster's.
pub(crate) fn is_child() -> bool {
    // SAFETY: a plain variable of the server, set when a process is forked.
    unsafe { pg_sys::IsUnderPostmaster }
}

/// Whether `shared_preload_libraries` names this library.
pub(crate) fn is_named_for_preload(library: &str) -> bool {
    // SAFETY: the server's variable, a C string or null, which the postmaster alone sets.
    let libraries = unsafe { super::text(pg_sys::shared_preload_libraries_string) }.unwrap_or_default();
    let mut names = libraries.to_bytes().split(|byte| matches!(byte, b',' | b' ' | b'"' | b'/'));
    names.any(|name| name.strip_suffix(b".so").unwrap_or(name) == library.as_bytes())
}

/// Whether this process is a parallel worker.
#[inline]
pub(crate) fn is_parallel_worker() -> bool {
    // SAFETY: a plain variable; -1 except in parallel workers.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// The process that a parallel worker works for.
pub(crate) fn leader() -> Option<i32> {
    // SAFETY: every process that executes has a PGPROC, until it gives it up at its end (`ProcKill` in proc.c); a worker is a member of
    // its leader's lock group before it runs anything (`BecomeLockGroupMember`), and a PGPROC is never unmapped.
    unsafe { pg_sys::MyProc.as_ref()?.lockGroupLeader.as_ref() }.map(|leader| leader.pid)
}

/// Whether that is a process of the server: a backend, a worker with a database connection, or one of the server's own
/// (`pg_log_backend_memory_contexts` in mcxtfuncs.c looks in the same places).
pub(crate) fn is_process(pid: i32) -> bool {
    pid > 0 && proc_of(pid).is_some()
}

/// A process that cannot answer now, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The checkpointer, which between two writes of a checkpoint that is spread over time looks at nothing but barriers
    /// (`CheckpointWriteDelay` in checkpointer.c).
    Checkpoint,
    /// One of the server's own that waits for the end of a command of its configuration, such as archive_command
    /// (`shell_archive_file` in shell_archive.c) or restore_command.
    Command,
    /// It was stopped by SIGSTOP or by a debugger.
    Stopped,
}

fn proc_of(pid: i32) -> Option<&'static pg_sys::PGPROC> {
    // SAFETY: both only look into shared memory, where a PGPROC stays for ever.
    unsafe { pg_sys::BackendPidGetProc(pid).as_ref().or_else(|| pg_sys::AuxiliaryPidGetProc(pid).as_ref()) }
}

/// What keeps a process from answering, as far as can be seen from outside.
pub(crate) fn busy(pid: i32) -> Option<Busy> {
    use pg_sys::{WaitEventIPC as Ipc, WaitEventTimeout as Timeout};
    let waits_for = proc_of(pid)?.wait_event_info;
    if waits_for == Timeout::WAIT_EVENT_CHECKPOINT_WRITE_DELAY {
        return Some(Busy::Checkpoint);
    }
    let commands = [
        Ipc::WAIT_EVENT_ARCHIVE_COMMAND,
        Ipc::WAIT_EVENT_ARCHIVE_CLEANUP_COMMAND,
        Ipc::WAIT_EVENT_RECOVERY_END_COMMAND,
        Ipc::WAIT_EVENT_RESTORE_COMMAND,
    ];
    if commands.contains(&waits_for) {
        return Some(Busy::Command);
    }
    // The letter behind the name, which is in parentheses and may have some in it (proc_pid_stat(5)).
    let status = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_ends = status.iter().rposition(|&byte| byte == b')')?;
    matches!(status.get(name_ends + 2), Some(b'T' | b't')).then_some(Busy::Stopped)
}

/// What a process waits for, as `pgstat_get_wait_event` (wait_event.c) understands it; 0 where it works.
pub(crate) fn wait_event(pid: i32) -> Option<u32> {
    // SAFETY: a word in shared memory that its process writes.
    proc_of(pid).map(|process| unsafe { (&raw const process.wait_event_info).read_volatile() })
}

/// The role that a process works for; none where that is none, as of the server's own.
pub(crate) fn role_of(pid: i32) -> Option<pg_sys::Oid> {
    proc_of(pid).map(|process| process.roleId).filter(|&role| role != pg_sys::InvalidOid)
}

/// Asks a process to log its memory contexts. False if there is nobody any more who would get the signal.
pub(crate) fn request_dump(pid: i32) -> bool {
    /// Has `SendProcSignal` (procsignal.c) search by pid; the number would only make it faster.
    const NO_NUMBER: i32 = -1;
    let reason = pg_sys::ProcSignalReason::PROCSIG_LOG_MEMORY_CONTEXT;
    // SAFETY: writes to the slot of that process in shared memory, if there is one.
    unsafe { pg_sys::SendProcSignal(pid, reason, NO_NUMBER) == 0 }
}

/// Sends a process the signal of `SendProcSignal` without any reason. False if there is no such process.
pub(crate) fn interrupt(pid: i32) -> bool {
    // SAFETY: a process of the server, for which that signal is harmless.
    unsafe { libc::kill(pid, libc::SIGUSR1) == 0 }
}

/// Cancels what a process does, or ends it, as pg_cancel_backend() and pg_terminate_backend() do.
pub(crate) fn cancel(pid: i32, ends: bool) {
    let signal = if ends { libc::SIGTERM } else { libc::SIGINT };
    // SAFETY: a worker of this session's.
    unsafe { libc::kill(pid, signal) };
}

/// Waits for this backend's latch, for a while. False if it was not set. Raises an ERROR if the backend is cancelled.
pub(crate) fn wait(time: Duration) -> bool {
    let is_woken = nap(time);
    pgrx::check_for_interrupts!();
    is_woken
}

/// The same, whatever interrupts there are.
pub(crate) fn nap(time: Duration) -> bool {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this backend's own latch.
    let woken = unsafe {
        let woken = pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, time.as_millis() as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
        woken
    };
    woken as u32 & pg_sys::WL_LATCH_SET != 0
}

/// What a process is, in the server's words; of a background worker with its name.
pub(crate) fn kind() -> String {
    // SAFETY: variables of this process; the description is a constant, and the worker's entry lives as long as the process, its
    // name with a zero at its end (`SanitizeBackgroundWorker` in bgworker.c).
    unsafe {
        let kind = super::text(pg_sys::GetBackendTypeDesc(pg_sys::MyBackendType)).unwrap_or_default();
        let kind = kind.to_string_lossy();
        match pg_sys::MyBgworkerEntry.as_ref() {
            Some(entry) => {
                let name = super::text(entry.bgw_name.as_ptr()).unwrap_or_default();
                format!("{kind} \"{}\"", name.to_string_lossy())
            }
            None => kind.into_owned(),
        }
    }
}

/// `application_name`
pub(crate) fn application() -> String {
    // SAFETY: the server's variable, a C string or null.
    unsafe { super::text(pg_sys::application_name) }.unwrap_or_default().to_string_lossy().into_owned()
}

/// When this process was started: microseconds since 2000.
pub(crate) fn started() -> i64 {
    // SAFETY: a plain variable.
    unsafe { pg_sys::MyStartTimestamp }
}

/// The names of the database and of the role that has logged in; empty where there is none. In a transaction.
pub(crate) fn database_and_role() -> (String, String) {
    // SAFETY: looks both up in the catalogs; the names are palloc'ed, or null.
    unsafe {
        let database = super::text(pg_sys::get_database_name(pg_sys::MyDatabaseId)).unwrap_or_default();
        let role = super::text(pg_sys::GetUserNameFromId(pg_sys::GetAuthenticatedUserId(), true)).unwrap_or_default();
        (database.to_string_lossy().into_owned(), role.to_string_lossy().into_owned())
    }
}
