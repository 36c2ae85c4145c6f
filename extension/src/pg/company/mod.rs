//! What background workers that run side by side share: a barrier behind which they begin together, when each of their iterations began
//! and ended, which locks each holds and waits for ([`locks`]), and how it uses hash tables in shared memory ([`tables`]).
//!
//! It lies in a segment of dynamic shared memory of the session that has started them. Each worker writes to its own part, and the
//! session looks at all of them: one that waits for an LWLock looks at nothing itself (`LWLockAcquire` in lwlock.c).

mod hangs;
mod locks;
mod tables;

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pgrx::{pg_sys, warning};

use super::process::{my_pid, wait};
use super::server;
use super::thread::ServerThread;
use hangs::Asked;
pub(crate) use locks::{
    Kind, Lock, ends_if_doomed, free_spinlock, give_back_locks, gives_back, has_taken, holds_locks, own_locks,
    spin_delay, spins, takes,
};
use locks::{LOCKS, Noted};
use tables::Uses;
pub(crate) use tables::{Held, Use, uses_table};

/// Places of a worker's code that are told at most.
const PLACES: usize = 32;
/// Iterations of a worker whose times are kept.
const KEPT: usize = 10_000;
/// The class of a wait event, and those of LWLocks and of the lock manager (wait_event.h).
const CLASS: u32 = 0xff00_0000;
const LWLOCK: u32 = 0x0100_0000;
const LOCK: u32 = 0x0300_0000;
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

/// A name, as much of it as there is room for.
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// A worker's part.
#[repr(C)]
pub(crate) struct Member {
    pid: AtomicI32,
    latch: AtomicPtr<pg_sys::Latch>,
    process: AtomicPtr<pg_sys::PGPROC>,
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
    uses: Uses,
    asked: Asked,
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

    /// A place in its code by the number that it has given it.
    fn frame(&self, number: u32) -> Option<memcheck_core::Frame> {
        let place = self.places.get((number as usize).checked_sub(1)?)?;
        // SAFETY: written once, before its number was.
        let place = unsafe { place.get().read_volatile() };
        let symbol = place.symbol.to_text();
        Some(memcheck_core::Frame {
            library: place.library.to_text(),
            build_id: place.build_id.to_text(),
            offset: place.offset,
            symbol: Some(symbol).filter(|symbol| !symbol.is_empty()),
            line: None,
        })
    }

    /// What it waits for (wait_event.h); 0 where it works.
    fn event(&self) -> u32 {
        let process = self.process.load(Ordering::Relaxed);
        // SAFETY: a word in shared memory, which stays where it is.
        if process.is_null() { 0 } else { unsafe { (&raw const (*process).wait_event_info).read_volatile() } }
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
type Seat = (NonNull<Company>, usize);

/// The part of this process, where it is a worker that has joined.
static OWN: ServerThread<Cell<Option<Seat>>> = ServerThread::new(Cell::new(None));

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
/// `ends` ends this process where it was told to end and may not hear of it. Outside of transactions.
pub(crate) fn join(handle: u32, number: usize, ends: fn()) -> bool {
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
    hangs::listen(ends);
    // SAFETY: variables of this process.
    unsafe {
        member.latch.store(pg_sys::MyLatch, Ordering::Relaxed);
        member.process.store(pg_sys::MyProc, Ordering::Relaxed);
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
