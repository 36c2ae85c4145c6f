//! What background workers that run side by side share: a barrier behind which they begin together, when each of their iterations began
//! and ended, and which locks each holds and waits for.
//!
//! It lies in a segment of dynamic shared memory of the session that has started them. Each worker writes to its own part, and the
//! session looks at all of them: one that waits for an LWLock looks at nothing itself (`LWLockAcquire` in lwlock.c).

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use pgrx::{pg_sys, warning};

use super::process::{my_pid, nap, wait};
use super::server;
use super::thread::ServerThread;

/// Locks of a worker that are told at most.
const LOCKS: usize = 16;
/// Places of a worker's code that are told at most.
const PLACES: usize = 32;
/// Iterations of a worker whose times are kept.
const KEPT: usize = 10_000;
/// How long after the last one is there all of them begin.
const START: Duration = Duration::from_millis(3);

/// Where a company is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// Not all are there.
    Gathers,
    /// They work.
    Works,
    /// Whoever is done with an iteration begins none.
    Stops,
}

/// What a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Of lwlock.h
    LwLock,
    /// Of spin.h
    Spinlock,
}

/// A name, as much of it as there is room for.
#[derive(Clone, Copy)]
#[repr(C)]
struct Name {
    length: u8,
    bytes: [u8; 63],
}

impl Name {
    fn new(text: &str) -> Self {
        let mut bytes = [0; 63];
        let length = text.len().min(bytes.len());
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Name { length: length as u8, bytes }
    }

    fn to_text(self) -> String {
        String::from_utf8_lossy(self.bytes.get(..self.length.into()).unwrap_or_default()).into_owned()
    }
}

/// A place in a library.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Place {
    /// The number of its site in its process; 0 for none.
    site: u32,
    library: Name,
    build_id: Name,
    symbol: Name,
    offset: u64,
}

/// A lock that is held or waited for. Nothing where the address is 0.
#[repr(C)]
struct Noted {
    address: AtomicUsize,
    kind: AtomicU32,
    is_exclusive: AtomicU32,
    /// Counts from 1; 0 for none.
    place: AtomicU32,
    name: std::cell::UnsafeCell<Name>,
}

/// A lock as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) address: usize,
    pub(crate) kind: Kind,
    pub(crate) is_exclusive: bool,
    pub(crate) name: String,
    pub(crate) place: Option<memcheck_core::Frame>,
}

/// A worker's part.
#[repr(C)]
pub(crate) struct Member {
    pid: AtomicI32,
    latch: AtomicPtr<pg_sys::Latch>,
    is_ready: AtomicU32,
    is_inside: AtomicU32,
    /// Iterations that are done.
    done: AtomicU32,
    /// Counts whatever shows that it goes on.
    steps: AtomicU64,
    /// Whether it is to end where it waits.
    is_doomed: AtomicU32,
    waits: Noted,
    held: [Noted; LOCKS],
    places: [std::cell::UnsafeCell<Place>; PLACES],
}

/// The beginning of the segment. The members follow, and the times of their iterations.
#[repr(C)]
pub(crate) struct Company {
    state: AtomicU32,
    /// When they begin (nanoseconds of the monotonic clock).
    begins: AtomicU64,
    members: u32,
    /// Iterations of each whose times are kept.
    kept: u32,
}

/// When an iteration began and ended (nanoseconds of the monotonic clock).
#[repr(C)]
struct Times {
    began: AtomicU64,
    ended: AtomicU64,
}

