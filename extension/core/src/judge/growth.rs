//! What a series of marks says: a leak, a step, or nothing.

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

/// One value at one mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Iterations done.
    pub iteration: u64,
    /// Bytes or objects.
    pub value: u64,
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

/// Tells growth that goes on from a cache that fills once.
///
/// Growth goes on if the last two intervals both grew and the last one's rate did not fall to less than half. A step in
/// one interval is a cache, and so is growth that flattens out. With a single interval any growth counts. Marks have to be
/// in order of iterations.
pub fn sustained(points: &[Point]) -> Option<Growth> {
    let rates: Vec<f64> = points
        .windows(2)
        .map(|pair| {
            let iterations = pair[1].iteration.saturating_sub(pair[0].iteration).max(1);
            (pair[1].value as f64 - pair[0].value as f64) / iterations as f64
        })
        .collect();
    let (&late, before) = rates.split_last()?;
    let (first, last) = (points.first()?, points.last()?);
    if late <= 0.0 || last.value <= first.value {
        return None;
    }
    let total = last.value - first.value;
    let Some(&previous) = before.last() else {
        return Some(Growth { total, rate: late, early: late, late, shape: None });
    };
    if previous <= 0.0 || late < previous * FLATTENING {
        return None;
    }
    let early = rates.iter().copied().find(|&rate| rate > 0.0)?;
    let start = points[points.len() - 3];
    let rate = (last.value as f64 - start.value as f64) / (last.iteration - start.iteration).max(1) as f64;
    let shape =
        if late > early * SUPERLINEAR && late > previous * ACCELERATING { Shape::Superlinear } else { Shape::Linear };
    Some(Growth { total, rate, early, late, shape: Some(shape) })
}

/// The iterations after which a mark is set: 1, 10, 100, ... as documented, half of them all, and the last. Eight at most.
///
/// The mark at the half makes the last two intervals of comparable length, which is what [`sustained`] compares.
pub fn checkpoints(iterations: u64) -> Vec<u64> {
    const MOST: usize = 8;
    let mut marks: Vec<u64> =
        std::iter::successors(Some(1u64), |n| n.checked_mul(10)).take_while(|&n| n < iterations).collect();
    marks.push(iterations / 2);
    marks.push(iterations);
    marks.retain(|&n| n > 0);
    marks.sort_unstable();
    marks.dedup();
    // The early decades are the ones that can be spared.
    marks.split_off(marks.len().saturating_sub(MOST))
}

/// Of marks that were set at these iterations, ascending, the positions of those to judge by: the first, and those nearest to
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
            (100_000_000, &[100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000]),
        ];
        for &(iterations, expected) in table {
            assert_eq!(checkpoints(iterations), expected, "{iterations}");
        }
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
            (&[0, 16, 32, 48, 64, 80, 96, 112, 128, 144], &[0, 1, 4, 6, 9]),
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
