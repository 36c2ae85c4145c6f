//! Scenarios that go by traced allocations.

use crate::ScenarioKind;
use crate::census::{Census, Live, Moment, PathId, PathTable, SiteId};
use crate::judge::workers::tests::ByNumber;
use crate::judge::{Evidence, Mark, Rules};

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

    /// What of that stands in place of something that was there before.
    fn credits(mut self, path: &str, site: u32, at: impl Fn(u64) -> (u64, u64)) -> Self {
        let path = self.path(path);
        for mark in &mut self.marks {
            let (bytes, allocations) = at(mark.iteration);
            mark.census.credit(path, SiteId(site), Live { bytes, allocations });
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
            mark.leftovers.add(path, crate::census::Totals { used: objects * 300, allocated: objects * 1024, objects });
        }
        self
    }

    fn judge(&self, scenario: ScenarioKind) -> Vec<String> {
        let rules = Rules::default();
        let evidence =
            Evidence { paths: &self.paths, marks: &self.marks, ladder: &[], rules: &rules, places: Some(&ByNumber) };
        scenario
            .judge(&evidence)
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
fn what_replaces_what_was_there_is_no_growth_and_a_leak_beside_it_is() {
    let ring = || Trace::new().holds("Ring", 1, |n| (100 * n, n)).credits("Ring", 1, |n| (100 * n, n));
    let full = || Trace::new().holds("Ring", 1, |n| (200 * n.min(64), n.min(64)));
    let window = |trace: &Trace| trace.judge(ScenarioKind::Window);
    for scenario in [ScenarioKind::GrowthBenchmark, ScenarioKind::TxAbortLoop, ScenarioKind::Window] {
        assert_eq!(ring().judge(scenario), [""; 0]);
        // Once round, it is known.
        assert_eq!(full().credits("Ring", 1, |n| (200 * n.min(64), n.min(64))).judge(scenario), [""; 0]);
    }
    assert_ne!(window(&full()), [""; 0]);
    assert_eq!(
        ring().holds("Ring", 2, |n| (24 * n, n)).judge(ScenarioKind::GrowthBenchmark),
        ["ctx_bloat INFO Ring 24000B x1000 24/iter site 2"]
    );
    // More was given back than is there: the rest was held before.
    let shrinks = Trace::new().holds("Ring", 1, |n| (8 * n, n)).credits("Ring", 1, |n| (100 * n, n));
    assert_eq!(shrinks.judge(ScenarioKind::GrowthBenchmark), [""; 0]);
}

#[test]
fn who_creates_contexts_and_leaves_them_empty_is_named() {
    let mut trace =
        Trace::new().holds("mine", 1, |n| (0, n)).holds("full", 1, |n| (0, n)).holds("full", 2, |n| (100 * n, n));
    for name in ["mine", "full"] {
        let path = trace.path(name);
        for mark in &mut trace.marks {
            let objects = mark.iteration;
            mark.census.add(path, crate::census::Totals { used: objects * 300, allocated: objects * 1024, objects });
        }
    }
    assert_eq!(
        trace.judge(ScenarioKind::GrowthBenchmark),
        ["context_leak WARNING full 100000B x1000 100/iter site 2", "context_leak WARNING mine 0B x1000 0/iter site 1",]
    );
}

#[test]
fn contexts_that_no_target_has_created_are_the_servers() {
    // As a statement on a partitioned table leaves one, and DROP FUNCTION another; a context of the target's lies beside them.
    let piles = || {
        let mut trace = Trace::new().piles("PL/pgSQL function", 900).piles("CacheMemoryContext/index info", 900);
        let directory = trace.path("MessageContext/partition directory");
        for mark in &mut trace.marks {
            let objects = mark.iteration;
            let totals = crate::census::Totals { used: objects * 300, allocated: objects * 8192, objects };
            mark.leftovers.add(directory, totals);
        }
        trace
    };
    for scenario in [
        ScenarioKind::GrowthBenchmark,
        ScenarioKind::TxAbortLoop,
        ScenarioKind::WrongContextProbe,
        ScenarioKind::Window,
    ] {
        assert_eq!(piles().judge(scenario), [""; 0], "{scenario}");
        assert_eq!(piles().holds("mine", 1, |_| (0, 1)).judge(scenario), [""; 0], "{scenario}");
    }
    let created = piles().piles("mine", 300).holds("mine", 1, |n| (0, n));
    assert_eq!(created.judge(ScenarioKind::GrowthBenchmark), ["context_leak WARNING mine 0B x1000 0/iter site 1"]);
}

/// A plain window has no marks to tell a pile by; the target has created them.
#[test]
fn empty_contexts_count_in_a_window() {
    let window = |used: u64, made: u64| {
        let mut trace = Trace::new().holds("mine", 1, |n| (0, n.min(made)));
        let path = trace.path("mine");
        for mark in &mut trace.marks {
            let objects = mark.iteration.min(made);
            mark.census.add(path, crate::census::Totals { used: objects * used, allocated: objects * 1024, objects });
        }
        trace.marks = vec![trace.marks.swap_remove(0), trace.marks.swap_remove(0)];
        trace.judge(ScenarioKind::Window)
    };
    let found = |severity, made| {
        vec![
            format!("context_leak {severity} mine 0B x{made} 0/iter site 1"),
            format!("wrong_ctx_alloc WARNING mine 0B x{made} 0/iter site 1"),
        ]
    };
    assert_eq!(window(240, 1000), found("WARNING", 1000));
    // Too few for their totals to count: by what they take at least.
    assert_eq!(window(240, 20), found("INFO", 20)[..1]);
    assert_eq!(window(240, 7), [""; 0]);
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
    let workers = || Trace::new().holds("mine", worker, |n| (800 * n, 100 * n)).holds("mine", quiet, |n| (100 * n, n));
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
    assert_eq!(trace.judge(ScenarioKind::GrowthBenchmark), ["context_leak ERROR mine 400000B x2000 400/iter site 2"]);
}
