//! Cold, warm, and cold again after DISCARD ALL.
//!
//! The marks are, in this order: the start, the session after its first execution, the warm session at its checkpoints, after
//! DISCARD ALL, and after one more execution.

use super::{Description, Execution, Iterations};
use crate::census::{Lifetime, Live, PathTable, Totals};
use crate::check::CheckKind;
use crate::finding::{Finding, MarkPoint, sort};
use crate::handed::is_handed_over;
use crate::judge::growth::Growth;
use crate::judge::thresholds::severity;
use crate::judge::untraced::fold;
use crate::judge::{Contexts, Curve, Evidence, Held, Reading, cursor, judge};
use crate::path::ContextPath;
use crate::site::Site;

pub(super) static DESCRIPTION: Description = Description {
    name: "cold_warm_cold",
    catches: "memory that DISCARD ALL does not give back and that a second cold start takes once more",
    // With ten there are enough marks on the warm session to tell growth that goes on from a cache that fills.
    iterations: Iterations { fewest: 10, ..Description::COMMON.iterations },
    warms_up: false,
    // Both cold starts begin with DISCARD ALL, which no transaction has room for.
    makes_transactions: true,
    shows_all_marks: true,
    checks: &[
        CheckKind::CtxBloat,
        CheckKind::ContextLeak,
        CheckKind::DsmLeak,
        CheckKind::MallocLeak,
        CheckKind::ResourceLeak,
    ],
    execution: Execution {
        judge: |evidence| {
            let mut findings: Vec<Finding> = judge(&ColdStarts, evidence).into_iter().map(told).collect();
            sort(&mut findings);
            findings
        },
        call: None,
    },
    ..Description::COMMON
};

/// A second cold start of as many allocations as the first costs more from so many bytes on: `:i` is another one, and a key
/// that it is part of may be longer.
const LONGER_KEY: i64 = 64;

/// Compares what there is after the two cold starts.
struct ColdStarts;

impl Reading for ColdStarts {
    /// A saved plan is several contexts, and one bug.
    fn select(&self, paths: &PathTable, all: &mut Vec<Contexts<Totals>>) {
        fold(all, |piles, path| cursor::told_by(paths, piles, path));
    }

    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        let (path, thresholds) = (evidence.paths.path(contexts.path), evidence.rules.thresholds);
        let Some(phases) = Phases::of(&contexts.curve) else { return Vec::new() };
        let (surplus, in_cache) = (phases.surplus_in(Some(&path)), is_servers_cache(&path));
        // However small, a context that is made anew is no accident, except where the server makes and drops them as it sees
        // fit.
        let least = if in_cache { thresholds.min_leak_bytes } else { 0 };
        let piles_up = surplus.objects > 0 && surplus.bytes >= signed(least);
        let bloats = surplus.bytes >= signed(thresholds.bloat_min_bytes.max(1));
        // What the server has to look up again because something was discarded is little of all that it looks up at first.
        let as_at_first = surplus.bytes >= phases.cold.bytes / 2;
        if !(piles_up || bloats) || (in_cache && !as_at_first && phases.left().bytes == 0) {
            return Vec::new();
        }
        if piles_up {
            return found(evidence, contexts, CheckKind::ContextLeak);
        }
        let standing = found(evidence, contexts, CheckKind::CtxBloat);
        // No pile of contexts.
        standing.into_iter().map(|finding| Finding { objects: 0, ..finding }).collect()
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, piles_up: bool) -> Vec<Finding> {
        let check = if piles_up { CheckKind::ContextLeak } else { CheckKind::CtxBloat };
        let is_lost = Phases::of(&contexts.curve).is_some_and(|phases| phases.lose_memory());
        if is_lost { found(evidence, contexts, check) } else { Vec::new() }
    }

    fn is_lost(&self, curve: &Curve<Live>) -> bool {
        Phases::of(curve).is_some_and(|phases| phases.lose_memory())
    }

    /// A cache that is given back or lives on stands beside one that does neither.
    fn counts(&self, site: &Curve<Live>) -> bool {
        Phases::of(site).is_some_and(|phases| phases.lose_memory() || phases.surplus().objects > 0)
    }

    /// The two cold starts are enough.
    fn is_sure(&self, _pile: &Finding) -> bool {
        true
    }
}

/// Whether the server has caches there, and nothing that it made for others.
fn is_servers_cache(path: &ContextPath) -> bool {
    path.names().first().is_some_and(|name| name == "CacheMemoryContext") && !is_handed_over(path.leaf())
}

