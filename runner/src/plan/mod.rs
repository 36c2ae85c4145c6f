//! From syntax trees to cases: includes read, defaults filled in, conditions decided, variables bound.
//!
//! A case is one spec file on one installation (and with one value of each `matrix`). After planning nothing about the
//! language is left to find out: what a case holds can be sent to a server.

mod allow;
mod arrange;
mod bind;
mod case;
mod condition;
mod conf;
mod excerpt;
mod guarding;
mod load;
mod name;
mod outside;
mod part;
mod problem;
pub mod schedule;
mod sessions;
#[cfg(test)]
mod tests;
mod tracing;
mod unsupported;
mod variables;

use std::sync::Arc;
use std::time::Duration;

use memcheck_core::golden::row::Policy;
use memcheck_core::{CheckKind, Phase, ScenarioKind};
use regex::Regex;

use crate::language::SourceFile;
use crate::language::ast::{Expect, Expectation, Extension, Growth, Guard, Iterate, Mode, Protocol, Trace};

pub use allow::Allowance;
pub(crate) use allow::{functions, is_from};
pub use bind::{Sql, Statement, Values};
pub use case::{Defaults, cases};
pub use condition::Environment;
pub(crate) use condition::admits;
pub use conf::{ConfLine, conf_lines};
pub use excerpt::workload;
pub use load::{Loaded, load, load_source};
pub use name::hash;
pub use outside::{Outside, is_isolation_spec};
pub use part::{Part, short_name, splits};
pub use problem::{Place, Problem};
pub use sessions::{Batch, Launch, MANY, Marker, Permutation, Session, Sessions, Step};
pub use variables::Overrides;

/// One spec file on one installation.
#[derive(Debug, Clone)]
pub struct Case {
    /// The spec's name below the directory of specs, with the values of its matrices: `sub/knn[dims=3]`. Goldens and
    /// results are filed under it.
    pub name: String,
    /// The name in reports: with the version where a run has several, `knn@pg18`.
    pub label: String,
    /// The spec.
    pub source: Arc<SourceFile>,
    /// Position of the installation among those of the run.
    pub installation: usize,
    /// Its database: `:database`
    pub database: String,
    /// `tags`
    pub tags: Vec<String>,
    /// Why it is not run at all.
    pub skip: Option<String>,
    /// Why it is expected to fail.
    pub xfail: Option<String>,
    /// What the spec asks for and this version cannot do. Such a case is reported and not run.
    pub unsupported: Vec<Problem>,
    /// The extension that it needs and that could not be built.
    pub not_built: Option<NotBuilt>,
    /// How often a failed case is run again.
    pub retries: u32,
    /// Extensions under test, in the order in which they are created.
    pub extensions: Vec<Extension>,
    /// Libraries to preload before the engine.
    pub preload_first: Vec<String>,
    /// Libraries to preload after the engine.
    pub preload: Vec<String>,
    /// `target`: the libraries that are charged; none for those that the extensions and `preload` load.
    pub targets: Vec<String>,
    /// Lines for postgresql.conf. A case with any has its own server.
    pub conf: Vec<ConfLine>,
    /// Parameters of every session.
    pub settings: Vec<Setting>,
    /// Run on the control connection before the scenarios; none without scenarios.
    pub setup: Vec<Sql>,
    /// Run on the control connection after the scenarios; none without scenarios.
    pub teardown: Vec<Sql>,
    /// Time for the setup as a whole, and for the teardown as a whole.
    pub timeout: Duration,
    /// What its golden records.
    pub golden: Policy,
    /// Replacements in context paths, in order.
    pub normalize: Vec<(Regex, String)>,
    /// What is known and allowed in every scenario and every session: first that of the spec, then that of `mcspec.toml`.
    pub allowances: Vec<Arc<Allowance>>,
    /// What to run, in order.
    pub scenarios: Vec<Scenario>,
    /// What to run after the scenarios; no permutation if the spec has no sessions.
    pub sessions: Sessions,
    /// Titles of scenarios whose `when` does not hold here.
    pub left_out: Vec<String>,
    /// Titles of scenarios and permutations that are not in the part of the spec that is to run.
    pub not_selected: Vec<String>,
}

