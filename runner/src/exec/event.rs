//! What happens during a run, as it happens.

use super::outcome::Outcome;
use crate::judge::Verdict;

/// Something that happened to a case, known by its position in the run.
#[derive(Debug)]
pub enum Event {
    /// The case has a server and begins.
    Started {
        /// The case.
        case: usize,
    },
    /// One of its scenarios begins.
    Scenario {
        /// The case.
        case: usize,
        /// The scenario's position in the case.
        scenario: usize,
    },
    /// One of its permutations begins.
    Permutation {
        /// The case.
        case: usize,
        /// The permutation's position in the case.
        permutation: usize,
    },
    /// Iterations are done; sent now and then.
    Progress {
        /// The case.
        case: usize,
        /// Iterations done, the warm-up and all windows counted.
        done: u64,
        /// Iterations in all.
        total: u64,
    },
    /// The case failed and is run again.
    Retried {
        /// The case.
        case: usize,
    },
    /// The case is run again, as `--repeat` says.
    Repeated {
        /// The case.
        case: usize,
    },
    /// The case is over.
    Finished {
        /// The case.
        case: usize,
        /// What it found.
        outcome: Box<Outcome>,
        /// What that means.
        verdict: Box<Verdict>,
    },
}
