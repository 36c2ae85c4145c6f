//! Guard pages: each chunk in pages of its own, which are closed when it goes, with a closed page behind it. An access that is not
//! allowed faults at its instruction.
//!
//! Such a chunk is one of its context for the server: before it stands the word by which it is found who is to free it. Of 15
//! that is the address of the context, whose functions are wrapped; later a number that no kind of context has, with
//! functions of ours in its place of the table (`wrap/methods.rs`). The context itself knows nothing of it, so its account is not
//! touched.
//!
//! A page can be closed to the byte on one side of a chunk only. Where that is the side before it, the word lies in the closed page, and
//! is opened for the server when that looks there.
//!
//! Chunks live on when nothing is guarded any more, and have to be given back here all the same.

mod arena;
mod rooms;

use std::ffi::c_void;

use memcheck_core::{Act, CheckKind};
use pgrx::pg_sys;

use self::arena::{Arena, PAGE};
pub(crate) use self::arena::{Damage, Fate, Side};
use self::rooms::Rooms;
use super::accesses::{Accesses, Seen};
use crate::contexts::{Context, Names};
use crate::link::{self, Before, MAXALIGN, Request, Room, is_served};
use crate::pg::build::{CHUNK_HEADER, HEADER_HAS_CONTEXT, KIND_OF_BUMP, KIND_OF_NOBODY};
use crate::trace::stacks::Origin;

/// Pages of an arena, the most that the system lets have.
const PAGES: [u32; 3] = [1 << 21, 1 << 19, 1 << 17];

/// Chunks that are larger are not guarded (bytes).
const LARGEST: usize = 1 << 29;

/// What a chunk is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A context whose chunks can be given back one by one.
    Context,
    /// One whose chunks have one size, and keep it (slab.c).
    Slab,
    /// One whose chunks go with it only (bump.c).
    Bump,
    /// The heap of the C library.
    Heap,
}

impl Kind {
    fn of(number: u8) -> Self {
        [Kind::Context, Kind::Slab, Kind::Bump, Kind::Heap][usize::from(number) % 4]
    }
}

/// A chunk that lies, or has lain, at an address of the arena.
#[derive(Clone, Copy)]
pub(crate) struct Chunk {
    /// Where it starts.
    pub(crate) start: usize,
    /// Bytes that were asked for.
    pub(crate) requested: usize,
    pub(crate) fate: Fate,
    /// The names of its context; none for the heap.
    pub(crate) context: Option<Names>,
    /// Where it was allocated, and where it was given back.
    pub(crate) made: Origin,
    pub(crate) released: Origin,
}

impl Chunk {
    /// Whether an address is that of the word before the chunk, which the server reads when the chunk is given back.
    pub(crate) fn is_header(&self, address: usize) -> bool {
        (self.start - size_of::<usize>()..self.start).contains(&address)
    }

    /// An access to it, so far from its start.
    pub(crate) fn seen(&self, act: Option<Act>, offset: isize, size: u32, at: Origin) -> Seen {
        let check = match (self.fate, act) {
            (Fate::Live, _) => CheckKind::BufferOverrun,
            (_, Some(Act::Release)) => CheckKind::DoubleFree,
            (Fate::Released, _) => CheckKind::UseAfterFree,
            (Fate::Reset | Fate::Deleted, _) => CheckKind::UseAfterReset,
        };
        Seen {
            check,
            act,
            offset,
            size,
            requested: self.requested,
            is_mismatched: false,
            context: self.context,
            at,
            allocated: self.made,
            released: self.released,
        }
    }
}

/// What there is once pages were asked for.
struct Ground {
    arena: Arena,
    rooms: Rooms,
}

/// Guard pages of this process.
#[derive(Default)]
pub(crate) struct Pages {
    is_on: bool,
    /// Whether the server's caches are guarded too.
    with_caches: bool,
    /// One in so many allocations is guarded.
    sample: u32,
    passed: u32,
    side: Side,
    /// Whether somebody opens closed headers to those who may read them.
    has_opener: bool,
    ground: Option<Box<Ground>>,
    guarded: u64,
    fallbacks: u64,
}

