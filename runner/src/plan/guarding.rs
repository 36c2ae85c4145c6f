//! How allocations are guarded.

use super::case::Planner;
use super::tracing::trace;
use super::{Guarding, Scenario};
use crate::language::ast::{self, Guard, Span, Trace};

impl Planner<'_> {
    /// How allocations are guarded, in a scenario or else in sessions: as they or the header say. What is not traced is nobody's,
    /// and is not guarded.
    pub(super) fn guarding(&self, scenario: Option<&ast::Scenario>) -> Guarding {
        let spec = &self.loaded.spec;
        if trace(spec, scenario) == Trace::Off {
            return Guarding::OFF;
        }
        let by_kind = scenario.filter(|scenario| scenario.kind.value.description().needs_pages);
        let default = by_kind.map_or(self.defaults.guard, |_| Guard::Pages);
        let said = scenario.and_then(|scenario| scenario.guard.as_ref());
        // The header speaks of all scenarios, and does not mean those that have no choice.
        let said = said.or(spec.guard.as_ref().filter(|_| by_kind.is_none()));
        let sample = scenario.and_then(|scenario| scenario.guard_sample.as_ref()).or(spec.guard_sample.as_ref());
        Guarding { guard: said.map_or(default, |guard| guard.value), sample: sample.map_or(1, |sample| sample.value) }
    }

    /// What a scenario needs that goes by traced or guarded allocations, and what its clauses about them need.
    pub(super) fn check_tracing(&mut self, scenario: &ast::Scenario, planned: &Scenario) {
        let (kind, spec) = (planned.kind, &self.loaded.spec);
        let description = kind.description();
        let traced = scenario.trace.as_ref().or(spec.trace.as_ref());
        if let Some(trace) = traced.filter(|trace| trace.value == Trace::Off && description.needs_trace) {
            self.complain(trace.span.clone(), &format!("scenario {kind} goes by traced allocations"), None);
            return;
        }
        let guard = scenario.guard.as_ref();
        if let Some(guard) = guard.filter(|guard| !guard.value.has_pages() && description.needs_pages) {
            let hint = "remove the clause: \"guard pages\" is what it does without";
            self.complain(guard.span.clone(), &format!("scenario {kind} goes by guard pages"), Some(hint));
            return;
        }
        if let Some(guard) = guard.filter(|guard| guard.value != Guard::Off && planned.trace == Trace::Off) {
            self.complain_of_untraced(&guard.span);
        }
        if let Some(sample) = scenario.guard_sample.as_ref().filter(|_| !planned.guarding.guard.has_pages()) {
            self.complain_of_sample(&sample.span);
        }
    }

    /// The same for the header's.
    pub(super) fn check_guard_of_header(&mut self) {
        let spec = &self.loaded.spec;
        let is_off = spec.trace.as_ref().is_some_and(|trace| trace.value == Trace::Off);
        if let Some(guard) = spec.guard.as_ref().filter(|guard| guard.value != Guard::Off && is_off) {
            self.complain_of_untraced(&guard.span);
        }
        let everywhere = spec.scenarios.iter().map(Some).chain((!spec.sessions.is_empty()).then_some(None));
        let has_pages = everywhere.map(|at| self.guarding(at)).any(|guarding| guarding.guard.has_pages());
        if let Some(sample) = spec.guard_sample.as_ref().filter(|_| !has_pages) {
            self.complain_of_sample(&sample.span);
        }
    }

    fn complain_of_untraced(&mut self, guard: &Span) {
        self.complain(guard.clone(), "\"guard\" needs allocations that are traced", Some("remove \"trace off\""));
    }

    fn complain_of_sample(&mut self, sample: &Span) {
        let hint = "add \"guard pages\"";
        self.complain(sample.clone(), "\"guard_sample\" says how many allocations get pages of their own", Some(hint));
    }
}
