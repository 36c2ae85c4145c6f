//! The chain: what happens before and after each call of an allocator's function.
//!
//! ```text
//! before(request) -> Pass | Refuse | Enlarge | Own     the place that asks is known
//! the server's or the C library's own function         unless it was refused or served
//! after(request, chunk)
//! ```
//!
//! Where no target is at work - which the note of a call tells in a nanosecond - no link is asked for an allocation. What is
//! given back, reset and deleted every link is told of, whoever does it. A link that is not there costs nothing.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use memcheck_core::census::PathId;
use pgrx::pg_sys::{self, MemoryContext};

#[cfg(feature = "test_links")]
use super::trial::Trial;
use crate::contexts::{Context, Walker};
use crate::guard::redzones::{Due, HAS_THREADS};
use crate::guard::{Guard, Held};
use crate::inject::Failing;
use crate::link::{Before, By, Link, MALLOC_ALIGNMENT, MAXALIGN, Request, Room, is_served};
use crate::pg::server;
use crate::stack::calls::{self, Note};
use crate::stack::{Found, Registers, Stack};
use crate::trace::stacks::Origin;
use crate::trace::{Ledger, Maps, Places};

/// Everything that stands between the callers of the allocator and the allocator. Made when tracing is first asked for, kept
/// until the process ends.
pub(crate) struct Chain {
    pub(crate) stack: Stack,
    pub(crate) ledger: Ledger,
    pub(crate) guard: Guard,
    pub(crate) failing: Failing,
    /// Links that only tests ask for.
    #[cfg(feature = "test_links")]
    pub(crate) trial: Trial,
}

/// The links, in the order in which they are asked: the only list of them.
macro_rules! each_link {
    ($chain:ident, $link:ident => $body:expr) => {{
        {
            let $link = &mut $chain.failing;
            $body
        }
        {
            let $link = &mut $chain.ledger;
            $body
        }
        {
            let $link = &mut $chain.guard;
            $body
        }
        #[cfg(feature = "test_links")]
        {
            let $link = &mut $chain.trial;
            $body
        }
    }};
}

struct Shared {
    chain: UnsafeCell<Option<Box<Chain>>>,
    on: UnsafeCell<bool>,
}

// SAFETY: one thread of a backend enters the server's code. A library's own threads come here through functions of malloc's
// family only, which look whether they are in that thread (`calls::is_this_thread`) before they touch anything of this.
unsafe impl Sync for Shared {}

/// The chain of this process. Static, because the wrappers have no other way to it. Written by [`install`] and [`switch`],
/// between calls of the allocator.
static CHAIN: Shared = Shared { chain: UnsafeCell::new(None), on: UnsafeCell::new(false) };

/// Whether calls pass the chain.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // SAFETY: only read by the thread that writes it.
    unsafe { *CHAIN.on.get() }
}

/// The chain, while no wrapper runs; none if there has never been one.
pub(crate) fn with<R>(f: impl FnOnce(&mut Chain) -> R) -> Option<R> {
    // SAFETY: called between the server's allocations, and `f` makes none.
    unsafe { (*CHAIN.chain.get()).as_mut() }.map(|chain| f(chain))
}

/// Keeps a chain. There is one in a process.
pub(super) fn install(chain: Chain) {
    // SAFETY: only this thread has to do with it, and no wrapper runs.
    unsafe { *CHAIN.chain.get() = Some(Box::new(chain)) };
}

/// Has calls pass the chain, or not.
pub(crate) fn switch(on: bool) {
    // SAFETY: only this thread reads it.
    unsafe { *CHAIN.on.get() = on };
}

/// The chain, inside a wrapper; none while it is off.
#[inline(always)]
fn in_wrapper<'a>() -> Option<&'a mut Chain> {
    // SAFETY: wrappers do not nest while they hold it: none of them holds it across the function that it stands for.
    unsafe { if *CHAIN.on.get() { (*CHAIN.chain.get()).as_deref_mut() } else { None } }
}

