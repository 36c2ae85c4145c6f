//! Judgement of a traced window: allocations that are known to be a target's, in requested bytes.
//!
//! What is not a target's is not counted, so there is no noise to allow for: growth that goes on is a leak however small.

use std::collections::BTreeMap;

use crate::census::{Lifetime, Live, PathId, PathTable, SiteId};
use crate::check::{CheckKind, Grading};
use crate::detail;
use crate::finding::{Finding, sort};
use crate::handed::is_handed_over;
use crate::judge::curve::{Contexts, Curve};
use crate::judge::evidence::Evidence;
use crate::judge::mark::Mark;
use crate::judge::reading::Reading;
use crate::judge::untraced;
use crate::judge::workers::{Places, retain_leaks};
use crate::path::ContextPath;
use crate::site::Site;

/// Judges a traced window, given what its context totals say: one finding for each context path and group of sites, by the
/// site that holds most of it.
///
/// Contexts that pile up are a target's where it has created them, for which an allocation of no bytes stands, or has put
/// something into them: the server leaves contexts of its own in a statement (`PartitionDirectory` in partdesc.c,
/// `JoinRelHashTable` in relnode.c) and for as long as the backend lives (`plpgsql_free_function_memory` in pl_funcs.c). What
/// the server has made for a target is counted in contexts, and so are contexts whoever made them, where those are what the
/// scenario looks for.
pub fn judge(reading: &dyn Reading, evidence: &Evidence, places: &dyn Places, untraced: &[Finding]) -> Vec<Finding> {
    let paths = evidence.paths;
    let held = held(reading, evidence, places, untraced);
    let mut findings: Vec<Finding> =
        held.iter().flat_map(|contexts| findings(reading, evidence, contexts, untraced)).collect();
    findings.retain(|finding| !finding.check.is_in_context() || evidence.rules.filter.reports(&finding.path));
    let piles: Vec<Finding> = untraced
        .iter()
        .filter(|finding| finding.objects > 0)
        .filter_map(|finding| {
            let is_traced = findings.iter().any(|traced| traced.path == finding.path);
            let of_it = held.iter().filter(|contexts| paths.path(contexts.path) == finding.path).collect();
            pile(reading, finding, is_traced, of_it)
        })
        .collect();
    findings.extend(piles);
    sort(&mut findings);
    findings
}

/// A pile of contexts, as the totals show it, with what is known about who has made it.
fn pile(reading: &dyn Reading, finding: &Finding, is_traced: bool, all: Vec<&Contexts<Live>>) -> Option<Finding> {
    let has_grown = |contexts: &&Contexts<Live>| contexts.curve.bytes_added() > 0 || contexts.curve.piles_up();
    let maker = all.into_iter().filter(has_grown).max_by_key(|contexts| contexts.curve.bytes_added());
    let is_handed_over = maker.is_some() && is_handed_over(finding.path.leaf());
    if is_handed_over || reading.counts_contexts() {
        return Some(Finding { site: maker.and_then(|contexts| contexts.site).map(Site::numbered), ..finding.clone() });
    }
    let creator = maker.filter(|_| reading.is_sure(finding) && !is_traced)?;
    Some(Finding {
        bytes: 0,
        bytes_per_iter: 0.0,
        site: creator.site.map(Site::numbered),
        marks: creator.curve.marks(),
        ..finding.clone()
    })
}

/// The path of the contexts that pile up and that this path is or lies below: a context leaked with its children is one bug.
fn top_of_pile(paths: &PathTable, untraced: &[Finding], mut path: PathId) -> Option<PathId> {
    loop {
        let it = paths.path(path);
        if piles_up(untraced, &it) {
            return Some(path);
        }
        if path == PathId::ROOT {
            return None;
        }
        path = paths.parent(path);
    }
}

