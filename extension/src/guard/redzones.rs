//! Tier 1: bytes around what the targets allocate, and what they have given back kept for a while.
//!
//! A chunk is requested larger than it was asked for. What lies behind the bytes that were asked for, to the end of the chunk, is filled,
//! and the word before the chunk, which is its header, is remembered. Both are looked at when the chunk is given back or gets
//! another size, when its context is reset or deleted, and when somebody asks. A header that was written to is mended, so that the server can go on.
//!
//! A chunk that is given back is filled and kept, in the order in which they come; when it is its turn, what is in it is compared
//! and it is given back in earnest. One that is given back once more while it is kept was freed twice.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use memcheck_core::{Act, CheckKind};
use pgrx::pg_sys;

use super::Held;
use super::accesses::{Accesses, Seen};
use super::canary::{Bytes, CANARY, WIPED, changed_word};
use super::chunks::{Chunk, Chunks};
use crate::contexts::{Context, Names};
use crate::link::{Before, Request, Room};
use crate::trace::HEAP;
use crate::trace::memory::Reserved;
use crate::trace::stacks::Origin;

/// Bytes behind a chunk at least, where its size is not fixed.
const BEHIND: usize = 24;

/// A chunk that is larger is not kept (bytes).
const LARGEST_KEPT: usize = 64 << 10;
/// All that are kept, together.
const KEPT_BYTES: usize = 256 << 10;
const KEPT_CHUNKS: u32 = 4096;

/// Chunks that went with their context and are remembered: `2^GONE_BITS`, those that went last at most.
const GONE_BITS: u32 = 12;

/// Chunks at most: three quarters of `2^BITS`, as many as the ledger has room for.
const BITS: u32 = 21;

/// Chunks of a Bump may be so large that the server does not take more for them (bytes); nobody says how large they are.
const LARGEST_WITHOUT_HEADER: usize = 1 << 29;

/// Where chunks are aligned to more, all of their pages may be used (`pvalloc`): a power of two.
const LARGEST_ALIGNMENT: u8 = 12;

/// Whether a library has threads that use the heap. Written by those, which have no other way to say so.
pub(crate) static HAS_THREADS: AtomicBool = AtomicBool::new(false);

/// A chunk whose turn has come to be given back in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) address: usize,
    pub(crate) is_of_heap: bool,
}

/// What is guarded.
pub(crate) struct Redzones {
    is_on: bool,
    /// Whether chunks have to take what they take without a guard, and go when they go.
    keeps_sizes: bool,
    chunks: Chunks,
    /// Those that went with their context, by a hash of their addresses, and whether there are any.
    gone: Reserved<Chunk>,
    has_gone: bool,
}

