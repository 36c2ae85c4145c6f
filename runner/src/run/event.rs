//! What happens during a run, as it happens.

use crate::exec::Progress;
use crate::exec::outcome::Outcome;
use crate::judge::Verdict;

/// Something that happened to a case, known by its position in the run.
#[derive(Debug)]
pub enum Event {
    /// The case has a server and begins.
    Started {
        /// The case.
        case: usize,
    },
    /// It goes on.
    Progress {
        /// The case.
        case: usize,
        /// How far it has come.
        progress: Progress,
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
    /// The case is over: it was run as often as it had to be, or there was no need to. Comes once for each case.
    Finished {
        /// The case.
        case: usize,
        /// What it found in the run that counts; nothing if it was not run.
        outcome: Box<Outcome>,
        /// What that means.
        verdict: Box<Verdict>,
    },
}
