//! What a series of marks says: a leak, a step, or nothing.

use crate::judge::quarters::Quarters;
pub use crate::judge::quarters::{Point, SHAPED};
use crate::words::words;

words! {
    /// How something grows with the iterations.
    Shape: "shape" {
        /// At a steady rate.
        Linear = "linear",
        /// At a rate that rises: the last interval's is more than 1.5 times the first one's.
        Superlinear = "superlinear",
    }
}

/// Growth that goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// From the first mark to the last.
    pub total: u64,
    /// Per iteration, over the last two intervals: what is filled once at the start is not in it.
    pub rate: f64,
    /// Per iteration in the first interval that grew.
    pub early: f64,
    /// Per iteration in the last interval.
    pub late: f64,
    /// The shape; none where there is only one interval.
    pub shape: Option<Shape>,
}

/// Late rate over early rate above which growth is superlinear (documented).
const SUPERLINEAR: f64 = 1.5;
/// How much the last interval's rate must exceed the one's before as well: a leak that only starts late is not superlinear.
const ACCELERATING: f64 = 1.2;
/// A rate that falls to less than this part of the one before is a cache that fills up.
const FLATTENING: f64 = 0.5;

/// Tells growth that goes on from a cache that fills and from memory that is taken and given back.
///
/// By the quarters of the window where there are marks enough ([`Quarters::go_on`]), and else by the last two intervals
/// ([`in_two_intervals`]). Rates are those over the marks that are [`spaced`]. Marks have to be in order of iterations.
pub fn sustained(points: &[Point]) -> Option<Growth> {
    let Some(quarters) = Quarters::of(points) else { return in_two_intervals(points) };
    if !quarters.go_on() {
        return quarters.doubles().then(|| on_average(points)).flatten();
    }
    let iterations: Vec<u64> = points.iter().map(|point| point.iteration).collect();
    let shown: Vec<Point> = spaced(&iterations).into_iter().map(|at| points[at]).collect();
    let growth = rates(&shown)?;
    let superlinear = growth.late > growth.early * SUPERLINEAR && quarters.accelerate();
    Some(Growth { shape: Some(if superlinear { Shape::Superlinear } else { Shape::Linear }), ..growth })
}

/// Growth that shows too seldom to have other rates than that of the whole window.
fn on_average(points: &[Point]) -> Option<Growth> {
    let (first, last) = (points.first()?, points.last()?);
    let rate = rate(*first, *last);
    let total = last.value.saturating_sub(first.value);
    Some(Growth { total, rate, early: rate, late: rate, shape: Some(Shape::Linear) })
}

/// Tells growth that goes on where there are few marks.
///
/// It does if the last two intervals both grew and the last one's rate did not fall to less than half. A step in one interval
/// is a cache, and so is growth that flattens out. With a single interval any growth counts.
pub fn in_two_intervals(points: &[Point]) -> Option<Growth> {
    let growth = rates(points)?;
    let Some(previous) = points.len().checked_sub(3).map(|at| rate(points[at], points[at + 1])) else {
        return Some(growth);
    };
    if previous <= 0.0 || growth.late < previous * FLATTENING {
        return None;
    }
    let superlinear = growth.late > growth.early * SUPERLINEAR && growth.late > previous * ACCELERATING;
    Some(Growth { shape: Some(if superlinear { Shape::Superlinear } else { Shape::Linear }), ..growth })
}

fn rate(from: Point, to: Point) -> f64 {
    let iterations = to.iteration.saturating_sub(from.iteration).max(1);
    (to.value as f64 - from.value as f64) / iterations as f64
}

/// The rates of points that end higher than they started and than the last but one; without a shape.
fn rates(points: &[Point]) -> Option<Growth> {
    let (first, last) = (points.first()?, points.last()?);
    let late = rate(*points.get(points.len().checked_sub(2)?)?, *last);
    let early = points.windows(2).map(|pair| rate(pair[0], pair[1])).find(|&rate| rate > 0.0)?;
    let recent = rate(points[points.len().saturating_sub(3)], *last);
    let grows = late > 0.0 && last.value > first.value;
    grows.then(|| Growth { total: last.value - first.value, rate: recent, early, late, shape: None })
}

