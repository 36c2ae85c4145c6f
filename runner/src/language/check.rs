//! Checks that need the whole file.

use std::collections::HashSet;

use memcheck_core::ScenarioKind;
use memcheck_core::scenario::Clause;

use super::ast::{Condition, Expect, Expectation, Marker, Scenario, Span, Spanned, Spec, Test, WorkloadSource};
use super::diagnostic::Diagnostic;
use super::{sql, suggest};

/// What a condition can ask about besides extensions.
const SUBJECTS: &[&str] = &["pg", "bits", "build", "os", "arch"];

/// What a permutation can go on with after its steps.
const AFTER_STEPS: &[&str] = &["repeat", "timeout", "expect"];

/// Checks a file as a whole. If the file has errors, whatever may be missing because of them is not missed.
pub(super) fn check(spec: &Spec, is_clean: bool, diagnostics: &mut Vec<Diagnostic>) {
    let mut checker = Checker { spec, diagnostics };
    checker.copies();
    checker.names();
    checker.contradictions();
    if is_clean {
        checker.scenarios();
        checker.sessions();
        checker.references();
        checker.conditions();
    }
}

/// Checks an included file as a whole.
pub(super) fn check_included(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) {
    Checker { spec, diagnostics }.copies();
}

/// How many errors come with what may have been meant, which is looked for among all the names that there are.
const GUESSES: usize = 100;

