//! Bytes of a known pattern behind the segments of shared memory that libraries have; single ones within segments that somebody
//! has named; and what was found of both.
//!
//! The server cuts segments off one run of memory, of which nothing is ever given back (`ShmemAllocRaw` in shmem.c). What is asked
//! for right after a segment lies right behind it: that is its canary. The segment itself stays what was asked for, in size and
//! in what the server shows of it. Between its end and the canary lies what the server has rounded its size up by; that belongs
//! to the canary.
//!
//! A canary that was changed is noted, and filled with another pattern: whoever looks next sees what was done since.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::ops::Range;

use memcheck_core::overrun::Overrun;
use memcheck_core::room;
use pgrx::pg_sys;

use super::pattern::{Bits, LONGEST, Pattern};
use super::segment::Segment;
use super::text::Text;
use crate::pg::process::is_child;
use crate::pg::server;

/// Bytes behind a segment, besides those by which its size was rounded up.
const CANARY: usize = LONGEST - ALIGNMENT;
/// What the server rounds sizes up to (`CACHELINEALIGN` in c.h).
const ALIGNMENT: usize = pg_sys::PG_CACHE_LINE_SIZE as usize;
/// How many segments are kept in mind, how many of them probes, and how many of what was found.
const SEGMENTS: usize = 256;
const PROBES: usize = 64;
const NOTES: usize = 256;
/// For how many canaries there is room beforehand, and for how many more by each request of a library: it may ask once for several
/// segments.
const BEFOREHAND: usize = 128;
const BY_REQUEST: usize = 8;
/// What a probe is set to, as documented.
const SENTINEL: u8 = 0xde;

/// A name as the server keeps it (`SHMEM_INDEX_KEYSIZE` in shmem.h).
type Name = Text<47>;
/// The name of a library.
type Library = Text<64>;

/// A segment of a library's.
#[derive(Clone, Copy)]
#[repr(C)]
struct Guarded {
    name: Name,
    library: Library,
    /// Whether it is a hash table; then it is its last elements that are meant.
    is_table: bool,
    size: usize,
    /// Where the bytes behind it begin, and how many there are.
    end: usize,
    bytes: usize,
    pattern: Pattern,
}

/// A byte that somebody has named.
#[derive(Clone, Copy)]
#[repr(C)]
struct Probe {
    name: Name,
    library: Library,
    size: usize,
    at: usize,
    is_overwritten: bool,
}

/// What was found.
#[derive(Clone, Copy)]
#[repr(C)]
struct Note {
    name: Name,
    library: Library,
    size: usize,
    is_probe: bool,
    changed: Bits,
}

/// The segment of the engine's. All zero is an empty one.
#[repr(C)]
struct Registry {
    /// Bytes for canaries that are left.
    left: usize,
    segments: usize,
    /// Segments of libraries without a canary.
    unguarded: usize,
    probes: usize,
    /// How much was found since the server started; the last of it is kept.
    found: u64,
    guarded: [Guarded; SEGMENTS],
    probed: [Probe; PROBES],
    notes: [Note; NOTES],
}

