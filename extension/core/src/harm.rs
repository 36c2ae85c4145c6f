//! What a failed allocation has done: the finding `oom_unsafe`.

use crate::check::CheckKind;
use crate::finding::Finding;
use crate::site::Site;
use crate::words::words;

words! {
    /// What went wrong, from bad to worse.
    Harm: "harm" {
        /// Something is left that would not be there had the call failed in another way.
        Leak = "leak",
        /// A function of the target has left another context current.
        Context = "context left current",
        /// A reference that the server had to release.
        Reference = "reference kept",
        /// A lock is held, or interrupts are held off, after the call.
        Lock = "lock kept",
        /// The call has not failed, and has given another answer; or the one after it has.
        WrongAnswer = "wrong answer",
        /// The call after it fails, which would not have.
        Wedged = "wedged",
        /// A bad access to what the target had allocated.
        Access = "bad access",
        /// A call that was cancelled goes on: the ERROR was caught, and not raised again.
        Swallowed = "cancel swallowed",
        /// It does not come back.
        Hang = "hang",
        /// The process ends.
        Crash = "crash",
    }
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Its number, of all that the target allocates in the call.
    pub number: u64,
    /// Whether all behind it have failed too.
    pub goes_on: bool,
    /// Bytes that were asked for; 0 where it is no memory.
    pub bytes: u64,
    /// Whether it was the first call of the session.
    pub is_first_call: bool,
}

impl Failed {
    fn sentence(&self) -> String {
        let Failed { number, goes_on, bytes, is_first_call } = *self;
        let of = if bytes == 0 { String::new() } else { format!(" of {bytes} bytes") };
        let rest = if goes_on { " and all behind it" } else { "" };
        let call = if is_first_call { "the session's first call" } else { "a later call" };
        format!("allocation {number}{of}{rest} failed in {call}")
    }
}

/// At which moment a call was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// At the point with this number.
    Point(u64),
    /// There, by the end of the session.
    End(u64),
    /// After so many milliseconds.
    After(u64),
    /// After so many, by a signal of another process.
    Signal(u64),
    /// After so many, by one that ends the session.
    EndingSignal(u64),
    /// While it waited.
    Wait {
        /// The lock, as it is called.
        lock: String,
        /// What has ended that.
        by: &'static str,
    },
    /// While it waited for the lock, by the end of the session.
    EndOfWait {
        /// The lock, as it is called.
        lock: String,
    },
}

impl Moment {
    fn sentence(&self, is_first_call: bool) -> String {
        let call = if is_first_call { "the session's first call" } else { "a later call" };
        match self {
            Moment::Point(number) => format!("{call} was cancelled at point {number}"),
            Moment::End(number) => format!("the session was terminated at point {number} of {call}"),
            Moment::After(milliseconds) => format!("{call} was cancelled after {milliseconds} ms"),
            Moment::Signal(milliseconds) => {
                format!("{call} was cancelled by another process after {milliseconds} ms")
            }
            Moment::EndingSignal(milliseconds) => {
                format!("the session was terminated by another process {milliseconds} ms into {call}")
            }
            Moment::Wait { lock, by } => format!("{call} was cancelled by {by} while it waited for {lock}"),
            Moment::EndOfWait { lock } => format!("the session was terminated while {call} waited for {lock}"),
        }
    }
}

/// The finding of a call that was cancelled at a site.
pub fn cancelled(harm: Harm, moment: &Moment, is_first_call: bool, site: Option<Site>, what: &str) -> Finding {
    let check = match harm {
        Harm::Hang => CheckKind::Timeout,
        Harm::Crash => CheckKind::Crash,
        _ => CheckKind::CancelUnsafe,
    };
    told(check, harm, &moment.sentence(is_first_call), site, what)
}

/// The finding of what has failed at a site.
pub fn finding(harm: Harm, failed: &Failed, site: Option<Site>, what: &str) -> Finding {
    told(CheckKind::OomUnsafe, harm, &failed.sentence(), site, what)
}

fn told(check: CheckKind, harm: Harm, sentence: &str, site: Option<Site>, what: &str) -> Finding {
    let place = site.as_ref().map_or(String::new(), |site| format!(" in {}", site.frame.place()));
    Finding::of_event(check, harm.as_str(), site, format!("{harm}{place}: {sentence}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_it_was_cancelled() {
        let said = |harm, moment, is_first_call| {
            let found = cancelled(harm, &moment, is_first_call, None, "so");
            format!("{} {}", found.check, found.detail)
        };
        assert_eq!(
            said(Harm::Leak, Moment::Point(7), false),
            "cancel_unsafe leak: a later call was cancelled at point 7: so"
        );
        assert_eq!(
            said(Harm::Wedged, Moment::End(7), true),
            "cancel_unsafe wedged: the session was terminated at point 7 of the session's first call: so"
        );
        assert_eq!(
            said(Harm::Hang, Moment::After(8), false),
            "timeout hang: a later call was cancelled after 8 ms: so"
        );
        assert_eq!(
            said(Harm::Leak, Moment::Signal(0), false),
            "cancel_unsafe leak: a later call was cancelled by another process after 0 ms: so"
        );
        assert_eq!(
            said(Harm::WrongAnswer, Moment::EndingSignal(4), false),
            "cancel_unsafe wrong answer: the session was terminated by another process 4 ms into a later call: so"
        );
        let lock = "relation \"t\"".to_owned();
        assert_eq!(
            said(Harm::Lock, Moment::Wait { lock: lock.clone(), by: "lock_timeout" }, false),
            "cancel_unsafe lock kept: a later call was cancelled by lock_timeout while it waited for relation \"t\": so"
        );
        assert_eq!(
            said(Harm::Wedged, Moment::EndOfWait { lock }, false),
            "cancel_unsafe wedged: the session was terminated while a later call waited for relation \"t\": so"
        );
        assert!(said(Harm::Crash, Moment::Point(1), false).starts_with("crash crash: "));
    }

    #[test]
    fn it_is_said_what_has_failed_and_what_came_of_it() {
        let mut failed = Failed { number: 7, goes_on: false, bytes: 64, is_first_call: true };
        let said = |failed: &Failed| finding(Harm::Wedged, failed, None, "ERROR: no").detail;
        assert_eq!(said(&failed), "wedged: allocation 7 of 64 bytes failed in the session's first call: ERROR: no");
        (failed.goes_on, failed.bytes, failed.is_first_call) = (true, 0, false);
        assert_eq!(said(&failed), "wedged: allocation 7 and all behind it failed in a later call: ERROR: no");
    }
}
