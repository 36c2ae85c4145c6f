//! Observed violations against recorded ones: sets of typed rows, not texts.

use memcheck_core::golden::row::{Observed, Row};

use super::Seen;
use super::file::Block;

/// One way in which a run differs from its golden.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Recorded, but not found.
    Missing(Row),
    /// Found, but not recorded.
    Unexpected(Observed),
    /// Found in the same place with other properties.
    Changed {
        /// As recorded.
        golden: Row,
        /// As found.
        observed: Observed,
    },
    /// Recorded, but did not happen.
    NotHappened(String),
    /// Happened, but is not recorded.
    Happened(String),
}

/// How observed violations pair up with recorded ones.
#[derive(Debug, Default)]
struct Pairing {
    /// For each observed violation the recorded row that stands for it.
    recorded_as: Vec<Option<usize>>,
    /// Recorded rows that stand for nothing observed.
    left: Vec<usize>,
}

/// Pairs each observed violation with a row of the golden: equal rows first, so that a row that merely admits a
/// violation is not taken away from the one it was written for.
fn pair(golden: &[Row], observed: &[Observed]) -> Pairing {
    let mut recorded_as = vec![None; observed.len()];
    let mut left: Vec<usize> = (0..golden.len()).collect();
    let equal: fn(&Observed, &Row) -> bool = |observed, row| observed.row == *row;
    let admitted: fn(&Observed, &Row) -> bool = |observed, row| observed.is_recorded_by(row);
    for fits in [equal, admitted] {
        for (observed, slot) in observed.iter().zip(&mut recorded_as).filter(|(_, slot)| slot.is_none()) {
            if let Some(position) = left.iter().position(|&row| fits(observed, &golden[row])) {
                *slot = Some(left.remove(position));
            }
        }
    }
    Pairing { recorded_as, left }
}

/// What a run found against what the golden records. Empty when they agree.
pub fn compare(golden: &[Row], observed: &[Observed]) -> Vec<Difference> {
    let Pairing { recorded_as, mut left } = pair(golden, observed);
    let mut differences = Vec::new();
    for (observed, _) in observed.iter().zip(&recorded_as).filter(|(_, row)| row.is_none()) {
        let same_place = |row: &usize| is_same_place(&golden[*row], &observed.row);
        differences.push(match left.iter().position(same_place) {
            Some(position) => {
                Difference::Changed { golden: golden[left.remove(position)].clone(), observed: observed.clone() }
            }
            None => Difference::Unexpected(observed.clone()),
        });
    }
    differences.extend(left.into_iter().map(|row| Difference::Missing(golden[row].clone())));
    differences
}

/// What a scenario or permutation came to against the block that records it. Empty when they agree.
///
/// What is allowed may be recorded and may not, as a golden may be older than the clause that allows it.
pub fn differences(golden: Option<&Block>, seen: &Seen) -> Vec<Difference> {
    let (trace, rows) = golden.map_or((&[][..], &[][..]), |block| (&block.trace, &block.rows));
    let mut differences = compare_traces(trace, &seen.trace);
    let is_allowed = |row: &Row, left: u64| {
        let allowed =
            seen.allowed.iter().map(|allowed| &allowed.observed.row).filter(|other| is_same_place(row, other));
        allowed.map(|allowed| allowed.times).sum::<u64>() >= left
    };
    differences.extend(compare(rows, &seen.rows).into_iter().filter(|difference| match difference {
        Difference::Missing(row) => !is_allowed(row, 1),
        // Of several that are recorded as equal some are allowed.
        Difference::Changed { golden, observed } => {
            let without = Row { times: observed.row.times, ..golden.clone() };
            let left = golden.times.saturating_sub(observed.row.times);
            left == 0 || !observed.is_recorded_by(&without) || !is_allowed(golden, left)
        }
        _ => true,
    }));
    differences
}

/// Whether two rows are of the same kind and found in the same place.
fn is_same_place(one: &Row, other: &Row) -> bool {
    (one.check, &one.owner, &one.subject) == (other.check, &other.owner, &other.subject)
}