/// A finding about these contexts, unless they may grow or are gone with the message anyway. [`told`] puts the figures right.
fn found<V: Held>(evidence: &Evidence, contexts: &Contexts<V>, check: CheckKind) -> Vec<Finding> {
    if evidence.allows(contexts.path) || evidence.paths.lifetime(contexts.path) == Lifetime::Message {
        return Vec::new();
    }
    let (path, curve) = (evidence.paths.path(contexts.path), &contexts.curve);
    let site = contexts.site.map(Site::numbered);
    vec![Finding { site, ..curve.finding(check, path, curve.trend(), None) }]
}

/// A finding with the figures and the sentence of this scenario: what is held too much instead of all that was added.
///
/// Its marks are the phases, by the executions of the workload that there had been.
fn told(mut finding: Finding) -> Finding {
    let point = |mark: &MarkPoint| (mark.iteration, Live { bytes: mark.used, allocations: mark.objects });
    let Some(phases) = Phases::of(&Curve { points: finding.marks.iter().map(point).collect() }) else { return finding };
    let surplus = phases.surplus_in(finding.site.is_none().then_some(&finding.path));
    let rate = |growth: Option<Growth>, surplus: i64| growth.map_or(surplus as f64, |growth| growth.rate);
    finding.bytes_per_iter = rate(phases.bytes_go_on, surplus.bytes);
    finding.objects_per_iter = rate(phases.objects_go_on, surplus.objects);
    finding.bytes = surplus.bytes.unsigned_abs();
    finding.objects = surplus.objects.unsigned_abs();
    finding.shape = phases.bytes_go_on.and_then(|growth| growth.shape);
    finding.severity = severity(finding.check, finding.bytes, finding.shape);
    if let [.., warm, discarded, again] = finding.marks.as_mut_slice() {
        discarded.iteration = warm.iteration;
        again.iteration = warm.iteration + 1;
        finding.iterations = again.iteration;
    }
    // The totals count contexts, and so does what the server has made for a target.
    let counts_allocations = finding.site.is_some() && !is_handed_over(finding.path.leaf());
    let what = if finding.check.is_in_context() {
        format!("context '{}' (depth {})", finding.path.leaf(), finding.path.depth())
    } else {
        finding.path.to_string()
    };
    finding.detail =
        format!("{what}: {}", phases.sentence(if counts_allocations { "allocations" } else { "contexts" }));
    finding
}

/// Bytes and objects, more or less than there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Change {
    bytes: i64,
    objects: i64,
}

impl Change {
    fn between<V: Held>(before: &V, after: &V) -> Self {
        let change = |before, after| signed(after) - signed(before);
        Change { bytes: change(before.bytes(), after.bytes()), objects: change(before.objects(), after.objects()) }
    }

    fn with(self, other: Self, each: impl Fn(i64, i64) -> i64) -> Self {
        Change { bytes: each(self.bytes, other.bytes), objects: each(self.objects, other.objects) }
    }

    fn less(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    /// Nothing where there is less than before.
    fn added(self) -> Self {
        self.with(Change::default(), i64::max)
    }
}

/// What is held since the start at the end of each phase.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Phases {
    cold: Change,
    warm: Change,
    discarded: Change,
    cold_again: Change,
    /// Growth of the warm session that goes on, and that DISCARD ALL has not undone.
    bytes_go_on: Option<Growth>,
    objects_go_on: Option<Growth>,
}

impl Phases {
    /// From a curve over all of them; none where marks are missing.
    fn of<V: Held>(curve: &Curve<V>) -> Option<Self> {
        let [(_, start), session @ .., (_, discarded), (_, again)] = curve.points.as_slice() else { return None };
        let ((_, cold), (_, warm)) = (session.first()?, session.last()?);
        let trend = Curve { points: session.to_vec() }.trend();
        // With a single interval any growth would go on.
        let goes_on = |growth: Option<Growth>, left: i64| growth.filter(|growth| growth.shape.is_some() && left > 0);
        let left = Change::between(cold, discarded);
        Some(Phases {
            cold: Change::between(start, cold),
            warm: Change::between(start, warm),
            discarded: Change::between(start, discarded),
            cold_again: Change::between(start, again),
            bytes_go_on: goes_on(trend.bytes, left.bytes),
            objects_go_on: goes_on(trend.objects, left.objects),
        })
    }

    /// What DISCARD ALL has left above the first cold start, as far as the warm session went on taking more. What it took up to
    /// a bound is a cache that lives on.
    fn left(&self) -> Change {
        let left = self.discarded.less(self.cold);
        let of = |goes_on: Option<Growth>, left| goes_on.map_or(0, |_| left);
        Change { bytes: of(self.bytes_go_on, left.bytes), objects: of(self.objects_go_on, left.objects) }
    }

