//! The size field of a row: requested bytes and allocations, a range of bytes, or a number of times.

use std::fmt;
use std::str::FromStr;

use crate::check::Per;
use crate::finding::{Finding, MarkPoint};
use crate::golden::bucket::Bucket;
use crate::golden::field::BadRow;

/// The size field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// `-`: not compared, or the check has none.
    None,
    /// Requested bytes and allocations of a traced finding: `8192 x1/iter`, `2920 x1/8 iter`.
    Exact {
        /// Requested bytes in one period.
        bytes: u64,
        /// Allocations in one period.
        allocations: u64,
        /// Iterations or rows in one period.
        period: u64,
        /// What the period counts.
        per: Per,
    },
    /// Bytes in use of an untraced finding, as a range, and the contexts that pile up: `8kB..16kB/iter`,
    /// `128B..256B x1/iter`.
    Range {
        /// The range of bytes.
        bucket: Bucket,
        /// Contexts added; 0 where existing ones grew.
        contexts: u64,
        /// What it is relative to.
        per: Per,
    },
    /// How often something happened that has no size: `x1/iter`, `x3/100 iter`.
    Count {
        /// Times in one period.
        times: u64,
        /// Iterations or rows in one period.
        period: u64,
        /// What the period counts.
        per: Per,
    },
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Size::None => f.write_str("-"),
            Size::Exact { bytes, allocations, period: 1, per } => write!(f, "{bytes} x{allocations}/{}", per.as_str()),
            Size::Exact { bytes, allocations, period, per } => {
                write!(f, "{bytes} x{allocations}/{period} {}", per.as_str())
            }
            Size::Range { bucket, contexts: 0, per } => write!(f, "{bucket}/{}", per.as_str()),
            Size::Range { bucket, contexts, per } => write!(f, "{bucket} x{contexts}/{}", per.as_str()),
            Size::Count { times, period: 1, per } => write!(f, "x{times}/{}", per.as_str()),
            Size::Count { times, period, per } => write!(f, "x{times}/{period} {}", per.as_str()),
        }
    }
}

impl Size {
    /// Bytes per iteration or row: of a range, its middle; none where there are no bytes.
    pub fn bytes(&self) -> Option<f64> {
        match *self {
            Size::Exact { bytes, period, .. } => Some(bytes as f64 / period as f64),
            Size::Range { bucket, .. } => Some((bucket.lower() + bucket.upper()) as f64 / 2.0),
            Size::None | Size::Count { .. } => None,
        }
    }

    /// The requested bytes and allocations of a traced finding, if they are the same in each period.
    ///
    /// The last two intervals between marks decide, as in [`crate::judge::growth::sustained`]. The period is the smallest number of
    /// iterations that holds whole allocations in both; growth that needs a longer one than an interval has no pattern.
    pub(crate) fn exact(marks: &[MarkPoint], per: Per) -> Option<Self> {
        let recent = &marks[marks.len().saturating_sub(3)..];
        let (first, last) = (recent.first()?, recent.last()?);
        let grown = |from: &MarkPoint, to: &MarkPoint| {
            Some((
                to.iteration.checked_sub(from.iteration)?,
                to.used.checked_sub(from.used)?,
                to.objects.checked_sub(from.objects)?,
            ))
        };
        let (iterations, bytes, allocations) = grown(first, last)?;
        let divisor = gcd(gcd(iterations, bytes), allocations);
        if divisor == 0 || allocations == 0 {
            return None;
        }
        let (period, bytes, allocations) = (iterations / divisor, bytes / divisor, allocations / divisor);
        let repeats = recent.windows(2).all(|pair| {
            grown(&pair[0], &pair[1])
                .is_some_and(|(n, b, a)| n % period == 0 && b == n / period * bytes && a == n / period * allocations)
        });
        repeats.then_some(Size::Exact { bytes, allocations, period, per })
    }

    /// How often it happened over the whole window: a WARNING of the server that comes once is as good as one that comes each time.
    pub(crate) fn counted(finding: &Finding) -> Self {
        let iterations = finding.iterations.max(1);
        let divisor = gcd(finding.objects, iterations);
        Size::Count { times: finding.objects / divisor, period: iterations / divisor, per: Per::Iteration }
    }
}

impl FromStr for Size {
    type Err = BadRow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadRow::Field { field: "size", text: text.to_owned() };
        if text == "-" {
            return Ok(Size::None);
        }
        let (amount, unit) = text.rsplit_once('/').ok_or_else(bad)?;
        let (period, unit) = match unit.split_once(' ') {
            Some((period, unit)) => (period.parse().map_err(|_| bad())?, unit),
            None => (1, unit),
        };
        let per = match unit {
            "iter" => Per::Iteration,
            "row" => Per::Row,
            _ => return Err(bad()),
        };
        if let Some(times) = amount.strip_prefix('x') {
            return Ok(Size::Count { times: times.parse().map_err(|_| bad())?, period, per });
        }
        let (amount, times) = match amount.split_once(" x") {
            Some((amount, times)) => (amount, Some(times.parse().map_err(|_| bad())?)),
            None => (amount, None),
        };
        match (amount.parse(), times) {
            (Ok(bytes), Some(allocations)) => Ok(Size::Exact { bytes, allocations, period, per }),
            (Err(_), contexts) if period == 1 => {
                let bucket = amount.parse().map_err(|_| bad())?;
                Ok(Size::Range { bucket, contexts: contexts.unwrap_or(0), per })
            }
            _ => Err(bad()),
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traced_sizes_are_exact_where_they_repeat() {
        type Marks = &'static [(u64, u64, u64)];
        let table: &[(Marks, Option<&str>)] = &[
            (&[(1, 100, 1), (5, 500, 5), (10, 1000, 10)], Some("100 x1/iter")),
            (&[(0, 0, 0), (1, 8000, 1), (5, 8400, 9), (10, 8900, 19)], Some("100 x2/iter")),
            (&[(0, 0, 0), (8, 2920, 1), (16, 5840, 2)], Some("2920 x1/8 iter")),
            (&[(0, 0, 0), (10, 1000, 10)], Some("100 x1/iter")),
            (&[(0, 0, 0), (10, 1000, 10), (20, 2100, 20)], None),
            (&[(0, 0, 0), (3, 300, 1), (10, 1000, 3)], None),
            (&[(0, 500, 5), (10, 400, 4)], None),
            (&[(0, 0, 0)], None),
            (&[], None),
        ];
        for &(marks, expected) in table {
            let marks: Vec<MarkPoint> =
                marks.iter().map(|&(iteration, used, objects)| MarkPoint { iteration, used, objects }).collect();
            assert_eq!(
                Size::exact(&marks, Per::Iteration).map(|size| size.to_string()).as_deref(),
                expected,
                "{marks:?}"
            );
        }
    }
}
