//! Child processes that end when this process does, and a register of all of them and of all run directories, so that an
//! interrupted run leaves nothing behind.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpid, getppid};

use super::account::Account;
use super::children::{is_running, until};
use super::connect::{Settings, ask};
use super::error::ServerError;
use super::shared_memory::{self, Held};

/// What a registered process is, which decides how it is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A program with its children in one process group: make, initdb.
    Job,
    /// A postmaster. Its children each lead a session of their own and are known by the cluster's name in their title.
    Postmaster {
        /// `cluster_name`
        cluster: String,
        /// Whose processes these are.
        account: Account,
    },
}

/// A running child process, the leader of its own process group.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    kind: Kind,
    child: Mutex<Child>,
}

/// How long the steps of ending a postmaster may take. A postmaster that is told to quit gives its children 5 s before it
/// kills them (`SIGKILL_CHILDREN_AFTER_SECS` in postmaster.c).
const FAST_SHUTDOWN: Duration = Duration::from_secs(5);
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(7);
pub(super) const KILL: Duration = Duration::from_secs(2);

/// How long a job and what it has started may take to end when it is told to: initdb's server writes a checkpoint.
const TERMINATED: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Register {
    closed: bool,
    processes: Vec<Arc<Process>>,
    directories: Vec<PathBuf>,
    databases: Vec<Database>,
}

/// A database of this run on a server that somebody else runs.
#[derive(Clone)]
struct Database {
    server: Settings,
    /// Whether the server has been waited for in vain.
    gone: Arc<AtomicBool>,
    name: String,
}

/// How long a server that restarts is waited for before its databases are left behind, and one that is not there.
const RESTART: Duration = Duration::from_secs(20);
pub(super) const GONE: Duration = Duration::from_secs(5);

/// How long one that was waited for in vain is asked once more.
pub(super) const ONCE_MORE: Duration = Duration::from_secs(2);

/// How long dropping one of them may take.
const DROPPED: Duration = Duration::from_secs(30);

static REGISTER: Mutex<Register> =
    Mutex::new(Register { closed: false, processes: Vec::new(), directories: Vec::new(), databases: Vec::new() });

/// Whether the run is to come to its end: what has begun is ended in order, and nothing else begins.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Has the run come to its end. Builds are ended at once, and no program is started any more; servers are left to those who use
/// them.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    let jobs: Vec<Arc<Process>> =
        locked(&REGISTER).processes.iter().filter(|process| process.kind == Kind::Job).cloned().collect();
    jobs.iter().for_each(|job| job.tell_to_end());
    thread::spawn(move || {
        thread::sleep(TERMINATED);
        // Held meanwhile: this process does not end before what they leave is gone.
        let register = locked(&REGISTER);
        let is_there = |job: &&Arc<Process>| register.processes.iter().any(|process| Arc::ptr_eq(process, job));
        jobs.iter().filter(is_there).for_each(|job| job.kill_group());
    });
}

/// Whether the run is being interrupted.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every server and every build of this process, waits for them and removes the run directories. Nothing new is
/// started afterwards: whatever tries gets [`ServerError::Interrupted`]. May be called from any thread, more than once.
pub fn cleanup_all() {
    let mut register = locked(&REGISTER);
    register.closed = true;
    for process in &register.processes {
        process.tell_to_end();
    }
    for process in register.processes.drain(..) {
        process.end_now();
    }
    for directory in register.directories.drain(..) {
        remove_tree(&directory);
    }
    for database in register.databases.drain(..) {
        database.drop_it();
    }
}

/// Registers a database that is about to be made on a server that somebody else runs, for removal.
pub(super) fn register_database(server: &Settings, gone: &Arc<AtomicBool>, name: &str) -> Result<(), ServerError> {
    let mut register = locked(&REGISTER);
    if register.closed {
        return Err(ServerError::Interrupted);
    }
    register.databases.push(Database { server: server.clone(), gone: gone.clone(), name: name.to_owned() });
    Ok(())
}

/// Drops those of the registered databases.
pub(super) fn drop_databases(names: &[String]) {
    // Held meanwhile: an interrupted run does not end before they are gone.
    let mut register = locked(&REGISTER);
    for database in register.databases.extract_if(.., |database| names.contains(&database.name)) {
        database.drop_it();
    }
}

