//! Judgement of a traced window: allocations that are known to be a target's, in requested bytes.
//!
//! What is not a target's is not counted, so there is no noise to allow for: growth that goes on is a leak however small.

use std::collections::BTreeMap;

use crate::census::{Lifetime, Live, PathId, PathTable, SiteId};
use crate::check::{CheckKind, Severity};
use crate::detail;
use crate::finding::{Finding, MarkPoint, Site};
use crate::handed::is_handed_over;
use crate::judge::growth::{Growth, Point, Shape, sustained};
use crate::judge::thresholds::severity_of;
use crate::judge::workers::{Places, retain_leaks};
use crate::judge::{Mark, Rules, judge, sort};
use crate::scenario::ScenarioKind;

/// Judges a traced window: one finding for each context path and group of sites, by the site that holds most of it.
///
/// Contexts that pile up without anything of a target's in them are taken from the context totals, unless they are the
/// server's caches. An allocation of no bytes stands for a context that a target has created. What the server has made for
/// a target is counted in contexts, and so are portals and plans, whoever made them, where those are what is looked for.
pub fn judge_traced(paths: &PathTable, marks: &[Mark], rules: &Rules, places: &dyn Places) -> Vec<Finding> {
    let untraced = judge(paths, marks, rules);
    let curves = curves(paths, marks, &untraced, places);
    let own = curves.iter().filter(|curve| match rules.scenario {
        ScenarioKind::CursorLeak => matches!(curve.path, PathId::HEAP | PathId::DSM),
        _ => !is_handed_over(paths.name(curve.path)),
    });
    let mut findings: Vec<Finding> = own.flat_map(|curve| findings(paths, rules, curve, &untraced)).collect();
    findings.retain(|finding| {
        matches!(finding.check, CheckKind::MallocLeak | CheckKind::DsmLeak) || rules.filter.reports(&finding.path)
    });
    let piles: Vec<Finding> = untraced
        .iter()
        .filter(|finding| finding.objects > 0)
        .filter_map(|finding| {
            let is_traced = findings.iter().any(|traced| traced.path == finding.path);
            let of_it = curves.iter().filter(|curve| paths.path(curve.path) == finding.path).collect();
            pile(rules, finding, is_traced, of_it)
        })
        .collect();
    findings.extend(piles);
    sort(&mut findings);
    findings
}

/// A pile of contexts, as the totals show it, with what is known about who has made it.
fn pile(rules: &Rules, finding: &Finding, is_traced: bool, curves: Vec<&Curve>) -> Option<Finding> {
    let has_grown = |curve: &&Curve| curve.growth() > 0 || curve.last().allocations > curve.first().allocations;
    let maker = curves.into_iter().filter(has_grown).max_by_key(|curve| curve.growth());
    let is_handed_over = maker.is_some() && is_handed_over(finding.path.leaf());
    if is_handed_over || rules.scenario == ScenarioKind::CursorLeak {
        return Some(Finding { site: maker.map(|curve| Site::numbered(curve.site)), ..finding.clone() });
    }
    // Without a shape there were too few marks to tell a pile from a context that is made once.
    let unknown = finding.shape.is_none() || is_traced || (maker.is_none() && is_cache(finding));
    (!unknown).then(|| empty_pile(finding.clone(), maker))
}

/// A pile of contexts in which no target has allocated anything; perhaps one has created them.
fn empty_pile(finding: Finding, creator: Option<&Curve>) -> Finding {
    let Some(creator) = creator else { return finding };
    Finding {
        bytes: 0,
        bytes_per_iter: 0.0,
        site: Some(Site::numbered(creator.site)),
        marks: creator.marks(),
        ..finding
    }
}

/// The path of the contexts that pile up and that this path is or lies below: a context leaked with its children is one bug.
fn top_of_pile(paths: &PathTable, untraced: &[Finding], mut path: PathId) -> Option<PathId> {
    loop {
        let it = paths.path(path);
        if untraced.iter().any(|finding| finding.path == it && finding.objects > 0) {
            return Some(path);
        }
        if path == PathId::ROOT {
            return None;
        }
        path = paths.parent(path);
    }
}