/// The guard, where the chain is off and chunks of the guard's own are still in use.
#[inline(always)]
fn guard_while_off<'a>() -> Option<&'a mut Guard> {
    // SAFETY: as in `in_wrapper`.
    unsafe { (*CHAIN.chain.get()).as_deref_mut() }.map(|chain| &mut chain.guard).filter(|guard| guard.pages.live() > 0)
}

/// As [`in_wrapper`], for the functions of malloc's family: none in a thread of a target's own.
#[inline(always)]
fn in_heap_function<'a>() -> Option<&'a mut Chain> {
    if calls::is_this_thread() {
        return in_wrapper();
    }
    HAS_THREADS.store(true, Ordering::Relaxed);
    None
}

impl Chain {
    /// Where sites are.
    pub(crate) fn places(&self) -> Places<'_> {
        Places { stack: &self.stack, sites: &self.ledger.sites, stacks: &self.ledger.stacks }
    }

    /// What was not recorded, for want of room or of a way along the stack.
    pub(crate) fn not_recorded(&mut self) -> u64 {
        self.ledger.booked().not_recorded() + self.stack.not_seen() + self.guard.accesses.not_recorded()
    }

    /// Faults in the engine's own account; 0 unless the engine is wrong.
    pub(crate) fn inconsistencies(&mut self, walker: &Walker) -> u64 {
        self.ledger.booked().inconsistencies(walker) + self.stack.inconsistencies()
    }

    #[inline(always)]
    fn before(&mut self, request: &Request) -> Before {
        let mut wanted = Before::Pass;
        each_link!(self, link => wanted = wanted.and(|| link.before(request), request.size));
        wanted
    }

    #[inline(always)]
    fn after(&mut self, request: &Request, chunk: usize) {
        each_link!(self, link => link.after(request, chunk));
    }

    #[inline(always)]
    fn release(&mut self, room: Room, chunk: usize, by: By) -> bool {
        let mut taken = false;
        each_link!(self, link => taken |= link.release(room, chunk, by));
        taken
    }
}

/// Asks the stack of a chain for a site, which gets its number in the ledger. 0 for none.
macro_rules! site {
    ($chain:ident, $from:ident, $attribute:ident($($argument:expr),*)) => {{
        let sites = &mut $chain.ledger.sites;
        let number = |found: Found| sites.number(found.key, found.pc);
        $chain.stack.$attribute($from, $($argument,)* number)
    }};
}

/// A site that allocates, with the stack that it does so with now.
#[inline(always)]
fn origin(chain: &mut Chain, from: Registers, site: u32) -> Origin {
    let Chain { stack, ledger, .. } = chain;
    let place = ledger.sites.get(site).pc;
    ledger.stacks.origin(site, from.bp(), |steps| stack.capture(from, place, steps))
}

/// What a method of the allocator cannot do.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Bytes that may be asked for at most; 0 where the size is fixed.
    pub(super) most: usize,
}

/// Serves a request: with `make`, which is given the number of bytes, or `refuse`.
#[inline(always)]
fn serve(
    chain: &mut Chain,
    request: Request,
    limits: Limits,
    make: impl FnOnce(usize) -> *mut c_void,
    refuse: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    if chain.failing.has_limit() {
        chain.failing.hold(chain.ledger.booked().held_bytes());
    }
    let chunk = match chain.before(&request) {
        Before::Own(chunk) => chunk,
        Before::Refuse if may_fail(request.room) => return refuse(),
        Before::Enlarge(size) if size <= limits.most => make(size),
        _ => make(request.size),
    };
    // What was made may have passed the chain itself: it is fetched anew.
    if !chunk.is_null()
        && let Some(chain) = in_wrapper()
    {
        chain.after(&request, chunk.addr());
    }
    chunk
}

/// Whether a failed allocation is anything that code has to be ready for: in a critical section it ends the cluster's work, and
/// there is always room in ErrorContext.
fn may_fail(room: Room) -> bool {
    // SAFETY: reads two variables of the server.
    unsafe { pg_sys::CritSectionCount == 0 && room != Room::Context(pg_sys::ErrorContext.addr()) }
}