impl Database {
    /// Drops it, whoever is still connected, and says so where that is not possible.
    fn drop_it(&self) {
        let started = Instant::now();
        let is_gone = || self.gone.load(Ordering::Relaxed);
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        loop {
            let limit = if is_gone() { ONCE_MORE } else { DROPPED };
            let dropped = ask(&self.server, limit, async |client| client.batch_execute(&sql).await);
            let Err(error) = dropped else { return };
            let refused = error.code().is_some() && !error.is_starting();
            let patience = if error.is_starting() { RESTART } else { GONE };
            if refused || is_gone() || started.elapsed() >= patience {
                self.gone.store(!refused, Ordering::Relaxed);
                let hint = if refused { "drop it yourself" } else { "once the server is back" };
                let said = format!(
                    "mcspec: warning: could not drop database \"{}\": {error}\nmcspec: hint: {hint}: {sql};\n",
                    self.name
                );
                // Whoever closed the standard error does not want to know.
                let _ = io::stderr().write_all(said.as_bytes());
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Fails once a run is being interrupted.
pub(super) fn check_interrupts() -> Result<(), ServerError> {
    if is_interrupted() || locked(&REGISTER).closed { Err(ServerError::Interrupted) } else { Ok(()) }
}

/// Creates a directory by `create` and registers it for removal.
pub(super) fn register_directory(
    create: impl FnOnce() -> Result<PathBuf, ServerError>,
) -> Result<PathBuf, ServerError> {
    let mut register = locked(&REGISTER);
    if register.closed {
        return Err(ServerError::Interrupted);
    }
    let path = create()?;
    register.directories.push(path.clone());
    Ok(path)
}

/// Removes a directory, unless it is off the register.
pub(super) fn remove_directory(path: &Path) {
    let mut register = locked(&REGISTER);
    if let Some(index) = register.directories.iter().position(|directory| directory == path) {
        register.directories.swap_remove(index);
        remove_tree(path);
    }
}

/// Takes a directory off the register, so that it stays.
pub(super) fn forget_directory(path: &Path) {
    locked(&REGISTER).directories.retain(|directory| directory != path);
}

/// A file that appears while the tree is being removed makes the first attempt fail. The directory's own files go last: the lock among
/// them tells the next run whose it was, if this one is killed meanwhile.
pub(super) fn remove_tree(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    for _ in 0..3 {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(Duration::from_millis(20)),
            _ => return,
        }
    }
}

impl Process {
    /// Starts `command` as the leader of a process group, as `account`, and registers it. It gets `SIGQUIT` when this
    /// process dies in whatever way, so that not even `SIGKILL` leaves a server behind.
    pub(super) fn start(mut command: Command, account: Option<&Account>, kind: Kind) -> Result<Arc<Self>, ServerError> {
        let program = PathBuf::from(command.get_program());
        command.process_group(0);
        if let Some((uid, gid)) = account.and_then(Account::switch) {
            // Without supplementary groups: the standard library drops them along with root.
            command.uid(uid).gid(gid);
        }
        let parent = getpid();
        let die_with_parent = move || {
            // Runs after the change of user, which would clear the setting.
            set_pdeathsig(Signal::SIGQUIT)?;
            // The parent may have died before the setting took effect.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        };
        // SAFETY: between fork and exec the closure makes two system calls; it neither allocates nor takes a lock, not even
        // to make its errors, which are numbers.
        unsafe { command.pre_exec(die_with_parent) };

        // Held until the process is registered: cleanup_all() sees every process that exists.
        let mut register = locked(&REGISTER);
        if register.closed || is_interrupted() {
            return Err(ServerError::Interrupted);
        }
        let child = spawn(command).map_err(|source| ServerError::Spawn { program, source })?;
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid is an int"));
        let process = Arc::new(Self { pid, kind, child: Mutex::new(child) });
        register.processes.push(process.clone());
        Ok(process)
    }

    /// The process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How the process ended; none while it runs.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().ok().flatten()
    }

    /// Waits for the end of a job.
    pub(super) fn wait(self: &Arc<Self>) -> Result<ExitStatus, ServerError> {
        let status = locked(&self.child).wait();
        if is_interrupted() {
            self.end_group();
        }
        self.forget();
        // When interrupted, it did not end by itself.
        check_interrupts()?;
        status.map_err(|source| ServerError::Spawn { program: format!("process {}", self.pid).into(), source })
    }

    /// Has a postmaster and its children end in order, and say in the log what they have to say.
    pub(super) fn shut_down(self: &Arc<Self>) {
        if self.status().is_none() {
            self.signal(Signal::SIGINT);
            // One that somebody has stopped acts on it then.
            self.signal(Signal::SIGCONT);
            self.ended_within(FAST_SHUTDOWN);
        }
        self.stop();
    }

    /// Ends a postmaster and its children, without a checkpoint that nobody would read. Returns when all of them are gone.
    pub(super) fn stop(self: &Arc<Self>) {
        self.end_now();
        self.forget();
    }

    fn forget(self: &Arc<Self>) {
        locked(&REGISTER).processes.retain(|process| !Arc::ptr_eq(process, self));
    }

    fn end_now(&self) {
        match &self.kind {
            Kind::Job => {
                // Somebody may be waiting for it, and have it locked.
                if !until(TERMINATED, || !is_running(self.pid.as_raw())) {
                    self.kill_group();
                }
                let _ = locked(&self.child).wait();
                self.end_group();
            }
            Kind::Postmaster { cluster, account } => {
                if self.status().is_none() {
                    self.signal(Signal::SIGQUIT);
                    // One that somebody has stopped acts on it then.
                    self.signal(Signal::SIGCONT);
                    if !self.ended_within(IMMEDIATE_SHUTDOWN) {
                        self.signal(Signal::SIGKILL);
                        let _ = locked(&self.child).wait();
                    }
                }
                kill_backends(cluster);
                shared_memory::remove(self.pid.as_raw(), account);
            }
        }
    }

    /// Tells it to end, which looks after its children itself: make hands the signal on, and what initdb has started sees the end of
    /// its input and leaves in good order. That one must not get the signal: it ends by it at once, and leaves its shared memory
    /// (`bootstrap_signals` in bootstrap.c).
    fn tell_to_end(&self) {
        let _ = match self.kind {
            Kind::Job => kill(self.pid, Signal::SIGTERM),
            Kind::Postmaster { .. } if self.status().is_some() => Ok(()),
            Kind::Postmaster { .. } => kill(self.pid, Signal::SIGQUIT),
        };
    }

    /// Waits for what a job has started, and ends what stays.
    fn end_group(&self) {
        if !until(TERMINATED, || killpg(self.pid, None) == Err(Errno::ESRCH)) {
            self.kill_group();
        }
    }

    /// Ends a job and all that it has started by force. A server that initdb has started leaves its shared memory then.
    fn kill_group(&self) {
        // While it is looked at, nobody starts another one.
        self.signal(Signal::SIGSTOP);
        let held = Held::by_group(self.pid.as_raw());
        self.signal(Signal::SIGKILL);
        until(KILL, || !held.iter().any(|held| is_running(held.pid)));
        held.iter().for_each(Held::remove);
    }

    /// A postmaster alone, whose children it looks after itself; a job with its whole group.
    fn signal(&self, signal: Signal) {
        // A process that has been waited for has no pid any more.
        if self.kind == Kind::Job {
            let _ = killpg(self.pid, signal);
        } else if self.status().is_none() {
            let _ = kill(self.pid, signal);
        }
    }

    /// Whether it ends within that time.
    pub(super) fn ended_within(&self, limit: Duration) -> bool {
        until(limit, || self.status().is_some())
    }
}

/// Kills what a postmaster that died by force has left behind: most children notice by themselves, but not one that is
/// busy in an extension.
fn kill_backends(cluster: &str) {
    let mut killed = Vec::new();
    until(KILL, || {
        for pid in backends(cluster) {
            let _ = kill(pid, Signal::SIGKILL);
            killed.push(pid);
        }
        // A process on its way out has no title any more.
        killed.retain(|pid| is_running(pid.as_raw()));
        killed.is_empty()
    });
}

/// The processes whose title begins with `postgres: CLUSTER: `, as `init_ps_display` in ps_status.c writes it. The title is
/// readable for everybody, unlike what else would identify them (their working directory needs ptrace rights).
fn backends(cluster: &str) -> Vec<Pid> {
    let title = format!("postgres: {cluster}: ");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(title.as_bytes())))
        .map(Pid::from_raw)
        .collect()
}

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a process from a thread that lives as long as this process. The signal for the death of the parent is sent at
/// the death of the *thread* that forked (prctl(2)), and a worker thread may well end before the server that it started.
fn spawn(command: Command) -> io::Result<Child> {
    static LAUNCHER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (orders, received) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in received {
                // Whoever ordered it waits for the reply.
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    locked(launcher).send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
