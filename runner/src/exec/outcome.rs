//! What running a case brought to light.

use std::collections::BTreeMap;
use std::time::Duration;

use memcheck_core::{Finding, Phase};

use super::failure::Failure;

/// What a run of a case found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The server it ran on; none if there was none.
    pub server: Option<ServerFacts>,
    /// The scenarios that were begun, in order.
    pub scenarios: Vec<ScenarioOutcome>,
    /// A failure outside the scenarios: the server, the extensions, the file's fixtures.
    pub failure: Option<Failure>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

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
    /// Why it did not run to its end.
    pub failure: Option<Failure>,
    /// Wall-clock time.
    pub elapsed: Duration,
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
}

/// The name under which `window_stats()` counts violations that did not fit.
const LOST: &str = "violations_lost";

impl Outcome {
    /// The first failure, of the case or of a scenario.
    pub fn first_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| self.scenarios.iter().find_map(|scenario| scenario.failure.as_ref()))
    }

    /// Violations that the engine counted but could not keep.
    pub fn violations_lost(&self) -> i64 {
        let windows = self.scenarios.iter().flat_map(|scenario| &scenario.windows);
        windows.filter_map(|window| window.statistics.get(LOST)).sum()
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
