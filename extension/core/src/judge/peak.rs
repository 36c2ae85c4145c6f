//! Judgement of a ladder: one statement at growing numbers of rows, by what the targets held at most while it ran.
//!
//! That all is given back at the end is no excuse: a query over more rows needs more memory. But the result itself grows
//! with the rows as well. A result is one allocation, or as many as there were at first, which gets larger; what is
//! forgotten row by row is one allocation more for each row. So allocations are counted, and of what SPI hands to its caller
//! whole results and plans. Bytes in a constant number of allocations count only if they outgrow the rows.
//!
//! The same goes for contexts, with the bytes that they had from malloc: one that was reset and kept holds nothing and takes
//! its blocks all the same.

use std::collections::BTreeMap;

use crate::census::{Live, PathId, PathTable, SiteId};
use crate::check::CheckKind;
use crate::detail;
use crate::finding::{Finding, sort};
use crate::judge::curve::{Curve, Trend};
use crate::judge::growth::{Growth, Shape};
use crate::judge::rules::Rules;
use crate::judge::workers::Places;
use crate::site::Site;

/// What a peak counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// What was allocated: bytes as they were requested.
    Chunks,
    /// Contexts that were created: the bytes that they had from malloc, whatever was in them.
    Contexts,
}

/// What a site held at most in one step of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// Of what.
    pub of: Of,
    /// The site.
    pub site: SiteId,
    /// The contexts in which it held most of it.
    pub path: PathId,
    /// The most bytes and the most allocations, not necessarily at the same moment. In contexts that the server has made for
    /// a target, their number in place of that of allocations.
    pub held: Live,
}

/// One step of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Number of rows.
    pub rows: u64,
    /// What each site held at most.
    pub peaks: Vec<Peak>,
}

/// So many allocations more is not the growth of a list or a hash table by doubling.
const ALLOCATIONS: u64 = 8;
/// A rate that falls to less than this part of the one before: allocations of growing size, each twice the one before, come
/// at half the rate.
const DOUBLING: f64 = 0.75;

/// Judges a ladder: one finding for each context path and library, by the site that holds most of it.
///
/// A site counts for the path that it has at the largest number of rows.
pub fn judge_peaks(paths: &PathTable, ladder: &[Rung], rules: &Rules, places: &dyn Places) -> Vec<Finding> {
    let Some(last) = ladder.last() else { return Vec::new() };
    let mut groups: BTreeMap<(PathId, usize), Vec<Peak>> = BTreeMap::new();
    for &peak in &last.peaks {
        groups.entry((peak.path, places.group(peak.site))).or_default().push(peak);
    }
    let mut findings: Vec<Finding> = groups
        .iter()
        .filter_map(|((path, _), peaks)| {
            // What is in contexts that pile up is in their blocks.
            let of = |of| peaks.iter().copied().filter(|peak| peak.of == of).collect::<Vec<Peak>>();
            finding(paths, ladder, *path, &of(Of::Contexts)).or_else(|| finding(paths, ladder, *path, &of(Of::Chunks)))
        })
        .collect();
    findings.retain(|finding| {
        let counts = !rules.linear_is_fine || finding_outgrows_rows(finding);
        counts && rules.filter.reports(&finding.path) && !rules.filter.allows(&finding.path)
    });
    sort(&mut findings);
    findings
}

/// The finding of a group of sites, if their peak grows with the rows.
fn finding(paths: &PathTable, ladder: &[Rung], path: PathId, peaks: &[Peak]) -> Option<Finding> {
    let held = |rung: &Rung| {
        let is_same = |peak: &&Peak| peaks.iter().any(|other| (other.of, other.site) == (peak.of, peak.site));
        let same = rung.peaks.iter().filter(is_same);
        same.fold(Live::default(), |sum, peak| Live {
            bytes: sum.bytes + peak.held.bytes,
            allocations: sum.allocations + peak.held.allocations,
        })
    };
    let curve = Curve { points: ladder.iter().map(|rung| (rung.rows, held(rung))).collect() };
    let bytes = curve.bytes();
    let objects = curve.objects().filter(|growth| adds_up(&curve.points, growth));
    if objects.is_none() && !bytes.is_some_and(|growth| outgrows_rows(&curve.points, &growth)) {
        return None;
    }
    let (&few, &many) = (curve.points.first()?, curve.points.last()?);
    let most = peaks.iter().max_by_key(|peak| peak.held.bytes)?;
    let path = paths.path(path);
    let what = if most.of == Of::Contexts { "contexts" } else { "allocations" };
    let detail = detail::query_bloat(&path, what, few, many);
    let trend = Trend { bytes, objects };
    Some(Finding {
        // What does not go on with the rows has no rate: it is not theirs.
        bytes_per_iter: bytes.map_or(0.0, |growth| growth.rate),
        objects_per_iter: objects.map_or(0.0, |growth| growth.rate),
        site: Some(Site::numbered(most.site)),
        detail,
        ..curve.finding(CheckKind::QueryBloat, path, trend, trend.shape())
    })
}

