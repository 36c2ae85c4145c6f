//! What parallel workers hold when they end, told from what a worker has to keep.
//!
//! A worker is a new process for each query: whatever a session caches once, it caches again, and all of it goes away with the
//! process. So a worker's word counts for little. Where the leader calls the targets' functions itself, it is the judge: it has
//! been warm for long, and what grows at a place there is a leak in the workers too. Where it does not, what a worker holds
//! has to grow with the calls, and go on after many.

use crate::census::{PathId, SiteId};
use crate::judge::growth::{Point, sustained};
use crate::judge::mark::Mark;

/// Fewer calls than these in a worker do not tell a leak from a cache that fills.
const LEAST_CALLS: u64 = 1000;

/// Sites from this number on are those of workers.
const FIRST: u32 = 1 << 31;

impl SiteId {
    /// The number of a site in workers.
    pub const fn of_worker(number: u32) -> SiteId {
        SiteId(FIRST | number)
    }

    /// The number among the sites in workers, if it is one.
    pub const fn in_worker(self) -> Option<u32> {
        if self.0 & FIRST != 0 { Some(self.0 & !FIRST) } else { None }
    }
}

/// Whether what a worker holds grows with the calls of the targets' functions.
///
/// The iterations of the points are calls. The points are those where the number of calls had doubled, and the end.
pub fn grows_with_calls(points: &[Point]) -> bool {
    let Some(last) = points.last().filter(|last| last.iteration >= LEAST_CALLS) else { return false };
    // A point just before the end would leave an interval too short to tell anything.
    let far_enough = |point: &&Point| point.iteration + point.iteration / 2 <= last.iteration;
    let points: Vec<Point> = points.iter().filter(far_enough).chain([last]).copied().collect();
    sustained(&points).is_some()
}

/// What is known of sites outside of the census.
pub trait Places {
    /// A number for what a site is judged together with.
    fn group(&self, site: SiteId) -> usize;

    /// Whether what is held at a site in workers grows with the calls, in the worker that has made most of them.
    fn grows_in_worker(&self, worker: SiteId) -> bool;

    /// Whether a site in workers and one of the leader are the same place in the code.
    fn is_same(&self, worker: SiteId, own: SiteId) -> bool;
}

/// Takes out those sites in workers that do not count. `bytes` is what a site held at a mark in contexts with a path.
pub(crate) fn retain_leaks(
    sites: &mut Vec<(PathId, SiteId)>,
    marks: &[Mark],
    places: &dyn Places,
    bytes: impl Fn(&Mark, (PathId, SiteId)) -> u64,
) {
    let own: Vec<(PathId, SiteId)> = sites.iter().copied().filter(|(_, site)| site.in_worker().is_none()).collect();
    if own.len() == sites.len() {
        return;
    }
    let recent = &marks[marks.len().saturating_sub(3)..];
    let (Some(first), Some(last)) = (recent.first(), recent.last()) else { return };
    let leader_calls = last.calls > first.calls;
    sites.retain(|&(_, site)| {
        site.in_worker().is_none()
            || if leader_calls {
                own.iter().any(|&own| places.is_same(site, own.1) && bytes(last, own) > bytes(first, own))
            } else {
                places.grows_in_worker(site)
            }
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Sites below 100 are in one library, the others in another; those in workers have the number of the leader's, and the
    /// even ones grow.
    pub(crate) struct ByNumber;

    impl Places for ByNumber {
        fn group(&self, site: SiteId) -> usize {
            usize::from(site.in_worker().unwrap_or(site.0) >= 100)
        }

        fn grows_in_worker(&self, worker: SiteId) -> bool {
            worker.in_worker().is_some_and(|number| number % 2 == 0)
        }

        fn is_same(&self, worker: SiteId, own: SiteId) -> bool {
            worker.in_worker() == Some(own.0)
        }
    }

    #[test]
    fn growth_by_call_is_told_from_caches() {
        let doubling = |end: u64, held: &dyn Fn(u64) -> u64| {
            let mut calls: Vec<u64> =
                std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|&n| n < end).collect();
            calls.insert(0, 0);
            calls.push(end);
            let points: Vec<Point> = calls.iter().map(|&n| Point { iteration: n, value: held(n) }).collect();
            grows_with_calls(&points)
        };
        for end in [1000, 1023, 1024, 1025, 1500, 2049, 100_000] {
            assert!(doubling(end, &|n| 8 * n), "{end} calls");
            assert!(doubling(end, &|n| if n == 0 { 0 } else { 1 << 20 } + 8 * n), "{end} calls, cache first");
            assert!(!doubling(end, &|n| if n == 0 { 0 } else { 1 << 20 }), "{end} calls, filled by the first");
            assert!(!doubling(end, &|n| 100 * n.min(500)), "{end} calls, 500 keys");
            assert!(!doubling(end, &|_| 0), "{end} calls, nothing");
        }
        assert!(!doubling(999, &|n| 8 * n));
        assert!(!grows_with_calls(&[]));
    }

    #[test]
    fn sites_of_workers_are_numbered_apart() {
        assert_eq!(SiteId::of_worker(7).in_worker(), Some(7));
        assert_eq!(SiteId(7).in_worker(), None);
    }
}