/// Of the marks of a scenario so many are spread over its iterations.
const SPREAD: u64 = 64;

/// The iterations after which a scenario sets marks: the [`checkpoints`], and others [`spread`] between them, so that what
/// happens once in several iterations is seen wherever it falls.
pub fn marks(iterations: u64) -> Vec<u64> {
    let parts = SPREAD.min(iterations);
    // Not iterations * n / parts: it is the client who says how many iterations there are.
    let end = |n: u64| iterations / parts * n + iterations % parts * n / parts;
    let quarters = (1..=3).map(|quarter| iterations / 4 * quarter + (iterations % 4 * quarter + 2) / 4);
    let spread = (0..parts).map(|n| end(n) + 1 + spread(n, end(n + 1) - end(n)));
    let mut marks: Vec<u64> = checkpoints(iterations).into_iter().chain(spread).chain(quarters).collect();
    marks.retain(|&n| n > 0);
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// Where in a part of a window, from its start, its mark is: in each at another place, without a pattern, so that what comes
/// and goes is not met at the same moment of its coming and going, whatever its period.
fn spread(n: u64, length: u64) -> u64 {
    // The finalizer of MurmurHash3.
    let mut mixed = n;
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(factor);
    }
    ((u128::from(mixed) * u128::from(length)) >> 64) as u64
}

/// Whether a mark is set after this iteration where nobody knows how many there will be: one in so many.
pub fn is_marked(iteration: u64, stride: u64) -> bool {
    iteration % stride == spread(iteration / stride, stride)
}

/// The iterations at which a curve is shown, and over which its rates are told: 1, 10, 100, ... as documented, half of them
/// all, and the last. Eight at most.
///
/// The mark at the half makes the last two intervals of comparable length, so there is none between it and the last.
pub fn checkpoints(iterations: u64) -> Vec<u64> {
    const MOST: usize = 8;
    let half = iterations / 2;
    let decades = std::iter::successors(Some(1u64), |n| n.checked_mul(10)).take_while(|&n| n < half);
    let mut marks: Vec<u64> = decades.chain([half, iterations]).collect();
    marks.retain(|&n| n > 0);
    marks.sort_unstable();
    marks.dedup();
    // The early decades are the ones that can be spared.
    marks.split_off(marks.len().saturating_sub(MOST))
}

