//! Goes on where what a window has found is thin: a cache that is not yet full, and a heap that is not yet collected, look like
//! leaks for a while.
//!
//! A second window follows the first one. Findings that are thin and do not go on in it are taken back. Those that stay are
//! told as the first window has them, so that how far it went is not to be seen in them.

use std::time::Duration;

use memcheck_core::Finding;

use super::way::Client;
use crate::exec::engine;
use crate::exec::failure::{Cause, Failure};
use crate::exec::outcome::{Confirmation, Window};
use crate::exec::session::Session;

/// So many iterations in all see a cache of a usual bound full, and then stay so.
const ENOUGH: u64 = 1000;
/// Where that is far, so many times the iterations that were asked for have to do,
const TIMES: u64 = 10;
/// unless more of them take no longer than this.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// What a leak may take on the way.
pub(super) const MOST_BYTES: u64 = 256 << 20;

/// What was asked for.
pub(super) struct Asked {
    /// Iterations of the first window.
    pub(super) iterations: u64,
    /// The time they took.
    pub(super) took: Duration,
    /// No more than so many others.
    pub(super) most: u64,
}

impl Asked {
    /// How often to go on: as often as was asked for, and until it is enough, as far as memory and the time that is left allow.
    fn more(&self, thin: &[&Finding], left: Duration) -> u64 {
        let asked = self.iterations.max(1);
        let within = |time: Duration| (time.as_secs_f64() * asked as f64 / self.took.as_secs_f64().max(1e-9)) as u64;
        let wanted = asked.max(ENOUGH.saturating_sub(asked).min(within(QUICK).max(asked.saturating_mul(TIMES - 1))));
        let bytes: u64 = thin.iter().map(|finding| finding.bytes / asked).sum();
        wanted.min(self.most).min(within(left / 2)).min(MOST_BYTES / bytes.max(1))
    }
}

/// Goes on where there is reason to. `go_on` does so many more iterations in a window of their own and says what that has
/// found.
pub(super) fn confirm(
    client: &mut Client,
    session: &mut Session,
    asked: &Asked,
    window: &mut Window,
    go_on: impl FnOnce(&mut Client, &mut Session, u64) -> Result<Window, Failure>,
) -> Result<(), Failure> {
    let thin: Vec<&Finding> = window.findings.iter().filter(|finding| finding.is_thin()).collect();
    if thin.is_empty() || client.scenario.kind.description().compares_ends {
        return Ok(());
    }
    let iterations = asked.more(&thin, session.time_left());
    window.confirmation = Some(if iterations < asked.iterations.min(ENOUGH) {
        unconfirmed(0, "there is no time or memory for more iterations".to_owned())
    } else {
        client.expect_more(iterations);
        let later = go_on(client, session, iterations);
        match seen(session, later)? {
            Ok(later) => settle(window, &later, iterations),
            Err(reason) => unconfirmed(iterations, reason),
        }
    });
    Ok(())
}

/// A second window, or why it says nothing.
pub(super) fn seen(session: &mut Session, later: Result<Window, Failure>) -> Result<Result<Window, String>, Failure> {
    match later {
        Ok(later) if later.statistics.get("not_recorded").is_none_or(|&number| number == 0) => Ok(Ok(later)),
        Ok(_) => Ok(Err("not everything was recorded in the second window".to_owned())),
        Err(failure) if is_excused(&failure) => {
            engine::abandon(session)?;
            Ok(Err(failure.headline()))
        }
        Err(failure) => Err(failure),
    }
}

/// Takes back what has not gone on.
fn settle(window: &mut Window, later: &Window, iterations: u64) -> Confirmation {
    let goes_on = |finding: &Finding| later.findings.iter().any(|later| later.bears_out(finding));
    let (kept, taken_back) =
        std::mem::take(&mut window.findings).into_iter().partition(|finding| !finding.is_thin() || goes_on(finding));
    window.findings = kept;
    Confirmation { iterations, taken_back, unconfirmed: None }
}

fn unconfirmed(iterations: u64, reason: String) -> Confirmation {
    Confirmation { iterations, taken_back: Vec::new(), unconfirmed: Some(reason) }
}

/// A workload need not stand more iterations than were asked for: keys, files or slots may run out. To end the session is
/// another matter.
fn is_excused(failure: &Failure) -> bool {
    let can_go_on = !matches!(failure.cause, Cause::Timeout { .. } | Cause::Interrupted { .. } | Cause::Server { .. });
    can_go_on && !failure.lost_the_session()
}

#[cfg(test)]
mod tests {
    use super::*;
    use memcheck_core::{CheckKind, ContextPath, Severity};

    fn leak(context: &str, iterations: u64, each: u64) -> Finding {
        Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Info,
            path: ContextPath::new([context]),
            bytes: iterations * each,
            objects: iterations,
            iterations,
            bytes_per_iter: each as f64,
            objects_per_iter: 1.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    #[test]
    fn how_far_to_go_on() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        // Iterations asked for, what one takes (ms), bytes of each, time left.
        let table = [
            ((100, 1, 100, minute), 900),
            ((10, 1, 100, minute), 990),
            ((800, 1, 100, minute), 800),
            ((2000, 1, 100, minute), 2000),
            // Slowly
            ((10, 1000, 100, hour), 90),
            ((100, 20, 100, hour), 900),
            ((10, 50, 100, hour), 200),
            // In the time there is
            ((100, 100, 100, minute), 300),
            ((100, 100, 100, Duration::from_secs(10)), 50),
            // In the memory there is
            ((100, 1, 1 << 20, minute), 256),
        ];
        for ((iterations, each, bytes, left), expected) in table {
            let asked = Asked { iterations, took: Duration::from_millis(iterations * each), most: u64::MAX };
            assert_eq!(
                asked.more(&[&leak("x", iterations, bytes)], left),
                expected,
                "{iterations} {each} {bytes} {left:?}"
            );
        }
    }

    #[test]
    fn what_does_not_go_on_is_taken_back() {
        let mut window = Window {
            findings: vec![leak("cache", 100, 100), leak("leak", 100, 100), leak("plenty", 5000, 100)],
            ..Window::default()
        };
        let fading = Finding { objects_per_iter: 0.1, ..leak("cache", 900, 10) };
        let later = Window { findings: vec![leak("leak", 900, 100), fading], ..Window::default() };
        let confirmation = settle(&mut window, &later, 900);
        let names = |findings: &[Finding]| findings.iter().map(|it| it.path.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&window.findings), ["leak", "plenty"]);
        assert_eq!(names(&confirmation.taken_back), ["cache"]);
    }
}
