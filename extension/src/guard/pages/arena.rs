//! The arena: addresses from which each chunk is given pages of its own, with a closed page behind.
//!
//! ```text
//!   page                                      page                  page
//!   | canary ........ | header | chunk        | chunk, canary (0..) | closed          |
//! ```
//!
//! A chunk ends where the closed page begins, as nearly as its alignment lets it; or it begins where one ends, which has its header:
//!
//! ```text
//!   page                   page
//!   | closed .... | header | chunk, canary .... | closed          |
//! ```
//!
//! That page is opened for whoever is to read the header, and closed again with the next chunk that comes or goes.
//!
//! Addresses are handed out in order, all of them once before any a second time; pages of chunks that are gone are closed and
//! have no memory.
//!
//! Nothing of this is shared with a process that is forked: a child has all of it as it was, and its own from then on.

use std::ffi::c_void;

use crate::trace::memory::{Reserved, Zeroed};
use crate::trace::stacks::Origin;

/// The size of a page (bytes).
pub(super) const PAGE: usize = 4096;

/// What is put where nobody is to write. No byte that a string ends with.
const CANARY: u8 = 0xA5;

/// What stands before a chunk (bytes): the word by which the server tells who is to free it.
const HEADER: usize = size_of::<usize>();

/// Chunks that are passed over at most in search of room.
const STEPS: u32 = 4096;

/// What has become of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in use.
    Live,
    /// It was given back by itself.
    Released,
    /// Its context was reset.
    Reset,
    /// Its context was deleted.
    Deleted,
}

/// On which side of a chunk a page is closed to the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Side {
    /// Where it ends.
    #[default]
    Behind,
    /// Where it begins.
    Before,
}

/// What is known of a chunk.
#[derive(Clone, Copy, Default)]
pub(super) struct Record {
    /// Its first page, which has the header, and how many there are besides the closed one behind.
    page: u32,
    pages: u32,
    /// Bytes asked for.
    size: u32,
    /// To which power of two it is aligned.
    alignment: u8,
    /// Whether it begins where its first page ends, which is closed.
    is_first_closed: bool,
    /// Whether it is in use or closed, and why: a [`Fate`], counted from 1; 0 for a record that is free.
    fate: u8,
    /// What it is one of, which context it is in, and the number of its path; the arena takes no interest.
    pub(super) kind: u8,
    pub(super) room: u32,
    pub(super) path: u32,
    /// What it is counted with there (bytes).
    pub(super) space: u32,
    /// Its neighbours in a list of live ones. The next free record where this one is free.
    pub(super) next: u32,
    pub(super) previous: u32,
    /// Who has allocated it, and who has given it back.
    pub(super) made: Origin,
    pub(super) released: Origin,
}

// SAFETY: integers, a bool for which zero is false, and an `Origin`, which is an integer too.
unsafe impl Zeroed for Record {}

impl Record {
    /// What has become of it; none where the record is free.
    fn fate(&self) -> Option<Fate> {
        [Fate::Live, Fate::Released, Fate::Reset, Fate::Deleted].get(usize::from(self.fate).wrapping_sub(1)).copied()
    }

    fn is_live(&self) -> bool {
        self.fate() == Some(Fate::Live)
    }

    /// Bytes asked for.
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// Bytes that it takes.
    pub(super) fn room_for(&self) -> usize {
        self.size().next_multiple_of(1 << self.alignment)
    }

    /// Bytes from its start to the closed page behind.
    fn length(&self) -> usize {
        if self.is_first_closed { (self.pages as usize - 1) * PAGE } else { self.room_for() }
    }
}

/// What was written where nobody should have: where from the start of the chunk, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: i64,
    pub(crate) bytes: u32,
}

/// The arena of a process.
pub(super) struct Arena {
    start: usize,
    /// How many pages there are.
    pages: u32,
    /// Where the next chunk is looked for.
    cursor: u32,
    /// The number of the record that a page belongs to; 0 for none.
    owners: Reserved<u32>,
    /// Records from 1 on.
    records: Reserved<Record>,
    last: u32,
    free: u32,
    live: u32,
    /// Chunks in use at most.
    most: u32,
    /// Whether somebody opens closed headers to those who may read them.
    has_opener: bool,
    /// The chunk whose header is open though it lies in a closed page; 0 for none.
    opened: u32,
}

