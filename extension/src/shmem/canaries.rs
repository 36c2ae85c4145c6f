//! Bytes of a known pattern around the segments of shared memory that libraries have; single ones within segments that somebody
//! has named; and what was found of both.
//!
//! The server cuts segments off one run of memory, of which nothing is ever given back (`ShmemAllocRaw` in shmem.c). What is asked
//! for right after a segment lies right behind it: that is its canary. The segment itself stays what was asked for, in size and
//! in what the server shows of it. Between its end and the canary lies what the server has rounded its size up by; that belongs
//! to the canary.
//!
//! What the postmaster makes has a canary before its start as well, just so long that the one behind it is a page of its own,
//! which can be closed ([`closed`]).
//!
//! A canary that was changed is noted, and filled with another pattern: whoever looks next sees what was done since.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use memcheck_core::census::SiteId;
use memcheck_core::overrun::{Overrun, Place, Writer};
use memcheck_core::{Site, room};
use pgrx::pg_sys;

use super::closed::{self, PAGE};
use super::dynamic;
use super::pattern::{Bits, LONGEST, Pattern};
use super::segment::Segment;
use super::text::Text;
use crate::guard::faults;
use crate::pg::process::is_child;
use crate::pg::server;

/// Bytes behind a segment, besides those by which its size was rounded up.
pub(crate) const CANARY: usize = LONGEST - ALIGNMENT;
/// What the server rounds sizes up to (`CACHELINEALIGN` in c.h).
const ALIGNMENT: usize = pg_sys::PG_CACHE_LINE_SIZE as usize;
/// How many segments are kept in mind, how many of them probes, and how many of what was found.
const SEGMENTS: usize = closed::MOST;
pub(super) const PROBES: usize = 64;
const NOTES: usize = 256;
/// For how many canaries there is room beforehand, and for how many more by each request of a library: it may ask once for several
/// segments.
const BEFOREHAND: usize = 128;
const BY_REQUEST: usize = 8;
/// The fewest bytes before a segment, and the most with those by which it is moved to where it is to end.
const SHORTEST_FRONT: usize = ALIGNMENT;
const LONGEST_FRONT: usize = PAGE;
/// How far from a segment [`are_near_ones_whole`] looks.
const NEAR: usize = 256;
/// What a probe is set to, as documented.
pub(super) const SENTINEL: u8 = 0xde;

/// A name as the server keeps it (`SHMEM_INDEX_KEYSIZE` in shmem.h).
pub(super) type Name = Text<47>;
/// The name of a library.
pub(super) type Library = Text<64>;

/// A segment of a library's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Guarded {
    pub(super) name: Name,
    pub(super) library: Library,
    /// Whether it is a hash table; then it is its last elements that are meant.
    pub(super) is_table: bool,
    size: usize,
    /// Where the bytes behind it begin, and how many there are.
    end: usize,
    bytes: usize,
    /// How many there are before it.
    front: usize,
    pattern: Pattern,
}

/// A byte that somebody has named.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Probe {
    pub(super) name: Name,
    pub(super) library: Library,
    pub(super) size: usize,
    pub(super) at: usize,
    pub(super) is_overwritten: bool,
}

/// Which bytes were changed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Side {
    Behind,
    Before,
    /// A probe.
    Named,
}

/// What is known of a writer: the number of a report. All zero is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
struct Trail {
    number: u64,
    /// Whether it was no more than found behind a call.
    is_of_call: bool,
}

/// What was found.
#[derive(Clone, Copy)]
#[repr(C)]
struct Note {
    name: Name,
    library: Library,
    size: usize,
    side: Side,
    front: usize,
    changed: Bits,
    trail: Trail,
    times: u64,
}

/// The segment of the engine's. All zero is an empty one.
#[repr(C)]
pub(super) struct Registry {
    /// How many more canaries there is room for.
    left: usize,
    segments: usize,
    /// Segments of libraries without a canary.
    unguarded: usize,
    pub(super) probes: usize,
    /// How much was found since the server started; the last of it is kept.
    found: u64,
    /// From this number on nobody has begun to look: what is found of the same bytes again is added.
    open_from: u64,
    guarded: [Guarded; SEGMENTS],
    /// The report of who was caught at each, until somebody looks. Written by signal handlers, without the lock.
    caught: [AtomicU64; SEGMENTS],
    pub(super) all_probed: [Probe; PROBES],
    notes: [Note; NOTES],
}

