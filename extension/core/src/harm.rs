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

/// The finding of what has failed at a site.
pub fn finding(harm: Harm, failed: &Failed, site: Option<Site>, what: &str) -> Finding {
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
        detail: format!("{harm}{place}: {}: {what}", failed.sentence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_has_failed_and_what_came_of_it() {
        let mut failed = Failed { number: 7, goes_on: false, bytes: 64, is_first_call: true };
        let said = |failed: &Failed| finding(Harm::Wedged, failed, None, "ERROR: no").detail;
        assert_eq!(said(&failed), "wedged: allocation 7 of 64 bytes failed in the session's first call: ERROR: no");
        (failed.goes_on, failed.bytes, failed.is_first_call) = (true, 0, false);
        assert_eq!(said(&failed), "wedged: allocation 7 and all behind it failed in a later call: ERROR: no");
    }
}