impl Pages {
    /// Guards one in so many of the targets' allocations from now on, by a closed page on that side, or none.
    pub(crate) fn set(&mut self, guarded: Option<(u32, Side)>) {
        self.is_on = guarded.is_some();
        let (sample, side) = guarded.unwrap_or((1, Side::Behind));
        (self.sample, self.side) = (sample.max(1), side);
        if self.is_on && self.ground.is_none() {
            self.ground = Ground::new().map(Box::new);
            self.opens_headers(self.has_opener);
        }
    }

    /// Headers that lie in closed pages are opened by [`Self::open`] from now on, or by nobody: then all stay open.
    pub(crate) fn opens_headers(&mut self, has_opener: bool) {
        self.has_opener = has_opener;
        if let Some(ground) = &mut self.ground {
            ground.arena.has_opener(has_opener);
        }
    }

    /// Opens the header at an address to be read, if it is one and is closed. Whether it was so. For a signal handler, too.
    pub(crate) fn open(&mut self, address: usize) -> bool {
        self.ground.as_mut().is_some_and(|ground| ground.arena.open(address))
    }

    /// Guards what the server keeps in its caches, too, whoever is at work, while the targets' allocations are guarded.
    pub(crate) fn guard_caches(&mut self, with_caches: bool) {
        self.with_caches = with_caches;
    }

    /// Allocations that were guarded, in this process.
    pub(crate) fn guarded(&self) -> u64 {
        self.guarded
    }

    /// Allocations that were to be guarded and for which there was no room.
    pub(crate) fn fallbacks(&self) -> u64 {
        self.fallbacks
    }

    /// Chunks that are in use.
    pub(crate) fn live(&self) -> u32 {
        self.ground.as_ref().map_or(0, |ground| ground.arena.live())
    }

    /// Serves a request. A chunk that is here gets another one here, and one that is not stays where it is.
    #[inline(always)]
    pub(crate) fn before(&mut self, accesses: &mut Accesses, request: &Request, by: Origin) -> Before {
        let is_here = is_served(request.chunk);
        if !self.is_on || request.chunk != 0 && !is_here {
            return Before::Pass;
        }
        if !is_here {
            self.passed += 1;
            if self.passed < self.sample {
                return Before::Pass;
            }
            self.passed = 0;
        }
        self.serve(accesses, request, by)
    }

    #[inline(never)]
    fn serve(&mut self, accesses: &mut Accesses, request: &Request, by: Origin) -> Before {
        let Some(ground) = &mut self.ground else {
            self.fallbacks += 1;
            return Before::Pass;
        };
        if ground.never_serves(request) {
            return Before::Pass;
        }
        let Some(number) = ground.make(request, self.side) else {
            self.fallbacks += 1;
            return Before::Pass;
        };
        self.guarded += 1;
        let chunk = ground.arena.chunk(number);
        if let Some(old) = ground.find_live(request.chunk) {
            // SAFETY: both are live, and of those sizes at least.
            unsafe {
                let size = ground.arena.record(old).size().min(request.size);
                std::ptr::copy_nonoverlapping(pointer(request.chunk), pointer::<u8>(chunk), size);
            }
            ground.release(accesses, old, by);
        } else if request.chunk != 0 {
            // It was given back before, and is given back once more.
            ground.given_back(accesses, request.room, request.chunk, by);
        }
        Before::Own(pointer(chunk))
    }

    /// An allocation that is not here was served.
    #[inline(always)]
    pub(crate) fn after(&mut self, request: &Request, chunk: usize) {
        if self.is_on
            && let (Some(ground), Room::Context(context)) = (&mut self.ground, request.room)
            && !is_served(chunk)
        {
            ground.learn(context, request.size);
        }
        // One that is here was moved out, by who has asked.
        if is_served(request.chunk)
            && let Some(ground) = &mut self.ground
            && let Some(number) = ground.arena.find(request.chunk)
        {
            let is_gone = ground.arena.fate(number) == Some(Fate::Released);
            if is_gone && ground.arena.record(number).released == Origin::NONE {
                ground.arena.record_mut(number).released = Origin::new(request.site, request.stack);
            }
        }
    }

