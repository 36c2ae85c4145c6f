//! What a link of the chain is.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// The MemoryContext at an address.
    Context(usize),
    /// The heap of the C library.
    Heap,
}

/// The power of two that chunks of contexts are aligned to (`MAXIMUM_ALIGNOF`).
pub(crate) const MAXALIGN: u8 = 3;
/// That which chunks of the C library's heap are aligned to, whatever is asked.
pub(crate) const MALLOC_ALIGNMENT: u8 = 4;

/// A target asks for memory, or for another size of what it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// Where from.
    pub(crate) room: Room,
    /// How much (bytes).
    pub(crate) size: usize,
    /// To which power of two its address is to be aligned.
    pub(crate) alignment: u8,
    /// The number of the place in the target's code that asks.
    pub(crate) site: u32,
    /// The number of the stack with which it asks; 0 where it is not known.
    pub(crate) stack: u32,
    /// The address of the chunk whose size is to be changed; 0 for a new one.
    pub(crate) chunk: usize,
}

/// Where chunks may be that a link has served, and how many bytes that is; 0 while there are none.
static START: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// A link is going to serve chunks from so many addresses, the only ones of the process.
pub(crate) fn serves_from(addresses: Range<usize>) {
    START.store(addresses.start, Ordering::Relaxed);
    LENGTH.store(addresses.len(), Ordering::Relaxed);
}

/// Whether a chunk is one that a link has served, so that neither the server nor the C library knows it. In any thread.
#[inline(always)]
pub(crate) fn is_served(chunk: usize) -> bool {
    chunk.wrapping_sub(START.load(Ordering::Relaxed)) < LENGTH.load(Ordering::Relaxed)
}

/// Who gives something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct By {
    /// The number of the place in the target's code; 0 where it is no target, or where no link that asks has what is given back.
    pub(crate) site: u32,
    /// The number of its stack; 0 where it is not known.
    pub(crate) stack: u32,
}

impl By {
    /// Nobody who is known.
    pub(crate) const NOBODY: Self = By { site: 0, stack: 0 };
}

/// What a link wants done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It is served as it is.
    Pass,
    /// It fails, in the way in which its function fails: an ERROR, or null. Where that would end the process (in a critical
    /// section, in ErrorContext), it is served all the same.
    Refuse,
    /// It is served with so many bytes, which are more than were asked for. Where the size is fixed or would be too large, it
    /// is served as it is.
    Enlarge(usize),
    /// It has been served, with this chunk. The link that says so is the one that has to give it back.
    Own(*mut c_void),
}

impl Before {
    /// What two links want: the one that has refused or served has the last word, and both may enlarge.
    pub(crate) fn and(self, next: impl FnOnce() -> Before, asked: usize) -> Before {
        match (self, next) {
            (Before::Refuse | Before::Own(_), _) => self,
            (Before::Pass, next) => next(),
            (Before::Enlarge(size), next) => match next() {
                Before::Enlarge(other) => Before::Enlarge(size + (other - asked)),
                Before::Pass => self,
                last => last,
            },
        }
    }
}

/// One who looks at every allocation of the targets, and at everything that may be the end of one. It knows no other link.
///
/// All of it runs inside the allocator.
pub(crate) trait Link {
    /// A target asks for memory.
    fn before(&mut self, _request: &Request) -> Before {
        Before::Pass
    }

    /// It has got it, at this address.
    fn after(&mut self, _request: &Request, _chunk: usize) {}

    /// Somebody gives a chunk back. Whether it is this link's own, so that nobody else is to free it.
    fn release(&mut self, _room: Room, _chunk: usize, _by: By) -> bool {
        false
    }

    /// Everything in a context goes.
    fn reset(&mut self, _context: usize, _by: By) {}

    /// A context goes, and everything in it.
    fn delete(&mut self, context: usize, by: By) {
        self.reset(context, by);
    }
}

#[cfg(test)]
mod tests {
    use super::Before::{self, Enlarge, Own, Pass, Refuse};

    #[test]
    fn two_links_agree() {
        let own = Own(std::ptr::dangling_mut());
        let table = [
            (Pass, Pass, Pass),
            (Pass, Refuse, Refuse),
            (Pass, Enlarge(116), Enlarge(116)),
            (Enlarge(116), Pass, Enlarge(116)),
            (Enlarge(116), Enlarge(108), Enlarge(124)),
            (Enlarge(116), Refuse, Refuse),
            (Refuse, Enlarge(116), Refuse),
            (own, Refuse, own),
            (Enlarge(116), own, own),
        ];
        for (first, second, expected) in table {
            assert_eq!(first.and(|| second, 100), expected, "{first:?}, {second:?}");
        }
        // Whoever has served a request is not to find that it was refused.
        let _: Before = own.and(|| panic!("asked for nothing"), 100);
    }
}
