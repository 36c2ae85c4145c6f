//! From the marks of a window to its findings.

use crate::census::{Census, Lifetime, PathId, PathTable, Totals};
use crate::check::{CheckKind, Severity};
use crate::detail;
use crate::finding::{Finding, MarkPoint, Phase};
use crate::judge::cursor;
use crate::judge::growth::{Growth, Point, Shape, sustained};
use crate::judge::thresholds::{Thresholds, severity_of};
use crate::like::Like;
use crate::path::ContextPath;
use crate::scenario::ScenarioKind;

/// A checkpoint of a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Iterations done.
    pub iteration: u64,
    /// The tree at that moment.
    pub census: Census,
    /// What statements had left behind below MessageContext when they ended, summed since the window was opened. It is gone
    /// with the next message, so no later census shows it.
    pub leftovers: Census,
    /// How often each [`crate::Event`] had happened, by its place in the list of all; shorter than that where it had not yet.
    pub events: Vec<u64>,
    /// How often this backend had called functions of the targets.
    pub calls: u64,
}

/// Which contexts are reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these; all where empty.
    pub watch: Vec<Like>,
    /// Contexts that may grow (`allowed_contexts` of `begin()`). A plain window still reports their `context_leak`, as
    /// documented, but no `wrong_ctx_alloc`; the other scenarios report nothing for them.
    pub allowed: Vec<Like>,
}

impl Filter {
    pub(crate) fn reports(&self, path: &ContextPath) -> bool {
        self.watch.is_empty() || self.watch.iter().any(|pattern| path.matches(pattern))
    }

    pub(crate) fn allows(&self, path: &ContextPath) -> bool {
        self.allowed.iter().any(|pattern| path.matches(pattern))
    }
}

/// How the marks of a window are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The scenario decides which checks there are and what they are called.
    pub scenario: ScenarioKind,
    /// Smallest growth reported.
    pub thresholds: Thresholds,
    /// Which contexts are reported.
    pub filter: Filter,
    /// How the workload was undone, in `tx_abort_loop`.
    pub phase: Option<Phase>,
}

/// Judges a window: one finding for each bug, worst first, then by path.
///
/// `marks` are in order, the first being the state the window starts from. With fewer than two there is nothing to find.
pub fn judge(paths: &PathTable, marks: &[Mark], rules: &Rules) -> Vec<Finding> {
    let window = Window { paths, marks, rules };
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return Vec::new() };
    let mut curves: Vec<Curve> = Vec::new();
    for path in last.census.paths().chain(last.leftovers.paths().skip(last.census.paths().count())) {
        if let Some(curve) = window.curve(path, first, last) {
            curves.push(curve);
        }
    }
    fold_children(paths, &mut curves);
    if rules.scenario == ScenarioKind::CursorLeak {
        curves.retain(|curve| curve.piles_up() && cursor::is_portal_or_plan(paths, curve.path));
        fold(&mut curves, |piles, path| cursor::told_by(paths, piles, path));
    }
    let mut findings: Vec<Finding> = curves.iter().flat_map(|curve| window.findings(curve)).collect();
    findings.retain(|finding| rules.filter.reports(&finding.path));
    sort(&mut findings);
    findings
}

/// Worst first, then by path, check and phase.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.path.cmp(&b.path))
            .then(a.check.cmp(&b.check))
            .then(a.phase.cmp(&b.phase))
    });
}

struct Window<'a> {
    paths: &'a PathTable,
    marks: &'a [Mark],
    rules: &'a Rules,
}

/// One path over the marks.
struct Curve {
    path: PathId,
    points: Vec<(u64, Totals)>,
}

impl Curve {
    fn first(&self) -> Totals {
        self.points.first().map(|&(_, totals)| totals).unwrap_or_default()
    }

    fn last(&self) -> Totals {
        self.points.last().map(|&(_, totals)| totals).unwrap_or_default()
    }

    fn growth_of(&self, value: impl Fn(&Totals) -> u64) -> Option<Growth> {
        let points: Vec<Point> = self
            .points
            .iter()
            .map(|(iteration, totals)| Point { iteration: *iteration, value: value(totals) })
            .collect();
        sustained(&points)
    }

    fn iterations(&self) -> u64 {
        self.points.last().map_or(0, |&(iteration, _)| iteration)
    }

    fn piles_up(&self) -> bool {
        self.last().objects > self.first().objects
    }
}