/// An allocation from a context.
#[inline(always)]
pub(super) fn allocate(
    from: Registers,
    context: MemoryContext,
    size: usize,
    limits: Limits,
    make: impl FnOnce(usize) -> *mut c_void,
    refuse: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(chain) = in_wrapper() else { return make(size) };
    let is_first = chain.ledger.contexts.touch(context.addr());
    if is_first {
        // SAFETY: the allocator's wrappers are given a live context.
        chain.ledger.entered(unsafe { Context::at(context.addr()) });
    }
    let make = observing(chain.ledger.counts_peaks(), context, make);
    let Some(newest) = chain.stack.under_way(from, context) else {
        return if fails_below_spi(chain, from, context, size) { refuse() } else { nobodys(context, size, make) };
    };
    let site = site!(chain, from, attribute(newest, context));
    if site == 0 || is_kept_by_server(chain, newest, context) {
        if fails_below_spi(chain, from, context, size) {
            return refuse();
        }
        return servers_own(context, nobodys(context, size, make));
    }
    if is_first {
        chain.ledger.contexts.claim(context.addr());
    }
    let stack = origin(chain, from, site).stack();
    let request = Request { room: Room::Context(context.addr()), size, alignment: MAXALIGN, site, stack, chunk: 0 };
    serve(chain, request, limits, make, refuse)
}

/// Whether what the server allocates for itself is to fail: behind SPI, which a target has called, and for that call.
#[inline(always)]
fn fails_below_spi(chain: &mut Chain, from: Registers, context: MemoryContext, size: usize) -> bool {
    chain.failing.is_on() && fails_for_spi(chain, from, context, size)
}

#[inline(never)]
fn fails_for_spi(chain: &mut Chain, from: Registers, context: MemoryContext, size: usize) -> bool {
    // SAFETY: the allocator's wrappers are given a live context.
    if !unsafe { Context::at(context.addr()) }.goes_with_transaction() {
        return false;
    }
    let site = site!(chain, from, attribute_spi());
    site != 0 && {
        let stack = origin(chain, from, site).stack();
        chain.failing.fails(Some(Room::Context(context.addr())), size, (site, stack))
    }
}

/// Whether something else than memory, which a target asks for itself, is to fail.
#[inline(always)]
pub(super) fn fails_directly(from: Registers) -> bool {
    let Some(chain) = in_wrapper() else { return false };
    if !chain.failing.is_on() {
        return false;
    }
    let site = direct_site(chain, from);
    site != 0 && {
        let stack = origin(chain, from, site).stack();
        chain.failing.fails(None, 0, (site, stack))
    }
}

/// A target looks for interrupts. Counted where that is asked for; what comes of it is the server's affair.
#[inline(always)]
pub(super) fn checks_interrupts(from: Registers) {
    let Some(chain) = in_wrapper() else { return };
    if !chain.failing.is_on() || !chain.failing.counts_checks() {
        return;
    }
    let site = direct_site(chain, from);
    if site != 0 {
        let stack = origin(chain, from, site).stack();
        chain.failing.checks((site, stack));
    }
}

/// Serves what no target has asked for. Nobody looks at it, unless the server's caches are guarded.
#[inline(always)]
fn nobodys(context: MemoryContext, size: usize, make: impl FnOnce(usize) -> *mut c_void) -> *mut c_void {
    match in_wrapper().and_then(|chain| chain.guard.pages.cache(context.addr(), size)) {
        Some(chunk) => chunk,
        None => given_again(make(size)),
    }
}

/// Tells the guard of a chunk that the server has got on its own account.
#[inline(always)]
fn given_again(chunk: *mut c_void) -> *mut c_void {
    if let Some(chain) = in_wrapper() {
        chain.guard.is_given_again(chunk.addr());
    }
    chunk
}

/// Whether an allocation in a context goes to what the server keeps for itself, though a target's call has led to it. The
/// first thing in a context says whose that is.
#[inline(always)]
fn is_kept_by_server(chain: &mut Chain, newest: Note, context: MemoryContext) -> bool {
    chain.stack.is_kept_by_server(newest, context) && !chain.ledger.contexts.is_claimed(context.addr())
}