fn piles_up(untraced: &[Finding], path: &ContextPath) -> bool {
    // Some more contexts in the window do not make a pile of those that grow.
    let is_pile = |finding: &Finding| finding.objects > 0 && finding.check != CheckKind::CtxBloat;
    untraced.iter().any(|finding| finding.path == *path && is_pile(finding))
}

/// What those sites of one group that count hold in contexts with one path, for each path and group.
fn held(reading: &dyn Reading, evidence: &Evidence, places: &dyn Places, untraced: &[Finding]) -> Vec<Contexts<Live>> {
    let Evidence { paths, marks, .. } = *evidence;
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return Vec::new() };
    // Memory of the message or the transaction is compared within it only, or as what statements left behind.
    let comparable = |path| first.census.is_comparable(&last.census, paths.lifetime(path));
    let mut groups: BTreeMap<(PathId, usize), Vec<(PathId, SiteId)>> = BTreeMap::new();
    let standing = last.census.traced().filter(|&(path, ..)| comparable(path));
    let left =
        last.leftovers.traced().filter(|&(path, ..)| !comparable(path) && paths.lifetime(path) == Lifetime::Message);
    for (path, site, _) in standing.chain(left) {
        let top = top_of_pile(paths, untraced, path).unwrap_or(path);
        groups.entry((top, places.group(site))).or_default().push((path, site));
    }
    groups
        .into_iter()
        .filter_map(|((path, _), mut sites)| {
            let live = |mark: &Mark, (path, site)| {
                if comparable(path) {
                    mark.census.held(path, site, &last.census)
                } else {
                    mark.leftovers.live(path, site)
                }
            };
            retain_leaks(&mut sites, marks, places, |mark, held| live(mark, held).bytes);
            sites.retain(|&site| {
                reading.counts(&Curve { points: marks.iter().map(|mark| (mark.iteration, live(mark, site))).collect() })
            });
            // Where something is in the contexts, that they were created goes without saying.
            let filled: Vec<(PathId, SiteId)> =
                sites.iter().copied().filter(|&site| live(last, site).bytes > 0).collect();
            let counted = if filled.is_empty() { &sites } else { &filled };
            let points = marks
                .iter()
                .map(|mark| {
                    let sum = counted.iter().map(|&site| live(mark, site)).fold(Live::default(), |a, b| Live {
                        bytes: a.bytes + b.bytes,
                        allocations: a.allocations + b.allocations,
                    });
                    (mark.iteration, sum)
                })
                .collect();
            let grown = |&place: &(PathId, SiteId)| live(last, place).bytes.saturating_sub(live(first, place).bytes);
            let (_, site) = sites.iter().copied().max_by_key(grown)?;
            Some(Contexts { path, site: Some(site), curve: Curve { points } })
        })
        .collect()
}

fn findings(
    reading: &dyn Reading,
    evidence: &Evidence,
    contexts: &Contexts<Live>,
    untraced: &[Finding],
) -> Vec<Finding> {
    match contexts.path {
        PathId::HEAP | PathId::MAPPED => lost(reading, evidence, contexts, CheckKind::MallocLeak).into_iter().collect(),
        // A name is given to something that stays: to give out more and more of them is to lose it.
        PathId::NAMED if !grows_for_long(&contexts.curve) => Vec::new(),
        path if path.is_shared() => lost(reading, evidence, contexts, CheckKind::DsmLeak).into_iter().collect(),
        path if reading.counts_contexts() || is_handed_over(evidence.paths.name(path)) => Vec::new(),
        path => {
            let it = evidence.paths.path(path);
            let pile = untraced.iter().find(|finding| finding.path == it && finding.objects > 0);
            let mut found = reading.traced(evidence, contexts, pile.is_some());
            if let Some(pile) = pile {
                found.iter_mut().for_each(|finding| with_blocks(finding, pile, untraced::space_added(evidence, path)));
            }
            found
        }
    }
}

/// Whether there are marks enough to tell growth that goes on from a step, and it does.
fn grows_for_long(curve: &Curve<Live>) -> bool {
    curve.points.len() > 2 && curve.bytes().is_some()
}

