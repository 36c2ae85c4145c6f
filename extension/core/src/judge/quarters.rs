//! Whether a curve goes on, by the quarters of its window.
//!
//! A leak comes back: whatever its period, up to a quarter of the window, it comes in each quarter, at distances that are the
//! same and with as much as before; or it is a buffer that doubles, and comes half as often with twice as much. What fills up
//! comes rarer or stops. What is given back again is not held: a value counts
//! only as far as it is never undercut later.
//!
//! Marks tell of an event only between which of them it was, so distances are known from one number to another, and what is
//! said of them is what must be for any place in between.

use std::ops::Range;

/// One value at one mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Iterations done.
    pub iteration: u64,
    /// Bytes or objects.
    pub value: u64,
}

/// Fewer events than these have no shape but a line's: a hash table that is enlarged a third time is not superlinear.
pub const SHAPED: u64 = 8;

/// Fewer events than these in the window are steps, however they lie.
const STEPS: usize = 4;
/// Fewer events than these in the last three quarters have to come at the same distances.
const FEW: usize = 8;
/// The last quarter may grow by so much of another one, besides one event more or less.
const FADING: f64 = 2.0 / 3.0;
/// Has to grow to be so many times as much as is given back at a time.
const GIVEN_BACK: u64 = 4;
/// How much faster than in the second quarter something grows in the last one if it is superlinear.
const ACCELERATING: f64 = 1.2;
/// A buffer has to be enlarged so often that it is known to double.
const DOUBLINGS: usize = 3;
/// How far it is from one time to the next by how far it was before, as near as marks tell.
const TWICE: Range<f64> = 1.5..2.5;

/// A window with marks at its quarters and between them.
pub(super) struct Quarters<'a> {
    points: &'a [Point],
    /// At each mark, the least that was held from there on.
    kept: Vec<u64>,
    /// The mark at the end of each of the first three quarters.
    bounds: [usize; 3],
    /// The marks up to which something was added since the one before.
    events: Vec<usize>,
}

impl<'a> Quarters<'a> {
    /// None where there are too few marks, or none near the quarters.
    pub(super) fn of(points: &'a [Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let length = last.iteration.saturating_sub(first.iteration);
        let near = (length as f64 / 16.0).max(0.5);
        let bound = |quarter: u64| {
            let wanted = first.iteration as f64 + length as f64 * quarter as f64 / 4.0;
            let distance = |at: &usize| (points[*at].iteration as f64 - wanted).abs();
            (0..points.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).filter(|at| distance(at) <= near)
        };
        let bounds = [bound(1)?, bound(2)?, bound(3)?];
        let ascend = [0, bounds[0], bounds[1], bounds[2], points.len() - 1].windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend {
            return None;
        }
        let mut kept: Vec<u64> = points.iter().map(|point| point.value).collect();
        for at in (1..kept.len()).rev() {
            kept[at - 1] = kept[at - 1].min(kept[at]);
        }
        let events = (1..kept.len()).filter(|&at| kept[at] > kept[at - 1]).collect();
        Some(Quarters { points, kept, bounds, events })
    }

    /// Whether it goes on.
    pub(super) fn go_on(&self) -> bool {
        let [second, third, fourth] = self.grown();
        let comes_in_each = second > 0 && third > 0 && fourth > 0;
        let comes_back = self.events.len() >= STEPS && !self.has_stopped() && self.is_regular();
        comes_in_each && comes_back && !self.fades() && !self.is_given_back()
    }

    /// Whether it grows faster and faster, if it goes on.
    pub(super) fn accelerate(&self) -> bool {
        let (start, middle, end) = (self.bounds[0], self.bounds[1], self.points.len() - 1);
        let rate = |from: usize, to: usize| (self.kept[to] - self.kept[from]) as f64 / self.iterations(from, to) as f64;
        let of_second = self.events.iter().filter(|&&at| at > start && at <= middle).count() as f64;
        // Of what comes at the same distances, there may be one more in the last quarter.
        let one_more = (of_second + 1.0) / of_second.max(1.0);
        self.events.len() as u64 >= SHAPED && rate(self.bounds[2], end) > rate(start, middle) * one_more * ACCELERATING
    }