thread_local! {
    static REGISTRY: Segment<Registry> = const { Segment::new(c"pg_ext_memcheck segments") };
    /// Canaries that were asked for. Counted by the postmaster before there is shared memory.
    static ASKED_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Asks for the registry, and for room for canaries.
pub(super) fn request() {
    REGISTRY.with(|registry| registry.request(size_of::<Registry>()));
    let bytes = asks_for(BEFOREHAND);
    // SAFETY: called from shmem_request_hook.
    unsafe { server::RequestAddinShmemSpace(bytes) };
}

/// What is to be asked for besides what a library asks for (bytes).
pub(crate) fn with_request() -> usize {
    asks_for(BY_REQUEST)
}

fn asks_for(canaries: usize) -> usize {
    ASKED_FOR.set(ASKED_FOR.get() + canaries);
    canaries * (CANARY + LONGEST_FRONT)
}

/// Makes the registry: before the first segment of a library, whose hook may come before ours, and again after a crash.
pub(crate) fn startup() {
    if is_child() {
        return;
    }
    REGISTRY.with(|registry| {
        if registry.startup(size_of::<Registry>()) {
            // SAFETY: the reference is the only one: nobody else is there yet.
            registry.with(|registry| unsafe { (*registry).left = ASKED_FOR.get() });
        }
    });
}

/// Runs something with the registry, which nobody else has meanwhile. Nothing inside may raise an ERROR.
pub(super) fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> Option<R> {
    // SAFETY: the lock makes the reference the only one among all backends.
    REGISTRY.with(|all| all.with(|registry| f(unsafe { &mut *registry })))
}

impl Registry {
    pub(super) fn guarded(&self) -> &[Guarded] {
        &self.guarded[..self.segments.min(SEGMENTS)]
    }

    pub(super) fn probed(&mut self) -> &mut [Probe] {
        &mut self.all_probed[..self.probes.min(PROBES)]
    }

    /// The number of the first note that is kept.
    fn kept_from(&self) -> u64 {
        self.found.saturating_sub(NOTES as u64)
    }

    fn note(&mut self, note: Note) {
        let open = self.open_from.max(self.kept_from())..self.found;
        let at = |number: u64| number as usize % NOTES;
        match open.into_iter().find(|&number| is_of_the_same(&self.notes[at(number)], &note)) {
            Some(number) => self.notes[at(number)].adds(&note),
            None => {
                self.notes[at(self.found)] = note;
                self.found += 1;
            }
        }
    }
}

/// Takes memory of the server's. Gives where it begins, unless there is none.
fn allocate(bytes: usize) -> Option<usize> {
    // SAFETY: gives null where there is no memory.
    let start = unsafe { server::ShmemAllocNoError(bytes) }.expose_provenance();
    Some(start).filter(|&start| start != 0)
}

/// Takes memory for a canary, behind what was made last. Gives where it begins, unless there is none left.
pub(crate) fn take() -> Option<usize> {
    let has_room = with(|registry| match registry.left.checked_sub(1) {
        Some(left) => {
            registry.left = left;
            true
        }
        None => false,
    });
    if has_room == Some(true) { allocate(CANARY) } else { None }
}

/// Memory before a segment that is about to be made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Front {
    start: usize,
    bytes: usize,
}

impl Front {
    pub(crate) fn new(start: usize, bytes: usize) -> Self {
        Front { start, bytes }
    }
}

/// A size as the server rounds it up.
pub(crate) fn rounded(size: usize) -> usize {
    size.next_multiple_of(ALIGNMENT)
}

/// Takes memory such that a segment of this size that is made next ends where a page does, but for what the server rounds its size up
/// by. In the postmaster alone, where nobody else makes anything meanwhile, and only for what is not there yet: else it is lost.
pub(crate) fn make_front(name: &str, size: usize) -> Front {
    let has_room = || with(|registry| registry.left > 0 && registry.segments < SEGMENTS).unwrap_or(false);
    if is_child() || is_known(name) || !has_room() {
        return Front::default();
    }
    let Some(start) = allocate(SHORTEST_FRONT) else { return Front::default() };
    let moved_by = up_to_page(start + SHORTEST_FRONT + rounded(size));
    let is_moved = moved_by == 0 || allocate(moved_by) == Some(start + SHORTEST_FRONT);
    Front { start, bytes: SHORTEST_FRONT + if is_moved { moved_by } else { 0 } }
}

