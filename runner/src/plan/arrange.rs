//! From the sessions and permutations of the tree to launches of steps.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::case::Planner;
use super::sessions::{
    Batch, Launch, MANY, Marker, Permutation, Session, Sessions, Step, interleave, interleavings, number_titles, title,
    trim,
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
        let trace = trace(&loaded.spec, None);
        let mut planned = Sessions { setup, teardown, trace, ..Sessions::default() };
        for session in &loaded.spec.sessions {
            let copies = session.copies.as_ref().map_or(1, |copies| copies.value);
            for copy in 1..=copies {
                self.session(&mut planned, session, (copies > 1).then_some(copy));
            }
        }
        planned.permutations =
            if loaded.spec.permutations.is_empty() { self.all(&planned) } else { self.named(&mut planned) };
        number_titles(&mut planned.permutations);
        planned
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
    fn all(&mut self, planned: &Sessions) -> Vec<Permutation> {
        let spec = &self.loaded.spec;
        let lengths: Vec<usize> = spec.sessions.iter().map(|session| session.steps.len()).collect();
        let count = interleavings(&lengths);
        if count > MANY && !self.defaults.all_permutations {
            let span = spec.sessions[0].name.span.clone();
            let message = format!("the sessions have {count} interleavings, more than {MANY}");
            let hint = "name the ones to run with \"permutation\", or run with --all-permutations";
            self.complain(span, &message, Some(hint));
            return Vec::new();
        }
        let permute = |order: Vec<usize>| {
            let mut next = vec![0; lengths.len()];
            let steps: Vec<ast::PermutedStep> = order
                .into_iter()
                .map(|session| {
                    let step = &spec.sessions[session].steps[next[session]];
                    next[session] += 1;
                    ast::PermutedStep { name: step.name.clone(), markers: Vec::new() }
                })
                .collect();
            Permutation {
                title: title(&steps),
                launches: steps
                    .iter()
                    .flat_map(|step| launches(planned, &self.positions(&step.name.value), &[]))
                    .collect(),
                repeat: 1,
                timeout: self.step_timeout(),
                expects: Vec::new(),
            }
        };
        interleave(&lengths).into_iter().map(permute).collect()
    }

    fn named(&mut self, planned: &mut Sessions) -> Vec<Permutation> {
        let spec = &self.loaded.spec;
        let permutations = spec.permutations.iter().map(|permutation| self.permutation(planned, permutation)).collect();
        let launched: BTreeSet<&str> = (spec.permutations.iter())
            .flat_map(|permutation| &permutation.steps)
            .map(|step| step.name.value.as_str())
            .collect();
        let defined: BTreeSet<&str> =
            spec.sessions.iter().flat_map(|session| &session.steps).map(|step| step.name.value.as_str()).collect();
        planned.unused = defined.difference(&launched).map(|&name| name.to_owned()).collect();
        permutations
    }

    fn permutation(&mut self, planned: &Sessions, permutation: &ast::Permutation) -> Permutation {
        let mut all = Vec::new();
        for step in &permutation.steps {
            let mut markers = Vec::new();
            for marker in &step.markers {
                markers.extend(self.marker(permutation, step, marker));
            }
            all.extend(launches(planned, &self.positions(&step.name.value), &markers));
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
        permutation: &ast::Permutation,
        step: &ast::PermutedStep,
        marker: &ast::Marker,
    ) -> Vec<Marker> {
        let (named, count) = match marker {
            ast::Marker::Waiting => return vec![Marker::Waiting],
            ast::Marker::After(named) => (named, None),
            ast::Marker::Notices(named, count) => (named, Some(*count)),
        };
        if !permutation.steps.iter().any(|other| other.name.value == named.value) {
            let message = format!("step \"{}\" is not in this permutation", named.value);
            self.complain(named.span.clone(), &message, None);
        } else if self.owner(&named.value) == self.owner(&step.name.value) {
            let message = format!("step \"{}\" cannot wait for its own session", step.name.value);
            self.complain(named.span.clone(), &message, None);
        }
        let positions = self.positions(&named.value).into_iter();
        positions.map(|step| count.map_or(Marker::After(step), |count| Marker::Notices(step, count))).collect()
    }

    /// The session that has a step.
    fn owner(&self, step: &str) -> Option<usize> {
        let has = |session: &ast::Session| session.steps.iter().any(|own| own.name.value == step);
        self.loaded.spec.sessions.iter().position(has)
    }

    /// Positions of a step, one for each copy of its session, among the steps of all sessions and copies.
    fn positions(&self, name: &str) -> Vec<usize> {
        let mut before = 0;
        for session in &self.loaded.spec.sessions {
            let copies = session.copies.as_ref().map_or(1, |copies| copies.value as usize);
            if let Some(own) = session.steps.iter().position(|step| step.name.value == name) {
                return (0..copies).map(|copy| before + copy * session.steps.len() + own).collect();
            }
            before += copies * session.steps.len();
        }
        Vec::new()
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