thread_local! {
    static REGISTRY: Segment<Registry> = const { Segment::new(c"pg_ext_memcheck segments") };
    /// Bytes for canaries that were asked for. Counted by the postmaster before there is shared memory.
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
    let bytes = canaries * CANARY;
    ASKED_FOR.set(ASKED_FOR.get() + bytes);
    bytes
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
fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> Option<R> {
    // SAFETY: the lock makes the reference the only one among all backends.
    REGISTRY.with(|all| all.with(|registry| f(unsafe { &mut *registry })))
}

impl Registry {
    fn guarded(&self) -> &[Guarded] {
        &self.guarded[..self.segments.min(SEGMENTS)]
    }

    fn probed(&mut self) -> &mut [Probe] {
        &mut self.probed[..self.probes.min(PROBES)]
    }

    /// The number of the first note that is kept.
    fn kept_from(&self) -> u64 {
        self.found.saturating_sub(NOTES as u64)
    }

    fn note(&mut self, note: Note) {
        self.notes[self.found as usize % NOTES] = note;
        self.found += 1;
    }
}

/// Takes memory for a canary that is to begin at an address, or where nobody knows where. Gives where it begins, unless there
/// is none left.
fn take_canary() -> Option<usize> {
    let has_room = with(|registry| match registry.left.checked_sub(CANARY) {
        Some(left) => {
            registry.left = left;
            true
        }
        None => false,
    });
    if has_room != Some(true) {
        return None;
    }
    // SAFETY: gives null where there is no memory.
    let start = unsafe { server::ShmemAllocNoError(CANARY) }.expose_provenance();
    Some(start).filter(|&start| start != 0)
}

/// Puts a canary behind a segment of a library's that was made just now.
pub(crate) fn guard(name: &CStr, library: &str, start: usize, size: usize) {
    let next = start + size.next_multiple_of(ALIGNMENT);
    // Another process may have been faster: then what is behind the segment is that one's.
    let is_behind = take_canary() == Some(next);
    let bytes = next - (start + size) + if is_behind { CANARY } else { 0 };
    keep(Guarded { size, ..behind(name, library, start + size, bytes) });
}

/// Puts a canary behind the last elements of a table, which were made just now and take so many bytes. In the postmaster: nobody
/// else makes anything meanwhile.
pub(crate) fn guard_table(name: &CStr, library: &str, size: usize) {
    let Some(start) = take_canary() else {
        return keep(Guarded { is_table: true, size, ..behind(name, library, 0, 0) });
    };
    let rounded_by = size.next_multiple_of(ALIGNMENT) - size;
    // SAFETY: the bytes before the canary are those of the elements, or what their size was rounded up by.
    let is_clean = unsafe { Pattern::are_zero(start - rounded_by, rounded_by) };
    let rounded_by = if is_clean { rounded_by } else { 0 };
    let behind = behind(name, library, start - rounded_by, CANARY + rounded_by);
    keep(Guarded { is_table: true, size, ..behind });
}

/// Whether a segment of this name is kept in mind.
pub(crate) fn is_known(name: &CStr) -> bool {
    let name = Name::new(&name.to_string_lossy());
    let is_known = |registry: &mut Registry| registry.guarded().iter().any(|segment| segment.name.is(&name));
    with(is_known).unwrap_or(false)
}

fn behind(name: &CStr, library: &str, end: usize, bytes: usize) -> Guarded {
    Guarded {
        name: Name::new(&name.to_string_lossy()),
        library: Library::new(library),
        is_table: false,
        size: 0,
        end,
        bytes,
        pattern: Pattern::default(),
    }
}

fn keep(segment: Guarded) {
    with(|registry| {
        let Some(free) = registry.guarded.get_mut(registry.segments) else { return registry.unguarded += 1 };
        // SAFETY: bytes behind the segment that nobody else has: what its size was rounded up by, and memory of ours.
        unsafe { segment.pattern.fill(segment.end, segment.bytes) };
        *free = segment;
        registry.segments += 1;
        registry.unguarded += usize::from(segment.bytes < CANARY);
    });
}

/// Looks at all canaries and probes. Gives the numbers of what was found by that.
pub(crate) fn look() -> Range<u64> {
    let looked = with(|registry| {
        let first = registry.found;
        for number in 0..registry.guarded().len() {
            let segment = &mut registry.guarded[number];
            // SAFETY: its canary, which is there as long as shared memory.
            let changed = unsafe { segment.pattern.changed(segment.end, segment.bytes) };
            if let Some(changed) = changed {
                segment.pattern.renew();
                // SAFETY: the same.
                unsafe { segment.pattern.fill(segment.end, segment.bytes) };
                let &mut Guarded { name, library, size, .. } = segment;
                registry.note(Note { name, library, size, is_probe: false, changed });
            }
        }
        for number in 0..registry.probed().len() {
            let probe = &mut registry.probed[number];
            let byte = std::ptr::with_exposed_provenance_mut::<u8>(probe.at);
            // SAFETY: a byte within a segment, which is there as long as shared memory.
            if unsafe { byte.read_volatile() } != SENTINEL {
                probe.is_overwritten = true;
                // SAFETY: the same.
                unsafe { byte.write_volatile(SENTINEL) };
                let &mut Probe { name, library, size, .. } = probe;
                registry.note(Note { name, library, size, is_probe: true, changed: Bits::first() });
            }
        }
        first..registry.found
    });
    looked.unwrap_or(0..0)
}

/// What was found with these numbers, once for each segment, as far as it is kept.
pub(crate) fn found(numbers: Range<u64>) -> Vec<Overrun> {
    let mut all: Vec<(Note, u64)> = Vec::new();
    with(|registry| {
        let kept = registry.kept_from();
        for number in numbers.start.max(kept)..numbers.end.min(registry.found) {
            let note = registry.notes[number as usize % NOTES];
            let is_it = |(other, _): &&mut (Note, u64)| other.is_probe == note.is_probe && other.name.is(&note.name);
            match all.iter_mut().find(is_it) {
                Some((known, times)) => {
                    known.changed.add(&note.changed);
                    *times += 1;
                }
                None => _ = room::push(&mut all, (note, 1)),
            }
        }
    });
    let overrun = |(note, times): (Note, u64)| Overrun {
        segment: note.name.to_text(),
        library: note.library.to_text(),
        size: note.size as u64,
        changed: if note.is_probe { None } else { note.changed.summary() },
        times,
        is_older: false,
    };
    let mut overruns: Vec<Overrun> = Vec::new();
    if room::make(&mut overruns, all.len()) {
        overruns.extend(all.into_iter().map(overrun));
    }
    overruns
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

/// Why there can be no probe.
pub(crate) enum NoProbe {
    /// The segment is the server's own, or the engine's.
    NotOfLibrary,
    /// It is a hash table, all of which is in use.
    IsTable,
    /// There are too many.
    TooMany,
}

/// The most probes that there can be.
pub(crate) const MOST_PROBES: usize = PROBES;

/// Names the last byte of a segment for a probe, in place of what was named in it before. The segment is there, and has that size.
pub(crate) fn register(name: &str, size: usize) -> Result<(), NoProbe> {
    let mut found = false;
    let segment = CString::new(name).unwrap_or_default();
    // SAFETY: gives the segment that is there, and makes none.
    let start = unsafe { server::ShmemInitStruct(segment.as_ptr(), size, &mut found) }.expose_provenance();
    let name = Name::new(name);
    let registered = with(|registry| {
        let own = std::ptr::from_mut(registry).addr();
        let owner = registry.guarded().iter().find(|segment| segment.name.is(&name)).copied();
        match owner {
            Some(segment) if segment.is_table => return Err(NoProbe::IsTable),
            // Whatever the server makes for itself is made before the first hook is called, and this with the first one.
            None if start <= own => return Err(NoProbe::NotOfLibrary),
            _ => {}
        }
        let library = owner.map_or(Library::new(""), |segment| segment.library);
        let probe = Probe { name, library, size, at: start + size - 1, is_overwritten: false };
        match registry.probed().iter_mut().find(|probe| probe.name.is(&name)) {
            Some(known) => *known = probe,
            None => {
                let free = registry.probed.get_mut(registry.probes).ok_or(NoProbe::TooMany)?;
                *free = probe;
                registry.probes += 1;
            }
        }
        // SAFETY: the last byte of a segment that is there, and of which the caller says that nobody has a use for it.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(probe.at).write_volatile(SENTINEL) };
        Ok(())
    });
    registered.unwrap_or(Err(NoProbe::NotOfLibrary))
}

/// Whether a probe is as it was set; none where there is no such probe.
pub(crate) fn is_intact(name: &str) -> Option<bool> {
    let name = Name::new(name);
    let is_intact = |registry: &mut Registry| {
        let probe = registry.probed().iter().find(|probe| probe.name.is(&name))?;
        // SAFETY: a byte within a segment, which is there as long as shared memory.
        let byte = unsafe { std::ptr::with_exposed_provenance::<u8>(probe.at).read_volatile() };
        Some(!probe.is_overwritten && byte == SENTINEL)
    };
    with(is_intact).flatten()
}

/// Forgets all probes.
pub(crate) fn clear() {
    with(|registry| registry.probes = 0);
}
