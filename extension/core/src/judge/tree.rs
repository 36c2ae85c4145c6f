//! The tree of contexts as a window found it and as it left it, for those who want to see it; nothing is judged by it.

use std::cmp::Reverse;

use crate::census::{Census, PathId, PathTable};
use crate::judge::Mark;
use crate::path::ContextPath;
use crate::room;

/// Paths of a tree at most. Those go that hold least and have changed least.
const MOST: usize = 256;

/// What the contexts with one path held at the first mark of a window and at its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The path.
    pub path: ContextPath,
    /// Bytes: with tracing those that the targets had requested, and else all that were in use.
    pub bytes: [u64; 2],
    /// How many contexts there were.
    pub contexts: [u64; 2],
}

/// The tree at the first mark and at the last, by what has changed most; nothing where there is no memory for it. Traced, it has the
/// contexts in which the targets hold something, and those of which the number has changed.
pub fn tree(paths: &PathTable, marks: &[Mark], is_traced: bool) -> Vec<Branch> {
    let [first, .., last] = marks else { return Vec::new() };
    let mut changes: Vec<(PathId, [u64; 2], [u64; 2])> = Vec::new();
    if !room::make(&mut changes, paths.len()) {
        return Vec::new();
    }
    let ends = [&first.census, &last.census];
    let held = ends.map(|census| if is_traced { traced(census, paths) } else { Vec::new() });
    for index in 0..u32::try_from(paths.len()).unwrap_or(u32::MAX) {
        let path = PathId::at(index);
        let bytes = [0, 1].map(|at: usize| match is_traced {
            true => held[at].get(path.index()).copied().unwrap_or(0),
            false => ends[at].totals(path).used,
        });
        let contexts = ends.map(|census| census.totals(path).objects);
        let is_there = if is_traced { contexts[0] != contexts[1] } else { contexts != [0, 0] };
        if is_there || bytes != [0, 0] {
            changes.push((path, bytes, contexts));
        }
    }
    changes.sort_by_key(|&(path, bytes, contexts)| {
        Reverse((bytes[0].abs_diff(bytes[1]), contexts[0].abs_diff(contexts[1]), bytes[1], Reverse(path)))
    });
    changes.truncate(MOST);
    let mut branches = Vec::new();
    for (path, bytes, contexts) in changes {
        if !room::push(&mut branches, Branch { path: paths.path(path), bytes, contexts }) {
            break;
        }
    }
    branches
}

/// What they take as rows (bytes), about.
pub fn bytes(branches: &[Branch]) -> usize {
    const ROW: usize = 512;
    let names =
        |branch: &Branch| branch.path.names().iter().map(|name| name.len() + size_of::<String>()).sum::<usize>();
    branches.iter().map(|branch| ROW + 3 * names(branch)).sum()
}

/// What all sites hold, by the numbers of paths; nothing where there is no memory for it.
fn traced(census: &Census, paths: &PathTable) -> Vec<u64> {
    let mut held = Vec::new();
    if !room::make(&mut held, paths.len()) {
        return held;
    }
    held.resize(paths.len(), 0);
    for (path, _, live) in census.traced() {
        if let Some(sum) = held.get_mut(path.index()) {
            *sum += live.bytes;
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::{Live, SiteId};

    fn mark(count: impl FnOnce(&mut Census)) -> Mark {
        let mut mark = Mark::default();
        count(&mut mark.census);
        mark
    }

    #[test]
    fn what_has_changed_most_comes_first() {
        let mut paths = PathTable::default();
        let a = paths.child(PathId::ROOT, "a");
        let b = paths.child(a, "b");
        let untouched = paths.child(PathId::ROOT, "c");
        let marks = [
            mark(|census| {
                [(a, 10), (b, 20), (untouched, 500)].into_iter().for_each(|(path, used)| census.count(path, used, 1024))
            }),
            Mark::default(),
            mark(|census| {
                [(a, 15), (b, 90), (untouched, 500)].into_iter().for_each(|(path, used)| census.count(path, used, 1024))
            }),
        ];
        let seen: Vec<(String, [u64; 2])> =
            tree(&paths, &marks, false).into_iter().map(|branch| (branch.path.to_string(), branch.bytes)).collect();
        let path = |id| paths.path(id).to_string();
        assert_eq!(seen, [(path(b), [20, 90]), (path(a), [10, 15]), (path(untouched), [500, 500])]);
        assert!(tree(&paths, &marks[..1], false).is_empty(), "one mark has no before and after");
    }

    #[test]
    fn traced_it_is_what_the_targets_hold() {
        let mut paths = PathTable::default();
        let a = paths.child(PathId::ROOT, "a");
        let quiet = paths.child(PathId::ROOT, "quiet");
        let held = |bytes| {
            mark(|census| {
                census.count(a, 8192, 8192);
                census.count(quiet, 8192, 8192);
                census.count_traced(a, SiteId(1), Live { bytes, allocations: 1 });
                census.count_traced(a, SiteId(2), Live { bytes: 1, allocations: 1 });
            })
        };
        let seen = tree(&paths, &[held(100), held(300)], true);
        assert_eq!(seen, [Branch { path: paths.path(a), bytes: [101, 301], contexts: [1, 1] }]);
    }

    #[test]
    fn it_is_bounded() {
        let mut paths = PathTable::default();
        let many: Vec<PathId> = (0..MOST + 10).map(|number| paths.child(PathId::ROOT, &number.to_string())).collect();
        let marks = [1, 2].map(|times: u64| {
            mark(|census| many.iter().for_each(|&path| census.count(path, times * u64::from(path.index() as u32), 0)))
        });
        let seen = tree(&paths, &marks, false);
        assert_eq!(seen.len(), MOST);
        assert_eq!(seen[0].path, paths.path(many[MOST + 9]));
    }
}