/// The place of a chunk among those that are gone.
#[inline(always)]
fn place(address: usize) -> usize {
    (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> (usize::BITS - GONE_BITS)
}

/// The context that a chunk is entered under.
fn context_of(room: Room) -> usize {
    match room {
        Room::Context(context) => context,
        Room::Heap => HEAP,
    }
}

/// The names of a context with chunks in it.
fn named(context: usize, names: &mut Names) {
    if context != HEAP {
        // SAFETY: a context goes only after its chunks.
        Names::of_context(unsafe { Context::at(context) }, names);
    }
}

impl Chunk {
    fn is_of_heap(&self) -> bool {
        self.context == HEAP
    }

    /// What is behind the bytes that were asked for.
    fn behind(&self) -> Bytes {
        // SAFETY: the chunk is held, so that it has these bytes, and nobody was promised them.
        unsafe { Bytes::at(self.address + self.requested, self.space - self.requested) }
    }

    /// What was asked for, as much of it as is filled when it is gone.
    fn inside(&self) -> Bytes {
        // SAFETY: the chunk is held, so that it has these bytes; used when its owner has given it back.
        unsafe { Bytes::at(self.address, self.requested.min(LARGEST_KEPT)) }
    }

    /// The word before it. The lowest bits of malloc's say whether its neighbour is in use (`PREV_INUSE` and others in malloc.c).
    fn word_before(&self) -> u64 {
        // SAFETY: a chunk that has a header has it there.
        let word = unsafe { std::ptr::with_exposed_provenance::<u64>(self.address).sub(1).read() };
        if self.is_of_heap() { word & !7 } else { word }
    }

    /// Where the word before it was changed, from the chunk on (bytes). It is mended.
    fn changed_before(&self) -> Option<Range<isize>> {
        if self.header == 0 {
            return None;
        }
        let changed = changed_word(self.header, self.word_before())?;
        let word = std::ptr::with_exposed_provenance_mut::<u64>(self.address).wrapping_sub(1);
        // SAFETY: as in `word_before`; nobody but the allocator writes there.
        unsafe { word.write(if self.is_of_heap() { self.header | word.read() & 7 } else { self.header }) };
        Some(changed)
    }

    /// Something was done to it.
    fn seen(&self, chunks: &Chunks, check: CheckKind, act: Act, at: Range<isize>, by: Origin) -> Seen {
        let names = || {
            let mut names = Names::default();
            named(self.context, &mut names);
            if names.are_none() { chunks.names(self.context).unwrap_or(names) } else { names }
        };
        self.seen_in((!self.is_of_heap()).then(names), check, act, at, by)
    }

    fn seen_in(&self, context: Option<Names>, check: CheckKind, act: Act, at: Range<isize>, by: Origin) -> Seen {
        Seen {
            check,
            act: Some(act),
            offset: at.start,
            size: at.len() as u32,
            requested: self.requested,
            is_mismatched: false,
            context,
            at: by,
            allocated: self.allocated,
            released: self.released,
        }
    }

    /// Notes what was written around it, and mends it.
    #[inline(always)]
    fn check_live(&self, chunks: &Chunks, accesses: &mut Accesses) {
        let behind = self.behind();
        if let Some(changed) = behind.changed(CANARY) {
            behind.fill(CANARY);
            let start = self.requested as isize;
            let changed = start + changed.start as isize..start + changed.end as isize;
            accesses.note(self.seen(chunks, CheckKind::BufferOverrun, Act::Write, changed, Origin::NONE));
        }
        self.check_header(chunks, CheckKind::BufferOverrun, accesses);
    }

    #[inline(always)]
    fn check_header(&self, chunks: &Chunks, check: CheckKind, accesses: &mut Accesses) {
        if let Some(changed) = self.changed_before() {
            accesses.note(self.seen(chunks, check, Act::Write, changed, Origin::NONE));
        }
    }

    /// Notes what was written to it after it was given back, and mends it.
    #[inline(always)]
    fn check_kept(&self, chunks: &Chunks, accesses: &mut Accesses) {
        let (inside, behind) = (self.inside(), self.behind());
        let changed = [(0, inside.changed(WIPED)), (self.requested, behind.changed(CANARY))];
        let changed = changed.into_iter().filter_map(|(start, changed)| Some((start, changed?)));
        for (start, changed) in changed {
            let changed = (start + changed.start) as isize..(start + changed.end) as isize;
            accesses.note(self.seen(chunks, CheckKind::UseAfterFree, Act::Write, changed, Origin::NONE));
            inside.fill(WIPED);
            behind.fill(CANARY);
        }
        self.check_header(chunks, CheckKind::UseAfterFree, accesses);
    }
}

impl Redzones {
    /// Reserves its memory; none where the system refuses.
    pub(super) fn new() -> Option<Self> {
        Some(Redzones {
            is_on: false,
            keeps_sizes: false,
            chunks: Chunks::new(BITS)?,
            gone: Reserved::new(1 << GONE_BITS)?,
            has_gone: false,
        })
    }

    /// Guards what is allocated from now on, or nothing any more.
    pub(super) fn set(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    /// Has all chunks take what they take without a guard, from now on, since it is counted.
    pub(super) fn keep_sizes(&mut self) {
        self.keeps_sizes = true;
    }

    /// Forgets everything that is guarded. What is kept has to be given back before.
    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.gone.clear();
        self.has_gone = false;
        self.keeps_sizes = false;
    }

    #[inline(always)]
    fn find(&self, address: usize) -> Option<(u32, Chunk)> {
        let number = self.chunks.find(address)?;
        let chunk = *self.chunks.get(number);
        // A thread may have freed it and have had it made anew.
        (chunk.is_kept || !chunk.is_of_heap() || !HAS_THREADS.load(Ordering::Relaxed)).then_some((number, chunk))
    }

    /// How a chunk is held. The word before it is mended, so that it can be read.
    #[inline(always)]
    pub(super) fn hold(&self, address: usize, accesses: &mut Accesses) -> Held {
        match self.find(address) {
            None if self.is_gone(address) => Held::Kept,
            None => Held::No,
            Some((_, chunk)) if chunk.is_kept => {
                chunk.check_header(&self.chunks, CheckKind::UseAfterFree, accesses);
                Held::Kept
            }
            Some((_, chunk)) => {
                chunk.check_header(&self.chunks, CheckKind::BufferOverrun, accesses);
                Held::Live
            }
        }
    }

    /// Whether a chunk went with its context and nobody has been given its place since: what it was filled with is there.
    fn is_gone(&self, address: usize) -> bool {
        let chunk = self.gone.get_ref(place(address));
        chunk.address == address
            && chunk.requested > 0
            && chunk.word_before() == chunk.header
            && chunk.inside().changed(WIPED).is_none()
            && chunk.behind().changed(CANARY).is_none()
    }

    /// Notes that a chunk is given back that went with its context. Whether it is one.
    pub(super) fn is_released_when_gone(&mut self, address: usize, by: Origin, accesses: &mut Accesses) -> bool {
        if !self.is_gone(address) {
            return false;
        }
        // Its context may be gone as well.
        let chunk = *self.gone.get_ref(place(address));
        let context = self.chunks.names(chunk.context);
        accesses.note(Seen { context, ..chunk.seen_in(None, CheckKind::DoubleFree, Act::Release, 0..0, by) });
        true
    }

    /// Whether a chunk is held that is of the heap, or of a context; none where it is not held.
    pub(super) fn is_of_heap(&self, address: usize) -> Option<bool> {
        self.find(address).map(|(_, chunk)| chunk.is_of_heap())
    }

    /// The size that a chunk of the heap was requested with; none where it is not held.
    pub(super) fn requested(&self, address: usize) -> Option<usize> {
        self.find(address).map(|(_, chunk)| chunk.requested)
    }

    #[inline(always)]
    fn guards(&self, room: Room) -> bool {
        self.is_on
            && match room {
                // SAFETY: reads a variable of the server.
                Room::Context(context) => context != unsafe { pg_sys::ErrorContext }.addr(),
                Room::Heap => !HAS_THREADS.load(Ordering::Relaxed),
            }
    }

    #[inline(always)]
    fn enlarges(&self, room: Room) -> bool {
        !self.keeps_sizes || room == Room::Heap
    }

    pub(super) fn before(&mut self, request: &Request, accesses: &mut Accesses) -> Before {
        if request.chunk != 0
            && let Some((number, chunk)) = self.find(request.chunk)
        {
            if chunk.is_kept {
                // It is as good as new, but its owner had given it back.
                chunk.check_kept(&self.chunks, accesses);
                let by = Origin::new(request.site, request.stack);
                accesses.note(chunk.seen(&self.chunks, CheckKind::DoubleFree, Act::Release, 0..0, by));
                self.chunks.remove(number);
            } else {
                chunk.check_live(&self.chunks, accesses);
            }
        }
        if self.guards(request.room) && self.enlarges(request.room) && request.alignment <= LARGEST_ALIGNMENT {
            Before::Enlarge(request.size.saturating_add(BEHIND))
        } else {
            Before::Pass
        }
    }

    pub(super) fn after(&mut self, request: &Request, address: usize, accesses: &mut Accesses) {
        if request.chunk != 0 {
            self.forget(request.chunk);
        }
        // One of which it was not seen that it is gone.
        self.forget(address);
        if !self.guards(request.room) || request.alignment > LARGEST_ALIGNMENT {
            return;
        }
        let Some((space, has_header)) = self.space(request, address) else { return };
        let mut chunk = Chunk {
            address,
            requested: request.size,
            space: space.max(request.size),
            context: context_of(request.room),
            allocated: Origin::new(request.site, request.stack),
            ..Chunk::default()
        };
        if has_header {
            chunk.header = chunk.word_before();
        }
        if self.chunks.insert(chunk, |names| named(chunk.context, names)) {
            chunk.behind().fill(CANARY);
        } else {
            accesses.loses();
        }
    }

    /// The bytes that a chunk has which was just made, and whether it has a header; none where nobody knows.
    #[inline(always)]
    fn space(&self, request: &Request, address: usize) -> Option<(usize, bool)> {
        match request.room {
            // SAFETY: a chunk of malloc's that was just made.
            Room::Heap => Some((unsafe { libc::malloc_usable_size(address as *mut _) }, true)),
            Room::Context(context) => {
                // SAFETY: the chunk was just made in it.
                let context = unsafe { Context::at(context) };
                match context.usable_of(address) {
                    Some(space) => Some((space, true)),
                    None if request.size > LARGEST_WITHOUT_HEADER => None,
                    None => Some((request.size + if self.enlarges(request.room) { BEHIND } else { 0 }, false)),
                }
            }
        }
    }

    /// The server has got a chunk of its own. It may give it back as it has got it, with what a chunk was filled with that was there before.
    #[inline(always)]
    pub(super) fn is_given_again(&mut self, address: usize) {
        if self.has_gone {
            let gone = self.gone.at(place(address));
            if gone.address == address {
                *gone = Chunk::default();
            }
        }
    }

    /// A chunk goes without being looked at.
    fn forget(&mut self, address: usize) {
        self.is_given_again(address);
        if let Some(number) = self.chunks.find(address) {
            self.chunks.remove(number);
        }
    }

    /// A chunk gets another size from one who is not guarded: it is looked at for the last time.
    pub(super) fn lets_go(&mut self, address: usize, accesses: &mut Accesses) {
        if let Some((number, chunk)) = self.find(address) {
            if chunk.is_kept {
                chunk.check_kept(&self.chunks, accesses)
            } else {
                chunk.check_live(&self.chunks, accesses)
            }
            self.chunks.remove(number);
        }
    }

    /// A live chunk is handed to the other allocator.
    pub(super) fn is_mismatched(&mut self, address: usize, by: Origin, accesses: &mut Accesses) {
        if let Some((_, chunk)) = self.find(address) {
            let seen = chunk.seen(&self.chunks, CheckKind::DoubleFree, Act::Release, 0..0, by);
            accesses.note(Seen { is_mismatched: true, ..seen });
        }
    }

    /// Whether the chunk is not to be freed now.
    pub(super) fn release(&mut self, room: Room, address: usize, by: Origin, accesses: &mut Accesses) -> bool {
        let Some((number, chunk)) = self.find(address) else {
            return room != Room::Heap && self.is_released_when_gone(address, by, accesses);
        };
        if chunk.is_of_heap() != (room == Room::Heap) {
            self.is_mismatched(address, by, accesses);
            return true;
        }
        if chunk.is_kept {
            accesses.note(chunk.seen(&self.chunks, CheckKind::DoubleFree, Act::Release, 0..0, by));
            return true;
        }
        chunk.check_live(&self.chunks, accesses);
        if chunk.header == 0 || chunk.space > LARGEST_KEPT || !self.guards(room) || !self.enlarges(room) {
            self.chunks.remove(number);
            return false;
        }
        chunk.inside().fill(WIPED);
        self.chunks.keep(number, by);
        true
    }

    /// The next of the chunks that have been kept for long enough, or of all. It is not held any more.
    pub(super) fn due(&mut self, all: bool, accesses: &mut Accesses) -> Option<Due> {
        let (number, bytes) = self.chunks.kept();
        if number == 0 || !all && number <= KEPT_CHUNKS && bytes <= KEPT_BYTES {
            return None;
        }
        let oldest = self.chunks.oldest();
        Some(self.goes(oldest, accesses))
    }

    /// The next of those that are kept in a context.
    pub(super) fn due_in(&mut self, context: usize, accesses: &mut Accesses) -> Option<Due> {
        if self.chunks.kept().0 == 0 {
            return None;
        }
        match self.chunks.first_in(context).1 {
            0 => None,
            number => Some(self.goes(number, accesses)),
        }
    }

    fn goes(&mut self, number: u32, accesses: &mut Accesses) -> Due {
        let chunk = *self.chunks.get(number);
        chunk.check_kept(&self.chunks, accesses);
        self.chunks.remove(number);
        Due { address: chunk.address, is_of_heap: chunk.is_of_heap() }
    }

    /// Everything in a context goes.
    pub(super) fn reset(&mut self, context: usize, accesses: &mut Accesses) {
        if self.chunks.len() == 0 {
            return;
        }
        loop {
            let (live, kept) = self.chunks.first_in(context);
            let number = if live != 0 { live } else { kept };
            if number == 0 {
                return;
            }
            let chunk = *self.chunks.get(number);
            if chunk.is_kept {
                chunk.check_kept(&self.chunks, accesses);
            } else {
                chunk.check_live(&self.chunks, accesses);
                chunk.inside().fill(WIPED);
                if chunk.header != 0 && chunk.requested <= LARGEST_KEPT {
                    *self.gone.at(place(chunk.address)) = chunk;
                    self.has_gone = true;
                }
            }
            self.chunks.remove(number);
        }
    }

    /// A context goes, and everything in it.
    pub(super) fn delete(&mut self, context: usize, accesses: &mut Accesses) {
        self.reset(context, accesses);
        self.chunks.forget_context(context);
    }

    /// Looks at everything.
    pub(super) fn check(&self, accesses: &mut Accesses) {
        if self.chunks.len() == 0 {
            return;
        }
        let has_threads = HAS_THREADS.load(Ordering::Relaxed);
        for number in self.chunks.numbers() {
            let chunk = self.chunks.get(number);
            if chunk.address == 0 || has_threads && chunk.is_of_heap() {
                continue;
            }
            if chunk.is_kept {
                chunk.check_kept(&self.chunks, accesses)
            } else {
                chunk.check_live(&self.chunks, accesses)
            }
        }
    }
}