/// Why an extension could not be built.
#[derive(Debug, Clone)]
pub struct NotBuilt {
    /// What failed, with the end of the output of what builds it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// `set name = value`
#[derive(Debug, Clone)]
pub struct Setting {
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The clause.
    pub place: Place,
}

/// A scenario with nothing left to default.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// `scenario KIND [name]`, as goldens write it.
    pub title: String,
    /// The kind.
    pub kind: ScenarioKind,
    /// The clause.
    pub place: Place,
    /// Run in the checked session before the warm-up.
    pub setup: Vec<Sql>,
    /// Run in the checked session after the window.
    pub teardown: Vec<Sql>,
    /// Iterations in the window, at least 1; of each step of a ladder, if there is one.
    pub iterations: u64,
    /// The ladder: the values of `:rows`, increasing; empty but for `query_peak`.
    pub rows: Vec<u64>,
    /// How its peaks may grow.
    pub growth: Growth,
    /// Iterations before the window.
    pub warmup: u64,
    /// Time from the first connection to the end of the teardown; each window of `tx_abort_loop` has it for itself.
    pub timeout: Duration,
    /// Who repeats the workload.
    pub iterate: Iterate,
    /// How its statements are sent.
    pub protocol: Protocol,
    /// What the engine looks at between the marks.
    pub mode: Mode,
    /// The ways of undoing the workload, in order; empty but for `tx_abort_loop`.
    pub phases: Vec<Phase>,
    /// Whether and how the targets' allocations are traced.
    pub trace: Trace,
    /// How they are guarded.
    pub guarding: Guarding,
    /// In `context_reset_storm`: after how many executions the context is reset that they run in.
    pub reset_every: u64,
    /// How much the targets may hold together (bytes), where something is to fail by that.
    pub limit: Option<u64>,
    /// How many background workers run it at the same time, where the server repeats it in such.
    pub workers: u32,
    /// Bytes of shared memory that nobody has a use for.
    pub probes: Vec<Probe>,
    /// What chance begins with, where something is left to it.
    pub seed: u64,
    /// LIKE patterns of the contexts to report; empty means all.
    pub watch: Vec<String>,
    /// LIKE patterns of contexts that may grow.
    pub allow: Vec<String>,
    /// What is known and allowed in it.
    pub allowances: Vec<Arc<Allowance>>,
    /// Parameters of its session, after the case's.
    pub settings: Vec<Setting>,
    /// What is repeated; nothing where a worker is watched.
    pub workload: Sql,
    /// Several of them, dealt to workers that run together.
    pub dealt: Vec<Sql>,
    /// The process that is watched instead of a session.
    pub worker: Option<Worker>,
    /// The SQLSTATE with which every iteration must fail.
    pub expected_error: Option<String>,
    /// The other `expect` clauses that apply here.
    pub expects: Vec<Expect>,
}

/// The last byte of a segment of shared memory, which its library has asked for to that end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The segment's name.
    pub segment: String,
    /// Its size.
    pub size: u64,
    /// Where the spec says so.
    pub place: Place,
}

/// How allocations are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guarding {
    /// By what.
    pub guard: Guard,
    /// One in how many gets pages of its own, where it is by pages.
    pub sample: u32,
}

impl Guarding {
    /// They are not.
    pub const OFF: Guarding = Guarding { guard: Guard::Off, sample: 1 };
}

impl Scenario {
    /// Whether a crash is what it expects, even one that takes the server with it.
    pub fn expects_crash(&self) -> bool {
        self.expects.iter().any(|expect| match &expect.what {
            Expectation::Violation(expected) => expected.check.value == CheckKind::Crash,
            _ => false,
        })
    }
}

/// `worker 'name like' for D`
#[derive(Debug, Clone)]
pub struct Worker {
    /// LIKE pattern of its type or application name.
    pub name: String,
    /// How long it is watched.
    pub time: Duration,
    /// The clause.
    pub place: Place,
}

impl Case {
    /// Leaves out what is not in the part. Where nothing of that is for this server, the case is not run.
    fn narrow(&mut self, part: &Part) {
        let not_selected = &mut self.not_selected;
        let mut is_in = |title: &str| {
            let is_in = part.has(title);
            not_selected.extend((!is_in).then(|| title.to_owned()));
            is_in
        };
        self.scenarios.retain(|scenario| is_in(&scenario.title));
        self.sessions.permutations.retain(|permutation| is_in(&permutation.title));
        let is_empty = self.scenarios.is_empty() && self.sessions.permutations.is_empty();
        if is_empty && !part.is_whole() {
            self.skip.get_or_insert_with(|| "nothing that was selected of it is for this server".to_owned());
        }
    }

    /// Whether only a part of the spec is to run.
    pub fn is_part(&self) -> bool {
        !self.not_selected.is_empty()
    }

    /// All libraries to preload, in order.
    pub fn preloaded(&self) -> impl Iterator<Item = &String> {
        self.preload_first.iter().chain(&self.preload)
    }

    /// Where the clause of an extension is; none where the extension is given from outside.
    pub fn place_of(&self, extension: &Extension) -> Option<Place> {
        let span = &extension.name.span;
        (!span.is_empty()).then(|| self.place(span.start))
    }

    /// Where a clause of the case's own file is.
    pub fn place(&self, offset: usize) -> Place {
        Place { source: Arc::clone(&self.source), offset }
    }
}