/// Whether allocations come at the rate of the rows.
fn adds_up(curve: &[(u64, Live)], growth: &Growth) -> bool {
    let recent = &curve[curve.len().saturating_sub(3)..];
    let [before @ .., (_, last)] = recent else { return false };
    let Some((_, first)) = before.first() else { return false };
    let previous = match before {
        [(from, at_from), (to, at_to)] => {
            (at_to.allocations as f64 - at_from.allocations as f64) / (to - from).max(1) as f64
        }
        _ => growth.late,
    };
    last.allocations - first.allocations >= ALLOCATIONS && growth.late >= previous * DOUBLING
}

/// Whether bytes grow by more than the rows do, from the first rung to the last. A buffer that is doubled when it is full
/// may be twice as large as what is in it.
fn outgrows_rows(curve: &[(u64, Live)], growth: &Growth) -> bool {
    let (Some((few, at_few)), Some((many, at_many))) = (curve.first(), curve.last()) else { return false };
    growth.shape == Some(Shape::Superlinear) && outgrows((*few, at_few.bytes), (*many, at_many.bytes))
}

/// Whether a finding's bytes or objects do.
fn finding_outgrows_rows(finding: &Finding) -> bool {
    let (Some(few), Some(many)) = (finding.marks.first(), finding.marks.last()) else { return false };
    outgrows((few.iteration, few.used), (many.iteration, many.used))
        || outgrows((few.iteration, few.objects), (many.iteration, many.objects))
}