    /// What there is after the second cold start above what there was after the first, as far as it was taken since the session
    /// was warm, by DISCARD ALL itself or by the cold start.
    fn taken_again(&self) -> Change {
        let by_discard = self.discarded.less(self.warm).added();
        let by_start = self.second_start().added();
        let taken = by_discard.with(by_start, |a, b| a + b);
        self.cold_again.less(self.cold).with(taken, i64::min).added()
    }

    /// What is held too much.
    fn surplus(&self) -> Change {
        self.left().with(self.taken_again(), i64::max)
    }

    /// What is held too much as the totals of contexts show it, if that is where the phases come from. To drop what there is to
    /// drop, the server makes its own caches and tables larger: what DISCARD ALL takes there is not counted.
    fn surplus_in(&self, totals_of: Option<&ContextPath>) -> Change {
        let surplus = self.surplus();
        if totals_of.is_some_and(|path| is_servers_cache(path) || surplus.objects == 0) {
            return Phases { warm: self.warm.with(self.discarded, i64::max), ..*self }.surplus();
        }
        surplus
    }

    /// What the second cold start took.
    fn second_start(&self) -> Change {
        self.cold_again.less(self.discarded)
    }

    /// Whether allocations, which are known to be a target's, are lost.
    ///
    /// Memory that was taken again shows in their number: an entry of a full cache that makes room for a larger one, and a buffer
    /// that is enlarged, do not.
    fn lose_memory(&self) -> bool {
        let surplus = self.surplus();
        surplus.bytes > 0 && (self.left().bytes > 0 || surplus.objects > 0 || self.second_costs_more())
    }

    /// Whether the second cold start takes more bytes in no more allocations than the first: after DISCARD ALL has given back
    /// what the first one took, or in place of it, while the warm session left it alone.
    fn second_costs_more(&self) -> bool {
        let anew = self.second_start().less(self.cold);
        let in_place = self.cold_again.less(self.cold);
        (anew.objects >= 0 && anew.bytes >= LONGER_KEY) || (self.warm == self.cold && in_place.bytes >= LONGER_KEY)
    }

