//! What happens and is counted, instead of memory that is measured: each event is one bug, and once is enough.

use crate::check::{CheckKind, Severity};
use crate::finding::{Finding, MarkPoint, Site};
use crate::judge::growth::{Growth, Point, sustained};
use crate::judge::{Mark, Rules};
use crate::path::ContextPath;
use crate::scenario::ScenarioKind;

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

impl Event {
    /// A context that a function was called with is looked at where contexts are; the rest is reported by every scenario.
    fn is_reported(&self, rules: &Rules) -> bool {
        if self.check != CheckKind::WrongCtxAlloc {
            return true;
        }
        let scenarios = [ScenarioKind::Window, ScenarioKind::GrowthBenchmark, ScenarioKind::WrongContextProbe];
        scenarios.contains(&rules.scenario)
            && rules.filter.reports(&self.subject)
            && !rules.filter.allows(&self.subject)
    }
}

/// Judges the events of a window: a WARNING for each that happened between the first mark and the last.
pub fn judge_events(events: &[Event], marks: &[Mark], rules: &Rules) -> Vec<Finding> {
    let reported = events.iter().enumerate().filter(|(_, event)| event.is_reported(rules));
    reported.filter_map(|(number, event)| finding(number, event, marks, rules)).collect()
}

fn finding(number: usize, event: &Event, marks: &[Mark], rules: &Rules) -> Option<Finding> {
    let times = |mark: &Mark| mark.events.get(number).copied().unwrap_or(0);
    let (first, last) = (marks.first()?, marks.last()?);
    let total = times(last).saturating_sub(times(first));
    if total == 0 {
        return None;
    }
    let points: Vec<Point> =
        marks.iter().map(|mark| Point { iteration: mark.iteration, value: times(mark) - times(first) }).collect();
    let growth: Option<Growth> = sustained(&points);
    let average = total as f64 / last.iteration.max(1) as f64;
    let plural = if total == 1 { "" } else { "s" };
    Some(Finding {
        check: event.check,
        severity: Severity::Warning,
        path: event.subject.clone(),
        bytes: 0,
        objects: total,
        iterations: last.iteration,
        bytes_per_iter: 0.0,
        objects_per_iter: growth.map_or(average, |growth| growth.rate),
        shape: growth.and_then(|growth| growth.shape),
        phase: rules.phase,
        source_lib: event.library.clone(),
        site: event.site.clone(),
        marks: points
            .iter()
            .map(|point| MarkPoint { iteration: point.iteration, used: 0, objects: point.value })
            .collect(),
        detail: format!("{} ({total} time{plural})", event.detail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Filter;
    use crate::judge::thresholds::Thresholds;
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

    fn judged(counts: &[(u64, &[u64])], rules: &Rules) -> Vec<String> {
        let events = [event(CheckKind::ResourceLeak, "relation"), event(CheckKind::WrongCtxAlloc, "mine")];
        let marks: Vec<Mark> = counts
            .iter()
            .map(|&(iteration, counts)| Mark { iteration, events: counts.to_vec(), ..Mark::default() })
            .collect();
        judge_events(&events, &marks, rules)
            .iter()
            .map(|f| {
                let shape = f.shape.map_or("-", |shape| shape.as_str());
                format!("{} {} x{} {}/iter {shape}: {}", f.check, f.path, f.objects, f.objects_per_iter, f.detail)
            })
            .collect()
    }

    fn rules(scenario: ScenarioKind) -> Rules {
        Rules { scenario, thresholds: Thresholds::default(), filter: Filter::default(), phase: None }
    }

    #[test]
    fn once_is_enough_and_what_came_before_the_window_does_not_count() {
        let growth = rules(ScenarioKind::GrowthBenchmark);
        assert_eq!(judged(&[(0, &[]), (1, &[]), (10, &[])], &growth), Vec::<String>::new());
        assert_eq!(judged(&[(0, &[3, 1]), (1, &[3, 1]), (10, &[3, 1])], &growth), Vec::<String>::new());
        assert_eq!(
            judged(&[(0, &[3]), (1, &[3]), (5, &[4]), (10, &[4])], &growth),
            ["resource_leak relation x1 0.1/iter -: it happened (1 time)"]
        );
        assert_eq!(
            judged(&[(0, &[5, 0]), (1, &[6, 2]), (5, &[10, 10]), (10, &[15, 20])], &growth),
            [
                "resource_leak relation x10 1/iter linear: it happened (10 times)",
                "wrong_ctx_alloc mine x20 2/iter linear: it happened (20 times)"
            ]
        );
    }

    #[test]
    fn contexts_are_reported_where_contexts_are_looked_at() {
        let counts: &[(u64, &[u64])] = &[(0, &[]), (1, &[1, 1])];
        let found = |rules: &Rules| judged(counts, rules).len();
        assert_eq!(found(&rules(ScenarioKind::Window)), 2);
        assert_eq!(found(&rules(ScenarioKind::WrongContextProbe)), 2);
        assert_eq!(found(&rules(ScenarioKind::TxAbortLoop)), 1);
        let mut filtered = rules(ScenarioKind::Window);
        filtered.filter.watch.push(Like::new("Other%"));
        assert_eq!(found(&filtered), 1);
    }
}
