//! What happens and is counted, instead of memory that is measured: each event is one bug, and once is enough.

use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::complaint::SEGMENT;
use crate::judge::curve::Curve;
use crate::judge::mark::Mark;
use crate::judge::rules::Rules;
use crate::judge::shown;
use crate::path::ContextPath;
use crate::site::Site;

/// A kind of event. Marks hold how often each has happened, by its place in the list of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What it is called.
    pub check: CheckKind,
    /// The kind of resource, or the context.
    pub subject: ContextPath,
    /// The library that did it; empty where that is not known.
    pub library: String,
    /// The function that did it, where that is known.
    pub site: Option<Site>,
    /// A sentence about the first one.
    pub detail: String,
}

/// Judges the events of a window: a WARNING for each of these kinds that happened between the first mark and the last.
///
/// A context that a function was called with is looked at where contexts are, and filtered like them.
pub fn judge_events(events: &[Event], checks: &[CheckKind], marks: &[Mark], rules: &Rules) -> Vec<Finding> {
    let is_reported = |event: &Event| {
        let filter = &rules.filter;
        let passes = !event.check.is_in_context() || filter.reports(&event.subject) && !filter.allows(&event.subject);
        checks.contains(&event.check) && passes
    };
    let reported = events.iter().enumerate().filter(|(_, event)| is_reported(event));
    shown(reported.filter_map(|(number, event)| finding(number, event, marks, rules)).collect())
}

fn finding(number: usize, event: &Event, marks: &[Mark], rules: &Rules) -> Option<Finding> {
    let times = |mark: &Mark| mark.events.get(number).copied().unwrap_or(0);
    let before = times(marks.first()?);
    let curve =
        Curve { points: marks.iter().map(|mark| (mark.iteration, times(mark).saturating_sub(before))).collect() };
    let total = curve.objects_added();
    if total == 0 {
        return None;
    }
    let trend = curve.trend();
    let plural = if total == 1 { "" } else { "s" };
    Some(Finding {
        phase: rules.phase,
        source_lib: event.library.clone(),
        site: event.site.clone(),
        detail: format!("{} ({total} time{plural})", event.detail),
        ..curve.finding(event.check, event.subject.clone(), trend, trend.shape())
    })
}

/// Adds what was counted to what was found in memory: a bug that is there already is not reported again.
///
/// A segment that is still mapped when its transaction ends is unmapped by the server, with a complaint (`ResOwnerReleaseDSM` in
/// dsm.c). Where the segment was found itself, its place is known, and the complaint says nothing new.
pub fn add_events(found: &mut Vec<Finding>, mut events: Vec<Finding>) {
    if found.iter().any(|finding| finding.check == CheckKind::DsmLeak) {
        events.retain(|event| event.check != CheckKind::ResourceLeak || event.path.leaf() != SEGMENT);
    }
    found.extend(events);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::like::Like;

    fn event(check: CheckKind, subject: &str) -> Event {
        Event {
            check,
            subject: ContextPath::new([subject]),
            library: "lib".to_owned(),
            site: None,
            detail: "it happened".to_owned(),
        }
    }

    const BOTH: &[CheckKind] = &[CheckKind::ResourceLeak, CheckKind::WrongCtxAlloc];

    fn judged(counts: &[(u64, &[u64])], checks: &[CheckKind], rules: &Rules) -> Vec<String> {
        let events = [event(CheckKind::ResourceLeak, "relation"), event(CheckKind::WrongCtxAlloc, "mine")];
        let marks: Vec<Mark> = counts
            .iter()
            .map(|&(iteration, counts)| Mark { iteration, events: counts.to_vec(), ..Mark::default() })
            .collect();
        judge_events(&events, checks, &marks, rules)
            .iter()
            .map(|f| {
                let shape = f.shape.map_or("-", |shape| shape.as_str());
                format!("{} {} x{} {}/iter {shape}: {}", f.check, f.path, f.objects, f.objects_per_iter, f.detail)
            })
            .collect()
    }

    #[test]
    fn once_is_enough_and_what_came_before_the_window_does_not_count() {
        let judged = |counts: &[(u64, &[u64])]| judged(counts, BOTH, &Rules::default());
        assert_eq!(judged(&[(0, &[]), (1, &[]), (10, &[])]), Vec::<String>::new());
        assert_eq!(judged(&[(0, &[3, 1]), (1, &[3, 1]), (10, &[3, 1])]), Vec::<String>::new());
        assert_eq!(
            judged(&[(0, &[3]), (1, &[3]), (5, &[4]), (10, &[4])]),
            ["resource_leak relation x1 0.1/iter -: it happened (1 time)"]
        );
        assert_eq!(
            judged(&[(0, &[5, 0]), (1, &[6, 2]), (5, &[10, 10]), (10, &[15, 20])]),
            [
                "resource_leak relation x10 1/iter linear: it happened (10 times)",
                "wrong_ctx_alloc mine x20 2/iter linear: it happened (20 times)"
            ]
        );
    }

    #[test]
    fn a_segment_that_was_found_is_not_complained_of() {
        let segment = |check| Finding { check, ..counted("dynamic shared memory segment") };
        let all = |found: &[CheckKind], subject: &str| {
            let mut found: Vec<Finding> = found.iter().map(|&check| segment(check)).collect();
            add_events(&mut found, vec![counted(subject)]);
            found.len()
        };
        assert_eq!(all(&[], "dynamic shared memory segment"), 1);
        assert_eq!(all(&[CheckKind::MallocLeak], "dynamic shared memory segment"), 2);
        assert_eq!(all(&[CheckKind::DsmLeak], "dynamic shared memory segment"), 1);
        assert_eq!(all(&[CheckKind::DsmLeak], "relation"), 2);
    }

    fn counted(subject: &str) -> Finding {
        let marks = [0, 1].map(|times| Mark { iteration: times, events: vec![times], ..Mark::default() });
        judge_events(&[event(CheckKind::ResourceLeak, subject)], BOTH, &marks, &Rules::default()).remove(0)
    }

    #[test]
    fn contexts_are_reported_where_contexts_are_looked_at() {
        let counts: &[(u64, &[u64])] = &[(0, &[]), (1, &[1, 1])];
        let found = |checks: &[CheckKind], rules: &Rules| judged(counts, checks, rules).len();
        assert_eq!(found(BOTH, &Rules::default()), 2);
        assert_eq!(found(&[CheckKind::ResourceLeak], &Rules::default()), 1);
        let mut filtered = Rules::default();
        filtered.filter.watch.push(Like::new("Other%"));
        assert_eq!(found(BOTH, &filtered), 1);
        filtered.filter.watch.clear();
        filtered.filter.allowed.push(Like::new("mine"));
        assert_eq!(found(BOTH, &filtered), 1);
    }
}