impl Window<'_> {
    /// The path's totals at each mark, if it ends higher than it started.
    fn curve(&self, path: PathId, first: &Mark, last: &Mark) -> Option<Curve> {
        let comparable = first.census.is_comparable(&last.census, self.paths.lifetime(path));
        let totals = |mark: &Mark| {
            if comparable {
                mark.census.totals(path)
            } else if self.paths.lifetime(path) == Lifetime::Message {
                mark.leftovers.totals(path)
            } else {
                Totals::default()
            }
        };
        let (before, after) = (totals(first), totals(last));
        let grew = after.used > before.used || after.objects > before.objects;
        (grew && !self.paths.is_noise(path))
            .then(|| Curve { path, points: self.marks.iter().map(|mark| (mark.iteration, totals(mark))).collect() })
    }

    fn findings(&self, curve: &Curve) -> Vec<Finding> {
        match self.rules.scenario {
            ScenarioKind::WrongContextProbe => self.wrong_context(curve).into_iter().collect(),
            ScenarioKind::Window => self.difference(curve).into_iter().chain(self.wrong_context(curve)).collect(),
            _ if self.rules.filter.allows(&self.paths.path(curve.path)) => Vec::new(),
            ScenarioKind::CursorLeak => {
                self.benchmark(curve).into_iter().filter(|found| found.check == CheckKind::ContextLeak).collect()
            }
            _ => self.benchmark(curve).into_iter().collect(),
        }
    }

    /// Growth that goes on from mark to mark: contexts that pile up are a leak, bytes in standing ones bloat.
    fn benchmark(&self, curve: &Curve) -> Option<Finding> {
        let bytes = curve.growth_of(|totals| totals.used);
        if let Some(objects) = curve.growth_of(|totals| totals.objects) {
            let enough = bytes.is_some_and(|bytes| bytes.total >= self.rules.thresholds.min_leak_bytes);
            // However small, a context in every other iteration is no accident.
            if enough || objects.rate >= 0.5 {
                return Some(self.leak(curve, bytes, Some(objects)));
            }
        }
        let bytes = bytes.filter(|bytes| bytes.total >= self.rules.thresholds.bloat_min_bytes)?;
        if self.rules.scenario == ScenarioKind::TxAbortLoop {
            return Some(self.leak(curve, Some(bytes), None));
        }
        let severity = match bytes.shape {
            Some(Shape::Superlinear) => severity_of(bytes.total).escalated(),
            _ => severity_of(bytes.total),
        };
        let mut finding = self.finding(CheckKind::CtxBloat, severity, curve, Some(bytes), None);
        finding.detail = detail::ctx_bloat(&finding.path, curve.iterations(), curve.first(), curve.last(), bytes);
        Some(finding)
    }

    /// Growth from the first mark to the last, steps included: the documented diff of a plain window.
    fn difference(&self, curve: &Curve) -> Option<Finding> {
        let growth = curve.last().used.saturating_sub(curve.first().used);
        (growth >= self.rules.thresholds.min_leak_bytes)
            .then(|| self.leak(curve, curve.growth_of(|totals| totals.used), curve.growth_of(|totals| totals.objects)))
    }

    fn leak(&self, curve: &Curve, bytes: Option<Growth>, objects: Option<Growth>) -> Finding {
        let severity = severity_of(curve.last().used.saturating_sub(curve.first().used));
        let mut finding = self.finding(CheckKind::ContextLeak, severity, curve, bytes, objects);
        finding.detail = detail::context_leak(&finding.path, curve.first(), curve.last());
        finding
    }

    /// Memory put into a context that lives as long as the backend, and contexts created right under one.
    fn wrong_context(&self, curve: &Curve) -> Option<Finding> {
        let parent = self.paths.parent(curve.path);
        let is_global = self.paths.is_global(curve.path);
        let new_child = curve.piles_up() && self.paths.is_global(parent) && !is_global;
        let long_lived = self.paths.lifetime(curve.path) == Lifetime::Backend;
        if !long_lived || !(is_global || new_child) {
            return None;
        }
        let allowed = |path| self.rules.filter.allows(&self.paths.path(path));
        if allowed(curve.path) || (new_child && allowed(parent)) {
            return None;
        }
        let growth = curve.last().used.saturating_sub(curve.first().used);
        let bytes = curve.growth_of(|totals| totals.used);
        let objects = curve.growth_of(|totals| totals.objects);
        // A probe has marks to tell a cache that fills once from what goes on.
        let probe = self.rules.scenario == ScenarioKind::WrongContextProbe;
        let goes_on = !probe || bytes.is_some() || objects.is_some();
        if growth < self.rules.thresholds.min_leak_bytes || !goes_on {
            return None;
        }
        let mut finding = self.finding(CheckKind::WrongCtxAlloc, Severity::Warning, curve, bytes, objects);
        finding.detail = if new_child {
            detail::new_global_child(&finding.path, self.paths.name(parent), self.paths.depth(parent))
        } else {
            detail::wrong_context(&finding.path, curve.first(), curve.last())
        };
        Some(finding)
    }

    fn finding(
        &self,
        check: CheckKind,
        severity: Severity,
        curve: &Curve,
        bytes: Option<Growth>,
        objects: Option<Growth>,
    ) -> Finding {
        let (before, after) = (curve.first(), curve.last());
        let iterations = curve.iterations();
        let per_iteration = |total: u64| total as f64 / iterations.max(1) as f64;
        let total = after.used.saturating_sub(before.used);
        let added = after.objects.saturating_sub(before.objects);
        Finding {
            check,
            severity,
            path: self.paths.path(curve.path),
            bytes: total,
            objects: added,
            iterations,
            bytes_per_iter: bytes.map_or_else(|| per_iteration(total), |growth| growth.rate),
            objects_per_iter: objects.map_or_else(|| per_iteration(added), |growth| growth.rate),
            shape: bytes.and_then(|growth| growth.shape),
            phase: self.rules.phase,
            source_lib: String::new(),
            site: None,
            marks: curve
                .points
                .iter()
                .map(|&(iteration, totals)| MarkPoint { iteration, used: totals.used, objects: totals.objects })
                .collect(),
            detail: String::new(),
        }
    }
}

