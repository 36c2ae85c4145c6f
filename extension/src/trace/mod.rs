//! The allocator seen from inside: what the targets have allocated and not freed, where, and in which context.
//!
//! On while a window is open that asks for it, and at no cost otherwise. Calls out of the targets are noted as they are made
//! ([`calls`], put in place by [`interpose`]). While one is under way, the wrapper around each method of the allocator
//! ([`methods`]) and around malloc ([`heap`]) looks for the target's code on the stack ([`walk`]), leaves out what the
//! server does on its own account ([`barrier`]), and records the rest ([`table`], [`sites`]).
//!
//! Inside the wrappers nothing is allocated and nothing can raise an ERROR or panic, except what the server's own method
//! raises; no value that would have to be dropped lives across that call.

mod attribution;
mod barrier;
pub(crate) mod calls;
mod created;
mod dsm;
mod functions;
mod got;
mod handed;
mod heap;
mod index;
mod interpose;
mod memory;
mod methods;
mod modules;
mod names;
mod peak;
mod sites;
mod table;
mod targets;
mod walk;

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_void};

use memcheck_core::census::{Census, Live, PathId, SiteId};
use memcheck_core::{Frame, Site};
use pgrx::pg_sys;

use crate::snapshot::Walker;
use barrier::Barrier;
use dsm::Segments;
use got::Changes;
pub(crate) use peak::{peaks, start_step};
use sites::Sites;
use table::LiveTable;
use targets::Targets;
use walk::{Registers, Walk};

/// Stands for the context of what is allocated from the heap, which has none.
const HEAP: usize = 1;

/// Everything that tracing needs. Made when a window first asks for it, kept until the process ends.
struct Trace {
    tables: methods::Tables,
    live: LiveTable,
    /// As `live`, for malloc.
    heap: LiveTable,
    segments: Segments,
    sites: Sites,
    walk: Walk,
    barrier: Barrier,
    /// The functions of SPI.
    spi: Barrier,
    stack_end: usize,
    targets: Targets,
    changes: Changes,
}

struct Shared {
    trace: UnsafeCell<Option<Box<Trace>>>,
    on: UnsafeCell<bool>,
}

// SAFETY: a backend has one thread.
unsafe impl Sync for Shared {}

static TRACE: Shared = Shared { trace: UnsafeCell::new(None), on: UnsafeCell::new(false) };

/// Why tracing cannot be switched on.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Switches tracing on for these libraries (names without suffix), with an empty table. With `by_calls`, an allocation is
/// told by all the calls within the libraries that led to it.
pub(crate) fn start(targets: Vec<String>, by_calls: bool) -> Result<(), Refused> {
    stop();
    // SAFETY: off, so no wrapper uses it; this process has one thread.
    let slot = unsafe { &mut *TRACE.trace.get() };
    let trace = match slot {
        Some(trace) => trace,
        None => slot.insert(Box::new(Trace::new()?)),
    };
    trace.live.clear();
    trace.heap.clear();
    trace.segments.clear();
    calls::start();
    trace.targets.want(targets, by_calls);
    trace.refresh();
    trace.tables.exchange(true).map_err(|refusal| Refused(refusal.to_string()))?;
    // SAFETY: this process has one thread.
    unsafe { *TRACE.on.get() = true };
    Ok(())
}

/// Switches tracing off. What was recorded can still be read.
pub(crate) fn stop() {
    // SAFETY: this process has one thread; switched off before the table is touched again.
    unsafe {
        *TRACE.on.get() = false;
        if let Some(trace) = &mut *TRACE.trace.get() {
            // The page was writable before; if it is not now, the wrappers stay and do nothing.
            let _ = trace.tables.exchange(false);
            trace.changes.undo(&modules::loaded());
        }
    }
}

pub(crate) fn is_on() -> bool {
    // SAFETY: this process has one thread.
    unsafe { *TRACE.on.get() }
}

