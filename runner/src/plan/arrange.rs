//! From the sessions and permutations of the tree to launches of steps.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::case::Planner;
use super::sessions::{
    Batch, Launch, MANY, MOST, MOST_SESSIONS, Marker, Permutation, Session, Sessions, Step, interleaved, number_titles,
    title, trim,
};
use super::tracing::trace;
use super::{Place, Problem};
use crate::language::ast::{self, Block, Expectation};
use crate::language::sql::substitute;
use crate::language::{Diagnostic, SourceFile};

impl Planner<'_> {
    /// The sessions of the spec and all their permutations.
    pub(super) fn sessions(&mut self) -> Sessions {
        let loaded = self.loaded;
        if loaded.spec.sessions.is_empty() {
            return Sessions::default();
        }
        let mut fixtures = |blocks: fn(&ast::Spec) -> &Vec<Block>| {
            let blocks =
                loaded.parts().flat_map(|(source, spec)| blocks(spec).iter().map(move |block| (source, block)));
            blocks.map(|(source, block)| self.batch(source, block)).collect()
        };
        let (setup, teardown) = (fixtures(|spec| &spec.setup), fixtures(|spec| &spec.teardown));
        if !self.is_few_sessions() {
            return Sessions::default();
        }
        let trace = trace(&loaded.spec, None);
        let mut planned = Sessions { setup, teardown, trace, guarding: self.guarding(None), ..Sessions::default() };
        for session in &loaded.spec.sessions {
            let copies = session.copies.as_ref().map_or(1, |copies| copies.value);
            for copy in 1..=copies {
                self.session(&mut planned, session, (copies > 1).then_some(copy));
            }
        }
        let known = Steps::new(&loaded.spec.sessions);
        planned.permutations = match loaded.spec.permutations.is_empty() {
            true => self.all(&planned, &known),
            false => self.named(&mut planned, &known),
        };
        number_titles(&mut planned.permutations);
        planned
    }

    /// Whether there are no more sessions than can be connected at a time; says so otherwise, before there are any.
    fn is_few_sessions(&mut self) -> bool {
        let sessions = &self.loaded.spec.sessions;
        let mut count = 0u64;
        for session in sessions {
            count += session.copies.as_ref().map_or(1, |copies| copies.value.into());
            if count > MOST_SESSIONS {
                let span = session.copies.as_ref().map_or(&session.name.span, |copies| &copies.span).clone();
                let message = format!("the spec has more than {MOST_SESSIONS} sessions at a time");
                self.complain(
                    span,
                    &message,
                    Some("make \"copies\" smaller, or divide the sessions among several specs"),
                );
                return false;
            }
        }
        true
    }

    fn session(&mut self, planned: &mut Sessions, session: &ast::Session, copy: Option<u32>) {
        let source = &self.loaded.source;
        let position = planned.sessions.len();
        for step in &session.steps {
            let name = &step.name.value;
            planned.steps.push(Step {
                name: copy.map_or_else(|| name.clone(), |copy| format!("{name}[{copy}]")),
                session: position,
                batch: self.batch(source, &step.sql),
            });
        }
        let settings = self.settings(source, &session.settings);
        let mut batches = |blocks: &[Block]| blocks.iter().map(|block| self.batch(source, block)).collect();
        planned.sessions.push(Session {
            name: session.name.value.clone(),
            setup: batches(&session.setup),
            teardown: batches(&session.teardown),
            watch: session.watch.iter().map(|pattern| pattern.value.clone()).collect(),
            allow: session.allow.iter().map(|pattern| pattern.value.clone()).collect(),
            allowances: self.allowances(&session.allowances),
            settings,
        });
    }

    /// A block as one message. The files of isolationtester know no variables: there, a colon is a colon.
    fn batch(&mut self, source: &Arc<SourceFile>, block: &Block) -> Batch {
        let sql = trim(&block.text);
        let place = Place { source: Arc::clone(source), offset: block.span.start };
        if is_literal(&source.path) {
            return Batch { sql: sql.to_owned(), place };
        }
        match substitute(sql, &self.variables) {
            Ok(sql) => Batch { sql: sql.into_owned(), place },
            Err(unknown) => {
                let start = block.span.start + block.text.find(sql).unwrap_or(0) + unknown.offset;
                let hint = format!("define it with \"var {} = ...\", or write \"-v {0}=...\"", unknown.name);
                let message = format!("variable \"{}\" is not defined", unknown.name);
                let diagnostic = Diagnostic::new(start..start + unknown.name.len() + 1, message).with_hint(hint);
                self.problems.push(Problem::new(source, diagnostic));
                Batch { sql: String::new(), place }
            }
        }
    }

    /// Every interleaving of the steps, unless there are too many.
    fn all(&mut self, planned: &Sessions, known: &Steps) -> Vec<Permutation> {
        let spec = &self.loaded.spec;
        let (most, hint) = match self.defaults.all_permutations {
            true => (MOST, "name the ones to run with \"permutation\""),
            false => (MANY, "name the ones to run with \"permutation\", or run with --all-permutations"),
        };
        let interleaved = match interleaved(spec, most) {
            Ok(interleaved) => interleaved,
            Err(count) => {
                let span = spec.sessions[0].name.span.clone();
                let message = match count {
                    u128::MAX => format!("the sessions have more than {most} interleavings"),
                    count => format!("the sessions have {count} interleavings, more than {most}"),
                };
                self.complain(span, &message, Some(hint));
                return Vec::new();
            }
        };
        let permute = |steps: Vec<ast::PermutedStep>| Permutation {
            title: title(&steps),
            launches: steps
                .iter()
                .flat_map(|step| launches(planned, &known.positions(&step.name.value), &[]))
                .collect(),
            repeat: 1,
            timeout: self.step_timeout(),
            expects: Vec::new(),
        };
        interleaved.into_iter().map(permute).collect()
    }

    fn named(&mut self, planned: &mut Sessions, known: &Steps) -> Vec<Permutation> {
        let spec = &self.loaded.spec;
        let permutations =
            spec.permutations.iter().map(|permutation| self.permutation(planned, permutation, known)).collect();
        let launched: BTreeSet<&str> = (spec.permutations.iter())
            .flat_map(|permutation| &permutation.steps)
            .map(|step| step.name.value.as_str())
            .collect();
        let defined: BTreeSet<&str> =
            spec.sessions.iter().flat_map(|session| &session.steps).map(|step| step.name.value.as_str()).collect();
        planned.unused = defined.difference(&launched).map(|&name| name.to_owned()).collect();
        permutations
    }

    fn permutation(&mut self, planned: &Sessions, permutation: &ast::Permutation, known: &Steps) -> Permutation {
        let launched = permutation.steps.iter().map(|step| step.name.value.as_str()).collect();
        let mut all = Vec::new();
        for step in &permutation.steps {
            let mut markers = Vec::new();
            for marker in &step.markers {
                markers.extend(self.marker(&launched, step, marker, known));
            }
            all.extend(launches(planned, &known.positions(&step.name.value), &markers));
        }
        let mut expects = Vec::new();
        for expect in &permutation.expects {
            if let Expectation::Error(_) = &expect.what {
                let hint = "the golden records the errors of steps";
                self.complain(expect.span.clone(), "\"expect error\" is for scenarios", Some(hint));
            }
            if expect.when.as_ref().is_none_or(|when| self.holds(when)) {
                expects.push(expect.clone());
            }
        }
        Permutation {
            title: title(&permutation.steps),
            launches: all,
            repeat: permutation.repeat.as_ref().map_or(1, |repeat| repeat.value),
            timeout: permutation.timeout.as_ref().map(|timeout| timeout.value).or(self.step_timeout()),
            expects,
        }
    }

    fn step_timeout(&self) -> Option<std::time::Duration> {
        self.loaded.spec.timeout.as_ref().map(|timeout| timeout.value)
    }

    /// A marker, for each copy of the step that it names (isolationtester.c, check_testspec).
    fn marker(
        &mut self,
        launched: &HashSet<&str>,
        step: &ast::PermutedStep,
        marker: &ast::Marker,
        known: &Steps,
    ) -> Vec<Marker> {
        let (named, count) = match marker {
            ast::Marker::Waiting => return vec![Marker::Waiting],
            ast::Marker::After(named) => (named, None),
            ast::Marker::Notices(named, count) => (named, Some(*count)),
        };
        if !launched.contains(named.value.as_str()) {
            let message = format!("step \"{}\" is not in this permutation", named.value);
            self.complain(named.span.clone(), &message, None);
        } else if known.owner(&named.value) == known.owner(&step.name.value) {
            let message = format!("step \"{}\" cannot wait for its own session", step.name.value);
            self.complain(named.span.clone(), &message, None);
        }
        let positions = known.positions(&named.value).into_iter();
        positions.map(|step| count.map_or(Marker::After(step), |count| Marker::Notices(step, count))).collect()
    }
}