/// Counts contexts that pile up below contexts that pile up as part of those: one context leaked with its children is one
/// bug.
fn fold_children(paths: &PathTable, curves: &mut Vec<Curve>) {
    fold(curves, |piles, mut path| {
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
fn fold(curves: &mut Vec<Curve>, into: impl Fn(&[PathId], PathId) -> Option<PathId>) {
    let piles: Vec<PathId> = curves.iter().filter(|curve| curve.piles_up()).map(|curve| curve.path).collect();
    let mut folded: Vec<(PathId, Vec<(u64, Totals)>)> = Vec::new();
    curves.retain_mut(|curve| match into(&piles, curve.path) {
        Some(other) if curve.piles_up() => {
            folded.push((other, std::mem::take(&mut curve.points)));
            false
        }
        _ => true,
    });
    for (other, points) in folded {
        let Some(into) = curves.iter_mut().find(|curve| curve.path == other) else { continue };
        for ((_, sum), (_, part)) in into.points.iter_mut().zip(points) {
            sum.used += part.used;
            sum.allocated += part.allocated;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::Moment;

    /// A tree over marks: for each path, used bytes and number of contexts at every mark.
    struct Tree {
        paths: PathTable,
        marks: Vec<Mark>,
    }

    impl Tree {
        fn new(iterations: &[u64]) -> Self {
            let marks = iterations
                .iter()
                .enumerate()
                .map(|(i, &iteration)| {
                    let moment = Moment { message: Some(i as u64), transaction: Some(i as u64), portals: true };
                    Mark { iteration, census: Census::new(moment), leftovers: Census::new(moment), ..Mark::default() }
                })
                .collect();
            Tree { paths: PathTable::default(), marks }
        }

        fn path(&mut self, path: &str) -> PathId {
            path.split('/').fold(PathId::ROOT, |parent, name| match name {
                "TopMemoryContext" => PathId::ROOT,
                name => self.paths.child(parent, name),
            })
        }

        fn set(mut self, path: &str, values: &[(u64, u64)]) -> Self {
            let id = self.path(path);
            for (mark, &(used, objects)) in self.marks.iter_mut().zip(values) {
                mark.census.add(id, Totals { used, allocated: used * 2, objects });
            }
            self
        }

        fn left(mut self, path: &str, values: &[(u64, u64)]) -> Self {
            let id = self.path(path);
            for (mark, &(used, objects)) in self.marks.iter_mut().zip(values) {
                mark.leftovers.add(id, Totals { used, allocated: used * 2, objects });
            }
            self
        }

        fn judge(&self, scenario: ScenarioKind, filter: Filter) -> Vec<String> {
            let rules = Rules { scenario, thresholds: Thresholds::default(), filter, phase: None };
            judge(&self.paths, &self.marks, &rules)
                .into_iter()
                .map(|f| {
                    format!(
                        "{} {} {} {}B {:.0}/iter {} contexts {:.1}/iter {}",
                        f.check,
                        f.severity,
                        f.path,
                        f.bytes,
                        f.bytes_per_iter,
                        f.objects,
                        f.objects_per_iter,
                        f.shape.map_or("-", Shape::as_str)
                    )
                })
                .collect()
        }
    }

    const MARKS: [u64; 6] = [0, 1, 10, 100, 500, 1000];

    fn linear(per_iteration: u64) -> Vec<(u64, u64)> {
        MARKS.iter().map(|n| (100_000 + n * per_iteration, 1)).collect()
    }

    fn piling(bytes_each: u64) -> Vec<(u64, u64)> {
        MARKS.iter().map(|n| (n * bytes_each, *n)).collect()
    }

    #[test]
    fn bytes_bloat_and_contexts_leak() {
        let tree = Tree::new(&MARKS).set("TopMemoryContext", &linear(8208)).left("MessageContext/Leak", &piling(8488));
        assert_eq!(
            tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()),
            [
                "context_leak ERROR MessageContext/Leak 8488000B 8488/iter 1000 contexts 1.0/iter linear",
                "ctx_bloat ERROR TopMemoryContext 8208000B 8208/iter 0 contexts 0.0/iter linear",
            ]
        );
        assert_eq!(
            tree.judge(ScenarioKind::TxAbortLoop, Filter::default()),
            [
                "context_leak ERROR MessageContext/Leak 8488000B 8488/iter 1000 contexts 1.0/iter linear",
                "context_leak ERROR TopMemoryContext 8208000B 8208/iter 0 contexts 0.0/iter linear",
            ]
        );
        assert_eq!(
            tree.judge(ScenarioKind::WrongContextProbe, Filter::default()),
            ["wrong_ctx_alloc WARNING TopMemoryContext 8208000B 8208/iter 0 contexts 0.0/iter linear"]
        );
    }

    #[test]
    fn a_plain_window_reports_both_names_and_steps() {
        let tree = Tree::new(&[0, 1])
            .set("TopMemoryContext", &[(1000, 1), (10_000, 1)])
            .set("CacheMemoryContext/mine", &[(0, 0), (9000, 1)])
            .set("CacheMemoryContext/small", &[(0, 0), (900, 1)]);
        assert_eq!(
            tree.judge(ScenarioKind::Window, Filter::default()),
            [
                "wrong_ctx_alloc WARNING CacheMemoryContext/mine 9000B 9000/iter 1 contexts 1.0/iter -",
                "wrong_ctx_alloc WARNING TopMemoryContext 9000B 9000/iter 0 contexts 0.0/iter -",
                "context_leak INFO CacheMemoryContext/mine 9000B 9000/iter 1 contexts 1.0/iter -",
                "context_leak INFO TopMemoryContext 9000B 9000/iter 0 contexts 0.0/iter -",
            ]
        );
    }

    #[test]
    fn small_leaks_are_found_and_caches_are_not() {
        let cache: Vec<(u64, u64)> = MARKS.iter().map(|&n| (if n > 0 { 1_000_000 } else { 0 }, 1)).collect();
        let tree =
            Tree::new(&MARKS).set("a", &linear(100)).set("b", &linear(5)).set("c", &cache).set("tiny", &piling(4));
        assert_eq!(
            tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()),
            [
                "ctx_bloat WARNING a 100000B 100/iter 0 contexts 0.0/iter linear",
                "context_leak INFO tiny 4000B 4/iter 1000 contexts 1.0/iter linear",
            ]
        );
    }

    #[test]
    fn a_context_leaked_with_its_children_is_one_finding() {
        let tree = Tree::new(&MARKS)
            .set("mine", &piling(1000))
            .set("mine/child", &piling(500))
            .set("mine/child/grandchild", &piling(250));
        assert_eq!(
            tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()),
            ["context_leak ERROR mine 1750000B 1750/iter 1000 contexts 1.0/iter linear"]
        );
    }

    #[test]
    fn memory_of_the_message_and_the_transaction_is_not_compared_across_them() {
        let tree = Tree::new(&[0, 10])
            .set("MessageContext", &[(0, 1), (90_000, 1)])
            .set("TopTransactionContext/x", &[(0, 0), (90_000, 10)]);
        assert!(tree.judge(ScenarioKind::Window, Filter::default()).is_empty());
        let mut same = tree;
        for mark in &mut same.marks {
            mark.census.moment = Moment { message: Some(1), transaction: Some(1), portals: true };
        }
        assert_eq!(same.judge(ScenarioKind::Window, Filter::default()).len(), 2);
    }

    #[test]
    fn filters_select_contexts_and_checks() {
        let tree =
            || Tree::new(&[0, 1]).set("TopMemoryContext", &[(0, 1), (9000, 1)]).set("Buggy", &[(0, 1), (9000, 1)]);
        let like = |pattern: &str| vec![Like::new(pattern)];
        let names = |filter: Filter| -> Vec<String> {
            tree()
                .judge(ScenarioKind::Window, filter)
                .iter()
                .map(|line| {
                    line.split(' ')
                        .filter(|w| !w.ends_with("ING") && *w != "INFO")
                        .take(2)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect()
        };
        let watch = Filter { watch: like("Buggy%"), ..Filter::default() };
        assert_eq!(names(watch), ["context_leak Buggy"]);
        let allowed = Filter { allowed: like("TopMemoryContext"), ..Filter::default() };
        assert_eq!(names(allowed), ["context_leak Buggy", "context_leak TopMemoryContext"]);
        let bloat = Tree::new(&MARKS).set("TopMemoryContext", &linear(100)).set("Buggy", &linear(100));
        let allowed = Filter { allowed: like("Top%"), ..Filter::default() };
        assert_eq!(
            bloat.judge(ScenarioKind::GrowthBenchmark, allowed),
            ["ctx_bloat WARNING Buggy 100000B 100/iter 0 contexts 0.0/iter linear"]
        );
    }

    #[test]
    fn a_portal_or_a_plan_is_one_finding_of_cursor_leak() {
        let cursors = |tree: &Tree| tree.judge(ScenarioKind::CursorLeak, Filter::default());
        let tree = Tree::new(&MARKS)
            .set("CacheMemoryContext/CachedPlan", &piling(100))
            .set("CacheMemoryContext/CachedPlanSource", &piling(2000))
            .set("CacheMemoryContext/CachedPlanSource/CachedPlanQuery", &piling(1000))
            .set("CacheMemoryContext/SPI Plan", &piling(300))
            .set("TopPortalContext/PortalContext", &piling(40))
            .set("TopPortalContext/PortalHoldContext", &piling(60))
            .set("scratch", &piling(1000))
            .set("TopMemoryContext", &linear(100));
        assert_eq!(
            cursors(&tree),
            [
                "context_leak ERROR CacheMemoryContext/SPI Plan 3400000B 3400/iter 1000 contexts 1.0/iter linear",
                "context_leak WARNING TopPortalContext/PortalContext 100000B 100/iter 1000 contexts 1.0/iter linear",
            ]
        );
        // Prepared by SQL or by the client.
        let tree = Tree::new(&MARKS)
            .set("CacheMemoryContext/CachedPlanSource", &piling(2000))
            .set("CacheMemoryContext/CachedPlan", &piling(100));
        assert_eq!(
            cursors(&tree),
            ["context_leak ERROR CacheMemoryContext/CachedPlanSource 2100000B 2100/iter 1000 contexts 1.0/iter linear"]
        );
        // A cursor that stands, and plans that are made once.
        let tree = Tree::new(&MARKS)
            .set("TopPortalContext/PortalContext", &linear(100))
            .set("CacheMemoryContext/SPI Plan", &[(0, 0), (900, 3), (900, 3), (900, 3), (900, 3), (900, 3)]);
        assert!(cursors(&tree).is_empty());
    }

    #[test]
    fn a_superlinear_growth_is_one_rung_worse() {
        let values: Vec<(u64, u64)> = MARKS.iter().map(|n| (n * (n + 1) / 20, 1)).collect();
        let tree = Tree::new(&MARKS).set("x", &values);
        assert_eq!(
            tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()),
            ["ctx_bloat WARNING x 50050B 55/iter 0 contexts 0.0/iter superlinear"]
        );
    }
}
