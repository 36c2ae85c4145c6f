//! The allocator seen from inside: what the targets have allocated and not freed, where, and in which context.
//!
//! On while a window is open that asks for it, and at no cost otherwise. A wrapper around each method of the allocator
//! ([`methods`]) looks for a target's code on the stack ([`walk`]), leaves out what the server does on its own account
//! ([`barrier`]), and records the rest ([`table`], [`sites`]).
//!
//! Inside the wrappers nothing is allocated and nothing can raise an ERROR or panic, except what the server's own method
//! raises; no value that would have to be dropped lives across that call.

mod barrier;
mod handed;
mod index;
mod memory;
mod methods;
mod modules;
mod names;
mod peak;
mod sites;
mod table;
mod walk;

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_void};
use std::ops::Range;

use memcheck_core::census::{Census, Live, SiteId};
use memcheck_core::{Frame, Site};
use pgrx::pg_sys;

use crate::snapshot::Walker;
use barrier::Barrier;
use handed::Spi;
use modules::Module;
pub(crate) use peak::{peaks, start_step};
use sites::{STACK_FRAMES, Sites};
use table::LiveTable;
use walk::{Registers, Walk};

/// Frames between an allocation and a target's code at most; behind more than that it is not the target's doing.
const NEAR_FRAMES: usize = 64;

/// Everything that tracing needs. Made when a window first asks for it, kept until the process ends.
struct Trace {
    tables: methods::Tables,
    live: LiveTable,
    sites: Sites,
    walk: Walk,
    barrier: Barrier,
    spi: Spi,
    stack_end: usize,
    modules: Vec<Module>,
    generation: u64,
    wanted: Vec<String>,
    /// Where the targets' code is.
    targets: Vec<Range<usize>>,
    /// From the first of it to the last.
    hull: Range<usize>,
    /// Where the engine's own code is.
    own: Range<usize>,
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

/// Switches tracing on for these libraries (names without suffix), with an empty table.
pub(crate) fn start(targets: Vec<String>) -> Result<(), Refused> {
    stop();
    // SAFETY: off, so no wrapper uses it; this process has one thread.
    let slot = unsafe { &mut *TRACE.trace.get() };
    let trace = match slot {
        Some(trace) => trace,
        None => slot.insert(Box::new(Trace::new()?)),
    };
    trace.live.clear();
    trace.wanted = targets;
    trace.generation = 0;
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
        }
    }
}

pub(crate) fn is_on() -> bool {
    // SAFETY: this process has one thread.
    unsafe { *TRACE.on.get() }
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
            trace.live.for_each(|context, site, bytes| {
                if let Some(path) = walker.path_at(context) {
                    census.count_traced(path, SiteId(site), Live { bytes, allocations: 1 });
                }
            });
        });
    }
}

/// Shows what the targets hold in one context.
pub(crate) fn for_each_in(context: pg_sys::MemoryContext, mut show: impl FnMut(SiteId, Live)) {
    if is_on() {
        with_trace(|trace| {
            trace.live.for_each_in(context.addr(), |_, site, bytes| show(SiteId(site), Live { bytes, allocations: 1 }));
        });
    }
}

/// Allocations outstanding, and allocations that found no room in the table.
pub(crate) fn occupancy() -> (u64, u64) {
    with_trace(|trace| (u64::from(trace.live.len()), trace.live.not_recorded())).unwrap_or_default()
}

