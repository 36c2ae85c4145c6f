//! Judgement of context totals, where allocations are not traced.

use crate::census::{Lifetime, PathId, PathTable, Totals};
use crate::check::CheckKind;
use crate::detail;
use crate::finding::{Finding, sort};
use crate::judge::curve::{Contexts, Curve, Trend};
use crate::judge::evidence::Evidence;
use crate::judge::mark::Mark;
use crate::judge::reading::Reading;
use crate::judge::thresholds::severity;

/// Judges a window by its context totals: one finding for each bug, worst first, then by path.
pub fn judge(reading: &dyn Reading, evidence: &Evidence) -> Vec<Finding> {
    let mut grown = grown(evidence);
    fold_children(evidence.paths, &mut grown);
    reading.select(evidence.paths, &mut grown);
    let mut findings: Vec<Finding> = grown.iter().flat_map(|contexts| reading.totals(evidence, contexts)).collect();
    findings.retain(|finding| evidence.rules.filter.reports(&finding.path));
    sort(&mut findings);
    findings
}

/// The totals of every path that ends higher than it started.
fn grown(evidence: &Evidence) -> Vec<Contexts<Totals>> {
    let (Some(first), Some(last)) = (evidence.marks.first(), evidence.marks.last()) else { return Vec::new() };
    let left_behind = last.leftovers.paths().skip(last.census.paths().count());
    last.census.paths().chain(left_behind).filter_map(|path| totals(evidence, path, first, last)).collect()
}

fn totals(evidence: &Evidence, path: PathId, first: &Mark, last: &Mark) -> Option<Contexts<Totals>> {
    let paths = evidence.paths;
    let comparable = first.census.is_comparable(&last.census, paths.lifetime(path));
    let totals = |mark: &Mark| {
        if comparable {
            mark.census.totals(path)
        } else if paths.lifetime(path) == Lifetime::Message {
            mark.leftovers.totals(path)
        } else {
            Totals::default()
        }
    };
    let (before, after) = (totals(first), totals(last));
    let grew = after.used > before.used || after.objects > before.objects;
    let curve = || Curve { points: evidence.marks.iter().map(|mark| (mark.iteration, totals(mark))).collect() };
    (grew && !paths.is_noise(path) && !is_servers(evidence, path)).then(|| Contexts {
        path,
        site: None,
        curve: curve(),
    })
}

/// Whether what piles up is the server's, going by its name alone: not where allocations are traced, which know better, nor where
/// it is asked for.
fn is_servers(evidence: &Evidence, path: PathId) -> bool {
    let paths = evidence.paths;
    evidence.places.is_none() && paths.is_servers(path) && !evidence.rules.filter.asks_for(&paths.path(path))
}

/// Contexts with this path that were added over the window, and the bytes that they have from malloc.
pub(crate) fn space_added(evidence: &Evidence, path: PathId) -> Option<(u64, u64)> {
    let (first, last) = (evidence.marks.first()?, evidence.marks.last()?);
    totals(evidence, path, first, last).map(|contexts| (contexts.curve.objects_added(), contexts.curve.space_added()))
}

/// Growth that goes on from mark to mark: contexts that pile up are a leak; what bytes in standing ones are is for the
/// scenario to say.
pub fn going_on(evidence: &Evidence, contexts: &Contexts<Totals>, standing: CheckKind) -> Option<Finding> {
    let Trend { bytes, objects } = contexts.curve.trend();
    if let Some(objects) = objects {
        let enough = bytes.is_some_and(|bytes| bytes.total >= evidence.rules.thresholds.min_leak_bytes);
        // However small, a context in every other iteration is no accident.
        if enough || objects.rate >= 0.5 {
            return Some(leak(evidence, contexts, Trend { bytes, objects: Some(objects) }));
        }
    }
    let bytes = bytes.filter(|bytes| bytes.total >= evidence.rules.thresholds.bloat_min_bytes)?;
    let trend = Trend { bytes: Some(bytes), objects: None };
    if standing == CheckKind::ContextLeak {
        return Some(leak(evidence, contexts, trend));
    }
    let found = finding(evidence, contexts, standing, trend);
    let detail = detail::ctx_bloat(
        &found.path,
        contexts.curve.iterations(),
        contexts.curve.first(),
        contexts.curve.last(),
        bytes,
    );
    Some(Finding { detail, ..found })
}

