//! What each site held at most in the present step of a ladder.
//!
//! It is counted where the live table or the book of contexts changes, inside the allocator, so it lives in fixed memory and takes constant time.
//! The contexts of a query are gone when it has ended: the names of one of them are copied while it lives.

use memcheck_core::census::Live;
use memcheck_core::handed::is_handed_over;

use super::memory::{Reserved, Zeroed};
use super::sites;
use super::stacks::Origin;
use crate::contexts::Names;

/// A site in one step.
#[derive(Clone, Copy, Default)]
struct SitePeak {
    /// The step that all of this belongs to, by its beginning; what is left from another is void.
    since: u64,
    /// Allocated in this step and not freed.
    held: Live,
    /// The most of it, bytes and allocations each for itself.
    peak: Live,
    /// Contexts in which it was the first to allocate, and the most of them.
    contexts: u64,
    most_contexts: u64,
    /// A context in which it holds much, and by how many bytes more than in all others: a majority vote, so a guess where no
    /// context has the greater part.
    context: usize,
    lead: u64,
    /// The peak when the names were last copied.
    named_at: u64,
    names: Names,
    /// The stack with which it allocated then.
    stack: u32,
}

// SAFETY: integers.
unsafe impl Zeroed for SitePeak {}

/// The peaks of all sites.
pub(crate) struct Peaks {
    sites: Reserved<SitePeak>,
    /// The serial of the last allocation before the present step; none while nothing is counted.
    since: Option<u64>,
    /// The highest number of a site that was counted.
    last_site: u32,
    name: fn(usize, &mut Names),
}

impl Peaks {
    pub(crate) fn new() -> Option<Self> {
        Some(Peaks { sites: Reserved::new(sites::MOST)?, since: None, last_site: 0, name: |_, _| {} })
    }

    /// Begins a step behind the allocation with that serial. `name` copies the names of the live context at an address.
    pub(crate) fn start(&mut self, serial: u64, name: fn(usize, &mut Names)) {
        self.since = Some(serial);
        self.name = name;
    }

    /// Counts nothing any more.
    pub(crate) fn stop(&mut self) {
        self.since = None;
    }

    /// Whether anything is counted.
    #[inline(always)]
    pub(crate) fn are_counted(&self) -> bool {
        self.since.is_some()
    }

    /// Counts an allocation in a live context.
    #[inline(always)]
    pub(crate) fn add(&mut self, origin: impl Into<Origin>, bytes: u64, context: usize) {
        if let Some(since) = self.since {
            self.count(since, origin.into(), bytes, context);
        }
    }

    fn count(&mut self, since: u64, origin: Origin, bytes: u64, context: usize) {
        let name = self.name;
        self.last_site = self.last_site.max(origin.site());
        let site = self.sites.at(origin.site() as usize);
        if site.since != since {
            *site = SitePeak { since, ..SitePeak::default() };
        }
        site.held.bytes += bytes;
        site.held.allocations += 1;
        site.peak.bytes = site.peak.bytes.max(site.held.bytes);
        site.peak.allocations = site.peak.allocations.max(site.held.allocations);
        if site.context == context {
            site.lead += bytes;
        } else if site.lead >= bytes && site.context != 0 {
            site.lead -= bytes;
        } else {
            site.context = context;
            site.lead = bytes - site.lead;
        }
        // Each time that the peak has doubled, so that the cost does not count.
        if site.context == context && site.peak.bytes / 2 >= site.named_at {
            site.named_at = site.peak.bytes.max(1);
            name(context, &mut site.names);
            site.stack = origin.stack();
        }
    }

    /// What a site has allocated in this step is larger or smaller than it was.
    pub(crate) fn resize(&mut self, serial: u64, site: u32, before: u64, after: u64) {
        if self.since.is_some_and(|since| serial > since) {
            let site = self.sites.at(site as usize);
            site.held.bytes = (site.held.bytes + after).saturating_sub(before);
            site.peak.bytes = site.peak.bytes.max(site.held.bytes);
        }
    }

    /// Counts a context in which a site that has just been counted is the first to allocate.
    pub(crate) fn open(&mut self, site: u32) {
        if self.since.is_some() {
            let site = self.sites.at(site as usize);
            site.contexts += 1;
            site.most_contexts = site.most_contexts.max(site.contexts);
        }
    }