/// Of marks that were set at these iterations, ascending, the positions of those to show: the first, and those nearest to
/// the [`checkpoints`] of the last.
pub fn spaced(iterations: &[u64]) -> Vec<usize> {
    let mut chosen: Vec<usize> = iterations.first().map(|_| 0).into_iter().collect();
    for wanted in checkpoints(iterations.last().copied().unwrap_or(0)) {
        let nearest = (0..iterations.len()).min_by_key(|&at| iterations[at].abs_diff(wanted));
        chosen.extend(nearest.filter(|at| !chosen.contains(at)));
    }
    // Marks without iterations between them have nothing to be near to.
    chosen.extend((1..iterations.len()).next_back().filter(|at| !chosen.contains(at)));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(u64, u64)]) -> Vec<Point> {
        values.iter().map(|&(iteration, value)| Point { iteration, value }).collect()
    }

    #[test]
    fn marks_are_log_spaced_with_a_half() {
        let table: &[(u64, &[u64])] = &[
            (0, &[]),
            (1, &[1]),
            (2, &[1, 2]),
            (5, &[1, 2, 5]),
            (10, &[1, 5, 10]),
            (50, &[1, 10, 25, 50]),
            (1000, &[1, 10, 100, 500, 1000]),
            (20, &[1, 10, 20]),
            (105, &[1, 10, 52, 105]),
            (1009, &[1, 10, 100, 504, 1009]),
            (100_000_000, &[100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000]),
        ];
        for &(iterations, expected) in table {
            assert_eq!(checkpoints(iterations), expected, "{iterations}");
        }
    }

    #[test]
    fn marks_are_the_checkpoints_and_others_spread() {
        assert_eq!(marks(0), [0; 0]);
        assert_eq!(marks(10), (1..=10).collect::<Vec<_>>());
        assert_eq!(marks(64), (1..=64).collect::<Vec<_>>());
        let thousand = marks(1000);
        assert_eq!(&thousand[..7], &[1, 10, 27, 35, 47, 67, 91]);
        assert!(thousand.windows(2).all(|pair| pair[1] - pair[0] < 2 * 16), "{thousand:?}");
        assert!([250, 500, 750, 1000].iter().all(|mark| thousand.contains(mark)), "{thousand:?}");
        assert!(checkpoints(1009).iter().all(|mark| marks(1009).contains(mark)));
        assert_eq!(marks(u64::MAX).last(), Some(&u64::MAX));
    }

    #[test]
    fn leaks_are_told_from_caches() {
        type Marks = &'static [(u64, u64)];
        type Expected = Option<(u64, f64, Option<Shape>)>;
        let linear = Some(Shape::Linear);
        let table: &[(&str, Marks, Expected)] = &[
            ("nothing", &[(0, 5), (1, 5), (10, 5), (50, 5), (100, 5)], None),
            ("no marks", &[], None),
            ("one mark", &[(0, 5)], None),
            ("one interval", &[(0, 5), (10, 105)], Some((100, 10.0, None))),
            (
                "100 bytes a call",
                &[(0, 0), (1, 100), (10, 1000), (50, 5000), (100, 10_000)],
                Some((10_000, 100.0, linear)),
            ),
            ("a cache filled by the first call", &[(0, 0), (1, 9000), (10, 9000), (50, 9000), (100, 9000)], None),
            ("a cache filled late", &[(0, 0), (1, 0), (10, 0), (50, 0), (100, 9000)], None),
            ("a generic plan at the sixth", &[(0, 0), (1, 0), (10, 9000), (50, 9000), (100, 9000)], None),
            (
                "a cache first, a leak behind it",
                &[(0, 0), (1, 9000), (10, 9900), (50, 13_900), (100, 18_900)],
                Some((18_900, 100.0, linear)),
            ),
            ("a cache that fills up", &[(0, 0), (1, 64), (10, 640), (50, 3200), (100, 4096)], None),
            (
                "64 n bytes at call n",
                &[(0, 0), (1, 64), (10, 3520), (50, 81_600), (100, 323_200)],
                Some((323_200, 3552.0, Some(Shape::Superlinear))),
            ),
            (
                "a leak that starts late",
                &[(0, 0), (1, 0), (10, 0), (50, 4000), (100, 9000)],
                Some((9000, 100.0, linear)),
            ),
            ("growth that is undone", &[(0, 900), (1, 0), (10, 10), (50, 50), (100, 100)], None),
            (
                "every fiftieth call",
                &[(0, 0), (1, 0), (10, 0), (100, 2000), (500, 10_000), (1000, 20_000)],
                Some((20_000, 20.0, linear)),
            ),
            ("falling", &[(0, 900), (1, 800), (10, 700)], None),
        ];
        for &(name, values, expected) in table {
            let found = sustained(&points(values)).map(|g| (g.total, (g.rate * 10.0).round() / 10.0, g.shape));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn marks_at_hand_stand_in_for_checkpoints() {
        let table: &[(&[u64], &[usize])] = &[
            (&[], &[]),
            (&[0], &[0]),
            (&[0, 0], &[0, 1]),
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &[0, 1, 5, 10]),
            // Every 16th transaction: 1 is nearest to the first mark.
            (&[0, 16, 32, 48, 64, 80, 96, 112, 128, 144], &[0, 1, 4, 9]),
        ];
        for &(iterations, expected) in table {
            assert_eq!(spaced(iterations), expected, "{iterations:?}");
        }
    }

    #[test]
    fn early_and_late_rates_are_reported() {
        let growth = sustained(&points(&[(0, 0), (1, 64), (10, 3520), (50, 81_600), (100, 323_200)])).unwrap();
        assert_eq!((growth.early, growth.late), (64.0, 4832.0));
    }
}
