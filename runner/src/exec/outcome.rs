//! What running a case brought to light.

use std::collections::BTreeMap;
use std::time::Duration;

use memcheck_core::gap::Gap;
use memcheck_core::judge::tree::Branch;
use memcheck_core::targets::Loaded;
use memcheck_core::{Finding, Phase};

use super::failure::Failure;
use super::happening::Happening;
use crate::plan::Case;

/// What a run of a case found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The server it ran on; none if there was none.
    pub server: Option<ServerFacts>,
    /// The libraries that are charged.
    pub targets: Targets,
    /// The scenarios that were begun, in order.
    pub scenarios: Vec<ScenarioOutcome>,
    /// The permutations that were begun, in order.
    pub permutations: Vec<PermutationOutcome>,
    /// A failure outside the scenarios: the server, the extensions, the file's fixtures.
    pub failure: Option<Failure>,
    /// What the spec has changed in the server, besides its own database, so that others have another one.
    pub changed: Option<String>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// The libraries that are charged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    /// Names or patterns; none for every library that extensions have brought.
    pub names: Vec<String>,
    /// Whether the spec names them, and is mistaken where one of them is not loaded. Otherwise a scenario need not use all.
    pub are_named: bool,
    /// Libraries that may be loaded besides: those that are called as an extension and something behind a hyphen.
    pub more: Vec<String>,
}

impl Targets {
    /// As `pg_ext_memcheck.targets` has them.
    pub fn list(&self) -> Vec<&str> {
        self.names.iter().chain(&self.more).map(String::as_str).collect()
    }
}

/// What the engine's WARNING begins with where allocations cannot be traced; the reason follows.
pub const REFUSED: &str = "allocations cannot be traced: ";

/// The server a case ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// `version()`
    pub version: String,
    /// Whether it was built with assertions.
    pub assertions: bool,
    /// Version of the engine's extension.
    pub engine: String,
    /// Parameters that differ from PostgreSQL's defaults.
    pub settings: BTreeMap<String, String>,
    /// The extensions that the case has created, with their versions.
    pub extensions: BTreeMap<String, String>,
    /// The libraries that are charged, with their build IDs; those that could not be read are left out.
    pub libraries: BTreeMap<String, String>,
    /// Why allocations cannot be traced, where they cannot.
    pub untraced: Option<String>,
}

/// What a scenario found.
#[derive(Debug, Clone, Default)]
pub struct ScenarioOutcome {
    /// Its position in the case.
    pub scenario: usize,
    /// Its findings: those of its window, or of all its windows taken together.
    pub findings: Vec<Finding>,
    /// Its windows: several for `tx_abort_loop`, one for the others.
    pub windows: Vec<Window>,
    /// What the server told the client besides results, the first of each session.
    pub messages: Vec<Message>,
    /// What its workload has left behind in the session, a clause each.
    pub left: Vec<&'static str>,
    /// Why it did not run to its end.
    pub failure: Option<Failure>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// What a permutation found.
#[derive(Debug, Clone, Default)]
pub struct PermutationOutcome {
    /// Its position in the case.
    pub permutation: usize,
    /// Its runs, as many as its `repeat` asks for.
    pub runs: Vec<PermutationRun>,
    /// Why it did not run to its end.
    pub failure: Option<Failure>,
    /// Wall-clock time of all runs.
    pub elapsed: Duration,
}

/// One run of a permutation, which is two: one to warm up, and one that is checked.
#[derive(Debug, Clone, Default)]
pub struct PermutationRun {
    /// What happened in the warm-up, in order.
    pub warm_up: Vec<Happening>,
    /// What happened in the run that is checked, in order.
    pub happenings: Vec<Happening>,
    /// The windows of sessions that lived to their end, with the positions of the sessions.
    pub windows: Vec<(usize, Window)>,
}

/// A closed check window.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// How the workload was undone; none where it was not.
    pub phase: Option<Phase>,
    /// What the engine found.
    pub findings: Vec<Finding>,
    /// `window_stats()`
    pub statistics: BTreeMap<String, i64>,
    /// `window_targets()`
    pub targets: Vec<Loaded>,
    /// `window_contexts()`
    pub contexts: Vec<Branch>,
    /// What came of going on, where what was found was thin.
    pub confirmation: Option<Confirmation>,
}

impl Window {
    /// Whether there is something that was not looked at.
    pub fn has(&self, gap: &Gap) -> bool {
        self.statistics.get(gap.figure).is_some_and(|&count| count != 0)
    }
}

/// What more iterations than were asked for have made of findings that were thin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Confirmation {
    /// How many more there were.
    pub iterations: u64,
    /// Findings that did not go on.
    pub taken_back: Vec<Finding>,
    /// Why those that are left are not confirmed; none if they are.
    pub unconfirmed: Option<String>,
}

impl Outcome {
    /// The first failure, of the case, a scenario or a permutation.
    pub fn first_failure(&self) -> Option<&Failure> {
        let scenarios = self.scenarios.iter().filter_map(|scenario| scenario.failure.as_ref());
        let permutations = self.permutations.iter().filter_map(|permutation| permutation.failure.as_ref());
        self.failure.iter().chain(scenarios).chain(permutations).next()
    }

    /// Titles of the scenarios and permutations that were not begun, in order.
    pub fn not_run<'c>(&self, case: &'c Case) -> impl Iterator<Item = &'c str> {
        let scenarios = case.scenarios.iter().skip(self.scenarios.len()).map(|scenario| scenario.title.as_str());
        let permutations = case.sessions.permutations.iter().skip(self.permutations.len());
        scenarios.chain(permutations.map(|permutation| permutation.title.as_str()))
    }

    /// All windows.
    pub fn windows(&self) -> impl Iterator<Item = &Window> {
        let runs = self.permutations.iter().flat_map(|permutation| &permutation.runs);
        let of_sessions = runs.flat_map(|run| &run.windows).map(|(_, window)| window);
        self.scenarios.iter().flat_map(|scenario| &scenario.windows).chain(of_sessions)
    }

    /// A figure of `window_stats()`, summed over all windows.
    pub fn figure(&self, name: &str) -> i64 {
        self.figures(name).sum()
    }

    /// The largest figure of that name of any window.
    pub fn largest_figure(&self, name: &str) -> i64 {
        self.figures(name).max().unwrap_or(0)
    }

    fn figures(&self, name: &str) -> impl Iterator<Item = i64> {
        self.windows().filter_map(move |window| window.statistics.get(name).copied())
    }
}

/// A NOTICE, INFO or WARNING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `NOTICE`, `INFO`, `WARNING`, ...
    pub severity: String,
    /// The primary message.
    pub text: String,
}
