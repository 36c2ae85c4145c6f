//! Checks that need the whole file.

use std::collections::HashMap;

use memcheck_core::ScenarioKind;

use super::ast::{Condition, Expect, Expectation, Marker, Scenario, Span, Spanned, Spec, Test, WorkloadSource};
use super::diagnostic::Diagnostic;
use super::{sql, suggest};

/// What a condition can ask about besides extensions.
const SUBJECTS: &[&str] = &["pg", "bits", "build", "os", "arch"];

/// Checks a file as a whole. What depends on something being there is left out if the file has errors, since it may be
/// missing because of them.
pub(super) fn check(spec: &Spec, is_clean: bool, diagnostics: &mut Vec<Diagnostic>) {
    let mut checker = Checker { spec, diagnostics };
    checker.names();
    spec.scenarios.iter().for_each(|scenario| checker.scenario(scenario));
    spec.permutations.iter().for_each(|permutation| checker.contradictions(&permutation.expects));
    if is_clean {
        checker.something_to_run();
        checker.permutations();
        checker.conditions();
    }
}

struct Checker<'a> {
    spec: &'a Spec,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn error(&mut self, span: &Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(span.clone(), message));
    }

    /// Reports names that occur again.
    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = (String, &'n Span)>) {
        let mut seen = HashMap::new();
        for (name, span) in names {
            if seen.insert(name.clone(), ()).is_some() {
                self.error(span, format!("{what} {name} is defined twice"));
            }
        }
    }

    fn names(&mut self) {
        let spec = self.spec;
        let quoted = |name: &Spanned<String>| format!("\"{}\"", name.value);
        self.unique("scenario", spec.scenarios.iter().map(|scenario| (title(scenario), &scenario.span)));
        self.unique("session", spec.sessions.iter().map(|session| (quoted(&session.name), &session.name.span)));
        let steps = spec.sessions.iter().flat_map(|session| &session.steps);
        self.unique("step", steps.map(|step| (quoted(&step.name), &step.name.span)));
        for scenario in &spec.scenarios {
            let names = scenario.workloads.iter().filter_map(|workload| workload.name.as_ref());
            self.unique("workload", names.map(|name| (quoted(name), &name.span)));
        }
    }

    fn scenario(&mut self, scenario: &Scenario) {
        self.contradictions(&scenario.expects);
        for workload in &scenario.workloads {
            if let WorkloadSource::Inline(block) = &workload.source
                && sql::split(&block.text).is_empty()
            {
                self.error(&(block.span.start..block.span.end), "the workload has no statement");
            }
        }
    }

    /// Reports an expected violation where none is expected. Conditions on both may keep them apart.
    fn contradictions(&mut self, expects: &[Expect]) {
        let nothing = expects.iter().filter(|expect| expect.what == Expectation::Nothing);
        for expect in expects {
            let is_violation = matches!(expect.what, Expectation::Violation(_) | Expectation::Crash);
            let is_excluded = nothing.clone().any(|nothing| nothing.when.is_none() || expect.when.is_none());
            if is_violation && is_excluded {
                self.error(&expect.span, "a violation cannot be expected together with \"expect none\"");
            }
        }
    }

    fn something_to_run(&mut self) {
        let spec = self.spec;
        if spec.scenarios.is_empty() && spec.sessions.is_empty() && spec.permutations.is_empty() {
            let hint = "a spec needs a \"scenario\" or a \"session\"".to_owned();
            self.diagnostics.push(Diagnostic::new(0..0, "nothing to run").with_hint(hint));
        }
        for session in spec.sessions.iter().filter(|session| session.steps.is_empty()) {
            self.error(&session.name.span, format!("session \"{}\" has no steps", session.name.value));
        }
        for scenario in &spec.scenarios {
            self.workloads(scenario);
        }
    }

    fn workloads(&mut self, scenario: &Scenario) {
        let title = title(scenario);
        let name = |i: usize| scenario.workloads[i].name.as_ref();
        match scenario.workloads.len() {
            // A background worker of the extension has work of its own.
            0 if scenario.worker.is_some() => {}
            0 => self.error(&scenario.span, format!("scenario {title} has no workload")),
            1 => {}
            _ if scenario.kind.value != ScenarioKind::ConcurrentBackends => {
                let hint = "only concurrent_backends deals several workloads to its workers".to_owned();
                let error = Diagnostic::new(scenario.span.clone(), format!("scenario {title} has several workloads"));
                self.diagnostics.push(error.with_hint(hint));
            }
            several => {
                if (0..several).any(|i| name(i).is_none()) {
                    self.error(&scenario.span, format!("the workloads of scenario {title} need names"));
                }
            }
        }
    }

    fn permutations(&mut self) {
        let steps: Vec<_> = self.spec.sessions.iter().flat_map(|session| &session.steps).collect();
        let steps: Vec<_> = steps.iter().map(|step| step.name.value.as_str()).collect();
        let sessions: Vec<_> = self.spec.sessions.iter().map(|session| session.name.value.as_str()).collect();
        for permutation in &self.spec.permutations {
            for launched in &permutation.steps {
                self.known("step", &launched.name, &steps);
                for marker in &launched.markers {
                    if let Marker::After(step) | Marker::Notices(step, _) = marker {
                        self.known("step", step, &steps);
                    }
                }
            }
            for expect in &permutation.expects {
                if let Expectation::Violation(violation) = &expect.what
                    && let Some(session) = &violation.by
                {
                    self.known("session", session, &sessions);
                }
            }
        }
    }

    fn known(&mut self, what: &str, name: &Spanned<String>, names: &[&str]) {
        if !names.contains(&name.value.as_str()) {
            let error = Diagnostic::new(name.span.clone(), format!("unknown {what} \"{}\"", name.value));
            self.diagnostics.push(error.with_hint(suggest::hint(&name.value, names)));
        }
    }

    fn conditions(&mut self) {
        let spec = self.spec;
        let exemptions = spec.skips.iter().chain(&spec.xfails).filter_map(|exemption| exemption.when.as_ref());
        let scenarios = spec.scenarios.iter().flat_map(|scenario| &scenario.when);
        let expects = spec.scenarios.iter().flat_map(|scenario| &scenario.expects);
        let expects = expects.chain(spec.permutations.iter().flat_map(|permutation| &permutation.expects));
        let expects = expects.filter_map(|expect| expect.when.as_ref());
        for condition in spec.requires.iter().chain(exemptions).chain(scenarios).chain(expects) {
            self.condition(condition);
        }
    }

    /// A subject is a property of the server, or an extension that the spec names.
    fn condition(&mut self, condition: &Condition) {
        let Test::Compare { subject, .. } = &condition.test else { return };
        let required = self.spec.requires.iter().filter_map(|condition| match &condition.test {
            Test::Extension(name) => Some(name),
            _ => None,
        });
        let extensions = self.spec.extensions.iter().map(|extension| &extension.name).chain(required);
        let known: Vec<_> = SUBJECTS.iter().copied().chain(extensions.map(|name| name.value.as_str())).collect();
        if !known.contains(&subject.value.as_str()) {
            let hint = suggest::closest(&subject.value, known).map_or_else(
                || format!("to ask for a version, name the extension first: \"requires extension {}\"", subject.value),
                suggest::did_you_mean,
            );
            let error = Diagnostic::new(subject.span.clone(), format!("unknown condition \"{}\"", subject.value));
            self.diagnostics.push(error.with_hint(hint));
        }
    }
}

/// A scenario as goldens call it.
fn title(scenario: &Scenario) -> String {
    match &scenario.name {
        Some(name) => format!("\"{} {}\"", scenario.kind.value, name.value),
        None => format!("\"{}\"", scenario.kind.value),
    }
}