/// Bytes and alignment of what is to be asked for before a segment of this size and alignment, for the same. None where the server may
/// leave something between.
pub(crate) fn front_of(size: usize, alignment: usize) -> Option<(usize, usize)> {
    (alignment <= ALIGNMENT).then(|| (SHORTEST_FRONT + up_to_page(SHORTEST_FRONT + rounded(size)), PAGE))
}

fn up_to_page(end: usize) -> usize {
    end.next_multiple_of(PAGE) - end
}

/// Puts a canary behind a segment of a library's that was made just now, where it was `taken` behind it, and one before it where there is
/// room.
pub(crate) fn guard(name: &str, library: &str, start: usize, size: usize, front: Front, taken: Option<usize>) {
    let next = start + rounded(size);
    // Another process may have been faster: then what is behind the segment is that one's.
    let bytes = next - (start + size) + if taken == Some(next) { CANARY } else { 0 };
    let front = if front.start + front.bytes == start { front.bytes } else { 0 };
    keep(Guarded { size, front, ..behind(name, library, start + size, bytes) });
}

/// Puts a canary behind the last elements of a table, which were made just now and take so many bytes; nobody has those that are `unused`
/// between them and what was `taken`. In the postmaster: nobody else makes anything meanwhile.
pub(crate) fn guard_table(name: &str, library: &str, size: usize, taken: Option<usize>, unused: usize) {
    let Some(start) = taken else {
        return keep(Guarded { is_table: true, size, ..behind(name, library, 0, 0) });
    };
    // SAFETY: the bytes before the canary are those of the table, or nobody's.
    let is_clean = unsafe { Pattern::written(start - unused, unused) }.is_none();
    let unused = if is_clean { unused } else { 0 };
    let behind = behind(name, library, start - unused, (unused + CANARY).min(LONGEST));
    keep(Guarded { is_table: true, size, ..behind });
}

/// Whether a segment of this name is kept in mind.
pub(crate) fn is_known(name: &str) -> bool {
    let name = Name::new(name);
    let is_known = |registry: &mut Registry| registry.guarded().iter().any(|segment| segment.name.is(&name));
    with(is_known).unwrap_or(false)
}

fn behind(name: &str, library: &str, end: usize, bytes: usize) -> Guarded {
    Guarded {
        name: Name::new(name),
        library: Library::new(library),
        is_table: false,
        size: 0,
        end,
        bytes,
        front: 0,
        pattern: Pattern::default(),
    }
}

impl Guarded {
    /// Fills what lies around it.
    ///
    /// # Safety
    /// It is as it was made, and its page is open.
    unsafe fn fill(&self) {
        // SAFETY: bytes that nobody else has: what the size was rounded up by, and memory of ours.
        unsafe {
            self.pattern.fill(self.end, self.bytes);
            self.pattern.fill(self.front_start(), self.front);
        }
    }

    /// The same for the first time. What was written there before is not as it should be for whoever looks first: by a library that was
    /// loaded before the engine, and that was told of its memory before it.
    ///
    /// # Safety
    /// The same.
    unsafe fn fill_first(&self) {
        let sides = [(self.end, self.bytes), (self.front_start(), self.front)];
        // SAFETY: as above; zero since the server started.
        unsafe {
            let written = sides.map(|(start, bytes)| Pattern::written(start, bytes));
            self.fill();
            for ((start, _), written) in sides.into_iter().zip(written) {
                written.iter().for_each(|written| Pattern::spoil(start, written));
            }
        }
    }

    /// Where the canary before it begins.
    fn front_start(&self) -> usize {
        self.end.saturating_sub(self.size + self.front)
    }

    /// The page of its canary that can be closed.
    fn page(&self) -> Option<usize> {
        let page = self.end.next_multiple_of(PAGE);
        (self.bytes > 0 && page + PAGE <= self.end + self.bytes).then_some(page)
    }
}

fn keep(segment: Guarded) {
    with(|registry| {
        let Some(free) = registry.guarded.get_mut(registry.segments) else { return registry.unguarded += 1 };
        // SAFETY: it was made just now, and nobody has closed anything of it.
        unsafe { segment.fill_first() };
        *free = segment;
        registry.segments += 1;
        registry.unguarded += usize::from(segment.bytes < CANARY);
    });
}

/// There are so many more segments, of which nothing is kept in mind.
pub(crate) fn are_unguarded(number: u64) {
    if number > 0 {
        with(|registry| registry.unguarded += number as usize);
    }
}