/// A number for the library that a site is in.
pub(crate) fn library_of(site: SiteId) -> usize {
    with_trace(|trace| trace.module_at(trace.sites.get(site.0).pc)).flatten().unwrap_or(usize::MAX)
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
        let here = start as *const () as usize;
        let own = modules.iter().find(|module| module.code.contains(&here)).map_or(0..0, |module| module.code.clone());
        let no_memory = || refused("no memory could be reserved for tracing");
        Ok(Trace {
            tables,
            live: LiveTable::new().ok_or_else(no_memory)?,
            sites: Sites::new().ok_or_else(no_memory)?,
            walk: Walk::new(&modules),
            barrier: Barrier::new(),
            spi: Spi::new(),
            stack_end: walk::stack_end().ok_or_else(|| refused("the end of the stack could not be found"))?,
            modules,
            generation: 0,
            wanted: Vec::new(),
            targets: Vec::new(),
            hull: 0..0,
            own,
        })
    }

    fn refresh(&mut self) {
        let generation = modules::generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let modules = modules::loaded();
        if let Walk::Tables(tables) = &mut self.walk {
            let known = |module: &&Module| !self.modules.iter().any(|other| other.all == module.all);
            modules.iter().filter(known).for_each(|module| tables.add(module));
        }
        self.modules = modules;
        let is_target = |module: &&Module| self.wanted.contains(&module.name);
        self.targets = self.modules.iter().filter(is_target).map(|module| module.code.clone()).collect();
        self.hull = self.targets.iter().cloned().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0);
    }

    fn module_at(&self, pc: usize) -> Option<usize> {
        self.modules.iter().position(|module| module.code.contains(&pc))
    }

    fn frame(&self, pc: usize) -> Option<Frame> {
        let module = &self.modules[self.module_at(pc)?];
        Some(Frame {
            library: if module.is_executable() { "postgres".to_owned() } else { module.name.clone() },
            build_id: module.build_id.clone(),
            offset: (pc - module.base) as u64,
            symbol: exported_symbol(pc),
        })
    }

    /// The site of an allocation: the nearest return address in a target, unless the server was working on its own account
    /// in between.
    #[inline(always)]
    fn attribute(&mut self, from: Registers, context: pg_sys::MemoryContext) -> Option<u32> {
        if self.hull.is_empty() || !self.walk.may_find(&self.hull, from, self.stack_end) {
            return None;
        }
        // Mostly there is no target on the stack: nothing is kept on the way until one is found.
        let mut found = 0;
        let (start, length, targets) = (self.hull.start, self.hull.len(), &self.targets);
        self.walk.frames(from, self.stack_end, |pc| {
            let hit = pc.wrapping_sub(start) < length && targets.iter().any(|code| code.contains(&pc));
            if hit {
                found = pc;
            }
            !hit
        });
        if found != 0 && !self.is_its_own_doing(found, from) {
            found = self.handed_to(from, context);
        }
        if found == 0 {
            return None;
        }
        let (walk, stack_end, own) = (&mut self.walk, self.stack_end, &self.own);
        let site = self.sites.number(found, |stack| {
            let mut frames = 0;
            walk.frames(from, stack_end, |pc| {
                if !own.contains(&pc)
                    && let Some(slot) = stack.get_mut(frames)
                {
                    *slot = pc;
                    frames += 1;
                }
                frames < STACK_FRAMES
            });
            frames
        });
        (site != 0).then_some(site)
    }
}

impl Trace {
    /// Whether the server was not working on its own account between an allocation and the target's frame that was found.
    #[inline(never)]
    fn is_its_own_doing(&mut self, found: usize, from: Registers) -> bool {
        let (mut frames, mut barred) = (0, false);
        let barrier = &self.barrier;
        self.walk.frames(from, self.stack_end, |pc| {
            barred |= barrier.contains(pc);
            frames += 1;
            pc != found && !barred && frames < NEAR_FRAMES
        });
        !barred && frames < NEAR_FRAMES
    }

    /// The target's call of SPI for which the server is allocating, where what it allocates is then the target's; 0 for none.
    fn handed_to(&mut self, from: Registers, context: pg_sys::MemoryContext) -> usize {
        if !handed::is_handed_over(context) {
            return 0;
        }
        let (walk, stack_end) = (&mut self.walk, self.stack_end);
        let caller = self.spi.caller(|visit| walk.frames(from, stack_end, visit));
        if self.targets.iter().any(|code| code.contains(&caller)) { caller } else { 0 }
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