    /// Serves what the server allocates in its caches, on nobody's account; none where it is to do so itself.
    #[inline(always)]
    pub(crate) fn cache(&mut self, context: usize, size: usize) -> Option<*mut c_void> {
        if !(self.is_on && self.with_caches && is_of_caches(context)) {
            return None;
        }
        let request = Request { room: Room::Context(context), size, alignment: MAXALIGN, site: 0, stack: 0, chunk: 0 };
        let ground = self.ground.as_mut()?;
        if ground.never_serves(&request) {
            return None;
        }
        let made = ground.make(&request, self.side);
        self.guarded += u64::from(made.is_some());
        self.fallbacks += u64::from(made.is_none());
        Some(pointer(ground.arena.chunk(made?)))
    }

    /// A chunk is given back. Whether it is one of these, which nobody else may free.
    #[inline(always)]
    pub(crate) fn release(&mut self, accesses: &mut Accesses, room: Room, chunk: usize, by: Origin) -> bool {
        if !is_served(chunk) {
            return false;
        }
        self.ground.as_mut().is_some_and(|ground| ground.given_back(accesses, room, chunk, by))
    }

    /// Everything in a context goes.
    #[inline(always)]
    pub(crate) fn reset(&mut self, accesses: &mut Accesses, context: usize, by: Origin) {
        if let Some(ground) = &mut self.ground {
            ground.empty(accesses, context, Fate::Reset, by);
        }
    }

    /// A context goes, and everything in it.
    #[inline(always)]
    pub(crate) fn delete(&mut self, accesses: &mut Accesses, context: usize, by: Origin) {
        if let Some(ground) = &mut self.ground {
            ground.empty(accesses, context, Fate::Deleted, by);
        }
    }

    /// Whether chunks of a context are here, so that it is of interest who empties it.
    #[inline(always)]
    pub(crate) fn are_in(&self, context: usize) -> bool {
        self.ground
            .as_ref()
            .is_some_and(|ground| ground.room(context).is_some_and(|room| ground.rooms.get(room).first != 0))
    }

    /// The context of a live chunk and the bytes that it takes of it; none for any other address.
    pub(crate) fn whose(&self, chunk: usize) -> Option<(usize, usize)> {
        let ground = self.ground.as_ref()?;
        let record = ground.arena.record(ground.find_live(chunk)?);
        Some((ground.rooms.address(record.room), record.room_for() + CHUNK_HEADER))
    }

    /// Bytes that a live chunk was requested with; none for any other address.
    pub(crate) fn size(&self, chunk: usize) -> Option<usize> {
        let ground = self.ground.as_ref()?;
        Some(ground.arena.record(ground.find_live(chunk)?).size())
    }

    /// Whether a chunk keeps its size, as those of a Slab do.
    #[cfg(not(feature = "pg15"))]
    pub(crate) fn has_fixed_size(&self, chunk: usize) -> bool {
        let kind = |ground: &Ground| ground.find_live(chunk).map(|number| ground.kind(number));
        self.ground.as_deref().and_then(kind) == Some(Kind::Slab)
    }

    /// Bytes that chunks of a context take here.
    pub(crate) fn bytes_in(&self, context: usize) -> usize {
        self.ground.as_ref().map_or(0, |ground| ground.room(context).map_or(0, |room| ground.rooms.get(room).bytes))
    }

    /// The chunk that an address belongs to: it lies in its pages, or in the closed page behind. For a signal handler, too.
    pub(crate) fn describe(&self, address: usize) -> Option<Chunk> {
        let ground = self.ground.as_ref()?;
        ground.describe(ground.arena.owner(address)?)
    }

    /// Forgets with which stacks chunks were allocated and given back, since their numbers are going to be others'.
    pub(crate) fn forget_stacks(&mut self) {
        if let Some(ground) = &mut self.ground {
            ground.arena.forget_stacks();
        }
    }

