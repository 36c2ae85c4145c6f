//! What is held over the marks of a window, and the finding that it makes.

use crate::census::{Live, PathId, SiteId, Totals};
use crate::check::CheckKind;
use crate::finding::{Finding, MarkPoint};
use crate::judge::growth::{Growth, Point, SHAPED, Shape, sustained};
use crate::judge::thresholds::severity;
use crate::path::ContextPath;

/// What is held at one moment: bytes, and a number of something.
pub trait Held: Copy + Default {
    /// Bytes.
    fn bytes(&self) -> u64;

    /// How many there are of what is counted.
    fn objects(&self) -> u64;
}

/// Bytes in use, and contexts.
impl Held for Totals {
    fn bytes(&self) -> u64 {
        self.used
    }

    fn objects(&self) -> u64 {
        self.objects
    }
}

/// Bytes as they were requested, and allocations.
impl Held for Live {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn objects(&self) -> u64 {
        self.allocations
    }
}

/// How often something has happened: of no size.
impl Held for u64 {
    fn bytes(&self) -> u64 {
        0
    }

    fn objects(&self) -> u64 {
        *self
    }
}

/// What is held over the marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve<V> {
    /// Iterations, or rows, and what was held after them.
    pub points: Vec<(u64, V)>,
}

/// Contexts with one path, and what is held in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Contexts<V> {
    /// The path.
    pub path: PathId,
    /// The site that holds most of it, where allocations are traced.
    pub site: Option<SiteId>,
    /// What is held.
    pub curve: Curve<V>,
}

/// Whether more was held all the time in the second half of the marks than ever in the first half.
pub fn has_grown_for_good(marks: &[MarkPoint]) -> bool {
    let (first, second) = marks.split_at(marks.len() / 2);
    let most = first.iter().map(|mark| mark.used).max();
    most < second.iter().map(|mark| mark.used).min()
}

/// How a curve grows, as far as it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Trend {
    /// In bytes.
    pub bytes: Option<Growth>,
    /// In objects.
    pub objects: Option<Growth>,
}

impl<V: Held> Curve<V> {
    /// What was held at the first mark.
    pub fn first(&self) -> V {
        self.points.first().map(|&(_, held)| held).unwrap_or_default()
    }

    /// What was held at the last mark.
    pub fn last(&self) -> V {
        self.points.last().map(|&(_, held)| held).unwrap_or_default()
    }

    /// Iterations, or rows, at the last mark.
    pub fn iterations(&self) -> u64 {
        self.points.last().map_or(0, |&(iteration, _)| iteration)
    }

    /// Bytes by which the last mark is above the first.
    pub fn bytes_added(&self) -> u64 {
        self.last().bytes().saturating_sub(self.first().bytes())
    }

    /// Objects by which the last mark is above the first.
    pub fn objects_added(&self) -> u64 {
        self.last().objects().saturating_sub(self.first().objects())
    }

    /// Whether there are more objects at the last mark than at the first.
    pub fn piles_up(&self) -> bool {
        self.objects_added() > 0
    }

    /// Growth in bytes that goes on.
    pub fn bytes(&self) -> Option<Growth> {
        self.growth_of(Held::bytes)
    }

    /// Growth in objects that goes on.
    pub fn objects(&self) -> Option<Growth> {
        self.growth_of(Held::objects)
    }

    /// Growth that goes on. Bytes in a few objects have no shape but a line's.
    pub fn trend(&self) -> Trend {
        let few = (1..SHAPED).contains(&self.objects_added());
        let bytes = self.bytes().map(|growth| match growth.shape {
            Some(_) if few => Growth { shape: Some(Shape::Linear), ..growth },
            _ => growth,
        });
        Trend { bytes, objects: self.objects() }
    }

    fn growth_of(&self, value: impl Fn(&V) -> u64) -> Option<Growth> {
        let points: Vec<Point> =
            self.points.iter().map(|(iteration, held)| Point { iteration: *iteration, value: value(held) }).collect();
        sustained(&points)
    }

    /// The curve as a finding has it.
    pub fn marks(&self) -> Vec<MarkPoint> {
        let mark = |&(iteration, held): &(u64, V)| MarkPoint { iteration, used: held.bytes(), objects: held.objects() };
        self.points.iter().map(mark).collect()
    }

    /// A finding about the whole curve. Its rates are those of growth that goes on, and the average over the window where
    /// none does. Its sentence, its site and its phase are left to who knows them.
    pub fn finding(&self, check: CheckKind, path: ContextPath, trend: Trend, shape: Option<Shape>) -> Finding {
        let (bytes, objects, iterations) = (self.bytes_added(), self.objects_added(), self.iterations());
        let rate = |growth: Option<Growth>, total: u64| {
            growth.map_or_else(|| total as f64 / iterations.max(1) as f64, |growth| growth.rate)
        };
        Finding {
            check,
            severity: severity(check, bytes, shape),
            path,
            bytes,
            objects,
            iterations,
            bytes_per_iter: rate(trend.bytes, bytes),
            objects_per_iter: rate(trend.objects, objects),
            shape,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: self.marks(),
            detail: String::new(),
            access: None,
        }
    }
}

impl Curve<Totals> {
    /// Bytes from malloc by which the last mark is above the first.
    pub fn space_added(&self) -> u64 {
        self.last().allocated.saturating_sub(self.first().allocated)
    }
}

impl Trend {
    /// The shape of the growth in bytes.
    pub fn shape_of_bytes(&self) -> Option<Shape> {
        self.bytes.and_then(|growth| growth.shape)
    }

    /// The shape of the growth in bytes, or else in objects.
    pub fn shape(&self) -> Option<Shape> {
        self.bytes.or(self.objects).and_then(|growth| growth.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_has_not_grown_for_good() {
        let table: [(&[u64], bool); 9] = [
            (&[], false),
            (&[0, 65], true),
            (&[65, 65], false),
            (&[65, 131, 65, 131], false),
            (&[65, 65, 65, 131], false),
            (&[131, 65, 131, 65], false),
            (&[0, 65, 131, 196], true),
            (&[0, 0, 65, 65], true),
            (&[0, 65, 65], true),
        ];
        for (used, expected) in table {
            let marks: Vec<MarkPoint> =
                (0..).zip(used).map(|(iteration, &used)| MarkPoint { iteration, used, objects: 1 }).collect();
            assert_eq!(has_grown_for_good(&marks), expected, "{used:?}");
        }
    }
}
