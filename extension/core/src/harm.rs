//! What a failed allocation has done: the finding `oom_unsafe`.

use crate::check::{CheckKind, Severity};
use crate::finding::Finding;
use crate::path::ContextPath;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At the point with this number.
    Point(u64),
    /// There, by the end of the session.
    End(u64),
    /// After so many milliseconds.
    After(u64),
}

impl Moment {
    fn sentence(self, is_first_call: bool) -> String {
        let call = if is_first_call { "the session's first call" } else { "a later call" };
        match self {
            Moment::Point(number) => format!("{call} was cancelled at point {number}"),
            Moment::End(number) => format!("the session was terminated at point {number} of {call}"),
            Moment::After(milliseconds) => format!("{call} was cancelled after {milliseconds} ms"),
        }
    }
}

/// The finding of a call that was cancelled at a site.
pub fn cancelled(harm: Harm, moment: Moment, is_first_call: bool, site: Option<Site>, what: &str) -> Finding {
    let check = match harm {
        Harm::Hang => CheckKind::Timeout,
        Harm::Crash => CheckKind::Crash,
        _ => CheckKind::CancelUnsafe,
    };
    Finding { check, ..told(harm, &moment.sentence(is_first_call), site, what) }
}

/// The finding of what has failed at a site.
pub fn finding(harm: Harm, failed: &Failed, site: Option<Site>, what: &str) -> Finding {
    told(harm, &failed.sentence(), site, what)
}

fn told(harm: Harm, sentence: &str, site: Option<Site>, what: &str) -> Finding {
    let place = site.as_ref().map_or(String::new(), |site| format!(" in {}", site.frame.place()));
    Finding {
        check: CheckKind::OomUnsafe,
        severity: Severity::Error,
        path: ContextPath::new([harm.as_str()]),
        bytes: 0,
        objects: 1,
        iterations: 0,
        bytes_per_iter: 0.0,
        objects_per_iter: 0.0,
        shape: None,
        phase: None,
        source_lib: site.as_ref().map_or(String::new(), |site| site.frame.library.clone()),
        site,
        marks: Vec::new(),
        access: None,
        detail: format!("{harm}{place}: {sentence}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_it_was_cancelled() {
        let said = |harm, moment, is_first_call| {
            let found = cancelled(harm, moment, is_first_call, None, "so");
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