    /// Contexts may go from now on without anybody's saying so. There are no chunks.
    pub(crate) fn is_left_alone(&mut self) {
        if let Some(ground) = &mut self.ground {
            ground.rooms.forget_empty();
        }
    }
}

impl Ground {
    fn new() -> Option<Self> {
        let rooms = Rooms::new()?;
        let arena = PAGES.into_iter().find_map(|pages| Arena::new(pages, most_chunks()))?;
        link::serves_from(arena.range());
        Some(Ground { arena, rooms })
    }

    /// The number of a context that has had chunks.
    #[inline(always)]
    fn room(&self, context: usize) -> Option<u32> {
        self.rooms.find(context).filter(|&number| number != 0)
    }

    fn kind(&self, number: u32) -> Kind {
        Kind::of(self.arena.record(number).kind)
    }

    /// The live chunk that starts at an address.
    #[inline(always)]
    fn find_live(&self, chunk: usize) -> Option<u32> {
        self.arena.find(chunk).filter(|&number| self.arena.fate(number) == Some(Fate::Live))
    }

    /// Whether a request is not to be served, for another reason than room.
    fn never_serves(&self, request: &Request) -> bool {
        let Room::Context(context) = request.room else { return 1 << request.alignment > PAGE };
        // SAFETY: reads a variable of the server; the context that something is allocated in is live.
        unsafe {
            // It is what an ERROR for want of memory is made in.
            context == pg_sys::ErrorContext.addr()
                // Only its own function knows what size a Slab takes, until that has served one.
                || Context::at(context).is_slab()
                    && self.room(context).is_none_or(|room| self.rooms.get(room).only_size != request.size)
        }
    }

    /// Makes a chunk; none where there is no room.
    fn make(&mut self, request: &Request, side: Side) -> Option<u32> {
        if request.size > LARGEST {
            return None;
        }
        let (kind, room) = match request.room {
            Room::Heap => (Kind::Heap, 0),
            Room::Context(context) => {
                // SAFETY: the context that something is allocated in is live.
                let context = unsafe { Context::at(context) };
                let room = self.rooms.enter(context.address(), |names| Names::of_context(context, names))?;
                let kind = match (context.has_chunk_headers(), context.is_slab()) {
                    (false, _) => Kind::Bump,
                    (true, true) => Kind::Slab,
                    (true, false) => Kind::Context,
                };
                (kind, room)
            }
        };
        let header = header(kind, self.rooms.address(room));
        let number = self.arena.make(request.size, request.alignment, header, side)?;
        let record = self.arena.record_mut(number);
        (record.kind, record.room, record.path) = (kind as u8, room, self.rooms.get(room).path);
        record.made = Origin::new(request.site, request.stack);
        if let Room::Context(context) = request.room {
            // SAFETY: the context that something is allocated in is live.
            let space = unsafe { Context::at(context) }.space_for(request.size);
            record.space = space as u32;
            let room = self.rooms.at(room);
            room.bytes += space;
            let next = std::mem::replace(&mut room.first, number);
            self.arena.record_mut(number).next = next;
            if next != 0 {
                self.arena.record_mut(next).previous = number;
            }
        }
        Some(number)
    }

    /// A chunk was served elsewhere: of a Slab it is known now what size it takes.
    fn learn(&mut self, context: usize, size: usize) {
        // SAFETY: the context that something was allocated in is live.
        let context = unsafe { Context::at(context) };
        if context.is_slab()
            && let Some(room) = self.rooms.enter(context.address(), |names| Names::of_context(context, names))
        {
            self.rooms.at(room).only_size = size;
        }
    }

    /// An address in the arena is given back. Whether it is that of a chunk that can be.
    fn given_back(&mut self, accesses: &mut Accesses, room: Room, chunk: usize, by: Origin) -> bool {
        let Some(number) = self.arena.find(chunk) else { return false };
        let kind = self.kind(number);
        if kind == Kind::Bump {
            return false;
        }
        if let Some(described) = self.describe(number)
            && (described.fate != Fate::Live || (room == Room::Heap) != (kind == Kind::Heap))
        {
            let seen = described.seen(Some(Act::Release), 0, 0, by);
            accesses.note(Seen { check: CheckKind::DoubleFree, is_mismatched: described.fate == Fate::Live, ..seen });
            if described.fate != Fate::Live {
                return true;
            }
        }
        self.release(accesses, number, by);
        true
    }