/// Closes what can be closed of the canaries, in this process.
pub(crate) fn close() {
    with(|registry| {
        for (number, segment) in registry.guarded().iter().enumerate() {
            if let Some(page) = segment.page() {
                closed::close(number, page);
            }
        }
    });
}

/// Opens it again.
pub(crate) fn open() {
    closed::open_all();
}

/// Opens the canary at an address to who has come upon it. Gives the number of its segment. In a signal handler, in any thread.
pub(crate) fn catches(address: usize) -> Option<usize> {
    closed::catches(address)
}

/// Takes note of who was caught at a segment. In a signal handler.
pub(crate) fn is_caught(number: usize, report: u64) {
    let registry = REGISTRY.with(Segment::start);
    if !registry.is_null() && number < SEGMENTS {
        // SAFETY: shared memory that is there as long as the process, and an integer that is written in one piece.
        unsafe { (*(&raw const (*registry).caught).cast::<AtomicU64>().add(number)).store(report, Ordering::Relaxed) };
    }
}

/// Whether what lies next to the segments is as it was filled, and nobody was caught. Takes no lock: where the answer is no, it may be
/// that somebody else is filling it.
pub(crate) fn are_near_ones_whole() -> bool {
    let registry = REGISTRY.with(Segment::start);
    if registry.is_null() {
        return true;
    }
    if closed::has_caught() || !dynamic::are_near_ones_whole(NEAR) {
        return false;
    }
    // SAFETY: shared memory that is there as long as the process. Entries are made before they are counted, and nothing but their
    // pattern changes.
    unsafe {
        let known = (&raw const (*registry).segments).read_volatile().min(SEGMENTS);
        (0..known).all(|number| {
            let segment = (&raw const (*registry).guarded).cast::<Guarded>().add(number).read_volatile();
            let bytes = closed::page_of(number).map_or(segment.bytes, |page| page - segment.end);
            let front = segment.front;
            segment.pattern.changed(segment.end, 0..bytes.min(NEAR)).is_none()
                && segment.pattern.changed(segment.front_start(), front - front.min(NEAR)..front).is_none()
        })
    }
}

/// Looks at all canaries and probes. Gives the numbers of what was found by that and was not yet.
pub(crate) fn look() -> Range<u64> {
    begins();
    let looked = look_behind(|| 0);
    begins();
    looked
}

/// What is found from now on is another thing than what was found before: somebody begins to look, or has taken it.
pub(crate) fn begins() {
    with(|registry| registry.open_from = registry.found);
}

/// The same where it was as it was filled when a call began that has ended now; `report` gives the number of a report of that.
pub(crate) fn look_behind(report: impl FnOnce() -> u64) -> Range<u64> {
    let mut call = OfCall { report: Some(report), number: 0 };
    let looked = with(|registry| {
        let first = registry.found;
        for number in 0..registry.guarded().len() {
            let segment = &mut registry.guarded[number];
            // SAFETY: its canaries, which are there as long as shared memory.
            let (behind, before) = unsafe {
                let behind = segment.pattern.changed(segment.end, 0..segment.bytes);
                (behind, segment.pattern.changed(segment.front_start(), 0..segment.front))
            };
            if behind.is_none() && before.is_none() && !closed::has_caught_at(number) {
                continue;
            }
            segment.pattern.renew();
            // SAFETY: the same; and it is open meanwhile.
            closed::written_by_us(number, || unsafe { segment.fill() });
            let &mut Guarded { name, library, size, front, .. } = segment;
            let caught = registry.caught[number].swap(0, Ordering::Relaxed);
            for (side, changed) in [(Side::Behind, behind), (Side::Before, before)] {
                let Some(changed) = changed else { continue };
                // It is the bytes behind a segment that are closed.
                let is_caught = side == Side::Behind && caught != 0;
                let trail = if is_caught { Trail { number: caught, is_of_call: false } } else { call.trail() };
                registry.note(Note { name, library, size, side, front, changed, trail, times: 1 });
            }
        }
        closed::are_closed_again();
        registry.look_at_dynamic_ones(&mut call);
        for number in 0..registry.probed().len() {
            let probe = &mut registry.all_probed[number];
            let byte = std::ptr::with_exposed_provenance_mut::<u8>(probe.at);
            // SAFETY: a byte within a segment, which is there as long as shared memory.
            if unsafe { byte.read_volatile() } != SENTINEL {
                probe.is_overwritten = true;
                // SAFETY: the same.
                unsafe { byte.write_volatile(SENTINEL) };
                let &mut Probe { name, library, size, .. } = probe;
                let (side, front, changed) = (Side::Named, 0, Bits::first());
                registry.note(Note { name, library, size, side, front, changed, trail: Trail::default(), times: 1 });
            }
        }
        first..registry.found
    });
    looked.unwrap_or(0..0)
}