/// Notes that the server has allocated something on its own account while a target is at work.
#[inline(always)]
fn servers_own(context: MemoryContext, chunk: *mut c_void) -> *mut c_void {
    if let Some(chain) = in_wrapper()
        && chain.ledger.contexts.old_path(context.addr()).is_some()
    {
        chain.ledger.credits.is_the_servers(chunk.addr());
    }
    chunk
}

/// Has the blocks of a context counted after something was allocated in it, while peaks are counted.
#[inline(always)]
fn observing(
    counts_peaks: bool,
    context: MemoryContext,
    make: impl FnOnce(usize) -> *mut c_void,
) -> impl FnOnce(usize) -> *mut c_void {
    move |size| {
        let chunk = make(size);
        if counts_peaks {
            observe(context);
        }
        chunk
    }
}

/// Whether peaks are counted.
#[inline(always)]
pub(super) fn counts_peaks() -> bool {
    in_wrapper().is_some_and(|chain| chain.ledger.counts_peaks())
}

/// Counts the blocks of a context, while peaks are counted.
#[inline(never)]
pub(super) fn observe(context: MemoryContext) {
    if let Some(chain) = in_wrapper()
        && chain.ledger.counts_peaks()
    {
        // SAFETY: the allocator's wrappers are given a live context.
        let context = unsafe { Context::at(context.addr()) };
        chain.ledger.contexts.observe(context.address(), context.blocks());
    }
}

/// A chunk of a context gets another size. One that the server makes larger for a target keeps its site.
#[inline(always)]
pub(super) fn reallocate(
    from: Registers,
    context: impl FnOnce() -> MemoryContext,
    chunk: *mut c_void,
    size: usize,
    limits: Limits,
    make: impl FnOnce(usize) -> *mut c_void,
    refuse: impl FnOnce(MemoryContext) -> *mut c_void,
) -> *mut c_void {
    let Some(chain) = in_wrapper() else { return make(size) };
    let held = chain.guard.hold(chunk.addr());
    let context = context();
    let make = observing(chain.ledger.counts_peaks(), context, make);
    let own = match chain.stack.under_way(from, context) {
        Some(newest) => match site!(chain, from, attribute(newest, context)) {
            site if site != 0 && !is_kept_by_server(chain, newest, context) => site,
            _ => 0,
        },
        None => 0,
    };
    if own != 0 && held != Held::Kept {
        given_back(chain, context, chunk, |_| own);
    }
    let origin = if own != 0 { origin(chain, from, own) } else { chain.ledger.origin_of(chunk.addr()) };
    let (site, stack) = (origin.site(), origin.stack());
    if site == 0 {
        chain.guard.lets_go(chunk.addr());
        return given_again(make(size));
    }
    let room = Room::Context(context.addr());
    let request = Request { room, size, alignment: MAXALIGN, site, stack, chunk: chunk.addr() };
    serve(chain, request, limits, make, || refuse(context))
}

/// A chunk of a context is given back. Whether a link has taken it.
#[inline(always)]
pub(super) fn free(from: Registers, chunk: *mut c_void, context: impl FnOnce() -> MemoryContext) -> bool {
    let Some(chain) = in_wrapper() else { return free_while_off(Room::Context(0), chunk) };
    let held = chain.guard.hold(chunk.addr());
    let mut by = By::NOBODY;
    if let Some(newest) = chain.stack.at_work(from) {
        let context = context();
        if held != Held::Kept {
            given_back(chain, context, chunk, |chain| site!(chain, from, attribute(newest, context)));
        }
        if held != Held::No {
            by = who(chain, from, |chain| site!(chain, from, attribute(newest, context)));
        }
    }
    // The context is in the chunk's header, where no link has asked for it yet.
    let is_taken = chain.release(Room::Context(0), chunk.addr(), by);
    if is_taken {
        give_back(|chain| chain.guard.due(false));
    }
    is_taken
}

/// Who gives something back that a link asks about.
#[inline(always)]
fn who(chain: &mut Chain, from: Registers, site: impl FnOnce(&mut Chain) -> u32) -> By {
    match site(chain) {
        0 => By::NOBODY,
        site => By { site, stack: origin(chain, from, site).stack() },
    }
}

