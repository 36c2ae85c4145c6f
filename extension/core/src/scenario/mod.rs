//! The scenarios a workload can be put through. One file for each says what there is to know about it; the table here is the
//! only list of them.

mod cancel_storm;
mod cold_warm_cold;
mod concurrent_backends;
mod context_reset_storm;
mod cursor_leak;
mod description;
mod dsm_lifecycle_check;
mod growth_benchmark;
mod invalidation_storm;
mod oom_simulation;
mod query_peak;
mod shmem_sentinel_probe;
#[cfg(test)]
mod tests;
mod tx_abort_loop;
mod use_after_reset;
mod window;
mod wrong_context_probe;

use std::fmt;
use std::str::FromStr;

use crate::check::{CheckKind, Per};
use crate::finding::Finding;
use crate::judge::thresholds::Thresholds;
use crate::judge::{Evidence, Rules, shown};
use crate::words::UnknownWord;

pub use description::{Call, Clause, Description, Execution, Iterations, Judge, Runs};
pub use tx_abort_loop::by_way;

/// Makes the enum of scenarios from the list of their files.
macro_rules! scenarios {
    ($($variant:ident = $file:ident;)+) => {
        /// A way of exercising a workload. The words are those of `run_scenario()` and of the `scenario` clause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ScenarioKind {
            $(#[doc = concat!("See `scenario/", stringify!($file), ".rs`.")] $variant,)+
        }

        impl ScenarioKind {
            /// Every scenario, in the order in which they are listed.
            pub const ALL: &'static [ScenarioKind] = &[$(ScenarioKind::$variant,)+];

            /// What there is to know about it.
            pub const fn description(self) -> &'static Description {
                match self {
                    $(ScenarioKind::$variant => &$file::DESCRIPTION,)+
                }
            }

            /// What the manual says about it, in Markdown.
            #[cfg(feature = "manual")]
            pub const fn page(self) -> &'static str {
                match self {
                    $(ScenarioKind::$variant => include_str!(concat!(stringify!($file), ".md")),)+
                }
            }
        }
    };
}

scenarios! {
    Window = window;
    GrowthBenchmark = growth_benchmark;
    TxAbortLoop = tx_abort_loop;
    WrongContextProbe = wrong_context_probe;
    QueryPeak = query_peak;
    ShmemSentinelProbe = shmem_sentinel_probe;
    DsmLifecycleCheck = dsm_lifecycle_check;
    ContextResetStorm = context_reset_storm;
    UseAfterReset = use_after_reset;
    OomSimulation = oom_simulation;
    ConcurrentBackends = concurrent_backends;
    CursorLeak = cursor_leak;
    ColdWarmCold = cold_warm_cold;
    InvalidationStorm = invalidation_storm;
    CancelStorm = cancel_storm;
}

impl ScenarioKind {
    /// The spelling used in SQL, specs and goldens.
    pub const fn as_str(self) -> &'static str {
        self.description().name
    }

    /// What `run_scenario()` does; none if it cannot run it.
    pub fn call(self) -> Option<&'static Call> {
        self.description().execution.call.as_ref()
    }

    /// Whether a clause means something in it.
    pub fn takes(self, clause: Clause) -> bool {
        self.description().clauses.contains(&clause)
    }

    /// Those in which a clause means something.
    pub fn with(clause: Clause) -> impl Iterator<Item = ScenarioKind> {
        Self::ALL.iter().copied().filter(move |kind| kind.takes(clause))
    }

    /// What its marks count: a ladder is climbed by rows.
    pub fn per(self) -> Per {
        if self.takes(Clause::Rows) { Per::Row } else { Per::Iteration }
    }

    /// Judges a window: one finding for each bug, worst first. What is counted instead of measured is judged apart
    /// ([`crate::judge::event`]). Finds nothing for a scenario that is not built, for which nobody can open a window.
    pub fn judge(self, evidence: &Evidence) -> Vec<Finding> {
        self.judge_by(self.description().execution.judge, evidence)
    }

    /// Judges a call of `run_scenario()`, in a plain window or not, as [`ScenarioKind::judge`] does.
    pub fn judge_call(self, in_plain_window: bool, evidence: &Evidence) -> Vec<Finding> {
        match self.call() {
            Some(call) if in_plain_window => self.judge_by(call.judge_in_window, evidence),
            _ => self.judge(evidence),
        }
    }

    fn judge_by(self, judge: Judge, evidence: &Evidence) -> Vec<Finding> {
        let mut found = judge(evidence);
        found.retain(|finding| !evidence.rules.without.contains(&finding.check));
        if self.description().shows_all_marks { found } else { shown(found) }
    }

    /// The kinds of violation that it can find.
    pub const fn checks(self) -> &'static [CheckKind] {
        self.description().checks
    }
}

/// What can be found of accesses. What lies in no chunk is a crash.
const ACCESSES: &[CheckKind] = &[
    CheckKind::UseAfterFree,
    CheckKind::UseAfterReset,
    CheckKind::BufferOverrun,
    CheckKind::DoubleFree,
    CheckKind::Crash,
];

/// Of a scenario that goes by bad accesses, which are seen as they happen: what memory there is says nothing.
fn judged_by_accesses(_: &Evidence) -> Vec<Finding> {
    Vec::new()
}

impl fmt::Display for ScenarioKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ScenarioKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWord { what: "scenario", word: word.to_owned() };
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word).ok_or_else(unknown)
    }
}

/// Iterations before the window where neither the spec nor the configuration says. The sixth execution of a cached statement
/// makes its generic plan (`choose_custom_plan` in plancache.c).
pub const WARMUP: u32 = 10;

/// What a window is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The scenario decides which checks there are and what they are called.
    pub scenario: ScenarioKind,
    /// What is reported.
    pub rules: Rules,
}

impl Terms {
    /// A plain window that reports every context.
    pub fn plain(thresholds: Thresholds) -> Self {
        Terms { scenario: ScenarioKind::Window, rules: Rules { thresholds, ..Rules::default() } }
    }
}