/// The steps of a spec by name.
struct Steps<'a> {
    of: HashMap<&'a str, StepPlace>,
}

/// Where a step is among the steps of all sessions and copies.
struct StepPlace {
    /// The session that has it.
    session: usize,
    /// Its position in the session's first copy, and how far it is from there to the next copy.
    first: usize,
    stride: usize,
    copies: usize,
}

impl<'a> Steps<'a> {
    fn new(sessions: &'a [ast::Session]) -> Self {
        let mut of = HashMap::new();
        let mut before = 0;
        for (session, one) in sessions.iter().enumerate() {
            let copies = one.copies.as_ref().map_or(1, |copies| copies.value as usize);
            let stride = one.steps.len();
            for (own, step) in one.steps.iter().enumerate() {
                let place = StepPlace { session, first: before + own, stride, copies };
                of.entry(step.name.value.as_str()).or_insert(place);
            }
            before += copies * stride;
        }
        Steps { of }
    }

    /// The session that has a step.
    fn owner(&self, step: &str) -> Option<usize> {
        self.of.get(step).map(|place| place.session)
    }

    /// Positions of a step, one for each copy of its session.
    fn positions(&self, name: &str) -> Vec<usize> {
        let of = |place: &StepPlace| (0..place.copies).map(|copy| place.first + copy * place.stride).collect();
        self.of.get(name).map(of).unwrap_or_default()
    }
}

fn launches(planned: &Sessions, positions: &[usize], markers: &[Marker]) -> Vec<Launch> {
    debug_assert!(positions.iter().all(|&step| step < planned.steps.len()));
    let launch = |(copy, &step): (usize, &usize)| Launch { step, markers: markers.to_vec(), joins: copy > 0 };
    positions.iter().enumerate().map(launch).collect()
}

/// Whether a file is one of isolationtester's.
fn is_literal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "spec")
}
