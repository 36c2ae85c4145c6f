//! That a scenario can judge in a way of its own: here by phases, of which each mark is one.

use crate::census::{Census, Live, Moment, PathId, PathTable, SiteId, Totals};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::workers::tests::ByNumber;
use crate::judge::{Contexts, Curve, Evidence, Held, Mark, Reading, Rules, judge};
use crate::site::Site;

/// Finds what is above the second mark at the last one.
struct Phases;

impl Phases {
    fn finding<V: Held>(&self, evidence: &Evidence, contexts: &Contexts<V>) -> Vec<Finding> {
        let Curve { points } = &contexts.curve;
        let ([_, (_, then), ..], [.., (_, now)]) = (points.as_slice(), points.as_slice()) else { return Vec::new() };
        if now.bytes() <= then.bytes() {
            return Vec::new();
        }
        let path = evidence.paths.path(contexts.path);
        let found = contexts.curve.finding(CheckKind::CtxBloat, path, contexts.curve.trend(), None);
        let bytes = now.bytes() - then.bytes();
        vec![Finding { bytes, site: contexts.site.map(Site::numbered), detail: "colder".to_owned(), ..found }]
    }
}

impl Reading for Phases {
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        self.finding(evidence, contexts)
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, _piles_up: bool) -> Vec<Finding> {
        self.finding(evidence, contexts)
    }

    /// What is lost for good is, whenever it was.
    fn is_lost(&self, curve: &Curve<Live>) -> bool {
        curve.bytes_added() > 0
    }
}

#[test]
fn a_scenario_reads_its_marks_as_it_likes() {
    let mut paths = PathTable::default();
    let (same, more) = (paths.child(PathId::ROOT, "same"), paths.child(PathId::ROOT, "more"));
    let (site, moment) = (SiteId(7), Moment { portals: true, ..Moment::default() });
    let marks: Vec<Mark> = [(0, 0), (500, 500), (600, 700), (100, 300), (500, 800)]
        .into_iter()
        .zip(0..)
        .map(|((held_same, held_more), iteration)| {
            let mut census = Census::new(moment);
            for (path, bytes) in [(same, held_same), (more, held_more), (PathId::HEAP, 100_000 * iteration)] {
                if path != PathId::HEAP {
                    census.add(path, Totals { used: bytes + 50, allocated: 2 * bytes, objects: 1 });
                }
                census.count_traced(path, site, Live { bytes, allocations: 1 });
            }
            Mark { iteration, census, ..Mark::default() }
        })
        .collect();
    let rules = Rules::default();
    let untraced = Evidence { paths: &paths, marks: &marks, ladder: &[], rules: &rules, places: None };
    let brief = |evidence: &Evidence| -> Vec<String> {
        let line = |found: Finding| {
            let site = found.site.map_or("-".to_owned(), |site| site.id.0.to_string());
            format!("{} {} {} site {site}", found.check, found.path, found.bytes)
        };
        judge(&Phases, evidence).into_iter().map(line).collect()
    };
    assert_eq!(brief(&untraced), ["ctx_bloat more 300 site -"]);
    let traced = Evidence { places: Some(&ByNumber), ..untraced };
    assert_eq!(brief(&traced), ["malloc_leak malloc 400000 site 7", "ctx_bloat more 300 site 7"]);
}

/// Finds what has come to be since the first mark, but looks only at sites that have added something since the second.
struct Late {
    is_sure: bool,
}

impl Late {
    fn finding<V: Held>(evidence: &Evidence, contexts: &Contexts<V>) -> Vec<Finding> {
        let path = evidence.paths.path(contexts.path);
        let found = contexts.curve.finding(CheckKind::ContextLeak, path, contexts.curve.trend(), None);
        vec![Finding { site: contexts.site.map(Site::numbered), ..found }]
    }
}

impl Reading for Late {
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        Self::finding(evidence, contexts)
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, _piles_up: bool) -> Vec<Finding> {
        if contexts.curve.bytes_added() > 0 { Self::finding(evidence, contexts) } else { Vec::new() }
    }

    fn counts(&self, site: &Curve<Live>) -> bool {
        site.points.get(1).is_some_and(|(_, then)| site.last().allocations > then.allocations)
    }

    fn is_sure(&self, _pile: &Finding) -> bool {
        self.is_sure
    }
}

#[test]
fn a_scenario_says_which_sites_and_which_piles_count() {
    let mut paths = PathTable::default();
    let (shared, pile) = (paths.child(PathId::ROOT, "shared"), paths.child(PathId::ROOT, "pile"));
    let (cache, leak, maker) = (SiteId(7), SiteId(8), SiteId(9));
    let marks: Vec<Mark> = [(0, 0), (1, 0), (1, 1), (1, 2)]
        .into_iter()
        .zip(0..)
        .map(|((filled, late), iteration)| {
            let mut census = Census::new(Moment { portals: true, ..Moment::default() });
            census.count_traced(shared, cache, Live { bytes: 9000 * filled, allocations: filled });
            census.count_traced(shared, leak, Live { bytes: 64 * late, allocations: late });
            census.count_traced(pile, maker, Live { bytes: 0, allocations: late });
            census.add(pile, Totals { used: 300 * late, allocated: 8192 * late, objects: late });
            Mark { iteration, census, ..Mark::default() }
        })
        .collect();
    let rules = Rules::default();
    let evidence = Evidence { paths: &paths, marks: &marks, ladder: &[], rules: &rules, places: Some(&ByNumber) };
    let brief = |is_sure: bool| -> Vec<String> {
        let line = |found: Finding| {
            format!("{} {} x{} site {}", found.path, found.bytes, found.objects, found.site.unwrap().id.0)
        };
        judge(&Late { is_sure }, &evidence).into_iter().map(line).collect()
    };
    assert_eq!(brief(false), ["shared 128 x2 site 8"]);
    assert_eq!(brief(true), ["pile 0 x2 site 9", "shared 128 x2 site 8"]);
}