fn compare_traces(golden: &[String], observed: &[String]) -> Vec<Difference> {
    let changes = similar::capture_diff_slices(similar::Algorithm::Myers, golden, observed);
    let changes = changes.iter().flat_map(|change| change.iter_changes(golden, observed).collect::<Vec<_>>());
    changes
        .filter_map(|change| match change.tag() {
            similar::ChangeTag::Equal => None,
            similar::ChangeTag::Delete => Some(Difference::NotHappened(change.value())),
            similar::ChangeTag::Insert => Some(Difference::Happened(change.value())),
        })
        .collect()
}

/// The rows to record for a run: a row of the golden stays as it is where it still records what was observed.
pub(super) fn merge(golden: &[Row], observed: &[Observed]) -> Vec<Row> {
    let pairing = pair(golden, observed);
    let rows = observed.iter().zip(pairing.recorded_as);
    rows.map(|(observed, row)| row.map_or_else(|| observed.row.clone(), |row| golden[row].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[&str]) -> Vec<Row> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    /// `row @ bytes`
    fn observed(lines: &[&str]) -> Vec<Observed> {
        let one = |line: &&str| {
            let (row, bytes) = line.split_once(" @ ").unwrap();
            Observed { row: row.parse().unwrap(), bytes_per_iter: bytes.parse().unwrap(), site: None, access: None }
        };
        lines.iter().map(one).collect()
    }

    #[test]
    fn differences_are_told_apart() {
        let row = |line: &str| line.parse::<Row>().unwrap();
        let found = |line| observed(&[line]).remove(0);
        let unexpected = |line| Difference::Unexpected(found(line));
        let table = [
            (&["ctx_bloat|INFO|a|64B..128B/iter|-|-"][..], &["ctx_bloat|INFO|a|64B..128B/iter|-|- @ 100"][..], vec![]),
            // Within 64 B of the edge.
            (&["ctx_bloat|INFO|a|64B..128B/iter|-|-"], &["ctx_bloat|INFO|a|128B..256B/iter|-|- @ 140"], vec![]),
            (&[], &["ctx_bloat|INFO|a|-|-|- @ 1"], vec![unexpected("ctx_bloat|INFO|a|-|-|- @ 1")]),
            (&["ctx_bloat|INFO|a|-|-|-"], &[], vec![Difference::Missing(row("ctx_bloat|INFO|a|-|-|-"))]),
            (
                &["ctx_bloat|INFO|a|8kB..16kB/iter|-|-"],
                &["ctx_bloat|WARNING|a|16kB..32kB/iter|-|- @ 20000"],
                vec![Difference::Changed {
                    golden: row("ctx_bloat|INFO|a|8kB..16kB/iter|-|-"),
                    observed: found("ctx_bloat|WARNING|a|16kB..32kB/iter|-|- @ 20000"),
                }],
            ),
            (
                &["ctx_bloat|INFO|a|-|-|-", "ctx_bloat|INFO|b|-|-|-"],
                &["context_leak|INFO|b|-|-|- @ 1"],
                vec![
                    unexpected("context_leak|INFO|b|-|-|- @ 1"),
                    Difference::Missing(row("ctx_bloat|INFO|a|-|-|-")),
                    Difference::Missing(row("ctx_bloat|INFO|b|-|-|-")),
                ],
            ),
            // The first observed is admitted by both rows; the equal one keeps its own.
            (
                &["ctx_bloat|INFO|a|128B..256B/iter|-|-", "ctx_bloat|INFO|a|64B..128B/iter|-|-"],
                &["ctx_bloat|INFO|a|64B..128B/iter|-|- @ 120", "ctx_bloat|INFO|a|128B..256B/iter|-|- @ 250"],
                vec![],
            ),
        ];
        for (golden, found, expected) in table {
            assert_eq!(compare(&rows(golden), &observed(found)), expected, "{golden:?} {found:?}");
        }
    }

    #[test]
    fn rows_that_still_match_do_not_churn() {
        let golden = rows(&["ctx_bloat|INFO|a|64B..128B/iter|-|-", "ctx_bloat|INFO|gone|-|-|-"]);
        let found =
            observed(&["ctx_bloat|INFO/WARNING|a|128B..256B/iter|-|- @ 140", "ctx_bloat|INFO|new|<64B/iter|-|- @ 3"]);
        let expected = rows(&["ctx_bloat|INFO|a|64B..128B/iter|-|-", "ctx_bloat|INFO|new|<64B/iter|-|-"]);
        assert_eq!(merge(&golden, &found), expected);
    }
}