/// Looks at those of dynamic shared memory alone: one of them is about to go. `report` gives the number of a report of who has it go.
pub(crate) fn look_at_dynamic_ones(report: impl FnOnce() -> u64) {
    if !dynamic::are_mapped() {
        return;
    }
    let mut call = OfCall { report: Some(report), number: 0 };
    with(|registry| registry.look_at_dynamic_ones(&mut call));
}

/// A call that something is found behind: it is reported when that is so.
struct OfCall<F> {
    report: Option<F>,
    number: u64,
}

impl<F: FnOnce() -> u64> OfCall<F> {
    fn trail(&mut self) -> Trail {
        if let Some(report) = self.report.take() {
            self.number = report();
        }
        Trail { number: self.number, is_of_call: true }
    }
}

impl Registry {
    fn look_at_dynamic_ones(&mut self, call: &mut OfCall<impl FnOnce() -> u64>) {
        dynamic::look(|segment, changed| {
            let (name, library) = (Name::new(&segment.shown_name()), segment.library);
            let (size, side, front) = (segment.size, Side::Behind, 0);
            self.note(Note { name, library, size, side, front, changed, trail: call.trail(), times: 1 });
        });
    }
}

/// What was found with these numbers, once for each segment, as far as it is kept.
pub(crate) fn found(numbers: Range<u64>) -> Vec<Overrun> {
    let mut all: Vec<Note> = Vec::new();
    with(|registry| {
        let kept = registry.kept_from();
        for number in numbers.start.max(kept)..numbers.end.min(registry.found) {
            let note = registry.notes[number as usize % NOTES];
            match all.iter_mut().find(|other| is_of_the_same(other, &note)) {
                Some(known) => known.adds(&note),
                None => _ = room::push(&mut all, note),
            }
        }
    });
    let overrun = |note: Note| {
        let place = match (note.side, note.changed.summary()) {
            (Side::Behind, Some(changed)) => Place::Behind(changed),
            (Side::Before, Some(changed)) => Place::Before(note.front as u64, changed),
            _ => Place::Named,
        };
        Overrun {
            segment: note.name.to_text(),
            library: note.library.to_text(),
            size: note.size as u64,
            place,
            writer: note.trail.writer(),
            times: note.times,
            is_older: false,
        }
    };
    let mut overruns: Vec<Overrun> = Vec::new();
    if room::make(&mut overruns, all.len()) {
        overruns.extend(all.into_iter().map(overrun));
    }
    overruns
}

/// Whether two notes are of the same bytes. What has no name is known by whose it is and how large.
fn is_of_the_same(one: &Note, other: &Note) -> bool {
    let of = |note: &Note| (note.side, note.size);
    of(one) == of(other) && one.name.is(&other.name) && one.library.is(&other.library)
}

impl Note {
    /// It was found once more. Who was caught says more than what was called; the last reports are kept.
    fn adds(&mut self, other: &Note) {
        let is_worse = self.trail.number != 0 && !self.trail.is_of_call && other.trail.is_of_call;
        if other.trail.number != 0 && !is_worse {
            self.trail = other.trail;
        }
        self.changed.add(&other.changed);
        self.times += other.times;
    }
}

impl Trail {
    /// Who that is, as far as the report is kept.
    fn writer(self) -> Writer {
        let site = faults::written(self.number).and_then(|report| {
            let (stack, charged) = report.stack();
            let frame = stack.get(charged?)?.clone();
            Some(Site { id: SiteId(0), frame, stack })
        });
        match site {
            None => Writer::Unknown,
            Some(site) if self.is_of_call => Writer::Called(site),
            Some(site) => Writer::Caught(site),
        }
    }
}

/// How much was found from this number on and is not kept.
pub(crate) fn lost_since(number: u64) -> u64 {
    with(|registry| registry.kept_from().saturating_sub(number)).unwrap_or(0)
}

/// How many segments of libraries have a canary, and how many have none.
pub(crate) fn counts() -> (u64, u64) {
    let counts = |registry: &mut Registry| {
        let guarded = registry.guarded().iter().filter(|segment| segment.bytes >= CANARY).count();
        (guarded as u64, registry.unguarded as u64)
    };
    with(counts).unwrap_or_default()
}