/// Nanoseconds of the monotonic clock, which all processes share.
pub(crate) fn clock() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes a struct of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Company {
    fn size(members: u32, kept: u32) -> usize {
        let members = members as usize;
        size_of::<Company>() + members * (size_of::<Member>() + kept as usize * size_of::<Times>())
    }

    /// Its members.
    pub(crate) fn members(&self) -> &[Member] {
        // SAFETY: they follow the struct, all zero at first, and are changed by atomics, but for texts, which are read as bytes.
        unsafe {
            let first = std::ptr::from_ref(self).add(1).cast::<Member>();
            std::slice::from_raw_parts(first, self.members as usize)
        }
    }

    fn times(&self, member: usize) -> &[Times] {
        let members = self.members();
        // SAFETY: they follow the members.
        unsafe {
            let first = members.as_ptr_range().end.cast::<Times>();
            std::slice::from_raw_parts(first.add(member * self.kept as usize), self.kept as usize)
        }
    }

    /// Whether all of them stand before the barrier.
    pub(crate) fn is_gathered(&self) -> bool {
        self.members().iter().all(|member| member.is_ready.load(Ordering::Acquire) != 0)
    }

    /// Lets them begin.
    pub(crate) fn begin(&self) {
        self.begins.store(clock() + START.as_nanos() as u64, Ordering::Relaxed);
        self.state.store(State::Works as u32, Ordering::Release);
        for member in self.members() {
            // SAFETY: a latch in shared memory.
            unsafe { server::SetLatch(member.latch.load(Ordering::Relaxed)) };
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Gathers,
            1 => State::Works,
            _ => State::Stops,
        }
    }

    /// No iteration is begun from now on.
    pub(crate) fn stop(&self) {
        self.state.store(State::Stops as u32, Ordering::Release);
    }

    /// Nobody is to wait for a lock any more. A member that has ended has said so.
    fn part(&self) {
        self.stop();
        self.members().iter().filter(|member| member.pid() != 0).for_each(Member::doom);
    }

    /// When the iterations of a worker began and ended, those that have ended.
    pub(crate) fn iterations(&self, member: usize) -> impl Iterator<Item = (u64, u64)> {
        let times = |times: &Times| (times.began.load(Ordering::Relaxed), times.ended.load(Ordering::Relaxed));
        self.times(member).iter().map(times).filter(|&(_, ended)| ended != 0)
    }
}

impl Member {
    pub(crate) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Relaxed)
    }

    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Whether it is in an iteration.
    pub(crate) fn is_inside(&self) -> bool {
        self.is_inside.load(Ordering::Relaxed) != 0
    }

    /// Whether it was told to end where it waits.
    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Ordering::Relaxed) != 0
    }

    /// Has it end where it waits for a lock: it lets go of those that it holds, and comes no further than to the one that it waits for.
    pub(crate) fn doom(&self) {
        self.is_doomed.store(1, Ordering::Release);
        // SAFETY: a worker that is this session's, which handles the signal.
        unsafe { libc::kill(self.pid(), libc::SIGUSR2) };
    }

    /// The lock that it waits for, or is about to take.
    pub(crate) fn waits(&self) -> Option<Lock> {
        self.told(&self.waits)
    }

    /// The locks that it holds.
    pub(crate) fn held(&self) -> Vec<Lock> {
        self.held.iter().filter_map(|noted| self.told(noted)).collect()
    }

    fn told(&self, noted: &Noted) -> Option<Lock> {
        let address = noted.address.load(Ordering::Acquire);
        let place = (noted.place.load(Ordering::Relaxed) as usize).checked_sub(1).and_then(|at| self.places.get(at));
        let frame = |place: &std::cell::UnsafeCell<Place>| {
            // SAFETY: written once, before its number was.
            let place = unsafe { place.get().read_volatile() };
            let symbol = place.symbol.to_text();
            memcheck_core::Frame {
                library: place.library.to_text(),
                build_id: place.build_id.to_text(),
                offset: place.offset,
                symbol: Some(symbol).filter(|symbol| !symbol.is_empty()),
                line: None,
            }
        };
        (address != 0).then(|| Lock {
            address,
            kind: if noted.kind.load(Ordering::Relaxed) == 0 { Kind::LwLock } else { Kind::Spinlock },
            is_exclusive: noted.is_exclusive.load(Ordering::Relaxed) != 0,
            // SAFETY: bytes, of which those of a lock that has changed meanwhile make another text.
            name: unsafe { noted.name.get().read_volatile() }.to_text(),
            place: place.map(frame),
        })
    }
}