/// Names that can be meant.
struct Names<'a> {
    in_order: Vec<&'a str>,
    set: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let in_order: Vec<&str> = names.collect();
        Names { set: in_order.iter().copied().collect(), in_order }
    }

    fn has(&self, name: &str) -> bool {
        self.set.contains(name)
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

    fn error_with_hint(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.diagnostics.push(Diagnostic::new(span.clone(), message).with_hint(hint));
    }

    /// What may have been meant, unless so much is wrong already that nobody would read it.
    fn guess<T>(&self, guess: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.diagnostics.len() < GUESSES { guess() } else { None }
    }

    /// Reports names that occur again.
    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = (String, &'n Span)>) {
        let mut seen = HashSet::new();
        for (name, span) in names {
            let message = format!("{what} \"{name}\" is defined twice");
            if !seen.insert(name) {
                self.error(span, message);
            }
        }
    }

    /// Reports statements that wait for the client to send rows.
    fn copies(&mut self) {
        let spec = self.spec;
        let scenarios = spec.scenarios.iter().flat_map(|scenario| {
            let workloads = scenario.workloads.iter().filter_map(|workload| match &workload.source {
                WorkloadSource::Inline(block) => Some(block),
                WorkloadSource::File(_) => None,
            });
            scenario.setup.iter().chain(workloads).chain(&scenario.teardown)
        });
        let sessions = spec.sessions.iter().flat_map(|session| {
            let steps = session.steps.iter().map(|step| &step.sql);
            session.setup.iter().chain(steps).chain(&session.teardown)
        });
        for block in spec.setup.iter().chain(&spec.teardown).chain(scenarios).chain(sessions) {
            self.diagnostics.extend(sql::copies_from_client(&block.text, block.span.start));
        }
    }

    fn names(&mut self) {
        let spec = self.spec;
        self.unique("step", spec.sessions.iter().flat_map(|session| &session.steps).map(|step| named(&step.name)));
        for scenario in &spec.scenarios {
            self.unique("workload", scenario.workloads.iter().filter_map(|workload| workload.name.as_ref()).map(named));
        }
    }

    fn contradictions(&mut self) {
        let spec = self.spec;
        let of_scenarios = spec.scenarios.iter().map(|scenario| &scenario.expects);
        for expects in of_scenarios.chain(spec.permutations.iter().map(|permutation| &permutation.expects)) {
            self.contradiction(expects);
        }
    }

    /// Reports an expected violation where none is expected. Conditions on both may keep them apart.
    fn contradiction(&mut self, expects: &[Expect]) {
        let nothing = || expects.iter().filter(|expect| expect.what == Expectation::Nothing);
        let (sometimes, always) = (nothing().next().is_some(), nothing().any(|expect| expect.when.is_none()));
        for expect in expects {
            let is_violation = matches!(expect.what, Expectation::Violation(_));
            if is_violation && (always || sometimes && expect.when.is_none()) {
                self.error(&expect.span, "a violation cannot be expected together with \"expect none\"");
            }
        }
    }

    fn scenarios(&mut self) {
        let spec = self.spec;
        if spec.scenarios.is_empty() && spec.sessions.is_empty() && spec.permutations.is_empty() {
            let hint = "a spec needs a \"scenario\" or a \"session\"".to_owned();
            self.error_with_hint(&(0..0), "nothing to run", hint);
        }
        self.unique("scenario", spec.scenarios.iter().map(|scenario| (title(scenario), &scenario.span)));
        for scenario in &spec.scenarios {
            self.number_of_workloads(scenario);
            self.beside_worker(scenario);
            self.warm_start(scenario);
            if scenario.kind.value.takes(Clause::Rows) && scenario.rows.is_empty() {
                let hint = "say at which numbers of rows: \"rows in (500, 1000, 2000)\"".to_owned();
                self.error_with_hint(&scenario.span, format!("scenario \"{}\" has no rows", title(scenario)), hint);
            }
            for workload in &scenario.workloads {
                if let WorkloadSource::Inline(block) = &workload.source
                    && sql::split(&block.text).is_empty()
                {
                    // With its delimiters, of which there is at least one byte each.
                    self.error(&(block.span.start - 1..block.span.end + 1), "the workload has no statement");
                }
            }
        }
    }

    /// Reports what does nothing in a scenario that watches a worker: the worker does its own work, in its own transactions.
    fn beside_worker(&mut self, scenario: &Scenario) {
        if scenario.worker.is_none() {
            return;
        }
        if !scenario.kind.value.takes(Clause::Worker) {
            let message = format!("scenario \"{}\" cannot watch a worker", scenario.kind.value);
            let hint = format!("{} can", names_of_kinds_with(Clause::Worker));
            self.error_with_hint(&scenario.kind.span, message, hint);
        }
        let clauses = [
            (
                "workload",
                scenario.workloads.first().map(|workload| match &workload.source {
                    WorkloadSource::Inline(block) => block.span.clone(),
                    WorkloadSource::File(file) => file.span.clone(),
                }),
            ),
            ("iterations", scenario.iterations.as_ref().map(|clause| clause.span.clone())),
            ("warmup", scenario.warmup.as_ref().map(|clause| clause.span.clone())),
            ("iterate", scenario.iterate.as_ref().map(|clause| clause.span.clone())),
            ("protocol", scenario.protocol.as_ref().map(|clause| clause.span.clone())),
            ("mode", scenario.mode.as_ref().map(|clause| clause.span.clone())),
        ];
        for (name, span) in clauses {
            if let Some(span) = span {
                let hint = "the worker does what it does, and its iterations are its transactions".to_owned();
                self.error_with_hint(&span, format!("\"{name}\" does not apply where a worker is watched"), hint);
            }
        }
    }

    /// Reports a warm-up before a window that opens on a cold session.
    fn warm_start(&mut self, scenario: &Scenario) {
        let kind = scenario.kind.value;
        if let Some(warmup) = scenario.warmup.as_ref().filter(|warmup| warmup.value > 0)
            && !kind.description().warms_up
        {
            self.error(&warmup.span, format!("scenario {kind} starts cold, without a warm-up"));
        }
    }

    fn number_of_workloads(&mut self, scenario: &Scenario) {
        let title = title(scenario);
        match scenario.workloads.as_slice() {
            // A background worker of the extension has work of its own.
            [] if scenario.worker.is_some() => {}
            [] => self.error(&scenario.span, format!("scenario \"{title}\" has no workload")),
            [_] => {}
            _ if !scenario.kind.value.takes(Clause::Workloads) => {
                let hint =
                    format!("only {} deals several workloads to its workers", names_of_kinds_with(Clause::Workloads));
                self.error_with_hint(&scenario.span, format!("scenario \"{title}\" has several workloads"), hint);
            }
            several => {
                if several.iter().any(|workload| workload.name.is_none()) {
                    self.error(&scenario.span, format!("the workloads of scenario \"{title}\" need names"));
                }
            }
        }
    }

    fn sessions(&mut self) {
        self.unique("session", self.spec.sessions.iter().map(|session| named(&session.name)));
        for session in self.spec.sessions.iter().filter(|session| session.steps.is_empty()) {
            self.error(&session.name.span, format!("session \"{}\" has no steps", session.name.value));
        }
    }

    /// Reports steps and sessions that permutations name and the file does not have.
    fn references(&mut self) {
        let sessions = Names::new(self.spec.sessions.iter().map(|session| session.name.value.as_str()));
        let steps = self.spec.sessions.iter().flat_map(|session| &session.steps);
        let steps = Names::new(steps.map(|step| step.name.value.as_str()));
        for permutation in &self.spec.permutations {
            for launched in &permutation.steps {
                self.step(&launched.name, &steps);
                for marker in &launched.markers {
                    if let Marker::After(step) | Marker::Notices(step, _) = marker {
                        self.step(step, &steps);
                    }
                }
            }
            for expect in &permutation.expects {
                if let Expectation::Violation(violation) = &expect.what
                    && let Some(session) = &violation.by
                    && !sessions.has(&session.value)
                {
                    let hint = self.guess(|| suggest::hint(&session.value, &sessions.in_order));
                    self.error_with_hint(&session.span, format!("unknown session \"{}\"", session.value), hint);
                }
            }
        }
    }

    fn step(&mut self, step: &Spanned<String>, steps: &Names) {
        if !steps.has(&step.value) {
            let words = || steps.in_order.iter().chain(AFTER_STEPS).copied();
            let hint = self.guess(|| suggest::closest(&step.value, words()).map(suggest::did_you_mean));
            self.error_with_hint(&step.span, format!("unknown step \"{}\"", step.value), hint);
        }
    }

    fn conditions(&mut self) {
        let spec = self.spec;
        let exemptions = spec.skips.iter().chain(&spec.xfails).filter_map(|exemption| exemption.when.as_ref());
        let scenarios = spec.scenarios.iter().flat_map(|scenario| &scenario.when);
        let of_scenarios = spec.scenarios.iter().flat_map(|scenario| &scenario.expects);
        let of_permutations = spec.permutations.iter().flat_map(|permutation| &permutation.expects);
        let expects = of_scenarios.chain(of_permutations).filter_map(|expect| expect.when.as_ref());
        let of_scenarios = spec.scenarios.iter().flat_map(|scenario| &scenario.allowances);
        let of_sessions = spec.sessions.iter().flat_map(|session| &session.allowances);
        let allowances = spec.allowances.iter().chain(of_scenarios).chain(of_sessions);
        let expects = expects.chain(allowances.filter_map(|allowance| allowance.when.as_ref()));
        let required = spec.requires.iter().filter_map(|condition| match &condition.test {
            Test::Extension(name) => Some(name),
            _ => None,
        });
        let extensions = spec.extensions.iter().map(|extension| &extension.name).chain(required);
        let known = Names::new(SUBJECTS.iter().copied().chain(extensions.map(|name| name.value.as_str())));
        for condition in spec.requires.iter().chain(exemptions).chain(scenarios).chain(expects) {
            self.condition(condition, &known);
        }
    }

    /// What is compared is a property of the server, or the version of an extension that the spec names.
    fn condition(&mut self, condition: &Condition, known: &Names) {
        let Test::Compare { subject, .. } = &condition.test else { return };
        if !known.has(&subject.value) {
            let meant = self.guess(|| suggest::closest(&subject.value, known.in_order.iter().copied()));
            let hint = meant.map_or_else(
                || format!("to ask for a version, name the extension first: \"requires extension {}\"", subject.value),
                suggest::did_you_mean,
            );
            self.error_with_hint(&subject.span, format!("unknown condition \"{}\"", subject.value), hint);
        }
    }
}

fn named(name: &Spanned<String>) -> (String, &Span) {
    (name.value.clone(), &name.span)
}

/// The kinds of scenario in which a clause has a meaning.
fn names_of_kinds_with(clause: Clause) -> String {
    suggest::join_all(&ScenarioKind::with(clause).map(|kind| kind.to_string()).collect::<Vec<_>>())
}

/// A scenario as goldens call it.
pub(super) fn title(scenario: &Scenario) -> String {
    match &scenario.name {
        Some(name) => format!("{} {}", scenario.kind.value, name.value),
        None => scenario.kind.value.to_string(),
    }
}