/// Growth from the first mark to the last, steps included: the documented diff of a plain window.
pub fn difference(evidence: &Evidence, contexts: &Contexts<Totals>) -> Option<Finding> {
    let enough = contexts.curve.bytes_added() >= evidence.rules.thresholds.min_leak_bytes;
    enough.then(|| leak(evidence, contexts, contexts.curve.trend()))
}

fn leak(evidence: &Evidence, contexts: &Contexts<Totals>, trend: Trend) -> Finding {
    let found = finding(evidence, contexts, CheckKind::ContextLeak, trend);
    Finding { detail: detail::context_leak(&found.path, contexts.curve.first(), contexts.curve.last()), ..found }
}

/// Memory put into a context that lives as long as the backend, and contexts created right under one. Where it has to go on,
/// a cache that fills once is none.
pub fn wrong_context(evidence: &Evidence, contexts: &Contexts<Totals>, has_to_go_on: bool) -> Option<Finding> {
    let paths = evidence.paths;
    let parent = paths.parent(contexts.path);
    let is_global = paths.is_global(contexts.path);
    let new_child = contexts.curve.piles_up() && paths.is_global(parent) && !is_global;
    let long_lived = paths.lifetime(contexts.path) == Lifetime::Backend;
    if !long_lived || !(is_global || new_child) {
        return None;
    }
    if evidence.allows(contexts.path) || (new_child && evidence.allows(parent)) {
        return None;
    }
    let trend = contexts.curve.trend();
    let goes_on = !has_to_go_on || trend.bytes.is_some() || trend.objects.is_some();
    if contexts.curve.bytes_added() < evidence.rules.thresholds.min_leak_bytes || !goes_on {
        return None;
    }
    let found = finding(evidence, contexts, CheckKind::WrongCtxAlloc, trend);
    let detail = if new_child {
        detail::new_global_child(&found.path, paths.name(parent), paths.depth(parent))
    } else {
        detail::wrong_context(&found.path, contexts.curve.first(), contexts.curve.last())
    };
    Some(Finding { detail, ..found })
}

fn finding(evidence: &Evidence, contexts: &Contexts<Totals>, check: CheckKind, trend: Trend) -> Finding {
    let (path, curve) = (evidence.paths.path(contexts.path), &contexts.curve);
    let found = curve.finding(check, path, trend, trend.shape_of_bytes());
    // A context takes its blocks, however little is in it.
    let taken = if curve.piles_up() { found.bytes.max(curve.space_added()) } else { found.bytes };
    Finding { phase: evidence.rules.phase, severity: severity(check, taken, found.shape), ..found }
}

/// Counts contexts that pile up below contexts that pile up as part of those: one context leaked with its children is one
/// bug.
fn fold_children(paths: &PathTable, all: &mut Vec<Contexts<Totals>>) {
    fold(all, |piles, mut path| {
        let mut topmost = None;
        while path != PathId::ROOT {
            path = paths.parent(path);
            if piles.contains(&path) {
                topmost = Some(path);
            }
        }
        topmost
    });
}

/// Adds the bytes of contexts that pile up to those of others that pile up, and drops them; `into` says which, given all
/// that do.
pub fn fold(all: &mut Vec<Contexts<Totals>>, into: impl Fn(&[PathId], PathId) -> Option<PathId>) {
    let is_pile = |contexts: &Contexts<Totals>| contexts.curve.piles_up();
    let piles: Vec<PathId> = all.iter().filter(|contexts| is_pile(contexts)).map(|contexts| contexts.path).collect();
    let mut folded: Vec<(PathId, Vec<(u64, Totals)>)> = Vec::new();
    all.retain_mut(|contexts| match into(&piles, contexts.path) {
        Some(other) if is_pile(contexts) => {
            folded.push((other, std::mem::take(&mut contexts.curve.points)));
            false
        }
        _ => true,
    });
    for (other, points) in folded {
        let Some(into) = all.iter_mut().find(|contexts| contexts.path == other) else { continue };
        for ((_, sum), (_, part)) in into.curve.points.iter_mut().zip(points) {
            sum.used += part.used;
            sum.allocated += part.allocated;
        }
    }
}