/// Contexts that pile up are as bad as the blocks that they take, whatever a target has put into them.
fn with_blocks(finding: &mut Finding, pile: &Finding, space: Option<(u64, u64)>) {
    let by_bytes = !matches!(finding.check.grading(), Grading::Always(_));
    if by_bytes && pile.check == finding.check {
        finding.severity = finding.severity.max(pile.severity);
    }
    if let Some((contexts, bytes)) = space.filter(|&(contexts, _)| contexts > 0) {
        finding.detail.push_str(&detail::blocks(contexts, bytes));
    }
}

/// Growth that goes on from mark to mark: a leak where contexts pile up; what it is in standing ones is for the scenario to
/// say.
pub fn going_on(
    evidence: &Evidence,
    contexts: &Contexts<Live>,
    piles_up: bool,
    standing: CheckKind,
) -> Option<Finding> {
    let check = if piles_up { CheckKind::ContextLeak } else { standing };
    contexts.curve.bytes().map(|_| finding(evidence, contexts, check))
}

/// Growth from the first mark to the last, steps included.
pub fn difference(evidence: &Evidence, contexts: &Contexts<Live>) -> Option<Finding> {
    (contexts.curve.bytes_added() > 0).then(|| finding(evidence, contexts, CheckKind::ContextLeak))
}

/// Contexts that were created from the first mark to the last and have nothing in them: each takes at least 1 kB from malloc
/// (`ALLOCSET_SMALL_INITSIZE`), which is what counts.
pub fn empty_contexts(evidence: &Evidence, contexts: &Contexts<Live>) -> Option<Finding> {
    const LEAST: u64 = 1024;
    let least = evidence.rules.thresholds.min_leak_bytes.max(1);
    let are_empty = contexts.curve.last().bytes == 0;
    let are_enough = contexts.curve.objects_added() * LEAST >= least;
    (are_empty && are_enough).then(|| finding(evidence, contexts, CheckKind::ContextLeak))
}

/// Memory put into a context that lives as long as the backend, and contexts created right under one. Where it has to go on,
/// a cache that fills once is none.
pub fn wrong_context(
    evidence: &Evidence,
    contexts: &Contexts<Live>,
    piles_up: bool,
    has_to_go_on: bool,
) -> Option<Finding> {
    let paths = evidence.paths;
    let grows = if has_to_go_on { contexts.curve.bytes().is_some() } else { contexts.curve.bytes_added() > 0 };
    let long_lived = paths.lifetime(contexts.path) == Lifetime::Backend;
    let global = paths.is_global(contexts.path) || (piles_up && paths.is_global(paths.parent(contexts.path)));
    let wrong = grows && long_lived && global && !evidence.allows(contexts.path);
    wrong.then(|| finding(evidence, contexts, CheckKind::WrongCtxAlloc))
}

/// What is lost outside of contexts is lost in every scenario; the filters are about contexts.
fn lost(reading: &dyn Reading, evidence: &Evidence, contexts: &Contexts<Live>, check: CheckKind) -> Option<Finding> {
    let kind = evidence.paths.name(contexts.path);
    let detail = || detail::lost(kind, contexts.curve.first(), contexts.curve.last());
    reading.is_lost(&contexts.curve).then(|| Finding { detail: detail(), ..finding(evidence, contexts, check) })
}

fn finding(evidence: &Evidence, contexts: &Contexts<Live>, check: CheckKind) -> Finding {
    let trend = contexts.curve.trend();
    let path = evidence.paths.path(contexts.path);
    let detail = detail::traced(&path, contexts.curve.first(), contexts.curve.last());
    Finding {
        phase: evidence.rules.phase,
        site: contexts.site.map(Site::numbered),
        detail,
        ..contexts.curve.finding(check, path, trend, trend.shape_of_bytes())
    }
}