/// The company of this session. The segment goes with it, or with the transaction that is aborted.
pub(crate) struct Gathering {
    segment: *mut pg_sys::dsm_segment,
    company: NonNull<Company>,
}

impl Gathering {
    /// A segment for so many workers and iterations; none where there is none. In a transaction.
    pub(crate) fn new(members: u32, iterations: u64) -> Option<Self> {
        let kept = iterations.min(KEPT as u64) as u32;
        let size = Company::size(members, kept);
        // SAFETY: the server's function; the memory is this process's alone until somebody is told of it.
        unsafe {
            let segment = pg_sys::dsm_create(size, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as c_int);
            if segment.is_null() {
                return None;
            }
            let start = pg_sys::dsm_segment_address(segment);
            start.cast::<u8>().write_bytes(0, size);
            let company = NonNull::new(start.cast::<Company>())?;
            (*company.as_ptr()).members = members;
            (*company.as_ptr()).kept = kept;
            pg_sys::on_dsm_detach(segment, Some(part), pg_sys::Datum::from(0usize));
            Some(Gathering { segment, company })
        }
    }

    /// By what workers find it.
    pub(crate) fn handle(&self) -> u32 {
        // SAFETY: attached as long as this lives.
        unsafe { pg_sys::dsm_segment_handle(self.segment) }
    }

    /// Has the members end where they wait when that is dropped, before this is.
    pub(crate) fn parting(&self) -> Parting {
        Parting(self.company)
    }

    pub(crate) fn company(&self) -> &Company {
        // SAFETY: mapped as long as this lives.
        unsafe { self.company.as_ref() }
    }
}

/// The session leaves, however it does: nobody is to wait for a lock behind it.
unsafe extern "C-unwind" fn part(segment: *mut pg_sys::dsm_segment, _: pg_sys::Datum) {
    // SAFETY: called while the segment is mapped.
    unsafe { &*pg_sys::dsm_segment_address(segment).cast::<Company>() }.part();
}

/// Ends the members where they wait for a lock when it is dropped.
pub(crate) struct Parting(NonNull<Company>);

impl Drop for Parting {
    fn drop(&mut self) {
        // SAFETY: dropped before the segment is given up.
        unsafe { self.0.as_ref() }.part();
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        // SAFETY: attached since it was made: an ERROR drops this before the transaction is aborted.
        unsafe { pg_sys::dsm_detach(self.segment) };
    }
}

/// Where a company is, and the number of one who belongs to it.
type Part = (NonNull<Company>, usize);

/// The part of this process, where it is a worker that has joined.
static OWN: ServerThread<Cell<Option<Part>>> = ServerThread::new(Cell::new(None));

fn own() -> Option<(&'static Company, &'static Member)> {
    let (company, number) = OWN.get()?;
    // SAFETY: mapped until the process ends.
    let company = unsafe { company.as_ref() };
    Some((company, company.members().get(number)?))
}

/// Whether this process has joined a company.
#[inline(always)]
pub(crate) fn is_member() -> bool {
    OWN.get().is_some()
}

/// Joins the company in a segment as the worker of that number, and waits until all have. False where there is nothing to do any more.
/// Outside of transactions.
pub(crate) fn join(handle: u32, number: usize) -> bool {
    // SAFETY: the segment stays mapped, since no resource owner is current.
    let company = unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return false;
        }
        pg_sys::dsm_pin_mapping(segment);
        let Some(company) = NonNull::new(pg_sys::dsm_segment_address(segment).cast::<Company>()) else { return false };
        company
    };
    OWN.set(Some((company, number)));
    let Some((company, member)) = own() else { return false };
    // SAFETY: a handler of ours for a signal that is ignored in background workers (`BackgroundWorkerMain` in bgworker.c).
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = let_go as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
        member.latch.store(pg_sys::MyLatch, Ordering::Relaxed);
    }
    member.pid.store(my_pid(), Ordering::Relaxed);
    member.is_ready.store(1, Ordering::Release);
    while company.state() == State::Gathers {
        wait(Duration::from_millis(100));
    }
    pause_until(company.begins.load(Ordering::Relaxed));
    company.state() == State::Works
}