fn is_cache(finding: &Finding) -> bool {
    finding.path.names().first().is_some_and(|name| name == "CacheMemoryContext")
}

/// What the sites of one group hold in contexts with one path, over the marks.
struct Curve {
    path: PathId,
    site: SiteId,
    points: Vec<(u64, Live)>,
}

impl Curve {
    fn first(&self) -> Live {
        self.points.first().map(|&(_, live)| live).unwrap_or_default()
    }

    fn last(&self) -> Live {
        self.points.last().map(|&(_, live)| live).unwrap_or_default()
    }

    fn marks(&self) -> Vec<MarkPoint> {
        let mark =
            |&(iteration, live): &(u64, Live)| MarkPoint { iteration, used: live.bytes, objects: live.allocations };
        self.points.iter().map(mark).collect()
    }

    fn growth(&self) -> u64 {
        self.last().bytes.saturating_sub(self.first().bytes)
    }

    fn iterations(&self) -> u64 {
        self.points.last().map_or(0, |&(iteration, _)| iteration)
    }

    fn growth_of(&self, value: impl Fn(&Live) -> u64) -> Option<Growth> {
        let points: Vec<Point> =
            self.points.iter().map(|(iteration, live)| Point { iteration: *iteration, value: value(live) }).collect();
        sustained(&points)
    }
}

fn curves(paths: &PathTable, marks: &[Mark], untraced: &[Finding], places: &dyn Places) -> Vec<Curve> {
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
                if comparable(path) { mark.census.live(path, site) } else { mark.leftovers.live(path, site) }
            };
            retain_leaks(&mut sites, marks, places, |mark, held| live(mark, held).bytes);
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
            Some(Curve { path, site, points })
        })
        .collect()
}

fn findings(paths: &PathTable, rules: &Rules, curve: &Curve, untraced: &[Finding]) -> Vec<Finding> {
    match curve.path {
        PathId::HEAP => return lost(paths, rules, curve, CheckKind::MallocLeak).into_iter().collect(),
        PathId::DSM => return lost(paths, rules, curve, CheckKind::DsmLeak).into_iter().collect(),
        _ => {}
    }
    let path = paths.path(curve.path);
    let allowed = rules.filter.allows(&path);
    let bytes = curve.growth_of(|live| live.bytes);
    let total = curve.growth();
    let piles_up = untraced.iter().any(|finding| finding.path == path && finding.objects > 0);
    let enough = total > 0 && total >= rules.thresholds.min_leak_bytes;
    let long_lived = paths.lifetime(curve.path) == Lifetime::Backend;
    let global = paths.is_global(curve.path) || (piles_up && paths.is_global(paths.parent(curve.path)));
    let make = |check, severity| finding(paths, rules, curve, bytes, check, severity);
    match rules.scenario {
        ScenarioKind::Window => {
            let leak = enough.then(|| make(CheckKind::ContextLeak, severity_of(total)));
            let wrong =
                (enough && long_lived && global && !allowed).then(|| make(CheckKind::WrongCtxAlloc, Severity::Warning));
            leak.into_iter().chain(wrong).collect()
        }
        ScenarioKind::WrongContextProbe => {
            let wrong = bytes.is_some() && long_lived && global && !allowed;
            wrong.then(|| make(CheckKind::WrongCtxAlloc, Severity::Warning)).into_iter().collect()
        }
        _ if allowed => Vec::new(),
        scenario => {
            let Some(growth) = bytes else { return Vec::new() };
            let severity = severity_of(growth.total);
            vec![match growth.shape {
                _ if piles_up || scenario == ScenarioKind::TxAbortLoop => make(CheckKind::ContextLeak, severity),
                Some(Shape::Superlinear) => make(CheckKind::CtxBloat, severity.escalated()),
                _ => make(CheckKind::CtxBloat, severity),
            }]
        }
    }
}