/// Whether a library (name without directory and suffix) is a target.
pub(crate) fn is_target(library: &[u8]) -> bool {
    is_on() && with_trace(|trace| trace.targets.is_wanted(library)).unwrap_or(false)
}

/// Whether an address is in a target's code.
pub(crate) fn is_target_code(address: usize) -> bool {
    is_on() && with_trace(|trace| trace.targets.contain(address)).unwrap_or(false)
}

/// The function that begins at an address, as if it returned to behind its first instruction.
pub(crate) fn function_at(address: usize) -> Option<Frame> {
    with_trace(|trace| trace.frame(address + 1)).flatten()
}

/// The address of such a function that another process has described.
pub(crate) fn address_of(function: &Frame) -> Option<usize> {
    with_trace(|trace| {
        let module = trace.targets.modules.iter().find(|module| module.name == function.library)?;
        Some(module.base + function.offset as usize - 1)
    })
    .flatten()
}

/// Whether tracing is on for these libraries, with sites told apart in this way.
pub(crate) fn is_of(targets: &[String], by_calls: bool) -> bool {
    is_on() && with_trace(|trace| trace.targets.are(targets, by_calls)).unwrap_or(false)
}

/// Learns in the postmaster what cannot be learnt without the allocator.
pub(crate) fn prepare() {
    methods::prepare();
}

/// What is recorded, while no wrapper runs.
fn with_trace<R>(f: impl FnOnce(&mut Trace) -> R) -> Option<R> {
    // SAFETY: called between the server's allocations, and `f` makes none.
    unsafe { (*TRACE.trace.get()).as_mut() }.map(|trace| f(trace))
}

/// Takes note of libraries loaded since.
pub(crate) fn refresh() {
    if is_on() {
        with_trace(Trace::refresh);
    }
}

/// Adds to a census what the targets hold in the contexts that the walker has just counted.
pub(crate) fn count(census: &mut Census, walker: &Walker) {
    if is_on() {
        with_trace(|trace| {
            trace.live.for_each_since(0, |_, context, site, bytes| {
                if let Some(path) = walker.path_at(context) {
                    census.count_traced(path, SiteId(site), Live { bytes, allocations: 1 });
                }
            });
            trace.heap.for_each_since(0, |_, _, site, bytes| {
                census.count_traced(PathId::HEAP, SiteId(site), Live { bytes, allocations: 1 });
            });
            trace.segments.for_each(|site, bytes| {
                census.count_traced(PathId::DSM, SiteId(site), Live { bytes, allocations: 1 });
            });
        });
    }
}

/// Shows what the targets hold in one context.
pub(crate) fn for_each_in(context: pg_sys::MemoryContext, mut show: impl FnMut(SiteId, Live)) {
    if is_on() {
        with_trace(|trace| {
            trace
                .live
                .for_each_in(context.addr(), |_, _, site, bytes| show(SiteId(site), Live { bytes, allocations: 1 }));
        });
    }
}

/// A number for what has been allocated by now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Serial {
    contexts: u64,
    heap: u64,
}

/// The newest allocation; none while tracing is off.
pub(crate) fn newest() -> Option<Serial> {
    let newest = |trace: &mut Trace| Serial { contexts: trace.live.serial(), heap: trace.heap.serial() };
    is_on().then(|| with_trace(newest)).flatten()
}

/// What the targets have allocated since, and still hold.
pub(crate) fn census_since(serial: Serial, walker: &mut Walker) -> Census {
    let mut census = Census::default();
    with_trace(|trace| {
        let live = |bytes| Live { bytes, allocations: 1 };
        trace.live.for_each_since(serial.contexts, |_, context, site, bytes| {
            // SAFETY: contexts are taken out of the table when they are deleted.
            let path = unsafe { walker.climb(context as pg_sys::MemoryContext) };
            census.count_traced(path, SiteId(site), live(bytes));
        });
        trace.heap.for_each_since(serial.heap, |_, _, site, bytes| {
            census.count_traced(PathId::HEAP, SiteId(site), live(bytes));
        });
    });
    census
}