impl Arena {
    /// Reserves addresses for so many pages, of which no more chunks are to be in use at a time; none where the system refuses.
    pub(super) fn new(pages: u32, most: u32) -> Option<Self> {
        // Each chunk takes two pages at least.
        let (owners, records) = (Reserved::new(pages as usize)?, Reserved::new(pages as usize / 2 + 2)?);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new private mapping.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), pages as usize * PAGE, libc::PROT_NONE, flags, -1, 0) };
        (start != libc::MAP_FAILED).then(|| Arena {
            start: start.expose_provenance(),
            pages,
            // Nothing lies in the first page, so that there is a closed one before the first chunk.
            cursor: 1,
            owners,
            records,
            last: 0,
            free: 0,
            live: 0,
            most,
            has_opener: false,
            opened: 0,
        })
    }

    /// The addresses that it has.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.pages as usize * PAGE
    }

    /// Chunks in use.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// A record by its number.
    #[inline(always)]
    pub(super) fn record(&self, number: u32) -> &Record {
        self.records.get_ref(number as usize)
    }

    /// A record, to be changed.
    #[inline(always)]
    pub(super) fn record_mut(&mut self, number: u32) -> &mut Record {
        self.records.at(number as usize)
    }

    /// Where a chunk starts.
    pub(super) fn chunk(&self, number: u32) -> usize {
        let record = self.record(number);
        self.page_at(record.page + record.pages) - record.length()
    }

    /// What has become of a chunk; none where there is none of that number.
    pub(super) fn fate(&self, number: u32) -> Option<Fate> {
        self.record(number).fate()
    }

    /// The chunk whose pages, with the closed one behind, an address lies in.
    pub(super) fn owner(&self, address: usize) -> Option<u32> {
        let page = address.checked_sub(self.start)? / PAGE;
        (page < self.pages as usize).then(|| self.owners.get(page)).filter(|&number| number != 0)
    }

    /// The chunk that starts at an address.
    pub(super) fn find(&self, chunk: usize) -> Option<u32> {
        self.owner(chunk).filter(|&number| self.chunk(number) == chunk)
    }

    /// Makes a chunk that is aligned to `1 << alignment` bytes, which are zero, with a header before it; none where there is no
    /// room. Headers lie in closed pages only where somebody opens them.
    pub(super) fn make(&mut self, size: usize, alignment: u8, header: usize, side: Side) -> Option<u32> {
        debug_assert!(1 << alignment <= PAGE);
        self.shut_opened();
        let is_first_closed = side == Side::Before && self.has_opener;
        let before = if is_first_closed { PAGE } else { HEADER };
        // An empty one has an address in a page of its own.
        let whole = before + size.max(usize::from(is_first_closed)).next_multiple_of(1 << alignment);
        let pages = u32::try_from(whole.div_ceil(PAGE)).ok().filter(|&pages| pages < self.pages)?;
        let size = u32::try_from(size).ok()?;
        if self.live >= self.most {
            return None;
        }
        let page = self.search(pages + 1)?;
        let (start, bytes) = (self.page_at(page), pages as usize * PAGE);
        // SAFETY: whole pages of the arena that no live chunk has.
        if unsafe { libc::mprotect(pointer(start), bytes, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            // They may have been opened in part.
            shut(start, bytes);
            return None;
        }
        let number = self.take(page, pages);
        *self.records.at(number as usize) =
            Record { page, pages, size, alignment, is_first_closed, fate: Fate::Live as u8 + 1, ..Record::default() };
        self.live += 1;
        let chunk = self.chunk(number);
        let end = chunk + size as usize;
        let canary = if is_first_closed { 0 } else { chunk - HEADER - start };
        // SAFETY: inside the pages that were opened just now, which nobody else has; the chunk is aligned to a word at least.
        unsafe {
            std::ptr::write_bytes(pointer::<u8>(start), CANARY, canary);
            pointer::<usize>(chunk - HEADER).write(header);
            std::ptr::write_bytes(pointer::<u8>(end), CANARY, start + bytes - end);
        }
        if is_first_closed && !self.protect_first(number, libc::PROT_NONE) {
            self.close(number, Fate::Released);
            return None;
        }
        Some(number)
    }

    /// Somebody opens closed headers from now on, or nobody does: then those there are stay open.
    pub(super) fn has_opener(&mut self, has_opener: bool) {
        if std::mem::replace(&mut self.has_opener, has_opener) == has_opener {
            return;
        }
        let protection = if has_opener { libc::PROT_NONE } else { libc::PROT_READ };
        for number in 1..=self.last {
            let record = self.record(number);
            if record.is_first_closed && record.is_live() {
                self.protect_first(number, protection);
            }
        }
        self.opened = 0;
    }

    /// Opens the header of a live chunk to be read, if that is what an address is of and if it is closed. Whether it was so.
    pub(super) fn open(&mut self, address: usize) -> bool {
        let Some(number) = self.owner(address).filter(|&number| number != self.opened) else { return false };
        let record = self.record(number);
        if !(record.is_live() && record.is_first_closed && address + HEADER == self.chunk(number)) {
            return false;
        }
        self.shut_opened();
        self.opened = number;
        self.protect_first(number, libc::PROT_READ)
    }

    /// Closes the header that is open.
    fn shut_opened(&mut self) {
        let number = std::mem::take(&mut self.opened);
        if number != 0 {
            self.protect_first(number, libc::PROT_NONE);
        }
    }

    /// Whether the first page of a live chunk could be opened or closed.
    fn protect_first(&self, number: u32, protection: std::ffi::c_int) -> bool {
        // SAFETY: a page of the arena that this chunk has, with nothing in it that anybody may write to.
        unsafe { libc::mprotect(pointer(self.page_at(self.record(number).page)), PAGE, protection) == 0 }
    }

    /// What was written around a live chunk, behind it first, which was made with that header.
    pub(super) fn damage(&self, number: u32, header: usize) -> Option<Damage> {
        let record = self.record(number);
        let chunk = self.chunk(number);
        // Nobody can have written to a page that is closed.
        let start = if record.is_first_closed { chunk } else { self.page_at(record.page) };
        let slack = record.length() - record.size();
        // SAFETY: the pages of a live chunk are open, but for the first one where that is closed.
        let (before, behind) = unsafe {
            let before = std::slice::from_raw_parts(pointer::<u8>(start), chunk - start);
            (before, std::slice::from_raw_parts(pointer::<u8>(chunk + record.size()), slack))
        };
        if !is_canary(behind)
            && let Some(first) = behind.iter().position(|&byte| byte != CANARY)
        {
            let bytes = behind[first..].iter().take_while(|&&byte| byte != CANARY).count();
            return Some(Damage { offset: (record.size() + first) as i64, bytes: bytes as u32 });
        }
        let (canary, word) = before.split_at(before.len().checked_sub(HEADER)?);
        let header = header.to_ne_bytes();
        if word == header && is_canary(canary) {
            return None;
        }
        // The nearest bytes that are not as they were, and those in a row before them.
        let is_changed = |at: usize| before[at] != at.checked_sub(canary.len()).map_or(CANARY, |at| header[at]);
        let end = (0..before.len()).rev().find(|&at| is_changed(at))? + 1;
        let bytes = (0..end).rev().take_while(|&at| is_changed(at)).count();
        Some(Damage { offset: (end - bytes) as i64 - before.len() as i64, bytes: bytes as u32 })
    }

    /// A live chunk goes, and its pages are closed.
    pub(super) fn close(&mut self, number: u32, fate: Fate) {
        let (page, end) = self.retire(number, fate);
        self.shut_pages(page, end);
    }

    /// As [`Self::close`], for all of a list: `next` gives the next one, until that is 0.
    pub(super) fn close_all(&mut self, mut number: u32, fate: Fate, released: Origin) {
        // What was allocated in a row lies in a row.
        let (mut start, mut end) = (0, 0);
        while number != 0 {
            let next = self.record(number).next;
            self.record_mut(number).released = released;
            let (page, behind) = self.retire(number, fate);
            // The closed page behind a chunk may be closed once more.
            if behind + 1 == start {
                start = page;
            } else if end + 1 == page && end != 0 {
                end = behind;
            } else {
                self.shut_pages(start, end);
                (start, end) = (page, behind);
            }
            number = next;
        }
        self.shut_pages(start, end);
    }

    /// Forgets with which stacks chunks were made and given back.
    pub(super) fn forget_stacks(&mut self) {
        for number in 1..=self.last {
            let record = self.record_mut(number);
            record.made = record.made.site().into();
            record.released = record.released.site().into();
        }
    }

    /// Writes down what has become of a live chunk. Gives its pages: the first one, and the closed one behind.
    fn retire(&mut self, number: u32, fate: Fate) -> (u32, u32) {
        if self.opened == number {
            self.opened = 0;
        }
        self.shut_opened();
        self.live -= 1;
        let record = self.record_mut(number);
        record.fate = fate as u8 + 1;
        (record.page, record.page + record.pages)
    }

    fn page_at(&self, page: u32) -> usize {
        self.start + page as usize * PAGE
    }

    /// Closes pages, from one up to another.
    fn shut_pages(&self, page: u32, end: u32) {
        if page < end {
            shut(self.page_at(page), (end - page) as usize * PAGE);
        }
    }

    /// Finds so many pages in a row that no live chunk has, from the cursor on and once around.
    fn search(&mut self, wanted: u32) -> Option<u32> {
        let (mut page, mut is_around) = (self.cursor, false);
        for _ in 0..STEPS {
            if page > self.pages - wanted {
                if is_around {
                    break;
                }
                (page, is_around) = (1, true);
            }
            match self.live_in(page, wanted) {
                None => {
                    self.cursor = page + wanted;
                    return Some(page);
                }
                Some(behind) => page = behind,
            }
        }
        // The next search goes on from here, so that many live chunks in a row are not in the way forever.
        self.cursor = page;
        None
    }

    /// The page behind the first live chunk in so many pages.
    fn live_in(&self, page: u32, wanted: u32) -> Option<u32> {
        let mut at = page;
        while at < page + wanted {
            let owner = self.owners.get(at as usize);
            if owner == 0 {
                at += 1;
                continue;
            }
            let record = self.record(owner);
            let behind = record.page + record.pages + 1;
            if record.is_live() {
                return Some(behind);
            }
            at = behind;
        }
        None
    }

    /// Gives pages, with the closed one behind, to a record, and forgets the chunks that had them.
    fn take(&mut self, page: u32, pages: u32) -> u32 {
        for at in page..=page + pages {
            let owner = self.owners.get(at as usize);
            if owner != 0 {
                self.forget(owner);
            }
        }
        let number = match self.free {
            0 => {
                self.last += 1;
                self.last
            }
            free => {
                self.free = self.record(free).next;
                free
            }
        };
        for at in page..=page + pages {
            *self.owners.at(at as usize) = number;
        }
        number
    }

    /// Forgets a chunk that is closed.
    fn forget(&mut self, number: u32) {
        let Record { page, pages, .. } = *self.record(number);
        for at in page..=page + pages {
            *self.owners.at(at as usize) = 0;
        }
        *self.record_mut(number) = Record { next: self.free, ..Record::default() };
        self.free = number;
    }
}