/// Whether the context of a chunk is to be observed when it is given back; then its header can be read.
#[inline(always)]
pub(super) fn is_observed(chunk: *mut c_void) -> bool {
    in_wrapper().is_some_and(|chain| {
        let is_observed = chain.ledger.counts_peaks();
        if is_observed {
            chain.guard.hold(chunk.addr());
        }
        is_observed
    })
}

/// A target gives a chunk to pfree. Whether that is not to be called: the chunk is one of malloc's, or has gone with its context.
/// The header of any other can be read.
#[inline(always)]
pub(super) fn is_refused(from: Registers, chunk: *mut c_void) -> bool {
    let Some(chain) = in_wrapper() else { return false };
    let held = chain.guard.hold(chunk.addr());
    if held == Held::No || held == Held::Live && chain.guard.is_of_heap(chunk.addr()) != Some(true) {
        return false;
    }
    let by = who(chain, from, |chain| site!(chain, from, attribute_heap()));
    chain.guard.is_released_when_gone(chunk.addr(), by) || is_of_heap(from, chunk)
}

/// A target gives a chunk to repalloc. Whether it is one of malloc's, and is not to come there. Its header can be read.
#[inline(always)]
pub(super) fn is_of_heap(from: Registers, chunk: *mut c_void) -> bool {
    let Some(chain) = in_wrapper() else { return false };
    chain.guard.hold(chunk.addr());
    if chain.guard.is_of_heap(chunk.addr()) != Some(true) {
        return false;
    }
    let by = who(chain, from, |chain| site!(chain, from, attribute_heap()));
    chain.guard.is_mismatched(chunk.addr(), by);
    true
}

/// The size that a chunk of malloc's was requested with, where that is guarded.
#[inline(always)]
pub(super) fn requested(chunk: *mut c_void) -> Option<usize> {
    in_heap_function()?.guard.requested(chunk.addr())
}

/// Gives back in earnest what the guard has kept, past the chain: all links were told when it was given back to that.
#[inline(always)]
fn give_back(next: impl Fn(&mut Chain) -> Option<Due>) {
    while let Some(chain) = in_wrapper()
        && let Some(due) = next(chain)
    {
        free_past_chain(due);
    }
}

#[inline(never)]
fn free_past_chain(due: Due) {
    let chunk = std::ptr::with_exposed_provenance_mut::<c_void>(due.address);
    switch(false);
    // SAFETY: a live chunk of either allocator, whose owner has given it back.
    unsafe {
        if due.is_of_heap {
            libc::free(chunk);
        } else {
            server::pfree(chunk);
        }
    }
    switch(true);
}

/// Everything that the guard has kept is given back in earnest, so that contexts hold what is live in them and nothing else.
/// Outside of wrappers.
pub(crate) fn empty_guard() {
    give_back(|chain| chain.guard.due(true));
}

/// The same of what is in one context.
pub(crate) fn empty_guard_in(context: usize) {
    give_back(|chain| chain.guard.due_in(context));
}

/// A chunk is given back while the chain is off. Whether it was the guard's.
#[inline(always)]
fn free_while_off(room: Room, chunk: *mut c_void) -> bool {
    guard_while_off().is_some_and(|guard| guard.release(room, chunk.addr(), By::NOBODY))
}

/// A target gives a chunk back, or has it replaced by a larger one. Where it was there before what is judged, that stands
/// against what the target allocates.
#[inline(always)]
fn given_back(chain: &mut Chain, context: MemoryContext, chunk: *mut c_void, site: impl FnOnce(&mut Chain) -> u32) {
    let Some(path) = chain.ledger.contexts.old_path(context.addr()) else { return };
    if !chain.ledger.is_old(chunk.addr()) {
        return;
    }
    let site = site(chain);
    if site != 0 {
        // SAFETY: the allocator's wrappers are given a live context, and a live chunk of it.
        let space = unsafe { Context::at(context.addr()) }.space_of(chunk.addr());
        chain.ledger.credits.given_back(path, site, space as usize);
    }
}