/// What is lost outside of contexts is lost in every scenario; the filters are about contexts.
fn lost(paths: &PathTable, rules: &Rules, curve: &Curve, check: CheckKind) -> Option<Finding> {
    let bytes = curve.growth_of(|live| live.bytes);
    let least = if check == CheckKind::MallocLeak { rules.thresholds.min_leak_bytes.max(1) } else { 1 };
    let goes_on = match rules.scenario {
        ScenarioKind::Window => curve.growth() >= least,
        _ => bytes.is_some(),
    };
    let severity = if check == CheckKind::DsmLeak { Severity::Warning } else { severity_of(curve.growth()) };
    let mut finding = finding(paths, rules, curve, bytes, check, severity);
    finding.detail = detail::lost(paths.name(curve.path), curve.first(), curve.last());
    goes_on.then_some(finding)
}

fn finding(
    paths: &PathTable,
    rules: &Rules,
    curve: &Curve,
    bytes: Option<Growth>,
    check: CheckKind,
    severity: Severity,
) -> Finding {
    let (before, after) = (curve.first(), curve.last());
    let path = paths.path(curve.path);
    let iterations = curve.iterations();
    let allocations = after.allocations.saturating_sub(before.allocations);
    let per_iteration = |total: u64| total as f64 / iterations.max(1) as f64;
    let objects = curve.growth_of(|live| live.allocations);
    Finding {
        check,
        severity,
        bytes: curve.growth(),
        objects: allocations,
        iterations,
        bytes_per_iter: bytes.map_or_else(|| per_iteration(curve.growth()), |growth| growth.rate),
        objects_per_iter: objects.map_or_else(|| per_iteration(allocations), |growth| growth.rate),
        shape: bytes.and_then(|growth| growth.shape),
        phase: rules.phase,
        source_lib: String::new(),
        site: Some(Site::numbered(curve.site)),
        marks: curve.marks(),
        detail: detail::traced(&path, before, after),
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::{Census, Moment};
    use crate::judge::Filter;
    use crate::judge::thresholds::Thresholds;
    use crate::judge::workers::tests::ByNumber;

    const MARKS: [u64; 6] = [0, 1, 10, 100, 500, 1000];

    struct Trace {
        paths: PathTable,
        marks: Vec<Mark>,
    }

    impl Trace {
        fn new() -> Self {
            let mark = |(i, &iteration): (usize, &u64)| {
                let moment = Moment { message: None, transaction: Some(i as u64), portals: true };
                Mark { iteration, census: Census::new(moment), leftovers: Census::new(moment), ..Mark::default() }
            };
            Trace { paths: PathTable::default(), marks: MARKS.iter().enumerate().map(mark).collect() }
        }

        fn path(&mut self, path: &str) -> PathId {
            path.split('/').fold(PathId::ROOT, |parent, name| match name {
                "TopMemoryContext" => PathId::ROOT,
                name => self.paths.child(parent, name),
            })
        }

        /// What site `site` holds in `path` after n iterations.
        fn holds(mut self, path: &str, site: u32, at: impl Fn(u64) -> (u64, u64)) -> Self {
            let path = self.path(path);
            for mark in &mut self.marks {
                let (bytes, allocations) = at(mark.iteration);
                mark.census.count_traced(path, SiteId(site), Live { bytes, allocations });
            }
            self
        }

        /// A context with that path for each iteration, each with so many bytes in use.
        fn piles(mut self, path: &str, used: u64) -> Self {
            let path = self.path(path);
            for mark in &mut self.marks {
                let (used, objects) = (used * mark.iteration, mark.iteration);
                mark.census.add(path, crate::census::Totals { used, allocated: used * 2, objects });
            }
            self
        }

        fn leaves(mut self, path: &str, site: u32, at: impl Fn(u64) -> (u64, u64)) -> Self {
            let path = self.path(path);
            for mark in &mut self.marks {
                let (bytes, allocations) = at(mark.iteration);
                mark.leftovers.count_traced(path, SiteId(site), Live { bytes, allocations });
                let objects = mark.iteration;
                mark.leftovers
                    .add(path, crate::census::Totals { used: objects * 300, allocated: objects * 1024, objects });
            }
            self
        }

        fn judge(&self, scenario: ScenarioKind) -> Vec<String> {
            let rules = Rules { scenario, thresholds: Thresholds::default(), filter: Filter::default(), phase: None };
            judge_traced(&self.paths, &self.marks, &rules, &ByNumber)
                .into_iter()
                .map(|f| {
                    format!(
                        "{} {} {} {}B x{} {:.0}/iter site {}",
                        f.check,
                        f.severity,
                        f.path,
                        f.bytes,
                        f.objects,
                        f.bytes_per_iter,
                        f.site.map_or(-1, |site| i64::from(site.id.0))
                    )
                })
                .collect()
        }
    }

    #[test]
    fn eight_bytes_a_call_are_a_leak_and_a_cache_is_not() {
        let trace = Trace::new()
            .holds("TopMemoryContext", 1, |n| (8 * n, n))
            .holds("Cache", 2, |n| if n > 0 { (1 << 20, 1) } else { (0, 0) })
            .holds("Filling", 3, |n| (n.min(64) * 100, n.min(64)));
        assert_eq!(
            trace.judge(ScenarioKind::GrowthBenchmark),
            ["ctx_bloat INFO TopMemoryContext 8000B x1000 8/iter site 1"]
        );
        assert_eq!(
            trace.judge(ScenarioKind::TxAbortLoop),
            ["context_leak INFO TopMemoryContext 8000B x1000 8/iter site 1"]
        );
        assert_eq!(
            trace.judge(ScenarioKind::WrongContextProbe),
            ["wrong_ctx_alloc WARNING TopMemoryContext 8000B x1000 8/iter site 1"]
        );
    }

    #[test]
    fn who_creates_contexts_and_leaves_them_empty_is_named() {
        let mut trace =
            Trace::new().holds("mine", 1, |n| (0, n)).holds("full", 1, |n| (0, n)).holds("full", 2, |n| (100 * n, n));
        for name in ["mine", "full"] {
            let path = trace.path(name);
            for mark in &mut trace.marks {
                let objects = mark.iteration;
                mark.census
                    .add(path, crate::census::Totals { used: objects * 300, allocated: objects * 1024, objects });
            }
        }
        assert_eq!(
            trace.judge(ScenarioKind::GrowthBenchmark),
            [
                "context_leak WARNING full 100000B x1000 100/iter site 2",
                "context_leak WARNING mine 0B x1000 0/iter site 1",
            ]
        );
    }

    #[test]
    fn what_is_lost_in_the_heap_is_a_leak_in_every_scenario() {
        let mut trace = Trace::new();
        for mark in &mut trace.marks {
            let (bytes, allocations) = (4096 * mark.iteration, mark.iteration);
            mark.census.count_traced(PathId::HEAP, SiteId(1), Live { bytes, allocations });
            mark.census.count_traced(PathId::HEAP, SiteId(100), Live { bytes: 1 << 20, allocations: 1 });
        }
        for scenario in [ScenarioKind::GrowthBenchmark, ScenarioKind::TxAbortLoop, ScenarioKind::WrongContextProbe] {
            assert_eq!(trace.judge(scenario), ["malloc_leak ERROR malloc 4096000B x1000 4096/iter site 1"]);
        }
        assert_eq!(trace.judge(ScenarioKind::Window).len(), 1);
    }

    #[test]
    fn the_leader_says_what_is_a_leak_in_workers() {
        let (worker, quiet) = (SiteId::of_worker(2).0, SiteId::of_worker(3).0);
        let with_calls = |mut trace: Trace, calls: u64| {
            trace.marks.iter_mut().for_each(|mark| mark.calls = calls * mark.iteration);
            trace.judge(ScenarioKind::GrowthBenchmark)
        };
        let workers =
            || Trace::new().holds("mine", worker, |n| (800 * n, 100 * n)).holds("mine", quiet, |n| (100 * n, n));
        let found = |bytes: u64, times: u64| {
            vec![format!("ctx_bloat WARNING mine {bytes}B x{times} {}/iter site {worker}", bytes / 1000)]
        };
        // It did not call: only the workers tell.
        assert_eq!(with_calls(workers(), 0), found(800_000, 100_000));
        // It did, and leaks there as well: one finding for all.
        assert_eq!(with_calls(workers().holds("mine", 2, |n| (80 * n, 10 * n)), 10), found(880_000, 110_000));
        // It did, and does not: a cache, which every worker has to fill anew.
        assert_eq!(with_calls(workers(), 10), Vec::<String>::new());
        assert_eq!(with_calls(workers().holds("mine", 2, |n| (n.min(1) * 5000, n.min(1))), 10), Vec::<String>::new());
        // It leaks elsewhere.
        assert_eq!(
            with_calls(workers().holds("mine", 4, |n| (80 * n, 10 * n)), 10),
            ["ctx_bloat WARNING mine 80000B x10000 80/iter site 4"]
        );
    }

    #[test]
    fn sites_of_one_library_in_one_context_are_one_finding() {
        let trace =
            Trace::new()
                .holds("mine", 1, |n| (16 * n, n))
                .holds("mine", 2, |n| (100 * n, n))
                .holds("mine", 100, |n| (8 * n, n));
        assert_eq!(
            trace.judge(ScenarioKind::GrowthBenchmark),
            ["ctx_bloat WARNING mine 116000B x2000 116/iter site 2", "ctx_bloat INFO mine 8000B x1000 8/iter site 100"]
        );
    }

    #[test]
    fn what_statements_leave_in_new_contexts_is_a_leak() {
        let trace = Trace::new().leaves("MessageContext/Leak", 1, |n| (8192 * n, n));
        assert_eq!(
            trace.judge(ScenarioKind::GrowthBenchmark),
            ["context_leak ERROR MessageContext/Leak 8192000B x1000 8192/iter site 1"]
        );
    }

    #[test]
    fn what_the_server_made_for_a_target_is_counted_in_contexts() {
        let plans = |trace: Trace| {
            trace
                .piles("CacheMemoryContext/SPI Plan", 300)
                .piles("CacheMemoryContext/CachedPlanSource", 2000)
                .piles("CacheMemoryContext/CachedPlanSource/CachedPlanQuery", 1000)
                .piles("CacheMemoryContext/CachedPlan", 800)
        };
        let traced = plans(Trace::new())
            .holds("CacheMemoryContext/SPI Plan", 1, |n| (200 * n, 3 * n))
            .holds("CacheMemoryContext/CachedPlanSource", 1, |n| (500 * n, 4 * n))
            .holds("CacheMemoryContext/CachedPlanSource/CachedPlanQuery", 2, |n| (900 * n, 20 * n));
        assert_eq!(
            traced.judge(ScenarioKind::GrowthBenchmark),
            [
                "context_leak ERROR CacheMemoryContext/CachedPlanSource 3000000B x1000 3000/iter site 2",
                "context_leak WARNING CacheMemoryContext/SPI Plan 300000B x1000 300/iter site 1",
            ]
        );
        let plan = "context_leak ERROR CacheMemoryContext/SPI Plan 4100000B x1000 4100/iter site";
        assert_eq!(traced.judge(ScenarioKind::CursorLeak), [format!("{plan} 1")]);
        // A plan that the target keeps once is not what piles up.
        let nobodys = plans(Trace::new()).holds("CacheMemoryContext/SPI Plan", 1, |_| (200, 3));
        assert_eq!(nobodys.judge(ScenarioKind::GrowthBenchmark), [""; 0]);
        assert_eq!(nobodys.judge(ScenarioKind::CursorLeak), [format!("{plan} -1")]);
    }

    #[test]
    fn a_context_leaked_with_its_children_is_one_finding() {
        let trace = Trace::new().piles("mine", 1000).piles("mine/child", 500).holds("mine", 1, |n| (100 * n, n)).holds(
            "mine/child",
            2,
            |n| (300 * n, n),
        );
        assert_eq!(
            trace.judge(ScenarioKind::GrowthBenchmark),
            ["context_leak WARNING mine 400000B x2000 400/iter site 2"]
        );
    }
}