    /// What each cold start took, and what was held after each phase.
    fn sentence(&self, objects: &str) -> String {
        let Phases { cold, warm, discarded, cold_again, .. } = *self;
        let is_counted = [cold, warm, discarded, cold_again].iter().any(|change| change.objects != 0);
        let short = |change: Change| match change {
            Change { bytes, objects } if is_counted => format!("{bytes} in {objects}"),
            Change { bytes, .. } => bytes.to_string(),
        };
        let first = if is_counted {
            format!("{} bytes in {} {objects}", cold.bytes, cold.objects)
        } else {
            format!("{} bytes", cold.bytes)
        };
        format!(
            "the first cold start took {first}, the second {}; held {} cold, {} warm, {} after DISCARD ALL, {} cold again",
            short(self.second_start()),
            short(cold),
            short(warm),
            short(discarded),
            short(cold_again),
        )
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::{Census, Moment, PathId, SiteId};
    use crate::judge::workers::tests::ByNumber;
    use crate::judge::{Mark, Rules};
    use crate::{ScenarioKind, Shape};

    /// Bytes and objects: cold, after 1, 5 and 10 more executions, after DISCARD ALL, and cold again.
    type Held = [(u64, u64); 6];

    const NUMBERS: [u64; 7] = [0, 1, 2, 6, 11, 12, 13];

    struct Session {
        paths: PathTable,
        marks: Vec<Mark>,
    }

    impl Session {
        fn new() -> Self {
            let mark = |iteration| {
                let census = Census::new(Moment { portals: true, ..Moment::default() });
                Mark { iteration, census, ..Mark::default() }
            };
            Session { paths: PathTable::default(), marks: NUMBERS.map(mark).into() }
        }

        fn path(&mut self, path: &str) -> PathId {
            match path {
                "malloc" => PathId::HEAP,
                path => path.split('/').fold(PathId::ROOT, |parent, name| self.paths.child(parent, name)),
            }
        }

        fn traced(mut self, path: &str, site: u32, held: Held) -> Self {
            let path = self.path(path);
            for (mark, (bytes, allocations)) in self.marks[1..].iter_mut().zip(held) {
                mark.census.count_traced(path, SiteId(site), Live { bytes, allocations });
            }
            self
        }

        fn contexts(mut self, path: &str, held: Held) -> Self {
            let path = self.path(path);
            for (mark, (used, objects)) in self.marks[1..].iter_mut().zip(held) {
                mark.census.add(path, Totals { used, allocated: used, objects });
            }
            self
        }

        fn judge(&self, is_traced: bool) -> Vec<Finding> {
            let (rules, marks) = (Rules::default(), self.marks.as_slice());
            let places = is_traced.then_some(&ByNumber as &dyn crate::judge::workers::Places);
            ScenarioKind::ColdWarmCold.judge(&Evidence {
                paths: &self.paths,
                marks,
                ladder: &[],
                rules: &rules,
                places,
            })
        }

        fn brief(&self, is_traced: bool) -> Vec<String> {
            let brief = |found: Finding| {
                let site = found.site.map_or("-".to_owned(), |site| site.id.0.to_string());
                let shape = found.shape.map_or("-", Shape::as_str);
                let Finding { check, path, bytes, objects, bytes_per_iter, .. } = found;
                format!("{check} {path} {bytes} x{objects} {bytes_per_iter:.0}/iter {shape} site {site}")
            };
            self.judge(is_traced).into_iter().map(brief).collect()
        }
    }

    /// The same after each of several phases.
    const fn steady(held: (u64, u64)) -> Held {
        [held; 6]
    }

    #[test]
    fn what_is_lost_is_told_from_what_lives_on_or_is_given_back() {
        let [one, two] = [(100, 1), (200, 2)];
        let table: &[(&str, Held, &[&str])] = &[
            ("a cache that lives on", steady(one), &[]),
            ("given back and taken again", [one, one, one, one, (0, 0), one], &[]),
            ("forgotten and taken again", [one, one, one, one, one, two], &["ctx_bloat x 100 x1 100/iter - site 1"]),
            ("taken again by DISCARD ALL", [one, one, one, one, two, two], &["ctx_bloat x 100 x1 100/iter - site 1"]),
            ("filled up to a bound", [one, two, (600, 6), (600, 6), (600, 6), (600, 6)], &[]),
            ("at its bound, for a larger entry", [one, two, (600, 6), (600, 6), (600, 6), (700, 6)], &[]),
            ("filled late", [(0, 0), (0, 0), one, one, one, one], &[]),
            ("a warm cache given back", [one, two, (600, 6), (600, 6), (0, 0), one], &[]),
            (
                "a warm cache forgotten",
                [one, two, (600, 6), (600, 6), (600, 6), (700, 7)],
                &["ctx_bloat x 100 x1 100/iter - site 1"],
            ),
            (
                "a warm leak given back, a cold one not",
                [one, two, (600, 6), (1100, 11), (100, 1), (200, 2)],
                &["ctx_bloat x 100 x1 100/iter - site 1"],
            ),
            (
                "with each execution",
                [one, two, (600, 6), (1100, 11), (1100, 11), (1200, 12)],
                &["ctx_bloat x 1000 x10 100/iter linear site 1"],
            ),
            ("with each execution until DISCARD ALL", [one, two, (600, 6), (1100, 11), (0, 0), one], &[]),
            ("a longer key", [one, one, one, one, (0, 0), (163, 1)], &[]),
            (
                "dearer, after all was given back",
                [one, one, one, one, (0, 0), (164, 1)],
                &["ctx_bloat x 64 x0 64/iter - site 1"],
            ),
            ("dearer, in place", [one, one, one, one, one, (200, 1)], &["ctx_bloat x 100 x0 100/iter - site 1"]),
            ("a buffer that is enlarged", [one, (150, 1), (300, 1), (300, 1), (300, 1), (400, 1)], &[]),
            ("cheaper", [two, two, two, two, (0, 0), one], &[]),
        ];
        for &(name, held, expected) in table {
            assert_eq!(Session::new().traced("x", 1, held).brief(true), expected, "{name}");
            let expected: Vec<String> =
                expected.iter().map(|found| found.replace("ctx_bloat x", "malloc_leak malloc")).collect();
            assert_eq!(Session::new().traced("malloc", 1, held).brief(true), expected, "{name}");
        }
    }

    #[test]
    fn one_site_neither_hides_another_nor_is_charged_with_it() {
        let session = Session::new()
            .traced("x", 1, [(9000, 1), (9000, 1), (9000, 1), (9000, 1), (0, 0), (9000, 1)])
            .traced("x", 2, [(0, 0), (500, 5), (5000, 50), (5000, 50), (5000, 50), (5000, 50)])
            .traced("x", 3, [(64, 1), (64, 1), (64, 1), (64, 1), (64, 1), (128, 2)]);
        assert_eq!(session.brief(true), ["ctx_bloat x 64 x1 64/iter - site 3"]);
    }

    #[test]
    fn contexts_made_anew_pile_up() {
        let anew = |used| [(used, 1), (used, 1), (used, 1), (used, 1), (used, 1), (2 * used, 2)];
        let small = Session::new().contexts("mine", anew(300));
        assert_eq!(small.brief(false), ["context_leak mine 300 x1 300/iter - site -"]);
        let filled = small.traced("mine", 1, anew(200));
        assert_eq!(filled.brief(true), ["context_leak mine 200 x1 200/iter - site 1"]);
        let empty = Session::new().contexts("mine", anew(300)).traced("mine", 1, anew(0));
        assert_eq!(empty.brief(true), ["context_leak mine 0 x1 0/iter - site 1"]);
        // The server makes small ones in its caches as it sees fit.
        assert_eq!(Session::new().contexts("CacheMemoryContext/index info", anew(300)).brief(false), [""; 0]);
        let plan = Session::new()
            .contexts("CacheMemoryContext/SPI Plan", anew(300))
            .contexts("CacheMemoryContext/CachedPlanSource", anew(3000))
            .traced("CacheMemoryContext/SPI Plan", 1, anew(0));
        let path = "CacheMemoryContext/SPI Plan";
        assert_eq!(plan.brief(false), [format!("context_leak {path} 3300 x1 3300/iter - site -")]);
        assert_eq!(plan.brief(true), [format!("context_leak {path} 3300 x1 3300/iter - site 1")]);
    }

    #[test]
    fn totals_have_a_threshold() {
        let [few, many] = [8191, 8192].map(|more| {
            let cold = (100_000, 1);
            Session::new().contexts("cache", [cold, cold, cold, cold, cold, (100_000 + more, 1)]).brief(false)
        });
        assert_eq!(few, [""; 0]);
        assert_eq!(many, ["ctx_bloat cache 8192 x0 8192/iter - site -"]);
    }

    #[test]
    fn the_server_takes_something_to_discard_what_there_is() {
        let [cold, more, all] = [(90_000, 1), (110_000, 1), (180_000, 1)];
        let by_discard = [cold, cold, cold, cold, more, more];
        let table: &[(&str, Held, &[&str])] = &[
            ("CacheMemoryContext", by_discard, &[]),
            ("smgr relation table", by_discard, &[]),
            // What belongs to a temporary table is looked up once more.
            ("CacheMemoryContext", [cold, cold, cold, cold, cold, more], &[]),
            (
                "CacheMemoryContext",
                [cold, cold, cold, cold, cold, all],
                &["ctx_bloat CacheMemoryContext 90000 x0 90000/iter - site -"],
            ),
            (
                "mine",
                [cold, cold, cold, cold, (110_000, 2), (110_000, 2)],
                &["context_leak mine 20000 x1 20000/iter - site -"],
            ),
        ];
        for &(path, held, expected) in table {
            assert_eq!(Session::new().contexts(path, held).brief(false), expected, "{path} {held:?}");
        }
    }

    #[test]
    fn the_phases_are_told() {
        let held = [(100, 1), (140, 2), (140, 2), (140, 2), (120, 1), (220, 2)];
        let found = Session::new().traced("x", 1, held).judge(true).remove(0);
        assert_eq!(
            found.detail,
            "context 'x' (depth 1): the first cold start took 100 bytes in 1 allocations, the second 100 in 1; held 100 in 1 \
             cold, 140 in 2 warm, 120 in 1 after DISCARD ALL, 220 in 2 cold again"
        );
        let marks: Vec<(u64, u64)> = found.marks.iter().map(|mark| (mark.iteration, mark.used)).collect();
        assert_eq!(marks, [(0, 0), (1, 100), (2, 140), (6, 140), (11, 140), (11, 120), (12, 220)]);
        assert_eq!((found.iterations, found.bytes), (12, 100));

        let mut standing = Session::new().contexts("x", [(5, 1), (5, 1), (5, 1), (5, 1), (3, 1), (9003, 1)]);
        let x = standing.path("x");
        standing.marks[0].census.add(x, Totals { used: 1, allocated: 1, objects: 1 });
        assert_eq!(
            standing.judge(false).remove(0).detail,
            "context 'x' (depth 1): the first cold start took 4 bytes, the second 9000; held 4 cold, 4 warm, 2 after DISCARD \
             ALL, 9002 cold again"
        );
    }

    #[test]
    fn without_the_marks_there_is_nothing_to_compare() {
        let mut session = Session::new().traced("x", 1, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
        session.marks.truncate(3);
        assert_eq!(session.brief(true), [""; 0]);
        session.marks.clear();
        assert_eq!(session.brief(true), [""; 0]);
    }
}