/// Whether all of it is canary. It is nearly a page, so it is looked at in large steps.
fn is_canary(bytes: &[u8]) -> bool {
    let (steps, rest) = bytes.as_chunks::<64>();
    let differs = |bytes: &[u8]| bytes.iter().fold(0, |differs, byte| differs | (byte ^ CANARY));
    steps.iter().all(|step| differs(step) == 0) && differs(rest) == 0
}

/// A pointer to what lies at an address of the arena.
fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}

/// Closes pages, and gives their memory back.
fn shut(start: usize, bytes: usize) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // SAFETY: whole pages of the arena whose chunks are gone. A mapping in their place costs one call and is joined to its
    // neighbours. Where the process has no mapping left for it, the pages are closed as they are.
    unsafe {
        if libc::mmap(pointer(start), bytes, libc::PROT_NONE, flags, -1, 0) == libc::MAP_FAILED {
            libc::madvise(pointer::<c_void>(start), bytes, libc::MADV_DONTNEED);
            libc::mprotect(pointer(start), bytes, libc::PROT_NONE);
        }
    }
}

#[cfg(test)]
impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the whole of a mapping that nobody uses any more.
        unsafe { libc::munmap(pointer(self.start), self.pages as usize * PAGE) };
    }
}

#[cfg(test)]
mod tests;