fn outgrows((few, at_few): (u64, u64), (many, at_many): (u64, u64)) -> bool {
    let factor = |from: u64, to: u64| to as f64 / from.max(1) as f64;
    factor(at_few, at_many) >= 2.0 * factor(few, many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::rules::Filter;
    use crate::judge::workers::tests::ByNumber;
    use crate::like::Like;

    /// What a site held at most at so many rows: bytes and allocations.
    type Held = fn(u64) -> (u64, u64);

    /// The findings about sites, each of which holds something in a context of its name. Sites below 100 are in one library,
    /// the others in another.
    fn judged(rows: &[u64], sites: &[(u32, &str, Held)], filter: Filter) -> Vec<String> {
        judged_by(rows, sites, Rules { filter, ..Rules::default() })
    }

    fn judged_by(rows: &[u64], sites: &[(u32, &str, Held)], rules: Rules) -> Vec<String> {
        let mut paths = PathTable::default();
        let rung = |&rows: &u64| Rung {
            rows,
            peaks: sites
                .iter()
                .map(|&(site, name, held)| {
                    let (bytes, allocations) = held(rows);
                    let path = paths.child(PathId::ROOT, name);
                    Peak { of: Of::Chunks, site: SiteId(site), path, held: Live { bytes, allocations } }
                })
                .collect(),
        };
        let ladder: Vec<Rung> = rows.iter().map(rung).collect();
        judge_peaks(&paths, &ladder, &rules, &ByNumber)
            .into_iter()
            .map(|f| {
                let shape = f.shape.map_or("-", Shape::as_str);
                let site = f.site.map_or(-1, |site| i64::from(site.id.0));
                let (bytes, objects) = (f.bytes_per_iter, f.objects_per_iter);
                format!("{} {} {} {bytes:.0} x{objects:.2} {shape} site {site}", f.check, f.severity, f.path)
            })
            .collect()
    }

    fn sort_comparisons(rows: u64) -> u64 {
        (rows as f64 * (rows as f64).log2()) as u64 - rows
    }

    #[test]
    fn what_is_forgotten_row_by_row_is_told_from_a_result() {
        let doubled: [&[u64]; 4] =
            [&[500, 1000, 2000], &[500, 1000, 1500], &[1000, 2000, 3000, 4000], &[10, 100, 1000]];
        // Nothing of this is found, whatever the ladder.
        let results: [(&str, Held); 7] = [
            ("nothing per row", |_| (300, 3)),
            ("a buffer that doubles", |n| ((n * 33).next_power_of_two(), 2)),
            ("an exact buffer", |n| (n * 33, 1)),
            ("a list that doubles", |n| (n.next_power_of_two() * 8, 1)),
            ("blocks, each twice the one before", |n| (n.next_power_of_two() * 64, u64::from(n.ilog2()))),
            ("three lists of such blocks", |n| (n.next_power_of_two() * 192, 3 * u64::from(n.ilog2()))),
            ("a cache of 64", |n| (n.min(64) * 100, n.min(64))),
        ];
        for rows in doubled {
            for (name, held) in results {
                // The cache is full at the second rung of the last ladder only.
                if name != "a cache of 64" || rows[0] > 64 {
                    assert_eq!(judged(rows, &[(1, name, held)], Filter::default()), [""; 0], "{rows:?}");
                }
            }
        }
        let table: [(&str, Held, &str); 6] = [
            ("each", |n| (256 * n + 1000, n + 2), "query_bloat WARNING each 256 x1.00 linear site 1"),
            ("tiny", |n| (8 * n, n), "query_bloat INFO tiny 8 x1.00 linear site 1"),
            (
                "sort",
                |n| (66 * sort_comparisons(n), 2 * sort_comparisons(n)),
                "query_bloat ERROR sort 702 x21.27 linear site 1",
            ),
            ("square", |n| (16 * n * (n + 1), n), "query_bloat ERROR square 40016 x1.00 superlinear site 1"),
            ("one square", |n| (n * n, 1), "query_bloat ERROR one square 2500 x0.00 superlinear site 1"),
            ("batches", |n| (n / 50 * 1000, n / 50), "query_bloat INFO batches 20 x0.02 linear site 1"),
        ];
        for (name, held, expected) in table {
            let found = judged(&[500, 1000, 2000], &[(1, name, held)], Filter::default());
            assert_eq!(found, [expected], "{name}");
        }
    }

    #[test]
    fn what_grows_with_the_rows_by_nature_may() {
        let table: [(&str, Held, bool); 4] = [
            ("each", |n| (256 * n + 1000, n + 2), false),
            ("sort", |n| (66 * sort_comparisons(n), 2 * sort_comparisons(n)), false),
            ("square", |n| (16 * n * (n + 1), n), true),
            ("pairs", |n| (16 * n * n, n * n), true),
        ];
        for (name, held, expected) in table {
            let rules = Rules { linear_is_fine: true, ..Rules::default() };
            let found = judged_by(&[500, 1000, 2000], &[(1, name, held)], rules);
            assert_eq!(!found.is_empty(), expected, "{name}: {found:?}");
        }
    }

    #[test]
    fn two_steps_tell_that_it_grows_and_not_how() {
        let each: Held = |n| (16 * n, n);
        assert_eq!(judged(&[100, 200], &[(1, "x", each)], Filter::default()), ["query_bloat INFO x 16 x1.00 - site 1"]);
        let buffer: Held = |n| (n * n, 1);
        assert_eq!(judged(&[100, 200], &[(1, "x", buffer)], Filter::default()), [""; 0]);
        assert_eq!(judged(&[100], &[(1, "x", each)], Filter::default()), [""; 0]);
    }

    #[test]
    fn sites_of_one_library_in_one_context_are_one_finding() {
        let (left, right, other): (Held, Held, Held) = (|n| (33 * n, n), |n| (34 * n, n), |n| (8 * n, n));
        let sites = [(1, "sort", left), (2, "sort", right), (100, "sort", other), (3, "else", other)];
        let found = judged(&[500, 1000, 2000], &sites, Filter::default());
        assert_eq!(
            found,
            [
                "query_bloat WARNING sort 67 x2.00 linear site 2",
                "query_bloat INFO else 8 x1.00 linear site 3",
                "query_bloat INFO sort 8 x1.00 linear site 100",
            ]
        );
        let filter = Filter { watch: vec![Like::new("%")], allowed: vec![Like::new("sort")] };
        assert_eq!(judged(&[500, 1000, 2000], &sites, filter), ["query_bloat INFO else 8 x1.00 linear site 3"]);
    }

    /// What a site has created at most, over two rungs, beside what was allocated in it.
    fn created(held: Held, chunks: Held) -> Vec<String> {
        let mut paths = PathTable::default();
        let path = paths.child(PathId::ROOT, "pile");
        let peak = |of, (bytes, allocations)| Peak { of, site: SiteId(1), path, held: Live { bytes, allocations } };
        let rung = |rows| Rung { rows, peaks: vec![peak(Of::Contexts, held(rows)), peak(Of::Chunks, chunks(rows))] };
        let ladder: Vec<Rung> = [100, 200, 400].map(rung).into();
        let found = judge_peaks(&paths, &ladder, &Rules::default(), &ByNumber);
        found.into_iter().map(|f| format!("{} x{} {}", f.bytes_per_iter, f.objects_per_iter, f.detail)).collect()
    }

    #[test]
    fn contexts_that_pile_up_count_by_their_blocks() {
        let nothing: Held = |_| (0, 0);
        let detail = |few, many, what, n| {
            format!(
                "context 'pile' (depth 1): peak grew from {few} bytes in 100 {what} at 100 rows to {many} bytes in {n} \
                 {what} at 400 rows"
            )
        };
        // Nothing is left in them, or something; which is one bug.
        let piles = format!("8192 x1 {}", detail(819_200, 3_276_800, "contexts", 400));
        assert_eq!(created(|n| (8192 * n, n), nothing), std::slice::from_ref(&piles));
        assert_eq!(created(|n| (8192 * n, n), |n| (100 * n, n)), [piles]);
        // One at a time, and one that is as large as it has to be; what is in that may still be a bug.
        assert_eq!(created(|_| (8192, 1), nothing), [""; 0]);
        assert_eq!(created(|n| ((n * 100).next_power_of_two(), 1), nothing), [""; 0]);
        let chunks = format!("100 x1 {}", detail(10_000, 40_000, "allocations", 400));
        assert_eq!(created(|n| ((n * 100).next_power_of_two(), 1), |n| (100 * n, n)), [chunks]);
    }
}