/// Allocations outstanding, and allocations that found no room in the table.
pub(crate) fn occupancy() -> (u64, u64) {
    with_trace(|trace| {
        let (live, heap) = (&trace.live, &trace.heap);
        (u64::from(live.len() + heap.len()), live.not_recorded() + heap.not_recorded())
    })
    .unwrap_or_default()
}

/// Counts what is wrong with the tables; 0 unless the engine is.
pub(crate) fn inconsistencies(walker: &mut Walker) -> u64 {
    let contexts = walker.contexts();
    with_trace(|trace| {
        let heap = trace.heap.inconsistencies(|context| context == HEAP);
        heap + trace.live.inconsistencies(|context| contexts.contains(&context))
    })
    .unwrap_or_default()
}

/// A number for what a site is judged together with: the library it is in, or nothing else.
pub(crate) fn group_of(site: SiteId) -> usize {
    let library = |trace: &mut Trace| trace.targets.module_at(trace.sites.get(site.0).pc);
    let group = |trace: &mut Trace| if trace.targets.by_calls { Some(site.0 as usize) } else { library(trace) };
    with_trace(group).flatten().unwrap_or(usize::MAX)
}

/// Whether a site is at a place that another process has described.
pub(crate) fn is_at(site: SiteId, place: &Frame) -> bool {
    with_trace(|trace| {
        let pc = trace.sites.get(site.0).pc;
        let module = trace.targets.module_at(pc).map(|number| &trace.targets.modules[number]);
        module.is_some_and(|module| module.name == place.library && (pc - module.base) as u64 == place.offset)
    })
    .unwrap_or(false)
}

/// The same number for a library by its name.
pub(crate) fn library_named(name: &str) -> usize {
    with_trace(|trace| trace.targets.modules.iter().position(|module| module.name == name))
        .flatten()
        .unwrap_or(usize::MAX)
}

/// Where a site is, and the stack it was first seen with.
pub(crate) fn describe(id: SiteId) -> Site {
    with_trace(|trace| {
        let site = trace.sites.get(id.0);
        Site {
            id,
            frame: trace.frame(site.pc).unwrap_or_default(),
            stack: site.stack().iter().filter_map(|&pc| trace.frame(pc)).collect(),
        }
    })
    .unwrap_or_else(|| Site::numbered(id))
}

impl Trace {
    fn new() -> Result<Self, Refused> {
        let refused = |what: &str| Refused(what.to_owned());
        if cfg!(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))) {
            return Err(refused("tracing works on x86_64 Linux with glibc only"));
        }
        let modules = modules::loaded();
        let server =
            modules.iter().find(|module| module.is_executable()).ok_or_else(|| refused("no executable found"))?;
        let tables = methods::Tables::find(server).map_err(|refusal| Refused(refusal.to_string()))?;
        let no_memory = || refused("no memory could be reserved for tracing");
        Ok(Trace {
            tables,
            live: LiveTable::new(21, 17).ok_or_else(no_memory)?,
            heap: LiveTable::new(21, 4).ok_or_else(no_memory)?,
            segments: Segments::new().ok_or_else(no_memory)?,
            sites: Sites::new().ok_or_else(no_memory)?,
            walk: Walk::new(),
            barrier: Barrier::new(server),
            spi: Barrier::spi(server),
            stack_end: walk::stack_end().ok_or_else(|| refused("the end of the stack could not be found"))?,
            changes: Changes::default(),
            targets: Targets::new(modules),
        })
    }

    /// Looks for libraries loaded since, and puts ours into their tables.
    fn refresh(&mut self) {
        if !self.targets.refresh() {
            return;
        }
        let modules = &self.targets.modules;
        self.walk.know(modules);
        self.changes.forget_unloaded(modules);
        for (module, &belongs) in modules.iter().zip(&self.targets.belonging) {
            if !self.changes.include(module) {
                interpose::apply(&mut self.changes, &self.targets, module, belongs);
            }
        }
    }

    fn frame(&self, pc: usize) -> Option<Frame> {
        let module = &self.targets.modules[self.targets.module_at(pc)?];
        Some(Frame {
            library: if module.is_executable() { "postgres".to_owned() } else { module.name.clone() },
            build_id: module.build_id.clone(),
            offset: (pc - module.base) as u64,
            symbol: exported_symbol(pc),
            line: None,
        })
    }
}