    /// Whether a buffer is made twice as large each time it is full, as `enlargeStringInfo` (stringinfo.c) and `enlarge_list`
    /// (list.c) do: what is put into it goes on, though it shows ever more seldom.
    pub(super) fn doubles(&self) -> bool {
        let Some(first) = self.events.len().checked_sub(DOUBLINGS) else { return false };
        let recent = &self.events[first..];
        let added: Vec<u64> = recent.iter().map(|&at| self.kept[at] - self.kept[at - 1]).collect();
        let distances: Vec<(u64, u64)> = self.distances(|from, _| from >= recent[0]).collect();
        let last = recent[DOUBLINGS - 1];
        let idle = self.iterations(last, self.points.len() - 1);
        let overdue = distances.last().is_none_or(|&(_, most)| idle as f64 >= most as f64 * TWICE.end);
        added.windows(2).all(|pair| pair[1] == 2 * pair[0])
            && distances.windows(2).all(|pair| {
                let ((least, most), (next_least, next_most)) = (pair[0], pair[1]);
                next_most as f64 >= least as f64 * TWICE.start && next_least as f64 <= most as f64 * TWICE.end
            })
            && !overdue
            && self.points.iter().zip(&self.kept).all(|(point, &kept)| point.value == kept)
    }

    /// What was added for good in the last three quarters.
    fn grown(&self) -> [u64; 3] {
        let [first, second, third] = self.bounds;
        let last = self.points.len() - 1;
        [(first, second), (second, third), (third, last)].map(|(from, to)| self.kept[to] - self.kept[from])
    }

    fn iterations(&self, from: usize, to: usize) -> u64 {
        self.points[to].iteration.saturating_sub(self.points[from].iteration)
    }

    /// The shortest and the longest that it can have been from one of these events to the next.
    fn distances(&self, select: impl Fn(usize, usize) -> bool) -> impl Iterator<Item = (u64, u64)> {
        let pairs = self.events.windows(2).map(|pair| (pair[0], pair[1])).filter(move |&(from, to)| select(from, to));
        pairs.map(|(from, to)| (self.iterations(from, to - 1), self.iterations(from - 1, to)))
    }

    /// Whether the next event is overdue, by the distances in the second half.
    fn has_stopped(&self) -> bool {
        let (half, last) = (self.bounds[1], self.points.len() - 1);
        let idle = self.events.last().map_or(u64::MAX, |&at| self.iterations(at, last));
        self.distances(|_, to| to > half).all(|(_, most)| idle >= most)
    }

    /// Whether events that are few come at distances that may be the same. In the first quarter something else may be filled.
    fn is_regular(&self) -> bool {
        let start = self.bounds[0];
        if self.events.iter().filter(|&&at| at > start).count() >= FEW {
            return true;
        }
        let distances: Vec<(u64, u64)> = self.distances(|from, _| from > start).collect();
        distances.iter().map(|&(least, _)| least).max() <= distances.iter().map(|&(_, most)| most).min()
    }

    /// Whether less and less is added, by more than one event that happens to be in another quarter.
    fn fades(&self) -> bool {
        let [second, third, fourth] = self.grown();
        let added = |at: usize| self.kept[at] - self.kept[at - 1];
        let event = (self.bounds[0] + 1..self.points.len()).map(added).max().unwrap_or(0);
        ((fourth + event) as f64) < second.max(third) as f64 * FADING
    }

    /// Whether not much less than was added was given back at a time: it is taken up again until the next time.
    fn is_given_back(&self) -> bool {
        let recent = self.bounds[0]..self.points.len();
        let most = recent.map(|at| self.points[at].value - self.kept[at]).max().unwrap_or(0);
        most * GIVEN_BACK >= self.grown().iter().sum()
    }
}
