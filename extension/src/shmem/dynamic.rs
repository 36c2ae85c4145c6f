//! Canaries behind segments of dynamic shared memory that targets create, and behind those that libraries have by a name.
//!
//! More is asked for than the library has, up to the end of a page; behind that nothing is mapped. How much the library has asked for is
//! said here, for all processes: who asks how long its mapping is, is told that.
//!
//! A process looks at what it has mapped itself. What goes is not told to anybody: an entry is used again when its segment is not
//! in the server's table any more.

use std::ffi::CStr;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pattern::{Bits, Pattern};
use super::segment::Segment;
use super::text::Text;
use crate::pg::dsm;
use crate::pg::server::Handle;

/// The fewest bytes behind a segment.
const SHORTEST: usize = 64;
/// What the server's segments are made of, whatever it asks the system for.
const PAGE: usize = 4096;
/// Segments at most. Those beyond have no canary, but the same room.
const MOST: usize = 256;
/// What one is called that has no name.
const NAMELESS: &str = "dsm";

/// A segment. Free where it has neither a handle nor a name.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Dynamic {
    handle: Handle,
    /// As dsm_registry.c knows it.
    name: Text<64>,
    pub(super) library: Text<64>,
    /// What was asked for, and what there is.
    pub(super) size: usize,
    total: usize,
    pattern: Pattern,
}

/// The segment of the engine's. All zero is an empty one.
#[repr(C)]
struct Table {
    /// Entries that have ever been used.
    used: usize,
    all: [Dynamic; MOST],
}

thread_local! {
    static TABLE: Segment<Table> = const { Segment::new(c"pg_ext_memcheck dynamic segments") };
}

/// Where this process has each mapped; 0 where it has not, or nobody has said so.
static MAPPED: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];
/// How many of them there are.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

pub(super) fn request() {
    TABLE.with(|table| table.request(size_of::<Table>()));
}

pub(super) fn startup() {
    TABLE.with(|table| table.startup(size_of::<Table>()));
}

/// Runs something with the table, which nobody else has meanwhile. Nothing inside may raise an ERROR.
fn with<R>(f: impl FnOnce(&mut Table) -> R) -> Option<R> {
    // SAFETY: the lock makes the reference exclusive among all backends, and all zero is a value.
    TABLE.with(|table| table.with(|table| f(unsafe { &mut *table })))
}

/// How many bytes to ask for where a library asks for so many. The same for everybody, since the server compares it.
pub(crate) fn total(size: usize) -> usize {
    /// Beyond that the server refuses.
    const LARGEST: usize = isize::MAX as usize / 2;
    if (1..=LARGEST).contains(&size) { (size + SHORTEST).next_multiple_of(PAGE) } else { size }
}

/// How many bytes a library has asked for, of a segment that is so long.
pub(crate) fn asked_for(handle: Handle, length: usize) -> usize {
    let table = TABLE.with(Segment::start);
    if table.is_null() || handle == 0 {
        return length;
    }
    // SAFETY: shared memory that is there as long as the process. What is read while somebody writes it is no answer: it is not that
    // segment's, which is there and not written any more.
    unsafe {
        let used = (&raw const (*table).used).read_volatile().min(MOST);
        let all = (&raw const (*table).all).cast::<Dynamic>();
        let is_it = |number: &usize| {
            let known = all.add(*number);
            let (other, total) =
                ((&raw const (*known).handle).read_volatile(), (&raw const (*known).total).read_volatile());
            other == handle && total == length
        };
        let known = (0..used).find(is_it);
        known.map_or(length, |number| (&raw const (*all.add(number)).size).read_volatile())
    }
}

impl Dynamic {
    fn is_free(&self) -> bool {
        self.handle == 0 && self.name.is_empty()
    }

    /// The bytes behind it, counted from its end.
    fn behind(&self) -> Range<usize> {
        0..self.total - self.size
    }

    pub(super) fn shown_name(&self) -> String {
        if self.name.is_empty() { NAMELESS.to_owned() } else { self.name.to_text() }
    }
}

impl Table {
    /// A place for one more. Those are free as well that are gone.
    fn free(&mut self, is_gone: impl Fn(Handle) -> bool) -> Option<usize> {
        let is_free = |known: &Dynamic| known.is_free() || known.handle != 0 && is_gone(known.handle);
        let number = self.all[..self.used].iter().position(is_free).or((self.used < MOST).then_some(self.used))?;
        self.used = self.used.max(number + 1);
        Some(number)
    }
}

/// Takes note of where this process has one mapped.
fn is_mapped(number: usize, start: usize) {
    if MAPPED[number].swap(start, Ordering::Relaxed) == 0 {
        NUMBER.fetch_add(1, Ordering::Relaxed);
    }
}

/// The segments that there are, where entries of those that are gone are wanted; none where there is room, or the server's table
/// cannot be read.
fn there_if_full() -> Option<Vec<(Handle, dsm::Keepers)>> {
    let is_full = with(|table| table.used == MOST).unwrap_or(true);
    if is_full { dsm::segments() } else { None }
}

