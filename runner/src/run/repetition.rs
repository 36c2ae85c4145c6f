//! How often a case is run, and which of its runs counts.

use crate::exec::outcome::Outcome;
use crate::judge::{Repeats, Status, Verdict};
use crate::server::is_interrupted;

/// What one run found, and what that means.
type Ended = (Outcome, Verdict);

/// Runs a case until it does not fail, at most `retries` times more than once. `again` is told before each other run.
pub(super) fn retried(retries: u32, mut once: impl FnMut() -> Ended, mut again: impl FnMut()) -> Ended {
    let mut attempts = 1;
    loop {
        let (outcome, verdict) = once();
        if verdict.status != Status::Failed || attempts > retries || is_interrupted() {
            return (outcome, Verdict { attempts, ..verdict });
        }
        attempts += 1;
        again();
    }
}

/// Runs a case that often. The first failed run speaks for all; without one, the last. `again` is told before each other
/// run.
pub(super) fn repeated(runs: u32, mut once: impl FnMut() -> Ended, mut again: impl FnMut()) -> Ended {
    let mut kept = once();
    let mut failed = u32::from(kept.1.status == Status::Failed);
    for _ in 1..runs {
        if is_interrupted() {
            break;
        }
        again();
        let next = once();
        failed += u32::from(next.1.status == Status::Failed);
        if kept.1.status != Status::Failed {
            kept = next;
        }
    }
    kept.1.repeats = Some(Repeats { runs, failed });
    kept
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    /// Runs that end so, one after the other; each takes as many milliseconds as its number, from 1.
    fn runs(endings: &[Status]) -> impl FnMut() -> Ended {
        let mut left = endings.iter().cloned().zip(1..).collect::<Vec<_>>().into_iter();
        move || {
            let (status, number) = left.next().expect("no more runs than endings");
            let elapsed = Duration::from_millis(number);
            let verdict = Verdict {
                status,
                faults: Vec::new(),
                seen: Vec::new(),
                idle: Vec::new(),
                untraced: None,
                golden: None,
                axes: None,
                attempts: 1,
                repeats: None,
                unrecorded: Vec::new(),
                allowances: Vec::new(),
                notes: Vec::new(),
                elapsed,
            };
            (Outcome { elapsed, ..Outcome::default() }, verdict)
        }
    }

    #[test]
    fn a_case_is_retried_while_it_fails() {
        use Status::{Failed, Passed};
        let excused = || Status::ExpectedFailure("known".into());
        let table = [
            (0, vec![Failed], Failed, 1),
            (2, vec![Passed], Passed, 1),
            (2, vec![Failed, Passed], Passed, 2),
            (2, vec![Failed, Failed, Failed], Failed, 3),
            (2, vec![excused()], excused(), 1),
        ];
        for (retries, endings, status, attempts) in table {
            let told = Cell::new(0);
            let (outcome, verdict) = retried(retries, runs(&endings), || told.set(told.get() + 1));
            assert_eq!((verdict.status.clone(), verdict.attempts), (status, attempts), "{endings:?}");
            assert_eq!(told.get() + 1, attempts, "{endings:?}");
            assert_eq!(outcome.elapsed, verdict.elapsed);
            assert_eq!(outcome.elapsed.as_millis(), u128::from(attempts), "the last run counts");
        }
    }

    #[test]
    fn the_first_failed_run_of_a_repeated_case_counts() {
        use Status::{Failed, Passed};
        let table = [
            (vec![Passed, Passed, Passed], Passed, 0, 3),
            (vec![Passed, Failed, Passed], Failed, 1, 2),
            (vec![Failed, Passed, Failed], Failed, 2, 1),
        ];
        for (endings, status, failed, counts) in table {
            let told = Cell::new(0);
            let (outcome, verdict) = repeated(3, runs(&endings), || told.set(told.get() + 1));
            assert_eq!((verdict.status, verdict.repeats), (status, Some(Repeats { runs: 3, failed })), "{endings:?}");
            assert_eq!((outcome.elapsed.as_millis(), told.get()), (counts, 2), "{endings:?}");
        }
    }
}