/// A context is reset.
#[inline(always)]
pub(super) fn reset(from: Registers, context: MemoryContext) {
    empty_guard_in(context.addr());
    if let Some(chain) = in_wrapper() {
        if chain.stack.at_work(from).is_some() {
            // SAFETY: the allocator's wrappers are given a live context.
            chain.ledger.empties(unsafe { Context::at(context.addr()) });
        }
        let by = who_empties(chain, from, context);
        each_link!(chain, link => link.reset(context.addr(), by));
    } else if let Some(guard) = guard_while_off() {
        guard.reset(context.addr(), By::NOBODY);
    }
}

/// A context is deleted.
pub(super) fn delete(from: Registers, context: MemoryContext) {
    empty_guard_in(context.addr());
    if let Some(chain) = in_wrapper() {
        let by = who_empties(chain, from, context);
        each_link!(chain, link => link.delete(context.addr(), by));
    } else if let Some(guard) = guard_while_off() {
        guard.delete(context.addr(), By::NOBODY);
    }
}

/// Who resets or deletes a context, where a link asks about it.
#[inline(always)]
fn who_empties(chain: &mut Chain, from: Registers, context: MemoryContext) -> By {
    if !chain.guard.asks_who_empties(context.addr()) {
        return By::NOBODY;
    }
    match chain.stack.at_work(from) {
        Some(newest) => who(chain, from, |chain| site!(chain, from, attribute(newest, context))),
        None => By::NOBODY,
    }
}

/// A call of malloc or of one like it.
#[inline(always)]
pub(super) fn allocate_heap(
    from: Registers,
    size: usize,
    alignment: u8,
    make: impl FnOnce(usize) -> *mut c_void,
    refuse: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(chain) = in_heap_function() else { return make(size) };
    let site = site!(chain, from, attribute_heap());
    if site != 0 {
        let stack = origin(chain, from, site).stack();
        let request = Request { room: Room::Heap, size, alignment, site, stack, chunk: 0 };
        return serve(chain, request, Limits { most: isize::MAX as usize }, make, refuse);
    }
    let chunk = make(size);
    if let Some(chain) = in_wrapper() {
        // What was there before may have been freed in a way that is not seen here.
        chain.ledger.heap.remove(chunk.addr());
    }
    chunk
}

/// A call of realloc; a new size of 0 frees the chunk.
#[inline(always)]
pub(super) fn reallocate_heap(
    from: Registers,
    chunk: *mut c_void,
    size: usize,
    make: impl FnOnce(usize) -> *mut c_void,
    refuse: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let Some(chain) = in_heap_function() else { return make(size) };
    let held = chain.guard.hold(chunk.addr());
    let own = site!(chain, from, attribute_heap());
    if chain.guard.is_of_heap(chunk.addr()) == Some(false) {
        let by = if own != 0 { who(chain, from, |_| own) } else { By::NOBODY };
        chain.guard.is_mismatched(chunk.addr(), by);
        // SAFETY: a live chunk of a context.
        return if size == 0 { std::ptr::null_mut() } else { unsafe { server::repalloc(chunk, size) } };
    }
    if size == 0 {
        let by = if own != 0 { who(chain, from, |_| own) } else { By::NOBODY };
        if chain.release(Room::Heap, chunk.addr(), by) {
            give_back(|chain| chain.guard.due(false));
            return std::ptr::null_mut();
        }
        return make(size);
    }
    if held != Held::Kept {
        given_back_to_heap(chain, chunk, |_| own);
    }
    let origin = if own != 0 { origin(chain, from, own) } else { chain.ledger.heap.origin_of(chunk.addr()) };
    let (site, stack) = (origin.site(), origin.stack());
    if site == 0 {
        chain.guard.lets_go(chunk.addr());
        return make(size);
    }
    let alignment = MALLOC_ALIGNMENT;
    let request = Request { room: Room::Heap, size, alignment, site, stack, chunk: chunk.addr() };
    serve(chain, request, Limits { most: isize::MAX as usize }, make, refuse)
}