/// Puts a canary behind a segment that was created just now and is mapped there. Whether there is one.
pub(crate) fn created(handle: Handle, library: &str, start: usize, size: usize) -> bool {
    let total = total(size);
    if total == size || start == 0 {
        return false;
    }
    let there = there_if_full();
    let is_gone = |handle| there.as_ref().is_some_and(|there| !there.iter().any(|&(other, _)| other == handle));
    let number = with(|table| {
        let known = table.all[..table.used].iter().position(|known| known.handle == handle);
        let number = known.or_else(|| table.free(is_gone))?;
        let segment = Dynamic {
            handle,
            name: Text::new(""),
            library: Text::new(library),
            size,
            total,
            pattern: Pattern::default(),
        };
        // SAFETY: the caller has it mapped, and has asked for so much more than the library.
        unsafe { segment.pattern.fill(start + size, total - size) };
        table.all[number] = segment;
        Some(number)
    });
    let number = number.flatten();
    number.inspect(|&number| is_mapped(number, start)).is_some()
}

/// A segment that has been attached is mapped there. Whether it has a canary.
pub(crate) fn attached(handle: Handle, start: usize) -> bool {
    let known = with(|table| table.all[..table.used].iter().position(|known| known.handle == handle && handle != 0));
    known.flatten().inspect(|&number| is_mapped(number, start)).is_some()
}

/// This process has it mapped no more.
pub(crate) fn is_gone(start: usize) {
    let known = MAPPED.iter().find(|known| start != 0 && known.load(Ordering::Relaxed) == start);
    if let Some(known) = known {
        known.store(0, Ordering::Relaxed);
        NUMBER.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The same for one that has a name, and is found by that: the first one puts a canary behind it.
pub(crate) fn named(name: &CStr, library: &str, start: usize, size: usize) {
    let total = total(size);
    let name = Text::new(&name.to_string_lossy());
    if total == size || start == 0 || name.is_empty() {
        return;
    }
    let there = there_if_full();
    let is_gone = |handle| there.as_ref().is_some_and(|there| !there.iter().any(|&(other, _)| other == handle));
    let number = with(|table| {
        let known = table.all[..table.used].iter().position(|known| known.name.is(&name));
        known.or_else(|| {
            let number = table.free(is_gone)?;
            let (library, pattern) = (Text::new(library), Pattern::default());
            // SAFETY: the caller has it mapped, and everybody asks for so much more than the library.
            unsafe { pattern.fill(start + size, total - size) };
            table.all[number] = Dynamic { handle: 0, name, library, size, total, pattern };
            Some(number)
        })
    });
    if let Some(number) = number.flatten() {
        is_mapped(number, start);
    }
}

/// Whether this process has any mapped.
pub(super) fn are_mapped() -> bool {
    NUMBER.load(Ordering::Relaxed) != 0
}

/// Whether the bytes next to what this process has mapped are as they were filled. Takes no lock.
pub(super) fn are_near_ones_whole(near: usize) -> bool {
    let table = TABLE.with(Segment::start);
    if !are_mapped() || table.is_null() {
        return true;
    }
    (0..MOST).all(|number| {
        let start = MAPPED[number].load(Ordering::Relaxed);
        // SAFETY: mapped by this process; of an entry of one that is, nothing changes but the pattern.
        start == 0
            || unsafe {
                let segment = (&raw const (*table).all).cast::<Dynamic>().add(number).read_volatile();
                let bytes = segment.total.saturating_sub(segment.size);
                segment.pattern.changed(start + segment.size, 0..bytes.min(near)).is_none()
            }
    })
}

/// Looks at the canaries of what this process has mapped, and fills anew those that were changed. Shows these.
pub(super) fn look(mut show: impl FnMut(&Dynamic, Bits)) {
    if !are_mapped() {
        return;
    }
    with(|table| {
        for (segment, start) in table.all.iter_mut().zip(&MAPPED) {
            let start = start.load(Ordering::Relaxed);
            if start == 0 || segment.is_free() {
                continue;
            }
            let end = start + segment.size;
            // SAFETY: mapped by this process.
            let changed = unsafe { segment.pattern.changed(end, segment.behind()) };
            if let Some(changed) = changed {
                segment.pattern.renew();
                // SAFETY: the same.
                unsafe { segment.pattern.fill(end, segment.total - segment.size) };
                show(segment, changed);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_64_bytes_at_least_behind_a_segment_and_then_a_page_ends() {
        let table =
            [(1, 4096), (4032, 4096), (4033, 8192), (4096, 8192), (65_536, 69_632), (0, 0), (usize::MAX, usize::MAX)];
        for (size, expected) in table {
            assert_eq!(total(size), expected, "{size}");
        }
    }

    #[test]
    fn an_entry_is_used_again_when_its_segment_is_gone() {
        // SAFETY: all zero is an empty one.
        let mut table: Box<Table> = unsafe { Box::new(std::mem::zeroed()) };
        for number in 0..MOST {
            assert_eq!(table.free(|_| false), Some(number));
            table.all[number].handle = number as Handle + 1;
        }
        assert_eq!(table.free(|_| false), None);
        assert_eq!(table.free(|handle| handle == 8), Some(7));
    }
}
