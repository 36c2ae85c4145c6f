//! Pages of canaries that are closed to writes in this process, so that the first one that hits them is caught in the act.
//!
//! Whoever has shared memory mapped has an access of his own to each page of it: that one may not write here says nothing of
//! others. So they are closed in processes in which targets are traced, for as long as that is so and faults are handled, and
//! nothing of it is seen elsewhere. Reading is allowed.
//!
//! Who is caught goes on: the page is opened, and closed again when somebody of this process has looked at its canary. What is
//! written to over and over is left open after a while, since a fault takes its time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What can be closed by itself. Where the server has larger pages, nothing is.
pub(super) const PAGE: usize = 4096;
/// As many as segments are kept in mind.
pub(super) const MOST: usize = 256;

/// How often somebody is caught at a segment before it is left open.
const ENOUGH: usize = 32;

/// Where the page of each is that this process has closed, or has opened since for who was caught; 0 for none.
static PAGES: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];
/// Which of them are open.
static OPEN: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];
/// How often somebody was caught at each since they were closed.
static CAUGHT: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];
/// Whether any is open.
static ANY_OPEN: AtomicBool = AtomicBool::new(false);

/// Allows this process to write to a page, or not. Whether that could be done.
fn allow(page: usize, is_writable: bool) -> bool {
    let access = libc::PROT_READ | if is_writable { libc::PROT_WRITE } else { 0 };
    // SAFETY: a page of the server's shared memory that nobody but the engine has a use for.
    unsafe { libc::mprotect(std::ptr::with_exposed_provenance_mut(page), PAGE, access) == 0 }
}

/// Closes the page of a segment.
pub(super) fn close(number: usize, page: usize) {
    if let Some(known) = PAGES.get(number)
        && known.load(Ordering::Relaxed) == 0
        && allow(page, false)
    {
        OPEN[number].store(false, Ordering::Relaxed);
        CAUGHT[number].store(0, Ordering::Relaxed);
        known.store(page, Ordering::Relaxed);
    }
}

/// Opens all that this process has closed.
pub(super) fn open_all() {
    for page in &PAGES {
        match page.swap(0, Ordering::Relaxed) {
            0 => {}
            page => _ = allow(page, true),
        }
    }
    ANY_OPEN.store(false, Ordering::Relaxed);
}

/// Where the page of a segment begins, if this process has closed it.
pub(super) fn page_of(number: usize) -> Option<usize> {
    Some(PAGES.get(number)?.load(Ordering::Relaxed)).filter(|&page| page != 0)
}

/// Opens the page at an address to who has been caught. Gives whose it is. In a signal handler, in any thread.
pub(super) fn catches(address: usize) -> Option<usize> {
    let page = address / PAGE * PAGE;
    let number = PAGES.iter().position(|known| known.load(Ordering::Relaxed) == page).filter(|_| page != 0)?;
    OPEN[number].store(true, Ordering::Relaxed);
    CAUGHT[number].fetch_add(1, Ordering::Relaxed);
    ANY_OPEN.store(true, Ordering::Relaxed);
    allow(page, true).then_some(number)
}

/// Whether somebody was caught since they were closed.
pub(super) fn has_caught() -> bool {
    ANY_OPEN.load(Ordering::Relaxed)
}

/// Whether somebody was caught at the page of this segment.
pub(super) fn has_caught_at(number: usize) -> bool {
    OPEN.get(number).is_some_and(|open| open.load(Ordering::Relaxed))
}

/// Runs something that writes to the canary of a segment, and leaves its page as closed as it is to be.
pub(super) fn written_by_us(number: usize, write: impl FnOnce()) {
    let page = page_of(number);
    if let Some(page) = page {
        allow(page, true);
    }
    write();
    if let Some(page) = page {
        OPEN[number].store(false, Ordering::Relaxed);
        if CAUGHT[number].load(Ordering::Relaxed) < ENOUGH {
            allow(page, false);
        } else {
            PAGES[number].store(0, Ordering::Relaxed);
        }
    }
}

/// All that were opened are closed again.
pub(super) fn are_closed_again() {
    ANY_OPEN.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one test, since there is one table for the process.
    #[test]
    fn a_page_is_closed_until_somebody_writes() {
        // SAFETY: a new mapping.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        assert!(start != libc::MAP_FAILED);
        let page = start.expose_provenance();
        close(7, page);
        assert_eq!((page_of(7), page_of(8), has_caught()), (Some(page), None, false));
        assert_eq!((catches(page + PAGE), catches(0), catches(page + 100)), (None, None, Some(7)));
        assert!(has_caught() && has_caught_at(7) && !has_caught_at(8));
        let byte = std::ptr::with_exposed_provenance_mut::<u8>(page);
        // SAFETY: a page of this test, which is open.
        unsafe { byte.write_volatile(1) };
        // SAFETY: as above.
        written_by_us(7, || unsafe { byte.write_volatile(2) });
        are_closed_again();
        assert!(!has_caught() && !has_caught_at(7));
        for _ in 1..ENOUGH {
            assert_eq!(catches(page), Some(7));
            written_by_us(7, || ());
        }
        assert_eq!((catches(page), page_of(7)), (None, None));
        // SAFETY: as above.
        unsafe { byte.write_volatile(3) };
        close(7, page);
        assert_eq!(catches(page), Some(7));
        written_by_us(7, || ());
        open_all();
        assert_eq!(page_of(7), None);
        // SAFETY: as above.
        unsafe { byte.write_volatile(4) };
    }
}