/// The exported function that a return address is in.
fn exported_symbol(pc: usize) -> Option<String> {
    // SAFETY: looks an address up; the name is mapped with the object.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(pc as *const c_void, &mut info) == 0 || info.dli_sname.is_null() {
            return None;
        }
        let size = barrier::size_of_symbol(info.dli_saddr.addr())?;
        let inside = pc > info.dli_saddr.addr() && pc <= info.dli_saddr.addr() + size;
        inside.then(|| CStr::from_ptr(info.dli_sname).to_string_lossy().into_owned())
    }
}

/// The trace, inside a wrapper; none while it is off.
#[inline(always)]
fn in_wrapper<'a>() -> Option<&'a mut Trace> {
    // SAFETY: wrappers do not nest while they hold it, and this process has one thread.
    unsafe { if *TRACE.on.get() { (*TRACE.trace.get()).as_deref_mut() } else { None } }
}

#[inline(always)]
fn on_alloc(chunk: *mut c_void, size: usize, context: pg_sys::MemoryContext) {
    if let Some(trace) = in_wrapper()
        && !chunk.is_null()
        && let Some(site) = trace.attribute(Registers::here(), context)
    {
        trace.live.insert(chunk.addr(), size, context.addr(), site);
    }
}

#[inline(always)]
fn on_free(chunk: *mut c_void) {
    if let Some(trace) = in_wrapper() {
        trace.live.remove(chunk.addr());
    }
}

/// A chunk that the server makes larger for a target keeps its site.
#[inline(always)]
fn on_realloc(chunk: *mut c_void, moved: *mut c_void, size: usize, context: pg_sys::MemoryContext) {
    if let Some(trace) = in_wrapper()
        && !moved.is_null()
    {
        let before = trace.live.remove(chunk.addr());
        if let Some(site) = trace.attribute(Registers::here(), context).or(before) {
            trace.live.insert(moved.addr(), size, context.addr(), site);
        }
    }
}

fn on_reset(context: pg_sys::MemoryContext) {
    if let Some(trace) = in_wrapper() {
        trace.live.forget_context(context.addr());
    }
}

fn on_delete(context: pg_sys::MemoryContext) {
    on_reset(context);
}

/// The trace, inside a function that stands for one of malloc's family: none in a thread of a target's own.
#[inline(always)]
fn in_heap_function<'a>() -> Option<&'a mut Trace> {
    if calls::is_this_thread() { in_wrapper() } else { None }
}

#[inline(always)]
fn on_heap_alloc(chunk: *mut c_void, size: usize) {
    if let Some(trace) = in_heap_function()
        && !chunk.is_null()
    {
        // What was there before may have been freed in a way that is not seen here.
        trace.heap.remove(chunk.addr());
        if let Some(site) = trace.attribute_heap(Registers::here()) {
            trace.heap.insert(chunk.addr(), size, HEAP, site);
        }
    }
}

#[inline(always)]
fn on_heap_free(chunk: *mut c_void) {
    if let Some(trace) = in_heap_function() {
        trace.heap.remove(chunk.addr());
    }
}

/// `before` was the chunk's address; a new size of 0 frees it.
#[inline(always)]
fn on_heap_realloc(before: usize, moved: *mut c_void, size: usize) {
    if let Some(trace) = in_heap_function()
        && (!moved.is_null() || size == 0)
    {
        let site_before = trace.heap.remove(before);
        if !moved.is_null()
            && let Some(site) = trace.attribute_heap(Registers::here()).or(site_before)
        {
            trace.heap.replace(moved.addr(), size, HEAP, site);
        }
    }
}