/// Waits until then, to the microsecond.
fn pause_until(then: u64) {
    /// What the system may need to wake a process up (nanoseconds).
    const WAKING: u64 = 200_000;
    let left = then.saturating_sub(clock());
    if left > WAKING {
        std::thread::sleep(Duration::from_nanos(left - WAKING));
    }
    while clock() < then {
        std::hint::spin_loop();
    }
}

/// Begins an iteration. False where none is to be begun.
pub(crate) fn begins(iteration: u64) -> bool {
    let Some((company, member)) = own() else { return true };
    if company.state() == State::Stops || member.is_doomed() {
        return false;
    }
    member.is_inside.store(1, Ordering::Relaxed);
    if let Some(times) = times_of(company, iteration) {
        times.began.store(clock(), Ordering::Relaxed);
    }
    true
}

/// Ends it.
pub(crate) fn ends(iteration: u64) {
    let Some((company, member)) = own() else { return };
    if let Some(times) = times_of(company, iteration) {
        times.ended.store(clock(), Ordering::Relaxed);
    }
    member.is_inside.store(0, Ordering::Relaxed);
    member.done.store(u32::try_from(iteration).unwrap_or(u32::MAX), Ordering::Release);
    step();
}

fn times_of(company: &'static Company, iteration: u64) -> Option<&'static Times> {
    let (_, number) = OWN.get()?;
    company.times(number).get(usize::try_from(iteration).ok()?.checked_sub(1)?)
}

/// This process has nothing to do with it any more.
pub(crate) fn leave() {
    if let Some((_, member)) = own() {
        member.pid.store(0, Ordering::Release);
        member.is_inside.store(0, Ordering::Relaxed);
    }
}

/// Waits for the others to have come as far, but no longer than so many nanoseconds: one of them may wait for what this one does next.
pub(crate) fn meet(iteration: u64, longest: u64) {
    let Some((company, own)) = own() else { return };
    let deadline = clock() + longest;
    let is_behind =
        |member: &Member| !std::ptr::eq(member, own) && u64::from(member.done()) < iteration && member.is_inside();
    while clock() < deadline && company.state() == State::Works && company.members().iter().any(is_behind) {
        std::thread::yield_now();
    }
}

/// Waits for so many nanoseconds.
pub(crate) fn pause(time: u64) {
    pause_until(clock() + time);
}

/// It goes on.
pub(crate) fn step() {
    if let Some((_, member)) = own() {
        member.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// The LWLocks that this process holds, as many as there is room for.
fn locks_held() -> ([usize; LOCKS], usize) {
    unsafe extern "C-unwind" fn note(lock: *mut pg_sys::LWLock, _: pg_sys::LWLockMode::Type, all: *mut c_void) {
        // SAFETY: called with what is passed below.
        let (locks, count) = unsafe { &mut *all.cast::<([usize; LOCKS], usize)>() };
        if let Some(room) = locks.get_mut(*count) {
            *room = lock.addr();
            *count += 1;
        }
    }
    let mut all = ([0; LOCKS], 0);
    // SAFETY: looks at what is there.
    unsafe { server::ForEachLWLockHeldByMe(note, (&raw mut all).cast()) };
    all
}

/// Whether this process holds any LWLock.
pub(crate) fn holds_locks() -> bool {
    locks_held().1 > 0
}

/// Gives back all LWLocks.
pub(crate) fn give_back_locks() {
    // SAFETY: what the server does at the end of a transaction that fails (`AbortTransaction` in xact.c).
    unsafe { server::LWLockReleaseAll() };
    forget_those_given_back();
}

/// The locks that this process holds, as it has noted them.
pub(crate) fn own_locks() -> Vec<Lock> {
    own().map_or(Vec::new(), |(_, member)| member.held())
}

/// Locks that were given back by another way, as at the end of a transaction that fails.
fn forget_those_given_back() {
    let Some((_, member)) = own() else { return };
    let (locks, count) = locks_held();
    for noted in &member.held {
        let address = noted.address.load(Ordering::Relaxed);
        if address != 0
            && noted.kind.load(Ordering::Relaxed) == Kind::LwLock as u32
            && !locks[..count].contains(&address)
        {
            noted.address.store(0, Ordering::Release);
        }
    }
}

/// Where in the targets something is: known by the number of its site, else by `describe`.
pub(crate) fn place(site: u32, describe: impl FnOnce() -> Option<memcheck_core::Frame>) -> u32 {
    let Some((_, member)) = own().filter(|_| site != 0) else { return 0 };
    for (number, place) in (1..).zip(&member.places) {
        // SAFETY: this process alone writes it.
        let known = unsafe { (*place.get()).site };
        if known == site {
            return number;
        }
        if known == 0 {
            let Some(frame) = describe() else { return 0 };
            let described = Place {
                site,
                library: Name::new(&frame.library),
                build_id: Name::new(&frame.build_id),
                symbol: Name::new(frame.symbol.as_deref().unwrap_or_default()),
                offset: frame.offset,
            };
            // SAFETY: as above; nobody else reads it before it is told its number.
            unsafe { place.get().write_volatile(described) };
            return number;
        }
    }
    0
}

impl Noted {
    fn write(&self, address: usize, kind: Kind, is_exclusive: bool, place: u32, name: &str) {
        self.address.store(0, Ordering::Release);
        self.kind.store(kind as u32, Ordering::Relaxed);
        self.is_exclusive.store(is_exclusive.into(), Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        // SAFETY: this process alone writes it.
        unsafe { self.name.get().write_volatile(Name::new(name)) };
        self.address.store(address, Ordering::Release);
    }
}

/// The name of an LWLock's tranche, as this process knows it.
fn name_of(lock: *mut pg_sys::LWLock) -> &'static CStr {
    /// `PG_WAIT_LWLOCK` (wait_event.h)
    const LWLOCK: u32 = 0x0100_0000;
    // SAFETY: a lock that the caller is about to take or has; names stay.
    unsafe { super::text(server::GetLWLockIdentifier(LWLOCK, (*lock).tranche)) }.unwrap_or_default()
}

/// This process is about to take an LWLock.
pub(crate) fn takes(lock: *mut pg_sys::LWLock, is_exclusive: bool, place: u32) {
    let Some((_, member)) = own() else { return };
    forget_those_given_back();
    member.waits.write(lock.addr(), Kind::LwLock, is_exclusive, place, &name_of(lock).to_string_lossy());
    step();
}

/// It has taken it, or not.
pub(crate) fn has_taken(lock: *mut pg_sys::LWLock, is_taken: bool, is_exclusive: bool, place: u32) {
    let Some((_, member)) = own() else { return };
    member.waits.address.store(0, Ordering::Release);
    let free = || member.held.iter().find(|noted| noted.address.load(Ordering::Relaxed) == 0);
    if is_taken && let Some(free) = free() {
        free.write(lock.addr(), Kind::LwLock, is_exclusive, place, &name_of(lock).to_string_lossy());
    }
    step();
}

/// It gives it back.
pub(crate) fn gives_back(lock: *mut pg_sys::LWLock) {
    let Some((_, member)) = own() else { return };
    if let Some(noted) = member.held.iter().find(|noted| noted.address.load(Ordering::Relaxed) == lock.addr()) {
        noted.address.store(0, Ordering::Release);
    }
    step();
}

/// It spins for a spinlock from now on, or has it.
pub(crate) fn spins(lock: Option<(usize, u32)>) {
    let Some((_, member)) = own() else { return };
    match lock {
        Some((address, place)) => member.waits.write(address, Kind::Spinlock, true, place, "spinlock"),
        None => member.waits.address.store(0, Ordering::Release),
    }
    step();
}

/// Frees a spinlock that nobody gives back, since nobody is left who could: whoever came next would wait for a minute or two, and then
/// take all processes with him (`s_lock_stuck` in s_lock.c). One in dynamic shared memory is elsewhere here.
pub(crate) fn free_spinlock(address: usize) {
    let lock = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: a spinlock is a byte (`slock_t` in s_lock.h, on x86_64), in memory that all processes have at the same place.
    unsafe {
        if server::ShmemAddrIsValid(lock.cast()) {
            AtomicU8::from_ptr(lock).store(0, Ordering::Release);
        }
    }
}

/// Whether this process was told to end where it waits.
fn is_doomed() -> bool {
    own().is_some_and(|(_, member)| member.is_doomed())
}

/// Ends this process where it was told to end, for good and alone.
pub(crate) fn ends_if_doomed() {
    if !is_doomed() {
        return;
    }
    // SAFETY: the format has no argument, and the texts live for ever. A FATAL does not come back.
    unsafe {
        if server::errstart(pg_sys::FATAL as c_int, std::ptr::null()) {
            server::errcode(pg_sys::errcodes::PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN as c_int);
            server::errmsg_internal(c"the worker waited for a lock that nobody gives back".as_ptr());
            server::errfinish(c"company.rs".as_ptr(), 0, c"ends_if_doomed".as_ptr());
        }
    }
}

/// The handler of SIGUSR2: where the process was told to end and waits for an LWLock, it gives back those that it has, so that the others
/// come by.
///
/// While it says that it waits for one, it is in the loop in which `LWLockAcquire` waits for its semaphore (lwlock.c), after it has
/// put itself into the queue: what it holds is in order, and it holds no lock of a queue. Interrupts stay held off.
unsafe extern "C-unwind" fn let_go(_: c_int) {
    /// The class of a wait event (wait_event.h).
    const CLASS: u32 = 0xff00_0000;
    const LWLOCK: u32 = 0x0100_0000;
    if !is_doomed() {
        return;
    }
    // SAFETY: variables of this process, and a function that wakes others by semaphores, which a signal handler may. `errno` is that of
    // this thread.
    unsafe {
        let errno = *libc::__errno_location();
        let waits = pg_sys::MyProc.as_ref().map_or(0, |own| (&raw const own.wait_event_info).read_volatile());
        if waits & CLASS == LWLOCK {
            server::LWLockReleaseAll();
        }
        *libc::__errno_location() = errno;
    }
}

/// What a process waits for, by the class of its wait event and its name; nothing where it works.
pub(crate) fn waits_for(pid: i32) -> Option<(String, String)> {
    let event = super::process::wait_event(pid).filter(|&event| event != 0)?;
    // SAFETY: both give constants, or names that stay.
    unsafe {
        let class = super::text(server::pgstat_get_wait_event_type(event)).unwrap_or_default();
        let name = super::text(server::pgstat_get_wait_event(event)).unwrap_or_default();
        Some((class.to_string_lossy().into_owned(), name.to_string_lossy().into_owned()))
    }
}

/// The processes that hold, or wait in the queue for, heavyweight locks that this one waits for.
pub(crate) fn blocking(pid: i32) -> Vec<i32> {
    use pgrx::IntoDatum;
    // SAFETY: takes an int4 and gives an array of them.
    let blocking = unsafe { pgrx::direct_function_call::<Vec<i32>>(pg_sys::pg_blocking_pids, &[pid.into_datum()]) };
    blocking.unwrap_or_default()
}

/// Warns the client.
pub(crate) fn warn(text: &str) {
    warning!("{text}");
}

/// Sleeps for a moment while it spins. Longer each time.
pub(crate) fn spin_delay(turn: u32) {
    if turn < 100 {
        std::hint::spin_loop();
    } else {
        let milliseconds = u64::from(turn - 99).min(50);
        nap(Duration::from_millis(milliseconds));
    }
}