    /// A live chunk goes.
    fn release(&mut self, accesses: &mut Accesses, number: u32, by: Origin) {
        self.check(accesses, number, by);
        let record = self.arena.record_mut(number);
        record.released = by;
        let (next, previous, room, space) = (record.next, record.previous, record.room, record.space);
        if room != 0 {
            self.rooms.at(room).bytes -= space as usize;
            match previous {
                0 => self.rooms.at(room).first = next,
                previous => self.arena.record_mut(previous).next = next,
            }
            if next != 0 {
                self.arena.record_mut(next).previous = previous;
            }
        }
        self.arena.close(number, Fate::Released);
    }

    /// Everything in a context goes.
    fn empty(&mut self, accesses: &mut Accesses, context: usize, fate: Fate, by: Origin) {
        let Some(room) = self.room(context) else { return };
        let first = self.rooms.get(room).first;
        let mut number = first;
        while number != 0 {
            self.check(accesses, number, by);
            number = self.arena.record(number).next;
        }
        self.arena.close_all(first, fate, by);
        let emptied = self.rooms.at(room);
        (emptied.first, emptied.bytes) = (0, 0);
        if fate == Fate::Deleted {
            self.rooms.forget(room);
        }
    }

    /// Looks whether something was written around a live chunk.
    fn check(&self, accesses: &mut Accesses, number: u32, by: Origin) {
        let header = header(self.kind(number), self.rooms.address(self.arena.record(number).room));
        if let Some(Damage { offset, bytes }) = self.arena.damage(number, header)
            && let Some(chunk) = self.describe(number)
        {
            let seen = chunk.seen(Some(Act::Write), offset as isize, bytes, Origin::NONE);
            accesses.note(Seen { released: by, ..seen });
        }
    }

    fn describe(&self, number: u32) -> Option<Chunk> {
        let (record, fate) = (self.arena.record(number), self.arena.fate(number)?);
        Some(Chunk {
            start: self.arena.chunk(number),
            requested: record.size(),
            fate,
            context: (self.kind(number) != Kind::Heap).then(|| self.rooms.names(record.path)),
            made: record.made,
            released: record.released,
        })
    }
}

/// The word before a chunk.
fn header(kind: Kind, context: usize) -> usize {
    /// No byte that a string ends with, and low bits for the number of a kind.
    const MARK: usize = 0xA5A5_A5A5_A5A5_A5A0;
    match kind {
        // Who gives malloc'ed memory to pfree is to be told of.
        // SAFETY: reads a variable of the server.
        Kind::Heap if HEADER_HAS_CONTEXT => unsafe { pg_sys::TopMemoryContext.expose_provenance() },
        _ if HEADER_HAS_CONTEXT => context,
        // It is refused by its own functions.
        Kind::Bump => MARK | KIND_OF_BUMP,
        _ => MARK | KIND_OF_NOBODY,
    }
}

/// Whether a context is one of the server's caches.
fn is_of_caches(context: usize) -> bool {
    // SAFETY: reads a variable of the server; the context that something is allocated in is live.
    let (caches, context) = unsafe { (pg_sys::CacheMemoryContext.addr(), Context::at(context)) };
    std::iter::successors(Some(context), |context| context.parent()).any(|context| context.address() == caches)
}

/// How many chunks may be in use at a time. Each takes two of the mappings that a process may have; some are left for others.
fn most_chunks() -> u32 {
    /// What a kernel is built with (`DEFAULT_MAX_MAP_COUNT`).
    const USUAL: u32 = 65_530;
    let read = || std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok();
    // More than that would be memory for nothing.
    let mappings = read().unwrap_or(USUAL).min(USUAL);
    (mappings - mappings / 8) / 2
}

/// A pointer to what lies at an address of the arena.
fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}