    /// Takes a context out again; it may be older than the step.
    pub(crate) fn close(&mut self, site: u32) {
        let site = self.sites.at(site as usize);
        if Some(site.since) == self.since {
            site.contexts = site.contexts.saturating_sub(1);
        }
    }

    /// Takes an allocation out again.
    #[inline(always)]
    pub(crate) fn subtract(&mut self, serial: u64, site: u32, bytes: u64, context: usize) {
        if self.since.is_some_and(|since| serial > since) {
            let site = self.sites.at(site as usize);
            site.held.bytes -= bytes;
            site.held.allocations -= 1;
            site.lead = match site.context == context {
                true => site.lead.saturating_sub(bytes),
                false => site.lead + bytes,
            };
            // It cannot lead by more than there is.
            site.lead = site.lead.min(site.held.bytes);
        }
    }

    /// The stack with which a site allocated near its peak; 0 where it is not known.
    pub(crate) fn stack_of(&self, site: u32) -> u32 {
        let site = self.sites.get(site as usize % sites::MOST);
        if self.since == Some(site.since) { site.stack } else { 0 }
    }

    /// Shows what every site held at most, and in which context. Of what the server makes for a target, contexts are counted:
    /// a result is one thing, however many rows it has.
    pub(crate) fn for_each(&self, mut show: impl FnMut(u32, Live, &Names)) {
        for number in 1..=self.last_site {
            let site = self.sites.get(number as usize);
            if Some(site.since) == self.since && site.peak.allocations > 0 {
                let whole = is_handed_over(&site.names.innermost());
                let allocations = if whole { site.most_contexts } else { site.peak.allocations };
                show(number, Live { allocations, ..site.peak }, &site.names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: usize = 0xa0;
    const B: usize = 0xb0;

    fn name(context: usize, names: &mut Names) {
        names.set([match context {
            A => c"a",
            B => c"b",
            _ => c"SPI TupTable",
        }]);
    }

    fn shown(peaks: &Peaks) -> Vec<(u32, u64, u64, String)> {
        let mut shown = Vec::new();
        peaks.for_each(|site, live, names| {
            shown.push((site, live.bytes, live.allocations, names.outermost_first().join("/")));
        });
        shown
    }

    #[test]
    fn the_most_held_at_a_time_is_kept() {
        let mut peaks = Peaks::new().unwrap();
        // Before the first step nothing is counted.
        peaks.add(1, 1000, A);
        peaks.start(1, name);
        peaks.subtract(1, 1, 1000, A);
        for serial in 2..12 {
            peaks.add(1, 100, A);
            peaks.subtract(serial, 1, 100, A);
        }
        peaks.add(2, 100, B);
        peaks.add(2, 50, B);
        peaks.subtract(12, 2, 100, B);
        assert_eq!(shown(&peaks), [(1, 100, 1, "a".into()), (2, 150, 2, "b".into())]);
        // What is left of a step does not count in the next.
        peaks.start(13, name);
        assert_eq!(shown(&peaks), []);
        peaks.subtract(13, 2, 50, B);
        peaks.add(2, 7, A);
        assert_eq!(shown(&peaks), [(2, 7, 1, "a".into())]);
        peaks.stop();
        peaks.add(2, 7, A);
        assert_eq!(shown(&peaks), []);
    }

    #[test]
    fn results_are_counted_as_a_whole() {
        let mut peaks = Peaks::new().unwrap();
        peaks.start(0, name);
        for context in [1, 2, 3] {
            for row in 0..10 {
                peaks.add(1, 100, context);
                if row == 0 {
                    peaks.open(1);
                }
            }
        }
        peaks.close(1);
        assert_eq!(shown(&peaks), [(1, 3000, 3, "SPI TupTable".into())]);
    }

    #[test]
    fn a_site_is_told_by_the_context_in_which_it_holds_most() {
        let mut peaks = Peaks::new().unwrap();
        peaks.start(0, name);
        for n in 0..1000 {
            // Kept in one context, and as much again and for a moment in another: the peak is always reached there.
            peaks.add(1, 100, A);
            peaks.add(1, 100, B);
            peaks.subtract(2 * n + 2, 1, 100, B);
        }
        assert_eq!(shown(&peaks), [(1, 100_100, 1001, "a".into())]);
    }
}
