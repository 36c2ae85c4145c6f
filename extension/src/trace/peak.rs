//! What each site held at most in the present step of a ladder.
//!
//! It is counted where the live table changes, inside the allocator, so it lives in fixed memory and takes constant time.
//! The contexts of a query are gone when it has ended: the names of one of them are copied while it lives.

use memcheck_core::census::{Live, SiteId};
use memcheck_core::peak::Peak;

use super::memory::{Reserved, Zeroed};
use super::names::Names;
use super::sites;
use crate::snapshot::Walker;

/// A site in one step.
#[derive(Clone, Copy, Default)]
struct SitePeak {
    /// The step that all of this belongs to; what is left from another is void.
    step: u16,
    /// Allocated in this step and not freed.
    held: Live,
    /// The most of it, bytes and allocations each for itself.
    peak: Live,
    /// A context in which it holds much, and by how many bytes more than in all others: a majority vote, so a guess where no
    /// context has the greater part.
    context: usize,
    lead: u64,
    /// The peak when the names were last copied.
    named_at: u64,
    names: Names,
}

// SAFETY: integers.
unsafe impl Zeroed for SitePeak {}

/// The peaks of all sites.
pub(super) struct Peaks {
    sites: Reserved<SitePeak>,
    /// The number of the present step; 0 while nothing is counted.
    step: u16,
    last_step: u16,
    /// The highest number of a site that was counted.
    last_site: u32,
    name: fn(usize, &mut Names),
}

impl Peaks {
    /// `name` copies the names of the context at an address.
    pub(super) fn new(name: fn(usize, &mut Names)) -> Option<Self> {
        Some(Peaks { sites: Reserved::new(sites::MOST)?, step: 0, last_step: 0, last_site: 0, name })
    }

    /// Begins a step: what was allocated before it does not count.
    pub(super) fn start(&mut self) {
        self.last_step = self.last_step.checked_add(1).unwrap_or(1);
        self.step = self.last_step;
    }

    /// Counts nothing any more.
    pub(super) fn stop(&mut self) {
        self.step = 0;
    }

    /// Counts an allocation in a live context. Gives the step, for when it is freed.
    #[inline(always)]
    pub(super) fn add(&mut self, site: u32, bytes: u64, context: usize) -> u16 {
        if self.step != 0 {
            self.count(site, bytes, context);
        }
        self.step
    }

    fn count(&mut self, site: u32, bytes: u64, context: usize) {
        let (step, name) = (self.step, self.name);
        self.last_site = self.last_site.max(site);
        let site = self.sites.at(site as usize);
        if site.step != step {
            *site = SitePeak { step, ..SitePeak::default() };
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
        }
    }

    /// Takes an allocation of a step out again.
    #[inline(always)]
    pub(super) fn subtract(&mut self, step: u16, site: u32, bytes: u64, context: usize) {
        if step != 0 && step == self.step {
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

    /// Shows what every site held at most, and in which context.
    fn for_each(&self, mut show: impl FnMut(u32, Live, &Names)) {
        for number in 1..=self.last_site {
            let site = self.sites.get(number as usize);
            if site.step != 0 && site.step == self.step {
                show(number, site.peak, &site.names);
            }
        }
    }
}

/// Begins a step of a ladder.
pub(crate) fn start_step() {
    super::with_trace(|trace| trace.live.peaks().start());
}

/// What each site has held at most in the present step of a ladder.
pub(crate) fn peaks(walker: &mut Walker) -> Vec<Peak> {
    let mut peaks = Vec::new();
    super::with_trace(|trace| {
        trace.live.peaks().for_each(|site, held, names| {
            peaks.push(Peak { site: SiteId(site), path: walker.path_named(names.outermost_first()), held });
        });
    });
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: usize = 0xa0;
    const B: usize = 0xb0;

    fn peaks() -> Peaks {
        Peaks::new(|context, names| names.set([if context == A { c"a" } else { c"b" }])).unwrap()
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
        let mut peaks = peaks();
        // Before the first step nothing is counted.
        let before = peaks.add(1, 1000, A);
        peaks.start();
        peaks.subtract(before, 1, 1000, A);
        for _ in 0..10 {
            let step = peaks.add(1, 100, A);
            peaks.subtract(step, 1, 100, A);
        }
        let kept = peaks.add(2, 100, B);
        peaks.add(2, 50, B);
        peaks.subtract(kept, 2, 100, B);
        assert_eq!(shown(&peaks), [(1, 100, 1, "a".into()), (2, 150, 2, "b".into())]);
        // What is left of a step does not count in the next.
        peaks.start();
        assert_eq!(shown(&peaks), []);
        peaks.subtract(kept, 2, 50, B);
        peaks.add(2, 7, A);
        assert_eq!(shown(&peaks), [(2, 7, 1, "a".into())]);
        peaks.stop();
        peaks.add(2, 7, A);
        assert_eq!(shown(&peaks), []);
    }

    #[test]
    fn a_site_is_told_by_the_context_in_which_it_holds_most() {
        let mut peaks = peaks();
        peaks.start();
        for _ in 0..1000 {
            // Kept in one context, and as much again and for a moment in another: the peak is always reached there.
            peaks.add(1, 100, A);
            let step = peaks.add(1, 100, B);
            peaks.subtract(step, 1, 100, B);
        }
        assert_eq!(shown(&peaks), [(1, 100_100, 1001, "a".into())]);
    }
}