/// A call of free. Whether a link has taken the chunk.
#[inline(always)]
pub(super) fn free_heap(from: Registers, chunk: *mut c_void) -> bool {
    let Some(chain) = in_heap_function() else {
        // What another thread frees stays as it is.
        return is_served(chunk.addr()) && (!calls::is_this_thread() || free_while_off(Room::Heap, chunk));
    };
    let held = chain.guard.hold(chunk.addr());
    if held != Held::Kept && chain.guard.is_of_heap(chunk.addr()) != Some(false) {
        given_back_to_heap(chain, chunk, |chain| site!(chain, from, attribute_heap()));
    }
    let mut by = By::NOBODY;
    if held != Held::No {
        by = who(chain, from, |chain| site!(chain, from, attribute_heap()));
    }
    let is_taken = chain.release(Room::Heap, chunk.addr(), by);
    if is_taken {
        give_back(|chain| chain.guard.due(false));
    }
    is_taken
}

/// As [`given_back`].
#[inline(always)]
fn given_back_to_heap(chain: &mut Chain, chunk: *mut c_void, site: impl FnOnce(&mut Chain) -> u32) {
    if chunk.is_null() || !chain.ledger.is_old_in_heap(chunk.addr()) {
        return;
    }
    let site = site(chain);
    if site != 0 {
        let space = match chain.guard.pages.size(chunk.addr()) {
            Some(size) => size,
            // It was given back before.
            None if is_served(chunk.addr()) => return,
            // SAFETY: a live chunk of malloc's, which the caller gives back.
            None => unsafe { libc::malloc_usable_size(chunk) },
        };
        chain.ledger.credits.given_back(PathId::HEAP, site, space);
    }
}

/// Memory was mapped by whoever called this, for a target or not.
#[inline(always)]
pub(super) fn mapped(from: Registers, start: usize, bytes: usize, in_use: bool) {
    let Some(chain) = in_heap_function() else { return };
    match site!(chain, from, attribute_heap()) {
        0 => _ = chain.ledger.maps.unmap(start, bytes),
        site => {
            // A site's last stack is shown, since mappings are cut up and moved.
            origin(chain, from, site);
            chain.ledger.maps.map(start, bytes, site, in_use);
        }
    }
}

/// Memory was unmapped. Where it was mapped before tracing began, that stands against what is mapped.
#[inline(always)]
pub(super) fn unmapped(from: Registers, start: usize, bytes: usize) {
    let Some(chain) = in_heap_function() else { return };
    if chain.ledger.maps.unmap(start, bytes) == 0 {
        let site = site!(chain, from, attribute_heap());
        if site != 0 {
            chain.ledger.credits.given_back(PathId::MAPPED, site, bytes);
        }
    }
}

/// Tells the ledger what becomes of memory that was mapped.
#[inline(always)]
pub(super) fn of_maps(tell: impl FnOnce(&mut Maps)) {
    if let Some(chain) = in_heap_function() {
        tell(&mut chain.ledger.maps);
    }
}

/// A target has created a context.
#[inline(always)]
pub(super) fn created(from: Registers, context: MemoryContext) {
    let Some(chain) = in_wrapper() else { return };
    let site = direct_site(chain, from);
    if site != 0 {
        let origin = origin(chain, from, site);
        // SAFETY: it was created just now.
        let context = unsafe { Context::at(context.addr()) };
        let name = context.name_address();
        let is_constant = name == 0 || chain.stack.targets.is_constant(name);
        chain.ledger.created(context, origin, is_constant);
    } else {
        chain.ledger.contexts.touch(context.addr());
    }
}

/// Tells the ledger of what a target does with dynamic shared memory, and from where. The caller is the target.
#[inline(always)]
pub(super) fn of_segment(from: Registers, tell: impl FnOnce(&mut Ledger, Origin)) {
    let Some(chain) = in_wrapper() else { return };
    let site = direct_site(chain, from);
    if site != 0 {
        let origin = origin(chain, from, site);
        tell(&mut chain.ledger, origin);
    }
}

/// As [`of_segment`], where it does not matter from where.
#[inline(always)]
pub(super) fn to_ledger(tell: impl FnOnce(&mut Ledger)) {
    if let Some(chain) = in_wrapper() {
        tell(&mut chain.ledger);
    }
}

fn direct_site(chain: &mut Chain, from: Registers) -> u32 {
    site!(chain, from, attribute_direct())
}
