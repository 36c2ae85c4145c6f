//! Scenarios that go by context totals.

use crate::ScenarioKind;
use crate::census::{Census, Moment, Namer, PathId, PathTable, Totals};
use crate::judge::growth::Shape;
use crate::judge::{Evidence, Filter, Mark, Rules};
use crate::like::Like;

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
        let rules = Rules { filter, ..Rules::default() };
        let evidence = Evidence { paths: &self.paths, marks: &self.marks, ladder: &[], rules: &rules, places: None };
        scenario
            .judge(&evidence)
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
fn what_the_server_leaves_of_a_statement_counts_where_it_is_asked_for() {
    let mut tree = Tree::new(&[0, 1, 10, 50, 100])
        .left("MessageContext/statement", &[(0, 0), (8192, 1), (81_920, 10), (409_600, 50), (819_200, 100)]);
    let directory = tree.path("MessageContext/statement");
    assert_eq!(tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()).len(), 1);
    tree.paths.named_by(directory, Namer::Server);
    assert_eq!(tree.judge(ScenarioKind::GrowthBenchmark, Filter::default()), [""; 0]);
    let watch = Filter { watch: vec![Like::new("state%")], ..Filter::default() };
    assert_eq!(tree.judge(ScenarioKind::GrowthBenchmark, watch).len(), 1);
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
    let tree = Tree::new(&MARKS).set("a", &linear(100)).set("b", &linear(5)).set("c", &cache).set("tiny", &piling(4));
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
    let tree = || Tree::new(&[0, 1]).set("TopMemoryContext", &[(0, 1), (9000, 1)]).set("Buggy", &[(0, 1), (9000, 1)]);
    let like = |pattern: &str| vec![Like::new(pattern)];
    let names = |filter: Filter| -> Vec<String> {
        tree()
            .judge(ScenarioKind::Window, filter)
            .iter()
            .map(|line| {
                line.split(' ').filter(|w| !w.ends_with("ING") && *w != "INFO").take(2).collect::<Vec<_>>().join(" ")
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
